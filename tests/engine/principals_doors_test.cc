// What each principal may do at the doors, and what they tell it.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/policy/config.h"
#include "tests/engine/team_world.h"

using namespace se;
using namespace se::test;

// --- who comes in

TEST_CASE("each token is its principal, and no other is anybody") {
    TeamWorld w;
    CHECK(w.get("/v1/state").status == 401);
    CHECK(w.get("/v1/state", {{"x-mcp-token", "nimdaa"}}).status == 401);
    CHECK(w.get("/v1/state", {{"x-mcp-token", hash_of("nimda")}}).status == 401);
    CHECK(w.get("/v1/state", as("admin")).status == 200);
    CHECK(w.get("/v1/state?token=nimda").status == 200);
    CHECK(w.get("/v1/state", {{"authorization", "Bearer nimda"}}).status == 200);

    CHECK(w.put("user", "user.a", "1").status == 200);
    CHECK(w.world.get("user.a")->updated_by == "mod:ann");
    std::string principal, roles;
    w.world.each_record([&](const RecordView& record) {
        principal = record.principal_or_actor();
        roles = record.roles;
    });
    CHECK(principal == "user");
    CHECK(roles == R"(["moderator"])");
}

TEST_CASE("metrics, settings and operating each take their scope") {
    TeamWorld w;
    for (const char* route : {"/metrics", "/_debug/config", "/v1/operator/status"}) {
        CAPTURE(route);
        CHECK(w.get(route, as("admin")).status == 200);
        const Response no = w.get(route, as("user"));
        CHECK(no.status == 403);
        CHECK(code_of(no) == "actor_not_permitted");
        CHECK(no.body.find("has no scope") != std::string::npos);
    }
    CHECK(w.ask("POST", "/v1/operator/reload", "", as("user")).status == 403);
    CHECK(w.ask("POST", "/v1/operator/reload", "", as("admin")).status == 200);
    w.peer = ApiWorld::operator_peer();
    CHECK(w.get("/v1/operator/status").status == 200);
}

// --- reading

TEST_CASE("a key that may not be read is refused by its name, whether there is one or not") {
    TeamWorld w;
    w.put("admin", "secret.a", "1");
    for (const char* key : {"secret.a", "secret.nothing"}) {
        const Response one = w.get("/v1/state/" + std::string(key), as("user"));
        CHECK(one.status == 403);
        CHECK(code_of(one) == "actor_not_permitted");
        CHECK(header_of(one, "ETag").empty());
        CHECK(w.get("/v1/history/" + std::string(key), as("user")).status == 403);
    }
    const Json several =
        json_of(w.get("/v1/state?key=secret.a&key=user.a&key=secret.b", as("user")));
    const Json::Array shown = at(several, {"entries"}).array();
    CHECK(to_text(shown.at(0)) ==
          R"({"code":"actor_not_permitted","key":"secret.a","value":null,"version":0})");
    CHECK(at(shown.at(1), {"code"}) == Json("not_found"));
    CHECK(at(shown.at(2), {"code"}) == Json("actor_not_permitted"));
}

TEST_CASE("a list pages through what may be read as if there were nothing else") {
    TeamWorld w;
    for (const char* key : {"a", "pub", "pub.x", "user.a", "user.b", "user.c", "user.d", "z"})
        w.put("admin", key, "1");
    const auto page = [&](const std::string& query) {
        const Response response = w.get("/v1/state?" + query, as("reader"));
        const Json next = at(json_of(response), {"next"});
        std::string text;
        for (const std::string& key : w.listed(response)) text += key + " ";
        return text + (next.is_string() ? "> " + next.string() : "");
    };
    CHECK(page("limit=100") == "pub user.a user.b user.c user.d ");
    CHECK(page("limit=1") == "pub > pub");
    CHECK(page("limit=2&after=pub") == "user.a user.b > user.b");
    CHECK(page("limit=2&after=user.b") == "user.c user.d ");  // nothing follows that is ours
    CHECK(page("limit=4&prefix=user.") == "user.a user.b user.c user.d ");
    CHECK(page("prefix=user.c") == "user.c ");
    CHECK(page("prefix=pub.") == "");
    CHECK(page("prefix=z") == "");
    CHECK(page("after=user.d") == "");
}

