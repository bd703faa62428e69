// 2025-03-26 to 2025-11-25: sessions, their streams, and coming back to them.

#include "mcp/sessions.h"
#include "tests/mcp/mcp_world.h"

namespace se::mcp::test {
namespace {

std::string call(const std::string& tool, const std::string& id = "1", const std::string& more = "") {
    return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"tools/call","params":{"name":")" + tool + '"' + more +
           "}}";
}
const std::string kPing = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";
const std::string kSubscribe =
    R"({"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"test://watched-resource"}})";

void update(McpWorld& world, int seq) {
    world.fixture.registry.announce.resource_updated("test://watched-resource",
                                                     R"({"seq":)" + std::to_string(seq) + "}");
}
Json seq_of(const Json& message) { return at(message, {"params", "_meta", "seq"}); }

}  // namespace

TEST_CASE("each revision is agreed on as asked, and an unknown one becomes the newest with sessions") {
    McpWorld world;
    for (const std::string_view asked : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "1999-01-01",
                                         "2026-07-28"}) {
        const Response response = world.ask(
            "POST", "/mcp",
            R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"capabilities":{},"protocolVersion":")" +
                std::string(asked) + "\"}}");
        const bool known = asked < "2026" && asked > "2000";
        CHECK(at(json_of(response.body), {"result", "protocolVersion"}) == Json(known ? asked : "2025-11-25"));
    }
}

TEST_CASE("a session is found by its id and its principal, until it is deleted") {
    McpWorld world;
    const std::string session = world.open_session();
    REQUIRE(session.size() == 36);
    CHECK(world.post(session, kPing)->front().status == 200);
    CHECK(world.post(session, kPing, "mallory")->front().status == 404);
    CHECK(world.post("no-such-session", kPing)->front().status == 404);
    CHECK(world.begin("POST", "/mcp", kPing)->front().status == 400);
    CHECK(world.ask("DELETE", "/mcp", "", {{"mcp-session-id", session}, {"who", "mallory"}}).status == 404);
    CHECK(world.ask("DELETE", "/mcp", "", {{"mcp-session-id", session}}).status == 200);
    CHECK(world.post(session, kPing)->front().status == 404);
    CHECK(world.listen(session).status == 404);
}

TEST_CASE("an initialize that is refused leaves no session behind") {
    McpWorld world;
    const std::string before = world.door.metrics();
    const Response response = world.ask(
        "POST", "/mcp", R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{}})");
    CHECK(response.status == 400);
    CHECK(world.door.metrics() == before);
}

TEST_CASE("whoever comes back with Last-Event-ID misses nothing and hears nothing twice") {
    McpWorld world;
    const std::string session = world.open_session();
    world.post(session, kSubscribe);
    std::vector<std::int64_t> heard;
    std::string last;
    for (int seq = 0; seq < 60;) {
        const Response stream = world.listen(session, last);
        REQUIRE(stream.status == 200);
        // The connection breaks at every place: some events read, some not.
        for (int i = 0; i < 3; ++i) update(world, seq++);
        std::string events;
        stream.stream->pull(events, static_cast<std::size_t>(1 + seq * 3));
        for (const Json& message : messages_in(events)) heard.push_back(seq_of(message).integer());
        if (!events.empty()) last = last_event_id(events);
    }
    for (const Json& message : messages_in(pull(world.listen(session, last))))
        heard.push_back(seq_of(message).integer());
    REQUIRE(heard.size() == 60);
    for (int seq = 0; seq < 60; ++seq) CHECK(heard[static_cast<std::size_t>(seq)] == seq);
}

TEST_CASE("what was read and lost on the way is told again from Last-Event-ID on") {
    McpWorld world;
    const std::string session = world.open_session();
    world.post(session, kSubscribe);
    const Response stream = world.listen(session);
    for (int seq = 0; seq < 10; ++seq) update(world, seq);
    const std::string events = pull(stream);
    const std::string third = last_event_id(events.substr(0, events.find("id: 0-4")));
    CHECK(third == "0-3");
    const auto again = messages_in(pull(world.listen(session, third)));
    REQUIRE(again.size() == 7);
    CHECK(seq_of(again.front()) == Json(3));
}

