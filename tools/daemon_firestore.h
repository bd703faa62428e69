#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/adapters/posix_runner.h"
#include "engine/api/api.h"
#include "engine/firestore/follower.h"
#include "engine/policy/firestore_settings.h"
#include "tools/daemon_options.h"

namespace se {

/// Firestore's follower on a thread of its own, with its lanes: no commit ever waits for it. It
/// outlives the engines of a daemon, one after the other. All functions are for the engine's
/// thread.
class DaemonFirestore {
public:
    static constexpr std::string_view kStatusRoute = "/v1/operator/firestore";
    /// GET: a list. POST {"action":"retry"|"drop","id":…}: done when it is journaled.
    static constexpr std::string_view kLettersRoute = "/v1/operator/firestore/deadletters";

    struct World {
        FileSystem& files;
        Clock& clock;
        Random& random;
        Log& log;
        StorePaths paths;
        /// Runs something on the engine's thread, later; any thread.
        std::function<void(std::function<void()>)> post;
        /// There: live entries, and as of which seq, or why not now.
        firestore::Follower::StateDoor state;
    };
    /// What of the settings cannot be meant; empty when all can.
    static std::string problem(const FirestoreSettings& settings);
    /// Null: the settings name neither project nor emulator. Nothing is reached out for yet.
    static std::unique_ptr<DaemonFirestore> make(const FirestoreSettings& settings, World world);
    ~DaemonFirestore();
    DaemonFirestore(const DaemonFirestore&) = delete;
    DaemonFirestore& operator=(const DaemonFirestore&) = delete;

    void engine_opened();  ///< it begins, or looks again at what is there, for this run
    void changed();        ///< there may be more to follow; any thread
    void stop();           ///< gives up what is under way; returns when nothing is

    using Job = std::function<Result<std::string>(firestore::Follower&)>;
    /// Runs `job` where the follower runs; `done` hears of it later, on the engine's thread, unless
    /// stop() comes first.
    void ask(Job job, std::function<void(Result<std::string>)> done);
    /// Its lag as of `durable`: it knows only what was durable when it last looked.
    std::string status(Seq durable) const;   ///< JSON object
    std::string metrics(Seq durable) const;  ///< Prometheus text: state_engine_firestore_*

private:
    DaemonFirestore(const FirestoreSettings& settings, World world);
    void run();
    Result<firestore::Follower::StatePage> page(const std::string& after, std::size_t limit);
    firestore::FollowerState state(Seq durable) const;

    const World world_;
    const std::unique_ptr<firestore::DocumentStore> documents_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool woken_ = false, opened_ = false, stopping_ = false;
    std::deque<std::function<void()>> asked_;  ///< to be done on its thread
    firestore::FollowerState told_;            ///< as of the last step

    ThreadRunner state_lane_;
    std::vector<std::unique_ptr<ThreadRunner>> log_lanes_;
    firestore::Follower follower_;
    std::thread thread_;
};

/// Flag > environment > file > default, as load_config().
Result<FirestoreSettings> load_firestore_settings(const DaemonOptions& options);

}  // namespace se
