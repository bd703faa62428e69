// What rules fire, from the real daemon to a file and to a webhook.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>

#include "engine/adapters/posix_filesystem.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/daemon/receiver.h"
#include "tests/daemon/tls_front.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kFiringPolicy = R"(allowedKeys: ["*"]
rules:
  - id: on_stream_start
    when: {"and":[{"==":[{"var":"key"},"stream.state"]},{"==":[{"var":"value"},"on"]}]}
    actions:
      - type: publishEgress
        payload: {type: system.stream.online, message: Stream detected online}
  - id: stop_stream
    on: "stream.end == 'now'"
    do: [{action: obs.stopStream, args: {force: true}}]
  - id: numbered
    when: {"==":[{"var":"key"},"n"]}
    actions: [{type: publishEgress, templates: true, payload: {type: n, n: "{ value }"}}]
)";

/// Breaker and backoff small enough for a test.
std::vector<std::string> impatient(std::vector<std::string> more) {
    for (const char* pair : {"egress.backoff_first=5ms", "egress.backoff_max=50ms",
                             "egress.breaker_open=100ms", "egress.webhook_timeout=500ms"}) {
        more.emplace_back("--set");
        more.emplace_back(pair);
    }
    return more;
}

struct Outbound {
    TemporaryDirectory folder;
    DaemonProcess daemon;

    /// `more`: of --set.
    explicit Outbound(const std::string& webhook, bool file = false,
                      const std::vector<std::string>& more = {})
        : daemon({.data = folder.path() + "/data",
                  .arguments = arguments(
                      file ? std::vector<std::string>{"egress.file=" + folder.path() + "/out.jsonl"}
                           : std::vector<std::string>{"egress.webhook_url=" + webhook,
                                                      "egress.webhook_token=hush-hush"},
                      more),
                  .policy = kFiringPolicy}) {
        daemon.start();
    }
    static std::vector<std::string> arguments(std::vector<std::string> pairs,
                                              const std::vector<std::string>& more) {
        pairs.insert(pairs.end(), more.begin(), more.end());
        std::vector<std::string> words;
        for (std::string& pair : pairs) {
            words.emplace_back("--set");
            words.push_back(std::move(pair));
        }
        return impatient(std::move(words));
    }
    void set(const std::string& key, const std::string& value) {
        HttpClient client = daemon.tcp();
        const auto answer = client.post("/v1/mutations", set_text(key, value));
        REQUIRE(answer);
        REQUIRE(answer->status == 200);
    }
    Json follower() {
        HttpClient client = daemon.socket();
        const auto answer = client.get("/v1/operator/followers");
        REQUIRE(answer);
        return json_of(answer->body).find("followers")->array().at(0);
    }
    bool wait_for(const std::function<bool(const Json&)>& enough) {
        for (int i = 0; i < 1'200; ++i) {
            if (enough(follower())) return true;
            std::this_thread::sleep_for(25ms);
        }
        return false;
    }
    /// The ids of all actions that go out, in order, as the records have them.
    std::vector<std::string> fired() const {
        std::vector<std::string> ids;
        for (const Json& record : records_of(daemon.data())) {
            const Json* const body = record.find("body");
            const Json* const fired = body == nullptr ? nullptr : body->find("fired");
            if (fired == nullptr) continue;
            for (const Json& rule : fired->array()) {
                for (const Json& action : rule.find("actions")->array())
                    ids.push_back(action.find("id")->string());
            }
        }
        return ids;
    }
};

/// The ids in the order in which each was there for the first time.
std::vector<std::string> first_times(const std::vector<std::string>& ids) {
    std::set<std::string> seen;
    std::vector<std::string> first;
    for (const std::string& id : ids) {
        if (seen.insert(id).second) first.push_back(id);
    }
    return first;
}

bool is_zero(const Json& follower, std::string_view member) {
    return follower.find(member)->integer() == 0;
}

}  // namespace

