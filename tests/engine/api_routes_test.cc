// Who gets in, where there is something, and what is said where there is nothing.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "projection/generation.h"
#include "projection/lmdb.h"
#include "tests/engine/api_world.h"

namespace se::test {
namespace {

TEST_CASE("what is no route, no method or no text is refused by name") {
    ApiWorld w;
    struct Row {
        std::string method, target;
        int status;
        std::string code, says;
    };
    const Row rows[] = {
        {"GET", "/", 404, "not_found", "no route /"},
        {"GET", "/v1/stat", 404, "not_found", "did you mean /v1/state?"},
        {"GET", "/v1/state/a/b", 404, "not_found", ""},
        {"GET", "/v1/state/", 404, "not_found", ""},
        {"GET", "/helthz", 404, "not_found", "did you mean /healthz?"},
        {"GET", "/v1/mutations", 405, "malformed", "takes POST"},
        {"DELETE", "/v1/state/a", 405, "malformed", "takes GET, HEAD"},
        {"POST", "/healthz", 405, "malformed", "takes GET, HEAD"},
        {"BREW", "/v1/state", 405, "malformed", "not BREW"},
        {"HEAD", "/v1/changes", 405, "malformed", "takes GET"},
        {"GET", "/v1/state/%", 400, "malformed", "percent-encoding"},
        {"GET", "/v1/state/%4", 400, "malformed", "percent-encoding"},
        {"GET", "/v1/state/%zz", 400, "malformed", "percent-encoding"},
        {"GET", "/v1/state/%ff", 400, "malformed", "UTF-8"},
        {"GET", "/v1/state/%ed%a0%80", 400, "malformed", "UTF-8"},
        {"GET", "/v1/state/a%00b", 400, "malformed", "%00"},
        {"GET", "/v1/state/a%20b", 400, "malformed", "white space"},
        {"GET", "/v1/state/%2e%2e", 400, "malformed", "key"},
        {"GET", "/v1/state/a%2fb", 400, "malformed", "/"},
        {"GET", "/v1/state?perfix=a", 400, "malformed", "did you mean 'prefix'?"},
        {"GET", "/v1/state?limit=0", 400, "malformed", "from 1 to 10000"},
        {"GET", "/v1/state?limit=10001", 400, "malformed", "from 1 to 10000"},
        {"GET", "/v1/state?limit=x", 400, "malformed", "limit"},
        {"GET", "/v1/state?limit=-1", 400, "malformed", "limit"},
        {"GET", "/v1/state/a?min_seq=1&timeout=2h", 400, "malformed", "timeout"},
        {"GET", "/v1/state/a?min_seq=1&timeout=61s", 400, "malformed", "60000 ms"},
        {"GET", "/v1/state?key=a&prefix=b", 400, "malformed", "prefix"},
        {"GET", "/v1/changes?since=yesterday", 400, "malformed", "EPOCH.SEQ"},
        {"GET", "/v1/records?from=0", 400, "malformed", "from 1"},
        {"POST", "/v1/mutations?dryRun=maybe", 400, "malformed", "true or false"},
        {"GET", "/v1/operator/status", 403, "actor_not_permitted", "engine.sock"},
        {"POST", "/v1/operator/reload", 403, "actor_not_permitted", "engine.sock"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.method);
        CAPTURE(row.target);
        const Response response = w.ask(row.method, row.target);
        CHECK(response.status == row.status);
        CHECK(code_of(response) == row.code);
        CHECK_MESSAGE(response.body.find(row.says) != std::string::npos, response.body);
    }
    CHECK(header_of(w.ask("DELETE", "/v1/state/a"), "Allow") == "GET, HEAD");
    CHECK(header_of(w.ask("PUT", "/v1/mutations"), "Allow") == "POST");
}

TEST_CASE("a target may come as a proxy sends it") {
    ApiWorld w;
    CHECK(w.get("http://localhost:3000/healthz").status == 200);
    CHECK(w.get("http://localhost:3000").status == 404);
}

TEST_CASE("with a token set only the health routes are open, and any of three places will do") {
    ApiWorld w;
    w.config.settings.auth.token = "s3cret";
    w.authorize();
    for (const char* open : {"/healthz", "/livez", "/readyz", "/health"})
        CHECK(w.get(open).status == 200);
    for (const char* closed : {"/v1/state/a", "/v1/state", "/v1/changes", "/v1/history/a",
                               "/v1/records", "/metrics", "/_debug/config"}) {
        CAPTURE(closed);
        const Response response = w.get(closed);
        CHECK(response.status == 401);
        CHECK(code_of(response) == "unauthenticated");
        CHECK(header_of(response, "WWW-Authenticate").starts_with("Bearer"));
    }
    CHECK(w.set("a", "1").status == 401);
    CHECK(w.world.count("accepted") == 0);

    CHECK(w.get("/v1/state", {{"x-mcp-token", "s3cret"}}).status == 200);
    CHECK(w.get("/v1/state?token=s3cret").status == 200);
    CHECK(w.get("/v1/state", {{"authorization", "Bearer s3cret"}}).status == 200);
    CHECK(w.get("/v1/state", {{"authorization", "bearer   s3cret"}}).status == 200);
    for (const char* wrong : {"s3cre", "s3crett", "S3cret", "", " s3cret"})
        CHECK(w.get("/v1/state", {{"x-mcp-token", wrong}}).status == 401);
    CHECK(w.get("/v1/state", {{"authorization", "Basic s3cret"}}).status == 401);
    // The first place that holds something counts.
    CHECK(w.get("/v1/state?token=s3cret", {{"x-mcp-token", "no"}}).status == 401);

    const Response answer = w.post(EngineWorld::set_text("a", "1"), {{"x-mcp-token", "s3cret"}});
    CHECK(answer.status == 200);
    CHECK(w.world.get("a")->updated_by == "llm-bot");
}

TEST_CASE("an actor is believed only from those who may speak for it") {
    ApiWorld w;
    w.config.settings.auth.default_speaks_for = {"mod:*", "obs"};
    w.authorize();
    const auto actor_of = [&](const std::string& claimed) {
        const Response response = w.set("a", "1", R"(,"actor":")" + claimed + "\"");
        REQUIRE(response.status == 200);
        return w.world.get("a")->updated_by;
    };
    CHECK(actor_of("mod:ann") == "mod:ann");
    CHECK(actor_of("obs") == "obs");
    CHECK(actor_of("local") == "local");
    CHECK(actor_of("obsx") == "local");
    CHECK(actor_of("system:ttl") == "local");

