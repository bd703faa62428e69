// Starting, stopping, reloading, and two of one.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

std::string post_status(HttpClient& client, const std::string& body) {
    const auto answer = client.post("/v1/mutations", body);
    return answer ? std::to_string(answer->status) : answer.error().text;
}

TEST_CASE("SIGTERM answers what was accepted, closes cleanly and exits with 0") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    constexpr int kClients = 8;
    std::vector<std::set<std::string>> acknowledged(kClients);
    std::atomic<int> answered = 0;
    std::vector<std::thread> clients;
    for (int c = 0; c < kClients; ++c) {
        clients.emplace_back([&, c] {
            auto client = HttpClient::connect({.host = "127.0.0.1", .port = daemon.port()}, 60s);
            for (int i = 0; client; ++i) {
                const std::string id = std::to_string(c) + "-" + std::to_string(i);
                const auto answer = client->post("/v1/mutations", set_text("k" + std::to_string(c), "1", id));
                // A door that closes between two requests is fine; an answer that breaks off is not.
                if (!answer) return;
                if (answer->status != 200) {
                    if (answer->status != 503) std::abort();
                    return;
                }
                acknowledged[c].insert(id);
                ++answered;
            }
        });
    }
    while (answered < 200) std::this_thread::sleep_for(1ms);
    daemon.signal(SIGTERM);
    CHECK(daemon.wait() == 0);
    for (std::thread& client : clients) client.join();

    std::set<std::string> journaled;
    const std::vector<Json> records = records_of(daemon.data());
    for (const Json& record : records) {
        if (record.find("kind")->string() == "accepted") journaled.insert(record.find("id")->string());
    }
    std::size_t total = 0;
    for (const auto& ids : acknowledged) {
        total += ids.size();
        for (const std::string& id : ids) REQUIRE(journaled.contains(id));
    }
    // And the other way round: what was taken in was answered before the end.
    CHECK(journaled.size() == total);
    CHECK(records.back().find("note")->string() == "closed");
    CHECK(!std::filesystem::exists(daemon.data() + "/engine.sock"));
}

TEST_CASE("a long wait and a change feed do not hold up the end") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    HttpClient waiter = daemon.tcp();
    REQUIRE(waiter.write({.target = "/v1/state/a?min_seq=1000000&timeout=60s"}));
    HttpClient feed = daemon.tcp();
    std::atomic<bool> begun = false;
    std::string heard;
    std::thread follower([&] {
        const auto answer = feed.stream({.target = "/v1/changes"}, [&](std::string_view piece) {
            heard += piece;
            begun = true;
            return true;
        });
        if (!answer) heard = answer.error().text;
    });
    while (!begun) std::this_thread::sleep_for(1ms);
    const auto before = std::chrono::steady_clock::now();
    CHECK(daemon.stop() == 0);
    follower.join();
    CHECK(heard.ends_with("\n\n"));  // ended, not broken off
    const auto answer = waiter.read();
    REQUIRE(answer);
    CHECK(answer->status == 503);
    CHECK(std::chrono::steady_clock::now() - before < 60s);
}

TEST_CASE("SIGHUP reads the policy again; a bad file changes nothing and says where it is bad") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data", .policy = "allowedKeys: [a]\n"});
    daemon.start();
    HttpClient client = daemon.tcp();
    CHECK(post_status(client, set_text("b", "1")) == "403");
    write_text(daemon.config_path(), "allowedKeys: [a, b]\n");
    daemon.signal(SIGHUP);
    REQUIRE(daemon.log_says("state-engine.policy.reloaded"));
    CHECK(post_status(client, set_text("b", "1")) == "200");

    write_text(daemon.config_path(), "allowedKeys: [a]\nallowedKyes: []\n");
    daemon.signal(SIGHUP);
    REQUIRE(daemon.log_says("state-engine.policy.reload_failed"));
    CHECK(daemon.log().find("line 2") != std::string::npos);
    CHECK(post_status(client, set_text("b", "2")) == "200");
    const auto shown = daemon.socket().send({.method = "POST", .target = "/v1/operator/reload"});
    REQUIRE(shown);
    CHECK(shown->status == 400);
    CHECK(shown->body.find("line 2") != std::string::npos);

    CHECK(daemon.stop() == 0);
    int configs = 0;
    for (const Json& record : records_of(daemon.data())) configs += record.find("kind")->string() == "config";
    CHECK(configs == 2);
}

