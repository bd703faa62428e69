#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace se::bench {

/// A daemon of ours on a folder and a free port of 127.0.0.1; ends it (SIGTERM, by its process id)
/// when it goes.
class Daemon {
public:
    /// `bin` is the folder of the programs, `more` are arguments. Waits until it is ready.
    Daemon(const std::string& bin, const std::string& data, std::vector<std::string> more = {});
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    std::uint16_t port() const { return port_; }
    int pid() const { return pid_; }
    /// Resident memory less what is mapped from files, in bytes.
    std::uint64_t anonymous_bytes() const;
    double seconds_to_ready() const { return seconds_to_ready_; }

private:
    int pid_ = -1;
    std::uint16_t port_ = 0;
    double seconds_to_ready_ = 0;
};

struct Load {
    double per_second = 0;
    double p50_us = 0, p99_us = 0;
};

/// Where a client of a load reads and where it writes: twice the same for a socket.
struct Channel {
    int in = -1;
    int out = -1;
};

/// `count` requests over the channels, each with one under way. `request(channel)` is the next
/// whole request; `answer_bytes(text)` is the length of the first whole answer in `text`, 0 when it
/// is not all there yet.
Load load(const std::vector<Channel>& channels, std::uint64_t count,
          const std::function<std::string(unsigned channel)>& request,
          const std::function<std::size_t(std::string_view text)>& answer_bytes);

/// `count` requests over `connections` kept-alive connections, each with one under way.
/// `request(connection)` is the next whole HTTP request; every answer must be a 200.
Load http_load(std::uint16_t port, unsigned connections, std::uint64_t count,
               const std::function<std::string(unsigned connection)>& request);

/// The same against a server that answers every request with one fixed 200 and does nothing else:
/// what sockets and this client cost by themselves.
class TrivialServer {
public:
    TrivialServer(std::uint64_t body_bytes);
    ~TrivialServer();
    std::uint16_t port() const { return port_; }

private:
    int pid_ = -1;
    std::uint16_t port_ = 0;
};

}  // namespace se::bench
