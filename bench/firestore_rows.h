#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/rows.h"

namespace se::bench {

/// Two daemons under the same load, one of them with Google's emulator behind it, which says nothing
/// for minutes and then comes back.
class FirestoreWorld {
public:
    static bool can_be();  ///< whether there is an emulator on this machine, and gRPC in this build
    /// `bin` is the folder of the programs; daemons get folders below `folder`.
    FirestoreWorld(std::string bin, std::string folder);
    ~FirestoreWorld();
    struct State;
    State& state() { return *state_; }

private:
    std::unique_ptr<State> state_;
};

/// What an outage costs those who commit, and the daemon in memory; and how fast the documents are
/// made good afterwards, beside the emulator's own rate for the same writes.
void add_firestore_rows(std::vector<Row>& rows, FirestoreWorld& world, double scale);

}  // namespace se::bench