TEST_CASE("a second daemon on one folder says who holds it and leaves") {
    TemporaryDirectory folder;
    DaemonProcess first({.data = folder.path() + "/data"});
    first.start();
    HttpClient client = first.tcp();
    CHECK(post_status(client, set_text("a", "1")) == "200");
    const std::size_t records = records_of(first.data()).size();

    // Another log, the same folder.
    const std::string other = folder.path() + "/other";
    std::filesystem::create_directory_symlink(first.data(), other);
    DaemonProcess second({.data = other});
    CHECK(second.run_to_end() == 7);
    const std::string text = second.log();
    CHECK(text.find("is held by pid ") != text.npos);
    char host[256] = {};
    ::gethostname(host, sizeof host - 1);
    CHECK(text.find("on host " + std::string(host)) != text.npos);

    CHECK(post_status(client, set_text("a", "2")) == "200");
    CHECK(first.socket().get("/readyz")->status == 200);  // its socket was left alone
    CHECK(records_of(first.data()).size() == records + 1);
}

TEST_CASE("a port that is taken stops the start before the store is touched") {
    TemporaryDirectory folder;
    DaemonProcess first({.data = folder.path() + "/one"});
    first.start();
    DaemonProcess second({.data = folder.path() + "/two",
                          .arguments = {"--set", "http.port=" + std::to_string(first.port())}});
    CHECK(second.run_to_end() == 1);
    CHECK(second.log().find("cannot listen on 127.0.0.1") != std::string::npos);
    CHECK(!std::filesystem::exists(folder.path() + "/two/store.json"));
}

TEST_CASE("listening beyond loopback takes a token, or somebody who says that it is meant") {
    TemporaryDirectory folder;
    const auto run = [&](std::vector<std::string> more, std::vector<std::string> environment = {}) {
        more.insert(more.begin(), {"--host", "0.0.0.0", "--check-config"});
        DaemonProcess daemon({.data = folder.path() + "/data",
                              .arguments = std::move(more),
                              .environment = std::move(environment)});
        return daemon.run_to_end();
    };
    CHECK(run({}) == 1);
    CHECK(run({"--allow-open"}) == 0);
    CHECK(run({}, {"MCP_AUTH_TOKEN=t"}) == 0);
    DaemonProcess daemon({.data = folder.path() + "/data", .arguments = {"--host", "0.0.0.0"}});
    CHECK(daemon.run_to_end() == 1);
    CHECK(daemon.log().find("--allow-open") != std::string::npos);
    CHECK(!std::filesystem::exists(daemon.data()));
}

TEST_CASE("what the original passes over in its variables keeps no daemon from starting, and no bus is said") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .environment = {"LOG_LEVEL=VERBOSE", "NATS_ACK_WAIT_SECONDS=soon"}});
    daemon.start();
    CHECK(daemon.stop() == 0);
    const std::string log = daemon.log();
    const auto line = [&](std::string_view event) {
        const std::size_t found = log.find(event);
        if (found == log.npos) return std::string();
        const std::size_t begin = log.rfind('\n', found) + 1;  // 0 in the first line
        return log.substr(begin, log.find('\n', found) - begin);
    };
    CHECK(line("state-engine.settings.passed_over").find("LOG_LEVEL") != std::string::npos);
    CHECK(line("state-engine.nats.off").find("NATS_URL") != std::string::npos);
    CHECK(line("state-engine.nats.off").find(R"("level":"info")") != std::string::npos);
    CHECK(log.find("state-engine.nats.off") == log.rfind("state-engine.nats.off"));
}

