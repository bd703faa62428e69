#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "engine/egress/follower.h"
#include "journal/base/log.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_model.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_sink.h"

namespace se::sim {

/// The engine's own outbound follower, and the peer it delivers to. Of each record the peer gets
/// what rules fired, then one message about the record itself. The follower lives and dies with the
/// writer's process; the peer is on another machine, and refuses, goes away or loses its answers as
/// the seed says.
class Follower {
public:
    Follower(FileSystem& files, StorePaths paths) : files_(files), paths_(std::move(paths)) {}

    /// One turn: begins if it is not running, reads, hands over; the peer takes some; all that can
    /// be seen is checked.
    void step(const Model& model, SimRandom& random);
    /// Delivers all there is to a peer that takes it. False: not yet.
    bool catch_up(const Model& model);
    /// Its process dies: what was on the way to the peer may have got there or not.
    void die();
    /// Records up to `through` were given up, or are told again.
    void history_lost(Seq through);

private:
    void begin();
    void turn(const Model& model, std::size_t served);
    void note(const std::string& name, const std::string& body);
    void check_peer(const Model& model);
    void check_watermark();
    void check_letters();
    void check_fired();

    FileSystem& files_;
    const StorePaths paths_;
    NoLog log_;
    SimClock clock_;
    SimRandom chance_{0x666F6C6C};  ///< of the peer, and of backoff

    SimSink sink_;
    std::unique_ptr<se::Follower> follower_;
    bool kind_ = false;  ///< the peer takes all from now on

    // --- the peer, and what it knows
    std::size_t seen_ = 0, refused_seen_ = 0;  ///< of sink_'s lists
    std::map<Seq, Epoch> got_;                 ///< the message about a record: acknowledged or not
    std::set<std::string> ids_;                ///< of everything
    Seq acknowledged_;                         ///< all up to here is acknowledged or refused
    Seq began_at_;  ///< without a watermark: nothing up to here is ever delivered
    Seq lost_through_;
    std::optional<Seq> file_seq_;  ///< the watermark seen last
};

}  // namespace se::sim
