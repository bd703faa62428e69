#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/intake/publishing_world.h"

// Lives that promise something, also to see whether planted bugs break it (canaries_test.cc).

namespace se::test {

inline std::string set_of(const std::string& key, const std::string& value,
                          const std::string& id = "", const std::string& more = "") {
    return R"({"op":"set","key":")" + key + R"(","value":)" + value +
           R"(,"actor":"svc","reason":"r")" + (id.empty() ? "" : R"(,"id":")" + id + "\"") + more +
           "}";
}

inline std::string push_of(int value) {
    return R"({"op":"push","key":"list","value":)" + std::to_string(value) + R"(,"reason":"r"})";
}

/// "[0,1,2,…]": what a list holds to which each number was pushed once and in order.
inline std::string numbers(int count) {
    std::string text = "[";
    for (int i = 0; i < count; ++i) text += (i == 0 ? "" : ",") + std::to_string(i);
    return text + "]";
}

inline std::uint64_t pending(IntakeWorld& world) {
    return world.broker.find("BITBRAT")->consumers.at(world.intake->facts().durable).pending.size();
}

/// The durable that the original has left, for the world to take over. Needs the stream.
inline SimBroker::Consumer& originals_durable(IntakeWorld& world,
                                              std::chrono::nanoseconds ack_wait) {
    world.options.durable = "original";
    world.options.takeover = true;
    auto& consumer = world.broker.find("BITBRAT")->consumers["original"];
    consumer.spec = {.stream = "BITBRAT",
                     .durable = "original",
                     .filter_subject = kMutations,
                     .ack_wait = ack_wait,
                     .deliver_subject = "_INBOX.x",
                     .deliver_group = "state-engine"};
    return consumer;
}

inline void acknowledged_when_durable(FsyncMode mode) {
    IntakeWorld world;
    world.engine_world.settings.journal.fsync = mode;
    world.engine_world.open();
    world.make_stream();
    world.connect();
    world.run_dry();
    // Two, so that neither is committed there and then.
    world.publish(set_of("a", "1"));
    world.publish(set_of("b", "2"));
    for (int i = 0; i < 50; ++i) world.turn();
    CHECK(world.intake->facts().in_hand == 2);
    CHECK(pending(world) == 2);
    world.run_dry();
    CHECK(pending(world) == 0);
    CHECK(world.engine_world.engine->durable() >= world.engine_world.engine->applied().seq);
}

/// It dies in the middle of whatever it does, what it took last not synced yet, or ends in good
/// order; and begins anew. `publish` brings one more message.
template <class Publish>
void end_a_life(IntakeWorld& world, SimRandom& chance, Publish publish) {
    if (chance.chance(50)) {
        for (std::uint64_t more = chance.below(4); more > 0; --more) publish();
        for (std::uint64_t turns = chance.below(6); turns > 0; --turns) world.turn();
        world.engine_world.crash();
    } else {
        REQUIRE(world.engine_world.engine->close());
    }
    world.disconnect();
    world.engine_world.open();
    world.connect();
}

inline SimBusFaults faults_of(SimRandom& chance) {
    return {.lose_delivery = chance.below(5),
            .double_delivery = chance.below(10),
            .delay = chance.below(40),
            .lose_answer = chance.below(10),
            .refuse = chance.below(10),
            .disconnect = chance.below(2),
            .refuse_connect = chance.below(50)};
}

/// Six lives on a broker that does what it should not. Returns how many messages `publish` brought,
/// each under its number; what is open then is not yet taken.
template <class Publish>
int live_six_times(IntakeWorld& world, SimRandom& chance, Publish publish) {
    world.options.ack_wait = std::chrono::milliseconds(300);
    world.broker.faults = faults_of(chance);
    world.connect();
    int published = 0;
    for (int life = 0; life < 6; ++life) {
        for (std::uint64_t more = 1 + chance.below(30); more > 0; --more) publish(published++);
        world.run([] { return false; }, 1 + static_cast<int>(chance.below(400)));
        end_a_life(world, chance, [&] { publish(published++); });
    }
    world.broker.faults = {};
    world.run_dry(100'000);
    return published;
}

inline void in_stream_order_whatever_breaks(std::uint64_t seed) {
    CAPTURE(seed);
    IntakeWorld world(seed);
    SimRandom chance(seed * 77);
    world.make_stream();
    const int published =
        live_six_times(world, chance, [&](int number) { world.publish(push_of(number)); });
    CHECK(world.engine_world.value_of("list") == numbers(published));
    world.engine_world.check_reads_are_the_fold();
}

/// In whatever order its server delivers: what is acknowledged too early never comes again.
inline void taken_over_whatever_breaks(std::uint64_t seed) {
    CAPTURE(seed);
    IntakeWorld world(seed);
    SimRandom chance(seed * 53);
    world.make_stream();
    originals_durable(world, std::chrono::milliseconds(300));
    const int published = live_six_times(world, chance, [&](int number) {
        world.publish(set_of("k" + std::to_string(number), std::to_string(number)));
    });
    std::map<std::string, int> records;  // by sequence
    for (const Json& record : world.records())
        ++records[text_at(*record.find("cause"), "sequence")];
    CHECK(records.size() == static_cast<std::size_t>(published));
    for (const auto& [sequence, count] : records) {
        CAPTURE(sequence);
        CHECK(count == 1);
    }
    world.engine_world.check_reads_are_the_fold();
}

/// All that records say at least once, each under one id, the first ones in order.
inline void told_whatever_breaks(std::uint64_t seed) {
    CAPTURE(seed);
    PublishingWorld world(seed);
    SimRandom chance(seed * 31);
    world.make_stream();
    world.options.ack_wait = std::chrono::milliseconds(300);
    world.broker.faults = {.delay = chance.below(20),
                           .lose_answer = chance.below(8),
                           .disconnect = chance.below(3),
                           .refuse_connect = chance.below(50)};
    world.follows_of_100 = 20 + chance.below(81);
    world.follow();
    int published = 0;
    for (int life = 0; life < 5; ++life) {
        const int more = 1 + static_cast<int>(chance.below(20));
        for (int i = 0; i < more; ++i)
            world.publish(set_of("k" + std::to_string(i % 3), std::to_string(published++)));
        world.run(
            [&] {
                world.follow_on();
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
    int decided = 0;
    const BusMessages messages_of({.subjects = world.link->subjects()});
    world.engine_world.each_record([&](const RecordView& record) {
        if (record.door == "nats") ++decided;
        std::vector<Message> messages;
        REQUIRE(messages_of(record, world.engine_world.engine->store().store, &messages));
        for (const Message& message : messages) wanted.push_back(message.id);
    });
    for (const auto& message : world.broker.find("BITBRAT")->messages)
        if (message.subject != kMutations && seen.insert(message.id).second)
            found.push_back(message.id);
    CHECK(decided == published);
    CHECK(found == wanted);
    world.end();
}

}  // namespace se::test
