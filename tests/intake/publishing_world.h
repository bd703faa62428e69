#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/egress/bus_messages.h"
#include "engine/egress/bus_sink.h"
#include "engine/egress/follower.h"
#include "engine/egress/posted_sink.h"
#include "tests/intake/intake_world.h"

namespace se::test {

/// An engine that publishes what it decides, and takes what it decides from there. Its follower is
/// as far from the bus as in the daemon: each has its turns when it has them.
struct PublishingWorld : IntakeWorld {
    explicit PublishingWorld(std::uint64_t seed = 1) : IntakeWorld(seed) {}

    std::unique_ptr<BusSink> sink;
    std::unique_ptr<PostedSink> crossing;
    std::uint64_t follows_of_100 = 100;  ///< of its turns, those that are the follower's too
    SimRandom pace{5};
    std::unique_ptr<Follower> follower;

    void follow() {
        connect();
        sink = std::make_unique<BusSink>(*link, [](const std::string& key, Seq) {
            return std::optional(R"({"key":")" + key + "\"}");
        });
        crossing = std::make_unique<PostedSink>(
            *sink, [] {}, [] {});
        follower = std::make_unique<Follower>(
            Follower::Doors{
                .files = engine_world.disk,
                .clock = engine_world.clock,
                .random = engine_world.random,
                .log = log,
                .note =
                    [this](std::string name, std::string body, std::function<void(Status)> told) {
                        engine_world.engine->note(
                            std::move(name), std::move(body), {.principal = "f", .door = "f"},
                            [told](Result<Seq> seq) {
                                told(seq ? Status(Ok{}) : Status(seq.error()));
                            });
                    }},
            StorePaths{engine_world.settings.data},
            FollowerOptions{.name = "nats",
                            .save_interval = std::chrono::milliseconds(20),
                            .backoff = {.first = std::chrono::milliseconds(5),
                                        .max = std::chrono::milliseconds(50)},
                            .breaker = {.open = std::chrono::milliseconds(50)}},
            BusMessages({.subjects = link->subjects()}), *crossing);
        follower->step();
    }
    void end() {
        follower.reset();
        crossing.reset();
        sink.reset();
        disconnect();
    }
    /// What a turn of the daemon does for what is published, and its other thread.
    void follow_on() {
        crossing->turn();
        if (pace.chance(follows_of_100)) follower->step();
    }
    bool told() const { return follower->status().following && follower->status().lag == 0; }
    void run_told(int turns = 30'000) {
        const bool done = run(
            [this] {
                follow_on();
                return is_dry() && told();
            },
            turns);
        REQUIRE_MESSAGE(done, follower->status().trouble);
    }
    std::vector<Json> published(const std::string& topic) {
        std::vector<Json> found;
        for (const auto* message : broker.stored("local." + topic)) {
            auto json = parse_json(message->payload, 128);
            REQUIRE(json);
            found.push_back(*std::move(json));
        }
        return found;
    }
};

}  // namespace se::test
