// Lines: what a client that does not read is spared, what it gets all the same, and how much is kept for it.

#include "mcp/stdio.h"

#include "tests/mcp/mcp_world.h"

namespace se::mcp::test {
namespace {

constexpr std::string_view kUpdated = "notifications/resources/updated";

/// A client over stdio, without a process, that reads when it is told to.
class Talk {
public:
    SimClock clock;
    SimRandom random{7};
    std::vector<std::function<void()>> later;
    FixtureRegistry fixture{[this](std::chrono::milliseconds, std::function<void()> job) {
        later.push_back(std::move(job));
    }};
    Server server{fixture.registry, clock, random};
    StdioDoor door{server, Caller{.principal = "alice", .actor = "alice"},
                   [this] { fixture.registry.announce.resync(); }};
    std::size_t most = 0;  ///< that was unread at once

    /// A tool that answers with so many bytes.
    void offer(const std::string& name, std::size_t bytes) {
        fixture.registry.tools.push_back({.name = name,
                                          .title = {},
                                          .description = {},
                                          .run = [bytes](const ToolContextPtr&, const auto& done) {
                                              done(ToolOutcome::text(std::string(bytes, 'x')));
                                          }});
    }
    void begin(const std::string& revision) {
        say(R"({"jsonrpc":"2.0","id":"first","method":"initialize","params":{"protocolVersion":")" + revision +
            R"(","capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"1"}}})");
        REQUIRE(read().size() == 1);
    }
    void say(const std::string& line) { door.feed(line + '\n'); }
    void run_later() {
        while (!later.empty()) {
            for (const auto& job : std::exchange(later, {})) job();
        }
    }
    /// All that there is to read, and what comes of reading it.
    std::vector<Json> read() {
        std::string said;
        while (!door.output().empty()) {
            most = std::max(most, door.output().size());
            const std::string some(door.output().substr(0, 64u << 10));
            said += some;
            door.took(some.size());
        }
        std::vector<Json> messages;
        for (std::size_t at = 0; at < said.size();) {
            const std::size_t end = said.find('\n', at);
            REQUIRE(end != said.npos);
            messages.push_back(json_of(std::string_view(said).substr(at, end - at)));
            at = end + 1;
        }
        return messages;
    }
};

std::string call_of(const std::string& tool, const std::string& id, const std::string& more = "") {
    return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"tools/call","params":{"name":")" + tool + '"' + more + "}}";
}

auto count_of(const std::vector<Json>& messages, std::string_view method) {
    return std::ranges::count_if(messages, [&](const Json& one) { return at(one, {"method"}) == Json(method); });
}

}  // namespace

TEST_CASE("a client that does not read loses news of changes only, and is told of all of them at last") {
    Talk talk;
    talk.begin("2025-11-25");
    talk.offer("large", kLinesAheadBytes + 1);
    talk.say(call_of("large", "1"));
    // None of this can be made up for: a client waits for it.
    talk.say(McpWorld::modern("subscriptions/listen",
                              R"("notifications":{"toolsListChanged":true,)"
                              R"("resourceSubscriptions":["test://watched-resource"]})",
                              "7"));
    talk.say(call_of("test_tool_with_progress", "2", R"(,"_meta":{"progressToken":"p"})"));
    talk.say(call_of("test_elicitation", "3", R"(,"arguments":{"message":"who?"})"));
    talk.run_later();
    // This can.
    const std::size_t before = talk.door.output().size();
    const Announcements& announce = talk.fixture.registry.announce;
    for (int i = 0; i < 1000; ++i) {
        announce.resource_updated("test://watched-resource", R"({"seq":7})");
        announce.tools_changed();
    }
    CHECK(talk.door.output().size() == before);

    const auto heard = talk.read();
    CHECK(count_of(heard, "notifications/subscriptions/acknowledged") == 1);
    CHECK(count_of(heard, "notifications/progress") == 3);
    CHECK(count_of(heard, "elicitation/create") == 1);
    CHECK(count_of(heard, "notifications/tools/list_changed") == 2);  // the conversation's, and the listen's
    REQUIRE(count_of(heard, kUpdated) == 1);
    for (const Json& one : heard) {
        if (at(one, {"method"}) == Json(kUpdated)) CHECK(at(one, {"params", "_meta", "resync"}) == Json(true));
    }
    // From now on it is told as before.
    announce.resource_updated("test://watched-resource", R"({"seq":8})");
    CHECK(count_of(talk.read(), kUpdated) == 1);
}

TEST_CASE("all that is subscribed to is told once to a client that reads again, however much it is") {
    Talk talk;
    talk.begin("2025-11-25");
    std::string uri;
    for (std::size_t i = 0; i < kUrisSubscribed; ++i) {
        uri = "test://" + std::to_string(i) + std::string(2000, 'u');
        talk.say(R"({"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":")" + uri + "\"}}");
    }
    talk.read();
    talk.offer("large", kLinesAheadBytes + 1);
    talk.say(call_of("large", "2"));
    talk.fixture.registry.announce.resource_updated(uri, "{}");
    CHECK(count_of(talk.read(), kUpdated) == static_cast<std::ptrdiff_t>(kUrisSubscribed));
    CHECK(talk.read().empty());
}

TEST_CASE("of what comes at once no more is looked at than the client reads the answers of") {
    constexpr std::size_t kLarge = 512u << 10;
    constexpr std::size_t kCalls = 40;
    const std::size_t bound = kAnswersAheadBytes + 2 * kLarge;
    for (const bool batch : {false, true}) {
        CAPTURE(batch);
        Talk talk;
        talk.begin("2025-03-26");
        talk.offer("large", kLarge);
        std::string piece;
        for (std::size_t i = 1; i <= kCalls; ++i)
            piece += call_of("large", std::to_string(i)) + (!batch ? "\n" : i == kCalls ? "]\n" : ",");
        talk.door.feed((batch ? "[" : "") + piece);
        CHECK_FALSE(talk.door.wants_input());
        // Nor of what comes after it, cut anywhere; and what listens behind the end of the input ends with it.
        const std::string last = call_of("large", "\"last\"") + '\n' +
                                 McpWorld::modern("subscriptions/listen", R"("notifications":{})", "\"ends\"") + '\n';
        talk.door.feed(last.substr(0, 10));
        talk.door.feed(last.substr(10));
        talk.door.end_of_input();
        CHECK_FALSE(talk.door.idle());
        CHECK(talk.door.output().size() < bound);

        std::vector<Json> ids;
        for (const Json& one : talk.read()) {
            if (at(one, {"result"}).is_object()) ids.push_back(at(one, {"id"}));
        }
        CHECK(talk.most < bound);
        REQUIRE(ids.size() == kCalls + 2);
        for (std::size_t i = 0; i < kCalls; ++i) CHECK(ids[i] == Json(static_cast<std::int64_t>(i + 1)));
        CHECK(ids[kCalls] == Json("last"));
        CHECK(ids[kCalls + 1] == Json("ends"));
        CHECK(talk.door.idle());
    }
}

}  // namespace se::mcp::test
