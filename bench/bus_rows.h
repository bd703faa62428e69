#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/rows.h"

namespace se::bench {

/// A nats-server of its own, with a stream, and what a daemon on it does. Built where the library
/// of the bus is.
class BusWorld {
public:
    static bool can_be();  ///< whether there is a nats-server on this machine
    /// `bin` is the folder of the programs; daemons get folders below `folder`.
    BusWorld(std::string bin, std::string folder);
    ~BusWorld();
    struct State;
    State& state() { return *state_; }

private:
    std::unique_ptr<State> state_;
};

/// Mutations taken from the stream, to durable and acknowledged, and what it takes from a commit to
/// a subscriber; beside what publishing, a request and one message cost at the same server alone.
void add_bus_rows(std::vector<Row>& rows, BusWorld& world, double scale);

}  // namespace se::bench
