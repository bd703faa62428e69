// What the tools of the state tell, over a real engine: why a value is what it is, what to do after a "no", and to
// each caller what is its own.

#include "mcp/tools/state_tools.h"

#include <tuple>

#include "tests/engine/with_rules.h"
#include "tests/mcp/quiet_state.h"
#include "tests/mcp/state_world.h"

namespace se::mcp::test {
namespace {

/// b and c follow from a, d from b.
const std::string kFork = R"(
  - id: fork
    when: { key: a }
    then:
      - { action: obs.say, args: { text: forked } }
      - { action: mutate, args: { key: b, value: "{ value }" } }
      - { action: mutate, args: { key: c, value: 7 } }
  - id: onward
    when: { key: b }
    then: [ { action: mutate, args: { key: d, value: "{ value }" } } ]
)";

std::vector<std::string> keys_of(const Json& explained) {
    std::vector<std::string> keys;
    const Json chain = at(explained, {"chain"});
    REQUIRE(chain.is_array());
    for (const Json& step : chain.array()) keys.push_back(at(step, {"key"}).string());
    return keys;
}

using Keys = std::vector<std::string>;

/// Whether what a tool told is of the form that its output schema promises, as far as what must be there.
bool fits(const Json& schema, const Json& told) {
    const auto all_there = [&](const Json& required) {
        return required.is_array() && std::ranges::all_of(required.array(), [&](const Json& name) {
                   return told.find(name.string()) != nullptr;
               });
    };
    if (const Json* any = schema.find("anyOf"))
        return std::ranges::any_of(any->array(), [&](const Json& one) { return all_there(at(one, {"required"})); });
    return schema.find("required") == nullptr || all_there(at(schema, {"required"}));
}

/// A state that fails, or takes no changes, for a reason.
class FailingState final : public QuietState {
public:
    Errc failure = Errc::unavailable;
    std::string reason;

    Result<AsOf> refresh() override { return Error{failure, "it does not read"}; }
    void propose(Json, Caller, bool, std::function<void(Decided)> done) override {
        done(not_decided("mine", Code::unavailable, reason, "not now"));
    }
};

}  // namespace

TEST_CASE("explain goes on through a rule to the change that made it act") {
    StateWorld state(se::test::with_rules(kFork));
    state.engine.set("a", "1", R"(,"id":"first")");
    const Json why = state.result("explain", R"({"key":"d"})");
    CHECK(keys_of(at(why, {"structuredContent"})) == Keys{"d", "b", "a"});
    CHECK(at(why, {"structuredContent", "complete"}) == Json(true));
    CHECK(at(why, {"structuredContent", "hidden"}) == Json(0));
    const Json root = at(why, {"structuredContent", "chain"}).array().back();
    CHECK(at(root, {"id"}) == Json("first"));
    CHECK(at(root, {"actor"}) == Json("alice"));
    CHECK(at(root, {"reason"}) == Json("test"));
    CHECK(text_in(why).find("made the rule onward fire") != std::string::npos);
    CHECK(text_in(why).find("made the rule fork fire") != std::string::npos);

    // Of several changes in one record it is the one that the rule looked at.
    state.engine.ask(R"({"reason":"both","ops":[{"op":"set","key":"x","value":1},{"op":"set","key":"a","value":2}]})");
    CHECK(keys_of(state.told("explain", R"({"key":"c"})")) == Keys{"c", "a"});
    CHECK(keys_of(state.told("explain", R"({"key":"d"})")) == Keys{"d", "b", "a"});

    // What fired may hold values of any key: not for whom may not read them all.
    state.world.rights["narrow"] = principal("narrow", {"a", "b", "c", "d"}, {"a"});
    const Json hidden = state.told("explain", R"({"key":"c"})", "narrow");
    CHECK(keys_of(hidden) == Keys{"c"});
    CHECK(at(hidden, {"hidden"}) == Json(1));
}

