#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "journal/base/runner.h"

namespace se {

/// Keeps its job until the simulator says when to run it.
class SimRunner final : public Runner {
public:
    void start(std::function<Status()> job) override {
        SE_ASSERT(!busy());
        job_ = std::move(job);
    }

    std::optional<Status> poll() override { return std::exchange(outcome_, std::nullopt); }
    bool busy() const override { return waiting() || outcome_.has_value(); }
    void wait() override { run(); }

    /// A job waits to be run.
    bool waiting() const { return static_cast<bool>(job_); }

    /// Runs the job that waits, if any; its outcome can be polled then.
    void run() {
        if (!waiting()) return;
        const std::function<Status()> job = std::exchange(job_, nullptr);
        outcome_ = job();
    }

    /// The job that waits, for whoever outlives the process: a call that is still on its way.
    std::function<Status()> take() { return std::exchange(job_, nullptr); }

    /// Forgets job and outcome, as a dying process does.
    void drop() {
        job_ = nullptr;
        outcome_.reset();
    }

private:
    std::function<Status()> job_;
    std::optional<Status> outcome_;
};

}  // namespace se
