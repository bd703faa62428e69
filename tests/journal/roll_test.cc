// Roll and fill: how the log goes on in the next file.

#include <doctest/doctest.h>

#include "journal/filler.h"
#include "journal/index_file.h"
#include "journal/segment_writer.h"
#include "journal/verify.h"
#include "tests/journal/journal_world.h"

using namespace se;
using namespace se::test;

namespace {

/// Writes until the journal has begun `segments` segments.
void roll_to(World& world, std::size_t segments) {
    for (int i = 0; i < 1000 && world.segments().size() < segments; ++i) REQUIRE(world.write());
    REQUIRE(world.segments().size() == segments);
}

void check_clean(World& world) {
    const auto report = verify(world.disk, world.paths, {.threads = 1});
    REQUIRE(report);
    for (const Fault& fault : report->faults) FAIL_CHECK(to_text(fault));
}

}  // namespace

TEST_CASE("segments grow to their full size, and a rolled one is as long as its records") {
    World world;
    world.open_and_tell();
    roll_to(world, 5);
    const auto segments = world.segments();
    std::uint64_t expected = world.options.first_segment_bytes;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const std::string content = world.content(segments[i]);
        CHECK(content.front() == '{');
        if (i + 1 < segments.size()) {
            CHECK(content.size() <= expected);
            CHECK(content.ends_with("\"}\n"));
            CHECK(content.size() + 1000 > expected);
        } else {
            CHECK(content.size() == expected);
        }
        expected = std::min(2 * expected, world.options.segment_bytes);
    }
    check_clean(world);
}

TEST_CASE("each header holds the root of all records before it") {
    World world;
    world.open_and_tell();
    roll_to(world, 4);
    REQUIRE(world.open());
    for (const Seq first : world.segments()) {
        const std::string content = world.content(first);
        const auto header = parse_segment_header(content.substr(0, content.find('\n')));
        REQUIRE(header);
        CHECK(header->first == first);
        const Frontier before =
            first == Seq{1} ? Frontier{} : world.positions[first.value - 2].frontier;
        CHECK(header->before == before);
    }
}

TEST_CASE("a rolled segment gets its index file, in the background") {
    World world;
    world.open_and_tell();
    roll_to(world, 3);
    for (int i = 0; i < 50; ++i) REQUIRE(world.upkeep());
    const auto segments = world.segments();
    for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
        const auto index = read_index(world.disk, world.paths, segments[i]);
        REQUIRE(index);
        CHECK(index->entries.size() == segments[i + 1].value - segments[i].value);
    }
    // And an open brings back one that is missing.
    REQUIRE(world.disk.remove(world.paths.index(segments[0])));
    REQUIRE(world.open());
    for (int i = 0; i < 50; ++i) REQUIRE(world.upkeep());
    CHECK(read_index(world.disk, world.paths, segments[0]));
}

TEST_CASE("a group is only ever written into filled and synced space") {
    World world;
    world.open_and_tell();
    bool committing = false;
    int groups = 0;
    world.disk.on_call([&](const SimFileSystem::Call& call) {
        if (call.operation != SimFileSystem::Operation::write || !committing) return;
        std::string path(call.path);
        if (path == world.paths.head()) return;
        if (call.offset == 0) return;  // a header
        // A file keeps the name that it was opened by: the active segment was `next` once.
        if (path == world.paths.next()) path = world.paths.segment(world.segments().back());
        const auto durable = world.disk.durable_content(path);
        REQUIRE(durable);
        REQUIRE(call.offset + call.size <= durable->size());
        REQUIRE(durable->substr(call.offset, call.size).find_first_not_of('\n') ==
                std::string::npos);
        ++groups;
    });
    for (int i = 0; i < 60; ++i) {
        REQUIRE(world.append());
        committing = true;
        world.journal->submit(true);
        committing = false;
        world.poll();
    }
    CHECK(groups == 60);
    CHECK(world.segments().size() > 2);
}