TEST_CASE("a bookmark behind what a repair gave up is void, once, and one before it goes on") {
    StateWorld state;
    const auto bookmark = [&] { return at(state.told("changes_since", "{}"), {"bookmark"}).string(); };
    const auto since = [&](const std::string& mark) {
        return state.told("changes_since", R"({"since":")" + mark + "\"}");
    };
    state.engine.set("a", "1");
    const std::string before = bookmark();
    const Answer lost = state.engine.set("a", "2", R"(,"id":"the-lost-one")");
    const std::string at_lost = bookmark();
    state.engine.set("c", "1");
    const std::string behind = bookmark();
    REQUIRE(at(since(behind), {"resync"}) == Json(false));

    state.door.attach(nullptr, "reopening after a repair");
    REQUIRE(state.engine.engine->close());
    state.engine.leave();
    state.engine.give_up("the-lost-one", lost.seq);
    state.engine.open();
    state.door.attach(state.engine.engine.get());

    for (const std::string& mark : {at_lost, behind}) {
        CAPTURE(mark);
        const Json told = since(mark);
        CHECK(at(told, {"resync"}) == Json(true));
        CHECK(at(told, {"changes"}).array().empty());
        CHECK(at(told, {"next"}).string().find("forget what you were told") != std::string::npos);
        const Json again = since(at(told, {"bookmark"}).string());
        CHECK(at(again, {"resync"}) == Json(false));
        CHECK(at(again, {"changes"}).array().empty());
    }
    const Json told = since(before);
    CHECK(at(told, {"resync"}) == Json(false));
    REQUIRE(at(told, {"changes"}).array().size() == 1);
    CHECK(at(at(told, {"changes"}).array()[0], {"key"}) == Json("c"));
    // Whoever has read since then has a good one.
    const Json read = state.told("get_state", R"({"keys":["a"]})");
    CHECK(at(since(at(read, {"bookmark"}).string()), {"resync"}) == Json(false));
}

TEST_CASE("each tool's output schema holds for its refusals and faults, too: clients check those") {
    Platform platform;
    platform.document = [](std::string_view) -> Result<std::string> { return std::string("{}"); };
    platform.set_log_level = [](const std::string&) -> Status { return Ok{}; };
    platform.log_level = [] { return std::string("info"); };
    StateWorld state(allowing(),
                     {.version = "1", .profile = Profile::full, .platform = std::move(platform)});
    state.world.rights["narrow"] = principal("narrow", {"user.*"}, {"user.*"});
    state.world.rights["operator"] = principal("operator", {"*"}, {"*"}, {std::string(kScopeOperateBit)});
    state.engine.set("user.a", "1");
    const auto tools = state.tools("operator");
    const auto refused = [&](const std::string& tool, const std::string& arguments, const std::string& who,
                             const std::string& code) {
        CAPTURE(tool);
        CAPTURE(arguments);
        const Json result = state.result(tool, arguments, who);
        CHECK(at(result, {"isError"}) == Json(true));
        const Json told = at(result, {"structuredContent"});
        CHECK(at(told, {"status"}) == Json("rejected"));
        CHECK(at(told, {"code"}) == Json(code));
        CHECK(at(told, {"message"}).is_string());
        CHECK(at(told, {"next"}).is_string());
        CHECK(fits(at(tools.at(tool), {"outputSchema"}), told));
    };
    refused("explain", R"({"key":"veiled"})", "narrow", "actor_not_permitted");
    refused("explain", R"({"key":"never"})", "alice", "not_found");
    refused("explain", R"({"key":"user.a","version":9})", "alice", "not_found");
    refused("get_history", R"({"key":"veiled"})", "narrow", "actor_not_permitted");
    refused("propose_mutation", R"({"key":"user.a","value":1,"reason":"r","expectedVersion":9})", "alice",
            "version_conflict");
    refused("propose_mutation", R"({"key":"no key","value":1,"reason":"r"})", "alice", "malformed");
    refused("bit.flags.set", R"({"name":"http.open","value":true})", "operator", "value_invalid");

    const std::map<std::string, std::string> calls = {
        {"get_state", R"({"keys":["user.a"]})"}, {"get_state_prefix", R"({"prefix":""})"},
        {"get_history", R"({"key":"user.a"})"},  {"changes_since", R"({"since":"1.1"})"},
        {"explain", R"({"key":"user.a"})"},      {"list_prefixes", "{}"}};
    for (const bool there : {true, false}) {
        if (!there) state.door.attach(nullptr, "gone");
        for (const auto& [tool, arguments] : calls) {
            CAPTURE(tool);
            const Json result = state.result(tool, arguments);
            CHECK(at(result, {"isError"}).is_null() == there);
            CHECK(fits(at(tools.at(tool), {"outputSchema"}), at(result, {"structuredContent"})));
        }
    }
}

