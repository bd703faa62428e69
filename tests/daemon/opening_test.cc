// While the engine opens, the doors are served on another thread: nobody is turned away without an
// answer, and the hand-over loses no request.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

std::uint16_t free_port() {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(probe, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ::close(probe);
    return ntohs(address.sin_port);
}

TEST_CASE("requests while the engine opens are answered, and the first ones behind it too") {
    TemporaryDirectory folder;
    const std::uint16_t port = free_port();
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .arguments = {"--set", "http.port=" + std::to_string(port)}});
    daemon.start();
    {
        HttpClient client = daemon.tcp();
        for (int i = 0; i < 300; ++i)
            REQUIRE(client.post("/v1/mutations", set_text("k" + std::to_string(i),
                                                          "\"" + std::string(2000, 'x') + "\"")));
    }
    for (int round = 0; round < 3; ++round) {
        CAPTURE(round);
        CHECK(daemon.stop() == 0);
        std::filesystem::remove_all(daemon.data() +
                                    "/projection");  // so that opening takes a while
        std::atomic<int> refused = 0, accepted = 0, strange = 0;
        std::atomic<bool> enough = false;
        std::vector<std::thread> clients;
        for (int c = 0; c < 4; ++c) {
            clients.emplace_back([&, c] {
                while (!enough) {
                    auto client = HttpClient::connect({.host = "127.0.0.1", .port = port}, 60s);
                    if (!client) continue;  // not bound yet
                    for (int i = 0; i < 20; ++i) {
                        const auto answer =
                            client->post("/v1/mutations", set_text("w" + std::to_string(c), "1"));
                        const bool starting = answer && answer->status == 503 &&
                                              answer->body.find("unavailable") != std::string::npos;
                        const bool done = answer && answer->status == 200;
                        (starting ? refused : done ? accepted : strange) += 1;
                        if (!answer) break;
                    }
                }
            });
        }
        daemon.start();
        while (accepted < 100) std::this_thread::sleep_for(1ms);
        enough = true;
        for (std::thread& client : clients) client.join();
        CHECK(strange == 0);
        MESSAGE("while it opened: " << refused.load());
    }
    CHECK(daemon.stop() == 0);
}

TEST_CASE("SIGHUP while the engine opens reads the policy once it is open") {
    TemporaryDirectory folder;
    const std::uint16_t port = free_port();
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .arguments = {"--set", "http.port=" + std::to_string(port)},
                          .policy = "allowedKeys: [\"k*\"]\n"});
    daemon.start();
    {
        HttpClient client = daemon.tcp();
        const std::string value = "\"" + std::string(2000, 'x') + "\"";
        for (int i = 0; i < 300; ++i)
            REQUIRE(client.post("/v1/mutations", set_text("k" + std::to_string(i), value)));
    }
    CHECK(daemon.stop() == 0);
    std::filesystem::remove_all(daemon.data() + "/projection");  // so that opening takes a while
    std::atomic<int> while_opening = 0;
    std::thread operator_of_it([&] {
        for (;;) {
            auto client = HttpClient::connect({.host = "127.0.0.1", .port = port}, 60s);
            if (!client) continue;  // not bound yet
            const auto answer = client->get("/readyz");
            while_opening = answer && answer->status == 503;
            write_text(daemon.config_path(), "allowedKeys: [\"k*\", b]\n");
            return daemon.signal(SIGHUP);
        }
    });
    daemon.start();
    operator_of_it.join();
    REQUIRE(daemon.log_says("state-engine.policy.reloaded"));
    const auto taken = daemon.tcp().post("/v1/mutations", set_text("b", "1"));
    REQUIRE(taken);
    CHECK(taken->status == 200);
    MESSAGE("it was still opening: " << while_opening.load());
    CHECK(daemon.stop() == 0);
}

}  // namespace
}  // namespace se::test
