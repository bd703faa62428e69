#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "journal/base/clock.h"
#include "journal/base/random.h"
#include "mcp/json_rpc.h"
#include "mcp/registry.h"

namespace se::mcp {

/// Revisions of the protocol, oldest first. Up to 2025-11-25 a client opens with `initialize` and there is a
/// Conversation; from 2026-07-28 on ("modern") every request stands for itself.
enum class Revision : std::uint8_t { v2024_11_05, v2025_03_26, v2025_06_18, v2025_11_25, v2026_07_28 };
inline constexpr Revision kNewestWithSessions = Revision::v2025_11_25;
inline constexpr std::string_view kModernRevision = "2026-07-28";

std::string_view to_text(Revision revision);
std::optional<Revision> revision_from_text(std::string_view text);

// Limits of the server, each with what happens at it.
inline constexpr std::size_t kCallsInFlight = 64;       ///< of one conversation; more: an error that says so
inline constexpr std::size_t kUrisSubscribed = 256;     ///< of one conversation or listen; likewise
inline constexpr std::size_t kUriBytesMax = 2048;       ///< likewise
inline constexpr std::size_t kListPage = 100;           ///< entries of a list; `nextCursor` goes on
inline constexpr std::size_t kRoundsOfQuestions = 8;    ///< of one call; then it ends as a fault
inline constexpr std::size_t kStopsOfACall = 16;        ///< on_cancel of one call; more are dropped
inline constexpr std::chrono::minutes kAnswerWait{5};   ///< for a client to answer; then the call ends as a fault

/// How an answer stands, for transports that have a word for it.
enum class Standing : std::uint8_t { ok, bad_request, not_found };

/// Where one request is answered: some messages, then one answer or none. The server lets go of it then.
class Outlet {
public:
    virtual ~Outlet() = default;
    /// A notification or a question that belongs to the request.
    virtual void say(std::string message) = 0;
    /// News of something that changed. Whoever cannot pass it on may drop it, and has all told as changed later
    /// (Announcements::resync).
    virtual void tell_change(std::string message) { say(std::move(message)); }
    /// The last message.
    virtual void answer(std::string message, Standing standing) = 0;
    /// There will be no answer: the client took the request back.
    virtual void abandon() = 0;
    /// ToolContext::release_connection().
    virtual void release() {}
    /// The server's: the transport calls it when nobody will read this any more, and where the revision says so
    /// that is how a client takes a request back (modern HTTP: the stream is closed; modern stdio:
    /// notifications/cancelled). At most once, never after answer() or abandon().
    std::function<void()> on_gone = [] {};
};
using OutletPtr = std::shared_ptr<Outlet>;

struct RunningCall;
struct ServerState;

/// What a server remembers of one client between `initialize` and the end. Made by Server::open().
class Conversation {
public:
    /// What was agreed on; nothing before `initialize`.
    std::optional<Revision> revision() const { return revision_; }
    bool legacy_sse() const { return legacy_sse_; }
    std::size_t calls_in_flight() const { return calls_.size(); }

private:
    friend struct ServerState;
    friend struct RunningCall;
    struct Waiting {
        std::weak_ptr<RunningCall> call;
        std::string key;
        std::string method;
        std::chrono::nanoseconds until;
    };

    std::optional<Revision> revision_;
    bool legacy_sse_ = false;
    bool ended_ = false;
    std::shared_ptr<const Json> client_;  ///< its capabilities, as far as a question can need them
    LogLevel log_from_ = LogLevel::info;
    std::unordered_map<std::string, std::shared_ptr<RunningCall>> calls_;  ///< by id
    std::map<std::string, Waiting> waiting_;  ///< our questions that are not answered, by id
    std::uint64_t next_question_ = 0;
    std::uint64_t subscription_ = 0;
};
using ConversationPtr = std::shared_ptr<Conversation>;

/// The protocol: messages in, answers, notifications and questions out. Knows the registry and no transport; all
/// calls on one thread.
class Server {
public:
    /// All outlive the server. From now on it is the one that registry.announce reaches.
    Server(Registry& registry, Clock& clock, Random& random);
    ~Server();

    /// Whether a message speaks for itself: it names its revision in `_meta`.
    static bool is_modern(const RpcMessage& message);
    static const Json* named_revision(const RpcMessage& message);

    /// A modern request. `outlet` gets the answer, now or later. Notifications and answers need no serving.
    void serve_modern(const Caller& caller, RpcMessage message, OutletPtr outlet);

    /// Begins a conversation. `tell` takes what belongs to no request (changes); it may be called until end().
    /// `legacy_sse`: the door of CONTRACTS 1.6, with its ways.
    ConversationPtr open(const Caller& caller, bool legacy_sse, std::function<void(std::string)> tell);
    /// A message of a conversation. `outlet` gets the answer to a request; for all else it is not used.
    void serve(const ConversationPtr& conversation, const Caller& caller, RpcMessage message,
               OutletPtr outlet);
    /// Everything may have been missed: tells every subscribed resource of the conversation as updated.
    void resync(const ConversationPtr& conversation);
    /// Takes back all that runs and forgets it. Nothing is told afterwards.
    void end(const ConversationPtr& conversation);

    /// A parameter of a tool that a modern client repeats in a header, `Mcp-Param-<name>`.
    struct MirroredParameter {
        std::string header;             ///< in lower case, with `mcp-param-`
        std::vector<std::string> path;  ///< to the argument
    };
    const std::vector<MirroredParameter>& mirrored_parameters(std::string_view tool);

    /// Ends what waited too long. Returns when to call again at the latest.
    std::chrono::nanoseconds tick();
    /// Ends all modern subscriptions properly.
    void drain();
    std::size_t listens() const;  ///< modern subscriptions that are open

private:
    std::shared_ptr<ServerState> state_;
};

}  // namespace se::mcp
