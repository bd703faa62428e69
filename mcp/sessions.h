#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "mcp/event_stream.h"
#include "mcp/server.h"

namespace se::mcp {

// Limits of the sessions of all clients, each with what happens at it.
inline constexpr std::size_t kSessionsMin = 64;            ///< of one principal, however small http.streams is
inline constexpr std::size_t kSessionsFactor = 4;          ///< of all principals: so many times those of one
inline constexpr std::chrono::minutes kSessionIdle{10};    ///< without a request or a connection: ended
inline constexpr std::size_t kStreamsKept = 16;            ///< of a session, without a connection: the oldest goes
inline constexpr std::size_t kStreamBytesKept = 1u << 20;  ///< likewise

/// One client of a revision that has sessions, over HTTP: its conversation and its streams. Stream 0 takes what
/// belongs to no request; each request that needs more than an answer has one of its own.
struct Session {
    std::string id;
    std::string principal;
    ConversationPtr conversation;
    std::map<std::uint64_t, std::shared_ptr<EventStream>> streams;
    std::uint64_t next_stream = 1;
    std::chrono::nanoseconds last_used{0};

    std::shared_ptr<EventStream> open_stream();
    /// The stream of an event id, and the number of the event.
    std::pair<std::shared_ptr<EventStream>, std::uint64_t> find_event(std::string_view event_id) const;
    bool connected() const;
    /// Forgets streams that are read to the end, and of those that nobody reads the oldest over the limits.
    void trim();
};
using SessionPtr = std::shared_ptr<Session>;

class Sessions {
public:
    /// `streams`: http.streams. One principal has as many sessions.
    Sessions(Server& server, Clock& clock, Random& random, std::size_t streams);
    ~Sessions();

    /// Over a limit the one of the same principal that has been idle longest ends: its client begins anew. Where
    /// none is idle, Errc::unavailable with the limit's name.
    Result<SessionPtr> open(const Caller& caller, bool legacy_sse);
    /// Whoever asks for another's session hears what they hear of one that is not there.
    SessionPtr find(std::string_view id, const Caller& caller, bool legacy_sse);
    void end(const SessionPtr& session);
    void end_all();
    /// Ends what was idle too long. Returns when to call again at the latest.
    std::chrono::nanoseconds tick();
    std::size_t size() const { return sessions_.size(); }

private:
    bool make_room(const std::string& principal);

    Server& server_;
    Clock& clock_;
    Random& random_;
    const std::size_t of_one_max_;
    std::unordered_map<std::string, SessionPtr> sessions_;
    std::unordered_map<std::string, std::size_t> of_principal_;
};

}  // namespace se::mcp
