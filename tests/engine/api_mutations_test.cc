// POST /v1/mutations.

#include <doctest/doctest.h>

#include "journal/body.h"
#include "tests/engine/api_world.h"

namespace se::test {
namespace {

TEST_CASE("each outcome has its status code and its answer") {
    ApiWorld w;
    w.world.policy.allowed_keys = {"ok.*"};
    w.world.open();
    w.attach();
    REQUIRE(w.set("ok.a", "1", R"(,"id":"first")").status == 200);
    struct Row {
        std::string body;
        int status;
        std::string code;
    };
    const Row rows[] = {
        {EngineWorld::set_text("ok.a", "1", R"(,"id":"first")"), 200, ""},  // a duplicate
        {EngineWorld::set_text("ok.a", "2", R"(,"id":"first")"), 409, "id_reused"},
        {EngineWorld::set_text("no", "1"), 403, "key_not_allowed"},
        {EngineWorld::set_text("ok.a", "1", R"(,"expectedVersion":7)"), 409, "version_conflict"},
        {EngineWorld::set_text("ok.a", "1", R"(,"basis":[{"key":"ok.a","seq":1}])"), 409,
         "basis_conflict"},
        {R"({"op":"push","key":"ok.a","value":1,"reason":"r"})", 422, "op_mismatch"},
        {R"({"op":"delete","key":"ok.gone","reason":"r"})", 422, "absent"},
        {R"({"op":"set","key":"ok.a","reason":"r"})", 400, "malformed"},
        {R"({"op":"set")", 400, "malformed"},
        {"", 400, "malformed"},
        {"[]", 400, "malformed"},
        {EngineWorld::set_text("ok.a", "\"" + std::string(2u << 20, 'x') + "\""), 413, "too_large"},
    };
    for (const Row& row : rows) {
        const std::string shown = row.body.substr(0, 200);
        CAPTURE(shown);
        const Response response = w.post(row.body);
        CHECK(response.status == row.status);
        CHECK(code_of(response) == row.code);
        CHECK(at(json_of(response), {"status"}) == Json(row.status == 200 ? "accepted" : "rejected"));
    }
}

TEST_CASE("If-Match and If-None-Match are an expected version") {
    ApiWorld w;
    const std::string body = EngineWorld::set_text("a", "1");
    CHECK(w.post(body, {{"if-none-match", "*"}}).status == 200);
    CHECK(w.post(body, {{"if-none-match", "*"}}).status == 409);
    CHECK(w.post(body, {{"if-match", "\"1\""}}).status == 200);
    CHECK(w.post(body, {{"if-match", "\"1\""}}).status == 409);
    CHECK(w.post(body, {{"if-match", "2"}}).status == 200);
    for (const char* wrong : {"\"x\"", "*", "\"1\", \"2\"", "W/\"1\"", "-1"})
        CHECK(w.post(body, {{"if-match", wrong}}).status == 400);
    CHECK(w.post(body, {{"if-none-match", "\"3\""}}).status == 400);
    CHECK(w.post(body, {{"if-match", "\"3\""}, {"if-none-match", "*"}}).status == 400);
    // Beside expectedVersion only when they agree; never over a list.
    CHECK(w.post(EngineWorld::set_text("a", "1", R"(,"expectedVersion":3)"), {{"if-match", "\"3\""}})
              .status == 200);
    CHECK(w.post(EngineWorld::set_text("a", "1", R"(,"expectedVersion":4)"), {{"if-match", "\"3\""}})
              .status == 400);
    CHECK(w.post(R"({"ops":[{"op":"set","key":"a","value":1},{"op":"set","key":"b","value":1}],)"
                 R"("reason":"r"})",
                 {{"if-match", "\"4\""}})
              .status == 400);
    CHECK(w.world.get("a")->version == Version{4});
    CHECK(!w.world.get("b"));
}

TEST_CASE("If-Match over a list of one op is kept in its record") {
    ApiWorld w;
    const std::string list = R"({"ops":[{"op":"set","key":"a","value":1}],"reason":"r"})";
    CHECK(w.post(list, {{"if-none-match", "*"}}).status == 200);
    CHECK(w.post(list, {{"if-match", "\"7\""}}).status == 409);
    std::vector<std::string> kept;
    w.world.each_record([&](const RecordView& record) {
        if (record.kind != Kind::accepted && record.kind != Kind::rejected) return;
        const auto body = parse_body(record.body);
        REQUIRE(body);
        kept.push_back(std::string(body->ops));
    });
    REQUIRE(kept.size() == 2);
    CHECK(kept[0].find(R"("expectedVersion":0)") != std::string::npos);
    CHECK(kept[1].find(R"("expectedVersion":7)") != std::string::npos);
}

TEST_CASE("a dry run says of what is too large for a record what a submit says") {
    ApiWorld w;
    std::string list = R"({"ops":[)";
    for (const char* key : {"a", "b", "c"})
        list += std::string(key[0] == 'a' ? "" : ",") + R"({"op":"set","key":")" + key + R"(","value":")" +
                std::string(900u << 10, 'x') + "\"}";
    list += R"(],"reason":"r"})";
    CHECK(code_of(w.ask("POST", "/v1/mutations?dryRun=true", list)) == "too_large");
    CHECK(w.post(list).status == 413);
}

TEST_CASE("a dry run says what would be and leaves no trace") {
    ApiWorld w;
    const auto records = w.world.kinds().size();
    const Response fine = w.ask("POST", "/v1/mutations?dryRun=true", EngineWorld::set_text("a", "1"));
    CHECK(fine.status == 200);
    CHECK(at(json_of(fine), {"dryRun"}) == Json(true));
    CHECK(at(json_of(fine), {"seq"}) == Json(0));
    CHECK(w.ask("POST", "/v1/mutations?dryRun", R"({"op":"delete","key":"a","reason":"r"})").status ==
          422);
    CHECK(w.ask("POST", "/v1/mutations?dryRun=1", "{").status == 400);
    CHECK(w.world.kinds().size() == records);
    CHECK(!w.world.get("a"));
}

TEST_CASE("a lasting limit is answered with when to come again") {
    ApiWorld w;
    w.api.attach(nullptr, "starting");
    const Response response = w.set("a", "1");
    CHECK(response.status == 503);
    CHECK(header_of(response, "Retry-After") == "1");
    CHECK(at(json_of(response), {"retryAfterMs"}) == Json(1000));
}

TEST_CASE("while there is no engine a proposal hears its own id, and why") {
    ApiWorld w;
    w.api.attach(nullptr, "starting");
    const Json one = json_of(w.set("a", "1", R"(,"id":"mine")"));
    CHECK(at(one, {"id"}) == Json("mine"));
    CHECK(at(one, {"code"}) == Json("unavailable"));
    CHECK(at(one, {"reason"}) == Json("draining"));
    CHECK(at(json_of(w.post(R"({"op":"set","id":"unfinished"})")), {"id"}) == Json("unfinished"));
    const auto replies = w.begin("POST", "/v1/mutations", EngineWorld::set_text("a", "1", R"(,"id":"line")"),
                                 {{"content-type", "application/x-ndjson"}});
    CHECK(at(json_of(pull(replies->at(0))), {"id"}) == Json("line"));
    CHECK(at(json_of(w.get("/v1/state/a")), {"reason"}) == Json("draining"));
}

TEST_CASE("what is malformed as a whole points at the whole") {
    ApiWorld w;
    for (const char* body : {"[]", "{\"op\":", "7"}) CHECK(at(json_of(w.post(body)), {"pointer"}) == Json(""));
    CHECK(at(json_of(w.post(R"({"op":"set","key":"a","reason":"r"})")), {"pointer"}).is_string());
}

TEST_CASE("the trace of a request is in its record") {
    ApiWorld w;
    const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    w.post(EngineWorld::set_text("a", "1"), {{"traceparent", trace}});
    w.post(EngineWorld::set_text("a", "2"), {{"traceparent", "\"},\"kind\":\"note"}});
    std::vector<std::string> traces;
    w.world.each_record([&](const RecordView& record) {
        if (record.kind == Kind::accepted) traces.emplace_back(record.trace);
    });
    CHECK(traces == std::vector<std::string>{trace, ""});
}

std::vector<Json> lines_of(std::string_view text) {
    std::vector<Json> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        REQUIRE(end != text.npos);
        lines.push_back(json_of(text.substr(0, end)));
        text.remove_prefix(end + 1);
    }
    return lines;
}

