#include "engine/tracing.h"

namespace se {

bool is_traceparent(std::string_view text) {
    if (text.size() != 55 || text.starts_with("ff")) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool dash = i == 2 || i == 35 || i == 52;
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    }
    const auto zero = [&](std::size_t from, std::size_t count) {
        return text.substr(from, count).find_first_not_of('0') == text.npos;
    };
    return !zero(3, 32) && !zero(36, 16);
}

std::string_view trace_id_of(std::string_view traceparent) { return traceparent.substr(3, 32); }

std::string_view span_id_of(std::string_view traceparent) { return traceparent.substr(36, 16); }

std::optional<OpenSpan> OpenSpan::begin(Tracer* tracer, const Clock& clock, Random& random,
                                        std::string_view traceparent, std::string name,
                                        Span::Kind kind) {
    if (tracer == nullptr) return std::nullopt;
    OpenSpan open(*tracer, clock);
    Span& span = open.span_;
    if (is_traceparent(traceparent)) {
        const bool sampled =
            ((traceparent[54] <= '9' ? traceparent[54] - '0' : traceparent[54] - 'a' + 10) & 1) !=
            0;
        if (!sampled) return std::nullopt;
        span.trace_id = trace_id_of(traceparent);
        span.parent_id = span_id_of(traceparent);
    } else {
        span.trace_id = make_hex(random, 16);
    }
    span.span_id = make_hex(random, 8);
    span.name = std::move(name);
    span.kind = kind;
    span.start = clock.wall();
    open.began_ = clock.monotonic();
    return open;
}

void OpenSpan::end() && {
    span_.duration = clock_->monotonic() - began_;
    tracer_->record(std::move(span_));
}

}  // namespace se
