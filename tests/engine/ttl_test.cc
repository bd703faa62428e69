// Deadlines: who deletes, when, and what keeps a key.

#include "tests/engine/engine_world.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

namespace {

/// ids of all expiries, in order.
std::vector<std::string> expired(EngineWorld& world) {
    std::vector<std::string> ids;
    world.each_record([&](const RecordView& record) {
        if (record.door == "ttl") ids.emplace_back(record.id);
    });
    return ids;
}

}  // namespace

TEST_CASE("a key expires by a delete of its own, and is visible until that") {
    EngineWorld world;
    world.open();
    world.set("k", "1", R"(,"ttl":10)");
    world.clock.advance(9999ms);
    world.settle();
    CHECK(world.value_of("k") == "1");
    world.clock.advance(2ms);
    CHECK(world.value_of("k") == "1");  // until the delete's seq
    CHECK(world.engine->work_waits());
    world.settle();
    CHECK(world.value_of("k") == "absent");
    CHECK(expired(world) == std::vector<std::string>{"ttl:k:1"});
    world.each_record([&](const RecordView& record) {
        if (record.door != "ttl") return;
        CHECK(record.kind == Kind::accepted);
        CHECK(record.actor == "system:ttl");
        CHECK(record.changes.at(0).op == "delete");
        CHECK(record.changes.at(0).version == Version{2});
        CHECK(record.cause == R"({"type":"expiry","deadline":"2026-01-01T00:00:10.000Z"})");
    });
    CHECK(world.engine->stats().expired == 1);
    CHECK(world.set("k", "2").changes[0].version == Version{3});
    world.check_reads_are_the_fold();
}

TEST_CASE("a later version is not what was to expire") {
    EngineWorld world;
    world.open();
    world.set("refreshed", "1", R"(,"ttl":10)");
    world.set("forever", "1", R"(,"ttl":10)");
    world.set("overlaid", "1", R"(,"ttl":10)");
    world.clock.advance(5s);
    world.set("refreshed", "2", R"(,"ttl":10)");
    world.set("forever", "2");
    world.clock.advance(5001ms);
    // Decided and not in LMDB yet when the deadline comes: the overlay knows better.
    world.submit(EngineWorld::set_text("overlaid", "2", R"(,"ttl":10)"));
    world.submit(EngineWorld::set_text("other", "1"));
    SUBCASE("together with the expiry, the queue comes after it") {
        world.settle();
        CHECK(expired(world) == std::vector<std::string>{"ttl:overlaid:1"});
        CHECK(world.value_of("overlaid") == "2");
        CHECK(world.get("overlaid")->version == Version{3});
    }
    CHECK(world.value_of("refreshed") == "2");
    CHECK(world.value_of("forever") == "2");
    world.settle();
    world.clock.advance(1h);
    world.settle();
    CHECK(world.value_of("forever") == "2");
    CHECK(world.value_of("refreshed") == "absent");
}

TEST_CASE("a refresh that is still on its way to the disk keeps its key") {
    EngineWorld world;
    world.open();
    world.set("k", "1", R"(,"ttl":10)");
    world.clock.advance(9s);
    world.submit(EngineWorld::set_text("k", "2", R"(,"ttl":10)"));
    world.submit(EngineWorld::set_text("other", "1"));
    world.engine->step();  // at the disk, not in LMDB
    world.clock.advance(2s);
    world.settle();
    CHECK(expired(world).empty());
    CHECK(world.value_of("k") == "2");
}

TEST_CASE("expiries come in order of deadline, then key, so many a step, before the queue") {
    EngineWorld world;
    world.policy.limits.expiries_per_step = 3;
    world.open();
    for (const char* key : {"d", "b", "c"}) world.set(key, "1", R"(,"ttl":20)");
    for (const char* key : {"z", "a"}) world.set(key, "1", R"(,"ttl":10)");
    world.clock.advance(30s);
    const auto asked = world.submit(EngineWorld::set_text("d", "2", R"(,"expectedVersion":1)"));
    world.settle();
    CHECK(expired(world) ==
          std::vector<std::string>{"ttl:a:1", "ttl:z:1", "ttl:b:1", "ttl:c:1"});
    // It came after the first three, and before d was reached: d still stood, and is no longer what
    // was to expire.
    CHECK(asked->answer().status == Answer::Status::accepted);
    CHECK(asked->answer().seq == Seq{11});
    CHECK(world.value_of("d") == "2");
}

TEST_CASE("expiry is exempt from the policy, and survives a restart") {
    EngineWorld world;
    world.open();
    world.set("k", "1", R"(,"ttl":10)");
    world.policy.allowed_keys = {};
    world.reopen();
    world.clock.advance(11s);
    world.settle();
    CHECK(world.value_of("k") == "absent");
}

TEST_CASE("what is only recorded does not expire") {
    EngineWorld world;
    world.policy.limits.ttl_enforce = false;
    world.open();
    world.set("k", "1", R"(,"ttl":10)");
    world.clock.advance(1h);
    world.settle();
    CHECK(world.value_of("k") == "1");
    CHECK(world.get("k")->expires_at);
    CHECK_FALSE(world.engine->work_waits());
}

TEST_CASE("the engine asks to be called when the next deadline comes") {
    EngineWorld world;
    world.open();
    world.set("k", "1", R"(,"ttl":10)");
    world.clock.advance(9900ms);
    world.settle();
    CHECK(world.engine->idle_time() <= 100ms);
    CHECK(world.engine->idle_time() > 0ms);
}

TEST_CASE("what is due and has no room is no reason to be called at once") {
    EngineWorld world;
    world.open();
    world.set("k", "1", R"(,"ttl":10)");
    REQUIRE(world.engine->close());
    world.settings.journal.disk_reserve_bytes = 1u << 20;
    world.disk.set_capacity(64u << 10);
    world.open();
    world.clock.advance(11s);
    // Until the room that is there is used up.
    for (int i = 0; i < 2'000 && world.get("k"); ++i) {
        world.engine->step();
        world.commits.run();
        world.background.run();
        world.clock.advance(1ms);
        if (i > 1'000 && !world.engine->work_waits()) CHECK(world.engine->idle_time() > 0ms);
    }
    if (world.get("k")) CHECK_FALSE(world.engine->work_waits());
}

TEST_CASE("a clock that was set back delays no more than time itself, and writes no earlier ts") {
    EngineWorld world;
    world.open();
    world.set("k", "1", R"(,"ttl":10)");
    world.clock.advance(60s);
    world.clock.jump(-1h);
    world.set("other", "1");
    Time last{};
    world.each_record([&](const RecordView& record) {
        CHECK(record.ts >= last);
        last = record.ts;
    });
    world.clock.jump(1h);
    world.settle();
    CHECK(world.value_of("k") == "absent");
}
