#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "journal/journal_reader.h"
#include "tests/sim/sim_model.h"
#include "tests/sim/sim_random.h"

namespace se::sim {

/// An outbound follower as DESIGN 5 has them, and the peer it delivers to: reads the journal,
/// delivers record by record, keeps how far the peer has acknowledged in followers/<name>. It lives
/// and dies with the writer's process; the peer is on another machine, and may not answer.
class Follower {
public:
    Follower(FileSystem& files, StorePaths paths) : files_(files), paths_(std::move(paths)) {}

    /// One turn: begins if it is not running, delivers some, sometimes keeps its watermark.
    void step(const Model& model, SimRandom& random);
    /// Delivers all there is. False: not yet.
    bool catch_up(const Model& model);
    /// Its process dies: what was on the way to the peer may have got there or not.
    void die();
    /// Records up to `through` were given up, or are told again.
    void history_lost(Seq through);

    Seq acknowledged() const { return acknowledged_; }

private:
    void begin(const Model& model);
    bool deliver(const Model& model, bool peer_answers);
    void save();

    FileSystem& files_;
    const StorePaths paths_;

    std::optional<JournalReader> reader_;
    Cursor watermark_;  // passes only what the peer acknowledged
    bool saved_ = true;

    // The peer, and what it knows.
    std::map<Seq, Epoch> received_;
    Seq acknowledged_;
    Seq began_at_;  // without a watermark: nothing up to here is ever delivered
    Seq lost_through_;
    std::optional<Seq> file_seq_;  // the watermark last kept
};

}  // namespace se::sim
