// The writer's promises while it lives, and that its successor keeps them.

#include <doctest/doctest.h>

#include "journal/journal_reader.h"
#include "tests/journal/journal_world.h"
#include "tests/release_share.h"

using namespace se;
using namespace se::test;

TEST_CASE("a new store has one filled segment, an epoch, and takes records") {
    World world;
    REQUIRE(world.open());
    CHECK(world.journal->report().created);
    CHECK(world.journal->last() == Seq{});
    CHECK(world.journal->epoch().value == std::chrono::duration_cast<std::chrono::seconds>(
                                              SimClock::kStart.time_since_epoch())
                                              .count());
    CHECK(world.segments() == std::vector{Seq{1}});
    CHECK(world.content(Seq{1}).size() == world.options.first_segment_bytes);
    CHECK(world.journal->notes().size() == 1);
    CHECK(world.journal->notes()[0].note == "opened");
    REQUIRE(world.tell());
    REQUIRE(world.write());
    CHECK(world.journal->last() == Seq{2});
    CHECK(world.journal->durable() == Seq{2});
}

TEST_CASE("what was appended is shown by the next open, with the same positions") {
    World world;
    world.open_and_tell();
    std::vector<Position> appended = {world.journal->position()};
    for (int i = 0; i < 60; ++i) {
        REQUIRE(world.append());
        appended.push_back(world.journal->position());
        if (i % 3 == 0) REQUIRE(world.commit(i % 2 == 0));
    }
    REQUIRE(world.journal->flush());
    world.poll();
    REQUIRE(world.segments().size() > 1);
    REQUIRE(world.journal->close());
    REQUIRE(world.open());
    world.check_shown();
    REQUIRE(world.positions.size() == appended.size());
    for (std::size_t i = 0; i < appended.size(); ++i) {
        CHECK(world.positions[i].seq == appended[i].seq);
        CHECK(world.positions[i].epoch == appended[i].epoch);
        CHECK(world.positions[i].ts == appended[i].ts);
        CHECK(world.positions[i].segment == appended[i].segment);
        CHECK(world.positions[i].end == appended[i].end);
        CHECK(world.positions[i].frontier == appended[i].frontier);
    }
    CHECK(world.journal->report().rewritten_bytes == 0);  // HEAD vouches for all of it
}

TEST_CASE("an open from any position shows exactly what lies behind it") {
    World world;
    world.open_and_tell();
    for (int i = 0; i < 40; ++i) REQUIRE(world.write());
    REQUIRE(world.journal->close());
    REQUIRE(world.open());
    const auto positions = world.positions;
    const auto all = world.shown;
    for (const Position& from : positions) {
        REQUIRE(world.open(from));
        CHECK(world.journal->last() == all.back().seq);
        CHECK(world.journal->position().frontier == positions.back().frontier);
        REQUIRE(world.shown.size() == all.size() - from.seq.value);
        CHECK(std::equal(world.shown.begin(), world.shown.end(),
                         all.begin() + static_cast<std::ptrdiff_t>(from.seq.value)));
    }
}

TEST_CASE("nothing is acknowledged before its sync has returned") {
    World world;
    world.open_and_tell();
    REQUIRE(world.append());
    world.journal->submit(false);
    CHECK_FALSE(world.journal->poll());
    CHECK(world.journal->durable() == Seq{1});
    CHECK(world.journal->group_running());
    bool synced = false;
    world.disk.on_call([&](const SimFileSystem::Call& call) {
        if (call.operation == SimFileSystem::Operation::sync) synced = true;
    });
    world.commits.run();
    CHECK(synced);
    CHECK(world.journal->durable() == Seq{1});
    CHECK(world.journal->poll());
    CHECK(world.journal->durable() == Seq{2});
    // Synced is more than written: it is there when all that was not synced is lost.
    const auto durable = world.disk.durable_content(world.paths.segment(Seq{1}));
    REQUIRE(durable);
    CHECK(durable->find("\"seq\":2,") != std::string::npos);
}

