// The legacy door against what was recorded of the original (transcript.json, beside this file).

#include <fstream>
#include <iterator>

#include "mcp/event_stream.h"
#include "tests/mcp/mcp_world.h"
#include "tests/places.h"

namespace se::mcp::test {
namespace {

std::string file_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string text_at(const Json& step, std::initializer_list<std::string_view> path) {
    const Json text = at(step, path);
    return text.is_string() ? text.string() : "";
}

/// The three tools as far as the door is concerned: what they answer is another test's business.
void offer_contract_tools(McpWorld& world) {
    Registry& registry = world.fixture.registry;
    registry = Registry{.version = "0.33.3"};
    const auto add = [&](std::string name, std::function<ToolOutcome(const Json& arguments)> answer) {
        registry.tools.push_back({.name = std::move(name),
                                  .title = {},
                                  .description = {},
                                  .run = [answer](const ToolContextPtr& context, const auto& done) {
                                      done(answer(context->arguments));
                                  }});
    };
    add("get_state", [](const Json& arguments) {
        return arguments.find("keys") == nullptr ? ToolOutcome::invalid("keys is missing")
                                                 : ToolOutcome::text("{\n  \"nope\": null\n}");
    });
    add("get_state_prefix", [](const Json&) { return ToolOutcome::text("{}"); });
    add("propose_mutation", [](const Json& arguments) {
        const bool allowed = arguments.find("key")->string().starts_with("user.fact.");
        return allowed ? ToolOutcome::refused("version_conflict") : ToolOutcome::not_allowed("Mutation rejected");
    });
}

struct Legacy {
    McpWorld world;
    Response stream;
    std::string session;

    Legacy() { offer_contract_tools(world); }
    void connect() {
        stream = world.ask("GET", "/sse");
        const std::string first = pull(stream);
        REQUIRE(first.starts_with("event: endpoint\ndata: /message?sessionId="));
        session = first.substr(first.find('=') + 1, 36);
        CHECK(first == "event: endpoint\ndata: /message?sessionId=" + session + "\n\n");
    }
    Response post(const std::string& body, McpWorld::Headers headers = {}) {
        return world.ask("POST", "/message?sessionId=" + session, body, std::move(headers));
    }
};

}  // namespace

TEST_CASE("the legacy door replays the transcript: codes, headers, frames and error bodies") {
    const Json transcript = json_of(file_text(se::test::source_dir() + "/tests/mcp/transcript.json"));
    Legacy legacy;
    int posts = 0, frames = 0, errors = 0;
    Json waiting;
    const auto check_frame = [&](const Json& recorded, const Json& ours) {
        ++frames;
        CAPTURE(to_text(recorded));
        CAPTURE(to_text(ours));
        CHECK(at(ours, {"id"}) == at(recorded, {"id"}));
        CHECK(at(ours, {"error", "code"}) == at(recorded, {"error", "code"}));
        // Texts about unknown arguments are free; those about methods and tools are not.
        const std::string message = text_at(recorded, {"error", "message"});
        if (!message.starts_with("[")) CHECK(text_at(ours, {"error", "message"}) == message);
        CHECK(at(ours, {"result", "isError"}) == at(recorded, {"result", "isError"}));
        CHECK(at(ours, {"result", "protocolVersion"}) == at(recorded, {"result", "protocolVersion"}));
        CHECK(at(ours, {"result", "serverInfo", "name"}) == at(recorded, {"result", "serverInfo", "name"}));
        for (const std::string_view list : {"tools", "resources", "prompts", "content"})
            CHECK(at(ours, {"result", list}).is_array() == at(recorded, {"result", list}).is_array());
    };
    std::vector<Json> recorded_frames, our_frames;
    for (const Json& step : transcript.array()) {
        if (text_at(step, {"req"}) == "GET /sse (no token)") {
            const Response response = legacy.world.ask("GET", "/sse", "", {{"who", "wrong"}});
            CHECK(response.status == 401);
            CHECK(response.content_type == text_at(step, {"res", "ct"}));
            CHECK(response.body == text_at(step, {"res", "body"}));
        } else if (text_at(step, {"req"}) == "GET /sse (token)") {
            legacy.connect();
            CHECK(legacy.stream.status == 200);
            CHECK(legacy.stream.content_type == text_at(step, {"headers", "content-type"}));
            CHECK(std::ranges::find(legacy.stream.headers,
                                    std::pair<std::string, std::string>(
                                        "Cache-Control", text_at(step, {"headers", "cache-control"}))) !=
                  legacy.stream.headers.end());
        } else if (step.find("post") != nullptr) {
            ++posts;
            const Response response = legacy.post(to_text(*step.find("post")));
            CHECK(response.status == 202);
            CHECK(response.body == "Accepted");
            for (Json& message : messages_in(pull(legacy.stream))) our_frames.push_back(std::move(message));
        } else if (const std::string frame = text_at(step, {"sse_frame"}); frame.starts_with("event: message\n")) {
            recorded_frames.push_back(json_of(std::string_view(frame).substr(frame.find("data: ") + 6)));
        } else if (step.find("res") != nullptr) {
            ++errors;
            const std::string request = text_at(step, {"req"});
            const std::string body = request == "POST bad json"      ? "{nope"
                                     : request == "POST batch array" ? R"([{"jsonrpc":"2.0","method":"ping","id":1}])"
                                                                     : R"({"hello":"there"})";
            const std::string target = request == "POST /message (no sessionId)"        ? "/message"
                                       : request == "POST /message?sessionId=unknown" ? "/message?sessionId=unknown"
                                                                                      : "/message?sessionId=" +
                                                                                            legacy.session;
            McpWorld::Headers headers;
            if (request == "POST text/plain") headers.emplace_back("content-type", "text/plain");
            const Response response = legacy.world.ask("POST", target, body, headers);
            CAPTURE(request);
            CHECK(Json(response.status) == at(step, {"res", "status"}));
            const std::string recorded = text_at(step, {"res", "body"});
            if (!recorded.starts_with("<")) CHECK(response.body == recorded);  // HTML bodies are free
        }
    }
    CHECK(posts == 15);
    CHECK(errors == 6);
    REQUIRE(our_frames.size() == recorded_frames.size());
    for (std::size_t i = 0; i < our_frames.size(); ++i) check_frame(recorded_frames[i], our_frames[i]);
    CHECK(frames == 14);
}

TEST_CASE("a legacy stream frames a message as the original does") {
    Legacy legacy;
    legacy.connect();
    legacy.post(R"({"jsonrpc":"2.0","id":11,"method":"ping"})");
    CHECK(pull(legacy.stream) == "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":11,\"result\":{}}\n\n");
}

TEST_CASE("on the legacy door a domain no is no isError, on the modern one it is") {
    Legacy legacy;
    legacy.connect();
    const std::string call = R"("name":"propose_mutation","arguments":{"key":"user.fact.x","reason":"r"})";
    legacy.post(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{)" + call + "}}");
    const auto frames = messages_in(pull(legacy.stream));
    REQUIRE(frames.size() == 1);
    CHECK(at(frames[0], {"result", "isError"}).is_null());
    const Response modern = legacy.world.ask("POST", "/mcp", McpWorld::modern("tools/call", call),
                                             McpWorld::modern_headers("tools/call", "propose_mutation"));
    CHECK(at(json_of(modern.body), {"result", "isError"}) == Json(true));
}

