// The doors of language models, against those who want more than they may have: the real program.

#include <doctest/doctest.h>

#include <thread>

#include "tests/daemon/hostile_world.h"
#include "tests/daemon/mcp_request.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

HttpClient::Request narrow_calls(const std::string& tool, const std::string& arguments) {
    return mcp_call(tool, arguments, kNarrow);
}

std::string open_session(HttpClient& client, const std::string& token) {
    const HttpAnswer answer = must(client.send(mcp_initialize(token)));
    REQUIRE(answer.status == 200);
    const std::string session(answer.header("mcp-session-id"));
    REQUIRE(!session.empty());
    return session;
}

HttpClient::Request listen_in(const std::string& session, const std::string& token) {
    return {
        .method = "GET",
        .target = "/mcp",
        .headers = {
            {"Accept", "text/event-stream"}, {"Mcp-Session-Id", session}, {"x-mcp-token", token}}};
}

HttpClient::Request listen_to(const std::string& uris_json, const std::string& token) {
    return mcp_request("subscriptions/listen",
                       R"("notifications":{"resourcesListChanged":true,"resourceSubscriptions":)" +
                           uris_json + "}",
                       "", token);
}

/// Everything that a stream says until it has said `last`.
std::string hear(HttpClient& client, const HttpClient::Request& request, std::string_view last) {
    std::string heard;
    const auto ended = client.stream(request, [&](std::string_view piece) {
        heard += piece;
        return heard.find(last) == heard.npos;
    });
    REQUIRE_MESSAGE(ended, (ended ? std::string() : ended.error().text));
    return heard;
}

/// The code of a JSON-RPC error; 0 when it is none.
std::int64_t rpc_code(const HttpAnswer& answer) {
    const Json code = at(json_of(answer.body), {"error", "code"});
    return code.is_integer() ? code.integer() : 0;
}

/// Others go on: somebody changes and reads a key, through the same door.
struct Others {
    Served& served;
    int turn = 0;

    void are_served() {
        HttpClient good = served.client();
        const std::string value = std::to_string(++turn);
        const HttpAnswer changed = must(good.send(
            mcp_call("propose_mutation",
                     R"({"key":"user.turn","reason":"turn","value":)" + value + "}", kGood)));
        REQUIRE(changed.status == 200);
        const HttpAnswer read =
            must(good.send(mcp_call("get_state", R"({"keys":["user.turn"]})", kGood)));
        REQUIRE(at(json_of(read.body),
                   {"result", "structuredContent", "entries", "user.turn", "value"}) == Json(turn));
    }
};

