#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/adapters/http_client.h"
#include "engine/tracing.h"
#include "journal/base/log.h"

namespace se {

/// An ExportTraceServiceRequest in OTLP's JSON encoding (OpenTelemetry protocol 1.x, "JSON Protobuf
/// Encoding").
std::string to_otlp_json(const std::vector<Span>& spans, std::string_view service,
                         std::string_view version);

/// Sends spans to a collector by OTLP/HTTP, from a thread of its own. Bounded: spans beyond `queue`
/// are dropped, and so is a batch that the collector does not take; each is counted.
class OtlpExporter final : public Tracer {
public:
    struct Options {
        /// http:// or https://host[:port][/base]; spans go to <endpoint>/v1/traces
        std::string endpoint;
        std::string service;
        std::string version;
        std::size_t queue = 2048;                   ///< spans waiting
        std::size_t batch = 512;                    ///< spans of one request at most
        std::chrono::milliseconds interval{1'000};  ///< how long a span waits for company
        std::chrono::milliseconds timeout{5'000};   ///< of one wait for the collector
        HttpTls::Options tls = {};  ///< read for the first batch, and again after one that failed
    };
    /// Needs an endpoint that address_of_url() takes.
    OtlpExporter(Options options, Log& log);
    /// Sends what is left, one batch, and waits for that; what is over it is dropped.
    ~OtlpExporter() override;
    OtlpExporter(const OtlpExporter&) = delete;
    OtlpExporter& operator=(const OtlpExporter&) = delete;

    void record(Span&& span) override;
    /// Prometheus text: spans sent and dropped.
    std::string metrics() const;

private:
    void run();
    bool send(const std::vector<Span>& spans);
    Result<HttpAnswer> post(const std::vector<Span>& spans);

    const Options options_;
    Log& log_;
    HttpClient::Address address_;  // its `tls` is run()'s
    std::string target_;
    bool reachable_ = true;  // only run() touches it: a change is logged, not each failure
    std::atomic<std::uint64_t> sent_ = 0, dropped_ = 0;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Span> waiting_;
    bool stopping_ = false;

    std::thread thread_;  // last, so that it finds all of the above
};

}  // namespace se
