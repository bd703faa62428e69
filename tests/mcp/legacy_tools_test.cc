// The tools of the state at the legacy door (CONTRACTS 1.6): a gateway there takes two failures in a row for a sick
// server. So a "no" is an answer, what the original did not know is passed over, and nothing is cut without a word.

#include "mcp/tools/state_tools.h"
#include "tests/mcp/quiet_state.h"
#include "tests/mcp/state_world.h"

namespace se::mcp::test {
namespace {

/// So many keys `k.00000` on, each with a value of so many bytes.
class ManyKeys final : public QuietState {
public:
    ManyKeys(std::size_t keys, std::size_t bytes) : keys_(keys), value_('"' + std::string(bytes, 'x') + '"') {}

    Result<Entries> list(std::string_view prefix, std::string_view after, std::size_t limit) override {
        Entries found;
        for (std::size_t i = 0; i < keys_ && found.size() < limit; ++i) {
            const std::string key = name(i);
            if (!key.starts_with(prefix) || key <= after) continue;
            Entry entry;
            entry.value = value_;
            entry.version = Version{1};
            found.emplace_back(key, std::move(entry));
        }
        return found;
    }
    static std::string name(std::size_t i) {
        const std::string digits = std::to_string(i);
        return "k." + std::string(5 - digits.size(), '0') + digits;
    }

private:
    std::size_t keys_;
    std::string value_;
};

}  // namespace

TEST_CASE("the legacy door promises no output schema, so no refusal is held against one") {
    StateWorld state;
    LegacyClient client(state.world);
    client.ask("tools/list", "{}");
    const auto listed = StateWorld::by_name(client.answer());
    CHECK(listed.size() == 6);
    for (const auto& [name, tool] : listed) CHECK_MESSAGE(tool.find("outputSchema") == nullptr, name);
    for (const auto& [name, tool] : state.tools()) CHECK_MESSAGE(tool.find("outputSchema") != nullptr, name);

    const Json refused = client.result("explain", R"({"key":"never.set"})");
    CHECK(at(refused, {"isError"}).is_null());
    CHECK(at(refused, {"structuredContent", "status"}) == Json("rejected"));
    CHECK(at(refused, {"structuredContent", "code"}) == Json("not_found"));
    CHECK(json_of(text_in(refused)) == at(refused, {"structuredContent"}));
}

TEST_CASE("on the legacy door what the engine finds malformed or too large is an answer, not an error") {
    StateWorld state(allowing({"user.*", "stream.state"}));
    LegacyClient client(state.world);
    const auto rejected = [&](const std::string& arguments, const std::string& code, const std::string& more = "") {
        CAPTURE(arguments);
        const Json message = state.propose(client, arguments, more);
        CAPTURE(to_text(message));
        CHECK(at(message, {"error"}).is_null());
        CHECK(at(message, {"result", "isError"}).is_null());
        CHECK(at(message, {"result", "structuredContent", "status"}) == Json("rejected"));
        CHECK(at(message, {"result", "structuredContent", "code"}) == Json(code));
        CHECK(!at(message, {"result", "structuredContent", "next"}).is_null());
    };
    const std::string good = R"("key":"user.a","value":1,"reason":"r")";
    const std::string large(300, 'x');
    rejected(R"({"key":"user.no key","value":1,"reason":"r"})", "malformed");
    rejected(R"({"key":"user.)" + large + R"(","value":1,"reason":"r"})", "too_large");
    rejected("{" + good + R"(,"op":"inc"})", "malformed");
    rejected("{" + good + R"(,"expectedVersion":"1"})", "malformed");
    rejected(R"({"key":"user.a","reason":"r"})", "malformed");  // a set without a value
    // What keeps a change from being made is not passed over, though the original does not know it.
    rejected("{" + good + R"(,"dryRun":"yes"})", "malformed");
    rejected("{" + good + R"(,"basis":"none"})", "malformed");
    rejected(R"({"key":"user.b","reason":"r","ops":[{"op":"set","key":"user.a","value":1}]})", "malformed");
    rejected("{" + good + "}", "malformed", R"(,"_meta":{"userId":"u","userRoles":["a,b"]})");
    CHECK(state.engine.value_of("user.a") == "absent");
    rejected("{" + good + R"(,"expectedVersion":7})", "version_conflict");

    // Elsewhere the same is an error of the tool.
    const Json modern = state.result("propose_mutation", R"({"key":"user.no key","value":1,"reason":"r"})");
    CHECK(at(modern, {"isError"}) == Json(true));
    CHECK(at(modern, {"structuredContent", "code"}) == Json("malformed"));

    // The arguments that the original asks for by their type are still its own errors.
    for (const char* arguments : {R"({"value":1,"reason":"r"})", R"({"key":7,"value":1,"reason":"r"})",
                                  R"({"key":"user.a","value":1})", R"({"key":"user.a","value":1,"reason":null})"}) {
        CAPTURE(arguments);
        CHECK(is_code(state.propose(client, arguments), RpcCode::internal));
    }
}

TEST_CASE("on the legacy door a key outside is told in its words, whether it is a key or not") {
    StateWorld state(allowing({"user.fact.*", "stream.state"}));
    LegacyClient client(state.world);
    const std::string large(300, 'x');
    for (const std::string& key : {std::string("other"), std::string("other key"), std::string("a/b"),
                                   std::string(), std::string(".."), "other." + large}) {
        CAPTURE(key);
        for (const std::string more : {"", R"(,"op":"inc")", R"(,"ttl":-1)", R"(,"dryRun":7)"}) {
            const Json message =
                state.propose(client, R"({"key":")" + key + R"(","value":1,"reason":"r")" + more + "}");
            const Json result = at(message, {"result"});
            CHECK(at(result, {"isError"}) == Json(true));
            CHECK(text_in(result) == "Mutation rejected: key '" + key +
                                         "' is not in an allowed namespace, so nothing was stored. Allowed keys: "
                                         "user.fact.*, stream.state (a trailing '*' denotes a prefix).");
            CHECK(at(result, {"structuredContent", "code"}) == Json("key_not_allowed"));
        }
    }
}

TEST_CASE("on the legacy door what only adds something is passed over when it is wrong") {
    StateWorld state;
    LegacyClient client(state.world);
    int version = 0;
    for (const char* more : {R"("ttl":-1)", R"("ttl":"soon")", R"("ttl":99999999999999)", R"("metadata":7)",
                             R"("id":7)", R"("id":"")", R"("colour":"red")"}) {
        CAPTURE(more);
        const Json told = at(state.propose(client, R"({"key":"a","value":1,"reason":"r",)" + std::string(more) + "}"),
                             {"result", "structuredContent"});
        CHECK(at(told, {"status"}) == Json("accepted"));
        CHECK(at(told, {"version"}) == Json(++version));
    }
    CHECK(state.engine.get("a")->ttl == 0);
    // Sound ones count.
    state.propose(client, R"({"key":"a","value":1,"reason":"r","ttl":60,"id":"mine"})");
    CHECK(state.engine.get("a")->ttl == 60);
    CHECK(state.engine.get("a")->id == "mine");
    // At the other doors they are wrong.
    CHECK(at(state.told("propose_mutation", R"({"key":"a","value":1,"reason":"r","ttl":-1})"), {"code"}) ==
          Json("malformed"));
}

TEST_CASE("the legacy door reads a prefix to its end, as the original does, or says that it cannot") {
    McpWorld world;
    const auto content_blocks = [](const Json& result) { return at(result, {"content"}).array().size(); };
    SUBCASE("more keys than a page has, and more bytes") {
        constexpr std::size_t kKeys = kEntriesShown + 200, kBytes = 1500;
        static_assert(kKeys * kBytes > kBytesShown && kKeys * kBytes < kWholeBytesShown / 2);
        ManyKeys state(kKeys, kBytes);
        world.fixture.registry.tools = {get_state_prefix_tool(state)};
        LegacyClient client(world);
        for (const char* arguments :
             {R"({"prefix":"k."})", R"({"prefix":"k.","limit":"all","after":7})", R"({"prefix":"k.","limit":0})"}) {
            const Json result = client.result("get_state_prefix", arguments);
            CHECK(content_blocks(result) == 1);
            const Json all = json_of(text_in(result));
            REQUIRE(all.object().size() == kKeys);
            CHECK(all.object().back().first == ManyKeys::name(kKeys - 1));
            CHECK(at(result, {"structuredContent", "next"}).is_null());
        }
        // Who asks for pages gets pages.
        const Json page = client.result("get_state_prefix", R"({"prefix":"k.","limit":10})");
        CHECK(json_of(text_in(page)).object().size() == 10);
        CHECK(at(page, {"structuredContent", "next"}) == Json(ManyKeys::name(9)));
        // Elsewhere a page ends early.
        const auto replies = world.begin_tool("get_state_prefix", R"("arguments":{"prefix":"k."})");
        const Json modern = at(json_of(replies->front().body), {"result"});
        CHECK(json_of(text_in(modern)).object().size() < kEntriesShown);
        CHECK(!at(modern, {"structuredContent", "next"}).is_null());
        CHECK(content_blocks(modern) == 2);
    }
    SUBCASE("more than an answer may be") {
        ManyKeys state(60, 100'000);
        world.fixture.registry.tools = {get_state_prefix_tool(state)};
        LegacyClient client(world);
        client.call("get_state_prefix", R"({"prefix":"k."})");
        const Json message = client.answer();
        CHECK(is_code(message, RpcCode::internal));
        CHECK(at(message, {"error", "message"}).string().find("longer prefix") != std::string::npos);
        const Json page = client.result("get_state_prefix", R"({"prefix":"k.","limit":1000})");
        CHECK(!at(page, {"structuredContent", "next"}).is_null());
    }
}

TEST_CASE("BitBrat finds the platform tools at the legacy door, by its scopes, in every profile") {
    const auto offered = [](Profile profile) {
        Platform platform;
        platform.document = [](std::string_view) -> Result<std::string> { return std::string(R"({"status":"ok"})"); };
        platform.set_log_level = [](const std::string&) -> Status { return Ok{}; };
        platform.log_level = [] { return std::string("info"); };
        return StateRegistry::Options{.version = "1", .profile = profile, .platform = std::move(platform)};
    };
    for (const Profile profile : {Profile::state, Profile::full}) {
        CAPTURE(profile == Profile::full);
        StateWorld state(allowing(), offered(profile));
        state.world.rights = {{"bot", principal("bot", {"*"}, {"*"}, {std::string(kScopeRead)})},
                              {"plain", principal("plain", {"*"}, {"*"})}};
        LegacyClient bot(state.world, "bot"), plain(state.world, "plain");
        bot.ask("tools/list", "{}");
        const auto mine = StateWorld::by_name(bot.answer());
        for (const char* name : {"bit.info", "bit.health", "bit.readiness", "bit.config.get", "bit.config.describe",
                                 "bit.flags.get"}) {
            CAPTURE(name);
            REQUIRE(mine.contains(name));
            CHECK(at(mine.at(name), {"scopes"}) == Json(Json::Array{"bit:read"}));
        }
        CHECK(!mine.contains("bit.flags.set"));
        CHECK(at(bot.result("bit.health", "{}"), {"structuredContent", "status"}) == Json("ok"));

        plain.ask("tools/list", "{}");
        CHECK(!StateWorld::by_name(plain.answer()).contains("bit.info"));
        plain.call("bit.health", "{}");
        CHECK(at(plain.answer(), {"error", "message"}) == Json("Tool not found: bit.health"));

        // At the modern doors by the profile.
        CHECK(state.tools("bot").contains("bit.info") == (profile == Profile::full));
        const auto replies = state.world.begin_tool("bit.health", R"("arguments":{})", "{}", "bot");
        CHECK(is_code(json_of(replies->front().body), RpcCode::invalid_params) == (profile == Profile::state));

        // bit.info tells what the caller finds here.
        Json::Array names;
        for (const auto& [name, tool] : mine) names.emplace_back(name);
        Json told = at(bot.result("bit.info", "{}"), {"structuredContent", "tools"});
        REQUIRE(told.is_array());
        std::ranges::sort(told.array(), {}, [](const Json& name) { return name.string(); });
        CHECK(told == Json(names));
    }
}

}  // namespace se::mcp::test