const ApiWorld::Headers kLines = {{"content-type", "application/x-ndjson"}};

TEST_CASE("what comes beside a body is no part of what is asked: with other headers it is a duplicate") {
    ApiWorld w;
    const std::string body = EngineWorld::set_text("a", "1", R"(,"id":"one")");
    const Json first = json_of(w.post(body));
    REQUIRE(at(first, {"status"}) == Json("accepted"));
    const ApiWorld::Headers beside[] = {
        {{"if-match", "\"7\""}},
        {{"x-user-id", "bob"}},
        {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}};
    for (const ApiWorld::Headers& headers : beside) {
        CAPTURE(headers.front().first);
        const Response again = w.post(body, headers);
        CHECK(again.status == 200);
        CHECK(at(json_of(again), {"duplicate"}) == Json(true));
        CHECK(at(json_of(again), {"seq"}) == at(first, {"seq"}));
    }
    CHECK(w.world.count("accepted") == 1);
    CHECK(w.world.count("rejected") == 0);
}

/// `claim` of the last record, and nothing else of it that could hold what was sent.
Json claim_of_last(ApiWorld& w) {
    Body body;
    w.world.each_record([&](const RecordView& record) {
        const auto parsed = parse_body(record.body);
        REQUIRE(parsed);
        body = *parsed;
    });
    CHECK(body.args.empty());
    CHECK(body.ops.empty());
    return body.claim.empty() ? Json() : json_of(body.claim);
}

