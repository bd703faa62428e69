#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "journal/base/runner.h"

namespace se {

/// Runs its jobs on one thread of its own, and calls `wake` there when an outcome can be polled.
/// The other functions belong to the thread that made it; `wake` must not call them. The destructor
/// waits for the job that runs: it may hold what the caller is about to destroy.
class ThreadRunner final : public Runner {
public:
    explicit ThreadRunner(std::function<void()> wake);
    ~ThreadRunner() override;
    ThreadRunner(const ThreadRunner&) = delete;
    ThreadRunner& operator=(const ThreadRunner&) = delete;

    void start(std::function<Status()> job) override;
    std::optional<Status> poll() override;
    bool busy() const override { return busy_; }
    void wait() override;

private:
    void run_jobs();

    const std::function<void()> wake_;
    bool busy_ = false;  // only the owner's thread touches it

    std::mutex mutex_;
    std::condition_variable changed_;
    std::function<Status()> job_;    // started, and not yet taken by the thread
    std::optional<Status> outcome_;  // finished, and not yet polled
    bool stopping_ = false;

    std::thread thread_;  // last, so that it finds all of the above
};

}  // namespace se
