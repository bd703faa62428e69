// Where a request ends, whatever pieces it comes in.

#include "engine/adapters/http_parser.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace se {
namespace {

constexpr HttpParser::Limits kLimits{.header_bytes = 512, .body_bytes = 64};

struct Read {
    std::vector<Request> requests;
    int problem = 0;  ///< status, when it came to that
};

/// Feeds `pieces` as a connection does: what the parser leaves is shown again with more behind it.
Read read_all(const std::vector<std::string>& pieces, HttpParser::Limits limits = kLimits) {
    Read read;
    HttpParser parser(limits);
    std::string held;
    for (const std::string& piece : pieces) {
        held += piece;
        for (;;) {
            const std::size_t used = parser.feed(held);
            held.erase(0, used);
            if (parser.state() == HttpParser::State::failed) {
                read.problem = parser.problem().status;
                return read;
            }
            if (parser.state() != HttpParser::State::done) break;
            read.requests.push_back(parser.take());
        }
    }
    return read;
}

std::vector<std::string> bytewise(const std::string& text) {
    std::vector<std::string> pieces;
    for (const char c : text) pieces.emplace_back(1, c);
    return pieces;
}

const std::string kPair =
    "\r\nPOST /v1/mutations?dryRun=true HTTP/1.1\r\nHost: a\r\nContent-Type:  application/json \r\n"
    "Content-Length: 11\r\n\r\n{\"a\":\"\r\n\"}\n"
    "POST /b HTTP/1.1\r\nhOST: b\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3;x=y\r\nabc\r\n00A\r\n0123456789\r\n0\r\nAuthorization: Bearer sneaked\r\n\r\n"
    "GET /c HTTP/1.0\r\n\r\n";

void check_pair(const Read& read) {
    REQUIRE(read.problem == 0);
    REQUIRE(read.requests.size() == 3);
    CHECK(read.requests[0].method == "POST");
    CHECK(read.requests[0].target == "/v1/mutations?dryRun=true");
    CHECK(read.requests[0].header("content-type") == "application/json");
    CHECK(read.requests[0].body == "{\"a\":\"\r\n\"}\n");
    CHECK(read.requests[1].header("host") == "b");
    CHECK(read.requests[1].body == "abc0123456789");
    CHECK(read.requests[1].header("authorization").empty());  // a trailer says nothing
    CHECK(read.requests[2].target == "/c");
}

TEST_CASE("pipelined requests are the same at every split into two and byte by byte") {
    check_pair(read_all({kPair}));
    check_pair(read_all(bytewise(kPair)));
    for (std::size_t at = 0; at <= kPair.size(); ++at) {
        CAPTURE(at);
        check_pair(read_all({kPair.substr(0, at), kPair.substr(at)}));
    }
}

TEST_CASE("every prefix of a request is no request and no mistake") {
    const std::string one = kPair.substr(0, kPair.find("GET /c"));
    for (std::size_t size = 0; size < one.size(); ++size) {
        CAPTURE(size);
        const Read read = read_all({one.substr(0, size)});
        CHECK(read.problem == 0);
        CHECK(read.requests.size() <= 1);
    }
}

TEST_CASE("what two readers could understand differently is refused, in one piece or in many") {
    struct Row {
        std::string text;
        int status;
    };
    const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
    const Row rows[] = {
        {"hello\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},                            // no Host
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},      // two
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},                // blank before the colon
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
        {post + "Content-Length: 3, 4\r\n\r\nabcd", 400},
        {post + "Content-Length: -1\r\n\r\n", 400},
        {post + "Content-Length: 1x\r\n\r\n", 400},
        {post + "Content-Length: +1\r\n\r\na", 400},
        {post + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
        {post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
        {post + "Transfer-Encoding: gzip\r\n\r\n", 501},
        {post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {post + "Transfer-Encoding: chunked, chunked\r\n\r\n", 501},
        {post + "Transfer-Encoding: xchunked\r\n\r\n", 501},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
        {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
        {post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n", 400},
        {post + "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", 400},
        {post + "Content-Length: 65\r\n\r\n", 413},
        {post + "Transfer-Encoding: chunked\r\n\r\n41\r\n", 413},
        {post + "Transfer-Encoding: chunked\r\n\r\n20\r\n" + std::string(32, 'x') +
             "\r\n20\r\n" + std::string(32, 'x') + "\r\n1\r\n", 413},
        {"GET /" + std::string(600, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", 431},
        {"GET / HTTP/1.1\r\nHost: a\r\nx: " + std::string(600, 'x') + "\r\n\r\n", 431},
        {post + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(600, 'x'), 431},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(read_all({row.text}).problem == row.status);
        CHECK(read_all(bytewise(row.text)).problem == row.status);
    }
}

TEST_CASE("lines that end in a bare line feed are never a request") {
    const std::string text = "GET / HTTP/1.1\nHost: a\n\n";
    CHECK(read_all({text}).requests.empty());
    CHECK(read_all(bytewise(text)).requests.empty());
    CHECK(read_all({"GET / HTTP/1.1\r\nHost: a\n\n"}).requests.empty());
}

TEST_CASE("a header that never ends is cut, however short its lines are") {
    std::vector<std::string> pieces = {"GET / HTTP/1.1\r\nHost: a\r\n"};
    for (int i = 0; i < 100; ++i) pieces.emplace_back("x: y\r\n");
    CHECK(read_all(pieces).problem == 431);
    pieces = {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"};
    for (int i = 0; i < 200; ++i) pieces.emplace_back("x: y\r\n");
    CHECK(read_all(pieces).problem == 431);
}

TEST_CASE("a chunked body of nothing may come in any pieces") {
    const std::string text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    CHECK(read_all(bytewise(text)).requests.size() == 1);
    for (std::size_t a = text.size() - 7; a <= text.size(); ++a)
        for (std::size_t b = a; b <= text.size(); ++b)
            CHECK(read_all({text.substr(0, a), text.substr(a, b - a), text.substr(b)}).requests.size() == 1);
}

TEST_CASE("sizes just within the limits are fine") {
    const std::string body(64, 'b');
    CHECK(read_all({"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 64\r\n\r\n" + body}).requests.size() == 1);
    CHECK(read_all(bytewise("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" +
                            body + "\r\n0\r\n\r\n"))
              .requests.size() == 1);
}

}  // namespace
}  // namespace se