TEST_CASE(
    "the first use case: on tells one system.stream.online, off tells nothing, a stop tells obs") {
    Receiver receiver;
    Outbound world(receiver.url());
    world.set("stream.state", "\"on\"");
    world.set("stream.state", "\"off\"");
    world.set("stream.end", "\"now\"");
    REQUIRE(receiver.wait_for(2));
    REQUIRE(world.wait_for([](const Json& follower) { return is_zero(follower, "lag"); }));
    const auto requests = receiver.requests();
    REQUIRE(requests.size() == 2);
    CHECK(requests[0].body ==
          R"({"message":"Stream detected online","type":"system.stream.online"})");
    CHECK(requests[0].header("authorization") == "Bearer hush-hush");
    const Json event = json_of(requests[1].body);
    CHECK(event.find("egress")->find("connector")->string() == "obs");
    CHECK(event.find("v")->string() == "2");
    CHECK(receiver.ids() == world.fired());
    CHECK(world.daemon.log().find("hush-hush") == std::string::npos);
    HttpClient client = world.daemon.socket();
    CHECK(client.get("/_debug/config")->body.find("hush-hush") == std::string::npos);
}

TEST_CASE("a file gets a line for each, and a daemon that was stopped goes on behind them") {
    Outbound world("", true);
    for (int i = 0; i < 100; ++i) world.set("n", std::to_string(i));
    REQUIRE(world.wait_for(
        [](const Json& follower) { return follower.find("delivered")->integer() == 100; }));
    REQUIRE(world.daemon.stop() == 0);
    world.daemon.start();
    world.set("n", "100");
    REQUIRE(world.wait_for([](const Json& follower) { return follower.find("delivered")->integer() == 1; }));
    REQUIRE(world.daemon.stop() == 0);
    PosixFileSystem files;
    const auto text = read_file(files, world.folder.path() + "/out.jsonl");
    REQUIRE(text);
    std::vector<std::string> ids;
    for (std::size_t at = 0; at < text->size(); at = text->find('\n', at) + 1) {
        const Json line = json_of(text->substr(at, text->find('\n', at) - at));
        CHECK(line.find("payload")->find("n")->integer() == static_cast<std::int64_t>(ids.size()));
        ids.push_back(line.find("id")->string());
    }
    CHECK(ids.size() == 101);
    CHECK(ids == world.fired());
}

TEST_CASE("kill -9 between record, delivery and watermark: all there, under their ids, in order") {
    // The first answer to every seventh id never comes, and the daemon dies waiting for it, or
    // somewhere else.
    std::mutex mutex;
    std::set<std::string> met;
    Receiver receiver([&](const Request& request, std::size_t number) {
        const std::lock_guard lock(mutex);
        const bool first = met.insert(std::string(request.header("idempotency-key"))).second;
        return Response{.status = first && number % 7 == 3 ? 0 : 200, .body = "{}"};
    });
    Outbound world(receiver.url());
    int n = 0;
    for (int round = 0; round < 8; ++round) {
        for (int i = 0; i < 10; ++i) world.set("n", std::to_string(n++));
        receiver.wait_for(static_cast<std::size_t>(n) / 2);
        world.daemon.kill_hard();
        world.daemon.start();
    }
    world.set("n", std::to_string(n++));
    REQUIRE(receiver.wait_until([&](const auto&) {
        return first_times(receiver.ids()).size() >= static_cast<std::size_t>(n);
    }));
    const std::vector<std::string> fired = world.fired();
    CHECK(fired.size() == static_cast<std::size_t>(n));
    CHECK_MESSAGE(first_times(receiver.ids()) == fired, "X1 and X2");
    CHECK(world.follower().find("atHead") == nullptr);
}

TEST_CASE(
    "a webhook that is away holds up neither commits nor health, and gets it all when it is back") {
    std::uint16_t port = 0;
    {
        Receiver gone;
        port = gone.port();
    }
    Outbound world("http://127.0.0.1:" + std::to_string(port));
    for (int i = 0; i < 50; ++i) world.set("n", std::to_string(i));
    REQUIRE(world.wait_for([](const Json& follower) {
        return follower.find("breaker")->string() != "closed" && follower.find("lag")->integer() >= 50;
    }));
    HttpClient client = world.daemon.socket();
    CHECK(client.get("/readyz")->status == 200);
    const std::string metrics = client.get("/metrics")->body;
    CHECK(metrics.find("state_engine_outbound_lag_records{follower=\"egress-webhook\"} 5") !=
          std::string::npos);
    Receiver receiver({}, port);
    REQUIRE(receiver.wait_until([](const auto& all) { return all.size() >= 50; }));
    REQUIRE(world.wait_for([](const Json& follower) { return is_zero(follower, "lag"); }));
    CHECK(first_times(receiver.ids()) == world.fired());
    CHECK(world.follower().find("trouble") == nullptr);
}

