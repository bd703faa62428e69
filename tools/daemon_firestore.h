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
#include "engine/firestore/drift.h"
#include "engine/firestore/follower.h"
#include "engine/policy/firestore_settings.h"
#include "tools/daemon_exemptions.h"
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
    /// POST {"prefix"?,"limit"?,"after"?,"keys"?}: what differs, of all or of a part.
    static constexpr std::string_view kDiffRoute = "/v1/operator/firestore/diff";
    /// POST {"prefix"?,"id"?,"reason"?}: the same, and its documents are written once more.
    static constexpr std::string_view kHealRoute = "/v1/operator/firestore/heal";

    /// POST {"bootstrap"?,"id"?,"reason"?}: one that has stopped looks again, as a new start would;
    /// done when it is journaled.
    static constexpr std::string_view kResumeRoute = "/v1/operator/firestore/resume";

    struct World {
        FileSystem& files;
        Clock& clock;
        Random& random;
        Log& log;
        StorePaths paths;
        /// Runs something on the engine's thread, later; any thread.
        std::function<void(std::function<void()>)> post;
        // There, or why not now: live entries with a prefix, and as of which seq; what keys have.
        decltype(firestore::DriftDoors::state) state;
        firestore::Follower::EntryDoor entries;
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

    /// Holds the documents against the state (find_drift), on a thread of its own, one at a time:
    /// Errc::unavailable while another goes on. `done` as in ask().
    void compare(const std::string& prefix, std::size_t found_max, const firestore::DriftPart& part,
                 std::function<void(Result<firestore::DriftReport>)> done);
    using Job = std::function<Result<std::string>(firestore::Follower&)>;
    /// Runs `job` where the follower runs; `done` hears of it later, on the engine's thread, unless
    /// stop() comes first.
    void ask(Job job, std::function<void(Result<std::string>)> done);
    /// Follower::resume() there, and with a bootstrap the exemptions are asked for, too.
    void resume(bool bootstrap, std::function<void(Result<std::string>)> done);
    bool stopped() const;
    /// Its lag as of `durable`: it knows only what was durable when it last looked.
    std::string status(Seq durable) const;  ///< JSON object
    bool follows() const;
    std::string metrics(Seq durable) const;  ///< Prometheus text: state_engine_firestore_*

private:
    DaemonFirestore(const FirestoreSettings& settings, World world);
    void run();
    template <class T>
    Result<T> ask_engine(std::function<Result<T>()> question);
    void do_it_there(std::function<void()> job);
    Result<firestore::DriftReport> look(const std::string& prefix, std::size_t found_max,
                                        const firestore::DriftPart& part);
    firestore::FollowerState state(Seq durable) const;

    const World world_;
    const std::unique_ptr<firestore::DocumentStore> documents_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool woken_ = false, opened_ = false, stopping_ = false;
    std::deque<std::function<void()>> asked_;  ///< to be done on its thread
    firestore::FollowerState told_;            ///< as of the last step
    std::string told_exemptions_;              ///< likewise

    ThreadRunner state_lane_;
    std::vector<std::unique_ptr<ThreadRunner>> log_lanes_;
    firestore::Follower follower_;
    DaemonExemptions exemptions_;

    ThreadRunner look_lane_;  ///< for comparisons; what is asked for and found:
    std::shared_ptr<Result<firestore::DriftReport>> looked_;
    std::function<void(Result<firestore::DriftReport>)> look_done_;
    std::thread thread_;
};

/// Flag > environment > file > default, as load_config().
Result<FirestoreSettings> load_firestore_settings(const DaemonOptions& options);

}  // namespace se