TEST_CASE("whoever comes back without having seen an id is told to read all again, if anything was sent") {
    McpWorld world;
    const std::string session = world.open_session();
    world.post(session, kSubscribe);
    CHECK(pull(world.listen(session)).empty());
    {
        const Response stream = world.listen(session);
        update(world, 1);
        CHECK(messages_in(pull(stream)).size() == 1);  // and lost on the way, for all that we know
    }
    const auto told = messages_in(pull(world.listen(session)));
    REQUIRE(told.size() == 1);
    CHECK(at(told[0], {"params", "_meta", "resync"}) == Json(true));
}

TEST_CASE("a newer connection to the same stream takes the older one's place") {
    McpWorld world;
    const std::string session = world.open_session();
    world.post(session, kSubscribe);
    const Response older = world.listen(session);
    const Response newer = world.listen(session);
    update(world, 1);
    CHECK(pull(older).empty());
    CHECK(older.stream->finished());
    CHECK(messages_in(pull(newer)).size() == 1);
}

TEST_CASE("a session that does not read is cut with a mark, and told to read all again when it comes back") {
    McpWorld world;
    const std::string session = world.open_session();
    world.post(session, kSubscribe);
    {
        const Response stream = world.listen(session);
        for (std::size_t i = 0; i <= kEventsAhead; ++i) update(world, static_cast<int>(i));
        const std::string rest = pull(stream);
        CHECK(rest.starts_with("event: resync\n"));
        CHECK(stream.stream->finished());
    }
    const auto told = messages_in(pull(world.listen(session)));
    REQUIRE(told.size() == 1);
    CHECK(at(told[0], {"params", "_meta", "resync"}) == Json(true));
    CHECK(at(told[0], {"params", "uri"}) == Json("test://watched-resource"));
    const auto unknown = messages_in(pull(world.listen(session, "99-1")));
    REQUIRE(unknown.size() == 1);
    CHECK(at(unknown[0], {"params", "_meta", "resync"}) == Json(true));
}

TEST_CASE("a call whose connection is let go of is answered when the client comes back") {
    McpWorld world;
    const std::string session = world.open_session();
    const auto replies = world.post(session, call("test_reconnection"));
    REQUIRE(replies->size() == 1);
    const std::string first = pull(replies->front());
    CHECK(first == "id: 1-1\nretry: 1000\ndata: \n\n");
    CHECK(replies->front().stream->finished());
    replies->clear();
    world.pass(std::chrono::milliseconds(200));
    const Response again = world.listen(session, last_event_id(first));
    const auto answer = messages_in(pull(again));
    REQUIRE(answer.size() == 1);
    CHECK(at(answer[0], {"id"}) == Json(1));
    CHECK(again.stream->finished());
}

TEST_CASE("a client that is asked answers by POST, and the call goes on") {
    McpWorld world;
    const std::string session = world.open_session("2025-06-18", "alice", R"({"elicitation":{}})");
    const auto replies = world.post(session, call("test_elicitation", "5", R"(,"arguments":{"message":"who?"})"));
    REQUIRE(replies->size() == 1);
    const auto asked = messages_in(pull(replies->front()));
    REQUIRE(asked.size() == 1);
    CHECK(at(asked[0], {"method"}) == Json("elicitation/create"));
    const std::string id = to_text(at(asked[0], {"id"}));
    CHECK(world.post(session, R"({"jsonrpc":"2.0","id":"ask-99","result":{}})")->front().status == 202);
    CHECK(messages_in(pull(replies->front())).empty());
    world.post(session, R"({"jsonrpc":"2.0","id":)" + id +
                            R"(,"result":{"action":"accept","content":{"username":"u","email":"e"}}})");
    const auto answer = messages_in(pull(replies->front()));
    REQUIRE(answer.size() == 1);
    CHECK(to_text(answer[0]).find("action=accept") != std::string::npos);
}

TEST_CASE("a client that refuses, cannot be asked or never answers ends the call, not the server") {
    McpWorld world;
    const std::string ask = call("test_elicitation", "5", R"(,"arguments":{"message":"who?"})");
    const std::string able = world.open_session("2025-11-25", "alice", R"({"elicitation":{}})");
    const auto fault = [](const Response& response) {
        const auto messages =
            response.stream ? messages_in(pull(response)) : std::vector<Json>{json_of(response.body)};
        REQUIRE(!messages.empty());
        CHECK(at(messages.back(), {"result", "isError"}) == Json(true));
        return to_text(messages.back());
    };
    auto replies = world.post(able, ask);
    const std::string id = to_text(at(messages_in(pull(replies->front())).back(), {"id"}));
    world.post(able, R"({"jsonrpc":"2.0","id":)" + id + R"(,"error":{"code":-1,"message":"not today"}})");
    CHECK(fault(replies->front()).find("not today") != std::string::npos);

    replies = world.post(able, ask);
    pull(replies->front());
    world.pass(kAnswerWait);
    CHECK(fault(replies->front()).find("did not answer") != std::string::npos);

    const std::string unable = world.open_session();
    CHECK(fault(world.post(unable, ask)->front()).find("did not declare elicitation") != std::string::npos);
}

