// What the journal says, told on the bus: each at least once, under one id, in order.

#include <doctest/doctest.h>

#include <set>

#include "engine/egress/bus_messages.h"
#include "engine/egress/bus_sink.h"
#include "engine/egress/follower.h"
#include "tests/intake/intake_world.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

namespace {

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
            FollowerOptions{
                .name = "nats", .backoff = {.first = 5ms, .max = 50ms}, .breaker = {.open = 50ms}},
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

std::string set_to(const std::string& key, const std::string& value, const std::string& more = "") {
    return R"({"op":"set","key":")" + key + R"(","value":)" + value +
           R"(,"actor":"svc","reason":"r")" + more + "}";
}

}  // namespace

TEST_CASE("each decision has one result, and each change is told under its key") {
    PublishingWorld world;
    world.engine_world.policy.allowed_keys = {"a", "b..c", "d"};
    world.engine_world.open();
    world.make_stream();
    world.publish(set_to("a", "1", R"(,"id":"m1")"), {{"correlationid", "c1"}});
    world.publish(set_to("b..c", "2"));
    world.publish(set_to("forbidden", "3"));
    world.publish(set_to("a", "4", R"(,"expectedVersion":7)"));
    world.publish(R"({"op":"delete","key":"a","reason":"r"})");
    world.follow();
    world.run_told();

    const auto results = world.published("internal.state.result.v1");
    REQUIRE(results.size() == 5);
    CHECK(text_at(results[0], "status") == "accepted");
    CHECK(text_at(results[0], "id") == "m1");
    CHECK(text_at(results[0], "version") == "1");
    CHECK(text_at(results[0], "correlationId") == "c1");
    CHECK(text_at(results[0], "actor") == "svc");
    CHECK(text_at(results[2], "message") == "Key not allowed");
    CHECK(text_at(results[3], "message") == "Version mismatch: expected 7, found 1");
    CHECK(text_at(*results[3].find("current"), "key") == "a");
    CHECK(results[0].find("current") == nullptr);

    const auto changed = world.published("internal.state.changed.v1.a");
    REQUIRE(changed.size() == 2);
    CHECK(text_at(*changed[0].find("entry"), "value") == "1");
    CHECK(text_at(changed[0], "previousVersion") == "0");
    CHECK(changed[1].find("entry")->is_null());
    CHECK(text_at(changed[1], "version") == "2");
    CHECK(world.published("internal.state.changed.v1.b.%.c").size() == 1);
    const auto* first = world.broker.stored("local.internal.state.result.v1")[0];
    CHECK(bus_header(first->headers, "type") == "internal.state.result.v1");
    CHECK(bus_header(first->headers, "correlationid") == "c1");
    CHECK(bus_header(first->headers, BusMessages::kConflictKey).empty());
    CHECK(first->id.ends_with(":result"));
}

TEST_CASE("what rules fire goes out with its type, and a dead letter with what it was") {
    PublishingWorld world;
    world.engine_world.policy.rules = RuleSet::defaults();
    world.engine_world.open();
    world.make_stream();
    world.publish(set_to("stream.state", "\"on\""));
    world.publish("no json", {{"Type", "t"}});
    world.publish(R"({"op":"set","value":1})", {{"CorrelationId", "c7"}});
    world.follow();
    world.run_told();
    const auto egress = world.published("internal.egress.v1");
    REQUIRE(egress.size() == 1);
    CHECK(text_at(egress[0], "type") == "system.stream.online");
    CHECK(bus_header(world.broker.stored("local.internal.egress.v1")[0]->headers, "type") ==
          "system.stream.online");
    const auto dead = world.published("internal.deadletter.v1");
    REQUIRE(dead.size() == 2);
    CHECK(text_at(dead[0], "original") == "no json");
    CHECK(text_at(*dead[0].find("payload"), "originalType") == "t");
    CHECK(text_at(*dead[0].find("payload"), "reason") == "malformed");
    CHECK(!text_at(dead[0], "correlationId").empty());
    CHECK(text_at(dead[0], "sourceTopic") == "internal.state.mutation.v1");
    CHECK(text_at(dead[1], "correlationId") == "c7");
    CHECK(text_at(*dead[1].find("original"), "op") == "set");
}

TEST_CASE("switched off, results and changes stay at home, and what rules fire does not") {
    EngineWorld world;
    world.policy.rules = RuleSet::defaults();
    world.open();
    world.set("stream.state", "\"on\"");
    std::vector<Message> messages;
    const BusMessages some({.subjects = BusSubjects("x."), .results = false, .changes = false});
    world.each_record([&](const RecordView& record) { REQUIRE(some(record, "s", &messages)); });
    REQUIRE(messages.size() == 1);
    CHECK(messages[0].topic == "x.internal.egress.v1");
}

TEST_CASE("whatever breaks: every result at least once, under one id, first ones in order") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        PublishingWorld world(seed);
        SimRandom chance(seed * 31);
        world.make_stream();
        world.options.ack_wait = 300ms;
        world.broker.faults = {.delay = chance.below(20),
                               .lose_answer = chance.below(8),
                               .disconnect = chance.below(2),
                               .refuse_connect = chance.below(50)};
        world.follow();
        int published = 0;
        for (int life = 0; life < 5; ++life) {
            const int more = 1 + static_cast<int>(chance.below(20));
            for (int i = 0; i < more; ++i)
                world.publish(set_to("k" + std::to_string(i % 3), std::to_string(published++)));
            world.run(
                [&] {
                    world.follower->step();
                    return false;
                },
                1 + static_cast<int>(chance.below(300)));
            world.engine_world.crash();
            world.end();
            world.engine_world.open();
            world.follow();
        }
        world.broker.faults = {};
        world.run_told(100'000);
        std::vector<std::string> wanted, found;
        std::set<std::string> seen;
        world.engine_world.each_record([&](const RecordView& record) {
            if (record.door == "nats")
                wanted.push_back(world.engine_world.engine->store().store + ":" +
                                 std::to_string(record.epoch.value) + ":" +
                                 std::to_string(record.seq.value) + ":result");
        });
        for (const auto* message : world.broker.stored("local.internal.state.result.v1"))
            if (seen.insert(message->id).second) found.push_back(message->id);
        CHECK(wanted.size() == static_cast<std::size_t>(published));
        CHECK(found == wanted);
        world.end();
    }
}
