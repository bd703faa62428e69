#pragma once

#include "tests/firestore/follower_world.h"

// Lives that promise something, also to see whether planted bugs break it (canaries_test.cc).

namespace se::firestore {

/// Runs until it says that it stopped.
inline std::string why_it_stops(FollowerWorld& world) {
    for (int i = 0; i < 200 && world.follower->state().phase != FollowerState::Phase::stopped;
         ++i) {
        world.follower->step();
        world.run_lanes();
        world.store.clock.advance(std::chrono::milliseconds{100});
    }
    REQUIRE(to_text(world.follower->state().phase) == "stopped");
    return world.follower->state().why;
}

inline void two_copies() {
    SimDocuments documents(3);
    FollowerWorld first(documents, 1), second(documents, 2);
    first.open();
    first.write(100);
    first.start();
    first.converge();
    first.copy_to(second);
    second.store.clock.advance(std::chrono::hours{1});
    second.open();
    second.start();
    second.converge();
    second.write(50);
    second.converge();
    first.write(30);
    CHECK(why_it_stops(first).find("a later run writes") != std::string::npos);
    second.write(50);
    second.converge();
    second.check_logs();

    // And when the first one is started again, its journal does not know the second's run.
    first.die();
    first.store.clock.advance(std::chrono::hours{2});
    first.options.bootstrap = false;
    first.open();
    first.start();
    CHECK(why_it_stops(first).find("another history") != std::string::npos);
    second.write(5);
    second.converge();
}

/// Whatever goes wrong between us and the store, whenever the process dies, and in a third of the lives
/// also when the project loses all that it holds, which an operator has filled again.
inline void live(std::uint64_t seed) {
    CAPTURE(seed);
    SimDocuments documents(seed);
    FollowerWorld world(documents, seed);
    SimRandom chance(seed + 77);
    world.options.state.documents = 1 + chance.below(20);
    world.options.log.documents = 1 + chance.below(10);
    world.options.window_records = 5 + chance.below(200);
    const auto some = [&](std::uint64_t most) {
        return chance.chance(50) ? chance.below(most) : 0;
    };
    documents.faults = {.lost_answers = some(30),
                        .late = some(20),
                        .aborts = some(20),
                        .throttles = some(20),
                        .away = some(30)};
    const bool loses_all = chance.chance(33);
    const auto lose_all = [&] {
        const auto held = documents.documents();
        for (const auto& [path, document] : held) documents.remove(path);
    };
    const auto resume = [&] {
        if (world.follower->state().phase == FollowerState::Phase::stopped)
            REQUIRE(world.follower->resume(true));
    };
    // Also while a bootstrap goes on: whoever reads a document never sees an older one later.
    std::map<std::string, std::int64_t> seen;
    const auto look = [&] {
        std::map<std::string, std::int64_t> now;
        for (const auto& [path, held] : documents.documents())
            if (path.starts_with("state/"))
                now[path] = *find(held.fields, "seq")->as<std::int64_t>();
        for (const auto& [path, seq] : now) {
            CAPTURE(path);
            if (const auto before = seen.find(path); before != seen.end())
                REQUIRE(seq >= before->second);
        }
        seen = std::move(now);
    };
    world.open();
    if (chance.chance(50)) world.write(60);  // a bootstrap of more than one page
    world.start();
    for (int i = 0; i < 150; ++i) {
        if (loses_all && chance.chance(2)) lose_all();
        if (loses_all && chance.chance(20)) resume();
        if (chance.chance(40)) world.write(1 + chance.below(12));
        if (chance.chance(2)) {
            world.die();
            world.open();
            world.start();
        }
        world.step();
        world.run_lanes(60);
        world.check();
        look();
        world.store.clock.advance(std::chrono::milliseconds{chance.below(3'000)});
    }
    documents.faults = {};
    documents.settle();
    world.store.clock.advance(std::chrono::minutes{2});
    if (loses_all) {
        world.write(1);  // only who writes sees that nothing is there
        for (int i = 0; i < 400; ++i) {
            resume();
            world.step();
            world.run_lanes();
            world.store.clock.advance(std::chrono::milliseconds{100});
        }
    }
    world.converge();
    world.check_logs();
}

}  // namespace se::firestore
