#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcp/engine_door.h"
#include "mcp/tools/state_registry.h"
#include "tests/engine/engine_world.h"
#include "tests/mcp/mcp_world.h"

namespace se::mcp::test {

/// The legacy door as one client of it: what it asks and what comes on its stream.
class LegacyClient {
public:
    explicit LegacyClient(McpWorld& world, std::string who = "alice") : world_(world), who_(std::move(who)) {
        stream_ = world_.ask("GET", "/sse", "", {{"who", who_}});
        const std::string first = pull(stream_);
        REQUIRE(first.starts_with("event: endpoint\ndata: /message?sessionId="));
        session_ = first.substr(first.find('=') + 1, 36);
        ask("initialize", R"({"protocolVersion":"2025-11-25","capabilities":{},)"
                          R"("clientInfo":{"name":"t","version":"1"}})");
        answer();
    }
    void ask(const std::string& method, const std::string& params) {
        const Response response =
            world_.ask("POST", "/message?sessionId=" + session_,
                       R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}",
                       {{"who", who_}});
        CHECK(response.status == 202);
    }
    void call(const std::string& tool, const std::string& arguments, const std::string& more = "") {
        ask("tools/call", R"({"name":")" + tool + R"(","arguments":)" + arguments + more + "}");
    }
    /// The answer to what was asked last.
    Json answer() {
        const auto messages = messages_in(pull(stream_));
        REQUIRE(messages.size() == 1);
        return messages[0];
    }
    /// Likewise, of a tool that answers at once.
    Json result(const std::string& tool, const std::string& arguments) {
        call(tool, arguments);
        return at(answer(), {"result"});
    }

private:
    McpWorld& world_;
    const std::string who_;
    Response stream_;
    std::string session_;
};

inline std::string text_in(const Json& result) {
    const Json content = at(result, {"content"});
    REQUIRE(content.is_array());
    REQUIRE(!content.array().empty());
    return at(content.array().front(), {"text"}).string();
}

/// Who may read and write some keys, and has some scopes.
inline PrincipalPtr principal(const std::string& name, std::vector<std::string> read, std::vector<std::string> write,
                              std::vector<std::string> scopes = {}) {
    Principal made;
    made.name = made.actor = name;
    made.read = *Patterns::from(std::move(read));
    made.write = *Patterns::from(std::move(write));
    made.scopes = std::move(scopes);
    return std::make_shared<const Principal>(std::move(made));
}

/// Without rules.
inline Policy allowing(std::vector<std::string> keys = {"*"}) {
    Policy policy = se::test::without_rules();
    policy.allowed_keys = std::move(keys);
    return policy;
}

/// All that the state offers, over a real engine on a simulated disk, at both HTTP doors.
class StateWorld {
public:
    explicit StateWorld(Policy policy = allowing(), StateRegistry::Options options = {.version = "1"})
        : offers(door, std::move(options)) {
        engine.open(std::move(policy));
        door.attach(engine.engine.get());
        Registry& shown = world.fixture.registry;
        const Announcements announce = shown.announce;
        shown = offers.registry();
        shown.announce = announce;
    }

    se::test::EngineWorld engine;
    EngineDoor door;
    StateRegistry offers;
    McpWorld world;

    /// What a tool says at the modern door.
    Json result(const std::string& tool, const std::string& arguments, const std::string& who = "alice") {
        const auto replies = world.begin_tool(tool, R"("arguments":)" + arguments, "{}", who);
        engine.settle();
        REQUIRE(replies->size() == 1);
        return at(json_of(replies->front().body), {"result"});
    }
    Json told(const std::string& tool, const std::string& arguments, const std::string& who = "alice") {
        return at(result(tool, arguments, who), {"structuredContent"});
    }
    /// What propose_mutation says at the legacy door: the whole message.
    Json propose(LegacyClient& client, const std::string& arguments, const std::string& more = "") {
        client.call("propose_mutation", arguments, more);
        engine.settle();
        return client.answer();
    }
    /// tools/list at the modern door, by name.
    std::map<std::string, Json> tools(const std::string& who = "alice") {
        McpWorld::Headers headers = McpWorld::modern_headers("tools/list");
        headers.emplace_back("who", who);
        return by_name(json_of(world.ask("POST", "/mcp", McpWorld::modern("tools/list"), headers).body));
    }
    static std::map<std::string, Json> by_name(const Json& message) {
        std::map<std::string, Json> tools;
        const Json list = at(message, {"result", "tools"});
        REQUIRE(list.is_array());
        for (const Json& tool : list.array()) tools.emplace(at(tool, {"name"}).string(), tool);
        return tools;
    }
};

}  // namespace se::mcp::test