TEST_CASE("at LOG_LEVEL=DEBUG each mutation is told, with the trace of its request; else none is") {
    TemporaryDirectory folder;
    for (const char* level : {"LOG_LEVEL=DEBUG", "LOG_LEVEL=INFO"}) {
        CAPTURE(level);
        DaemonProcess daemon({.data = folder.path() + "/" + level, .environment = {level}});
        daemon.start();
        HttpClient client = daemon.tcp();
        const auto answer = client.send(
            {.method = "POST",
             .target = "/v1/mutations",
             .headers = {{"Content-Type", "application/json"},
                         {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}},
             .body = set_text("k", "\"hush-hush\"", level)});
        REQUIRE(answer);
        CHECK(answer->status == 200);
        CHECK(daemon.stop() == 0);
        const std::string log = daemon.log();
        const bool told = level == std::string_view("LOG_LEVEL=DEBUG");
        for (const char* event : {"received", "committed"}) {
            const std::size_t found =
                log.find("\"msg\":\"state-engine.mutation." + std::string(event) +
                         R"(","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7")");
            CHECK((found != log.npos) == told);
        }
        CHECK(log.find("hush-hush") == log.npos);
    }
}

TEST_CASE("--check-config shows what would be in force, or what is wrong") {
    TemporaryDirectory folder;
    DaemonProcess good({.data = folder.path() + "/good",
                        .arguments = {"--check-config", "--set", "http.page=7"},
                        .environment = {"MCP_AUTH_TOKEN=s3cret", "STATE_ENGINE_HTTP_PAGE=9", "SERVICE_NAME=x"},
                        .policy = "allowedKeys: [one]\nhttp: { page: 5, page_max: 50 }\n"});
    CHECK(good.run_to_end() == 0);
    const std::string shown = good.log();
    const Json config = json_of(shown);
    CHECK(config.find("http")->find("page")->integer() == 7);       // flag over environment over file
    CHECK(config.find("http")->find("page_max")->integer() == 50);  // file over default
    CHECK(config.find("service_name")->string() == "x");
    CHECK(shown.find("s3cret") == shown.npos);

    DaemonProcess bad({.data = folder.path() + "/bad",
                       .arguments = {"--check-config"},
                       .policy = "htpt: {}\n"});
    CHECK(bad.run_to_end() == 1);
    CHECK(bad.log().find("line 1") != std::string::npos);
    DaemonProcess missing({.data = folder.path() + "/missing",
                           .arguments = {"--check-config", "--config", folder.path() + "/none.yaml"},
                           .policy = ""});
    CHECK(missing.run_to_end() == 1);
    DaemonProcess wrong({.data = folder.path() + "/wrong", .arguments = {"--prot", "1"}});
    CHECK(wrong.run_to_end() == 64);
}

TEST_CASE("a killed daemon's socket is no obstacle, and a deep folder none either") {
    TemporaryDirectory folder;
    std::string data = folder.path();
    for (int i = 0; i < 8; ++i) data += "/a-folder-with-a-long-name";
    std::filesystem::create_directories(data);
    DaemonProcess daemon({.data = data + "/data"});
    daemon.start();
    daemon.kill_hard();
    CHECK(std::filesystem::exists(daemon.data() + "/engine.sock"));
    daemon.start();
    CHECK(daemon.socket().get("/readyz")->status == 200);
    CHECK(daemon.stop() == 0);
}

TEST_CASE("after a failed write the engine reopens by itself, and nobody was told a lie") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    HttpClient client = daemon.tcp();
    REQUIRE(post_status(client, set_text("k", "1", "one")) == "200");

    // From now on every write of this process fails, wherever in a file it goes.
    daemon.limit_file_size(1);
    const auto unknown = client.post("/v1/mutations", set_text("k", "2", "two"));
    REQUIRE(unknown);
    CHECK(unknown->status == 503);
    CHECK(json_of(unknown->body).find("code")->string() == "outcome_unknown");
    // It cannot be opened either; the doors stay open and say so.
    for (int i = 0; i < 30; ++i) {
        CHECK(client.get("/livez")->status == 200);
        const auto ready = client.get("/readyz");
        CHECK(ready->status == 503);
        const auto refused = client.post("/v1/mutations", set_text("k", "3", "three"));
        REQUIRE(refused->status == 503);
        CHECK(json_of(refused->body).find("code")->string() == "unavailable");
        std::this_thread::sleep_for(50ms);
    }
    daemon.limit_file_size(RLIM_INFINITY);
    for (int i = 0; client.get("/readyz")->status != 200; ++i) {
        REQUIRE_MESSAGE(i < 12'000, daemon.log());
        std::this_thread::sleep_for(10ms);
    }
    // The same ids again: each takes effect once, whatever became of the first attempt.
    for (const char* id : {"one", "two", "three"}) {
        const std::string value = id == std::string("one") ? "1" : id == std::string("two") ? "2" : "3";
        CHECK(post_status(client, set_text("k", value, id)) == "200");
    }
    const Json entry = json_of(client.get("/v1/state/k")->body);
    CHECK(entry.find("version")->integer() == 3);
    CHECK(entry.find("value")->integer() == 3);
    CHECK(daemon.stop() == 0);
}

