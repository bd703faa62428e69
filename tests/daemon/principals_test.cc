// Who may come in, and what those who may not can do to the others: against the real program.

#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "tests/daemon/hostile_world.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

std::string head_of_post(std::uint64_t body_bytes, const std::string& token) {
    return "POST /v1/mutations HTTP/1.1\r\nHost: localhost\r\nx-mcp-token: " + token +
           "\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n";
}

TEST_CASE("SIGHUP takes tokens in and back; their feeds end; a bad list changes nothing") {
    Served served;
    HttpClient client = served.client();
    const auto status = [&](const std::string& token) {
        return must(client.send(request("GET", "/v1/state", token))).status;
    };
    CHECK(status("") == 401);
    CHECK(status(kGood) == 200);
    CHECK(status(kNarrow) == 200);

    std::string heard;
    std::atomic<bool> begun = false;
    std::thread follower([&] {
        HttpClient feed = served.client();
        const auto ended =
            feed.stream(request("GET", "/v1/changes", kNarrow), [&](std::string_view piece) {
                heard += piece;
                begun = true;
                return true;
            });
        if (!ended) heard = ended.error().text;
        begun = true;
    });
    while (!begun) std::this_thread::sleep_for(1ms);  // who comes after the reload is not let in
    write_text(served.daemon.config_path(), "auth:\n  principals:\n    - {name: x, raed: []}\n");
    served.daemon.signal(SIGHUP);
    REQUIRE(served.daemon.log_says("policy.reload_failed"));
    CHECK(served.daemon.log_says(
        "line 3: auth.principals[0].raed is not known; the nearest is read"));
    CHECK(status(kNarrow) == 200);

    write_text(served.daemon.config_path(),
               policy(entry("good", kGood) + entry("late", "late-token")));
    served.daemon.signal(SIGHUP);
    REQUIRE(served.daemon.log_says("state-engine.policy.reloaded"));
    follower.join();
    CHECK(heard.ends_with("\n\n"));  // ended, not broken off
    CHECK(status(kNarrow) == 401);
    CHECK(status("late-token") == 200);
    CHECK(served.daemon.stop() == 0);

    // Neither tokens nor hashes are in what is kept.
    std::vector<std::string> notes;
    for (const Json& record : records_of(served.daemon.data())) {
        const std::string text = to_text(record);
        for (const char* token : {kGood, kNarrow, "late-token"})
            CHECK(text.find(to_hex(sha256(token))) == std::string::npos);
        const Json* const note = record.find("note");
        if (note != nullptr && note->string() == "principals") notes.push_back(text);
    }
    REQUIRE(notes.size() == 1);
    CHECK(notes[0].find(R"("name":"late")") != std::string::npos);
    CHECK(served.daemon.log().find(kGood) == std::string::npos);
}

TEST_CASE("a list of principals that cannot be is refused at the start, by name and line") {
    for (const auto& [text, says] : std::vector<std::pair<std::string, std::string>>{
             {policy(entry("a", "t") + entry("a", "u")), "there is a principal 'a' already"},
             {policy(entry("a", "t") + entry("b", "t")),
              "auth.principals[1].token_sha256 is that of 'a' too"},
             {policy("    - {name: a}\n"), "'a' has no token_sha256"}}) {
        TemporaryDirectory folder;
        DaemonProcess daemon({.data = folder.path() + "/data", .policy = text});
        CHECK(daemon.run_to_end() == 1);
        CHECK_MESSAGE(daemon.log().find(says) != std::string::npos, daemon.log());
    }
}

TEST_CASE("principals are enough to listen beyond loopback, and cannot be taken away then") {
    // Nothing listens there: the address is refused, or not, before it is bound.
    TemporaryDirectory folder;
    DaemonProcess open(
        {.data = folder.path() + "/data", .arguments = {"--host", "192.0.2.1", "--check-config"}});
    CHECK(open.run_to_end() == 1);
    CHECK(open.log().find("auth.principals") != std::string::npos);
    DaemonProcess closed({.data = folder.path() + "/data",
                          .arguments = {"--host", "192.0.2.1", "--check-config"},
                          .policy = team()});
    CHECK(closed.run_to_end() == 0);
}

