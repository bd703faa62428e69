#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/adapters/http_loop.h"
#include "engine/api/api.h"
#include "journal/base/log.h"
#include "journal/base/result.h"

namespace se {

/// HTTP/1.1 over TCP and over a Unix socket, on the thread of a loop. Requests of one connection are handled
/// as they come and answered in their order; what became ready in one turn leaves in one write.
class HttpServer {
public:
    /// Every limit with what happens at it. Sizes are bytes.
    struct Options {
        std::size_t header_bytes = 16u << 10;       ///< 431, close
        std::size_t body_bytes = 10u << 20;         ///< 413, close
        std::size_t bodies_bytes = 256u << 20;      ///< of all requests that come or wait: 503, close
        std::size_t connections = 1024;             ///< 503, close
        std::size_t socket_reserve = 64;            ///< more of them, of the Unix socket alone: likewise
        std::size_t pipeline = 128;                 ///< requests of a connection under way: the next ones wait;
                                                    ///< also behind body_bytes of their bodies
        std::size_t answer_bytes_ahead = 1u << 20;  ///< of a connection, not read by its client: likewise
        std::chrono::milliseconds header_timeout{10'000};  ///< from its first byte: 408, close
        std::chrono::milliseconds idle_timeout{60'000};    ///< between requests: close; inside a body: 408
        std::chrono::milliseconds body_timeout{600'000};   ///< from the request's first byte: 408, close
        std::chrono::milliseconds write_timeout{30'000};   ///< nothing of an answer taken: close
    };
    static Options from(const Settings::Http& settings);

    /// Calls `reply` exactly once, now or in any later turn.
    using Handler = std::function<void(Request&&, Api::Reply reply)>;

    /// `loop` must outlive the server and must not run while it is destroyed. No `reply` may be called
    /// after that.
    HttpServer(HttpLoop& loop, Options options, Handler handler, Log& log);
    ~HttpServer();

    /// Takes the port without serving it yet; 0 takes any free one. `host` is an address or a name.
    Status bind(const std::string& host, std::uint16_t port);
    std::uint16_t port() const;  ///< of the bound socket
    /// Makes the socket (0600) in place of a stale one; only its owner and root are let in. Needs the lock of
    /// the folder it is in: nobody else may be serving there.
    Status bind_socket(const std::string& directory, const std::string& name);
    /// Begins to take connections on what is bound and not served yet.
    void serve();
    /// No new connections, and each one that is there is closed behind its next answer. Removes the
    /// socket's file.
    void stop_serving();

    /// Runs `work`, then writes all answers that it gave: one write for each connection.
    void batch(const std::function<void()>& work);
    /// Everything asked was answered, and every answer has gone to its socket.
    bool quiet() const;

    struct Stats {
        std::uint64_t connections = 0, accepted = 0, refused = 0, requests = 0;
        std::uint64_t bytes_in = 0, bytes_out = 0, timeouts = 0;
    };
    const Stats& stats() const;
    std::string metrics() const;  ///< the same as Prometheus text

    /// Whether listening on `host` reaches this machine only.
    static bool is_loopback(const std::string& host);

    struct State;

private:
    std::shared_ptr<State> state_;
};

}  // namespace se
