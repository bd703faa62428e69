#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace se {

enum class Severity { debug, info, warning, error };

/// One event for whoever operates the engine: a stable name and its context, never a secret.
struct LogEvent {
    Severity severity;
    std::string_view name;  ///< e.g. "state-engine.mutation.committed"
    std::vector<std::pair<std::string_view, std::string>> context = {};  ///< values are plain text
};

/// Where events go. Safe to call from any thread; never blocks for long, never fails.
class Log {
public:
    virtual ~Log() = default;
    virtual void write(const LogEvent& event) = 0;
};

class NoLog final : public Log {
public:
    void write(const LogEvent&) override {}
};

}  // namespace se
