// Every crash point of a regrow, of a rebuild's swap and of a clean close; and what is reserved and
// not yet visible: nobody passes it.

#include <doctest/doctest.h>

#include <functional>

#include "journal/repair.h"
#include "tests/engine/engine_world.h"

using namespace se;
using namespace se::test;

namespace {

/// Runs `action`, in which the process dies before the call of the disk with that number. False:
/// there are not so many.
template <class Action>
bool dies_at(EngineWorld& world, std::uint64_t number, bool power, Action action) {
    std::uint64_t calls = 0;
    bool dead = false;
    world.disk.on_call([&](const SimFileSystem::Call&) {
        if (dead || calls++ != number) return;
        dead = true;
        power ? world.disk.power_cut() : world.disk.crash();
    });
    action();
    world.disk.on_call({});
    world.leave();
    return dead;
}

void fill(EngineWorld& world) {
    for (int i = 0; i < 4; ++i) {
        world.set("k" + std::to_string(i), std::to_string(i),
                  R"(,"id":"id-)" + std::to_string(i) + '"');
    }
    world.set("k1", "\"again\"");
}

/// What is there is what was answered, and its ids still are.
void check_filled(EngineWorld& world) {
    CHECK(world.value_of("k0") == "0");
    CHECK(world.value_of("k1") == "\"again\"");
    CHECK(world.value_of("k3") == "3");
    const Answer again = world.set("k2", "2", R"(,"id":"id-2")");
    CHECK(again.duplicate);
    CHECK(world.value_of("k2") == "2");
    const MemoryState fold = world.folded();
    for (const auto& [key, entry] : world.all()) {
        REQUIRE(fold.find(key) != nullptr);
        CHECK(entry == *fold.find(key));
    }
}

/// A filled store whose process dies in `action` at its first call of the disk, at its second and
/// so on until there are no more, each with the power and without: what was answered is there
/// again. `least`: so many calls there are.
void dies_at_every_call(std::uint64_t least, const std::function<void(EngineWorld&)>& prepare,
                        const std::function<void(EngineWorld&)>& action) {
    for (const bool power : {false, true}) {
        std::uint64_t number = 0;
        for (bool more = true; more; ++number) {
            CAPTURE(power);
            CAPTURE(number);
            EngineWorld world(number + 1);
            world.open();
            fill(world);
            prepare(world);
            more = dies_at(world, number, power, [&] { action(world); });
            if (power) world.forget_cache();
            world.open();
            check_filled(world);
        }
        CHECK(number > least);
    }
}

}  // namespace

TEST_CASE("LMDB that is regrown dies at any call of it: it grows again, to the same") {
    dies_at_every_call(
        5,
        [](EngineWorld& world) {
            world.crash();
            world.forget_cache();
        },
        [](EngineWorld& world) {
            if (!world.try_open(world.policy)) return;
            for (int i = 0; i < 5; ++i) world.engine->step();
        });
}

TEST_CASE("a rebuild that swaps dies at any call: one generation or the other, whole") {
    dies_at_every_call(
        3, [](EngineWorld&) {},
        [](EngineWorld& world) {
            world.engine->rebuild(true, [](const Result<Rebuild::Report>&) {});
            for (int i = 0; i < 6; ++i) {
                world.engine->step();
                world.commits.run();
            }
        });
}

TEST_CASE("a clean close of the engine dies at any call: nothing answered is lost") {
    dies_at_every_call(
        5, [](EngineWorld&) {},
        [](EngineWorld& world) { static_cast<void>(world.engine->close()); });
}

TEST_CASE("a projector never passes a seq that was reserved and is not yet visible") {
    // Groups of several sizes, each of which is at the disk while the next one is built: at any
    // moment LMDB, the feed and who reads the journal are where the last sync was, and without a
    // gap.
    EngineWorld world;
    world.settings.engine.group_records = 3;
    world.open();
    auto reader = JournalReader::open(world.disk, StorePaths{world.settings.data});
    REQUIRE(reader);
    Seq seen;
    Cursor cursor;
    Seq told;
    std::size_t reserved_ahead = 0;
    const auto look = [&] {
        const Journal& journal = world.engine->journal();
        const Seq durable = world.engine->durable();
        CHECK(world.engine->projection().watermark().seq <= durable);
        reserved_ahead += journal.last() > durable ? 1 : 0;
        for (;;) {
            const auto record = reader->next();
            REQUIRE(record);
            if (*record == nullptr) break;
            REQUIRE((*record)->seq == seen.next());
            seen = (*record)->seq;
            // Shown is durable, though perhaps nobody has polled yet.
            REQUIRE(seen <= journal.last());
        }
        const auto changes = world.engine->changes_since(&cursor, "", 100);
        REQUIRE(changes);
        for (const auto& event : changes->events) {
            CHECK(event->seq > told);
            CHECK(event->seq <= durable);
            told = event->seq;
        }
        CHECK(cursor.seq <= durable);
    };
    for (int i = 0; i < 60; ++i) {
        for (int j = 0; j <= i % 5; ++j) {
            world.submit(EngineWorld::set_text("k" + std::to_string(j), std::to_string(i)));
        }
        world.engine->step();
        look();
        if (i % 3 != 0) world.commits.run();  // else it is still at the disk
        look();
        world.engine->step();
        look();
        world.background.run();
    }
    world.settle();
    look();
    CHECK(reserved_ahead > 20);
    CHECK(seen == world.engine->journal().last());
    CHECK(world.engine->projection().watermark().seq == seen);
}

TEST_CASE(
    "a config that was given up does not keep the store from opening, though `closed` names it") {
    for (const bool note_first : {true, false}) {
        CAPTURE(note_first);
        EngineWorld world;
        world.open();
        world.set("k", "1");
        Seq config;
        world.each_record([&](const RecordView& record) {
            if (record.kind == Kind::config) config = record.seq;
        });
        REQUIRE(config != Seq{});
        REQUIRE(world.engine->close());
        world.leave();

        const StorePaths paths{world.settings.data};
        auto at = JournalReader::open(world.disk, paths);
        REQUIRE(at);
        REQUIRE(at->at(config));
        world.disk.flip_bit(paths.segment(at->segment()), (at->offset() + 20) * 8);
        {
            const auto plan = plan_repair(world.disk, paths, config, config);
            REQUIRE(plan);
            auto hold = hold_store(world.disk, world.random, paths);
            REQUIRE(hold);
            REQUIRE(carry_out(world.disk, paths, *hold, *plan));
        }
        if (note_first) {
            const Status opened = world.try_open(world.policy);
            REQUIRE_MESSAGE(opened, opened.error().text);
            REQUIRE(world.engine->close());
        }
        const Status opened = world.try_open(world.policy);
        REQUIRE_MESSAGE(opened, opened.error().text);
        world.settle();
        CHECK(world.engine->state() == EngineState::ready);
        CHECK(world.value_of("k") == "1");
        CHECK(world.set("k", "2").status == Answer::Status::accepted);
    }
}
