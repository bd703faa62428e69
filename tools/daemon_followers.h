#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/adapters/http_loop.h"
#include "engine/egress/followers_door.h"

namespace se {

/// The daemon's outbound followers, all on one thread of their own: a slow disk or peer of theirs
/// keeps no answer waiting. All functions are for the daemon's thread but what is said to be for
/// any.
class DaemonFollowers final : public FollowersDoor {
public:
    struct Doors {
        FileSystem& files;
        Clock& clock;
        Random& random;
        Log& log;
        HttpLoop& home;  ///< the daemon's
        /// Journals a note of a follower, on the daemon's thread; `told` is called there.
        std::function<void(const std::string& follower, std::string name, std::string body,
                           std::function<void(Status)> told)>
            note;
    };
    DaemonFollowers(Doors doors, StorePaths paths);
    ~DaemonFollowers() override;
    DaemonFollowers(const DaemonFollowers&) = delete;
    DaemonFollowers& operator=(const DaemonFollowers&) = delete;

    // --- before begin()

    /// Where sinks live.
    HttpLoop& loop() { return loop_; }
    /// For sinks: some outcome can be polled. Any thread.
    std::function<void()> waker();
    void add(FollowerOptions options, MessagesOf messages_of, std::unique_ptr<Sink> sink);

    // ---

    /// The engine has opened the store, for the first time or anew. When this returns the first
    /// time, each has its watermark on the disk, unless the disk said no or a note has to come
    /// first.
    void begin();
    /// The store is let go of and may be another's: the watermarks are kept a last time, and from the return on
    /// until begin() nothing is delivered or kept, whoever wakes or asks.
    void pause();
    /// There are more durable records. Any thread.
    void wake();
    /// Keeps the watermarks, unless the store is let go of, and ends the thread.
    void stop();

    std::vector<FollowerStatus> statuses() const override;
    void ask(const std::string& follower, Job job,
             std::function<void(Result<std::string>)> done) override;

private:
    struct Running {
        std::unique_ptr<Sink> sink;
        std::unique_ptr<Follower> follower;
    };
    void step();
    void tell();
    void keep();

    bool paused_ = false;  // their thread's

    const Doors doors_;
    const StorePaths paths_;
    HttpLoop loop_;
    std::vector<Running> followers_;
    std::vector<FollowerStatus> told_;  ///< of this moment; behind mutex_
    mutable std::mutex mutex_;
    std::atomic<bool> step_posted_ = false;
    std::thread thread_;
};

}  // namespace se
