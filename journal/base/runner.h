#pragma once

#include <functional>
#include <optional>

#include "journal/base/result.h"

namespace se {

/// Does one job at a time, perhaps elsewhere: the daemon's runs it on a thread and wakes the loop, the
/// simulator's at a moment its seed chooses, InlineRunner at once. What a job touches belongs to the
/// job until poll() has returned its outcome.
class Runner {
public:
    virtual ~Runner() = default;

    /// Starts `job`. Needs: !busy().
    virtual void start(std::function<Status()> job) = 0;

    /// The outcome of the finished job, once; nothing while it runs or when there is none.
    virtual std::optional<Status> poll() = 0;

    /// A job was started whose outcome poll() has not returned yet.
    virtual bool busy() const = 0;

    /// Blocks until the job that runs, if any, has an outcome to poll.
    virtual void wait() = 0;
};

class InlineRunner final : public Runner {
public:
    void start(std::function<Status()> job) override { outcome_ = job(); }
    std::optional<Status> poll() override { return std::exchange(outcome_, std::nullopt); }
    bool busy() const override { return outcome_.has_value(); }
    void wait() override {}

private:
    std::optional<Status> outcome_;
};

}  // namespace se