TEST_CASE("before a new segment has its name, HEAD and the end of the old one are on disk") {
    World world;
    world.open_and_tell();
    int rolls = 0;
    Seq durable;
    std::uint64_t end = 0;
    world.disk.on_call([&](const SimFileSystem::Call& call) {
        if (call.operation != SimFileSystem::Operation::rename) return;
        if (call.path != world.paths.next()) return;
        ++rolls;
        const Seq old = world.segments().back();
        CHECK(world.disk.durable_content(world.paths.segment(old))->size() == end);
        SimFileSystem synced(1);
        synced.put("/HEAD", *world.disk.durable_content(world.paths.head()));
        const auto head = read_head(synced, "/HEAD");
        REQUIRE(head);
        REQUIRE(*head);
        CHECK((**head).durable == durable);
        CHECK((**head).segment == old);
        CHECK((**head).end == end);
    });
    for (int i = 0; i < 60; ++i) {
        durable = world.journal->durable();
        end = world.journal->position().end;
        REQUIRE(world.write());
    }
    CHECK(rolls >= 2);
}

TEST_CASE("every chunk of a fill is synced by the job that wrote it") {
    World world;
    world.open_and_tell();
    int jobs = 0;
    for (int i = 0; i < 20; ++i) {
        int unsynced = 0;
        world.disk.on_call([&](const SimFileSystem::Call& call) {
            if (call.path != world.paths.next()) return;
            if (call.operation == SimFileSystem::Operation::write) {
                CHECK(call.size <= world.options.fill_chunk_bytes);
                CHECK(unsynced == 0);  // one chunk a job
                ++unsynced;
                ++jobs;
            }
            if (call.operation == SimFileSystem::Operation::sync) unsynced = 0;
        });
        world.journal->tick();
        world.background.run();
        CHECK(unsynced == 0);
        world.disk.on_call({});
        world.clock.advance(std::chrono::milliseconds{5});
    }
    CHECK(jobs == 4);  // 8192 bytes by 2048
}

TEST_CASE("while the next segment is filled ahead of the use of this one, it is filled by one chunk each 5 ms at most") {
    using std::chrono::milliseconds;
    for (const std::uint64_t used : {std::uint64_t{0}, std::uint64_t{1000}}) {
        CAPTURE(used);
        World world;
        world.options.fill_chunk_bytes = 256;
        world.open_and_tell();
        while (world.journal->active_bytes_used() < used) REQUIRE(world.write());
        world.clock.advance(std::chrono::seconds{1});
        std::vector<std::chrono::nanoseconds> chunks;  // when each was written
        world.disk.on_call([&](const SimFileSystem::Call& call) {
            if (call.path != world.paths.next()) return;
            if (call.operation == SimFileSystem::Operation::write) chunks.push_back(world.clock.monotonic());
        });
        // Whoever runs the journal may call it as often as it likes.
        for (int i = 0; i < 900; ++i) {
            world.journal->tick();
            world.commits.run();
            world.background.run();
            world.poll();
            if (i % 3 == 2) world.clock.advance(milliseconds{1});
        }
        world.disk.on_call({});
        REQUIRE(chunks.size() == 32);  // 8192 bytes by 256
        const double taken = static_cast<double>(world.journal->active_bytes_used()) / 4096;
        std::size_t paced = 0;
        for (std::size_t i = 1; i < chunks.size(); ++i) {
            if (static_cast<double>(i) / 32 <= 2 * taken) continue;  // it hurries
            REQUIRE(chunks[i] - chunks[i - 1] >= milliseconds{5});
            ++paced;
        }
        CHECK(paced >= 5);
    }
}

TEST_CASE("once a call of the disk half has failed, every later one does, without touching the disk") {
    World world;
    world.open_and_tell();
    const Seq segment = world.segments().back();
    const Head head = **read_head(world.disk, world.paths.head());
    const std::uint64_t used = world.journal->position().end;
    auto head_file = HeadFile::open(world.disk, world.paths.root, world.paths.head());
    REQUIRE(head_file);
    auto active = world.disk.open(world.paths.segment(segment), OpenMode::update);
    REQUIRE(active);
    SegmentWriter writer(world.disk, world.paths, std::move(*head_file), std::move(*active), head);
    GroupWrite group;
    group.offset = used;
    group.bytes = "\nx\n";
    world.disk.fail_after(1, DiskFault::hiccup);  // the sync
    REQUIRE_FALSE(writer.commit(group, true));
    const std::uint64_t calls = world.disk.calls();
    CHECK_FALSE(writer.sync());
    CHECK_FALSE(writer.sync_head());
    CHECK_FALSE(writer.commit(group, true));
    CHECK(world.disk.calls() == calls);
}