TEST_CASE("the change feed passes over what may not be read") {
    TeamWorld w;
    const Response feed = w.begin("GET", "/v1/changes", "", as("user"))->at(0);
    pull(feed);
    w.put("admin", "secret.a", "1");
    CHECK(pull(feed) == "");
    w.post(R"({"reason":"t","ops":[{"op":"set","key":"user.a","value":1},)"
           R"({"op":"set","key":"secret.b","value":2}]})",
           as("admin"));
    const std::string told = pull(feed);
    CHECK(told.find("user.a") != std::string::npos);
    CHECK(told.find("secret") == std::string::npos);
    CHECK(told.find("id: ") !=
          std::string::npos);  // the last of the record that is shown has its id

    const std::uint64_t seq = w.world.engine->applied().seq.value;
    w.put("admin", "user.b", "1",
          R"(,"basis":[{"key":"secret.a","seq":)" + std::to_string(seq) +
              R"(},{"key":"user.a","seq":)" + std::to_string(seq) + "}]");
    const std::string with_basis = pull(feed);
    CHECK(with_basis.find("secret") == std::string::npos);
    CHECK(with_basis.find(R"("basis":[{"key":"user.a")") != std::string::npos);
}

TEST_CASE("records that name a key that may not be read are withheld, and stay countable") {
    TeamWorld w;
    w.put("admin", "user.a", "1");
    w.put("admin", "secret.a", "41");
    w.put("admin", "user.a", "2", R"(,"basis":[{"key":"secret.a","seq":999}])");
    w.put("admin", "secret.a", "42", R"(,"expectedVersion":9)");
    const auto kinds = [&](const std::string& target) {
        const Response response = w.get(target, as("user"));
        CHECK(response.body.find("secret") == std::string::npos);
        std::string text;
        const Json json = json_of(response);
        for (const Json& record : json.array())
            text += std::to_string(at(record, {"seq"}).integer()) + ":" +
                    at(record, {"kind"}).string() + " ";
        return text;
    };
    CHECK(kinds("/v1/records") ==
          "1:withheld 2:withheld 3:accepted 4:withheld 5:withheld 6:withheld ");
    CHECK(kinds("/v1/records?from=5&limit=1") == "5:withheld ");
    CHECK(kinds("/v1/history/user.a") == "3:accepted 5:withheld ");
    CHECK(w.get("/v1/records", as("admin")).body.find("withheld") == std::string::npos);
}

TEST_CASE("a record that holds all that was sent is for who reads every key") {
    TeamWorld w;
    Caller bus{.principal = "system:nats", .actor = "system:nats", .door = "nats"};
    bus.claim = R"({"original":"{\"mutations\":[{\"key\":\"secret.a\",\"value\":\"treasure\"}]}"})";
    w.world.engine->refuse(Refusal{.code = Code::malformed, .message = "no", .pointer = "/ttl", .id = "m", .key = "user.told"},
                           std::move(bus), [](Answer&&) {});
    w.world.settle();
    for (const char* target : {"/v1/records", "/v1/history/user.told"}) {
        CHECK(w.get(target, as("user")).body.find("treasure") == std::string::npos);
    }
    CHECK(w.get("/v1/records", as("admin")).body.find("treasure") != std::string::npos);
}

TEST_CASE("a record on which rules fired is for who reads every key") {
    TeamWorld w;
    const auto rules = parse_config(
        R"({"allowedKeys":["*"],"rules":[{"id":"tell","when":{"key":"user.told"},"then":[)"
        R"({"action":"obs.say","args":{"text":"{ state.secret.a }"}}]}]})",
        "rules");
    REQUIRE_MESSAGE(rules, rules.error().text);
    w.reloaded = rules->policy;
    w.api.reload(Caller{.principal = "test", .actor = "test", .door = "test"}, [](Result<Seq>) {});
    w.world.settle();
    w.put("admin", "secret.a", "\"treasure\"");
    w.put("user", "user.told", "1");
    w.put("user", "user.quiet", "1");
    for (const char* target : {"/v1/records", "/v1/history/user.told"}) {
        CHECK(w.get(target, as("admin")).body.find("treasure") != std::string::npos);
        CHECK(w.get(target, as("user")).body.find("treasure") == std::string::npos);
    }
    CHECK(w.get("/v1/history/user.told", as("user")).body.find("withheld") != std::string::npos);
    CHECK(w.get("/v1/history/user.quiet", as("user")).body.find("withheld") == std::string::npos);
    // Nor does a dry run tell it.
    const std::string proposal = EngineWorld::set_text("user.told", "2");
    const auto dry = [&](const std::string& who) {
        return w.ask("POST", "/v1/mutations?dryRun=1", proposal, as(who)).body;
    };
    CHECK(dry("admin").find("treasure") != std::string::npos);
    CHECK(dry("user").find("treasure") == std::string::npos);
}