TEST_CASE("the next group is built while one runs, and goes behind it") {
    World world;
    world.open_and_tell();
    for (int i = 0; i < 50; ++i) {
        REQUIRE(world.append());
        if (world.journal->group_running()) {
            world.commits.run();
            world.poll();
        }
        if (!world.journal->group_running()) world.journal->submit(false);
    }
    REQUIRE(world.journal->flush());
    world.poll();
    CHECK(world.journal->durable() == world.journal->last());
    world.crash();
    REQUIRE(world.open());
    world.check_shown();
}

TEST_CASE("a group that is alone is committed here and now") {
    World world;
    world.open_and_tell();
    REQUIRE(world.append());
    world.journal->submit(true);
    CHECK_FALSE(world.journal->group_running());
    CHECK(world.journal->durable() == Seq{2});
    CHECK(world.journal->poll());
    CHECK_FALSE(world.journal->poll());
}

TEST_CASE("after a failed write or sync the journal takes nothing until it is reopened") {
    for (std::uint64_t calls = 0; calls < 3; ++calls) {  // write, sync, HEAD
        CAPTURE(calls);
        World world;
        world.open_and_tell();
        REQUIRE(world.append());
        world.disk.fail_after(calls, DiskFault::hiccup);
        world.journal->submit(false);
        world.commits.run();
        CHECK(world.journal->poll());
        CHECK(world.journal->failed());
        CHECK_FALSE(world.journal->failure().empty());
        CHECK(world.journal->durable() == Seq{1});
        CHECK(world.journal->room(1) == Journal::Room::disk_full);
        const std::uint64_t before = world.disk.calls();
        world.journal->tick();
        CHECK_FALSE(world.journal->flush());
        CHECK_FALSE(world.journal->close());
        CHECK(world.disk.calls() == before);  // above all no second sync
        world.crash();
        world.open_and_tell();
        CHECK(world.write());
    }
}

TEST_CASE("with fsync never a group counts once written, and is durable a second later") {
    World world;
    world.options.fsync = FsyncMode::never;
    world.open_and_tell();
    REQUIRE(world.journal->flush());
    REQUIRE(world.append());
    world.journal->submit(true);
    CHECK(world.journal->written() == Seq{2});
    CHECK(world.journal->durable() == Seq{1});
    for (int i = 0; i < 300 && world.journal->durable() < Seq{2}; ++i) REQUIRE(world.upkeep());
    CHECK(world.journal->durable() == Seq{2});
    for (int i = 0; i < 50; ++i) REQUIRE(world.write());
    CHECK(world.segments().size() > 1);
    REQUIRE(world.journal->close());
    CHECK(world.journal->durable() == world.journal->last());
    world.power_cut();
    REQUIRE(world.open());
    CHECK(world.shown.size() == 52);
}

TEST_CASE("HEAD is synced when nothing happened for a while, and on close") {
    World world;
    world.open_and_tell();
    REQUIRE(world.write());
    const auto seq_of = [&](const std::optional<std::string>& content) {
        REQUIRE(content);
        SimFileSystem other(1);
        other.put("/HEAD", *content);
        const auto head = read_head(other, "/HEAD");
        REQUIRE(head);
        REQUIRE(*head);
        return (**head).durable;
    };
    const auto synced = [&] { return seq_of(world.disk.durable_content(world.paths.head())); };
    CHECK(seq_of(world.disk.content(world.paths.head())) == Seq{2});
    CHECK(synced() < Seq{2});
    world.journal->tick();
    CHECK_FALSE(world.commits.waiting());  // not yet
    world.clock.advance(world.options.head_sync_idle);
    world.journal->tick();
    REQUIRE(world.wait());
    CHECK(synced() == Seq{2});
    REQUIRE(world.write());
    CHECK(synced() == Seq{2});
    REQUIRE(world.journal->close());
    CHECK(synced() == Seq{3});
}

