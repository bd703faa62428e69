// What the tools of the state tell a model: texts and facts to go on with, and that they hold
// beyond an answer.

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/mcp_request.h"

namespace se::test {
namespace {

struct Model {
    explicit Model(const std::string& policy = "allowedKeys: [\"note.*\", stream.state]\n")
        : daemon({.data = folder.path() + "/data", .policy = policy}) {
        daemon.start();
        client.emplace(daemon.tcp());
    }
    TemporaryDirectory folder;
    DaemonProcess daemon;
    std::optional<HttpClient> client;

    Json result(const std::string& tool, const std::string& arguments) {
        const auto answer = client->send(mcp_call(tool, arguments));
        REQUIRE(answer);
        CAPTURE(answer->body);
        REQUIRE(answer->status == 200);
        return at(json_of(answer->body), {"result"});
    }
    Json told(const std::string& tool, const std::string& arguments) {
        return at(result(tool, arguments), {"structuredContent"});
    }
    std::string text(const std::string& tool, const std::string& arguments) {
        return at(result(tool, arguments), {"content"}).array().front().find("text")->string();
    }
};

std::string set_note(const std::string& more) {
    return R"({"key":"note.a","reason":"r",)" + more + "}";
}

TEST_CASE("a model finds in each refusal what to do next, and doing it works") {
    Model model;
    const std::string first = set_note(R"("value":{"n":1},"expectedVersion":0,"id":"first")");
    CHECK(at(model.told("propose_mutation", first), {"status"}) == Json("accepted"));
    // The same intent again.
    const Json again = model.told("propose_mutation", first);
    CHECK(at(again, {"status"}) == Json("accepted"));
    CHECK(at(again, {"duplicate"}) == Json(true));
    // Another one under the same id.
    CHECK(at(model.told("propose_mutation", set_note(R"("value":2,"id":"first")")), {"code"}) ==
          Json("id_reused"));
    // Too late: `current` is enough to decide again.
    const Json late = model.told("propose_mutation", set_note(R"("value":2,"expectedVersion":0)"));
    CHECK(at(late, {"code"}) == Json("version_conflict"));
    CHECK(at(late, {"next"}).string().find("a new id") != std::string::npos);
    const std::string version = to_text(at(late, {"current", "version"}));
    CHECK(at(model.told("propose_mutation", set_note(R"("value":2,"expectedVersion":)" + version)),
             {"version"}) == Json(2));
    // What was read has changed since.
    const Json stale = model.told("propose_mutation",
                                  R"({"key":"stream.state","value":"on","reason":"r","basis":[)"
                                  R"({"key":"note.a","seq":1}]})");
    CHECK(at(stale, {"code"}) == Json("basis_conflict"));
    const std::string seq = to_text(at(stale, {"current", "seq"}));
    CHECK(at(model.told("propose_mutation",
                        R"({"key":"stream.state","value":"on","reason":"r","basis":[)"
                        R"({"key":"note.a","seq":)" +
                            seq + "}]}"),
             {"status"}) == Json("accepted"));
    // Elsewhere.
    const Json outside =
        model.result("propose_mutation", R"({"key":"other","value":1,"reason":"r"})");
    CHECK(at(outside, {"isError"}) == Json(true));
    CHECK(at(outside, {"content"}).array().front().find("text")->string() ==
          "Mutation rejected: key 'other' is not in an allowed namespace, so nothing was stored. "
          "Allowed keys: note.*, stream.state (a trailing '*' denotes a prefix).");
    // A trial leaves nothing.
    CHECK(at(model.told("propose_mutation", set_note(R"("value":3,"dryRun":true)")), {"version"}) ==
          Json(3));
    CHECK(at(model.told("get_state", R"({"keys":["note.a"]})"), {"entries", "note.a", "version"}) ==
          Json(2));
    // Why it is on: the note was what it was based on.
    const Json why = at(model.told("explain", R"({"key":"stream.state"})"), {"chain"});
    REQUIRE(why.array().size() == 2);
    CHECK(at(why.array()[1], {"key"}) == Json("note.a"));
    CHECK(model.daemon.stop() == 0);
}

TEST_CASE("arguments that are none are told with what is wrong and an example that works") {
    Model model;
    const auto wrong = [&](const std::string& tool, const std::string& arguments,
                           const std::string& says) {
        const Json result = model.result(tool, arguments);
        const std::string text = at(result, {"content"}).array().front().find("text")->string();
        CAPTURE(text);
        CHECK(at(result, {"isError"}) == Json(true));
        CHECK(text.find(says) != std::string::npos);
        const std::size_t example = text.find("Example: ");
        if (example == text.npos) return;
        CHECK(at(model.result(tool, text.substr(example + 9)), {"isError"}).is_null());
    };
    model.told("propose_mutation", R"({"key":"stream.state","value":1,"reason":"r"})");
    wrong("get_state", R"({"key":"a"})", "'keys' is missing");
    wrong("get_state", R"({"keys":"a"})", "'keys' must be a list of strings");
    wrong("get_state_prefix", "{}", "'prefix' is missing");
    wrong("get_history", R"({"key":"a","limit":9999})",
          "'limit' must be a whole number from 1 to 500");
    wrong("explain", R"({"key":7})", "'key'");
    wrong("changes_since", R"({"since":"yesterday"})", "EPOCH.SEQ");
    wrong("propose_mutation", R"({"key":"note.a","value":1})", "'reason' is missing");
    wrong("propose_mutation", set_note(R"("op":"inc")"), "set, delete, increment, push or merge");
    wrong("propose_mutation", set_note(R"("value":1,"expectedVersion":"1")"),
          "expectedVersion must be");
    CHECK(model.daemon.stop() == 0);
}

TEST_CASE(
    "bookmarks prove that nothing was missed, also over a restart; a foreign one is told as such") {
    Model model;
    const std::string begin = at(model.told("changes_since", "{}"), {"bookmark"}).string();
    for (const char* value : {"1", "2", "3"})
        model.told("propose_mutation", set_note(R"("value":)" + std::string(value)));
    CHECK(model.daemon.stop() == 0);
    model.client.reset();
    model.daemon.start();
    model.client.emplace(model.daemon.tcp());
    std::vector<std::int64_t> versions;
    std::string at_bookmark = begin;
    for (bool more = true; more;) {
        const Json page = model.told(
            "changes_since", R"({"limit":1,"prefix":"note.","since":")" + at_bookmark + "\"}");
        REQUIRE(at(page, {"resync"}) == Json(false));
        const Json changes = at(page, {"changes"});
        for (const Json& change : changes.array())
            versions.push_back(at(change, {"entry", "version"}).integer());
        more = at(page, {"more"}).boolean();
        at_bookmark = at(page, {"bookmark"}).string();
    }
    CHECK(versions == std::vector<std::int64_t>{1, 2, 3});
    const Json foreign = model.told("changes_since", R"({"since":"99999999999.7"})");
    CHECK(at(foreign, {"resync"}) == Json(true));
    CHECK(at(foreign, {"next"}).string().find("read again") != std::string::npos);
    CHECK(model.daemon.stop() == 0);
}

TEST_CASE("a trace that comes in _meta goes into the record, before one in a header") {
    Model model;
    const auto trace = [](char digit) {
        return "00-" + std::string(32, digit) + "-" + std::string(16, digit) + "-01";
    };
    const auto propose = [&](const std::string& id, const std::string& meta, const std::string& header) {
        HttpClient::Request request =
            mcp_call("propose_mutation", set_note(R"("value":1,"id":")" + id + '"'));
        const std::string before = R"("_meta":{)";
        request.body.replace(request.body.find(before), before.size(),
                             before + (meta.empty() ? "" : R"("traceparent":")" + meta + R"(",)"));
        if (!header.empty()) request.headers.emplace_back("traceparent", header);
        const auto answer = model.client->send(request);
        REQUIRE(answer);
        REQUIRE(at(json_of(answer->body), {"result", "structuredContent", "status"}) ==
                Json("accepted"));
    };
    propose("in-meta", trace('a'), "");
    propose("in-both", trace('b'), trace('c'));
    propose("in-header", "", trace('d'));
    propose("in-neither", "", "");
    propose("no-trace", "somewhere", "");
    CHECK(model.daemon.stop() == 0);
    std::map<std::string, Json> traces;
    for (const Json& record : records_of(model.daemon.data())) {
        if (at(record, {"kind"}) == Json("accepted"))
            traces[at(record, {"id"}).string()] = at(record, {"trace"});
    }
    CHECK(traces == std::map<std::string, Json>{{"in-meta", trace('a')},
                                                {"in-both", trace('b')},
                                                {"in-header", trace('d')},
                                                {"in-neither", nullptr},
                                                {"no-trace", nullptr}});
}

TEST_CASE("the daemon offers the platform tools to older clients, whatever its profile") {
    Model model;
    const std::string list = R"({"jsonrpc":"2.0","id":7,"method":"tools/list"})";
    HttpClient sender = model.daemon.tcp(), stream = model.daemon.tcp();
    std::string heard;
    bool asked = false;
    const auto ended = stream.stream({.method = "GET", .target = "/sse"}, [&](std::string_view piece) {
        heard += piece;
        const std::size_t target = heard.find("/message?");
        if (!asked && target != heard.npos && heard.find('\n', target) != heard.npos) {
            asked = true;
            CHECK(sender.post(heard.substr(target, heard.find('\n', target) - target), list)->status == 202);
        }
        const std::size_t answer = heard.find("\"id\":7");
        return answer == heard.npos || heard.find("\n\n", answer) == heard.npos;
    });
    REQUIRE(ended);
    for (const char* name : {"bit.info", "bit.health", "get_state"})
        CHECK_MESSAGE(heard.find("\"name\":\"" + std::string(name) + '"') != heard.npos, heard);
    CHECK(heard.find("bit.shutdown") == heard.npos);  // that needs more than an open door
    const HttpAnswer modern = *model.client->send(mcp_request("tools/list"));
    CHECK(modern.body.find("bit.info") == std::string::npos);
    CHECK(model.daemon.stop() == 0);
}

}  // namespace
}  // namespace se::test
