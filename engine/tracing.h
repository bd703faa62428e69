#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "journal/base/clock.h"
#include "journal/base/random.h"

namespace se {

/// One thing that was done for somebody, in the words of OpenTelemetry's tracing specification. Ids
/// are lower-case hex as in W3C Trace Context.
struct Span {
    enum class Kind : std::uint8_t { internal = 1, server = 2 };  ///< numbered as in OTLP
    using Attribute = std::variant<std::string, std::int64_t, bool>;

    std::string trace_id;   ///< 32 digits
    std::string span_id;    ///< 16 digits
    std::string parent_id;  ///< 16 digits; empty: the trace begins here
    std::string name;       ///< of few different ones: no keys, no ids
    Kind kind = Kind::internal;
    Time start;
    std::chrono::nanoseconds duration{0};
    std::vector<std::pair<std::string, Attribute>> attributes;
    bool failed = false;
};

/// Where spans go. Any thread; never blocks, never fails: what cannot be kept is dropped and
/// counted.
class Tracer {
public:
    virtual ~Tracer() = default;
    virtual void record(Span&& span) = 0;
};

/// A span that began: end() tells the tracer.
class OpenSpan {
public:
    /// Under the caller's traceparent (W3C, valid or empty). Nothing when there is no tracer, or
    /// when the caller says that this trace is not sampled. All outlive the span.
    static std::optional<OpenSpan> begin(Tracer* tracer, const Clock& clock, Random& random,
                                         std::string_view traceparent, std::string name,
                                         Span::Kind kind);
    Span& span() { return span_; }
    void end() &&;

private:
    OpenSpan(Tracer& tracer, const Clock& clock) : tracer_(&tracer), clock_(&clock) {}

    Tracer* tracer_;
    const Clock* clock_;
    std::chrono::nanoseconds began_{0};
    Span span_;
};

/// 55 characters, `00-<trace id>-<parent id>-<flags>`, in lower-case hex: W3C Trace Context. Ids
/// that are all zero and version ff are no trace.
bool is_traceparent(std::string_view text);
std::string_view trace_id_of(std::string_view traceparent);  ///< needs a traceparent
std::string_view span_id_of(std::string_view traceparent);   ///< the caller's; likewise

}  // namespace se