TEST_CASE("a full disk is a clean refusal, and goes by when there is room") {
    World world;
    world.open_and_tell();
    std::uint64_t used = 0;
    for (const auto& [path, bytes] : world.all_files()) used += bytes.size();
    world.disk.set_capacity(used + 3000);  // not enough for another segment
    while (world.write()) {
    }
    CHECK_FALSE(world.journal->failed());
    const std::uint64_t bytes = Journal::bytes_of(world.draft());
    CHECK(world.journal->room(bytes) == Journal::Room::disk_full);
    const Seq last = world.journal->last();
    CHECK(world.journal->durable() == last);
    for (int i = 0; i < 1000; ++i) REQUIRE(world.upkeep());
    CHECK(world.journal->room(bytes) == Journal::Room::disk_full);

    world.disk.set_capacity(1u << 20);
    for (int i = 0; i < 1000; ++i) REQUIRE(world.upkeep());
    REQUIRE(world.write());
    CHECK(world.journal->durable() == last.next());
    world.crash();
    REQUIRE(world.open());
    world.check_shown();
}

TEST_CASE("below the disk reserve nothing is taken, although there is filled space") {
    World world;
    world.open_and_tell();
    world.options.disk_reserve_bytes = 1u << 20;
    REQUIRE(world.open());
    world.disk.set_capacity(1u << 20);
    world.clock.advance(std::chrono::seconds{1});
    REQUIRE(world.upkeep());
    CHECK(world.journal->room(100) == Journal::Room::disk_full);
    world.disk.set_capacity(1u << 30);
    world.clock.advance(std::chrono::seconds{1});
    REQUIRE(world.upkeep());
    CHECK(world.journal->room(100) == Journal::Room::ready);
}

TEST_CASE("a record over the limit is refused before it is written") {
    World world;
    world.open_and_tell();
    RecordDraft record = world.draft(kRecordBytesMax);
    CHECK(world.make_room(Journal::bytes_of(record)));
    const auto refused = world.journal->append(record);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::too_large);
    CHECK_FALSE(world.journal->group_open());
    REQUIRE(world.write());
    // The longest one that is taken, in a store whose segments are smaller than that.
    record = world.draft(kRecordBytesMax - 400);
    CHECK(world.append(record));
    CHECK(world.commit());
    REQUIRE(world.journal->close());
    REQUIRE(world.open());
    world.check_shown();
}

TEST_CASE("bytes_of is never less than what a record takes") {
    World world;
    world.options.first_segment_bytes = 1u << 20;
    world.open_and_tell();
    std::string nasty;
    for (int c = 1; c < 256; ++c) nasty += c < 128 ? static_cast<char>(c) : 'x';
    RecordDraft record = world.draft();
    record.kind = Kind::rejected;
    record.code = record.id = record.actor = record.principal = record.door = record.trace = nasty;
    record.decided = record.content = nasty;
    record.roles = {nasty, nasty, "", ""};
    record.cause = "{\"a\":1}";
    for (std::uint64_t i = 0; i < 9; ++i) record.changes.push_back({nasty, nasty, Version{~0ull - i}});
    const std::uint64_t before = world.journal->position().end;
    REQUIRE(world.journal->append(record));
    CHECK(world.journal->position().end - before <= Journal::bytes_of(record));
}

TEST_CASE("aligned groups begin at multiples and are padded with blanks") {
    World world;
    world.options.align_bytes = 512;
    world.open_and_tell();
    std::vector<std::pair<std::uint64_t, std::uint64_t>> writes;
    world.disk.on_call([&](const SimFileSystem::Call& call) {
        if (call.operation == SimFileSystem::Operation::write &&
            call.path.find("/HEAD") == std::string::npos) {
            writes.emplace_back(call.offset, call.size);
        }
    });
    for (int i = 0; i < 30; ++i) {
        writes.clear();
        REQUIRE(world.append());
        if (i % 2 == 0) REQUIRE(world.append());
        writes.clear();
        world.journal->submit(true);
        REQUIRE(writes.size() >= 1);
        CHECK(writes.back().first % 512 == 0);
        CHECK(writes.back().second % 512 == 0);
        world.poll();
    }
    world.crash();
    REQUIRE(world.open());
    world.check_shown();
    REQUIRE(world.tell());
    REQUIRE(world.write());
}