TEST_CASE("a damaged store is served read-only until its loss is accepted") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    {
        HttpClient client = daemon.tcp();
        for (int i = 0; i < 20; ++i)
            REQUIRE(post_status(client, set_text("k", std::to_string(i), "id" + std::to_string(i))) == "200");
    }
    CHECK(daemon.stop() == 0);
    const std::string segment = daemon.data() + "/journal/seg-0000000000000001.jsonl";
    std::string bytes;
    {
        std::ifstream in(segment, std::ios::binary);
        bytes.assign(std::istreambuf_iterator<char>(in), {});
    }
    const std::size_t at = bytes.find("\"id15\"");
    REQUIRE(at != bytes.npos);
    bytes[at + 1] = 'X';
    write_text(segment, bytes);
    std::filesystem::remove_all(daemon.data() + "/projection");  // so that the open meets it

    daemon.start();
    HttpClient client = daemon.tcp();
    CHECK(client.get("/livez")->status == 200);
    const auto ready = client.get("/readyz");
    CHECK(ready->status == 503);
    CHECK(json_of(ready->body).find("status")->string() == "damaged");
    const auto read = client.get("/v1/state/k");
    CHECK(read->status == 200);
    CHECK(json_of(read->body).find("value")->integer() == 14);
    CHECK(json_of(read->body).find("stale")->boolean());
    const auto refused = client.post("/v1/mutations", set_text("k", "99"));
    CHECK(refused->status == 503);
    CHECK(json_of(refused->body).find("reason")->string() == "damaged");

    HttpClient socket = daemon.socket();
    const Json status = json_of(socket.get("/v1/operator/status")->body);
    const auto seq = [&](const char* name) { return std::to_string(status.find("damage")->find(name)->integer()); };
    const std::string from = std::to_string(18), to = from;  // opened, config, then id0 is 3
    CHECK(seq("from") == from);
    const std::string range = "/v1/operator/repair?from=" + from + "&to=" + to;
    const auto plan = socket.post(range, "");
    REQUIRE(plan);
    CHECK_MESSAGE(plan->status == 200, plan->body);
    CHECK(!json_of(plan->body).find("done")->boolean());
    CHECK(client.get("/readyz")->status == 503);
    const auto done = socket.post(range + "&dryRun=false", R"({"id":"r","reason":"an old disk"})");
    REQUIRE(done);
    CHECK_MESSAGE(done->status == 200, done->body);
    CHECK(json_of(done->body).find("done")->boolean());
    for (int i = 0; client.get("/readyz")->status != 200; ++i) {
        REQUIRE_MESSAGE(i < 2000, daemon.log());
        std::this_thread::sleep_for(5ms);
    }
    CHECK(json_of(client.get("/v1/state/k")->body).find("value")->integer() == 19);
    CHECK(post_status(client, set_text("k", "20")) == "200");
    CHECK(daemon.stop() == 0);
    int notes = 0;
    for (const Json& record : records_of(daemon.data())) {
        const Json* const note = record.find("note");
        if (note == nullptr || note->string() != "repaired") continue;
        ++notes;
        CHECK(record.find("id")->string() == "r");
        CHECK(record.find("actor")->string().starts_with("local:"));
        CHECK(record.find("door")->string() == "socket");
        CHECK(record.find("body")->find("reason")->string() == "an old disk");
        CHECK(record.find("body")->find("pieces") != nullptr);
    }
    CHECK(notes == 1);
}

}  // namespace
}  // namespace se::test