TEST_CASE("two stores that differ only in what may not be read look the same, byte by byte") {
    const auto everything_seen = [](const std::string& key, const std::string& value) {
        TeamWorld w;
        std::string seen;
        const Response feed = w.begin("GET", "/v1/changes", "", as("user"))->at(0);
        w.put("admin", "secret." + key, value);
        w.put("admin", "user.a", "1");
        w.put("admin", "secret." + key, value + "1");
        w.post(
            R"({"reason":"t","ops":[{"op":"set","key":"user.b","value":1},{"op":"set","key":"secret.)" +
                key + R"(","value":)" + value + "}]}",
            as("admin"));
        w.ask("POST", "/v1/mutations",
              R"({"op":"delete","key":"secret.)" + key + R"(","reason":"t"})", as("admin"));
        std::vector<std::pair<std::string, std::string>> asked;
        for (const char* target :
             {"/v1/state", "/v1/state?limit=1", "/v1/state?prefix=s", "/v1/state?prefix=secret.",
              "/v1/state/secret.x", "/v1/state/secret.y", "/v1/state/user.a",
              "/v1/state?key=secret.x&key=secret.y&key=user.b", "/v1/history/secret.x",
              "/v1/history/user.b", "/v1/records", "/v1/records?from=3&limit=2", "/metrics",
              "/_debug/config", "/v1/operator/status"}) {
            const Response response = w.get(target, as("user"));
            seen += std::to_string(response.status) + " " + response.body;
            for (const auto& [name, header] : response.headers) seen += name + ": " + header + "\n";
        }
        int id = 0;
        for (const std::string& body :
             {EngineWorld::set_text("secret.x", "1"),
              EngineWorld::set_text("secret.x", "1", R"(,"expectedVersion":1)"),
              EngineWorld::set_text("secret.y", "1", R"(,"expectedVersion":0)"),
              EngineWorld::set_text("user.a", "1", R"(,"basis":[{"key":"secret.x","seq":1}])"),
              EngineWorld::set_text("user.a", "1", R"(,"basis":[{"key":"secret.y","seq":1}])"),
              std::string(R"({"op":"increment","key":"secret.x","value":1,"reason":"t"})"),
              std::string(R"({"op":"delete","key":"secret.y","reason":"t"})"),
              std::string(R"({"reason":"t","ops":[{"op":"set","key":"user.a","value":1,)"
                          R"("expectedVersion":7},{"op":"set","key":"secret.x","value":1}]})")}) {
            for (const char* target : {"/v1/mutations", "/v1/mutations?dryRun=true"}) {
                std::string named = body;
                named.insert(1, R"("id":"i-)" + std::to_string(++id) + "\",");
                const Response response = w.ask("POST", target, named, as("user"));
                CHECK(response.status == 403);
                seen += std::to_string(response.status) + " " + response.body;
            }
        }
        seen += pull(feed);
        return seen;
    };
    const std::string one = everything_seen("x", "41");
    CHECK(one == everything_seen("y", "4711"));
    CHECK(one.find("4711") == std::string::npos);
    CHECK(one.find("user.b") != std::string::npos);
}

// --- writing

TEST_CASE("what may not be written is refused before any state is looked at, and journaled") {
    TeamWorld w;
    w.put("admin", "pub", "1");
    w.world.policy.allowed_keys = {"user.*", "pub"};
    const Response no = w.put("user", "pub", "2", R"(,"expectedVersion":7)");
    CHECK(no.status == 403);
    CHECK(code_of(no) == "actor_not_permitted");
    CHECK(no.body.find("current") == std::string::npos);
    CHECK(w.world.kinds().back() == "rejected/actor_not_permitted");
    CHECK(w.world.value_of("pub") == "1");

    // Nothing of a proposal is done, and the op is named.
    const Response ops = w.post(R"({"reason":"t","ops":[{"op":"set","key":"user.a","value":1},)"
                                R"({"op":"set","key":"pub","value":2}]})",
                                as("user"));
    CHECK(ops.status == 403);
    CHECK(ops.body.find("ops[1]: 'user' may not write pub") != std::string::npos);
    CHECK(w.world.value_of("user.a") == "absent");
    CHECK(code_of(w.put("reader", "user.a", "1")) == "actor_not_permitted");
    CHECK(w.put("user", "user.a", "1").status == 200);
}

