#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcp/http_door.h"
#include "tests/mcp/fixture_registry.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_random.h"

namespace se::mcp::test {

/// The HTTP door over the fixture registry, without sockets: who asks is the header `who`, with the rights that a test
/// gives it (else those of whoever holds the store), and `wrong` stays outside.
class McpWorld {
public:
    using Headers = std::vector<std::pair<std::string, std::string>>;

    explicit McpWorld(std::size_t streams = 256)
        : door({.server = server,
                .clock = clock,
                .random = random,
                .admit = [this](const Request& request, Caller* caller) -> std::optional<Problem> {
                    caller->principal = request.header("who").empty() ? "alice" : request.header("who");
                    caller->actor = caller->principal;
                    const auto given = rights.find(caller->principal);
                    if (given != rights.end()) caller->rights = given->second;
                    if (caller->principal != "wrong") return std::nullopt;
                    return Problem{.status = 401, .code = Code::unauthenticated, .message = "who?"};
                },
                .streams = streams}) {}

    SimClock clock;
    SimRandom random{7};
    std::map<std::string, PrincipalPtr> rights;
    std::vector<std::pair<std::chrono::nanoseconds, std::function<void()>>> later;
    FixtureRegistry fixture{[this](std::chrono::milliseconds wait, std::function<void()> job) {
        later.emplace_back(clock.monotonic() + wait, std::move(job));
    }};
    Server server{fixture.registry, clock, random};
    HttpDoor door;

    /// Time passes, with all that is due in it.
    void pass(std::chrono::nanoseconds time) {
        clock.advance(time);
        const auto now = clock.monotonic();
        std::vector<std::function<void()>> due;
        std::erase_if(later, [&](auto& one) {
            if (one.first > now) return false;
            due.push_back(std::move(one.second));
            return true;
        });
        for (const auto& job : due) job();
        door.tick();
    }

    /// Not necessarily answered yet.
    std::shared_ptr<std::vector<Response>> begin(const std::string& method, const std::string& target,
                                                 const std::string& body = "", Headers headers = {}) {
        auto replies = std::make_shared<std::vector<Response>>();
        const auto has = [&](std::string_view name) {
            return std::ranges::any_of(headers, [&](const auto& one) { return one.first == name; });
        };
        if (!has("accept")) headers.emplace_back("accept", "application/json, text/event-stream");
        if (method == "POST" && !has("content-type")) headers.emplace_back("content-type", "application/json");
        door.handle({.method = method, .target = target, .headers = std::move(headers), .body = body, .peer = {}},
                    [replies](Response&& response) { replies->push_back(std::move(response)); });
        return replies;
    }
    Response ask(const std::string& method, const std::string& target, const std::string& body = "",
                 Headers headers = {}) {
        const auto replies = begin(method, target, body, std::move(headers));
        REQUIRE(replies->size() == 1);
        return std::move(replies->front());
    }

    /// A modern request with all that it must say.
    static std::string modern(const std::string& method, const std::string& params = "",
                              const std::string& id = "1", const std::string& capabilities = "{}") {
        return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":")" + method + R"(","params":{)" + params +
               (params.empty() ? "" : ",") +
               R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
               R"("io.modelcontextprotocol/clientCapabilities":)" +
               capabilities + "}}}";
    }
    static Headers modern_headers(const std::string& method, const std::string& name = "") {
        Headers headers = {{"mcp-protocol-version", "2026-07-28"}, {"mcp-method", method}};
        if (!name.empty()) headers.emplace_back("mcp-name", name);
        return headers;
    }
    std::shared_ptr<std::vector<Response>> begin_tool(const std::string& tool, const std::string& more = "",
                                                      const std::string& capabilities = "{}",
                                                      const std::string& who = "alice") {
        Headers headers = modern_headers("tools/call", tool);
        headers.emplace_back("who", who);
        return begin("POST", "/mcp",
                     modern("tools/call", R"("name":")" + tool + '"' + (more.empty() ? "" : "," + more), "1",
                            capabilities),
                     headers);
    }

    /// A session of 2025-11-25, or of another revision; its id.
    std::string open_session(const std::string& revision = "2025-11-25", const std::string& who = "alice",
                             const std::string& capabilities = "{}") {
        const Response response =
            ask("POST", "/mcp",
                R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":")" + revision +
                    R"(","capabilities":)" + capabilities + R"(,"clientInfo":{"name":"t","version":"1"}}})",
                {{"who", who}});
        for (const auto& [name, value] : response.headers) {
            if (name == "Mcp-Session-Id") return value;
        }
        return "";
    }
    std::shared_ptr<std::vector<Response>> post(const std::string& session, const std::string& body,
                                                const std::string& who = "alice") {
        return begin("POST", "/mcp", body, {{"mcp-session-id", session}, {"who", who}});
    }
    Response listen(const std::string& session, const std::string& last = "", const std::string& who = "alice") {
        Headers headers = {{"mcp-session-id", session}, {"who", who}};
        if (!last.empty()) headers.emplace_back("last-event-id", last);
        return ask("GET", "/mcp", "", headers);
    }
};

inline Json json_of(std::string_view text) {
    auto json = parse_json(text);
    REQUIRE_MESSAGE(json, std::string(text));
    return *std::move(json);
}

/// The member at the end of a path of names; null when there is none.
inline Json at(Json json, std::initializer_list<std::string_view> path) {
    for (const std::string_view name : path) {
        const Json* next = json.find(name);
        if (next == nullptr) return nullptr;
        json = Json(*next);
    }
    return json;
}

/// Everything a stream has to say now.
inline std::string pull(const Response& response) {
    REQUIRE(response.stream);
    std::string out;
    std::size_t before = 0;
    do {
        before = out.size();
        response.stream->pull(out, 4096);
    } while (out.size() != before && !response.stream->finished());
    return out;
}

/// The JSON texts of the message events in a text of events.
inline std::vector<Json> messages_in(std::string_view events) {
    std::vector<Json> messages;
    while (!events.empty()) {
        const std::size_t end = std::min(events.find('\n'), events.size());
        const std::string_view line = events.substr(0, end);
        events.remove_prefix(std::min(end + 1, events.size()));
        if (line.starts_with("data: {")) messages.push_back(json_of(line.substr(6)));
    }
    return messages;
}

inline std::string last_event_id(const std::string& events) {
    const std::size_t at = events.rfind("id: ");
    if (at == events.npos) return "";
    return events.substr(at + 4, events.find('\n', at) - at - 4);
}

inline bool is_code(const Json& message, RpcCode code) {
    return at(message, {"error", "code"}) == Json(static_cast<int>(code));
}

}  // namespace se::mcp::test
