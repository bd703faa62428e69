// The change feed: every durable change once, in order, from any cursor.

#include "tests/engine/engine_world.h"

using namespace se;
using namespace se::test;

namespace {

struct FeedReader {
    Cursor cursor;
    std::vector<std::string> texts;
    std::vector<Seq> seqs;
    int resyncs = 0;

    void catch_up(Engine& engine, std::string_view prefix = "", std::size_t limit = 7) {
        for (bool more = true; more;) {
            const auto changes = engine.changes_since(&cursor, prefix, limit);
            REQUIRE(changes);
            for (const auto& event : changes->events) {
                CHECK(event->key.starts_with(prefix));
                texts.push_back(event->text);
                seqs.push_back(event->seq);
            }
            if (changes->resync) ++resyncs;
            more = changes->more;
        }
    }
};

Cursor now(EngineWorld& world) {
    const auto applied = world.engine->applied();
    return {applied.epoch, applied.seq};
}

}  // namespace

TEST_CASE("an event tells the key, its entry, the version before, the cause and the id") {
    EngineWorld world;
    world.open();
    FeedReader follower{.cursor = now(world), .texts = {}, .seqs = {}};
    world.set("k", "1", R"(,"id":"first")");
    world.ask(R"({"op":"delete","key":"k","reason":"r","id":"second"})");
    world.set("forbidden key", "1");
    follower.catch_up(*world.engine);
    REQUIRE(follower.texts.size() == 2);
    CHECK(follower.texts[0] ==
          R"({"key":"k","entry":{"key":"k","value":1,"version":1,"seq":3,)"
          R"("updatedAt":"2026-01-01T00:00:00.000Z","updatedBy":"alice","ttl":null,)"
          R"("metadata":{"source":"test"}},"previousVersion":0,"cause":null,"id":"first"})");
    CHECK(follower.texts[1] ==
          R"({"key":"k","entry":null,"previousVersion":1,"cause":null,"id":"second"})");
    CHECK(follower.cursor == now(world));
}

TEST_CASE("nothing is told before it is durable, and all who follow are woken then") {
    EngineWorld world;
    world.open();
    int woken = 0;
    world.engine->on_changes([&] { ++woken; });
    FeedReader follower{.cursor = now(world), .texts = {}, .seqs = {}};
    world.submit(EngineWorld::set_text("a", "1"));
    world.submit(EngineWorld::set_text("b", "1"));
    world.engine->step();
    follower.catch_up(*world.engine);
    CHECK(follower.texts.empty());
    CHECK(woken == 0);
    world.settle();
    CHECK(woken >= 1);
    follower.catch_up(*world.engine);
    CHECK(follower.texts.size() == 2);
}