TEST_CASE("blanks that a dead writer could not sync are written again") {
    // It was told that a sync failed, and died. Its pages look like blanks; the disk never got them.
    constexpr std::uint64_t kBytes = 4096;
    for (std::uint64_t calls = 0; calls < 12; ++calls) {
        for (std::uint64_t seed = 0; seed < 20; ++seed) {
            SimFileSystem disk(seed);
            REQUIRE(disk.make_directory("d"));
            REQUIRE(disk.sync_directory(""));
            {
                Filler dead(disk, "d/next", 512);
                dead.want(kBytes);
                disk.fail_after(calls, DiskFault::hiccup);
                while (!dead.ready() && dead.step()()) dead.finished(Ok{}, {});
            }
            disk.mend();
            disk.crash();
            Filler filler(disk, "d/next", 512);
            filler.want(kBytes);
            while (!filler.ready()) {
                REQUIRE(filler.step()());
                filler.finished(Ok{}, {});
            }
            REQUIRE(disk.sync_directory("d"));
            disk.power_cut();
            CAPTURE(calls);
            CAPTURE(seed);
            CHECK(disk.content("d/next") == std::string(kBytes, '\n'));
        }
    }
}

TEST_CASE("what a dead writer left in `next` is used or written over") {
    for (const std::string& left :
         {std::string(), std::string(100, '\n'), std::string(9000, '\n'), std::string(50000, '\n'),
          std::string("{\"format\"") + std::string(5000, '\n'), std::string(6000, 'x')}) {
        World world;
        world.open_and_tell();
        world.leave();
        world.disk.put(world.paths.next(), left);
        world.open_and_tell();
        roll_to(world, 3);
        world.crash();
        world.open_and_tell();
        check_clean(world);
    }
}

TEST_CASE("the roll keeps all that was acknowledged, whichever call fails or meets a power cut") {
    enum class Trouble { hiccup, lasting, crash, power_cut };
    for (const Trouble trouble :
         {Trouble::hiccup, Trouble::lasting, Trouble::crash, Trouble::power_cut}) {
        bool reached_end = false;
        for (std::uint64_t calls = 0; calls < 200 && !reached_end; ++calls) {
            for (std::uint64_t seed = 0; seed < (trouble == Trouble::power_cut ? 6 : 1); ++seed) {
                CAPTURE(static_cast<int>(trouble));
                CAPTURE(calls);
                CAPTURE(seed);
                World world(seed * 1000 + calls);
                world.open_and_tell();
                // Up to just before the roll.
                while (world.journal->active_bytes_used() + 700 < 4096) REQUIRE(world.write());
                std::uint64_t left = calls;
                bool struck = false;
                if (trouble == Trouble::hiccup) world.disk.fail_after(calls, DiskFault::hiccup);
                if (trouble == Trouble::lasting) world.disk.fail_after(calls, DiskFault::lasting);
                if (trouble == Trouble::crash || trouble == Trouble::power_cut) {
                    world.disk.on_call([&](const SimFileSystem::Call&) {
                        if (struck || left-- > 0) return;
                        struck = true;
                        if (trouble == Trouble::crash) world.disk.crash();
                        if (trouble == Trouble::power_cut) world.disk.power_cut();
                    });
                }
                bool well = true;
                for (int i = 0; i < 12 && well; ++i) well = world.write();
                reached_end = well;
                world.disk.on_call({});
                world.crash();
                for (int again = 0; again < 2; ++again) {
                    const Status opened = world.open();
                    REQUIRE_MESSAGE(opened, opened.error().text);
                    REQUIRE_FALSE(world.journal->read_only());
                    world.check_shown();
                    REQUIRE(world.tell());
                    for (int i = 0; i < 12; ++i) REQUIRE(world.write());
                }
                REQUIRE(world.journal->close());
                check_clean(world);
            }
        }
        CHECK(reached_end);
    }
}

TEST_CASE("a store is made whichever call fails first") {
    bool reached_end = false;
    for (std::uint64_t calls = 0; !reached_end; ++calls) {
        for (const bool power : {false, true}) {
            World world(calls);
            std::uint64_t left = calls;
            bool struck = false;
            world.disk.on_call([&](const SimFileSystem::Call&) {
                if (struck || left-- > 0) return;
                struck = true;
                power ? world.disk.power_cut() : world.disk.crash();
            });
            reached_end = static_cast<bool>(world.open());
            world.disk.on_call({});
            world.crash();
            world.open_and_tell();
            REQUIRE(world.write());
        }
        REQUIRE(calls < 100);
    }
}
