#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/api.h"
#include "engine/api/gate.h"
#include "engine/api/target.h"
#include "engine/engine.h"
#include "journal/journal_reader.h"

namespace se {

// Inside the Api: what its routes share. Nobody outside engine/api includes this.

class ChangeStream;

/// Named limits of the routes that are no settings, each with what happens at it.
inline constexpr std::size_t kPageBytes = 8u << 20;      ///< a list or a run of records ends early, `next` goes on
inline constexpr std::size_t kWaitersMax = 4096;         ///< requests that wait for min_seq; more: overloaded
inline constexpr std::size_t kLinesInFlight = 1024;      ///< of one ndjson body; the next waits
inline constexpr std::size_t kAnswerBytesAhead = 1u << 20;  ///< of one ndjson body, unread by the client; likewise
inline constexpr std::size_t kKeysMax = 1024;            ///< in one read of several keys; more: malformed
inline constexpr std::chrono::milliseconds kMinSeqWait{5'000};       ///< default of `timeout`
inline constexpr std::chrono::milliseconds kMinSeqWaitMax{60'000};   ///< more: malformed
inline constexpr std::chrono::seconds kBookmarkInterval{5};

/// One request on its way through.
struct Exchange {
    Request request;
    Query query;
    std::string argument;  ///< the {key} of the route, decoded
    Caller caller;
    Api::Reply reply;
};

/// How fast the disk fills: free space over the last ten minutes.
class DiskTrend {
public:
    void sample(std::chrono::nanoseconds now, std::optional<std::uint64_t> free_bytes);
    /// Seconds until `reserve_bytes` are left at that pace; infinite when it does not shrink.
    double seconds_left(std::uint64_t reserve_bytes) const;

private:
    struct Sample {
        std::chrono::nanoseconds at;
        std::uint64_t free_bytes;
    };
    std::vector<Sample> samples_;
};

/// What the Api is made of.
struct ApiCore {
    explicit ApiCore(Api::Host host_door) : host(std::move(host_door)), gate(host.config.settings), started(host.clock.monotonic()) {}

    Api::Host host;
    Gate gate;
    Engine* engine = nullptr;
    std::string why_detached = "starting";
    bool draining = false;
    std::chrono::nanoseconds started;
    DiskTrend disk;
    std::optional<JournalReader> journal;  ///< of the history and records routes; opened when first needed

    struct Waiter {
        Seq seq;
        std::chrono::nanoseconds deadline;
        std::function<void(bool reached)> go_on;
    };
    std::vector<Waiter> waiters;
    std::vector<std::weak_ptr<ChangeStream>> feeds;

    const Settings& settings() const { return host.config.settings; }
    /// Who comes in from now on; what was let in by others and goes on is ended.
    void let_in(Principals principals);
    double uptime_seconds() const {
        return std::chrono::duration<double>(host.clock.monotonic() - started).count();
    }
    /// Nothing, or why what was let in at that generation of the gate goes no further. The operator's rights do not
    /// change.
    std::optional<Problem> why_over(const Caller& caller, std::uint64_t generation) const;
    std::size_t count_feeds();  ///< forgets those that are gone
    /// Runs `go_on` once the state is as of `seq` or later, or when `wait` is over.
    void wait_for(Seq seq, std::chrono::milliseconds wait, std::function<void(bool)> go_on);
    void check_waiters();
    Result<JournalReader*> reader();
};

using Handler = void (*)(ApiCore& core, Exchange&& exchange);

// Routes, one file a family.
void post_mutations(ApiCore& core, Exchange&& exchange);  // mutations.cc
void get_entry(ApiCore& core, Exchange&& exchange);       // state.cc
void get_entries(ApiCore& core, Exchange&& exchange);
void get_changes(ApiCore& core, Exchange&& exchange);     // changes.cc
void get_history(ApiCore& core, Exchange&& exchange);     // records.cc
void get_records(ApiCore& core, Exchange&& exchange);
void get_alive(ApiCore& core, Exchange&& exchange);       // health.cc
void get_ready(ApiCore& core, Exchange&& exchange);
void get_health(ApiCore& core, Exchange&& exchange);
void get_debug_config(ApiCore& core, Exchange&& exchange);
void get_metrics(ApiCore& core, Exchange&& exchange);     // metrics.cc
void get_operator_status(ApiCore& core, Exchange&& exchange);  // operator.cc
void post_operator_reload(ApiCore& core, Exchange&& exchange);
void post_operator_rebuild(ApiCore& core, Exchange&& exchange);
void post_operator_repair(ApiCore& core, Exchange&& exchange);
void post_operator_note(ApiCore& core, Exchange&& exchange);
void post_operator_import(ApiCore& core, Exchange&& exchange);  // mutations.cc
void get_followers(ApiCore& core, Exchange&& exchange);  // followers.cc
void get_dead_letters(ApiCore& core, Exchange&& exchange);
void get_dead_letter(ApiCore& core, Exchange&& exchange);
void post_retry(ApiCore& core, Exchange&& exchange);
void post_drop(ApiCore& core, Exchange&& exchange);

/// [status, …] of all outbound followers; followers.cc.
void append_followers(std::string& out, const FollowersDoor& followers);
/// Puts in force what the configuration says now about policy and principals; operator.cc.
void reload(ApiCore& core, Caller caller, const Why& why, std::function<void(Result<Seq>)> done);

/// What an operator may send along: `{"id"?, "reason"?}`, or nothing; operator.cc.
std::optional<Problem> read_why(const ApiCore& core, std::string_view text, Why* why);

// Small things that routes say.
Problem malformed(std::string message, std::string pointer = {});
Problem malformed(const Error& error);
/// 503 for a world that fails: the engine is not there, or a read failed.
Problem unavailable(const ApiCore& core);
Problem unavailable(const Error& error);
/// Why it is no key (400), or too long for one (413), as of a proposal.
std::optional<Problem> check_key(const Engine& engine, std::string_view key);
void reply_json(const Api::Reply& reply, int status, std::string body);
void reply_problem(const Api::Reply& reply, const Problem& problem);

/// Appends `"asOf":{"epoch":…,"seq":…,"journalAhead"?}` and, when acknowledged records above it cannot be read,
/// `,"stale":true`.
void append_as_of(std::string& out, const Engine& engine);

/// Checks a Result in a route: its value, or an early return after the problem was told.
#define SE_OR_REPLY(name, exchange, expression)                       \
    auto name##_result = (expression);                                \
    if (!name##_result)                                               \
        return reply_problem((exchange).reply, malformed(name##_result.error())); \
    auto& name = *name##_result

}  // namespace se
