// The client of our own, over TLS and where nobody answers.

#include "engine/adapters/http_client.h"

#include <doctest/doctest.h>

#include "tests/daemon/hook.h"
#include "tests/daemon/receiver.h"
#include "tests/daemon/swallowing_port.h"
#include "tests/daemon/tls_front.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kClientPatience = 60s;  // for a hung program, not for a slow machine

/// A client's address that trusts what is in this file.
HttpClient::Address trusting(const std::string& url, const std::string& authorities) {
    auto address = HttpClient::address_of_url(url);
    REQUIRE_MESSAGE(address, url);
    CHECK(address->https);
    auto tls = HttpTls::make({.authorities = {"the-ca", Certificates::file(authorities)}});
    REQUIRE_MESSAGE(tls, tls.error().text);
    address->tls = *std::move(tls);
    return *std::move(address);
}

HttpClient tls_client(const std::string& url) {
    auto client = HttpClient::connect(trusting(url, "ca.pem"), kClientPatience);
    REQUIRE_MESSAGE(client, client.error().text);
    return *std::move(client);
}

TEST_CASE("an address says whether it is one of TLS, and each kind has its own port") {
    struct Row {
        const char* url;
        bool https;
        std::uint16_t port;
        const char* shown;
    };
    for (const Row& row : {Row{"http://a", false, 80, "a:80"}, Row{"https://a/b:1", true, 443, "a:443"},
                           Row{"https://[::1]:8443/x", true, 8443, "[::1]:8443"},
                           Row{"http://127.0.0.1:3000", false, 3000, "127.0.0.1:3000"}}) {
        CAPTURE(row.url);
        const auto address = HttpClient::address_of_url(row.url);
        REQUIRE(address);
        CHECK(address->https == row.https);
        CHECK(address->port == row.port);
        CHECK(address->host_and_port() == row.shown);
    }
    for (const char* url : {"https://", "https:///x", "https://u:hush@h", "https://h:0", "tls://h:1"}) {
        CAPTURE(url);
        const auto address = HttpClient::address_of_url(url);
        REQUIRE(!address);
        CHECK(address.error().text.find("hush") == std::string::npos);
    }
}

TEST_CASE("over TLS all goes both ways: large, pipelined, piece by piece, and to the end of a connection") {
    Receiver echo([](const Request& request, std::size_t) { return Response{.body = request.body}; });
    TlsFront front(echo.port());
    HttpClient client = tls_client(front.url());
    for (const std::size_t size : {0u, 1u, 16'384u, 16'385u, 65'536u, 3u << 20}) {
        std::string body(size, 'x');
        for (std::size_t i = 0; i < size; i += 997) body[i] = static_cast<char>('a' + i % 26);
        const auto answer = client.post("/", body);
        REQUIRE_MESSAGE(answer, answer.error().text);
        CHECK(answer->body == body);
    }
    for (int i = 0; i < 20; ++i)
        REQUIRE(client.write({.method = "POST", .body = std::string(5'000, static_cast<char>('a' + i))}));
    for (int i = 0; i < 20; ++i) {
        const auto answer = client.read();
        REQUIRE_MESSAGE(answer, answer.error().text);
        CHECK(answer->body == std::string(5'000, static_cast<char>('a' + i)));
    }
    std::string pieces;
    const auto streamed = client.stream({.method = "POST", .body = std::string(200'000, 'y')},
                                        [&](std::string_view piece) {
                                            pieces += piece;
                                            return true;
                                        });
    REQUIRE_MESSAGE(streamed, streamed.error().text);
    CHECK(pieces == std::string(200'000, 'y'));
    CHECK(front.count("connection") == 1);

    // Without a length, the end of the connection ends the answer; whoever cuts the wire does not.
    for (const bool rude : {false, true}) {
        CAPTURE(rude);
        Parrot peer("HTTP/1.1 200 OK\r\n\r\nall of it", true);
        TlsFront before(peer.port(), {.more = rude ? std::vector<std::string>{"--rude"}
                                                   : std::vector<std::string>{}});
        const auto answer = tls_client(before.url()).get("/");
        CHECK(bool(answer) == !rude);
        if (answer) CHECK(answer->body == "all of it");
        if (!answer) CHECK(answer.error().code == Errc::io);
    }
}

TEST_CASE("whoever cannot be trusted is asked nothing") {
    Receiver receiver;
    TlsFront front(receiver.port());
    const auto other = HttpClient::connect(trusting(front.url(), "other-ca.pem"), kClientPatience);
    REQUIRE(!other);
    CHECK(other.error().code == Errc::malformed);
    CHECK_MESSAGE(other.error().text.starts_with("no TLS with localhost:"), other.error().text);
    CHECK(other.error().text.find("the-ca") != std::string::npos);

    const std::string plain = "https://127.0.0.1:" + std::to_string(receiver.port());
    const auto without = HttpClient::connect(trusting(plain, "ca.pem"), kClientPatience);
    REQUIRE(!without);
    CHECK(without.error().code == Errc::malformed);
    CHECK(without.error().text.find("has no TLS at that port") != std::string::npos);

    TlsFront elsewhere(receiver.port(), {.certificate = "elsewhere"});
    const auto another = HttpClient::connect(trusting(elsewhere.url(), "ca.pem"), kClientPatience);
    REQUIRE(!another);
    CHECK(another.error().text.find("of another host") != std::string::npos);
    CHECK(receiver.requests().empty());
}

TEST_CASE("what a server says before it hangs up is heard, also when that is noticed in sending") {
    Receiver receiver;
    TlsFront front(receiver.port(), {.more = {"--trust", Certificates::file("ca.pem")}});
    HttpClient client = tls_client(front.url());  // TLS 1.3 is done here before the server has looked
    const auto until = std::chrono::steady_clock::now() + kClientPatience;
    while (front.log().find("trouble") == std::string::npos) {
        REQUIRE(std::chrono::steady_clock::now() < until);
        std::this_thread::sleep_for(5ms);
    }
    const auto answer = client.post("/", std::string(4u << 20, 'x'));
    REQUIRE(!answer);
    CHECK(answer.error().code == Errc::io);
    CHECK_MESSAGE(answer.error().text.find("it is shown none") != std::string::npos, answer.error().text);
    CHECK(receiver.requests().empty());
}

TEST_CASE("who swallows packets, or never answers a handshake, is given up when the time is over") {
    const SwallowingPort nowhere;
    auto connecting = HttpClient::connect({.host = "127.0.0.1", .port = nowhere.port()}, 300ms);
    REQUIRE(!connecting);
    CHECK(connecting.error().code == Errc::unavailable);
    CHECK(connecting.error().text.find("no answer within 300 ms") != std::string::npos);

    Parrot silent("");
    const auto shaking = HttpClient::connect(
        trusting("https://127.0.0.1:" + std::to_string(silent.port()), "ca.pem"), 300ms);
    REQUIRE(!shaking);
    CHECK(shaking.error().code == Errc::unavailable);
    CHECK(shaking.error().text.find("no answer within 300 ms") != std::string::npos);
}

}  // namespace
}  // namespace se::test
