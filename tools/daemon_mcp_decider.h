#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/adapters/http_client.h"
#include "engine/adapters/posix_runner.h"
#include "engine/engine.h"
#include "mcp/reader_door.h"

namespace se {

/// Decides proposals for a process beside the store: through the daemon's socket while one runs, else by opening the
/// store itself for as long as there is something to write, and a moment longer. So several of them, statectl and a
/// daemon that starts get along: nobody holds the store who only reads.
///
/// A proposal whose connection breaks is sent again with the same id, to whoever has the store then. One that is not
/// answered in time is given up: `unavailable`, or `outcome_unknown` when it may have happened.
class StoreDecider final : public mcp::Decider {
public:
    struct World {
        FileSystem& files;
        Clock& clock;
        Random& random;
        Log& log;
    };
    /// `patience`: how long a proposal waits, also for a daemon that has it and hangs. `wake` is called from other
    /// threads when there is something to do.
    StoreDecider(World world, Settings settings, std::chrono::milliseconds patience,
                 std::function<void()> wake);
    ~StoreDecider() override;

    /// Called before this process opens the store, and before it closes it: whoever reads it here closes
    /// it then (ReaderDoor::close).
    std::function<void()> on_store = [] {};
    /// Called, by turn(), when the keys that may be written are others than were told before.
    std::function<void()> on_policy = [] {};

    void propose(Json proposal, Caller caller, bool dry_run,
                 std::function<void(mcp::Decided)> done) override;
    /// The engine's here, else the daemon's, else those last journaled. While a daemon does not answer: as last known.
    std::vector<std::string> allowed_keys() override;
    Limits limits() override { return engine_ != nullptr ? engine_->policy().limits : policy_.limits; }
    void learn(Policy policy) override;

    /// Does what can be done now. Returns when to call again at the latest.
    std::chrono::nanoseconds turn();
    /// The socket to wait for, or -1. turn() reads it.
    int descriptor() const;
    bool idle() const { return waiting_.empty() && in_engine_ == 0; }
    /// Idle, and with nothing open: turn() has nothing to do until there is a proposal.
    bool at_rest() const { return idle() && engine_ == nullptr && !client_; }
    /// Lets go of the store. Whoever still waits is told that nobody knows.
    void close();

private:
    struct Waiting {
        Json proposal;
        Caller caller;
        bool dry_run = false;
        std::function<void(mcp::Decided)> done;
        std::string id;
        std::chrono::nanoseconds until;
        bool may_have_happened = false;  ///< it was sent once, and not only to see what would happen
    };

    std::chrono::nanoseconds work();
    bool reach_daemon();
    void send_more();
    void read_answers();
    void lost_connection(std::string_view why);
    void open_store();
    void hand_to_engine();
    void give_up_on_the_late();
    void let_go_of_store();
    Result<Policy> read_policy();
    Result<Policy> journaled_policy();

    World world_;
    Settings settings_;
    const std::chrono::milliseconds patience_;
    const std::function<void()> wake_;

    std::deque<Waiting> waiting_;  ///< the first `sent_` of them are on their way over client_
    std::size_t sent_ = 0;
    std::optional<HttpClient> client_;
    std::string why_not_ = "no writer has answered yet";

    std::unique_ptr<Runner> commits_, background_;
    std::unique_ptr<Engine> engine_;  // after the runners: it uses them to its end
    std::size_t in_engine_ = 0;
    std::chrono::nanoseconds engine_used_{0};

    Policy policy_;              ///< as last known; the defaults while nothing is
    bool policy_known_ = false;
    bool keys_told_ = false;
    bool keys_changed_ = false;  ///< since they were told, and on_policy has not been called
    std::optional<std::chrono::nanoseconds> policy_read_;  ///< nothing: to be read before it is told again
};

/// Who runs this program: `local:<user>`, as at the socket.
std::string local_principal();

}  // namespace se