TEST_CASE("a proposal without an id is another one each time, and the tool does not claim otherwise") {
    StateWorld state;
    CHECK(at(state.tools().at("propose_mutation"), {"annotations", "idempotentHint"}) == Json(false));
    const std::string add = R"({"key":"n","op":"increment","value":1,"reason":"r"})";
    state.told("propose_mutation", add);
    state.told("propose_mutation", add);
    CHECK(state.engine.value_of("n") == "2");
}

TEST_CASE("null for an argument that need not be there is the same as nothing, but for a value") {
    StateWorld state;
    const std::string nulls =
        R"("id":null,"op":null,"expectedVersion":null,"ttl":null,"metadata":null,"basis":null,"dryRun":null)";
    const Json single =
        state.told("propose_mutation", R"({"key":"a","value":null,"reason":"r","ops":null,)" + nulls + "}");
    CHECK(at(single, {"status"}) == Json("accepted"));
    CHECK(state.engine.value_of("a") == "null");
    const Json list = state.told(
        "propose_mutation", R"({"key":null,"value":null,"reason":"r",)" + nulls +
                                R"(,"ops":[{"key":"b","op":"set","value":null,"ttl":null,"metadata":null}]})");
    CAPTURE(to_text(list));
    CHECK(at(list, {"status"}) == Json("accepted"));
    CHECK(state.engine.value_of("b") == "null");
    // What must be there is missing.
    for (const char* arguments : {R"({"key":null,"value":1,"reason":"r"})", R"({"key":"a","value":1,"reason":null})"})
        CHECK(text_in(state.result("propose_mutation", arguments)).find("is missing") != std::string::npos);
}

TEST_CASE("keys that may be written are told to each caller as far as it may write them") {
    StateWorld state(allowing({"stream.state", "user.*", "veiled.*"}));
    state.world.rights = {{"wide", principal("wide", {"*"}, {"*"})},
                          {"narrow", principal("narrow", {"*"}, {"user.fact.*", "user.name", "elsewhere.*"})},
                          {"reader", principal("reader", {"*"}, {})}};
    const auto told = [&](const std::string& who) {
        McpWorld::Headers headers = McpWorld::modern_headers("prompts/get", "change_state");
        headers.emplace_back("who", who);
        const Response prompt = state.world.ask(
            "POST", "/mcp",
            McpWorld::modern("prompts/get", R"("name":"change_state","arguments":{"intent":"i"})"), headers);
        return std::vector<std::string>{
            at(state.tools(who).at("propose_mutation"), {"description"}).string(), prompt.body,
            text_in(state.result("propose_mutation", R"({"key":"other","value":1,"reason":"r"})", who))};
    };
    for (const std::string& text : told("wide")) {
        CAPTURE(text);
        CHECK(text.find("stream.state, user.*, veiled.* (a trailing") != std::string::npos);
    }
    for (const std::string& text : told("narrow")) {
        CAPTURE(text);
        CHECK(text.find(": user.fact.*, user.name (a trailing") != std::string::npos);
        CHECK(text.find("veiled") == std::string::npos);
        CHECK(text.find("elsewhere") == std::string::npos);
    }
    for (const std::string& text : told("reader")) {
        CAPTURE(text);
        CHECK(text.find(": none") != std::string::npos);
        CHECK(text.find("stream.state, ") == std::string::npos);
    }
}