TEST_CASE("time never goes back in the log") {
    World world;
    world.open_and_tell();
    REQUIRE(world.write());
    const Time last = world.journal->last_ts();
    world.clock.jump(-std::chrono::hours{1});
    world.open_and_tell();
    CHECK(world.journal->last_ts() == last);
}

TEST_CASE("no epoch comes twice, whatever the clock says and whatever is lost") {
    World world;
    Epoch highest;
    for (int i = 0; i < 20; ++i) {
        if (i % 3 == 1) world.clock.jump(-std::chrono::hours{5});
        REQUIRE(world.open());
        CHECK(world.journal->epoch() > highest);
        highest = world.journal->epoch();
        if (i % 2 == 0) REQUIRE(world.tell());
        if (i % 5 == 4) {
            world.leave();  // even without HEAD the records know
            REQUIRE(world.disk.remove(world.paths.head()));
        } else if (i % 4 == 2) {
            REQUIRE(world.append());
        }
        if (i % 5 == 4 && i % 2 != 0) highest = world.appended.back().epoch;
    }
}

namespace {

/// One life of a writer: whatever the disk does to it, it stops at its first failure.
void live(World& world, int groups) {
    if (!world.open()) return;
    REQUIRE_FALSE(world.journal->read_only());
    world.check_shown();
    world.check_never_reused(world.shown);
    if (!world.tell()) return;
    for (int i = 0; i < groups; ++i) {
        for (std::uint64_t n = 1 + world.random.below(4); n > 0; --n) {
            if (!world.append(world.random.below(300))) return;
            world.check_never_reused({world.appended.back()});
        }
        // Alone, or beside the building of the next one.
        if (world.random.chance(30)) {
            if (!world.commit(true)) return;
        } else if (!world.journal->group_running()) {
            world.journal->submit(false);
        }
        if (world.random.chance(60)) world.commits.run();
        world.poll();
        if (world.journal->failed()) return;
        if (world.random.chance(30) && !world.upkeep()) return;
        if (world.random.chance(5)) world.clock.jump(-std::chrono::seconds{world.random.below(90)});
    }
    if (world.random.chance(40) && world.journal->close()) world.poll();
}

}  // namespace

TEST_CASE("whatever fails or dies at whatever call, what was acknowledged is shown, and no "
          "(epoch, seq) is of two records") {
    for (std::uint64_t seed = 1; seed <= 150; seed += kStep) {
        CAPTURE(seed);
        World world(seed);
        if (world.random.chance(20)) world.options.align_bytes = 256;
        if (world.random.chance(30)) world.options.segment_bytes = 4096;
        for (int life = 0; life < 12; ++life) {
            CAPTURE(life);
            std::uint64_t left = world.random.below(120);
            bool struck = false;
            switch (world.random.below(6)) {
                case 0:
                    world.disk.fail_after(left, DiskFault::hiccup);
                    break;
                case 1:
                    world.disk.fail_after(left, DiskFault::lasting);
                    break;
                case 2:
                    world.disk.fail_after(left, DiskFault::lasting, Errc::no_space);
                    break;
                case 3:
                case 4:
                    world.disk.on_call([&, power = world.random.chance(70)](const auto&) {
                        if (struck || left-- > 0) return;
                        struck = true;
                        power ? world.disk.power_cut() : world.disk.crash();
                    });
                    break;
                default:
                    break;
            }
            live(world, 12);
            world.disk.mend();
            world.disk.on_call({});
            if (world.random.chance(20)) world.disk.evict();
            world.random.chance(50) ? world.crash() : world.power_cut();
            world.clock.advance(std::chrono::milliseconds{world.random.below(3000)});
        }
        world.open_and_tell();  // and once in peace
        REQUIRE(world.write());
        REQUIRE(world.journal->close());
        REQUIRE(world.open());
        world.check_shown();
    }
}

