#pragma once

#include <chrono>

namespace se {

/// Wall time as the journal keeps it: milliseconds, UTC. It is for people and deadlines; nothing is
/// ever ordered by it.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

/// The two times there are. Timeouts and measurements use `monotonic`; people read `wall`. A test
/// may set either to anything. Safe to call from any thread.
class Clock {
public:
    virtual ~Clock() = default;
    virtual std::chrono::nanoseconds monotonic() const = 0;
    virtual Time wall() const = 0;
};

}  // namespace se