TEST_CASE("which documents differ is told to who may read every key") {
    Served served({}, policy(entry("good", kGood, ", scopes: [operate]") +
                             entry("narrow", kNarrow, R"(, read: ["user.*"], scopes: [operate])")));
    HttpClient client = served.client();
    for (const char* route : {"/v1/operator/firestore/diff", "/v1/operator/firestore/heal"}) {
        const HttpAnswer no = must(client.send(request("POST", route, kNarrow, "{}")));
        CHECK(no.status == 403);
        CHECK(code_of(no) == "actor_not_permitted");
        CHECK(no.body.find("every key") != std::string::npos);
        CHECK(must(client.send(request("POST", route, kGood, "{}"))).status == 404);  // nothing follows
    }
}

TEST_CASE("a hostile client is refused by name, in bounded memory, while others are served") {
    raise_descriptor_limit();
    Served served({"--set", "http.connections=1400", "--set", "http.idle_timeout=2s"});
    int turn = 0;
    const auto others_are_served = [&] {
        HttpClient good = served.client();
        const std::string key = "user.turn";
        REQUIRE(must(good.send(request("POST", "/v1/mutations", kGood,
                                       set_text(key, std::to_string(++turn)))))
                    .status == 200);
        const HttpAnswer read = must(good.send(request("GET", "/v1/state/" + key, kGood)));
        REQUIRE(read.status == 200);
        REQUIRE(json_of(read.body).find("value")->integer() == turn);
    };
    CHECK(must(served.client().send(
                   request("POST", "/v1/mutations", kGood, set_text("secret", "41", "one"))))
              .status == 200);
    others_are_served();
    const std::uint64_t before = memory(served.daemon, "VmRSS");
    REQUIRE(before > 0);

    SUBCASE("wrong tokens, others' keys, another one's mutation id, a foreign page") {
        HttpClient bad = served.client();
        for (int i = 0; i < 2000; ++i) {
            const HttpAnswer no =
                must(bad.send(request("GET", "/v1/state/secret", "guess-" + std::to_string(i))));
            REQUIRE(no.status == 401);
        }
        for (const char* target : {"/v1/state/secret", "/v1/history/secret", "/metrics",
                                   "/_debug/config", "/v1/operator/status"}) {
            const HttpAnswer no = must(bad.send(request("GET", target, kNarrow)));
            CHECK(no.status == 403);
            CHECK(code_of(no) == "actor_not_permitted");
        }
        CHECK(must(bad.send(request("GET", "/v1/state", kNarrow))).body.find("secret") ==
              std::string::npos);
        CHECK(must(bad.send(request("GET", "/v1/records", kNarrow))).body.find("secret") ==
              std::string::npos);
        CHECK(code_of(must(bad.send(
                  request("POST", "/v1/mutations", kNarrow, set_text("secret", "1", "one"))))) ==
              "actor_not_permitted");
        CHECK(must(bad.send(
                       request("POST", "/v1/mutations", kNarrow, set_text("user.a", "1", "one"))))
                  .body.find(R"("duplicate":true)") == std::string::npos);
        HttpClient::Request page = request("GET", "/v1/state", kGood);
        page.headers.emplace_back("Origin", "https://evil.example");
        const HttpAnswer foreign = must(bad.send(page));
        CHECK(foreign.status == 403);
        CHECK(foreign.body.find("evil.example") != std::string::npos);
        others_are_served();
    }

    SUBCASE("a thousand idle streams: as many as there may be, the rest is told so") {
        std::vector<HttpClient> feeds;
        int taken = 0, refused = 0;
        for (int i = 0; i < 1000; ++i) {
            auto stream = HttpClient::connect({.host = "127.0.0.1", .port = served.daemon.port()});
            REQUIRE_MESSAGE(stream, stream.error().text);
            REQUIRE(stream->write(request("GET", "/v1/changes", kNarrow)));
            feeds.push_back(std::move(*stream));
        }
        for (HttpClient& stream : feeds) {
            // Only looked at: a stream that is closed makes room for one that still waits to be let
            // in.
            if (streams(stream)) {
                ++taken;
            } else {
                const HttpAnswer answer = must(stream.read());
                REQUIRE(answer.status == 503);
                CHECK(answer.body.find("half of http.streams") != std::string::npos);
                ++refused;
            }
            if ((taken + refused) % 250 == 0) others_are_served();
        }
        CHECK(taken == 128);  // its share
        CHECK(refused == 872);
        HttpClient another = served.client();
        REQUIRE(another.write(request("GET", "/v1/changes", kGood)));
        CHECK(streams(another));
        feeds.clear();
        int tries = 0;
        for (bool again = false; !again;) {  // their places are free again
            REQUIRE(++tries < 2000);
            HttpClient stream = served.client();
            REQUIRE(stream.write(request("GET", "/v1/changes", kNarrow)));
            again = streams(stream);
        }
    }

    SUBCASE("slow bodies are cut off, large ones not taken, and nobody waits for them") {
        std::vector<HttpClient> slow;
        for (int i = 0; i < 200; ++i) {
            slow.push_back(served.client());
            REQUIRE(slow.back().write_raw(head_of_post(9u << 20, kNarrow) + "{\"op\""));
        }
        HttpClient large = served.client();
        REQUIRE(large.write_raw(head_of_post(100u << 20, kNarrow)));
        const HttpAnswer no = must(large.read());
        CHECK(no.status == 413);
        CHECK(code_of(no) == "too_large");
        // The same without saying so before.
        HttpClient chunked = served.client();
        flood(chunked, "POST /v1/mutations HTTP/1.1\r\nHost: localhost\r\nx-mcp-token: " +
                           std::string(kNarrow) + "\r\n");
        const auto cut = chunked.read();
        if (cut) CHECK(cut->status == 413);
        others_are_served();
        for (HttpClient& one : slow) {
            const auto ended = one.read();
            if (!ended) continue;  // hung up
            const bool named = ended->status == 408 || ended->status == 503;
            CHECK_MESSAGE(named, ended->status);
        }
        others_are_served();
    }

    SUBCASE("deep JSON and bad UTF-8 are malformed, at their place") {
        HttpClient bad = served.client();
        const std::vector<std::string> bodies = {
            std::string(1u << 20, '['),
            R"({"op":"set","key":"user.a","reason":"r","value":)" + std::string(100'000, '[') +
                std::string(100'000, ']') + "}",
            R"({"a":)" + std::string(5'000, '{'),
            "{\"op\":\"set\",\"key\":\"user.\xc3\x28\",\"value\":1,\"reason\":\"r\"}",
            "{\"op\":\"set\",\"key\":\"user.a\",\"value\":\"\xed\xa0\x80\",\"reason\":\"r\"}",
            std::string("\0\0\0", 3)};
        for (const std::string& body : bodies) {
            for (int i = 0; i < 5; ++i) {
                const HttpAnswer no =
                    must(bad.send(request("POST", "/v1/mutations", kNarrow, body)));
                CHECK(no.status == 400);
                CHECK(code_of(no) == "malformed");
            }
        }
        HttpClient::Request claim =
            request("POST", "/v1/mutations", kNarrow, set_text("user.a", "1"));
        claim.headers.emplace_back("x-user-id", "\xff\xfe");
        CHECK(must(bad.send(claim)).status == 400);
        others_are_served();
    }

    others_are_served();
    const std::uint64_t peak = memory(served.daemon, "VmHWM");
    MESSAGE("resident before: " << before << " KiB, at most: " << peak << " KiB");
    CHECK(peak < before + growth(160u << 10));
    CHECK(served.daemon.stop() == 0);
}

}  // namespace
}  // namespace se::test
