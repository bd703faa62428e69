#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/firestore/follower.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_documents.h"
#include "tests/sim/sim_model.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_runner.h"

namespace se::sim {

/// The state in Firestore: the engine's own follower, over documents that lose answers, are late, abort, throttle
/// and go away. It lives and dies with the writer's process; the documents are on another machine.
class Mirror {
public:
    Mirror(FileSystem& files, StorePaths paths, std::uint64_t seed);

    /// One turn: begins if it is not running, reads, sends; some of what is under way arrives. P6 is checked.
    void step(Engine& engine, const Model& model, SimRandom& random);
    /// Brings all there is to documents that are well. False: it does not get there.
    bool catch_up(Engine& engine, const Model& model);
    std::string how_it_is() const { return firestore::to_json(follower_->state(), "the simulated documents"); }
    /// Its process dies: what was under way may get there or not.
    void die();
    /// An operator gives up some records: until mended() the documents may be made of them. A watermark whose run
    /// has its `opened` note among them is of another history, and an operator has the project filled again.
    void history_lost();
    /// What tells of that is in the journal, up to `last`: whoever has passed it knows.
    void mended(Seq last);

private:
    void begin(Engine& engine);
    void learn(const Model& model);
    bool filled_again();
    void check(const Model& model);
    std::optional<firestore::Mark> mark() const;

    FileSystem& files_;
    const StorePaths paths_;
    NoLog log_;
    SimClock clock_;
    SimRandom chance_;  ///< of batches, backoff, and of what arrives
    firestore::SimDocuments documents_;
    SimRunner state_lane_;
    std::array<SimRunner, 3> log_lanes_;
    std::deque<std::function<Status()>> late_;  ///< calls that processes before had begun
    std::unique_ptr<firestore::Follower> follower_;
    std::map<std::string, Seq> logs_;  ///< of each log document the first record
    Seq learned_;                      ///< they are known up to here
    Seq seen_;                         ///< the watermark
    bool known_ = false;               ///< a watermark was there
    bool lost_ = false;                ///< something was given up
    Seq good_from_;                    ///< the documents are right once the watermark is here
    std::uint64_t calls_seen_ = 0;
};

}  // namespace se::sim
