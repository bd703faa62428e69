#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/egress/followers_door.h"
#include "engine/engine.h"

namespace se {

/// Where a request came from.
struct Peer {
    enum class Kind : std::uint8_t { tcp, socket };
    Kind kind = Kind::tcp;
    std::string address;       ///< of a tcp peer, for logs
    std::string user;          ///< of a socket peer (SO_PEERCRED): the operator
    bool loopback = true;
};

struct Request {
    std::string method;
    std::string target;  ///< path and query, percent-encoded as received
    std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
    std::string body;
    std::string too_large;  ///< the body was over the transport's limit and is not here: what to say
    Peer peer;

    std::string_view header(std::string_view lower_name) const;  ///< empty when absent
    /// Whether Content-Type is this one (RFC 9110 8.3.1: in any case, whatever parameters stand behind it).
    bool has_type(std::string_view lower_type) const;
};

/// A body that comes in pieces. The transport pulls as its socket drains, so nothing is buffered without
/// bound; when pull() has nothing it waits for `wake`.
class BodyStream {
public:
    virtual ~BodyStream() = default;
    /// Appends what there is now, about `bytes_max` at most.
    virtual void pull(std::string& out, std::size_t bytes_max) = 0;
    virtual bool finished() const = 0;
    /// What it keeps in memory for its reader and no other: the transport takes no more requests while that is much.
    virtual std::size_t bytes_held() const { return 0; }
    /// The transport's: called (on the engine's thread) when pull() would have something again.
    std::function<void()> wake = [] {};
};

struct Response {
    int status = 200;
    std::string_view content_type = "application/json";  ///< a literal
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    std::shared_ptr<BodyStream> stream;  ///< instead of body
};

/// The body of every answer that is not one about a proposal: {code, message, reason?, pointer?, retryAfterMs?},
/// with Retry-After where it says when.
struct Problem {
    int status = 400;
    Code code = Code::malformed;
    std::string message;
    std::string pointer = {};
    std::string reason = {};
    std::optional<std::uint64_t> retry_after_ms = {};
};
Response to_response(const Problem& problem);

/// Requests in, answers out; knows no sockets and no threads. All calls on the engine's thread.
class Api {
public:
    /// Seqs that an operator gives up on (journal/repair.h).
    struct RepairRange {
        Seq from, to;
        bool dry_run = true;
        Caller caller = {};
        Why why = {};
    };
    /// What is beyond the engine; all outlive the Api.
    struct Host {
        const Config& config;
        Clock& clock;
        Log& log;
        std::string version;                          ///< of the program
        std::uint64_t pid = 0;
        /// Reads flags, environment and file again, for reload; on a dry run they are only looked at, else
        /// `config` says from now on what was found about policy and `auth`. Their principals fit each other.
        std::function<Result<Config>(bool dry_run)> load_config;
        std::function<std::string()> extra_metrics;   ///< the transport's own, Prometheus text
        std::function<void(std::chrono::nanoseconds)> tick_within;  ///< tick() is wanted sooner than it said
        /// Carries out a repair: the engine is closed for it and opened again. `done` has the plan as JSON.
        std::function<void(RepairRange, std::function<void(Result<std::string>)> done)> repair;
        FollowersDoor* followers = nullptr;  ///< null: nothing goes out
        /// How the documents in Firestore are, JSON; empty: nothing follows there.
        std::function<std::string()> firestore_status = {};
    };
    explicit Api(Host host);
    ~Api();
    /// Every method and path there is, `{key}` for an argument; docs/openapi.yaml is held against them.
    static std::vector<std::pair<std::string_view, std::string_view>> routes();
    /// The path, as routes() has it, that `target` is of; empty: none.
    static std::string_view route_of(std::string_view target);
    /// From now on this engine answers; null: none does, `why` is what readyz and refusals say.
    void attach(Engine* engine, std::string why = "starting");
    /// From now on these principals come in; change feeds that others were let in to are ended, each with a
    /// bookmark. generation() moves when they are not the same as before.
    void let_in(Principals principals);
    std::uint64_t generation() const;

    /// Reads policy and principals again (SIGHUP). `done` has the seq of the record that says so.
    void reload(Caller caller, std::function<void(Result<Seq>)> done);

    /// For doors beside this one: who sends `request`, by the same rules, or why it stays outside.
    std::optional<Problem> admit(const Request& request, Caller* caller) const;

    using Reply = std::function<void(Response&&)>;
    /// `reply` is called exactly once, perhaps before this returns. A HEAD is answered as a GET: the
    /// transport leaves the body out.
    void handle(Request&& request, Reply reply);
    /// Wakes the followers of the change feed and whoever waits for `min_seq`; called by Engine::on_changes.
    void changes_applied();
    /// Timers: bookmarks, timeouts of min_seq. Returns when to call again at the latest.
    std::chrono::nanoseconds tick();
    /// Ends all change feeds, each with a bookmark to go on from, and takes no new ones.
    void drain();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace se