    std::vector<std::string> claims, principals;
    w.world.each_record([&](const RecordView& record) {
        if (record.kind != Kind::accepted) return;
        const auto body = parse_body(record.body);
        REQUIRE(body);
        claims.push_back(body->claim);
        principals.emplace_back(record.principal_or_actor());
    });
    CHECK(claims == std::vector<std::string>{"", "", "", R"({"actor":"obsx"})",
                                             R"({"actor":"system:ttl"})"});
    CHECK(principals == std::vector<std::string>(5, "local"));

    w.peer = ApiWorld::operator_peer();
    CHECK(actor_of("anybody") == "anybody");
}

TEST_CASE("a web page from elsewhere cannot reach the engine") {
    ApiWorld w;
    const auto status = [&](const char* host, const char* origin) {
        ApiWorld::Headers headers{{"host", host}};
        if (*origin != '\0') headers.emplace_back("origin", origin);
        return w.get("/v1/state", headers).status;
    };
    CHECK(status("localhost:3000", "") == 200);
    CHECK(status("127.0.0.1:3000", "") == 200);
    CHECK(status("[::1]:3000", "") == 200);
    CHECK(status("localhost:3000", "http://localhost:3000") == 200);
    CHECK(status("localhost:3000", "http://127.0.0.1:5173") == 200);
    CHECK(status("localhost:3000", "https://evil.example") == 403);
    CHECK(status("localhost:3000", "http://localhost.evil.example") == 403);
    CHECK(status("localhost:3000", "http://127.0.0.1.evil.example") == 403);
    CHECK(status("localhost:3000", "null") == 403);
    CHECK(status("evil.example:3000", "") == 403);  // a name that resolves to 127.0.0.1
    CHECK(status("evil.example:3000", "http://evil.example:3000") == 403);
    CHECK(status("127.0.0.1.evil.example:3000", "") == 403);
    CHECK(status("127.0.0.1.evil.example", "http://127.0.0.1.evil.example") == 403);

    w.config.settings.auth.token = "t";
    w.authorize();
    const auto with_token = [&](const char* host, const char* origin) {
        return w.get("/v1/state", {{"host", host}, {"origin", origin}, {"x-mcp-token", "t"}}).status;
    };
    CHECK(with_token("engine.example:3000", "http://engine.example:3000") == 200);
    CHECK(with_token("engine.example:3000", "http://evil.example") == 403);
}

TEST_CASE("health says what it is, ready says whether writes are taken") {
    ApiWorld w;
    w.world.clock.advance(std::chrono::seconds{7});
    for (const char* route : {"/healthz", "/livez", "/readyz"}) {
        const Json json = json_of(w.get(route));
        CHECK(at(json, {"status"}) == Json("ok"));
        CHECK(at(json, {"service"}) == Json("state-engine"));
        CHECK(at(json, {"timestamp"}).is_string());
        CHECK(at(json, {"uptimeSec"}).integer() >= 7);
    }
    CHECK(at(json_of(w.get("/readyz")), {"ready"}) == Json(true));
    CHECK(w.get("/health").body == "{\"status\":\"ok\",\"service\":\"state-engine\"}\n");

    w.api.attach(nullptr, "starting");
    CHECK(w.get("/livez").status == 200);
    const Response starting = w.get("/readyz");
    CHECK(starting.status == 503);
    CHECK(at(json_of(starting), {"status"}) == Json("starting"));
    CHECK(at(json_of(starting), {"ready"}) == Json(false));
    CHECK(w.get("/v1/state/a").status == 503);
    CHECK(w.set("a", "1").status == 503);
    CHECK(w.get("/metrics").status == 200);

    w.attach();
    w.api.drain();
    w.world.engine->drain();
    CHECK(at(json_of(w.get("/readyz")), {"status"}) == Json("draining"));
    const Response refused = w.set("a", "1");
    CHECK(refused.status == 503);
    CHECK(at(json_of(refused), {"reason"}) == Json("draining"));
    CHECK(w.get("/v1/state/a").status == 404);  // reads go on
}

TEST_CASE("the shown configuration has the policy in force and no secret") {
    ApiWorld w;
    w.config.settings.auth.token = "s3cret";
    w.authorize();
    const Response response = w.get("/_debug/config", {{"x-mcp-token", "s3cret"}});
    CHECK(response.status == 200);
    CHECK(response.body.find("s3cret") == std::string::npos);
    CHECK(at(json_of(response), {"auth", "token"}) == Json("[redacted]"));
    CHECK(at(json_of(response), {"allowedKeys"}) == Json(Json::Array{"*"}));
}

TEST_CASE("metrics count what happened") {
    ApiWorld w;
    w.set("a", "1");
    w.set("a", "1", R"(,"expectedVersion":9)");
    const std::string text = w.get("/metrics").body;
    for (const char* line : {"state_engine_decisions_total{outcome=\"accepted\",code=\"none\"} 1\n",
                             "outcome=\"rejected\",code=\"version_conflict\"} 1\n",
                             "state_engine_follower_lag_records{follower=\"projection\"} 0\n",
                             "state_engine_fsync_info{mode=\"group\"} 1\n",
                             "state_engine_sync_seconds_bucket{le=\"+Inf\"}",
                             "state_engine_live_keys 1\n"}) {
        CAPTURE(line);
        CHECK(text.find(line) != std::string::npos);
    }
}

TEST_CASE("what is refused beyond its budget is counted under its own code") {
    ApiWorld w;
    w.world.policy.limits.refusals_journaled_per_minute = 1;
    w.world.open();
    w.attach();
    for (int i = 0; i < 4; ++i) w.post("{");
    w.set("a", "1", R"(,"id":"one")");
    w.set("a", "2", R"(,"id":"one")");
    const std::string text = w.get("/metrics").body;
    for (const char* line : {"outcome=\"rejected\",code=\"malformed\"} 1\n",
                             "outcome=\"refused\",code=\"malformed\"} 3\n",
                             "outcome=\"refused\",code=\"id_reused\"} 1\n",
                             "outcome=\"refused\",code=\"unavailable\"} 0\n"}) {
        CAPTURE(line);
        CHECK(text.find(line) != std::string::npos);
    }
}

/// A process that reads a store's LMDB, until it is killed.
class ForeignReader {
public:
    /// Needs a process that has no Env open: a fork has what it was forked from.
    explicit ForeignReader(const std::string& directory) {
        std::array<int, 2> ready{};
        REQUIRE(::pipe2(ready.data(), O_CLOEXEC) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            const auto env = lmdb::Env::open_reader(directory, 1u << 30);
            if (!env) ::_exit(1);
            const auto held = (*env)->read();
            if (!held || ::write(ready[1], "x", 1) != 1) ::_exit(1);
            for (;;) ::pause();
        }
        ::close(ready[1]);
        char byte = 0;
        const auto told = ::read(ready[0], &byte, 1);
        ::close(ready[0]);
        REQUIRE(told == 1);
    }
    ForeignReader(const ForeignReader&) = delete;
    ForeignReader& operator=(const ForeignReader&) = delete;
    ~ForeignReader() { kill(); }

