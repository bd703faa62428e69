// The state as resources: of what its subscribers hear, and for how long it is looked for.

#include "mcp/tools/state_resources.h"

#include "tests/mcp/mcp_world.h"
#include "tests/mcp/quiet_state.h"

namespace se::mcp::test {
namespace {

/// A state of which only the changes matter.
class ChangingState final : public QuietState {
public:
    void change(const std::string& key) {
        const Seq seq{events_.size() + 1};
        events_.push_back(std::make_shared<const ChangeEvent>(
            ChangeEvent{Epoch{1}, seq, key, R"({"key":"k","entry":null,"previousVersion":1,"id":"i"})"}));
        if (changed_) changed_();
    }

    bool gave_up = false;  ///< a repair, what was told

    Result<AsOf> refresh() override { return AsOf{.epoch = Epoch{1}, .seq = Seq{events_.size()}, .why_stale = {}}; }
    Result<bool> is_void(Cursor*) override { return std::exchange(gave_up, false); }
    Result<Changes> changes_since(Cursor* cursor, std::string_view, std::size_t) override {
        Changes changes;
        for (; cursor->seq.value < events_.size(); ++cursor->seq.value)
            changes.events.push_back(events_[cursor->seq.value]);
        return changes;
    }
    void follow(std::function<void()> changed) override { changed_ = std::move(changed); }

private:
    std::vector<std::shared_ptr<const ChangeEvent>> events_;
    std::function<void()> changed_;
};

struct Subscribing {
    ChangingState state;
    StateResources resources{state};
    McpWorld world;
    std::vector<std::string> announced;
    int resyncs = 0;
    std::string session;

    Subscribing() {
        Registry& registry = world.fixture.registry;
        registry.resources = &resources;
        resources.announce_to(&registry.announce);
        registry.announce.resource_updated = [this, tell = registry.announce.resource_updated](
                                                 std::string_view uri, std::string_view meta) {
            announced.emplace_back(uri);
            tell(uri, meta);
        };
        registry.announce.resync = [this, tell = registry.announce.resync] {
            ++resyncs;
            tell();
        };
        session = world.open_session();
    }
    Json ask(const std::string& method, const std::string& uri) {
        const auto replies = world.post(session, R"({"jsonrpc":"2.0","id":2,"method":"resources/)" + method +
                                                     R"(","params":{"uri":")" + uri + "\"}}");
        return json_of(replies->front().body);
    }
    void subscribe(const std::string& uri) { REQUIRE(at(ask("subscribe", uri), {"error"}).is_null()); }
    /// What is announced when `key` changes.
    std::vector<std::string> change(const std::string& key) {
        announced.clear();
        state.change(key);
        return announced;
    }
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("however a subscriber writes a key, it hears of its changes by the URI that it wrote") {
    Subscribing s;
    const Response stream = s.world.listen(s.session);
    for (const char* uri : {"state://viewer%3Abob", "state://viewer%3abob", "state://viewer:bob", "state://%76iewer:bob"})
        s.subscribe(uri);
    s.change("viewer:bob");
    s.change("viewer:ann");
    Texts told;
    for (const Json& message : messages_in(pull(stream))) {
        if (at(message, {"method"}) == Json("notifications/resources/updated"))
            told.push_back(at(message, {"params", "uri"}).string());
    }
    std::ranges::sort(told);
    CHECK(told == Texts{"state://%76iewer:bob", "state://viewer%3Abob", "state://viewer%3abob", "state://viewer:bob"});
}

TEST_CASE("what nobody subscribes to any more is looked for no longer") {
    Subscribing s;
    s.subscribe("state://a");
    s.subscribe("state://b");
    s.subscribe("state-log://1");
    s.subscribe("state-log://2");
    CHECK(s.change("a") == Texts{"state://a", "state-log://1", "state-log://2"});
    s.ask("unsubscribe", "state://a");
    s.ask("unsubscribe", "state-log://1");
    CHECK(s.change("a") == Texts{"state-log://2"});
    CHECK(s.change("b") == Texts{"state://b", "state-log://2"});

    // One of two subscribers goes, then the other.
    const std::string other = s.world.open_session();
    const std::string first = std::exchange(s.session, other);
    s.subscribe("state://b");
    s.world.ask("DELETE", "/mcp", "", {{"mcp-session-id", first}});
    CHECK(s.change("b") == Texts{"state://b"});
    s.world.ask("DELETE", "/mcp", "", {{"mcp-session-id", other}});
    CHECK(s.change("b").empty());
}

TEST_CASE("when a repair has given up what was told, all that is subscribed to is told as changed") {
    Subscribing s;
    s.subscribe("state://a");
    s.change("b");
    CHECK(s.resyncs == 0);
    s.state.gave_up = true;
    s.change("b");
    CHECK(s.resyncs == 1);
    s.change("b");
    CHECK(s.resyncs == 1);
}

TEST_CASE("a subscription that is refused is not looked for, and a seq is written in one way") {
    Subscribing s;
    for (std::size_t i = 0; i < kUrisSubscribed; ++i) s.subscribe("state://k" + std::to_string(i));
    CHECK(is_code(s.ask("subscribe", "state://more"), RpcCode::invalid_params));
    CHECK(s.change("more").empty());
    for (const char* uri : {"state-log://01", "state-log://0", "state-log://00", "state-log://x"})
        CHECK(is_code(s.ask("subscribe", uri), RpcCode::resource_not_found));
}

}  // namespace se::mcp::test
