// Spans for a collector, from the real program: what they say, and that a collector can harm
// nobody.

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "engine/adapters/http_loop.h"
#include "engine/adapters/http_server.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/daemon/swallowing_port.h"
#include "tests/daemon/tls_front.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

/// Takes what is posted to /v1/traces, on a thread of its own, and answers with `status`.
class Collector {
public:
    explicit Collector(int status = 200)
        : server_(
              loop_, HttpServer::from(Settings::Http{}),
              [this, status](Request&& request, Api::Reply reply) {
                  {
                      const std::lock_guard lock(mutex_);
                      requests_.push_back(std::move(request));
                  }
                  reply({.status = status, .body = "{}"});
              },
              log_) {
        REQUIRE(server_.bind("127.0.0.1", 0));
        server_.serve();
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Collector() {
        loop_.stop();
        thread_.join();
    }
    std::uint16_t port() const { return server_.port(); }
    std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port()); }

    /// All spans so far, in order of their end.
    std::vector<Json> spans() {
        const std::lock_guard lock(mutex_);
        std::vector<Json> all;
        for (const Request& request : requests_) {
            CHECK(request.method == "POST");
            CHECK(request.target == "/v1/traces");
            CHECK(request.header("content-type") == "application/json");
            const Json body = json_of(request.body);
            const Json& resource = body.find("resourceSpans")->array().at(0);
            CHECK(to_text(*resource.find("resource")).find(R"("stringValue":"state-engine")") !=
                  std::string::npos);
            const Json& scope = resource.find("scopeSpans")->array().at(0);
            for (const Json& span : scope.find("spans")->array()) all.push_back(span);
        }
        return all;
    }
    std::vector<Json> wait_for(std::size_t count) {
        for (int i = 0; i < 600 && spans().size() < count; ++i) std::this_thread::sleep_for(50ms);
        return spans();
    }

private:
    NoLog log_;
    HttpLoop loop_;
    HttpServer server_;
    std::mutex mutex_;
    std::vector<Request> requests_;
    std::thread thread_;
};

/// The attributes of a span as texts.
std::map<std::string, std::string> attributes(const Json& span) {
    std::map<std::string, std::string> out;
    for (const Json& attribute : span.find("attributes")->array()) {
        const Json& value = attribute.find("value")->object().at(0).second;
        out[attribute.find("key")->string()] = value.is_string() ? value.string() : to_text(value);
    }
    return out;
}

std::string member(const Json& span, std::string_view name) {
    const Json* const found = span.find(name);
    return found == nullptr ? "" : found->is_string() ? found->string() : to_text(*found);
}

constexpr const char* kTrace = "0123456789abcdef0123456789abcdef";
constexpr const char* kParent = "00f067aa0ba902b7";

HttpClient::Request proposal(const std::string& traceparent) {
    return {.method = "POST",
            .target = "/v1/mutations",
            .headers = {{"traceparent", traceparent}},
            .body = set_text("user.a", "1", "one")};
}

}  // namespace

TEST_CASE("a collector hears of each request and each mutation, under the caller's trace") {
    Collector collector;
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .environment = {"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.endpoint()}});
    daemon.start();
    HttpClient client = daemon.tcp();
    const std::string traced = std::string("00-") + kTrace + "-" + kParent;
    REQUIRE(client.send(proposal(traced + "-00"))->status ==
            200);  // not sampled: nobody hears of it
    REQUIRE(client.send(proposal(traced + "-01"))->status == 200);
    REQUIRE(client.get("/v1/state/user.a?token=hush")->status == 200);
    REQUIRE(client.get("/nowhere")->status == 404);

    const std::vector<Json> spans = collector.wait_for(4);
    REQUIRE(spans.size() == 4);
    const Json& mutation = spans[0];
    CHECK(member(mutation, "name") == "mutation");
    CHECK(member(mutation, "traceId") == kTrace);
    CHECK(member(mutation, "parentSpanId") == kParent);
    CHECK(member(mutation, "kind") == "1");
    auto told = attributes(mutation);
    CHECK(told["state.op"] == "set");
    CHECK(told["state.key"] == "user.a");
    CHECK(told["state.id"] == "one");
    CHECK(told["state.duplicate"] == "true");
    CHECK(told["state.accepted"] == "true");
    CHECK(told["state.door"] == "http");

    const Json& post = spans[1];
    CHECK(member(post, "name") == "POST /v1/mutations");
    CHECK(member(post, "traceId") == kTrace);
    CHECK(member(post, "kind") == "2");
    CHECK(member(post, "spanId") != member(mutation, "spanId"));
    CHECK(attributes(post)["http.response.status_code"] == "200");
    CHECK(std::stoull(member(post, "endTimeUnixNano")) >=
          std::stoull(member(post, "startTimeUnixNano")));

    const Json& get = spans[2];
    CHECK(member(get, "name") == "GET /v1/state/{key}");
    CHECK(member(get, "parentSpanId").empty());
    CHECK(member(get, "traceId").size() == 32);
    CHECK(to_text(get).find("hush") == std::string::npos);
    CHECK(member(spans[3], "name") == "GET");
    CHECK(attributes(spans[3])["http.response.status_code"] == "404");

    // What the caller sent is in the record as it came.
    CHECK(to_text(records_of(daemon.data()).back()).find(traced) != std::string::npos);
    CHECK(client.get("/metrics")->body.find("state_engine_otlp_spans_total{outcome=\"sent\"} 4") !=
          std::string::npos);
    CHECK(daemon.stop() == 0);
}

TEST_CASE("the last spans are sent at the end; what a collector refuses is dropped and counted") {
    TemporaryDirectory folder;
    Collector collector;
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .arguments = {"--set", "otlp.endpoint=" + collector.endpoint() + "/"}});
    daemon.start();
    REQUIRE(daemon.tcp().get("/livez")->status == 200);
    CHECK(daemon.stop() == 0);
    CHECK(collector.spans().size() == 1);

    Collector refusing(503);
    DaemonProcess refused({.data = folder.path() + "/data",
                           .arguments = {"--set", "otlp.endpoint=" + refusing.endpoint()}});
    refused.start();
    REQUIRE(refused.tcp().get("/livez")->status == 200);
    REQUIRE(refused.log_says("state-engine.otlp.dropping"));
    CHECK(refused.log().find("the collector answered 503") != std::string::npos);
    CHECK(refused.tcp()
              .get("/metrics")
              ->body.find("state_engine_otlp_spans_total{outcome=\"dropped\"} 1") !=
          std::string::npos);
    CHECK(refused.stop() == 0);
}

