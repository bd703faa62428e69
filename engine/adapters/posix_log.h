#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/clock.h"
#include "journal/base/log.h"

namespace se {

/// A longer value in a line is cut there, and ends in an ellipsis.
inline constexpr std::size_t kLogValueSizeMax = 8192;

/// `debug`, `info`, `warn` or `warning`, `error`, in any case: what LOG_LEVEL may hold.
std::optional<Severity> severity_from_text(std::string_view text);

struct JsonLogOptions {
    std::string service = "state-engine";
    Severity severity_min = Severity::info;  ///< events below are dropped
    /// Wherever one of these occurs in a name or value, `[redacted]` stands instead. Empty ones do
    /// not count.
    std::vector<std::string> secrets = {};
    int descriptor = 2;  ///< where lines go; not closed
};

/// One JSON object a line:
///     {"ts":"2026-11-21T02:00:00.000Z","service":"state-engine","level":"info","severity":"INFO",
///      "msg":"state-engine.mutation.committed","key":"stream.state"}
/// An event of a trace has `trace_id` and `span_id`, those of its caller, behind `msg`. The context
/// follows as members of its own; one whose name is taken gets a `context_` in front. A line that
/// cannot be written is dropped: a full disk for logs must not stop the engine. Safe to call from
/// any thread; lines are whole.
class JsonLog final : public Log {
public:
    JsonLog(const Clock& clock, JsonLogOptions options);

    void write(const LogEvent& event) override;
    bool takes(Severity severity) const override { return severity >= severity_min_; }
    /// From now on this is a secret too.
    void hide(std::string secret);
    /// From now on events below are dropped. Any thread.
    void set_severity_min(Severity severity) { severity_min_ = severity; }
    Severity severity_min() const { return severity_min_; }

private:
    const Clock& clock_;
    JsonLogOptions options_;
    std::vector<std::string> secrets_;
    std::atomic<Severity> severity_min_;
    std::mutex mutex_;  // keeps lines apart where one write is not enough; guards the secrets
};

}  // namespace se
