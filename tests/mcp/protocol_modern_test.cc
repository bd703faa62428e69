// 2026-07-28: every request stands for itself.

#include "tests/mcp/mcp_world.h"

namespace se::mcp::test {
namespace {

Response ask(McpWorld& world, const std::string& method, const std::string& params = "",
             McpWorld::Headers headers = {}) {
    if (headers.empty()) headers = McpWorld::modern_headers(method);
    return world.ask("POST", "/mcp", McpWorld::modern(method, params), std::move(headers));
}

Response listen(McpWorld& world, const std::string& filter, const std::string& who = "alice") {
    McpWorld::Headers headers = McpWorld::modern_headers("subscriptions/listen");
    headers.emplace_back("who", who);
    return ask(world, "subscriptions/listen", R"("notifications":)" + filter, headers);
}

}  // namespace

TEST_CASE("headers that do not say what the message says are refused, encoded ones are read first") {
    McpWorld world;
    const std::string read = R"("uri":"test://static-text")";
    const auto status = [&](McpWorld::Headers headers) {
        const Response response = ask(world, "resources/read", read, std::move(headers));
        if (response.status != 200) CHECK(is_code(json_of(response.body), RpcCode::header_mismatch));
        return response.status;
    };
    const std::pair<std::string, std::string> version{"mcp-protocol-version", "2026-07-28"};
    const std::pair<std::string, std::string> method{"mcp-method", "resources/read"};
    CHECK(status({version, method, {"mcp-name", "test://static-text"}}) == 200);
    CHECK(status({version, method, {"mcp-name", "  test://static-text "}}) == 200);
    CHECK(status({version, method, {"mcp-name", "=?base64?dGVzdDovL3N0YXRpYy10ZXh0?="}}) == 200);
    CHECK(status({version, method, {"mcp-name", "=?base64?dGVzdDovL3N0YXRpYy10ZXh?="}}) == 400);
    CHECK(status({version, method, {"mcp-name", "test://static\x01text"}}) == 400);
    CHECK(status({version, method, {"mcp-name", "test://other"}}) == 400);
    CHECK(status({version, method}) == 400);
    CHECK(status({version, {"mcp-name", "test://static-text"}}) == 400);
    CHECK(status({method, {"mcp-name", "test://static-text"}}) == 400);
}

TEST_CASE("an argument that is mirrored in a header says the same there, at any depth") {
    McpWorld world;
    const auto status = [&](const std::string& arguments, McpWorld::Headers more) {
        McpWorld::Headers headers = McpWorld::modern_headers("tools/call", "test_mirrored_header");
        headers.insert(headers.end(), more.begin(), more.end());
        return ask(world, "tools/call", R"("name":"test_mirrored_header","arguments":)" + arguments, headers).status;
    };
    CHECK(status(R"({"region":"x"})", {{"mcp-param-region", "x"}}) == 200);
    CHECK(status(R"({"region":"x"})", {}) == 400);
    CHECK(status(R"({"region":"x"})", {{"mcp-param-region", "y"}}) == 400);
    CHECK(status("{}", {{"mcp-param-region", "y"}}) == 400);
    CHECK(status(R"({"region":null})", {}) == 200);
    CHECK(status(R"({"place":{"floor":42}})", {{"mcp-param-floor", "42.0"}}) == 200);
    CHECK(status(R"({"place":{"floor":42}})", {{"mcp-param-floor", "43"}}) == 400);
}

TEST_CASE("a listen hears what it asked for, tagged with its id, and nothing of what it may not hear") {
    McpWorld world;
    const Response stream = listen(
        world, R"({"toolsListChanged":true,"resourceSubscriptions":["test://watched-resource","test://secret"]})");
    auto heard = messages_in(pull(stream));
    REQUIRE(heard.size() == 1);
    CHECK(at(heard[0], {"method"}) == Json("notifications/subscriptions/acknowledged"));
    CHECK(to_text(at(heard[0], {"params", "notifications"})) ==
          R"({"resourceSubscriptions":["test://watched-resource"],"toolsListChanged":true})");

    const Announcements& announce = world.fixture.registry.announce;
    announce.prompts_changed();
    announce.resource_updated("test://secret", "{}");
    announce.resource_updated("test://static-text", "{}");
    announce.resource_updated("test://watched-resource", R"({"seq":7})");
    announce.tools_changed();
    heard = messages_in(pull(stream));
    REQUIRE(heard.size() == 2);
    CHECK(to_text(at(heard[0], {"params"})) ==
          R"({"_meta":{"io.modelcontextprotocol/subscriptionId":1,"seq":7},"uri":"test://watched-resource"})");
    CHECK(at(heard[1], {"method"}) == Json("notifications/tools/list_changed"));
}

TEST_CASE("a listen that is closed by its client is forgotten, one that we close ends with an answer") {
    McpWorld world;
    Response gone = listen(world, R"({"toolsListChanged":true})");
    const Response stays = listen(world, R"({"toolsListChanged":true})");
    CHECK(world.server.listens() == 2);
    gone = Response{};
    CHECK(world.server.listens() == 1);
    world.door.drain();
    const auto heard = messages_in(pull(stays));
    REQUIRE(heard.size() == 2);
    CHECK(at(heard[1], {"result", "resultType"}) == Json("complete"));
    CHECK(stays.stream->finished());
    CHECK(ask(world, "tools/list").status == 503);
}

TEST_CASE("a listener that does not read is cut with a mark, and never buffered beyond its limit") {
    McpWorld world;
    const Response stream = listen(world, R"({"toolsListChanged":true})");
    pull(stream);
    for (int i = 0; i < 100'000; ++i) world.fixture.registry.announce.tools_changed();
    const std::string rest = pull(stream);
    CHECK(rest.size() < 1000);
    CHECK(rest.starts_with("event: resync\n"));
    CHECK(stream.stream->finished());
}

TEST_CASE("whoever takes every stream they may have leaves streams for others") {
    McpWorld world(20);
    std::vector<Response> mine;
    for (int i = 0; i < 1000; ++i) {
        Response response = listen(world, R"({"toolsListChanged":true})", "mallory");
        if (response.status == 503) {
            CHECK(response.body.find("http.streams") != std::string::npos);
            break;
        }
        mine.push_back(std::move(response));
    }
    CHECK(mine.size() == 10);
    CHECK(listen(world, R"({"toolsListChanged":true})", "bob").status == 200);
    mine.clear();
    CHECK(listen(world, R"({"toolsListChanged":true})", "mallory").status == 200);
}

TEST_CASE("closing the stream of a modern call takes it back") {
    McpWorld world;
    bool stopped = false;
    ToolContextPtr kept;
    world.fixture.registry.tools.push_back({.name = "slow",
                                            .title = {},
                                            .description = {},
                                            .run = [&](const ToolContextPtr& context, const auto&) {
                                                kept = context;
                                                context->on_cancel([&] { stopped = true; });
                                                context->progress(1, {}, "");
                                            }});
    auto replies = world.begin("POST", "/mcp",
                               R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow","_meta":{)"
                               R"("progressToken":"p","io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                               R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
                               McpWorld::modern_headers("tools/call", "slow"));
    REQUIRE(replies->size() == 1);
    CHECK(messages_in(pull(replies->front())).size() == 1);
    CHECK(!kept->cancelled());
    replies->clear();
    CHECK(kept->cancelled());
    CHECK(stopped);
    kept->progress(2, {}, "");  // to nobody
}

TEST_CASE("lists come in pages that add up, and a cursor of nobody is refused") {
    McpWorld world;
    for (std::size_t i = 0; i < 2 * kListPage; ++i)
        world.fixture.registry.tools.push_back({.name = "t" + std::to_string(i), .title = {}, .description = {}});
    std::size_t count = 0, pages = 0;
    std::string cursor;
    for (;;) {
        const Json page = json_of(ask(world, "tools/list", cursor.empty() ? "" : R"("cursor":")" + cursor + '"').body);
        count += at(page, {"result", "tools"}).array().size();
        CHECK(at(page, {"result", "cacheScope"}) == Json("public"));
        ++pages;
        const Json next = at(page, {"result", "nextCursor"});
        if (next.is_null()) break;
        cursor = next.string();
    }
    CHECK(pages == 3);
    CHECK(count == world.fixture.registry.tools.size());
    for (const std::string_view bad : {"x", "YXQgOTk5OTk5", ""}) {
        const Response response = ask(world, "tools/list", R"("cursor":")" + std::string(bad) + '"');
        CHECK(is_code(json_of(response.body), RpcCode::invalid_params));
    }
}

TEST_CASE("a tool of a scope that the caller has not is neither listed nor found") {
    McpWorld world;
    Registry& registry = world.fixture.registry;
    registry.tools.insert(registry.tools.begin(), {.name = "hidden",
                                                   .title = {},
                                                   .description = {},
                                                   .scope = "bit:operate",
                                                   .run = [](const ToolContextPtr&, const auto& done) {
                                                       done(ToolOutcome::text("done"));
                                                   }});
    const auto call = [&](const std::string& who) {
        const auto replies = world.begin_tool("hidden", "", "{}", who);
        return json_of(replies->front().body);
    };
    CHECK(is_code(call("alice"), RpcCode::invalid_params));
    registry.has_scope = [](const Caller& caller, std::string_view scope) {
        return caller.principal == "operator" && scope == "bit:operate";
    };
    CHECK(is_code(call("alice"), RpcCode::invalid_params));
    CHECK(at(call("operator"), {"result"}).is_object());
    CHECK(ask(world, "tools/list").body.find("hidden") == std::string::npos);
}

TEST_CASE("what is no request of ours is refused with a status that says so") {
    McpWorld world;
    const std::string good = McpWorld::modern("tools/list");
    const auto headers = McpWorld::modern_headers("tools/list");
    const auto with = [&](std::pair<std::string, std::string> one) {
        McpWorld::Headers all = headers;
        all.push_back(std::move(one));
        return all;
    };
    CHECK(world.ask("POST", "/mcp", good, with({"content-type", "text/plain"})).status == 415);
    CHECK(world.ask("POST", "/mcp", good, with({"accept", "application/json"})).status == 406);
    CHECK(world.ask("POST", "/mcp", good, with({"accept", "*/*"})).status == 200);
    CHECK(world.ask("POST", "/mcp", good, with({"who", "wrong"})).status == 401);
    CHECK(world.ask("PUT", "/mcp", good, headers).status == 405);
    CHECK(world.ask("GET", "/mcp", "", headers).status == 405);
    CHECK(world.ask("DELETE", "/mcp", "", headers).status == 405);
    CHECK(world.ask("POST", "/mcp", "[" + good + "]", headers).status == 400);
    CHECK(world.ask("POST", "/mcp", R"({"jsonrpc":"2.0","id":1,"result":{}})", headers).status == 400);
    CHECK(world.ask("POST", "/mcp", R"({"jsonrpc":"2.0","method":"notifications/x"})", headers).status == 202);
    Request large{.method = "POST", .target = "/mcp", .too_large = "the body is over http.body"};
    int status = 0;
    world.door.handle(std::move(large), [&](Response&& response) { status = response.status; });
    CHECK(status == 413);
}

}  // namespace se::mcp::test