TEST_CASE("outside the policy it is the key that is not allowed, whoever asks") {
    TeamWorld w;
    w.reloaded->allowed_keys = {"user.*"};
    w.peer = ApiWorld::operator_peer();
    REQUIRE(w.ask("POST", "/v1/operator/reload").status == 200);
    w.peer = Peer{};
    for (const char* who : {"admin", "user", "reader", "blind"}) {
        const Response no = w.put(who, "pub", "1");
        CHECK(no.status == 403);
        CHECK(code_of(no) == "key_not_allowed");
        CHECK(at(json_of(no), {"message"}) == Json("Key not allowed"));
    }
}

TEST_CASE("who writes without reading is not shown what stands") {
    TeamWorld w;
    w.put("admin", "pub", "5517733");
    w.put("admin", "text", "\"hush\"");
    w.put("admin", "huge", "9223372036854775807");
    const auto hides = [&](const Response& response) {
        for (const char* value :
             {"5517733", "hush", "9223372036854775807", "\"current\"", "updatedBy"})
            CHECK_MESSAGE(response.body.find(value) == std::string::npos, response.body);
        return code_of(response);
    };
    CHECK(hides(w.put("blind", "pub", "1", R"(,"expectedVersion":9,"id":"c")")) ==
          "version_conflict");
    CHECK(hides(w.put("blind", "pub", "1", R"(,"expectedVersion":9,"id":"c")")) ==
          "version_conflict");
    CHECK(hides(w.ask("POST", "/v1/mutations?dryRun=1",
                      EngineWorld::set_text("pub", "1", R"(,"expectedVersion":9)"), as("blind"))) ==
          "version_conflict");
    const auto add = [&](const char* key, const char* target) {
        return w.ask(
            "POST", target,
            R"({"op":"increment","reason":"t","value":1,"key":")" + std::string(key) + "\"}",
            as("blind"));
    };
    CHECK(hides(add("text", "/v1/mutations")) == "op_mismatch");
    CHECK(hides(add("huge", "/v1/mutations")) == "value_invalid");
    const Response dry = add("pub", "/v1/mutations?dryRun=true");
    CHECK(dry.status == 200);
    CHECK(dry.body.find("5517734") == std::string::npos);
    CHECK(add("pub", "/v1/mutations").status == 200);
    CHECK(w.world.value_of("pub") == "5517734");
}

TEST_CASE("another principal's mutation id tells nothing and is another identity") {
    TeamWorld w;
    CHECK(w.put("admin", "secret.a", "1", R"(,"id":"one")").status == 200);
    const Response same = w.put("user", "user.a", "1", R"(,"id":"one")");
    CHECK(same.status == 200);
    CHECK(at(json_of(same), {"duplicate"}) == Json(false));
    CHECK(at(json_of(w.put("admin", "secret.a", "1", R"(,"id":"one")")), {"duplicate"}) ==
          Json(true));
    const Response dry = w.ask("POST", "/v1/mutations?dryRun=true",
                               EngineWorld::set_text("pub", "1", R"(,"id":"one")"), as("blind"));
    CHECK(dry.status == 200);
    CHECK(at(json_of(dry), {"duplicate"}) == Json(false));
}

// --- claims

