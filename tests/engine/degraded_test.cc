// When LMDB fails, and when answers do not wait for the disk.

#include "projection/stamp.h"
#include "projection/state_reader.h"
#include "tests/engine/engine_world.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

TEST_CASE("while LMDB fails, what is durable is answered and every read sees it (P4)") {
    EngineWorld world;
    world.open();
    world.set("k", "1");
    world.set("gone", "1");
    world.set("z", "1");
    const auto clean = world.engine->projection().watermark().seq;
    REQUIRE(world.engine->close());
    world.cache_files.looks_left = 1;
    world.open();
    const auto woken = std::make_shared<int>(0);
    world.engine->on_changes([woken] { ++*woken; });

    const std::string once = EngineWorld::set_text("k", "2", R"(,"id":"once")");
    const Answer first = world.ask(once);
    CHECK(first.status == Answer::Status::accepted);
    CHECK(first.changes[0].version == Version{2});
    world.ask(R"({"op":"delete","key":"gone","reason":"r"})");
    world.set("new", "1");
    CHECK(world.engine->projection().watermark().seq <= clean.next());
    CHECK(world.value_of("k") == "2");
    CHECK(world.all().size() == 3);
    world.check_reads_are_the_fold();
    CHECK(*woken > 0);
    const auto history = world.engine->history("k", Seq{}, 10);
    REQUIRE(history);
    CHECK(history->size() == 2);
    CHECK(history->front() == first.seq);
    const Answer again = world.ask(once);
    CHECK(again.duplicate);
    CHECK(again.seq == first.seq);
    CHECK(world.set("k", "3").changes[0].version == Version{3});

    const auto listed = world.engine->list("", "k", 1);
    REQUIRE(listed);
    REQUIRE(listed->size() == 1);
    CHECK(listed->front().first == "new");

    SUBCASE("and when it is back, it catches up by itself") {
        world.cache_files.looks_left.reset();
        world.clock.advance(2s);
        world.settle();
        CHECK(world.engine->projection().watermark().seq == world.engine->journal().last());
        world.check_reads_are_the_fold();
        CHECK(world.ask(once).seq == first.seq);
    }
    SUBCASE("a restart meanwhile changes nothing") {
        world.crash();
        world.cache_files.looks_left = 1;
        world.open();
        CHECK(world.value_of("k") == "3");
        world.check_reads_are_the_fold();
        CHECK(world.ask(once).seq == first.seq);
    }
}

TEST_CASE("past the overlay's limit proposals are refused, and taken again when LMDB is back") {
    EngineWorld world;
    world.settings.engine.overlay_bytes = 8u << 10;
    world.open();
    REQUIRE(world.engine->close());
    world.cache_files.looks_left = 1;
    world.open();
    Answer answer;
    int accepted = 0;
    for (; accepted < 100; ++accepted) {
        answer = world.set("k", std::to_string(accepted));
        if (answer.status != Answer::Status::accepted) break;
    }
    CHECK(accepted > 3);
    CHECK(accepted < 100);
    CHECK(answer.code == Code::unavailable);
    CHECK(answer.reason == "overloaded");
    CHECK(world.value_of("k") == std::to_string(accepted - 1));
    world.cache_files.looks_left.reset();
    world.clock.advance(2s);
    world.settle();
    CHECK(world.set("k", "7").status == Answer::Status::accepted);
    world.check_reads_are_the_fold();
}

