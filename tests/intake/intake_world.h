#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/intake/bus_intake.h"
#include "engine/intake/bus_link.h"
#include "journal/base/json.h"
#include "tests/engine/engine_world.h"
#include "tests/sim/sim_bus.h"

namespace se::test {

inline constexpr const char* kMutations = "local.internal.state.mutation.v1";

/// An engine on a simulated disk that takes mutations from a simulated broker.
class IntakeWorld {
public:
    explicit IntakeWorld(std::uint64_t seed = 1) : broker(engine_world.clock, seed) {
        engine_world.policy.rules = RuleSet::none();
        engine_world.open();
    }
    ~IntakeWorld() { disconnect(); }

    EngineWorld engine_world;
    SimBroker broker;
    BusLink::Options link_options{
        .subjects = BusSubjects("local."),
        .stream = "BITBRAT",
        .backoff = {.first = std::chrono::milliseconds(5), .max = std::chrono::milliseconds(100)},
        .breaker = {.open = std::chrono::milliseconds(200), .trials = BusLink::Options().breaker.trials}};
    BusIntake::Options options{
        .ack_wait = std::chrono::seconds(10),
        .in_flight = 16,
        .backoff = {.first = std::chrono::milliseconds(5), .max = std::chrono::milliseconds(100)}};
    NoLog log;
    std::unique_ptr<SimBus> bus;
    std::unique_ptr<BusLink> link;
    std::unique_ptr<BusIntake> intake;

    void connect() {
        bus = std::make_unique<SimBus>(broker);
        const BusLink::Doors doors{*bus, engine_world.clock, engine_world.random, log};
        link = std::make_unique<BusLink>(doors, link_options);
        intake = std::make_unique<BusIntake>(*link, doors, options);
        intake->attach(engine_world.engine.get());
    }
    /// As a process that is gone: nothing is said to anybody.
    void disconnect() {
        intake.reset();
        link.reset();
        bus.reset();
    }
    void make_stream() {
        SimBus maker(broker);
        struct Nobody final : MessageBus::Listener {
            void bus_connected() override {}
            void bus_lost(const std::string&) override {}
            void bus_delivered(BusMessage&&) override {}
            void bus_pull_ended(std::uint64_t) override {}
        } nobody;
        const SimBusFaults kept = std::exchange(broker.faults, {});
        maker.listen(&nobody);
        maker.connect();
        maker.poll();
        maker.make_stream("BITBRAT", {"local.>"}, [](Result<BusStream> made) { REQUIRE(made); });
        maker.poll();
        broker.faults = kept;
    }

    void turn() {
        link->turn();
        intake->turn();
        engine_world.engine->step();
        intake->turn();
    }
    /// Turns, the disk's jobs done in between, until `done` or for as long as `turns` says.
    bool run(const std::function<bool()>& done, int turns = 20'000) {
        for (int i = 0; i < turns; ++i) {
            turn();
            engine_world.commits.run();
            engine_world.background.run();
            if (done()) return true;
            engine_world.clock.advance(std::chrono::milliseconds{1});
        }
        return done();
    }
    /// Until the durable has nothing left to deliver or to acknowledge.
    void run_dry(int turns = 20'000) {
        const bool done = run([this] { return is_dry(); }, turns);
        REQUIRE_MESSAGE(done, "it does not come to rest: "
                                  << intake->facts().state << ", " << intake->facts().in_hand
                                  << " in hand, " << intake->facts().messages << " messages, "
                                  << intake->facts().trouble);
        engine_world.settle();
    }
    bool is_dry() {
        auto* const stream = broker.find("BITBRAT");
        if (stream == nullptr || !link->up() || intake->facts().state != "taking") return false;
        const auto found = stream->consumers.find(intake->facts().durable);
        if (found == stream->consumers.end() || !found->second.pending.empty()) return false;
        if (intake->facts().in_hand != 0) return false;
        for (std::uint64_t i = found->second.next; i <= stream->messages.size(); ++i)
            if (stream->messages[i - 1].subject == kMutations) return false;
        return true;
    }

    void publish(const std::string& payload, BusHeaders headers = {}) {
        broker.store(kMutations, payload, std::move(headers));
    }
    /// The records of the bus, as trees.
    std::vector<Json> records() {
        std::vector<Json> found;
        engine_world.each_record([&](const RecordView& record) {
            if (record.door != "nats") return;
            auto json = parse_json(record.line, 128);
            REQUIRE(json);
            found.push_back(*std::move(json));
        });
        return found;
    }
};

inline std::string text_at(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    return found == nullptr ? "" : found->is_string() ? found->string() : to_text(*found);
}

}  // namespace se::test