TEST_CASE("what headers and bodies claim is recorded, and believed from whom may speak for it") {
    TeamWorld w;
    const auto with = [&](const std::string& who, ApiWorld::Headers more,
                          const std::string& body = "") {
        ApiWorld::Headers headers = as(who);
        headers.insert(headers.end(), more.begin(), more.end());
        const Response response = w.post(EngineWorld::set_text("pub", "1", body), headers);
        REQUIRE_MESSAGE(response.status == 200, response.body);
        return w.world.get("pub")->updated_by;
    };
    CHECK(with("admin", {{"x-user-id", "eve"}, {"x-roles", "approver, mod"}}) == "admin");
    CHECK(w.last_body().claim == R"({"actor":"eve","roles":["approver","mod"]})");
    CHECK(with("admin", {{"x-bitbrat-user-id", "eve"}}, R"(,"actor":"root")") == "admin");
    CHECK(w.last_body().claim == R"({"actor":"root","before":{"actor":"eve"}})");
    CHECK(with("admin", {{"x-bitbrat-roles", "approver"}}) == "admin");
    CHECK(w.last_body().claim == R"({"roles":["approver"]})");
    CHECK(with("admin", {{"x-user-id", "admin"}}) == "admin");
    CHECK(w.last_body().claim == "");

    std::string roles;
    const auto last_roles = [&] {
        w.world.each_record([&](const RecordView& record) { roles = record.roles; });
        return roles;
    };
    CHECK(with("voice", {{"x-user-id", "guest:7"}, {"x-roles", "vip"}}) == "guest:7");
    CHECK(w.last_body().claim == "");
    CHECK(last_roles() == R"(["vip"])");
    CHECK(with("voice", {{"x-user-id", "guest:7"}}) == "guest:7");
    CHECK(last_roles() == "");  // the guest does not get the roles of its voice
    CHECK(with("voice", {{"x-user-id", "admin"}, {"x-roles", "vip"}}) == "voice");
    CHECK(last_roles() == R"(["voice"])");
    CHECK(with("voice", {}, R"(,"actor":"guest:8")") == "guest:8");
    CHECK(with("voice", {{"x-user-id", "guest:7"}}, R"(,"actor":"eve")") == "guest:7");
    CHECK(w.last_body().claim == R"({"actor":"eve"})");

    ApiWorld::Headers bad = as("admin");
    bad.emplace_back("x-user-id", "\xff");
    CHECK(w.post(EngineWorld::set_text("pub", "1"), bad).status == 400);
    bad.back().second = std::string(257, 'a');
    const Response longer = w.post(EngineWorld::set_text("pub", "1"), bad);
    CHECK(longer.status == 400);
    CHECK(longer.body.find("x-user-id") != std::string::npos);
}

// --- reloading

TEST_CASE(
    "a reload takes tokens back at once, ends the feeds they opened, and journals names only") {
    TeamWorld w;
    const Response feed = w.begin("GET", "/v1/changes", "", as("user"))->at(0);
    w.peer = ApiWorld::operator_peer();
    const Response local_feed = w.begin("GET", "/v1/changes")->at(0);
    w.reloaded = w.world.policy;
    w.reloaded_auth = w.config.settings.auth;
    w.reloaded_auth->principals =
        entries("[" + entry("admin", "") + R"(,{"name":"reader","token_sha256":")" +
                hash_of("new") + "\"}]");

    const Response dry = w.ask("POST", "/v1/operator/reload?dryRun=true");
    CHECK(dry.body.find("auth.principals.reader.token_sha256") != std::string::npos);
    CHECK(dry.body.find(hash_of("new")) == std::string::npos);
    w.peer = Peer{};
    CHECK(w.get("/v1/state", as("user")).status == 200);

    w.peer = ApiWorld::operator_peer();
    const std::uint64_t generation = w.api.generation();
    const Response done = w.ask("POST", "/v1/operator/reload", R"({"id":"r-1","reason":"a leak"})");
    CHECK(done.status == 200);
    CHECK(w.api.generation() == generation + 1);
    CHECK(at(json_of(done), {"seq"}).integer() ==
          static_cast<std::int64_t>(w.world.engine->durable().value));
    w.peer = Peer{};

    pull(feed);
    CHECK(feed.stream->finished());
    pull(local_feed);
    CHECK(!local_feed.stream->finished());
    CHECK(w.get("/v1/state", as("user")).status == 401);
    CHECK(w.get("/v1/state", as("reader")).status == 401);
    CHECK(w.get("/v1/state", {{"x-mcp-token", "new"}}).status == 200);
    CHECK(w.get("/metrics", as("admin")).status == 403);

    CHECK(w.world.kinds().back() == "note/principals");
    std::string line;
    w.world.each_record([&](const RecordView& record) { line = record.line; });
    CHECK(line.find(R"("name":"reader")") != std::string::npos);
    CHECK(line.find("a leak") != std::string::npos);
    CHECK(line.find(hash_of("new")) == std::string::npos);

    // Nothing changed, nothing is written.
    w.peer = ApiWorld::operator_peer();
    const std::size_t before = w.world.kinds().size();
    CHECK(w.ask("POST", "/v1/operator/reload").status == 200);
    CHECK(w.world.kinds().size() == before);
    CHECK(w.api.generation() == generation + 1);
}