TEST_CASE("a call that is taken back is not answered, and its id is free again") {
    McpWorld world;
    const std::string session = world.open_session();
    const auto replies = world.post(session, call("wait_for_ever", "7"));
    CHECK(replies->empty());
    CHECK(is_code(json_of(world.post(session, call("wait_for_ever", "7"))->front().body), RpcCode::invalid_request));
    world.post(session,
               R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"enough"}})");
    REQUIRE(replies->size() == 1);
    CHECK(messages_in(pull(replies->front())).empty());
    CHECK(replies->front().stream->finished());
    CHECK(world.post(session, call("wait_for_ever", "7"))->empty());
}

TEST_CASE("of what a client declares only that is kept which a question to it can need") {
    McpWorld world;
    std::string kept;
    bool can_be_asked = false;
    world.fixture.registry.tools.push_back({.name = "look",
                                            .title = {},
                                            .description = {},
                                            .run = [&](const ToolContextPtr& context, const auto& done) {
                                                kept = to_text(*context->client);
                                                can_be_asked = context->client_can("elicitation.url");
                                                done(ToolOutcome::text(""));
                                            }});
    const std::string large = "\"" + std::string(1u << 20, 'x') + "\"";
    const std::string session = world.open_session(
        "2025-11-25", "alice",
        R"({"elicitation":{"form":{},"url":{"more":)" + large + R"(}},"sampling":{"tools":{},"other":)" + large +
            R"(},"roots":{"listChanged":true},"experimental":{"all":)" + large + "}}");
    world.post(session, call("look", "1"));
    CHECK(can_be_asked);
    CHECK(kept == R"({"elicitation":{"form":{},"url":{}},"roots":{"listChanged":{}},"sampling":{"tools":{}}})");
}

TEST_CASE("calls and subscriptions have limits that are told by name") {
    McpWorld world;
    const std::string session = world.open_session();
    std::vector<std::shared_ptr<std::vector<Response>>> open;
    for (std::size_t i = 0; i < kCallsInFlight; ++i)
        open.push_back(world.post(session, call("wait_for_ever", std::to_string(i + 100))));
    CHECK(world.post(session, call("wait_for_ever", "9"))->front().body.find("calls of this conversation") !=
          std::string::npos);
    CHECK(world.post(session, kPing)->front().status == 200);

    for (std::size_t i = 0; i <= kUrisSubscribed; ++i) {
        const auto replies = world.post(
            session, R"({"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://)" +
                         std::to_string(i) + "\"}}");
        CHECK(is_code(json_of(replies->front().body), RpcCode::invalid_params) == (i == kUrisSubscribed));
    }
}

TEST_CASE("over the limit the longest idle session of the same principal ends, one in use never does") {
    McpWorld world(kSessionsMin);
    const std::string of_bob = world.open_session("2025-11-25", "bob");
    std::vector<std::string> sessions;
    for (std::size_t i = 0; i < kSessionsMin; ++i) {
        sessions.push_back(world.open_session("2025-11-25", "mallory"));
        REQUIRE(!sessions.back().empty());
        world.pass(std::chrono::milliseconds(1));
    }
    std::vector<std::shared_ptr<std::vector<Response>>> open;
    open.push_back(world.post(sessions[0], call("wait_for_ever"), "mallory"));
    const auto status = [&](const std::string& session, const std::string& who) {
        return world.post(session, kPing, who)->front().status;
    };
    CHECK(status(sessions[1], "mallory") == 200);
    sessions.push_back(world.open_session("2025-11-25", "mallory"));
    CHECK(status(sessions[0], "mallory") == 200);
    CHECK(status(sessions[1], "mallory") == 200);
    CHECK(status(sessions[2], "mallory") == 404);
    CHECK(status(of_bob, "bob") == 200);

    for (const std::string& session : sessions) {
        if (session == sessions[0] || session == sessions[2]) continue;
        open.push_back(world.post(session, call("wait_for_ever"), "mallory"));
    }
    const Response full = world.ask(
        "POST", "/mcp",
        R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
        R"("capabilities":{},"clientInfo":{"name":"t","version":"1"}}})",
        {{"who", "mallory"}});
    CHECK(full.status == 503);
    CHECK(full.body.find("sessions of mallory are taken (as many as http.streams)") != std::string::npos);
    CHECK(status(of_bob, "bob") == 200);
}

