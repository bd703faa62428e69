#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

namespace se::test {

/// A port on loopback where a connection neither comes about nor fails: the kernel drops what asks for one
/// once the queue of those that nobody accepts is full.
class SwallowingPort {
public:
    SwallowingPort() {
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const where = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(door_, where, size) == 0);
        REQUIRE(::listen(door_, 0) == 0);
        REQUIRE(::getsockname(door_, where, &size) == 0);
        port_ = ntohs(address.sin_port);
        for (bool swallows = false; !swallows;) {
            REQUIRE(held_.size() < 64);
            held_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            ::connect(held_.back(), where, size);
            pollfd one{.fd = held_.back(), .events = POLLOUT, .revents = 0};
            swallows = ::poll(&one, 1, 200) == 0;
        }
    }
    ~SwallowingPort() {
        for (const int one : held_) ::close(one);
        ::close(door_);
    }
    SwallowingPort(const SwallowingPort&) = delete;
    SwallowingPort& operator=(const SwallowingPort&) = delete;

    std::uint16_t port() const { return port_; }

private:
    const int door_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::uint16_t port_ = 0;
    std::vector<int> held_;
};

}  // namespace se::test
