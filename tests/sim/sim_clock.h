#pragma once

#include <atomic>
#include <chrono>

#include "journal/base/clock.h"

namespace se {

/// Two clocks that only move when told to. Safe to use from any thread.
class SimClock final : public Clock {
public:
    /// Begins at some past second, so that a text made from it is a likely one.
    static constexpr Time kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

    explicit SimClock(Time wall = kStart) : wall_(wall) {}

    std::chrono::nanoseconds monotonic() const override { return monotonic_.load(); }
    Time wall() const override {
        return std::chrono::floor<std::chrono::milliseconds>(wall_.load());
    }

    /// Time passes, for both.
    void advance(std::chrono::nanoseconds by) {
        monotonic_ = monotonic_.load() + by;
        wall_ = wall_.load() + by;
    }

    /// Somebody sets the wall clock, forwards or back; the monotonic one does not notice.
    void jump(std::chrono::nanoseconds by) { wall_ = wall_.load() + by; }
    void set_wall(Time time) { wall_ = time; }

    /// As after a restart of the machine.
    void set_monotonic(std::chrono::nanoseconds time) { monotonic_ = time; }

private:
    using Nanoseconds = std::chrono::sys_time<std::chrono::nanoseconds>;

    std::atomic<Nanoseconds> wall_;  // finer than it is shown, so that small steps add up
    std::atomic<std::chrono::nanoseconds> monotonic_{std::chrono::seconds{1000}};
};

}  // namespace se
