#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/adapters/http_loop.h"
#include "engine/adapters/http_server.h"
#include "engine/adapters/otlp_exporter.h"
#include "engine/adapters/posix_clock.h"
#include "engine/adapters/posix_filesystem.h"
#include "engine/adapters/posix_log.h"
#include "engine/adapters/posix_random.h"
#include "engine/adapters/posix_runner.h"
#include "engine/api/api.h"
#include "engine/api/target.h"
#include "engine/engine.h"
#include "mcp/engine_door.h"
#include "mcp/http_door.h"
#include "mcp/tools/state_registry.h"
#include "tools/daemon_firestore.h"
#include "tools/daemon_followers.h"
#include "tools/daemon_nats.h"
#include "tools/daemon_options.h"

namespace se {

/// The running daemon: one store, its engine, and the doors to it, all on one thread. Only what waits for
/// the disk runs elsewhere, and, while the engine opens, the doors: they say that it starts.
class Daemon {
public:
    Daemon(DaemonOptions options, Config config);
    ~Daemon();

    /// Serves until it is told to stop. Returns the exit code.
    int run();
    /// Whether it stopped in order to be started anew.
    bool restarts() const { return restarts_; }

private:
    /// Why the loop came back.
    enum class Ended : std::uint8_t { stop, failed, repair, waited };
    struct Repair {
        Api::RepairRange range;
        std::function<void(Result<std::string>)> done;
    };

    /// What a follower has to say of itself.
    struct Note {
        std::string follower, name, body;
        std::function<void(Status)> told;
    };
    /// What an operator wants of a dead letter: it goes once more, or is given up.
    struct LetterOrder {
        bool retry = false;
        std::string id;
        Why why;

        /// What its record says of it.
        std::string note(const std::string& follower) const;
    };

    std::optional<int> take_port();
    Result<std::unique_ptr<Engine>> open_engine();
    std::optional<int> begin_serving();
    Ended serve();
    Ended wait(std::chrono::nanoseconds time);
    void let_go_of_engine(const std::string& why);
    std::vector<Evidence> projection_evidence() const;
    Result<std::string> carry_out_repair(const Api::RepairRange& range,
                                         std::vector<Evidence> evidence);
    int finish();

    void end(Ended why);
    void schedule_step();
    void check_principals();
    void step();
    void on_signal(int signal);
    void stop(std::string_view why);
    void reload();
    Result<Config> load_config(bool dry_run);
    void changes_applied();
    void note(Note note);
    Api::Reply traced(const Request& request, Api::Reply reply);
    mcp::Platform platform();
    std::unique_ptr<DaemonBus> make_bus();
    std::unique_ptr<DaemonFirestore> make_firestore();
    std::vector<FollowerStatus> outbound() const;
    std::optional<Problem> admit_operator(const Request& request, Caller* caller) const;
    static Problem problem_of(const Error& error);  ///< 404 if nothing of that name is there, else 503
    static Result<LetterOrder> letter_order(const Request& request);
    void bus_request(const Request& request, const Api::Reply& reply);
    Result<firestore::Follower::StatePage> state_page(const std::string& prefix,
                                                      const std::string& after, std::size_t limit);
    Result<std::vector<std::optional<Entry>>> entries_of(const std::vector<std::string>& keys);
    std::string firestore_status() const;  ///< JSON; empty: it is not switched on
    void firestore_request(const Request& request, const Api::Reply& reply);
    void firestore_compare(const Request& request, const Api::Reply& reply, const Caller& caller);
    void firestore_resume(const Request& request, const Api::Reply& reply, const Caller& caller);
    void carry_out_order(const LetterOrder& order, Seq seq, const Api::Reply& reply,
                   const std::function<void(const Error&)>& refuse);
    std::string holder();  ///< who has the store, as far as its journal says
    int complain(int code, const std::string& text);

    const DaemonOptions options_;
    Config config_;  ///< its policy and `auth` as they were last read, all else as it was at the start
    const StorePaths paths_;
    PosixClock clock_;
    PosixFileSystem files_;
    PosixRandom random_;
    JsonLog log_;
    const std::unique_ptr<OtlpExporter> tracer_;  ///< null: no collector
    HttpLoop loop_;
    ThreadRunner commits_, background_;
    DaemonFollowers followers_;
    Api api_;
    HttpServer server_;
    mcp::EngineDoor state_;
    mcp::StateRegistry offers_;  ///< to language models
    mcp::Server mcp_;
    mcp::HttpDoor mcp_door_;
    const std::unique_ptr<DaemonBus> bus_;  ///< null: none
    const std::unique_ptr<DaemonFirestore> firestore_;  ///< null: none
    std::uint64_t principals_seen_ = 0;  ///< whose sessions the MCP door keeps
    std::unique_ptr<Engine> engine_;  // before the server and the runners in going

    const std::function<void()> work_;  // one step, as the server's batch
    bool step_posted_ = false;
    bool changes_ = false;  // the engine has told of changes in this step
    Seq applied_, durable_;
    std::vector<Note> notes_;  ///< of followers, while there is no engine
    std::chrono::nanoseconds bus_wait_{0};
    bool stopping_ = false;
    bool restarts_ = false;
    bool serving_ = false;  ///< there is an engine, and the loop runs on our thread
    bool reload_wanted_ = false;  ///< asked for while there was none
    bool waiting_ = false;
    std::chrono::nanoseconds wait_until_{0};
    std::chrono::nanoseconds drain_until_{0};
    Ended ended_ = Ended::stop;
    std::optional<Repair> repair_;
    std::optional<Api::RepairRange> repaired_;  ///< done, and not yet told to the journal
};

}  // namespace se