TEST_CASE("a webhook behind TLS that cannot be trusted loses nothing, and gets it all when it can be") {
    TemporaryDirectory folder;
    const std::string trusted = folder.path() + "/trusted.pem";
    std::filesystem::copy_file(Certificates::file("other-ca.pem"), trusted);
    Receiver receiver;
    TlsFront front(receiver.port(), {.more = {"--trust", Certificates::file("ca.pem")}});
    Outbound world(front.url() + "/hook?x=1", false,
                   {"egress.webhook_tls_ca=" + trusted,
                    "egress.webhook_tls_certificate=" + Certificates::file("client.pem"),
                    "egress.webhook_tls_key=" + Certificates::file("client.key")});
    for (int i = 0; i < 20; ++i) world.set("n", std::to_string(i));
    REQUIRE(world.wait_for([](const Json& follower) {
        const Json* const trouble = follower.find("trouble");
        return follower.find("breaker")->string() != "closed" && trouble != nullptr &&
               trouble->string().find("egress.webhook_tls_ca") != std::string::npos;
    }));
    CHECK(is_zero(world.follower(), "deadLetters"));
    CHECK(receiver.requests().empty());
    HttpClient client = world.daemon.socket();
    CHECK(client.get("/readyz")->status == 200);
    CHECK(world.daemon.log_says("state-engine.egress.publish_error"));
    CHECK(world.daemon.log_says("of no authority that is trusted"));

    std::filesystem::copy_file(Certificates::file("ca.pem"), trusted,
                               std::filesystem::copy_options::overwrite_existing);
    REQUIRE(receiver.wait_for(20));
    REQUIRE(world.wait_for([](const Json& follower) { return is_zero(follower, "lag"); }));
    CHECK(first_times(receiver.ids()) == world.fired());
    CHECK(world.follower().find("trouble") == nullptr);
    CHECK(receiver.requests()[0].header("authorization") == "Bearer hush-hush");
    CHECK(world.daemon.log().find("hush-hush") == std::string::npos);
}

TEST_CASE("a slow webhook and one that wants to be left alone are waited for") {
    Receiver receiver([](const Request&, std::size_t number) {
        if (number == 0) return Response{.status = 0};  // over the timeout
        if (number == 1)
            return Response{.status = 429, .headers = {{"Retry-After", "1"}}, .body = "{}"};
        return Response{.body = "{}"};
    });
    Outbound world(receiver.url());
    world.set("n", "1");
    REQUIRE(receiver.wait_for(3));
    CHECK(first_times(receiver.ids()) == world.fired());
}