TEST_CASE("HEAD is held once an open has made it exact, until the writer closes, fails or goes") {
    World world;
    const auto held = [&] {
        const auto answer = head_is_held(world.disk, world.paths.head());
        REQUIRE_MESSAGE(answer, answer.error().text);
        return *answer;
    };
    world.open_and_tell();
    CHECK(held());
    REQUIRE(world.write());
    CHECK(held());
    REQUIRE(world.journal->close());
    CHECK_FALSE(held());  // from here on its last record says that it was done
    world.open_and_tell();
    CHECK(held());
    SUBCASE("goes") { world.leave(); }
    SUBCASE("dies") { world.disk.crash(); }
    SUBCASE("fails") {
        world.disk.fail_after(0, DiskFault::hiccup);
        CHECK_FALSE(world.write());
        REQUIRE(world.journal->failed());
    }
    CHECK_FALSE(held());
    world.open_and_tell();
    CHECK(held());
}

TEST_CASE("a writer that is opening does not make HEAD exact: a reader sees what the lines behind it tell") {
    World world;
    world.open_and_tell();
    REQUIRE(world.write());
    const std::string early = *world.disk.content(world.paths.head());
    for (int i = 0; i < 3; ++i) REQUIRE(world.write());
    const Position end = world.journal->position();
    world.leave();
    // As a power cut leaves it: HEAD behind, and a torn tail that the open cuts.
    std::string segment = world.content(end.segment);
    segment.replace(end.end, 5, "torn!");
    world.disk.put(world.paths.segment(end.segment), segment);
    world.disk.put(world.paths.head(), early);

    auto reader = JournalReader::open(world.disk, world.paths);
    REQUIRE(reader);
    std::uint64_t read = 0;
    const auto read_on = [&] {
        for (;;) {
            const auto record = reader->next();
            REQUIRE_MESSAGE(record, record.error().text);
            if (*record == nullptr) return;
            REQUIRE((*record)->seq.value == ++read);
        }
    };
    auto hold = hold_store(world.disk, world.random, world.paths);
    REQUIRE(hold);
    world.hold = std::move(*hold);
    int visits = 0;
    auto opened = Journal::open({.files = world.disk,
                                 .clock = world.clock,
                                 .random = world.random,
                                 .log = world.log,
                                 .commits = world.commits,
                                 .background = world.background},
                                world.paths, *world.hold, world.options, {}, {},
                                [&](const RecordView&, const Position&) -> Status {
                                    ++visits;
                                    const auto look = reader->look();
                                    REQUIRE(look);
                                    CHECK_FALSE(look->writing);
                                    CHECK(look->durable == Seq{end.seq.value - 1});
                                    read_on();
                                    return Ok{};
                                });
    REQUIRE_MESSAGE(opened, opened.error().text);
    world.journal = std::move(*opened);
    CHECK(visits > 0);
    CHECK(read == end.seq.value - 1);
    CHECK(world.journal->report().cut_bytes > 0);

    REQUIRE(world.tell());
    REQUIRE(world.write());
    const auto look = reader->look();
    REQUIRE(look);
    CHECK(look->writing);
    CHECK(look->durable == world.journal->durable());
    read_on();
    CHECK(read == world.journal->durable().value);
}

TEST_CASE("an open that cannot lock HEAD says so, and the next one can") {
    World world;
    world.open_and_tell();
    REQUIRE(world.write());
    REQUIRE(world.journal->close());
    world.leave();
    {
        const auto theirs = world.disk.lock(world.paths.head());
        REQUIRE(theirs);
        const Status opened = world.open();
        REQUIRE_FALSE(opened);
        CHECK(opened.error().code == Errc::io);
        CHECK(opened.error().text.find(world.paths.head()) != std::string::npos);
    }
    world.open_and_tell();
}
