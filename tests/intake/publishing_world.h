#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/egress/bus_messages.h"
#include "engine/egress/bus_sink.h"
#include "engine/egress/follower.h"
#include "tests/intake/intake_world.h"

namespace se::test {

/// An engine that publishes what it decides, and takes what it decides from there.
struct PublishingWorld : IntakeWorld {
    explicit PublishingWorld(std::uint64_t seed = 1) : IntakeWorld(seed) {}

    std::unique_ptr<BusSink> sink;
    std::unique_ptr<Follower> follower;

    void follow() {
        connect();
        sink = std::make_unique<BusSink>(*link, [](const std::string& key, Seq) {
            return std::optional(R"({"key":")" + key + "\"}");
        });
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
            BusMessages({.subjects = link->subjects()}), *sink);
        follower->step();
    }
    void end() {
        follower.reset();
        sink.reset();
        disconnect();
    }
    bool told() const { return follower->status().following && follower->status().lag == 0; }
    void run_told(int turns = 30'000) {
        const bool done = run(
            [this] {
                follower->step();
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