TEST_CASE("of what never took shape the record has what was sent, as a text, and no header of it") {
    ApiWorld w;
    w.config.settings.auth.token = "s3cret";
    w.authorize();
    struct Row {
        std::string sent, kept;
        ApiWorld::Headers headers = {};
    };
    const std::string spaced = R"({ "op":"set", "key":"a", "reason":"r" })";
    const std::string torn = EngineWorld::set_text("a", "1", R"(,"expectedVersion":4)");
    const Row rows[] = {
        {R"({"op":"set")", R"({"op":"set")"},
        {spaced, spaced},
        {"\x01{\"op\":\"\xff\"}", "\x01{\"op\":\"\xEF\xBF\xBD\"}"},
        {torn, torn, {{"if-match", "\"9\""}}},
        {EngineWorld::set_text("a", "\"" + std::string(2u << 20, 'x') + "\""), ""},
        {"\"" + std::string(100'000, 'y') + "\"", ""}};
    for (const Row& row : rows) {
        CAPTURE(row.sent.substr(0, 100));
        ApiWorld::Headers headers = row.headers;
        headers.emplace_back("authorization", "Bearer s3cret");
        headers.emplace_back("x-user-id", "bob");
        const std::string code = code_of(w.post(row.sent, headers));
        CHECK((code == "malformed" || code == "too_large"));
        const Json claim = claim_of_last(w);
        CHECK(at(claim, {"actor"}) == Json("bob"));
        REQUIRE(at(claim, {"original"}).is_string());
        const std::string original = at(claim, {"original"}).string();
        if (row.kept.empty()) {
            CHECK(original.size() <= 64u << 10);
            CHECK(original.size() > (64u << 10) - 8);
            CHECK(row.sent.starts_with(original));
        } else {
            CHECK(original == row.kept);
        }
    }
    w.world.each_record(
        [](const RecordView& record) { CHECK(record.line.find("s3cret") == std::string_view::npos); });
}

TEST_CASE("of a proposal that only its record is too long for the record has the beginning") {
    ApiWorld w;
    std::string list = R"({"id":"long","ops":[)";
    for (const char* key : {"a", "b", "c"})
        list += std::string(key[0] == 'a' ? "" : ",") + R"({"op":"set","key":")" + key + R"(","value":")" +
                std::string(900u << 10, 'x') + "\"}";
    REQUIRE(w.post(list + R"(],"reason":"r"})").status == 413);
    const std::string original = at(claim_of_last(w), {"original"}).string();
    CHECK(original.size() > (64u << 10) - 8);
    CHECK(original.starts_with(R"({"ops":[{"key":"a","op":"set","value":"xxx)"));
}

TEST_CASE("lines are answered one for one, in order, whatever they are") {
    ApiWorld w;
    const std::string body = EngineWorld::set_text("a", "1") + "\r\n" + "{bad\n" + "\n  \n" +
                             R"({"op":"delete","key":"nothing","reason":"r"})" + "\n" +
                             EngineWorld::set_text("a", "2", R"(,"expectedVersion":1)");
    const auto replies = w.begin("POST", "/v1/mutations", body, kLines);
    REQUIRE(replies->size() == 1);  // the head of the answer does not wait
    const Response& response = replies->front();
    CHECK(response.status == 200);
    CHECK(response.content_type == "application/x-ndjson");
    std::string out = pull(response);
    w.world.settle();
    out += pull(response);
    CHECK(response.stream->finished());
    const std::vector<Json> lines = lines_of(out);
    REQUIRE(lines.size() == 4);
    CHECK(at(lines[0], {"version"}) == Json(1));
    CHECK(at(lines[1], {"code"}) == Json("malformed"));
    CHECK(at(lines[2], {"code"}) == Json("absent"));
    CHECK(at(lines[3], {"version"}) == Json(2));
}

TEST_CASE("the media type of lines is that in any case, and no longer one that begins so") {
    ApiWorld w;
    const std::string body = EngineWorld::set_text("a", "1") + "\n" + EngineWorld::set_text("b", "1");
    for (const char* type : {"Application/X-NDJSON", "application/x-ndjson ; charset=utf-8"}) {
        CAPTURE(type);
        const auto replies = w.begin("POST", "/v1/mutations", body, {{"content-type", type}});
        REQUIRE(replies->size() == 1);
        CHECK(replies->front().stream != nullptr);
    }
    CHECK(w.post(body, {{"content-type", "application/x-ndjson2"}}).status == 400);
}

TEST_CASE("lines are taken only as fast as their answers are read") {
    ApiWorld w;
    std::string body;
    constexpr int kLinesAll = 5000;
    for (int i = 0; i < kLinesAll; ++i) body += EngineWorld::set_text("n", std::to_string(i)) + "\n";
    const auto replies = w.begin("POST", "/v1/mutations", body, kLines);
    const Response& response = replies->front();
    std::string out = pull(response);
    w.world.settle();
    // Nobody reads: no more than the window has been proposed.
    CHECK(w.world.count("accepted") <= 1024);
    while (!response.stream->finished()) {
        out += pull(response);
        w.world.settle();
    }
    const std::vector<Json> lines = lines_of(out);
    REQUIRE(lines.size() == kLinesAll);
    for (int i = 0; i < kLinesAll; ++i) REQUIRE(at(lines[i], {"version"}) == Json(i + 1));
}

TEST_CASE("lines that a socket asks for at any time ask for a turn of the engine") {
    ApiWorld w;
    std::string body;
    for (int i = 0; i < 2000; ++i) body += EngineWorld::set_text("n", std::to_string(i)) + "\n";
    const auto replies = w.begin("POST", "/v1/mutations", body, kLines);
    CHECK(!w.tick_wanted);
    for (int pulls = 0; pulls < 2; ++pulls) {
        w.tick_wanted.reset();
        pull(replies->front());
        CHECK(w.tick_wanted == std::chrono::nanoseconds{0});
        w.world.settle();
    }
    w.tick_wanted.reset();
    pull(replies->front());
    CHECK(!w.tick_wanted);  // all were taken before
}

TEST_CASE("a client that hangs up in the middle takes only its unread lines along") {
    ApiWorld w;
    std::string body;
    for (int i = 0; i < 3000; ++i) body += EngineWorld::set_text("n", std::to_string(i)) + "\n";
    auto replies = w.begin("POST", "/v1/mutations", body, kLines);
    pull(replies->front());
    replies->clear();  // the transport lets go of the stream
    w.world.settle();
    const auto version = w.world.get("n")->version.value;
    CHECK(version > 0);
    CHECK(version <= 1024);
    w.world.check_reads_are_the_fold();
}

TEST_CASE("lines take no precondition headers, and may be a dry run") {
    ApiWorld w;
    ApiWorld::Headers headers = kLines;
    headers.emplace_back("if-match", "\"1\"");
    CHECK(w.ask("POST", "/v1/mutations", "", headers).status == 400);
    const auto replies =
        w.begin("POST", "/v1/mutations?dryRun=true", EngineWorld::set_text("a", "1") + "\n", kLines);
    CHECK(lines_of(pull(replies->front())).size() == 1);
    CHECK(!w.world.get("a"));
}

}  // namespace
}  // namespace se::test
