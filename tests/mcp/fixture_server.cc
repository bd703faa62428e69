// A server for the conformance suites: the real transports over the fixture registry, on loopback.
//
//     mcp_fixture        takes a free port, prints its URL on the first line, serves until SIGTERM

#include <algorithm>
#include <csignal>
#include <iostream>
#include <vector>

#include "engine/adapters/http_server.h"
#include "engine/adapters/posix_clock.h"
#include "engine/adapters/posix_random.h"
#include "engine/api/gate.h"
#include "mcp/http_door.h"
#include "tests/mcp/fixture_registry.h"

namespace {

using namespace se;

struct Timer {
    std::chrono::nanoseconds due;
    std::function<void()> job;
};

}  // namespace

int main() {
    PosixClock clock;
    PosixRandom random;
    NoLog log;
    HttpLoop loop;
    std::vector<Timer> timers;
    mcp::test::FixtureRegistry fixture([&](std::chrono::milliseconds wait, std::function<void()> job) {
        timers.push_back({clock.monotonic() + wait, std::move(job)});
        loop.set_alarm(wait);
    });
    mcp::Server server(fixture.registry, clock, random);

    const Settings settings;  // an open loopback: who comes in is decided as by the daemon
    const Gate gate(settings);
    mcp::HttpDoor door({.server = server,
                        .clock = clock,
                        .random = random,
                        .admit = [&](const Request& request, Caller* caller) -> std::optional<Problem> {
                            if (auto problem = gate.check_origin(request)) return problem;
                            return gate.identify(request, "", caller);
                        },
                        .tick_within = [&](std::chrono::nanoseconds wait) { loop.set_alarm(wait); }});
    HttpServer http(
        loop, HttpServer::Options{},
        [&](Request&& request, const Api::Reply& reply) {
            if (mcp::HttpDoor::serves(request.target)) return door.handle(std::move(request), reply);
            reply(to_response({.status = 404, .code = Code::not_found, .message = "POST /mcp, GET /sse"}));
        },
        log);
    loop.on_alarm([&] {
        const auto now = clock.monotonic();
        std::vector<Timer> due;
        std::erase_if(timers, [&](Timer& timer) {
            if (timer.due > now) return false;
            due.push_back(std::move(timer));
            return true;
        });
        std::chrono::nanoseconds next = std::chrono::seconds(1);
        http.batch([&] {
            for (const Timer& timer : due) timer.job();
            next = std::min(next, door.tick());
        });
        for (const Timer& timer : timers) next = std::min(next, timer.due - now);
        loop.set_alarm(std::max<std::chrono::nanoseconds>(next, std::chrono::milliseconds(1)));
    });
    loop.on_signals({SIGTERM, SIGINT}, [&](int) { loop.stop(); });
    if (const auto bound = http.bind("127.0.0.1", 0); !bound) {
        std::cerr << "mcp_fixture: " << bound.error().text << '\n';
        return 1;
    }
    http.serve();
    std::cout << "http://127.0.0.1:" << http.port() << "/mcp" << std::endl;
    loop.set_alarm(std::chrono::seconds(1));
    loop.run();
    http.stop_serving();
    return 0;
}
