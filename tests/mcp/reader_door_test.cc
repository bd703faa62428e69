// The state beside the writer: what a process that only reads tells of a past that did not last.

#include "mcp/reader_door.h"

#include "tests/engine/engine_world.h"

namespace se::mcp::test {
namespace {

class NoDecider final : public Decider {
public:
    void propose(Json, Caller, bool, std::function<void(Decided)>) override {}
    std::vector<std::string> allowed_keys() override { return {}; }
    Limits limits() override { return {}; }
    void learn(Policy) override {}
};

}  // namespace

TEST_CASE("beside the writer, too, a bookmark behind what a repair gave up is void, once") {
    se::test::EngineWorld world;
    world.open();
    const auto mark = [&] {
        const Engine::AsOf now = world.engine->applied();
        return Cursor{now.epoch, now.seq};
    };
    world.set("a", "1");
    const Cursor before = mark();
    const Answer lost = world.set("a", "2", R"(,"id":"the-lost-one")");
    const Cursor at_lost = mark();
    world.set("c", "1");
    const Cursor behind = mark();
    REQUIRE(world.engine->close());
    world.leave();

    NoDecider decider;
    ReaderDoor door({.files = world.disk,
                     .paths = StorePaths{world.settings.data},
                     .cache_files = world.cache_files,
                     .cache_directory = world.cache.path()},
                    {}, decider);
    const auto is_void = [&](Cursor cursor, Cursor* now) {
        REQUIRE(door.refresh());
        const auto told = door.is_void(&cursor);
        REQUIRE_MESSAGE(told, told.error().text);
        *now = cursor;
        return *told;
    };
    const auto keys_since = [&](Cursor cursor) {
        std::string keys;
        const auto changes = door.changes_since(&cursor, "", 100);
        REQUIRE_MESSAGE(changes, changes.error().text);
        CHECK_FALSE(changes->resync);
        for (const auto& event : changes->events) keys += event->key;
        return keys;
    };
    Cursor now;
    for (const Cursor& cursor : {before, at_lost, behind}) CHECK_FALSE(is_void(cursor, &now));
    door.close();
    world.give_up("the-lost-one", lost.seq);

    // Nobody has opened the store since.
    for (const Cursor& cursor : {at_lost, behind}) {
        CHECK(is_void(cursor, &now));
        CHECK_FALSE(is_void(now, &now));
        CHECK(keys_since(now).empty());
    }
    // Without the note of the repair it is damage, and what comes behind it is not shown.
    CHECK_FALSE(is_void(before, &now));
    CHECK(keys_since(before).empty());
    Cursor good;
    CHECK(is_void(behind, &good));

    door.close();
    world.open();
    world.set("d", "1");
    REQUIRE(world.engine->close());
    world.leave();
    for (const Cursor& cursor : {at_lost, behind}) {
        CHECK(is_void(cursor, &now));
        CHECK_FALSE(is_void(now, &now));
    }
    CHECK_FALSE(is_void(good, &now));
    CHECK(keys_since(good) == "cd");
    CHECK_FALSE(is_void(before, &now));
    CHECK(keys_since(before) == "cd");
    CHECK(is_void(Cursor{Epoch{now.epoch.value + 1'000'000'000}, now.seq}, &now));
}

}  // namespace se::mcp::test