TEST_CASE("large changes come a megabyte at once, cut between records, from memory and from the journal") {
    EngineWorld world;
    world.open();
    const Cursor start = now(world);
    const std::string large = "\"" + std::string(300'000, 'x') + "\"";
    for (int i = 0; i < 10; ++i)
        world.ask(R"({"ops":[{"op":"set","key":"a","value":)" + large + R"(},{"op":"set","key":"b","value":)" + large +
                  R"(}],"reason":"r"})");
    for (const bool from_journal : {false, true}) {
        if (from_journal) world.reopen();
        Cursor cursor = start;
        std::size_t events = 0;
        for (bool more = true; more;) {
            const auto changes = world.engine->changes_since(&cursor, "", 1000);
            REQUIRE(changes);
            std::size_t bytes = 0;
            for (const auto& event : changes->events) bytes += event->text.size();
            CHECK(bytes < kChangesBytes + 700'000);  // and the record that reached it
            CHECK(changes->events.size() % 2 == 0);
            events += changes->events.size();
            more = changes->more;
        }
        CHECK(events == 20);
    }
}

TEST_CASE("memory and journal tell the same, from every cursor and in pieces of any size") {
    EngineWorld world;
    world.open();
    const Cursor start = now(world);
    for (int i = 0; i < 20; ++i) world.set("k" + std::to_string(i % 4), std::to_string(i));
    world.ask(R"({"ops":[{"op":"set","key":"x","value":1},{"op":"delete","key":"k0"}],"reason":"r"})");
    for (std::uint64_t from = start.seq.value; from <= now(world).seq.value; ++from) {
        for (const std::size_t limit : {1u, 3u, 100u}) {
            FeedReader memory{.cursor = {start.epoch, Seq{from}}, .texts = {}, .seqs = {}};
            memory.catch_up(*world.engine, "k", limit);
            auto reader = JournalReader::open(world.disk, StorePaths{"/data"});
            REQUIRE(reader);
            Cursor cursor{start.epoch, Seq{from}};
            std::vector<std::string> texts;
            for (bool more = true; more;) {
                const auto changes =
                    changes_from_journal(*reader, &cursor, now(world).seq, "k", limit);
                REQUIRE(changes);
                CHECK_FALSE(changes->resync);
                for (const auto& event : changes->events) texts.push_back(event->text);
                more = changes->more;
            }
            CHECK(memory.texts == texts);
            CHECK(memory.cursor == cursor);
        }
    }
}

TEST_CASE("a follower that is further back than memory misses nothing") {
    EngineWorld world;
    world.settings.journal.first_segment_bytes = 1u << 20;
    world.settings.journal.segment_bytes = 4u << 20;
    world.open();
    FeedReader follower{.cursor = now(world), .texts = {}, .seqs = {}};
    const std::size_t count = kFeedEventsMax + 500;
    for (std::size_t i = 0; i < count; ++i) {
        world.submit(R"({"op":"increment","key":"n","value":1,"reason":"r"})");
        if (i % 256 == 255) world.settle();
    }
    world.settle();
    follower.catch_up(*world.engine, "", 100);
    REQUIRE(follower.seqs.size() == count);
    for (std::size_t i = 1; i < count; ++i) {
        CHECK(follower.seqs[i].value == follower.seqs[i - 1].value + 1);
    }
    // Also where memory ends and the journal has to be asked.
    const std::uint64_t last = follower.seqs.back().value;
    for (std::uint64_t back = kFeedEventsMax - 4; back < kFeedEventsMax + 4; ++back) {
        FeedReader late{.cursor = {follower.cursor.epoch, Seq{last - back}}, .texts = {}, .seqs = {}};
        late.catch_up(*world.engine, "", kFeedEventsMax * 2);
        CHECK(late.seqs.size() == back);
    }
}

TEST_CASE("a cursor survives restarts; without one, a follower starts where reads are") {
    EngineWorld world;
    world.open();
    world.set("a", "1");
    FeedReader follower{.cursor = {}, .texts = {}, .seqs = {}};
    follower.catch_up(*world.engine);
    CHECK(follower.texts.size() == 1);
    world.reopen();
    world.set("b", "1");
    follower.catch_up(*world.engine);
    CHECK(follower.texts.size() == 2);
    CHECK(follower.resyncs == 0);
    world.crash();
    world.open();
    world.set("c", "1");
    follower.catch_up(*world.engine);
    CHECK(follower.texts.size() == 3);
    CHECK(follower.resyncs == 0);
}

TEST_CASE("a cursor past the point where a later epoch began is rewound to it, with a mark") {
    EngineWorld world;
    world.open();
    world.set("a", "1");
    const Cursor early = now(world);
    world.reopen();
    world.set("b", "2");
    // It claims to have seen more of the first epoch than there was.
    FeedReader follower{.cursor = {early.epoch, Seq{early.seq.value + 3}}, .texts = {}, .seqs = {}};
    follower.catch_up(*world.engine);
    CHECK(follower.resyncs == 1);
    REQUIRE(follower.texts.size() == 1);
    CHECK(follower.texts[0].find("\"key\":\"b\"") != std::string::npos);
    CHECK(follower.cursor == now(world));
}

TEST_CASE("where a resync says to go on is taken later, too: from the journal, and after more restarts") {
    EngineWorld world;
    world.open();
    world.set("a", "1");
    const Cursor early = now(world);
    world.reopen();
    world.set("b", "2");
    world.reopen();  // so that memory knows neither of the two runs
    FeedReader follower{.cursor = {early.epoch, Seq{early.seq.value + 3}}, .texts = {}, .seqs = {}};
    const auto first = world.engine->changes_since(&follower.cursor, "", 7);
    REQUIRE(first);
    CHECK(first->resync);
    CHECK(first->events.empty());
    world.reopen();
    follower.catch_up(*world.engine);
    CHECK(follower.resyncs == 0);
    REQUIRE(follower.texts.size() == 1);
    CHECK(follower.texts[0].find("\"key\":\"b\"") != std::string::npos);
}
