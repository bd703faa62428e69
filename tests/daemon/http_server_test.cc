// The server in this process: what has to happen at one moment, which the real program cannot be made to do.

#include "engine/adapters/http_server.h"

#include <doctest/doctest.h>

#include <latch>
#include <thread>

#include "engine/adapters/http_client.h"
#include "engine/adapters/http_loop.h"
#include "journal/base/log.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

/// A server whose answer to /slow waits until it may go on, and all else behind it, as there is one thread.
class HeldUpServer {
public:
    explicit HeldUpServer(HttpServer::Options options)
        : server_(
              loop_, options,
              [this](Request&& request, Api::Reply reply) {
                  if (request.target == "/slow") {
                      held_up.count_down();
                      may_go_on.wait();
                  }
                  reply({.body = "{}"});
              },
              log_) {
        const auto bound = server_.bind("127.0.0.1", 0);
        REQUIRE_MESSAGE(bound, bound.error().text);
        server_.serve();
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~HeldUpServer() {
        if (!may_go_on.try_wait()) may_go_on.count_down();  // a test that failed
        loop_.stop();
        thread_.join();
    }
    HeldUpServer(const HeldUpServer&) = delete;
    HeldUpServer& operator=(const HeldUpServer&) = delete;

    HttpClient client() const {
        auto client = HttpClient::connect({.host = "127.0.0.1", .port = server_.port()}, 60s);
        REQUIRE_MESSAGE(client, client.error().text);
        return *std::move(client);
    }

    std::latch held_up{1}, may_go_on{1};

private:
    NoLog log_;
    HttpLoop loop_;
    HttpServer server_;
    std::thread thread_;
};

TEST_CASE("an answer that waits for its turn is not late, however long its client has rested") {
    constexpr auto kWriteTimeout = 200ms;
    HttpServer::Options options;
    options.write_timeout = kWriteTimeout;
    HeldUpServer server(options);
    HttpClient rested = server.client();
    HttpClient busy = server.client();
    REQUIRE(rested.get("/"));
    REQUIRE(busy.get("/"));
    std::this_thread::sleep_for(2 * kWriteTimeout);

    // Both are there when the server has time again: the request, and the look at who takes too long.
    REQUIRE(busy.write({.target = "/slow"}));
    server.held_up.wait();
    REQUIRE(rested.write({.target = "/"}));
    std::this_thread::sleep_for(150ms);  // it looks every 100 ms
    server.may_go_on.count_down();
    const auto answer = rested.read();
    REQUIRE_MESSAGE(answer, answer.error().text);
    CHECK(answer->status == 200);
    CHECK(busy.read());
}

}  // namespace
}  // namespace se::test