TEST_CASE("a collector that never answers holds nobody up; what is beyond the queue is dropped") {
    TemporaryDirectory folder;
    // It takes connections and says nothing: nobody runs its loop.
    NoLog log;
    HttpLoop loop;
    HttpServer silent(
        loop, HttpServer::from(Settings::Http{}), [](Request&&, const Api::Reply&) {}, log);
    REQUIRE(silent.bind("127.0.0.1", 0));
    DaemonProcess daemon(
        {.data = folder.path() + "/data",
         .arguments = {"--set", "otlp.endpoint=http://127.0.0.1:" + std::to_string(silent.port()),
                       "--set", "otlp.queue=10"}});
    daemon.start();
    HttpClient client = daemon.tcp();
    for (int i = 0; i < 1000; ++i) REQUIRE(client.get("/livez")->status == 200);
    const std::string metrics = client.get("/metrics")->body;
    const std::string_view name = "state_engine_otlp_spans_total{outcome=\"dropped\"} ";
    const std::size_t at = metrics.find(name);
    REQUIRE(at != std::string::npos);
    CHECK(std::stoull(metrics.substr(at + name.size())) >= 500);
    daemon.kill_hard();
}

TEST_CASE("a collector behind TLS hears of spans once its certificate is trusted") {
    TemporaryDirectory folder;
    const std::string trusted = folder.path() + "/trusted.pem";
    std::filesystem::copy_file(Certificates::file("other-ca.pem"), trusted);
    Collector collector;
    TlsFront front(collector.port());
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .environment = {"OTEL_EXPORTER_OTLP_ENDPOINT=" + front.url(),
                                          "OTEL_EXPORTER_OTLP_CERTIFICATE=" + trusted}});
    daemon.start();
    HttpClient client = daemon.tcp();
    REQUIRE(client.get("/livez")->status == 200);
    REQUIRE(daemon.log_says("state-engine.otlp.dropping"));
    CHECK(daemon.log_says("of no authority that is trusted"));
    CHECK(daemon.log_says("otlp.tls_ca (" + trusted + ")"));
    CHECK(collector.spans().empty());

    std::filesystem::copy_file(Certificates::file("ca.pem"), trusted,
                               std::filesystem::copy_options::overwrite_existing);
    for (int i = 0; i < 600 && collector.spans().empty(); ++i) {
        REQUIRE(client.get("/livez")->status == 200);
        std::this_thread::sleep_for(50ms);
    }
    CHECK(!collector.spans().empty());
    CHECK(daemon.log_says("state-engine.otlp.sending"));
    CHECK(front.count("sni localhost") >= 2);
    CHECK(daemon.stop() == 0);
}

TEST_CASE("authorities for a collector without TLS are passed over: many programs may share an environment") {
    TemporaryDirectory folder;
    Collector collector;
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .environment = {"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.endpoint(),
                                          "OTEL_EXPORTER_OTLP_CERTIFICATE=/none.pem"}});
    daemon.start();
    HttpClient client = daemon.tcp();
    for (int i = 0; i < 600 && collector.spans().empty(); ++i) {
        REQUIRE(client.get("/livez")->status == 200);
        std::this_thread::sleep_for(50ms);
    }
    CHECK(!collector.spans().empty());
    CHECK(daemon.log_says("state-engine.settings.passed_over"));
    CHECK(daemon.log().find("otlp.tls_ca") != std::string::npos);
    CHECK(daemon.stop() == 0);
}

TEST_CASE("a collector whose address swallows packets does not hold up the end") {
    const SwallowingPort nowhere;
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .arguments = {"--set", "otlp.endpoint=http://127.0.0.1:" +
                                                     std::to_string(nowhere.port())}});
    daemon.start();
    REQUIRE(daemon.tcp().get("/livez")->status == 200);
    const auto begin = std::chrono::steady_clock::now();
    CHECK(daemon.stop() == 0);
    CHECK(std::chrono::steady_clock::now() - begin < 60s);  // the kernel's own time is above two minutes
    CHECK(daemon.log().find("no answer within 5000 ms") != std::string::npos);
}

TEST_CASE("a collector's address that cannot be is refused by name") {
    TemporaryDirectory folder;
    for (const char* endpoint : {"grpc://collector:4317", "http://", "https:///v1", "collector",
                                 "http://collector:99999"}) {
        DaemonProcess daemon({.data = folder.path() + "/data",
                              .arguments = {"--set", std::string("otlp.endpoint=") + endpoint}});
        CHECK(daemon.run_to_end() == 1);
        CHECK_MESSAGE(daemon.log().find("otlp.endpoint") != std::string::npos, daemon.log());
    }
}

}  // namespace se::test