TEST_CASE("who is taken back goes no further with what was let in: not with lines, not with a wait") {
    TeamWorld w;
    std::string body;
    for (int i = 0; i < 2000; ++i) body += EngineWorld::set_text("user.n", std::to_string(i)) + "\n";
    ApiWorld::Headers headers = as("user");
    headers.emplace_back("content-type", "application/x-ndjson");
    const auto lines = w.begin("POST", "/v1/mutations", body, headers);
    std::string out = pull(lines->front());
    w.world.settle();
    const auto taken = w.world.get("user.n")->version.value;
    CHECK(taken < 2000);
    const std::string next = std::to_string(w.world.engine->applied().seq.value + 1);
    const std::string target = "/v1/state/user.n?min_seq=" + next;
    const auto wait = w.begin("GET", target, "", as("user"));
    w.peer = ApiWorld::operator_peer();
    const auto operators = w.begin("GET", target);
    w.peer = {.address = "127.0.0.1"};
    CHECK(wait->empty());

    w.config.settings.auth.principals = entries("[" + entry("admin", "") + "]");
    w.authorize();
    while (!lines->front().stream->finished()) {
        out += pull(lines->front());
        w.world.settle();
    }
    CHECK(w.world.get("user.n")->version.value == taken);
    std::size_t accepted = 0, refused = 0;
    for (std::size_t begin = 0; begin < out.size(); begin = out.find('\n', begin) + 1) {
        const Json line = json_of(std::string_view(out).substr(begin, out.find('\n', begin) - begin));
        if (at(line, {"status"}) == Json("accepted")) ++accepted;
        if (at(line, {"code"}) == Json("unauthenticated")) ++refused;
    }
    CHECK(accepted == taken);
    CHECK(refused == 2000 - taken);

    w.put("admin", "user.m", "1");
    w.api.changes_applied();
    REQUIRE(wait->size() == 1);
    CHECK(wait->front().status == 401);
    REQUIRE(operators->size() == 1);
    CHECK(operators->front().status == 200);
}

TEST_CASE("a rebuild names the keys that differ to whom may read them") {
    TeamWorld w;
    w.config.settings.auth.principals =
        entries("[" + entry("admin", R"(,"scopes":["operate"])") + "," +
                entry("keeper", R"(,"read":["user.*"],"scopes":["operate"])") + "]");
    w.authorize();
    w.put("admin", "user.a", R"("good one")");
    w.put("admin", "secret.a", R"("good two")");
    w.api.attach(nullptr, "reopening");
    REQUIRE(w.world.engine->close());
    w.world.leave();
    for (const auto& item : std::filesystem::recursive_directory_iterator(w.world.cache.path())) {
        if (item.path().filename() != "data.mdb") continue;
        std::fstream file(item.path(), std::ios::in | std::ios::out | std::ios::binary);
        const std::string bytes(std::istreambuf_iterator<char>(file), {});
        for (std::size_t at = 0; (at = bytes.find("good ", at)) != bytes.npos; ++at) {
            file.seekp(static_cast<std::streamoff>(at));
            file << 'f';
        }
        REQUIRE(file.good());
    }
    w.world.open();
    w.attach();
    const auto told = [&](const char* who) {
        return to_text(at(json_of(w.ask("POST", "/v1/operator/rebuild", "", as(who))), {"differentKeys"}));
    };
    CHECK(told("admin") == R"(["secret.a","user.a"])");
    CHECK(told("keeper") == R"(["user.a"])");
}

// --- shares

TEST_CASE("change feeds: one principal has half of them, so that the others come in") {
    TeamWorld w;
    w.config.settings.http.streams = 6;
    const auto follow = [&](const char* who) { return w.get("/v1/changes", as(who)); };
    std::vector<Response> feeds;
    for (int i = 0; i < 3; ++i) {
        feeds.push_back(follow("user"));
        REQUIRE(feeds.back().status == 200);
    }
    const Response over = follow("user");
    CHECK(over.status == 503);
    CHECK(at(json_of(over), {"reason"}) == Json("overloaded"));
    CHECK(at(json_of(over), {"message"}) == Json("all 3 streams of user are taken (half of http.streams)"));
    for (const char* who : {"reader", "admin", "reader"}) {
        feeds.push_back(follow(who));
        CHECK(feeds.back().status == 200);
    }
    // All are taken now, and nobody's share is said to be the reason.
    const Response full = follow("admin");
    CHECK(full.status == 503);
    CHECK(at(json_of(full), {"message"}) == Json("all 6 streams are taken (http.streams)"));
    // A place that is given back is its principal's own again.
    feeds.erase(feeds.begin());
    CHECK(follow("user").status == 200);
    // However few there are, each may have one.
    feeds.clear();
    w.config.settings.http.streams = 1;
    const Response only = follow("user");
    CHECK(only.status == 200);
    CHECK(follow("reader").status == 503);
}
