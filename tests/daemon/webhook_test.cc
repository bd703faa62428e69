// The webhook as a sink, against a real server: what it sends, and what it makes of answers.

#include "engine/adapters/http_webhook.h"

#include "tests/daemon/hook.h"
#include "tests/daemon/receiver.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;
using Outcome = Delivery::Outcome;

TEST_CASE("a message is a POST with its id, its trace and its body, in order over one connection") {
    Receiver receiver;
    Hook hook(receiver.url(), 5s, "hush");
    const std::string trace = "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01";
    hook.deliver(1, "", trace);
    hook.deliver(2, "s:1:2:rule mit ü%:0", "no trace\r\nX: y");
    hook.deliver(3, "", "00-00000000000000000000000000000000-00f067aa0ba902b7-01");
    for (std::uint64_t i = 4; i <= 50; ++i) hook.deliver(i);
    for (const Delivery& delivery : hook.run(50)) CHECK(delivery.outcome == Outcome::acknowledged);
    const auto requests = receiver.requests();
    REQUIRE(requests.size() == 50);
    CHECK(requests[0].method == "POST");
    CHECK(requests[0].target == "/hook?x=1");
    CHECK(requests[0].header("content-type") == "application/json");
    CHECK(requests[0].header("authorization") == "Bearer hush");
    CHECK(requests[0].header("idempotency-key") == "s:1:1:r:0");
    CHECK(requests[0].header("traceparent") == trace);
    CHECK(requests[0].body == R"({"n":1})");
    CHECK(requests[1].header("idempotency-key") == "s:1:2:rule%20mit%20%C3%BC%25:0");
    CHECK(requests[1].header("traceparent") == "");
    CHECK(requests[2].header("traceparent") == "");
    for (std::size_t i = 0; i < 50; ++i)
        CHECK(requests[i].body == R"({"n":)" + std::to_string(i + 1) + "}");
}

