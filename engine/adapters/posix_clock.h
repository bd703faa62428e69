#pragma once

#include <chrono>

#include "journal/base/clock.h"

namespace se {

/// The machine's clocks.
class PosixClock final : public Clock {
public:
    std::chrono::nanoseconds monotonic() const override {
        return std::chrono::steady_clock::now().time_since_epoch();
    }

    Time wall() const override {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    }
};

}  // namespace se