    pid_t pid() const { return pid_; }
    void kill() {
        if (dead_) return;
        dead_ = true;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

private:
    pid_t pid_ = -1;
    bool dead_ = false;
};

/// Whether LMDB's table of readers has a slot of that process: a cache line each, transaction, then process. Looked
/// for by another process: closing the file in this one would take its locks.
bool has_slot(const std::string& directory, pid_t of) {
    const pid_t looker = ::fork();
    if (looker == 0) {
        const int file = ::open((directory + "/lock.mdb").c_str(), O_RDONLY | O_CLOEXEC);
        std::array<char, 64> slot{};
        pid_t process = 0;
        while (::read(file, slot.data(), slot.size()) == static_cast<ssize_t>(slot.size())) {
            std::memcpy(&process, slot.data() + 8, sizeof process);
            if (process == of) ::_exit(7);
        }
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(looker, &status, 0) == looker);
    return WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

TEST_CASE("the slot of a reader that was killed is free within seconds, and the metric says that none is behind") {
    using namespace std::chrono_literals;
    ApiWorld w;
    w.set("a", "1");
    const auto number = w.world.engine->projection().generation();
    const std::string directory = generation_directory(w.world.cache.path(), number);
    w.api.attach(nullptr, "closed");
    REQUIRE(w.world.engine->close());
    w.world.leave();
    ForeignReader reader(directory);
    w.world.open();
    w.attach();
    REQUIRE(w.world.engine->projection().generation() == number);
    for (int i = 0; i < 5; ++i) w.set("a", std::to_string(i));
    const std::string none_behind = "\nstate_engine_oldest_reader_transactions 0\n";
    CHECK(w.get("/metrics").body.find(none_behind) == std::string::npos);
    REQUIRE(has_slot(directory, reader.pid()));

    reader.kill();
    for (int i = 0; i < 20; ++i) {
        w.world.clock.advance(100ms);
        w.world.engine->step();
    }
    CHECK_FALSE(has_slot(directory, reader.pid()));  // before anybody asks for the metrics, which look, too
    CHECK(w.get("/metrics").body.find(none_behind) != std::string::npos);
}

TEST_CASE("metrics tell what waits in memory while LMDB fails") {
    ApiWorld w;
    REQUIRE(w.world.engine->close());
    w.api.attach(nullptr);
    w.world.cache_files.looks_left = 1;
    w.world.open();
    w.attach();
    w.set("a", "1");
    w.set("b", "1");
    std::string text = w.get("/metrics").body;
    CHECK(text.find("state_engine_overlay_keys 2\n") != std::string::npos);
    CHECK(text.find("state_engine_overlay_bytes 0\n") == std::string::npos);
    w.world.cache_files.looks_left.reset();
    w.world.clock.advance(std::chrono::seconds(2));
    w.world.settle();
    text = w.get("/metrics").body;
    CHECK(text.find("state_engine_overlay_keys 0\n") != std::string::npos);
    CHECK(text.find("state_engine_overlay_bytes 0\n") != std::string::npos);
}

TEST_CASE("the operator reloads, looks, rebuilds, notes and repairs at the socket") {
    ApiWorld w;
    w.peer = ApiWorld::operator_peer();
    w.set("a", "1");

    Policy narrow = w.world.policy;
    narrow.allowed_keys = {"b"};
    w.reloaded = narrow;
    const Response reload = w.ask("POST", "/v1/operator/reload");
    CHECK(reload.status == 200);
    CHECK(at(json_of(reload), {"policy"}) == Json(narrow.digest()));
    CHECK(w.set("a", "2").status == 403);

    w.reloaded = Error{Errc::malformed, "policy.yaml: line 3: no"};
    const Response bad = w.ask("POST", "/v1/operator/reload");
    CHECK(bad.status == 400);
    CHECK(bad.body.find("line 3") != std::string::npos);
    CHECK(w.set("b", "2").status == 200);

    const Json status = json_of(w.get("/v1/operator/status"));
    CHECK(at(status, {"state"}) == Json("ready"));
    CHECK(at(status, {"policy"}) == Json(narrow.digest()));
    CHECK(at(status, {"pid"}) == Json(42));

    const Json rebuilt = json_of(w.ask("POST", "/v1/operator/rebuild?swap=true"));
    CHECK(at(rebuilt, {"equal"}) == Json(true));
    CHECK(at(rebuilt, {"swapped"}) == Json(true));
    CHECK(at(rebuilt, {"rootLive"}) == at(rebuilt, {"rootRebuilt"}));

    CHECK(w.ask("POST", "/v1/operator/note", R"({"note":"imported","body":{"n":1}})").status == 200);
    CHECK(w.world.count("note/imported") == 1);
    // A forged one of these would make readers pass over a gap.
    CHECK(w.ask("POST", "/v1/operator/note", R"({"note":"repaired"})").status == 400);
    CHECK(w.world.count("note/repaired") == 0);

    CHECK(w.ask("POST", "/v1/operator/repair").status == 400);
    CHECK(w.ask("POST", "/v1/operator/repair?from=3&to=2").status == 400);
    CHECK(!w.repaired);
    CHECK(w.ask("POST", "/v1/operator/repair?from=2&to=3").status == 200);
    REQUIRE(w.repaired);
    CHECK(w.repaired->dry_run);
    CHECK(w.ask("POST", "/v1/operator/repair?from=2&to=3&dryRun=false").status == 200);
    CHECK(!w.repaired->dry_run);
}

}  // namespace
}  // namespace se::test
