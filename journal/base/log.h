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
    /// W3C traceparent of what it is about; empty, or anything else: it is of no trace.
    std::string_view trace = {};
};

/// Where events go. Safe to call from any thread; never blocks for long, never fails.
class Log {
public:
    virtual ~Log() = default;
    virtual void write(const LogEvent& event) = 0;
    /// Whether events of that severity are kept at all. For what comes so often that to put an
    /// event together costs more than what it tells of.
    virtual bool takes(Severity) const { return true; }
};

class NoLog final : public Log {
public:
    void write(const LogEvent&) override {}
    bool takes(Severity) const override { return false; }
};

}  // namespace se