TEST_CASE("what a principal may not read shows through no tool, resource, list or subscription") {
    // A rule copies what narrow may not read into the record of a key that it may.
    Served served({"--set", "mcp.profile=full"},
                  team() +
                      "rules:\n  - {id: tell, when: {key: user.told}, then: [{action: obs.say, "
                      "args: {text: \"{ state.veiled.key }\"}}]}\n");
    HttpClient good = served.client();
    HttpClient bad = served.client();
    const auto change = [&](const std::string& arguments) {
        const HttpAnswer answer = must(good.send(mcp_call("propose_mutation", arguments, kGood)));
        REQUIRE(at(json_of(answer.body), {"result", "structuredContent", "status"}) ==
                Json("accepted"));
    };
    change(R"({"key":"veiled.key","value":"treasure","reason":"r","id":"one"})");
    change(R"({"key":"user.open","value":1,"reason":"r","id":"two"})");
    change(
        R"({"reason":"both","key":"veiled.key","ops":[{"key":"veiled.key","op":"set","value":"treasure"},)"
        R"({"key":"user.open","op":"set","value":2}]})");
    change(R"({"key":"user.open","value":3,"reason":"r","basis":[{"key":"veiled.key","seq":5}]})");

    change(R"({"key":"user.told","value":1,"reason":"r"})");

    // Nothing that narrow hears names the value or, unless narrow did so first, the key.
    const auto quiet = [&](const HttpAnswer& answer, bool asked_for_it) {
        CAPTURE(answer.body);
        CHECK(answer.body.find("treasure") == std::string::npos);
        if (!asked_for_it) CHECK(answer.body.find("veiled") == std::string::npos);
    };
    for (const auto& [tool, arguments] : std::vector<std::pair<std::string, std::string>>{
             {"get_state_prefix", R"({"prefix":""})"},
             {"get_history", R"({"key":"user.open"})"},
             {"get_history", R"({"key":"user.told"})"},
             {"explain", R"({"key":"user.open"})"},
             {"explain", R"({"key":"user.told"})"},
             {"explain", R"({"key":"user.open","version":1})"},
             {"changes_since", R"({"since":"1.0"})"},
             {"list_prefixes", "{}"}}) {
        const HttpAnswer answer = must(bad.send(narrow_calls(tool, arguments)));
        CHECK(at(json_of(answer.body), {"result", "isError"}) == Json());
        quiet(answer, false);
    }
    const Json both = at(
        json_of(must(bad.send(narrow_calls("get_state", R"({"keys":["veiled.key","user.open"]})")))
                    .body),
        {"result", "structuredContent"});
    CHECK(at(both, {"entries", "veiled.key"}) == Json());
    CHECK(at(both, {"entries", "user.open", "value"}) == Json(3));
    CHECK(at(both, {"notReadable"}) == Json(Json::Array{"veiled.key"}));
    // Whether there is such a key makes no difference.
    for (const char* tool : {"get_history", "explain"}) {
        std::vector<std::string> told;
        for (const std::string key : {"veiled.key", "veiled.not"}) {
            const HttpAnswer answer =
                must(bad.send(narrow_calls(tool, R"({"key":")" + key + "\"}")));
            CHECK(at(json_of(answer.body), {"result", "isError"}) == Json(true));
            told.push_back(answer.body);
            while (told.back().find(key) != std::string::npos)
                told.back().replace(told.back().find(key), key.size(), "K");
        }
        CHECK(told[0] == told[1]);
    }
    for (const std::string dry : {"false", "true"}) {
        const HttpAnswer answer = must(bad.send(narrow_calls(
            "propose_mutation",
            R"({"key":"veiled.key","value":1,"expectedVersion":9,"reason":"r","dryRun":)" + dry +
                "}")));
        CHECK(at(json_of(answer.body), {"result", "structuredContent", "code"}) ==
              Json("actor_not_permitted"));
        quiet(answer, true);
    }
    // A basis would tell whether it has changed.
    const HttpAnswer spied = must(bad.send(narrow_calls(
        "propose_mutation",
        R"({"key":"user.spy","value":1,"reason":"r","basis":[{"key":"veiled.key","seq":1}]})")));
    CHECK(at(json_of(spied.body), {"result", "structuredContent", "code"}) ==
          Json("actor_not_permitted"));

    // Ids are everybody's own: another's is neither answered with its outcome nor in the way.
    const HttpAnswer same_id = must(bad.send(narrow_calls(
        "propose_mutation", R"({"key":"user.mine","value":1,"reason":"r","id":"one"})")));
    CHECK(at(json_of(same_id.body), {"result", "structuredContent", "duplicate"}) == Json(false));
    CHECK(at(json_of(same_id.body), {"result", "structuredContent", "status"}) == Json("accepted"));
    quiet(same_id, false);

    const auto read = [&](const std::string& uri) {
        return must(
            bad.send(mcp_request("resources/read", R"("uri":")" + uri + '"', uri, kNarrow)));
    };
    CHECK(rpc_code(read("state://veiled.key")) == rpc_code(read("state://veiled.not")));
    CHECK(rpc_code(read("state://veiled.key")) == -32602);
    quiet(read("state-log://1"), false);
    quiet(must(bad.send(mcp_request("resources/list", "", "", kNarrow))), false);
    quiet(must(bad.send(mcp_request("completion/complete",
                                    R"("ref":{"type":"ref/resource","uri":"state://{key}"},)"
                                    R"("argument":{"name":"key","value":""})",
                                    "", kNarrow))),
          false);

    // The tools of operators are neither listed nor there.
    const std::string tools = must(bad.send(mcp_request("tools/list", "", "", kNarrow))).body;
    CHECK(tools.find("list_prefixes") != std::string::npos);
    CHECK(tools.find("bit.") == std::string::npos);
    CHECK(rpc_code(must(bad.send(narrow_calls("bit.config.get", "{}")))) == -32602);
    CHECK(must(good.send(mcp_request("tools/list", "", "", kGood))).body.find("bit.shutdown") !=
          std::string::npos);

    // Subscriptions of both eras: the change of what may be read comes, and nothing comes before
    // it.
    const std::string session = open_session(bad, kNarrow);
    for (const auto& [uri, code] :
         {std::pair("state://veiled.key", -32002), std::pair("state://user.open", 0)}) {
        const HttpAnswer answer = must(bad.send(mcp_in_session(
            session, "resources/subscribe", R"({"uri":")" + std::string(uri) + "\"}", kNarrow)));
        CHECK(rpc_code(answer) == code);
    }
    HttpClient first = served.client(), second = served.client();
    std::string of_session, of_listen;
    std::thread one(
        [&] { of_session = hear(first, listen_in(session, kNarrow), "\"user-open-again\""); });
    std::thread two([&] {
        of_listen =
            hear(second, listen_to(R"(["state://veiled.key","state://user.open"])", kNarrow),
                 "\"user-open-again\"");
    });
    const auto both_listen = [&] {
        const std::string metrics = must(good.send(request("GET", "/metrics", kGood))).body;
        return metrics.find("state_engine_mcp_streams 2\n") != std::string::npos;
    };
    for (int tries = 0; !both_listen(); ++tries) {
        REQUIRE(tries < 500);
        std::this_thread::sleep_for(20ms);
    }
    change(R"({"key":"veiled.key","value":"treasure2","reason":"r","id":"veiled-again"})");
    change(R"({"key":"veiled.new","value":"treasure3","reason":"r","id":"veiled-new"})");
    change(R"({"key":"user.open","value":4,"reason":"r","id":"user-open-again"})");
    one.join();
    two.join();
    for (const std::string& heard : {of_session, of_listen}) {
        CAPTURE(heard);
        CHECK(heard.find("veiled") == std::string::npos);
        CHECK(heard.find("list_changed") == std::string::npos);  // the new key is none of its list
        CHECK(heard.find("\"uri\":\"state://user.open\"") != std::string::npos);
    }
    CHECK(served.daemon.stop() == 0);
}

TEST_CASE(
    "a hostile client of the MCP doors is refused by name, in bounded memory, while others are "
    "served") {
    raise_descriptor_limit();
    Served served({"--set", "http.connections=1400", "--set", "http.idle_timeout=2s"});
    Others others{served};
    others.are_served();
    const std::uint64_t before = memory(served.daemon, "VmRSS");
    REQUIRE(before > 0);
    HttpClient bad = served.client();

    SUBCASE("wrong tokens, another's session, a foreign page or host") {
        const std::string session = open_session(bad, kGood);
        const HttpClient::Request delete_it{
            .method = "DELETE", .target = "/mcp", .headers = {{"Mcp-Session-Id", session}}};
        const std::vector<HttpClient::Request> doors = {
            mcp_call("get_state", R"({"keys":[]})"),
            mcp_initialize(),
            listen_in(session, ""),
            listen_to("[]", ""),
            delete_it,
            {.method = "GET", .target = "/sse"},
            {.method = "POST", .target = "/message?sessionId=" + session, .body = "{}"}};
        for (const HttpClient::Request& door : doors) {
            CAPTURE(door.target);
            for (int i = 0; i < 100; ++i) {
                HttpClient::Request guess = door;
                std::erase_if(guess.headers,
                              [](const auto& header) { return header.first == "x-mcp-token"; });
                if (i != 0) guess.headers.emplace_back("x-mcp-token", "guess-" + std::to_string(i));
                const HttpAnswer no = must(bad.send(guess));
                REQUIRE(no.status == 401);
                const bool legacy = door.target != "/mcp";
                REQUIRE((legacy ? no.body == "Unauthorized" : code_of(no) == "unauthenticated"));
            }
            HttpClient::Request page = door;
            std::erase_if(page.headers,
                          [](const auto& header) { return header.first == "x-mcp-token"; });
            page.headers.emplace_back("x-mcp-token", kGood);
            page.headers.emplace_back("Origin", "https://evil.example");
            const HttpAnswer foreign = must(bad.send(page));
            CHECK(foreign.status == 403);
            CHECK(foreign.body.find("evil.example") != std::string::npos);
        }
        // A session is its opener's: whoever else names it hears what is said of none.
        CHECK(must(bad.send(mcp_in_session(session, "tools/list", "{}", kNarrow))).status == 404);
        CHECK(must(bad.send(listen_in(session, kNarrow))).status == 404);
        HttpClient::Request end = delete_it;
        end.headers.emplace_back("x-mcp-token", kNarrow);
        CHECK(must(bad.send(end)).status == 404);
        CHECK(must(bad.send(request("POST", "/message?sessionId=" + session, kNarrow, "{}")))
                  .status == 404);
        CHECK(must(bad.send(mcp_in_session(session, "tools/list", "{}", kGood))).status == 200);
        others.are_served();
    }

    SUBCASE(
        "a thousand idle streams of all three kinds: a half of what there may be, the rest is told "
        "so") {
        std::vector<HttpClient> open;
        int taken = 0, refused = 0;
        for (int i = 0; i < 1000; ++i) {
            HttpClient stream = served.client();
            HttpClient::Request ask = request("GET", "/sse", kNarrow);
            if (i % 3 == 1) ask = listen_to(R"(["state://user.a"])", kNarrow);
            if (i % 3 == 2) {
                const HttpAnswer began = must(stream.send(mcp_initialize(kNarrow)));
                REQUIRE(began.status == 200);
                ask = listen_in(std::string(began.header("mcp-session-id")), kNarrow);
            }
            REQUIRE(stream.write(ask));
            if (streams(stream)) {
                ++taken;
                open.push_back(std::move(stream));
            } else {
                const HttpAnswer no = must(stream.read());
                REQUIRE(no.status == 503);
                CHECK(no.header("retry-after") == "1");
                CHECK_MESSAGE(no.body.find("half of http.streams") != std::string::npos, no.body);
                ++refused;
            }
            if (i % 250 == 0) others.are_served();
        }
        CHECK(taken == 128);
        CHECK(refused == 872);
        HttpClient good = served.client();
        REQUIRE(good.write(listen_to(R"(["state://user.a"])", kGood)));
        CHECK(streams(good));
    }

    SUBCASE("slow bodies are cut off, large ones not taken, and nobody waits for them") {
        const auto head = [](const std::string& target, const std::string& more) {
            return "POST " + target +
                   " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                   "Accept: application/json, text/event-stream\r\nx-mcp-token: " + kNarrow +
                   "\r\n" + more;
        };
        const auto length = [](std::uint64_t bytes) {
            return "Content-Length: " + std::to_string(bytes) + "\r\n\r\n";
        };
        std::vector<HttpClient> slow;
        for (int i = 0; i < 200; ++i) {
            slow.push_back(served.client());
            REQUIRE(slow.back().write_raw(
                head(i % 2 == 0 ? "/mcp" : "/message?sessionId=x", length(9u << 20)) +
                R"({"jsonrpc")"));
        }
        for (const char* target : {"/mcp", "/message?sessionId=x"}) {
            HttpClient large = served.client();
            REQUIRE(large.write_raw(head(target, length(100u << 20))));
            const HttpAnswer no = must(large.read());
            CHECK(no.status == 413);
            CHECK(code_of(no) == "too_large");
            HttpClient chunked = served.client();  // the same without saying so before
            flood(chunked, head(target, ""));
            const auto cut = chunked.read();
            if (cut) CHECK(cut->status == 413);
        }
        others.are_served();
        for (HttpClient& one : slow) {
            const auto ended = one.read();
            if (!ended) continue;  // hung up
            const bool named = ended->status == 408 || ended->status == 503;
            CHECK_MESSAGE(named, ended->status);
        }
    }

    SUBCASE("deep JSON, bad UTF-8 and what is no message are errors that say so") {
        const std::string session = open_session(bad, kNarrow);
        const auto call = [](const std::string& value) {
            return R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"propose_mutation",)"
                   R"("arguments":{"key":"user.a","reason":"r","value":)" +
                   value + "}}}";
        };
        std::string batch = "[";
        for (int i = 0; i < 10'000; ++i) batch += R"({"jsonrpc":"2.0","id":1,"method":"ping"},)";
        batch.back() = ']';
        const std::vector<std::pair<std::string, std::int64_t>> bodies = {
            {std::string(1u << 20, '['), -32700},
            {call(std::string(100'000, '[') + std::string(100'000, ']')), -32700},
            {R"({"a":)" + std::string(5'000, '{'), -32700},
            {call("\"\xc3\x28\""), -32700},
            {call("\"\xed\xa0\x80\""), -32700},
            {std::string("\0\0\0", 3), -32700},
            {"", -32700},
            {batch, -32600},
            {"[]", -32600},
            {"7", -32600},
            {R"({"jsonrpc":"2.0","id":{"a":1},"method":"ping"})", -32600},
            {R"({"jsonrpc":"2.0","id":")" + std::string(100'000, 'i') + R"(","method":"ping"})",
             -32600},
            {R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(100'000, 'm') + "\"}", -32600}};
        for (const auto& [body, code] : bodies) {
            CAPTURE(body.substr(0, 80));
            for (int i = 0; i < 5; ++i) {
                HttpClient::Request of_session = mcp_post(body, kNarrow);
                of_session.headers.emplace_back("Mcp-Session-Id", session);
                const HttpAnswer no = must(bad.send(of_session));
                CHECK(no.status == 400);
                CHECK(rpc_code(no) == code);
                HttpClient::Request modern = mcp_post(body, kNarrow);
                modern.headers.emplace_back("MCP-Protocol-Version", "2026-07-28");
                CHECK(must(bad.send(modern)).status == 400);
            }
        }
        // What it names in `_meta` is no identity by its form: the change is its principal's own.
        const HttpAnswer claimed = must(bad.send(mcp_request(
            "tools/call",
            R"("name":"propose_mutation","arguments":{"key":"user.a","value":1,"reason":"r"})",
            "propose_mutation", kNarrow)));
        CHECK(at(json_of(claimed.body), {"result", "structuredContent", "status"}) ==
              Json("accepted"));
        CHECK(must(bad.send(mcp_in_session(session, "tools/list", "{}", kNarrow))).status == 200);
    }

    SUBCASE("a requestState that nobody gave out") {
        for (const std::string& state :
             {std::string("x"), std::string("e30.e30"), std::string(1u << 20, 'A')}) {
            const HttpAnswer no = must(bad.send(mcp_request(
                "tools/call",
                R"("name":"get_state","arguments":{"keys":[]},"requestState":")" + state + '"',
                "get_state", kNarrow)));
            CHECK(rpc_code(no) == -32602);
            CHECK(no.body.find("requestState is not one of ours") != std::string::npos);
        }
    }

    others.are_served();
    const std::uint64_t peak = memory(served.daemon, "VmHWM");
    MESSAGE("resident before: " << before << " KiB, at most: " << peak << " KiB");
    CHECK(peak < before + growth(160u << 10));
    CHECK(served.daemon.stop() == 0);
}

/// As much as the kernel may keep of what somebody does not read.
std::uint64_t socket_bytes() {
    std::ifstream file("/proc/sys/net/ipv4/tcp_wmem");
    std::uint64_t smallest = 0, usual = 0, most = 0;
    file >> smallest >> usual >> most;
    return std::max<std::uint64_t>(most, 4u << 20);
}

TEST_CASE(
    "who does not read its MCP stream is cut with a mark, in bounded memory, and others go on") {
    // It listens to a hundred keys, all of which change again and again, and takes nothing in.
    std::string uris = "[", ops;
    for (int i = 0; i < 100; ++i) {
        const std::string key = "user.k" + std::to_string(i);
        uris += (i == 0 ? "\"state://" : ",\"state://") + key + '"';
        ops += (i == 0 ? "" : ",") + (R"({"op":"set","value":1,"key":")" + key + "\"}");
    }
    Served served;
    Others others{served};
    others.are_served();
    const std::uint64_t before = memory(served.daemon, "VmRSS");
    HttpClient slow = served.client();
    const int little = 256 << 10;
    REQUIRE(::setsockopt(slow.descriptor(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little) == 0);
    REQUIRE(slow.write(listen_to(uris + "]", kNarrow)));
    REQUIRE(streams(slow));
    HttpClient good = served.client();
    const HttpClient::Request storm = mcp_call(
        "propose_mutation", R"({"reason":"r","key":"user.k0","ops":[)" + ops + "]}", kGood);
    constexpr std::uint64_t kEventBytes = 200;  // at least
    const std::uint64_t enough = socket_bytes() + (2u << 20);
    for (std::uint64_t told = 0; told < enough; told += 100 * kEventBytes)
        REQUIRE(must(good.send(storm)).status == 200);
    others.are_served();
    // What it hears when it reads at last: some of it, then the mark, then the end.
    const HttpAnswer rest = must(slow.read());
    const std::size_t mark = rest.body.find("event: resync\n");
    REQUIRE(mark != std::string::npos);
    CHECK(rest.body.find("event: message", mark) == std::string::npos);
    const std::uint64_t peak = memory(served.daemon, "VmHWM");
    MESSAGE("resident before: " << before << " KiB, at most: " << peak << " KiB");
    CHECK(peak < before + growth(64u << 10));
    CHECK(served.daemon.stop() == 0);
}

}  // namespace
}  // namespace se::test
