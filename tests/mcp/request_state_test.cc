#include "mcp/request_state.h"

#include "mcp/base64.h"
#include "tests/mcp/mcp_world.h"

namespace se::mcp::test {
namespace {

constexpr std::string_view kTool = "test_input_required_result_request_state";
const std::string kCan = R"({"elicitation":{}})";

/// What a first round of the tool gives the client to carry.
std::string first_round(McpWorld& world, const std::string& who = "alice") {
    const auto replies = world.begin_tool(std::string(kTool), "", kCan, who);
    REQUIRE(replies->size() == 1);
    const Json state = at(json_of(replies->front().body), {"result", "requestState"});
    REQUIRE(state.is_string());
    return state.string();
}

Json second_round(McpWorld& world, const std::string& state, const std::string& who = "alice",
                  const std::string& more = "", const std::string& tool = std::string(kTool)) {
    std::string text;
    append_json_string(text, state);
    const auto replies = world.begin_tool(
        tool, R"("inputResponses":{"confirm":{"action":"accept","content":{"ok":true}}},"requestState":)" + text + more,
        kCan, who);
    REQUIRE(replies->size() == 1);
    return json_of(replies->front().body);
}

std::string refusal(const Json& message) {
    REQUIRE(is_code(message, RpcCode::invalid_params));
    return at(message, {"error", "message"}).string();
}

bool says(const Json& message, std::string_view word) { return refusal(message).find(word) != std::string::npos; }

}  // namespace

TEST_CASE("a requestState that comes back as it was goes on with the call") {
    McpWorld world;
    const Json answer = second_round(world, first_round(world));
    CHECK(to_text(answer).find("state-ok") != std::string::npos);
}

TEST_CASE("a requestState with any one character changed is refused") {
    McpWorld world;
    const std::string state = first_round(world);
    for (std::size_t i = 0; i < state.size(); ++i) {
        std::string other = state;
        other[i] = other[i] == 'A' ? 'B' : 'A';
        CHECK(says(second_round(world, other), "not one of ours"));
    }
    CHECK(says(second_round(world, ""), "not one of ours"));
    CHECK(says(second_round(world, state + "A"), "not one of ours"));
    CHECK(says(second_round(world, state.substr(0, state.size() - 1)), "not one of ours"));
    CHECK(to_text(second_round(world, state)).find("state-ok") != std::string::npos);
}

TEST_CASE("a requestState is good for one use") {
    McpWorld world;
    const std::string state = first_round(world);
    CHECK(to_text(second_round(world, state)).find("state-ok") != std::string::npos);
    CHECK(says(second_round(world, state), "was used already"));
}

TEST_CASE("a requestState lapses") {
    McpWorld world;
    const std::string early = first_round(world);
    world.pass(RequestStates::kLifetime - std::chrono::seconds(1));
    CHECK(to_text(second_round(world, early)).find("state-ok") != std::string::npos);
    const std::string late = first_round(world);
    world.pass(RequestStates::kLifetime);
    CHECK(says(second_round(world, late), "has expired"));
}

TEST_CASE("a requestState is of one principal, one tool and its arguments") {
    McpWorld world;
    const std::string state = first_round(world);
    CHECK(says(second_round(world, state, "mallory"), "somebody else"));
    CHECK(says(second_round(world, state, "alice", R"(,"arguments":{"amount":1000})"), "other arguments"));
    CHECK(says(second_round(world, state, "alice", "", "test_input_required_result_tampered_state"),
               "another request"));
    CHECK(to_text(second_round(world, state)).find("state-ok") != std::string::npos);
}

TEST_CASE("a requestState of another process is refused") {
    McpWorld world, other;
    other.random.next();  // another key
    CHECK(says(second_round(world, std::string(first_round(world)).replace(0, 1, "f")), "not one of ours"));
    SimRandom random(99);
    RequestStates states(random, world.clock);
    const Json nothing(Json::Object{});
    const auto foreign = states.issue(
        {.principal = "alice", .method = "tools/call", .name = kTool, .arguments = nothing}, "yes");
    REQUIRE(foreign);
    CHECK(says(second_round(world, *foreign), "not one of ours"));
}

TEST_CASE("whoever hoards requestStates loses their own oldest and nobody else's") {
    McpWorld world;
    const std::string bobs = first_round(world, "bob");
    const std::string first = first_round(world);
    for (std::size_t i = 0; i < RequestStates::kPerPrincipal; ++i) first_round(world);
    CHECK(says(second_round(world, first), "older than your newest"));
    CHECK(to_text(second_round(world, bobs, "bob")).find("state-ok") != std::string::npos);
}

}  // namespace se::mcp::test
