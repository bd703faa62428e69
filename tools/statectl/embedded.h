#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "engine/adapters/posix_runner.h"
#include "engine/engine.h"
#include "journal/run_settings.h"
#include "tools/statectl/context.h"

namespace se::statectl {

/// How an engine in this process works through what it gets.
enum class Pace : std::uint8_t {
    single,  ///< one proposal: all inline, no thread is started
    bulk,    ///< many: the disk works on a thread of its own while more is decided
};

/// The engine in this process, for when no daemon runs: holds the store until close().
class EmbeddedEngine {
public:
    /// `repaired`: what this open finds repaired is our act, for this reason.
    /// Errc::busy (kUnavailable) when another writer holds the store. `policy` absent: the one last
    /// journaled. Without --config it writes as the last run did (journal/run_settings.h), in an empty store as
    /// the one did whose place it takes, `parked`.
    static Result<std::unique_ptr<EmbeddedEngine>> open(Context& context, std::optional<Policy> policy,
                                                        Pace pace, std::optional<Why> repaired = {},
                                                        const RunSettings* parked = nullptr);

    Engine& engine() { return *engine_; }
    /// Who asks here; `claimed` is believed: whoever can open the store is its operator.
    Caller caller(std::string_view claimed_actor, std::string_view door = "embedded") const;
    /// Works until `done` says so.
    void run_until(const std::function<bool()>& done);
    Status close();

private:
    explicit EmbeddedEngine(Pace pace);

    std::mutex mutex_;
    std::condition_variable changed_;
    bool woken_ = false;
    std::string principal_;
    PrincipalPtr rights_;  ///< all: whoever can open the store is its operator
    std::unique_ptr<Runner> commits_, background_;
    std::unique_ptr<Engine> engine_;  // last: it uses the runners to its end
};

/// The policy of --config, if one was given. A file without `allowedKeys` has the default ones.
Outcome<std::optional<Policy>> policy_of_config(Context& context);

/// Opens the store as soon as its lock is free, for at most --wait; `instead` is asked in between and
/// ends the wait with nothing when it says true (a daemon came up).
Outcome<std::unique_ptr<EmbeddedEngine>> open_waiting(Context& context, std::optional<Policy> policy,
                                                      Pace pace,
                                                      const std::function<bool()>& instead);

/// "pid … holds it": the Failure when the wait was in vain.
Failure held_by_another(Context& context);

/// Attempts it as long as another writer holds the store (its Result is Errc::busy), for at most --wait.
template <class Attempt>
auto wait_for_store(Context& context, Attempt attempt) -> Outcome<std::decay_t<decltype(*attempt())>> {
    const auto deadline = context.clock.monotonic() + context.wait;
    for (;;) {
        auto done = attempt();
        if (done) return *std::move(done);
        if (done.error().code != Errc::busy) return done.error();
        if (context.clock.monotonic() >= deadline) return held_by_another(context);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // writers hold it for milliseconds
    }
}

}  // namespace se::statectl
