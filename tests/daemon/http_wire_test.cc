// HTTP over real sockets, against the real program.

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <thread>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/daemon/mcp_request.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

/// A daemon for the tests of one case.
struct Plain {
    explicit Plain(std::vector<std::string> arguments = {},
                   std::vector<std::string> environment = {})
        : daemon({.data = folder.path() + "/data",
                  .arguments = std::move(arguments),
                  .environment = std::move(environment)}) {
        daemon.start();
    }
    TemporaryDirectory folder;
    DaemonProcess daemon;
};

std::string raw(const std::string& body, const std::string& more = "") {
    return "POST /v1/mutations HTTP/1.1\r\nHost: localhost\r\n" + more +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

HttpAnswer answered(Result<HttpAnswer> answer) {
    REQUIRE_MESSAGE(answer, answer.error().text);
    return *std::move(answer);
}

TEST_CASE("a pipelined pair is answered in order wherever the network splits it") {
    Plain served;
    HttpClient client = served.daemon.tcp();
    std::int64_t expected = 0;
    const std::string shape = raw(set_text("k", "0"));
    for (std::size_t split = 1; split < 2 * shape.size(); split += 3) {
        const std::string pair = raw(set_text("k", "1")) + raw(set_text("k", "2"));
        REQUIRE(client.write_raw(std::string_view(pair).substr(0, split)));
        if (split % 5 == 0) std::this_thread::sleep_for(1ms);
        REQUIRE(client.write_raw(std::string_view(pair).substr(split)));
        for (int i = 0; i < 2; ++i) {
            const Json answer = json_of(answered(client.read()).body);
            REQUIRE(answer.find("version")->integer() == ++expected);
        }
    }
}

TEST_CASE("answers keep the order of the requests when reads overtake writes inside") {
    Plain served;
    HttpClient client = served.daemon.tcp();
    std::string text;
    for (int i = 1; i <= 100; ++i) {
        text += raw(set_text("k", std::to_string(i)));
        text += "GET /v1/state/none HTTP/1.1\r\nHost: localhost\r\n\r\n";
    }
    REQUIRE(client.write_raw(text));
    for (int i = 1; i <= 100; ++i) {
        REQUIRE(json_of(answered(client.read()).body).find("version")->integer() == i);
        REQUIRE(answered(client.read()).status == 404);
    }
}

TEST_CASE("many more requests than may be under way are all answered") {
    Plain served({"--set", "http.pipeline=4"});
    HttpClient client = served.daemon.tcp();
    std::string text;
    for (int i = 0; i < 500; ++i) text += raw(set_text("k", std::to_string(i)));
    std::thread writer([&] { CHECK(client.write_raw(text)); });
    for (int i = 1; i <= 500; ++i)
        REQUIRE(json_of(answered(client.read()).body).find("version")->integer() == i);
    writer.join();
}

TEST_CASE("a client sends no line break within a target or a header") {
    Plain served;
    HttpClient client = served.daemon.socket();
    const std::string hostile[] = {"a\r\nx-user-id: root", "a\nb", std::string("a\0b", 3)};
    for (const std::string& text : hostile) {
        const HttpClient::Request requests[] = {{.target = "/v1/state/" + text},
                                                {.target = "/livez", .headers = {{"x-user-id", text}}},
                                                {.target = "/livez", .headers = {{text, "a"}}}};
        for (const HttpClient::Request& request : requests) {
            const auto answer = client.send(request);
            REQUIRE(!answer);
            CHECK(answer.error().code == Errc::malformed);
        }
    }
    CHECK(answered(client.get("/livez")).status == 200);  // nothing was sent of them
}

TEST_CASE("a chunked body, a half-closed client, HTTP/1.0 and HEAD are understood") {
    Plain served;
    const std::string body = set_text("k", "1");
    {
        HttpClient client = served.daemon.tcp();
        std::string text =
            "POST /v1/mutations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (const char c : body) text += std::string("1\r\n") + c + "\r\n";
        REQUIRE(client.write_raw(text + "0\r\n\r\n"));
        CHECK(answered(client.read()).status == 200);
    }
    {
        HttpClient client = served.daemon.tcp();
        REQUIRE(client.write_raw(raw(body) + raw(body)));
        client.shut_write();
        const auto all = client.read_raw_to_end();
        REQUIRE(all);
        CHECK(all->find("\"version\":2") != all->npos);
        CHECK(all->find("\"version\":3") != all->npos);
    }
    {
        HttpClient client = served.daemon.tcp();
        REQUIRE(client.write_raw("GET /v1/state/k HTTP/1.0\r\n\r\n"));
        const auto all = client.read_raw_to_end();  // it hangs up by itself
        REQUIRE(all);
        CHECK(all->find("Connection: close") != all->npos);
    }
    HttpClient client = served.daemon.tcp();
    const HttpAnswer head = answered(client.send({.method = "HEAD", .target = "/v1/state/k"}));
    const HttpAnswer full =
        answered(client.get("/v1/state/k"));  // on the same connection: no body lay between
    CHECK(head.body.empty());
    CHECK(head.header("content-length") == full.header("content-length"));
    CHECK(head.header("etag") == full.header("etag"));
}

TEST_CASE("a client that has shut its side gets all of its answers, however large they are") {
    Plain served;
    HttpClient client = served.daemon.tcp();
    const std::string large = "\"" + std::string(500'000, 'x') + "\"";
    REQUIRE(answered(client.post("/v1/mutations", set_text("large", large))).status == 200);
    constexpr std::size_t kRequests = 60;
    std::string text;
    for (std::size_t i = 0; i < kRequests; ++i)
        text += "GET /v1/state/large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    REQUIRE(client.write_raw(text));
    client.shut_write();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // until no more can be sent
    const auto all = client.read_raw_to_end();
    REQUIRE(all);
    std::size_t answers = 0;
    for (std::size_t at = 0; (at = all->find("HTTP/1.1 200", at)) != all->npos; ++at) ++answers;
    CHECK(answers == kRequests);
}

TEST_CASE("Expect: 100-continue is answered before the body") {
    Plain served;
    HttpClient client = served.daemon.tcp();
    const std::string body = set_text("k", "1");
    REQUIRE(client.write_raw("POST /v1/mutations HTTP/1.1\r\nHost: a.localhost\r\nExpect: 100-continue\r\n"
                             "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n"));
    char first[25] = {};
    REQUIRE(::recv(client.descriptor(), first, sizeof first, MSG_WAITALL) == sizeof first);
    CHECK(std::string(first, sizeof first) == "HTTP/1.1 100 Continue\r\n\r\n");
    REQUIRE(client.write_raw(body));
    CHECK(answered(client.read()).status == 200);
}

TEST_CASE("what is over a limit is answered and hung up on") {
    Plain served({"--set", "http.body_bytes=64KiB"});
    struct Row {
        std::string text;
        int status;
    };
    const Row rows[] = {
        {"POST /v1/mutations HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 70000\r\n\r\n" +
             std::string(70'000, 'x'), 413},
        {"GET / HTTP/1.1\r\nHost: a.localhost\r\nx: " + std::string(20'000, 'x') + "\r\n\r\n", 431},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"\x16\x03\x01", 400},  // TLS
    };
    for (const Row& row : rows) {
        CAPTURE(row.status);
        HttpClient client = served.daemon.tcp();
        // The good request before it is answered first.
        REQUIRE(client.write_raw(raw(set_text("k", "1"))));
        REQUIRE(client.write_raw(row.text));
        CHECK(answered(client.read()).status == 200);
        const HttpAnswer answer = answered(client.read());
        CHECK(answer.status == row.status);
        CHECK(answer.header("connection") == "close");
        CHECK(json_of(answer.body).find("code") != nullptr);
        const auto rest = client.read_raw_to_end();
        CHECK(rest);
        CHECK(rest->empty());
    }
}

TEST_CASE("a proposal whose body is over the limit is refused like any other, and journaled") {
    Plain served({"--set", "http.body_bytes=64KiB"});
    const std::string large(70'000, 'x');
    const auto refused = [&](const std::string& text) {
        HttpClient client = served.daemon.tcp();
        REQUIRE(client.write_raw(text));
        HttpAnswer answer = answered(client.read());
        CHECK(answer.status == 413);
        CHECK(json_of(answer.body).find("code")->string() == "too_large");
        return json_of(answer.body);
    };
    const Json announced = refused(raw(large));
    CHECK(announced.find("status")->string() == "rejected");
    CHECK(announced.find("seq")->integer() > 0);
    // In pieces nobody knows its size before it is there.
    const Json chunked = refused("POST /v1/mutations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked"
                                 "\r\n\r\n11170\r\n" + large);
    CHECK(chunked.find("seq")->integer() == announced.find("seq")->integer() + 1);
    // Nothing is meant by a dry run, and only a proposal is a proposal.
    const Json dry = refused("POST /v1/mutations?dryRun=true HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                             "70000\r\n\r\n");
    CHECK(dry.find("seq")->integer() == 0);
    CHECK(refused("GET /v1/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n").find("seq") ==
          nullptr);
    CHECK(served.daemon.stop() == 0);
    int journaled = 0;
    for (const Json& record : records_of(served.daemon.data())) {
        if (record.find("code") == nullptr) continue;
        CHECK(record.find("code")->string() == "too_large");
        CHECK(record.find("body")->find("message")->string() == "the body is over 65536 bytes");
        ++journaled;
    }
    CHECK(journaled == 2);
}

TEST_CASE("a header or a body that dawdles is cut, an idle connection closed") {
    Plain served({"--set", "http.header_timeout=300ms", "--set", "http.idle_timeout=600ms"});
    HttpClient header = served.daemon.tcp();
    HttpClient body = served.daemon.tcp();
    HttpClient idle = served.daemon.tcp();
    REQUIRE(header.write_raw("GET / HTTP/1.1\r\nHost: a"));
    REQUIRE(body.write_raw("POST /v1/mutations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"));
    CHECK(answered(header.read()).status == 408);
    CHECK(answered(body.read()).status == 408);
    const auto rest = idle.read_raw_to_end();
    REQUIRE(rest);
    CHECK(rest->empty());
}

TEST_CASE("a client that stops reading its answer is cut off, one that reads on is not") {
    Plain served({"--set", "http.idle_timeout=2s"});
    HttpClient writer = served.daemon.tcp();
    const std::string large = "\"" + std::string(500'000, 'x') + "\"";
    REQUIRE(answered(writer.post("/v1/mutations", set_text("large", large))).status == 200);
    HttpClient deaf = served.daemon.tcp();
    std::string wanted;
    for (int i = 0; i < 100; ++i) wanted += "GET /v1/state/large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    REQUIRE(deaf.write_raw(wanted));
    HttpClient slow = served.daemon.tcp();
    REQUIRE(slow.write_raw(wanted));
    for (int i = 0; i < 100; ++i) {
        REQUIRE(answered(slow.read()).body.size() > 500'000);
        std::this_thread::sleep_for(40ms);
    }
    const auto rest = deaf.read_raw_to_end();
    CHECK((!rest || rest->size() < 50'000'000));
}

TEST_CASE("one connection too many is told so") {
    Plain served({"--set", "http.connections=3"});
    std::vector<HttpClient> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(served.daemon.tcp());
        REQUIRE(answered(clients.back().get("/livez")).status == 200);
    }
    HttpClient fourth = served.daemon.tcp();
    const HttpAnswer refused = answered(fourth.read());
    CHECK(refused.status == 503);
    CHECK(json_of(refused.body).find("reason")->string() == "overloaded");
    clients.pop_back();
    for (int i = 0;; ++i) {  // the place is free once the hang-up was seen
        HttpClient again = served.daemon.tcp();
        if (answered(again.get("/livez")).status == 200) break;
        REQUIRE(i < 1000);
        std::this_thread::sleep_for(5ms);
    }
}

TEST_CASE("lines are answered in order while they are still worked through") {
    Plain served;
    std::string body;
    constexpr int kLines = 20'000;
    for (int i = 0; i < kLines; ++i)
        body += i % 10 == 9 ? "{bad\n" : set_text("k" + std::to_string(i % 7), std::to_string(i)) + "\n";
    HttpClient client = served.daemon.tcp();
    const HttpAnswer answer = answered(client.post("/v1/mutations", body, "application/x-ndjson"));
    CHECK(answer.status == 200);
    int lines = 0;
    std::int64_t last_seq = 0;
    std::string_view rest = answer.body;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        REQUIRE(end != rest.npos);
        const Json line = json_of(rest.substr(0, end));
        rest.remove_prefix(end + 1);
        const bool accepted = line.find("status")->string() == "accepted";
        REQUIRE(accepted == (lines % 10 != 9));
        if (accepted) {
            REQUIRE(line.find("seq")->integer() > last_seq);
            last_seq = line.find("seq")->integer();
            REQUIRE(line.find("key")->string() == "k" + std::to_string(lines % 7));
        }
        ++lines;
    }
    CHECK(lines == kLines);
    CHECK(answered(client.get("/livez")).status == 200);  // the connection goes on
}

TEST_CASE("a client that reads nothing holds up nobody, and memory stays bounded") {
    Plain served;
    HttpClient reader = served.daemon.tcp();
    const std::string large = "\"" + std::string(500'000, 'x') + "\"";
    REQUIRE(answered(reader.post("/v1/mutations", set_text("large", large))).status == 200);
    HttpClient deaf = served.daemon.tcp();
    for (int i = 0; i < 2000; ++i)  // a gigabyte, if it were all made
        REQUIRE(deaf.write_raw("GET /v1/state/large HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    for (int i = 0; i < 50; ++i)
        REQUIRE(answered(reader.post("/v1/mutations", set_text("k", "1"))).status == 200);
    const std::string metrics = answered(reader.get("/metrics")).body;
    const std::string name = "\nstate_engine_http_sent_bytes_total ";
    const std::size_t at = metrics.find(name);
    REQUIRE(at != metrics.npos);
    CHECK(std::stoull(metrics.substr(at + name.size())) < 100'000'000);
}

TEST_CASE("the unix socket is the operator's alone") {
    Plain served({}, {"MCP_AUTH_TOKEN=s3cret"});
    struct stat status {};
    REQUIRE(::stat((served.daemon.data() + "/engine.sock").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    HttpClient tcp = served.daemon.tcp();
    CHECK(answered(tcp.get("/v1/state/a")).status == 401);
    CHECK(answered(tcp.get("/v1/state/a?token=s3cret")).status == 404);
    CHECK(answered(tcp.get("/v1/operator/status?token=s3cret")).status == 403);
    HttpClient socket = served.daemon.socket();
    CHECK(answered(socket.get("/v1/state/a")).status == 404);
    CHECK(answered(socket.get("/v1/operator/status")).status == 200);
    CHECK(served.daemon.log().find("s3cret") == std::string::npos);
}

std::uint64_t http_metric(const DaemonProcess& daemon, const std::string& name) {
    HttpClient client = daemon.tcp();
    const std::string metrics = answered(client.get("/metrics")).body;
    const std::size_t at = metrics.find("\nstate_engine_http_" + name + " ");
    REQUIRE(at != metrics.npos);
    return std::stoull(metrics.substr(metrics.find(' ', at) + 1));
}

TEST_CASE("bodies of requests that wait for their answer are bounded like those that still come") {
    Plain served({"--set", "http.body_bytes=1MiB"});
    std::string lines;
    while (lines.size() < 1'000'000) lines += set_text("k", "1") + "\n";
    const std::string length = "Content-Length: " + std::to_string(lines.size()) + "\r\n\r\n";
    const std::string heads[] = {
        "GET /v1/state/k?min_seq=100000000&timeout=60s HTTP/1.1\r\nHost: localhost\r\n",
        "POST /v1/mutations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"};
    for (const std::string& head : heads) {
        CAPTURE(head);
        const std::uint64_t before = http_metric(served.daemon, "received_bytes_total");
        HttpClient client = served.daemon.tcp();  // reads nothing
        client.set_timeout(500ms);
        bool all = true;
        for (int i = 0; i < 64 && all; ++i)
            all = static_cast<bool>(client.write_raw(head + length + lines));
        CHECK(!all);
        CHECK(http_metric(served.daemon, "received_bytes_total") - before < 8'000'000);
    }
    // Whoever has gone holds nothing any more.
    HttpClient client = served.daemon.tcp();
    CHECK(answered(client.post("/v1/mutations", lines, "application/x-ndjson")).status == 200);
}

TEST_CASE("event streams whose reader does not read are made no further ahead than other answers") {
    Plain served;
    HttpClient reader = served.daemon.tcp();
    const std::string large = "\"" + std::string(500'000, 'x') + "\"";
    REQUIRE(answered(reader.post("/v1/mutations", set_text("large", large))).status == 200);
    HttpClient::Request call = mcp_call("get_state", R"({"keys":["large"]})");
    for (auto& [name, value] : call.headers)
        if (name == "Accept") value = "text/event-stream, application/json";
    HttpClient client = served.daemon.tcp();
    for (int i = 0; i < 100; ++i) REQUIRE(client.write(call));
    for (int i = 0; i < 50; ++i)
        REQUIRE(answered(reader.post("/v1/mutations", set_text("k", "1"))).status == 200);
    CHECK(http_metric(served.daemon, "requests_total") < 100);
    for (int i = 0; i < 100; ++i) {
        const HttpAnswer answer = answered(client.read());
        REQUIRE(answer.header("content-type") == "text/event-stream");
        REQUIRE(answer.body.size() > 1'000'000);
    }
}

TEST_CASE("a body that comes a byte now and then has an end, too") {
    Plain served({"--set", "http.idle_timeout=200ms"});
    HttpClient client = served.daemon.tcp();
    REQUIRE(client.write_raw("POST /v1/mutations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400\r\n\r\n"));
    for (int i = 0; i < 400 && !client.readable(); ++i) {
        REQUIRE(client.write_raw("x"));
        std::this_thread::sleep_for(20ms);
    }
    CHECK(answered(client.read()).status == 408);
}

TEST_CASE("however many come by TCP, the operator comes in at the socket") {
    Plain served({"--set", "http.connections=3"});
    std::vector<HttpClient> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(served.daemon.tcp());
        REQUIRE(answered(clients.back().get("/livez")).status == 200);
    }
    std::vector<HttpClient> turned_away;
    for (int i = 0; i < 100; ++i) turned_away.push_back(served.daemon.tcp());
    CHECK(answered(turned_away.front().read()).status == 503);
    HttpClient socket = served.daemon.socket();
    CHECK(answered(socket.get("/v1/operator/status")).status == 200);
}

TEST_CASE("out of descriptors neither door is lost: both go on when there are some again") {
    Plain served;
    answered(served.daemon.tcp().get("/livez"));
    const std::filesystem::directory_iterator open_now("/proc/" + std::to_string(served.daemon.process()) + "/fd");
    const auto count = static_cast<rlim_t>(std::distance(begin(open_now), end(open_now)));
    rlimit before{};
    REQUIRE(::prlimit(served.daemon.process(), RLIMIT_NOFILE, nullptr, &before) == 0);
    const rlimit tight{.rlim_cur = std::min<rlim_t>(count, before.rlim_max), .rlim_max = before.rlim_max};
    REQUIRE(::prlimit(served.daemon.process(), RLIMIT_NOFILE, &tight, nullptr) == 0);
    // Until no place is free: what the daemon had closed a moment ago may be one.
    std::vector<HttpClient> tcp, local;
    while (served.daemon.log().find("accept_error") == std::string::npos) {
        tcp.push_back(served.daemon.tcp());
        local.push_back(served.daemon.socket());
        std::this_thread::sleep_for(20ms);
    }
    tcp.push_back(served.daemon.tcp());
    local.push_back(served.daemon.socket());
    std::this_thread::sleep_for(250ms);  // both doors have tried, each more than once
    REQUIRE(::prlimit(served.daemon.process(), RLIMIT_NOFILE, &before, nullptr) == 0);
    CHECK(answered(tcp.back().get("/livez")).status == 200);
    CHECK(answered(local.back().get("/livez")).status == 200);
}

TEST_CASE("promtool takes the metrics") {
    if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
        std::puts("SKIP: promtool takes the metrics: promtool is not installed");
        return;
    }
    Plain served;
    HttpClient client = served.daemon.tcp();
    answered(client.post("/v1/mutations", set_text("k", "1")));
    answered(client.post("/v1/mutations", "{"));
    const HttpAnswer metrics = answered(client.get("/metrics"));
    CHECK(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    const std::string file = served.folder.path() + "/metrics";
    write_text(file, metrics.body);
    CHECK(std::system(("promtool check metrics < " + file + " >" + file + ".out 2>&1").c_str()) == 0);
}

TEST_CASE("a follower hears of changes as they happen, and goes on over a restart") {
    Plain served;
    HttpClient writer = served.daemon.tcp();
    answered(writer.post("/v1/mutations", set_text("a", "1")));
    std::string heard, last_id;
    const auto follow = [&](HttpClient& feed, const std::string& from, int changes) {
        std::string text;
        const auto answer = feed.stream(
            {.target = "/v1/changes", .headers = {{"Last-Event-ID", from}}},
            [&](std::string_view piece) {
                text += piece;
                int seen = 0;
                for (std::size_t at = 0; (at = text.find("event: change", at)) != text.npos; ++at) ++seen;
                return seen < changes || !text.ends_with("\n\n");
            });
        REQUIRE(answer);
        const std::size_t id = text.rfind("id: ");
        last_id = text.substr(id + 4, text.find('\n', id) - id - 4);
        heard += text;
    };
    {
        HttpClient feed = served.daemon.tcp();
        std::thread later([&] {
            std::this_thread::sleep_for(50ms);
            answered(writer.post("/v1/mutations", set_text("a", "2")));
        });
        follow(feed, "0.0", 2);
        later.join();
    }
    answered(writer.post("/v1/mutations", set_text("a", "3")));
    CHECK(served.daemon.stop() == 0);
    served.daemon.start();
    HttpClient feed = served.daemon.tcp();
    follow(feed, last_id, 1);
    for (const char* value : {"\"value\":1", "\"value\":2", "\"value\":3"}) {
        const std::size_t first = heard.find(value);
        REQUIRE(first != heard.npos);
        CHECK(heard.find(value, first + 1) == heard.npos);
    }
}

TEST_CASE("a hundred followers all hear of a change") {
    Plain served;
    std::vector<HttpClient> feeds;
    for (int i = 0; i < 100; ++i) {
        feeds.push_back(served.daemon.tcp());
        REQUIRE(feeds.back().write({.target = "/v1/changes?since=0.0"}));
    }
    HttpClient writer = served.daemon.tcp();
    answered(writer.post("/v1/mutations", set_text("a", "\"here\"")));
    for (HttpClient& feed : feeds) {
        std::string text;
        char piece[4096];
        while (text.find("\"here\"") == text.npos) {
            const ssize_t got = ::recv(feed.descriptor(), piece, sizeof piece, 0);
            REQUIRE(got > 0);
            text.append(piece, static_cast<std::size_t>(got));
        }
    }
}

}  // namespace
}  // namespace se::test