TEST_CASE("what a webhook refuses is a dead letter, and an operator tries it again or drops it") {
    std::atomic<bool> refuses = true;
    Receiver receiver([&](const Request& request, std::size_t) {
        const bool odd = request.body.find("\"n\":1,") != std::string::npos ||
                         request.body.find("\"n\":3,") != std::string::npos;
        return Response{.status = odd && refuses ? 422 : 200, .body = "{}"};
    });
    Outbound world(receiver.url());
    for (int i = 0; i < 5; ++i) world.set("n", std::to_string(i));
    REQUIRE(world.wait_for([](const Json& follower) {
        return follower.find("delivered")->integer() == 3 &&
               follower.find("deadLetters")->integer() == 2;
    }));
    HttpClient client = world.daemon.socket();
    const std::string query = "?follower=egress-webhook";
    const Json listed = json_of(client.get("/v1/operator/deadletters" + query)->body);
    const Json::Array& letters = listed.find("deadLetters")->array();
    REQUIRE(letters.size() == 2);
    CHECK(letters[0].find("reason")->string() == "it answered 422");
    const std::string first = letters[0].find("id")->string();
    const Json shown = json_of(client.get("/v1/operator/deadletters/" + first + query)->body);
    CHECK(shown.find("message")->string() == R"({"n":1,"type":"n"})");
    CHECK(client.get("/v1/operator/deadletters/none" + query)->status == 404);
    CHECK(client.get("/v1/operator/deadletters?follower=none")->status == 404);
    CHECK(client.get("/v1/operator/deadletters")->status == 400);

    refuses = false;
    const auto order = [&](const std::string& what, const std::string& more = "") {
        const auto answer =
            client.post("/v1/operator/deadletters/" + what + query + more,
                        R"({"letters":[")" + first + R"("],"reason":"mended","id":"op-1"})");
        REQUIRE(answer);
        REQUIRE_MESSAGE(answer->status == 200, answer->body);
        return json_of(answer->body);
    };
    CHECK(order("retry", "&dryRun=true").find("seq") == nullptr);
    const Json told = order("retry");
    REQUIRE(told.find("seq"));
    REQUIRE(world.wait_for(
        [](const Json& follower) { return follower.find("deadLetters")->integer() == 1; }));
    CHECK(receiver.ids().back() == first);
    CHECK(client.post("/v1/operator/deadletters/drop" + query, R"({"reason":"enough"})")->status ==
          200);
    REQUIRE(world.wait_for([](const Json& follower) { return is_zero(follower, "deadLetters"); }));

    std::vector<std::string> notes;
    for (const Json& record : records_of(world.daemon.data())) {
        const Json* const note = record.find("note");
        if (note == nullptr || !note->string().starts_with("dead_letters_")) continue;
        notes.push_back(note->string());
        CHECK(record.find("body")->find("follower")->string() == "egress-webhook");
        CHECK(record.find("body")->find("letters")->array().size() == 1);
    }
    CHECK(notes == std::vector<std::string>{"dead_letters_retried", "dead_letters_dropped"});
}

TEST_CASE("a lost watermark begins at the head, with a note and an alarm in status and metrics") {
    Receiver receiver;
    Outbound world(receiver.url());
    world.set("n", "1");
    REQUIRE(receiver.wait_for(1));
    REQUIRE(world.daemon.stop() == 0);
    PosixFileSystem files;
    REQUIRE(files.remove(world.daemon.data() + "/followers/egress-webhook"));
    world.daemon.start();
    REQUIRE(
        world.wait_for([](const Json& follower) { return follower.find("following")->boolean(); }));
    world.set("n", "2");
    REQUIRE(receiver.wait_for(2));
    CHECK(receiver.requests()[1].body == R"({"n":2,"type":"n"})");
    CHECK(world.follower().find("atHead") != nullptr);
    CHECK(world.daemon.log().find("state-engine.follower.at_head") != std::string::npos);
    HttpClient client = world.daemon.socket();
    CHECK(client.get("/metrics")
              ->body.find("state_engine_outbound_at_head{follower=\"egress-webhook\"} 1") !=
          std::string::npos);
    const auto records = records_of(world.daemon.data());
    CHECK(std::ranges::count_if(records, [](const Json& record) {
              return record.find("note") && record.find("note")->string() == "follower_at_head";
          }) == 1);
}

TEST_CASE("no secret of an address is told: not of one that is in force, nor of one that cannot be") {
    TemporaryDirectory folder;
    int runs = 0;
    const auto run = [&](const std::string& pair) {
        DaemonProcess daemon({.data = folder.path() + "/" + std::to_string(++runs),
                              .arguments = {"--check-config", "--set", pair}});
        const int code = daemon.run_to_end();
        CHECK_MESSAGE(daemon.log().find("hush-hush") == std::string::npos, daemon.log());
        return std::to_string(code) + daemon.log();
    };
    for (const std::string name : {"egress.webhook_url", "otlp.endpoint"}) {
        for (const std::string shown : {"http://127.0.0.1:9", "https://127.0.0.1:9"}) {
            const std::string good = run(name + "=" + shown + "/services/hush-hush");
            CHECK(good.starts_with("0"));
            CHECK(good.find("\"" + shown + "\"") != std::string::npos);
        }
        for (const char* bad : {"http://user:hush-hush@x/", "https://user:hush-hush@x/", "http://x:99999/hush-hush",
                                "http://user:hush-hush/w@x/", "user:hush-hush@x", "http://x?hush-hush"}) {
            CAPTURE(bad);
            const std::string said = run(name + "=" + bad);
            CHECK(said.starts_with("1"));
            CHECK(said.find(name) != std::string::npos);
        }
    }
}

