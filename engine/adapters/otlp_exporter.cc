#include "engine/adapters/otlp_exporter.h"

#include <algorithm>
#include <utility>

#include "engine/policy/shown_url.h"
#include "journal/base/assert.h"
#include "journal/base/json.h"

namespace se {
namespace {

constexpr std::string_view kScope = "state-engine";
constexpr int kStatusError = 2;  // STATUS_CODE_ERROR

void append_attribute(std::string& out, std::string_view name, const Span::Attribute& value) {
    JsonObject attribute(out);
    attribute.text("key", name);
    JsonObject held(attribute.member("value"));
    if (const auto* text = std::get_if<std::string>(&value)) {
        held.text("stringValue", *text);
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        held.text("intValue", std::to_string(*integer));  // 64 bits are texts in JSON Protobuf
    } else {
        held.boolean("boolValue", std::get<bool>(value));
    }
    held.close();
    attribute.close();
}

void append_span(std::string& out, const Span& span) {
    const std::chrono::nanoseconds start = span.start.time_since_epoch();
    JsonObject json(out);
    json.text("traceId", span.trace_id).text("spanId", span.span_id);
    if (!span.parent_id.empty()) json.text("parentSpanId", span.parent_id);
    json.text("name", span.name)
        .integer("kind", static_cast<std::uint64_t>(span.kind))
        .text("startTimeUnixNano", std::to_string(start.count()))
        .text("endTimeUnixNano", std::to_string((start + span.duration).count()));
    std::string& attributes = json.member("attributes");
    attributes += '[';
    for (const auto& [name, value] : span.attributes) {
        if (attributes.back() != '[') attributes += ',';
        append_attribute(attributes, name, value);
    }
    attributes += ']';
    if (span.failed) JsonObject(json.member("status")).integer("code", kStatusError).close();
    json.close();
}

}  // namespace

std::string to_otlp_json(const std::vector<Span>& spans, std::string_view service,
                         std::string_view version) {
    std::string out = R"({"resourceSpans":[{"resource":{"attributes":[)";
    append_attribute(out, "service.name", std::string(service));
    out += ',';
    append_attribute(out, "service.version", std::string(version));
    out += R"(]},"scopeSpans":[{"scope":)";
    JsonObject(out).text("name", kScope).text("version", version).close();
    out += R"(,"spans":[)";
    for (const Span& span : spans) {
        if (out.back() != '[') out += ',';
        append_span(out, span);
    }
    out += "]}]}]}";
    return out;
}

OtlpExporter::OtlpExporter(Options options, Log& log) : options_(std::move(options)), log_(log) {
    auto address = HttpClient::address_of_url(options_.endpoint);
    SE_ASSERT(address);
    address_ = *std::move(address);
    const std::size_t path = options_.endpoint.find('/', options_.endpoint.find("://") + 3);
    target_ = path == std::string::npos ? "" : options_.endpoint.substr(path);
    while (target_.ends_with('/')) target_.pop_back();
    target_ += "/v1/traces";
    thread_ = std::thread([this] { run(); });
}

OtlpExporter::~OtlpExporter() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void OtlpExporter::record(Span&& span) {
    std::size_t count = 0;
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.size() >= options_.queue) {
            ++dropped_;
            return;
        }
        waiting_.push_back(std::move(span));
        count = waiting_.size();
    }
    if (count == options_.batch) changed_.notify_one();
}

void OtlpExporter::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait_for(lock, options_.interval,
                          [this] { return stopping_ || waiting_.size() >= options_.batch; });
        const bool last = stopping_;
        const auto count = std::min(waiting_.size(), options_.batch);
        const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
        std::vector<Span> batch(std::make_move_iterator(waiting_.begin()),
                                std::make_move_iterator(end));
        waiting_.erase(waiting_.begin(), end);
        lock.unlock();
        if (!batch.empty()) (send(batch) ? sent_ : dropped_) += batch.size();
        lock.lock();
        if (last) {
            dropped_ += waiting_.size();
            return;
        }
    }
}

bool OtlpExporter::send(const std::vector<Span>& spans) {
    std::string error;
    if (const auto answer = post(spans); !answer) {
        error = answer.error().text;
        address_.tls = nullptr;  // who mends a file need not start us anew
    } else if (answer->status / 100 != 2) {
        error = "the collector answered " + std::to_string(answer->status);
    }
    if (std::exchange(reachable_, error.empty()) != error.empty()) {
        log_.write({error.empty() ? Severity::info : Severity::warning,
                    error.empty() ? "state-engine.otlp.sending" : "state-engine.otlp.dropping",
                    {{"endpoint", shown_url(options_.endpoint)}, {"error", error}}});
    }
    return error.empty();
}

Result<HttpAnswer> OtlpExporter::post(const std::vector<Span>& spans) {
    if (address_.https && address_.tls == nullptr) {
        SE_TRY(tls, HttpTls::make(options_.tls));
        address_.tls = std::move(tls);
    }
    SE_TRY(client, HttpClient::connect(address_, options_.timeout));
    return client.post(target_, to_otlp_json(spans, options_.service, options_.version));
}

std::string OtlpExporter::metrics() const {
    return "# HELP state_engine_otlp_spans_total Spans for the collector, by what became of them.\n"
           "# TYPE state_engine_otlp_spans_total counter\n"
           "state_engine_otlp_spans_total{outcome=\"sent\"} " +
           std::to_string(sent_) + "\nstate_engine_otlp_spans_total{outcome=\"dropped\"} " +
           std::to_string(dropped_) + "\n";
}

}  // namespace se