TEST_CASE("answers given before a legacy stream could take any are all there, up to a limit of their own") {
    Legacy legacy;
    legacy.world.fixture.registry.tools.push_back(
        {.name = "large",
         .title = {},
         .description = {},
         .run = [](const ToolContextPtr&, const auto& done) {
             done(ToolOutcome::text(std::string(2 * kEventBytesAhead, 'x')));
         }});
    legacy.connect();
    const auto call = [&](int id) {
        return legacy.post(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) +
                           R"(,"method":"tools/call","params":{"name":"large"}})");
    };
    CHECK(call(1).status == 202);
    CHECK(call(2).status == 202);
    CHECK(legacy.post(R"({"jsonrpc":"2.0","id":3,"method":"ping"})").status == 202);
    const auto answers = messages_in(pull(legacy.stream));
    REQUIRE(answers.size() == 3);
    CHECK(at(answers[2], {"id"}) == Json(3));
    CHECK(!legacy.stream.stream->finished());

    std::size_t calls = 0;
    while (!legacy.stream.stream->finished()) {
        REQUIRE(call(4).status == 202);
        REQUIRE(++calls <= kAnswerBytesAhead / (2 * kEventBytesAhead) + 1);
        if (legacy.stream.stream->bytes_held() == 0) pull(legacy.stream);
    }
    CHECK(calls > 4);
}

TEST_CASE("a legacy session ends with its stream, and is nobody else's") {
    Legacy legacy;
    legacy.connect();
    const std::string ping = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";
    CHECK(legacy.post(ping, {{"who", "mallory"}}).status == 404);
    CHECK(legacy.post(ping).status == 202);
    legacy.stream = Response{};
    CHECK(legacy.post(ping).status == 404);
}

TEST_CASE("lists that change are told to sessions, not on the legacy stream") {
    McpWorld world;
    const Response legacy = world.ask("GET", "/sse");
    CHECK(pull(legacy).starts_with("event: endpoint\n"));
    const Response stream = world.listen(world.open_session());
    const Announcements& announce = world.fixture.registry.announce;
    announce.tools_changed();
    announce.prompts_changed();
    announce.resources_changed({"test://some"});
    CHECK(pull(legacy).empty());
    CHECK(messages_in(pull(stream)).size() == 3);
}

}  // namespace se::mcp::test