TEST_CASE("a place that cannot be is said at the start") {
    TemporaryDirectory folder;
    for (const char* pair : {"egress.webhook_url=ftp://x/", "egress.file=/tmp/",
                             "egress.webhook_token=a b", "egress.breaker_trials=0"}) {
        DaemonProcess daemon({.data = folder.path() + "/data", .arguments = {"--set", pair}});
        CHECK(daemon.run_to_end() != 0);
        CHECK(daemon.log().find(std::string(pair).substr(0, std::string(pair).find('='))) !=
              std::string::npos);
    }
}

TEST_CASE("files of TLS that cannot be, or that nobody would look at, are said at the start by setting") {
    TemporaryDirectory folder;
    const std::string none = folder.path() + "/none.pem";
    const std::string webhook = "egress.webhook_url=https://x/", collector = "otlp.endpoint=https://x";
    const std::string ca = Certificates::file("ca.pem"), key = Certificates::file("client.key");
    struct Row {
        std::vector<std::string> pairs;
        std::vector<std::string> says;
    };
    const std::vector<Row> rows = {
        {{webhook, "egress.webhook_tls_ca=" + none}, {"egress.webhook_tls_ca: ", none}},
        {{webhook, "egress.webhook_tls_ca=" + key}, {"egress.webhook_tls_ca: ", key}},
        {{webhook, "egress.webhook_tls_key=" + key},
         {"egress.webhook_tls_certificate", "egress.webhook_tls_key", "together"}},
        {{webhook, "egress.webhook_tls_certificate=" + ca, "egress.webhook_tls_key=" + key},
         {"egress.webhook_tls_key: ", key}},
        {{"egress.webhook_url=http://x/", "egress.webhook_tls_ca=" + ca},
         {"egress.webhook_tls_ca", "egress.webhook_url", "https://"}},
        {{collector, "otlp.tls_ca=" + none}, {"otlp.tls_ca: ", none}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.pairs.back());
        std::vector<std::string> words = {"--check-config"};
        for (const std::string& pair : row.pairs) words.insert(words.end(), {"--set", pair});
        DaemonProcess daemon({.data = folder.path() + "/data", .arguments = words});
        CHECK(daemon.run_to_end() == 1);
        for (const std::string& text : row.says)
            CHECK_MESSAGE(daemon.log().find(text) != std::string::npos, daemon.log());
    }
    DaemonProcess right({.data = folder.path() + "/data",
                         .arguments = {"--check-config", "--set", webhook, "--set", collector},
                         .environment = {"OTEL_EXPORTER_OTLP_CERTIFICATE=" + ca}});
    CHECK_MESSAGE(right.run_to_end() == 0, right.log());
    CHECK(right.log().find(ca) != std::string::npos);
}

TEST_CASE("a file of TLS that is away keeps no policy from being reloaded") {
    TemporaryDirectory folder;
    const std::string trusted = folder.path() + "/trusted.pem";
    std::filesystem::copy_file(Certificates::file("ca.pem"), trusted);
    Outbound world("https://127.0.0.1:9/", false, {"egress.webhook_tls_ca=" + trusted});
    std::filesystem::remove(trusted);
    write_text(world.daemon.config_path(), "allowedKeys: [other]\n");
    HttpClient client = world.daemon.socket();
    const auto reloaded = client.send({.method = "POST", .target = "/v1/operator/reload"});
    REQUIRE(reloaded);
    CHECK_MESSAGE(reloaded->status == 200, reloaded->body);
    CHECK(client.post("/v1/mutations", set_text("other", "1"))->status == 200);
}

}  // namespace se::test
