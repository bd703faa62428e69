#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/api/api.h"
#include "mcp/server.h"

namespace se::mcp {

inline constexpr std::chrono::seconds kKeepAlive{15};  ///< a comment on every open stream
inline constexpr std::chrono::milliseconds kReconnectWait{1000};  ///< what clients are told to wait

/// MCP over HTTP, on requests and answers of engine/api; knows no sockets and no tools.
///
///     POST /mcp      a message: modern (2026-07-28), or of a session (2025-…); answered as JSON, or as a stream
///                    once there is more to say than the answer
///     GET /mcp       the stream of a session, also again with Last-Event-ID;  DELETE /mcp ends the session
///     GET /sse, POST /message?sessionId=…    the legacy pair (CONTRACTS 1.6)
///
/// All calls on one thread.
class HttpDoor {
public:
    struct Host {
        Server& server;
        Clock& clock;
        Random& random;
        /// Who sends it, or why it stays outside: origin, host and credentials are checked here.
        std::function<std::optional<Problem>(const Request& request, Caller* caller)> admit;
        std::function<void(std::chrono::nanoseconds)> tick_within = [](std::chrono::nanoseconds) {};
        std::size_t streams = 256;  ///< long ones, of all clients: more are refused; of one principal half of them
    };
    explicit HttpDoor(Host host);
    ~HttpDoor();

    /// Whether a target is one of this door's paths.
    static bool serves(std::string_view target);
    /// Needs serves(). `reply` is called exactly once, perhaps later.
    void handle(Request&& request, Api::Reply reply);
    /// Timers. Returns when to call again at the latest.
    std::chrono::nanoseconds tick();
    /// Ends all streams and sessions; whoever may come in begins anew.
    void end_all();
    /// The same, and takes no new ones.
    void drain();
    std::string metrics() const;  ///< Prometheus text

    struct State;

private:
    std::shared_ptr<State> state_;
};

}  // namespace se::mcp
