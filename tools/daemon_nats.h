#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "engine/egress/bus_sink.h"
#include "engine/egress/posted_sink.h"
#include "engine/engine.h"
#include "engine/intake/bus_announcer.h"
#include "engine/intake/bus_intake.h"
#include "engine/intake/bus_link.h"
#include "engine/policy/nats_settings.h"
#include "tools/daemon_followers.h"
#include "tools/daemon_options.h"

namespace se {

/// The daemon's bus: the connection, and who uses it. All calls from the engine's thread, where the
/// connection and the intake live. The follower that publishes is one of the daemon's followers, on
/// their thread; its messages and what came of them cross.
class DaemonBus {
public:
    static constexpr std::string_view kFollower = "nats";
    static constexpr std::string_view kStatusRoute = "/v1/operator/bus";
    /// POST {"action":"retry"|"drop","id":…}
    static constexpr std::string_view kLettersRoute = "/v1/operator/bus/deadletters";
    struct World {
        Clock& clock;
        Random& random;
        Log& log;
        FileSystem& files;
        StorePaths paths;
        DaemonFollowers& followers;  ///< where it publishes from
        FollowerOptions publishing;  ///< its limits there
        std::string name;            ///< ours, for the server's operators
        std::function<void()> wake;  ///< called from other threads: turn() has something to do
    };
    /// What of the settings cannot be meant; empty when all can. Built without the library it
    /// knows no bus.
    static std::string problem(const NatsSettings& nats);
    /// Null: the settings name no server, and the log says so.
    static std::unique_ptr<DaemonBus> make(const NatsSettings& nats, World world);
    ~DaemonBus();

    /// Where the MCP door listens, and the token of who comes through it, as it is at the time; before the
    /// first attach().
    void listens_on(std::uint16_t port, std::function<std::string()> token);
    void token_changed();  ///< that one
    void attach(Engine* engine);  ///< null: none is there
    /// Before a step of the engine: takes what has come in.
    void turn();
    /// After it: acknowledges. Returns when the next turn() is wanted at the latest.
    std::chrono::nanoseconds settle();
    void drain();
    /// Lets go of the server, when the engine is closed.
    void close();

    bool publishes() const { return crossing_ != nullptr; }  ///< false: a shadow
    std::string status() const;                              ///< JSON object
    std::string metrics() const;  ///< Prometheus text, all but what the follower has

private:
    DaemonBus(const NatsSettings& nats, World world, std::unique_ptr<MessageBus> bus);
    std::optional<std::string> entry_before(const std::string& key, Seq before);

    const NatsSettings nats_;
    World world_;
    const std::unique_ptr<MessageBus> bus_;
    BusLink link_;
    BusIntake intake_;
    std::unique_ptr<BusAnnouncer> announcer_;
    BusSink sink_;
    PostedSink* crossing_ = nullptr;  ///< the followers own it; null: a shadow
    Engine* engine_ = nullptr;
    std::chrono::nanoseconds link_wait_{0};
};

/// Flag > environment > file > default, as load_config().
Result<NatsSettings> load_nats_settings(const DaemonOptions& options);

/// A real bus; null when this program was built without the library for it.
std::unique_ptr<MessageBus> make_message_bus(const NatsSettings& nats, DaemonBus::World world);
bool has_message_bus();

}  // namespace se
