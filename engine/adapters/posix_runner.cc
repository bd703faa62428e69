#include "engine/adapters/posix_runner.h"

#include <utility>

namespace se {

ThreadRunner::ThreadRunner(std::function<void()> wake)
    : wake_(std::move(wake)), thread_([this] { run_jobs(); }) {}

ThreadRunner::~ThreadRunner() {
    {
        const std::lock_guard hold(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void ThreadRunner::start(std::function<Status()> job) {
    SE_ASSERT(!busy_ && job);
    busy_ = true;
    {
        const std::lock_guard hold(mutex_);
        job_ = std::move(job);
    }
    changed_.notify_all();
}

std::optional<Status> ThreadRunner::poll() {
    const std::lock_guard hold(mutex_);
    if (outcome_) busy_ = false;
    return std::exchange(outcome_, std::nullopt);
}

void ThreadRunner::wait() {
    std::unique_lock hold(mutex_);
    if (busy_) changed_.wait(hold, [&] { return outcome_.has_value(); });
}

void ThreadRunner::run_jobs() {
    std::unique_lock hold(mutex_);
    while (true) {
        changed_.wait(hold, [&] { return job_ || stopping_; });
        if (!job_) return;  // a job that was started is done before we stop
        std::function<Status()> job = std::exchange(job_, nullptr);
        hold.unlock();
        Status outcome = job();
        job = nullptr;  // what it captured must be gone before anybody hears that it is done
        hold.lock();
        outcome_ = std::move(outcome);
        hold.unlock();
        changed_.notify_all();
        if (wake_) wake_();
        hold.lock();
    }
}

}  // namespace se