TEST_CASE("of the messages of the bus none passes one that was not decided, until that is told") {
    int untold = 0;
    for (int steps = 0; steps < 12; ++steps) {
        CAPTURE(steps);
        EngineWorld world;
        world.settings.engine.overlay_bytes = 8u << 10;
        world.settings.engine.group_records = 1;
        world.open();
        REQUIRE(world.engine->close());
        world.cache_files.looks_left = 1;
        world.open();
        std::map<std::string, Answer> told;
        const auto send = [&](const std::string& id, const std::string& value) {
            auto parsed = parse_proposal(R"({"op":"set","key":"k","value":)" + value + R"(,"reason":"r","id":")" + id + R"("})",
                                         world.engine->policy().limits);
            REQUIRE(parsed.proposal);
            world.engine->submit(*std::move(parsed.proposal), {.principal = "nats", .door = "nats"},
                                 [&told, id](Answer&& answer) { told[id] = std::move(answer); });
        };
        // The first fills what memory may hold while LMDB fails; the second may be refused for that.
        send("1", "\"" + std::string(9'000, 'x') + "\"");
        send("2", "2");
        for (int step = 0; step < steps; ++step) {
            world.engine->step();
            world.commits.run();
        }
        world.cache_files.looks_left.reset();
        world.clock.advance(2s);
        // Who has been told keeps the third back.
        if (told.contains("2") && told["2"].code == Code::unavailable) continue;
        send("3", "3");
        world.settle();
        REQUIRE(told.size() == 3);
        CHECK(told["1"].status == Answer::Status::accepted);
        if (told["2"].code != Code::unavailable) {
            CHECK(told["2"].seq < told["3"].seq);
        } else {
            ++untold;
            CHECK(told["3"].code == Code::unavailable);
        }
        send("2", "2");
        send("3", "3");
        world.settle();
        CHECK(told["2"].seq < told["3"].seq);
        CHECK(world.value_of("k") == "3");
    }
    CHECK(untold > 0);
}

TEST_CASE("LMDB at its size limit loses nothing, and needs only more room") {
    EngineWorld world;
    world.settings.projection.map_bytes_max = 1u << 20;
    world.settings.journal.segment_bytes = 4u << 20;
    world.open();
    const std::string text = "\"" + std::string(4000, 'x') + "\"";
    int written = 0;
    while (world.engine->projection().watermark().seq == world.engine->journal().last()) {
        REQUIRE(world.set("k" + std::to_string(written++), text).status == Answer::Status::accepted);
        REQUIRE(written < 1000);
    }
    REQUIRE(world.set("last", "1").status == Answer::Status::accepted);
    world.check_reads_are_the_fold();
    SUBCASE("after a clean close") { REQUIRE(world.engine->close()); }
    SUBCASE("after a crash") { world.crash(); }
    world.settings.projection.map_bytes_max = 64u << 20;
    world.open();
    CHECK(world.engine->projection().watermark().seq == world.engine->journal().last());
    CHECK(world.all().size() == static_cast<std::size_t>(written) + 1);
    world.check_reads_are_the_fold();
}

TEST_CASE("fsync never: answers come after the write, followers wait for the sync") {
    EngineWorld world;
    world.settings.journal.fsync = FsyncMode::never;
    world.open();
    world.clock.advance(2s);
    world.set("first", "1");  // a sync is due at once; the next one an interval later
    const Seq synced = world.engine->durable();
    REQUIRE(synced == world.engine->journal().last());
    const Cursor start{world.engine->applied().epoch, world.engine->applied().seq};
    const Answer answer = world.set("k", "1", R"(,"id":"once")");
    CHECK(answer.status == Answer::Status::accepted);
    CHECK(answer.seq == synced.next());
    CHECK(world.engine->durable() == synced);
    CHECK(world.value_of("k") == "1");  // reads of this process see it
    CHECK(world.all().size() == 2);
    CHECK(world.engine->applied().seq == answer.seq);
    CHECK(world.engine->projection().watermark().seq == synced);
    CHECK(world.set("k", "2").changes[0].version == Version{2});
    const Answer again = world.ask(EngineWorld::set_text("k", "1", R"(,"id":"once")"));
    CHECK(again.duplicate);
    CHECK(again.seq == answer.seq);
    Cursor cursor = start;
    CHECK(world.engine->changes_since(&cursor, "", 100)->events.empty());
    const std::map<std::string, Entry> shown = world.all();

    SUBCASE("which comes within the interval") {
        world.clock.advance(1001ms);
        world.settle();
        CHECK(world.engine->durable() == answer.seq.next());
        CHECK(world.engine->projection().watermark().seq == answer.seq.next());
        CHECK(world.engine->changes_since(&cursor, "", 100)->events.size() == 2);
        CHECK(world.all() == shown);  // what the overlay showed is what the fold says
        world.check_reads_are_the_fold();
    }
    SUBCASE("a killed process loses nothing, a power cut may") {
        world.crash();
        world.open();
        CHECK(world.value_of("k") == "2");
        world.check_reads_are_the_fold();
    }
    SUBCASE("a clean close waits for it") {
        REQUIRE(world.engine->close());
        world.open();
        CHECK(world.value_of("k") == "2");
        CHECK(world.engine->journal().report().records == 0);
    }
    SUBCASE("a failed sync takes back what nobody vouched for") {
        world.disk.fail_after(0, DiskFault::hiccup);
        world.clock.advance(1001ms);
        world.settle();
        CHECK(world.engine->state() == EngineState::failed);
        CHECK(world.value_of("k") == "absent");
        CHECK(world.engine->applied().seq == synced);
        world.disk.mend();
        world.open();
        world.check_reads_are_the_fold();
    }
}

TEST_CASE("what a failed journal leaves in LMDB is not taken for all there was") {
    bool hidden = false;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        EngineWorld world(seed);
        world.open();
        world.set("k", "1");
        const auto before = world.engine->journal().last();
        // The group gets to the disk, and what HEAD says of it may or may not.
        world.disk.fail_after(2, DiskFault::hiccup);
        world.submit(EngineWorld::set_text("k", "2"));
        world.settle();
        REQUIRE(world.engine->state() == EngineState::failed);
        REQUIRE_FALSE(world.engine->close());
        const StorePaths paths{world.settings.data};
        const auto stamp = decode_stamp(world.disk.content(stamp_path(paths)).value_or(""));
        REQUIRE(stamp);
        CHECK_FALSE(stamp->clean);
        world.leave();
        world.disk.power_cut();

        {
            auto reader = StateReader::open({world.disk, paths, world.cache_files, world.cache.path()},
                                            {.map_bytes_max = 1u << 30});
            REQUIRE(reader);
            const auto as_of = reader->refresh();
            REQUIRE(as_of);
            hidden = hidden || as_of->seq <= before;
            CHECK(as_of->stale);
        }
        world.open();
        CHECK(world.value_of("k") == "2");
    }
    CHECK(hidden);
}

TEST_CASE("fsync never is said loudly in the journal") {
    EngineWorld world;
    world.settings.journal.fsync = FsyncMode::never;
    world.open();
    world.clock.advance(2s);
    world.settle();
    bool said = false;
    world.each_record([&](const RecordView& record) {
        said |= record.note == "opened" &&
                record.body.find("\"fsync\":\"never\"") != std::string_view::npos;
    });
    CHECK(said);
}

TEST_CASE("a rebuild grows the same state beside the live one, while proposals go on") {
    EngineWorld world;
    world.open();
    for (int i = 0; i < 50; ++i) world.set("k" + std::to_string(i % 7), std::to_string(i));
    std::optional<Rebuild::Report> report;
    world.engine->rebuild(true, [&](Result<Rebuild::Report> told) {
        REQUIRE(told);
        report = *std::move(told);
    });
    const auto asked = world.submit(EngineWorld::set_text("meanwhile", "1"));
    const auto generation = world.engine->projection().generation();
    world.settle();
    CHECK(asked->answer().status == Answer::Status::accepted);
    REQUIRE(report);
    CHECK(report->equal);
    CHECK(report->swapped);
    CHECK(world.engine->projection().generation() != generation);
    CHECK(world.kinds().back() == "note/rebuilt");
    world.set("k0", "99");
    world.check_reads_are_the_fold();
    world.reopen();
    world.check_reads_are_the_fold();
}
