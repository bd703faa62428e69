// What the reading tools ask of the state for an answer.

#include "mcp/tools/state_resources.h"
#include "mcp/tools/state_tools.h"
#include "tests/mcp/mcp_world.h"
#include "tests/mcp/quiet_state.h"

namespace se::mcp::test {
namespace {

/// Large entries, and how much of them was asked for at once.
class LargeState final : public QuietState {
public:
    static constexpr std::size_t kValueBytes = 1u << 20;
    std::size_t most = 0;  ///< entries in one list

    Result<Entries> list(std::string_view prefix, std::string_view after, std::size_t limit) override {
        Entries found;
        for (int i = 0; i < 60 && found.size() < limit; ++i) {
            const std::string key = std::string(1, static_cast<char>('a' + i / 20)) + '.' + std::to_string(10 + i % 20);
            if (!key.starts_with(prefix) || key <= after) continue;
            Entry entry;
            entry.value = std::string(kValueBytes, 'x');
            found.emplace_back(key, std::move(entry));
        }
        most = std::max(most, found.size());
        return found;
    }
};

}  // namespace

TEST_CASE("counting keys takes few of their values along at once, and counts them all") {
    McpWorld world;
    LargeState state;
    world.fixture.registry.tools = {list_prefixes_tool(state)};
    const auto replies = world.begin_tool("list_prefixes", R"("arguments":{})");
    REQUIRE(replies->size() == 1);
    const Json counted = at(json_of(replies->front().body), {"result", "structuredContent"});
    CHECK(to_text(at(counted, {"prefixes"})) ==
          R"([{"keys":20,"prefix":"a."},{"keys":20,"prefix":"b."},{"keys":20,"prefix":"c."}])");
    CHECK(at(counted, {"complete"}) == Json(true));
    CHECK(state.most <= 8);
}

TEST_CASE("lists and completions of keys take few of their values along at once") {
    LargeState state;
    StateResources resources(state);
    const auto page = resources.list(Caller{}, "", 50);
    REQUIRE(page);
    CHECK(page->resources.size() == 50);
    CHECK(page->next == page->resources.back().name);
    const auto rest = resources.list(Caller{}, page->next, 50);
    REQUIRE(rest);
    CHECK(rest->resources.size() == 10);
    CHECK(rest->next.empty());
    CHECK(complete_key(state, Caller{}, "b.").values.size() == 20);
    CHECK(state.most <= 8);
}

}  // namespace se::mcp::test