TEST_CASE("an interim answer is none: the one behind it counts") {
    for (const std::string interim :
         {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"}) {
        CAPTURE(interim);
        Parrot peer(interim + interim + "HTTP/1.1 204 No Content\r\n\r\n");
        Hook hook(peer.url());
        hook.deliver(1);
        hook.deliver(2);
        for (const Delivery& told : hook.run(2)) CHECK(told.outcome == Outcome::acknowledged);
    }
}

TEST_CASE("what an answer means") {
    struct Row {
        int status;
        Outcome outcome;
    };
    const Row rows[] = {
        {200, Outcome::acknowledged}, {204, Outcome::acknowledged}, {302, Outcome::outage},
        {400, Outcome::refused},      {401, Outcome::refused},      {404, Outcome::refused},
        {408, Outcome::outage},       {410, Outcome::refused},      {422, Outcome::refused},
        {429, Outcome::outage},       {500, Outcome::outage},       {503, Outcome::outage}};
    for (const Row& row : rows) {
        CAPTURE(row.status);
        Receiver receiver([&](const Request&, std::size_t) {
            return Response{
                .status = row.status, .headers = {{"Retry-After", "7"}}, .body = "hush"};
        });
        Hook hook(receiver.url());
        hook.deliver(1);
        const Delivery told = hook.run(1).at(0);
        CHECK(told.outcome == row.outcome);
        CHECK(told.reason.find("hush") == std::string::npos);
        if (row.outcome != Outcome::acknowledged)
            CHECK(told.reason == "it answered " + std::to_string(row.status));
        CHECK(told.retry_after == (row.outcome == Outcome::outage ? 7s : 0s));
    }
}

TEST_CASE("X2: behind an outage nothing that was handed over before reaches the peer") {
    Receiver receiver([](const Request&, std::size_t number) {
        return Response{.status = number == 1 ? 503 : 200, .body = "{}"};
    });
    Hook hook(receiver.url());
    for (std::uint64_t i = 1; i <= 4; ++i) hook.deliver(i);
    const auto& outcomes = hook.run(4);
    CHECK(outcomes[0].outcome == Outcome::acknowledged);
    for (std::size_t i = 1; i < 4; ++i) {
        CHECK(outcomes[i].outcome == Outcome::outage);
        CHECK(outcomes[i].tried == (i == 1));
    }
    CHECK(receiver.requests().size() == 2);
    hook.deliver(5);
    CHECK(hook.run(5)[4].outcome == Outcome::acknowledged);
}

TEST_CASE("a peer that is not there, or never answers, is an outage within the timeout") {
    std::uint16_t port = 0;
    {
        Receiver gone;
        port = gone.port();
    }
    Hook nobody("http://127.0.0.1:" + std::to_string(port));
    nobody.deliver(1);
    CHECK(nobody.run(1)[0].outcome == Outcome::outage);
    CHECK(nobody.outcomes[0].reason.starts_with("cannot connect: "));

    Receiver silent([](const Request&, std::size_t) { return Response{.status = 0}; });
    Hook hook(silent.url(), 50ms);
    hook.deliver(1);
    hook.deliver(2);
    CHECK(hook.run(2)[0].reason == "no answer within 50 ms");
    CHECK(hook.outcomes[1].outcome == Outcome::outage);
}

TEST_CASE("a kept connection that the peer has closed costs no attempt") {
    auto receiver = std::make_unique<Receiver>();
    const std::uint16_t port = receiver->port();
    Hook hook(receiver->url());
    hook.deliver(1);
    REQUIRE(hook.run(1)[0].outcome == Outcome::acknowledged);
    receiver.reset();
    receiver = std::make_unique<Receiver>(Receiver::Says{}, port);
    hook.deliver(2);
    CHECK(hook.run(2)[1].outcome == Outcome::acknowledged);
    CHECK(receiver->ids() == std::vector<std::string>{"s:1:2:r:0"});
}

TEST_CASE("an answer without end is an outage") {
    Receiver receiver(
        [](const Request&, std::size_t) { return Response{.body = std::string(200'000, 'x')}; });
    Hook hook(receiver.url());
    hook.deliver(1);
    CHECK(hook.run(1)[0].outcome == Outcome::outage);
}

TEST_CASE("going away in the midst of it harms nobody") {
    Receiver receiver([](const Request&, std::size_t) { return Response{.status = 0}; });
    auto hook = std::make_unique<Hook>(receiver.url());
    hook->deliver(1);
    hook->loop.post([&] { hook->loop.stop(); });
    hook->loop.run();
    hook.reset();
    CHECK(true);
}

TEST_CASE("Retry-After is seconds or a date") {
    const Time now = std::chrono::sys_days{std::chrono::year{1994} / 11 / 6} + 8h + 49min;
    CHECK(retry_after_of("120", now) == 120s);
    CHECK(retry_after_of("0", now) == 0s);
    CHECK(retry_after_of("Sun, 06 Nov 1994 08:49:37 GMT", now) == 37s);
    CHECK(retry_after_of("Sun, 06 Nov 1994 08:48:37 GMT", now) == 0s);
    CHECK(retry_after_of("99999999999999999999999", now) == 0s);
    CHECK(retry_after_of("999999999999", now) == 1'000'000s);
    for (const char* text : {"", "soon", "-1", "Sun, 06 Nox 1994 08:49:37 GMT",
                             "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET"})
        CHECK(retry_after_of(text, now) == 0s);
}

TEST_CASE("a url that is none of ours is refused with the reason") {
    CHECK(HttpWebhook::check_url("http://127.0.0.1:8080/a?b=c"));
    CHECK(HttpWebhook::check_url("https://receiver.example/a?b=c"));
    for (const char* url : {"", "ftp://x/", "127.0.0.1", "http:///x", "http://x/a b", "http://x/#y",
                            "https:///x", "https://x/a b", "https://u:p@x/"})
        CHECK_FALSE_MESSAGE(HttpWebhook::check_url(url), url);
}

}  // namespace
}  // namespace se::test
