#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/adapters/http_webhook.h"
#include "engine/adapters/posix_clock.h"

namespace se::test {

/// A webhook and the turns of its loop.
struct Hook {
    PosixClock clock;
    HttpLoop loop;
    HttpWebhook sink;
    std::vector<Delivery> outcomes;

    explicit Hook(const std::string& url,
                  std::chrono::milliseconds timeout = std::chrono::seconds(5),
                  const std::string& token = "", HttpTls::Options tls = {})
        : sink(loop, clock,
               {.url = url, .token = token, .timeout = timeout, .tls = std::move(tls)},
               [this] { loop.stop(); }) {}

    void deliver(std::uint64_t ticket, std::string id = "", std::string trace = "") {
        sink.deliver(ticket, {.id = id.empty() ? "s:1:" + std::to_string(ticket) + ":r:0" : id,
                              .type = "t",
                              .body = R"({"n":)" + std::to_string(ticket) + "}",
                              .trace = std::move(trace)});
    }
    const std::vector<Delivery>& run(std::size_t count) {
        while (outcomes.size() < count) {
            loop.run();
            for (Delivery& one : sink.poll()) outcomes.push_back(std::move(one));
        }
        return outcomes;
    }
};

/// A peer that takes one connection and says the same to whatever comes in, in bytes; or hangs up when it
/// has said it once.
class Parrot {
public:
    explicit Parrot(std::string says, bool hangs_up = false) : says_(std::move(says)) {
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const where = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(door_, where, size) == 0);
        REQUIRE(::listen(door_, 1) == 0);
        REQUIRE(::getsockname(door_, where, &size) == 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this, hangs_up] {
            const int peer = ::accept4(door_, nullptr, nullptr, SOCK_CLOEXEC);
            std::array<char, 4096> heard{};
            while (::recv(peer, heard.data(), heard.size(), 0) > 0)
                if (::send(peer, says_.data(), says_.size(), MSG_NOSIGNAL) < 0 || hangs_up) break;
            ::close(peer);
        });
    }
    /// Whoever it talks to hangs up first, or it does.
    ~Parrot() {
        thread_.join();
        ::close(door_);
    }
    Parrot(const Parrot&) = delete;
    Parrot& operator=(const Parrot&) = delete;

    std::uint16_t port() const { return port_; }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

private:
    const std::string says_;
    const int door_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace se::test