TEST_CASE("the first keys that may be written at all are news, too") {
    StateWorld state(allowing({}));
    int told = 0;
    state.door.on_policy = [&] { ++told; };
    const auto reload = [&](std::vector<std::string> allowed) {
        state.engine.engine->reload(allowing(std::move(allowed)), se::test::EngineWorld::alice(),
                                    [](const Result<Seq>&) {});
        state.engine.settle();
        state.door.changes_applied();
    };
    state.door.changes_applied();
    CHECK(told == 0);
    reload({"a"});
    CHECK(told == 1);
    reload({"a"});
    CHECK(told == 1);
    reload({});
    CHECK(told == 2);
    // An engine that is opened anew with the same policy brings no news.
    state.door.attach(nullptr);
    CHECK(state.door.allowed_keys().empty());
    state.door.attach(state.engine.engine.get());
    CHECK(told == 2);
}

TEST_CASE("who may not see what stands there is not told to decide again from it") {
    StateWorld state;
    state.world.rights["blind"] = principal("blind", {"other.*"}, {"*"});
    state.engine.set("a", "1");
    const std::string late = R"({"key":"a","value":2,"reason":"r","expectedVersion":7})";
    const Json blind = state.told("propose_mutation", late, "blind");
    CHECK(at(blind, {"code"}) == Json("version_conflict"));
    CHECK(blind.find("current") == nullptr);
    CHECK(at(blind, {"next"}).string().find("current") == std::string::npos);
    const Json seeing = state.told("propose_mutation", late);
    CHECK(seeing.find("current") != nullptr);
    CHECK(at(seeing, {"next"}).string().find("`current`") != std::string::npos);
}

TEST_CASE("what waiting does not mend is not told to be waited for") {
    FailingState state;
    McpWorld world;
    world.fixture.registry.tools = {get_state_tool(state), propose_mutation_tool(state)};
    const auto next_of = [&](const std::string& tool, const std::string& arguments) {
        const auto replies = world.begin_tool(tool, R"("arguments":)" + arguments);
        const Json told = at(json_of(replies->front().body), {"result", "structuredContent"});
        CHECK(at(told, {"code"}) == Json("unavailable"));
        return at(told, {"next"}).string();
    };
    const auto waits = [](const std::string& next) { return next.find("Wait a moment") != std::string::npos; };
    const std::string change = R"({"key":"a","value":1,"reason":"r"})", read = R"({"keys":["a"]})";
    for (const auto& [reason, failure, passes] :
         {std::tuple("draining", Errc::unavailable, true), std::tuple("overloaded", Errc::busy, true),
          std::tuple("disk_full", Errc::no_space, false), std::tuple("damaged", Errc::corruption, false)}) {
        CAPTURE(reason);
        state.reason = reason;
        state.failure = failure;
        CHECK(waits(next_of("propose_mutation", change)) == passes);
        CHECK(waits(next_of("get_state", read)) == passes);
    }
    const std::string next = next_of("propose_mutation", change);
    CHECK(next.find("damaged") != std::string::npos);
    CHECK(next.find("\"mine\"") == std::string::npos);  // nothing to try again
}

TEST_CASE("the debug log is turned by true and false alone, and off is as it was configured") {
    for (const auto& [configured, off] : {std::pair("warn", "warn"), std::pair("debug", "info")}) {
        CAPTURE(configured);
        std::string level = configured;
        Platform platform;
        platform.set_log_level = [&](const std::string& wanted) -> Status {
            level = wanted;
            return Ok{};
        };
        platform.log_level = [&] { return level; };
        platform.note = [](std::string_view, const Caller&) {};
        StateWorld state(allowing(),
                         {.version = "1", .profile = Profile::full, .platform = std::move(platform)});
        state.world.rights["operator"] = principal("operator", {"*"}, {"*"}, {std::string(kScopeOperateBit)});
        const auto set = [&](const std::string& value) {
            return state.result("bit.flags.set", R"({"name":"log.debug","value":)" + value + "}", "operator");
        };
        set("true");
        CHECK(level == "debug");
        CHECK(text_in(set("null")).find("'value' is missing") != std::string::npos);
        CHECK(level == "debug");
        set("false");
        CHECK(level == off);
    }
}

}  // namespace se::mcp::test