TEST_CASE("a session that is left alone ends, one with a stream stays") {
    McpWorld world;
    const std::string alone = world.open_session();
    const std::string kept = world.open_session();
    const Response stream = world.listen(kept);
    world.pass(kSessionIdle - std::chrono::seconds(1));
    CHECK(world.post(kept, kPing)->front().status == 200);
    world.pass(std::chrono::seconds(1));
    CHECK(world.post(alone, kPing)->front().status == 404);
    world.pass(kSessionIdle);
    CHECK(world.post(kept, kPing)->front().status == 200);
}

TEST_CASE("thousand idle streams are kept alive by comments and hold nobody up") {
    McpWorld world(4096);
    std::vector<Response> streams;
    for (std::size_t i = 0; i < 1000; ++i) {
        const std::string who = "user" + std::to_string(i % 10);
        streams.push_back(world.listen(world.open_session("2025-11-25", who), "", who));
        REQUIRE(streams.back().status == 200);
    }
    world.pass(kKeepAlive);
    for (const Response& stream : streams) CHECK(pull(stream) == ":\n\n");
    const std::string session = world.open_session();
    CHECK(world.post(session, kPing)->front().status == 200);
}

TEST_CASE("a batch is answered on one stream in 2025-03-26, and refused by its successors") {
    McpWorld world;
    const std::string batch = "[" + kPing + R"(,{"jsonrpc":"2.0","method":"notifications/initialized"},7,)" +
                              call("test_simple_text", "2") + "]";
    const auto replies = world.post(world.open_session("2025-03-26"), batch);
    REQUIRE(replies->size() == 1);
    const auto answers = messages_in(pull(replies->front()));
    CHECK(answers.size() == 3);
    CHECK(replies->front().stream->finished());
    CHECK(world.post(world.open_session("2025-06-18"), batch)->front().status == 400);
}

TEST_CASE("a batch loses no answer to the size of the ones before it") {
    McpWorld world;
    world.fixture.registry.tools.push_back(
        {.name = "large",
         .title = {},
         .description = {},
         .run = [](const ToolContextPtr&, const auto& done) {
             done(ToolOutcome::text(std::string(2 * kEventBytesAhead, 'x')));
         }});
    const auto replies = world.post(world.open_session("2025-03-26"), "[" + call("large", "1") + "," + call("large", "2") +
                                                                          "," + call("test_simple_text", "3") + "]");
    REQUIRE(replies->size() == 1);
    const auto answers = messages_in(pull(replies->front()));
    REQUIRE(answers.size() == 3);
    CHECK(at(answers[0], {"id"}) == Json(1));
    CHECK(replies->front().stream->finished());
}

TEST_CASE("what a revision does not have is not sent to it") {
    McpWorld world;
    world.fixture.registry.tools = {{.name = "one",
                                     .title = "One",
                                     .description = {},
                                     .output_schema_json = "{}",
                                     .run = [](const ToolContextPtr&, const auto& done) {
                                         done(ToolOutcome::text("1", R"({"value":1})"));
                                     }}};
    const std::string list = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";
    const std::string old = world.open_session("2025-03-26"), young = world.open_session("2025-06-18");
    CHECK(world.post(old, list)->front().body.find("outputSchema") == std::string::npos);
    CHECK(world.post(young, list)->front().body.find("outputSchema") != std::string::npos);
    CHECK(world.post(old, call("one"))->front().body.find("structuredContent") == std::string::npos);
    CHECK(world.post(young, call("one"))->front().body.find("structuredContent") != std::string::npos);
    CHECK(world.post(young, list)->front().body.find("resultType") == std::string::npos);
}

TEST_CASE("end_all ends sessions and lets their principals begin anew") {
    McpWorld world;
    const std::string session = world.open_session();
    const Response stream = world.listen(session);
    world.door.end_all();
    CHECK(pull(stream).empty());
    CHECK(stream.stream->finished());
    CHECK(world.post(session, kPing)->front().status == 404);
    CHECK(!world.open_session().empty());
}

}  // namespace se::mcp::test
