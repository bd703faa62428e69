// What an open makes of a journal that a dead writer, a dead machine or a bad disk left behind.

#include <doctest/doctest.h>

#include "journal/search.h"
#include "journal/quarantine.h"
#include "tests/journal/repair_world.h"
#include "tests/release_share.h"

using namespace se;
using namespace se::test;

namespace {

/// Notes in the log that name quarantine files.
std::vector<std::string> told(World& world) {
    std::vector<std::string> files;
    const Status opened = world.open();
    REQUIRE(opened);
    for (const Seq segment : world.segments()) {
        auto reader = SegmentReader::open(world.disk, world.paths, segment, world.hold->info.store,
                                          {.offset = 0});
        REQUIRE(reader);
        RecordView record;
        for (;;) {
            const auto item = reader->next();
            REQUIRE(item);
            if (!*item) break;
            if (const Line* const line = std::get_if<Line>(&**item)) {
                REQUIRE(parse_record(line->text, &record));
                for (auto& file : files_noted_by(record)) files.push_back(std::move(file));
            }
        }
    }
    return files;
}

}  // namespace

TEST_CASE("every prefix of an unclean journal is clean or torn if it holds what was acknowledged, "
          "else damage") {
    World first;
    first.open_and_tell();
    for (int i = 0; i < 3; ++i) REQUIRE(first.write(20));
    // The last two were handed to the disk and never acknowledged: HEAD does not know them.
    const std::string head = *first.disk.content(first.paths.head());
    const Seq acknowledged = first.acknowledged;
    const std::uint64_t safe = first.journal->position().end;
    REQUIRE(first.append(20));
    REQUIRE(first.append(20));
    const std::uint64_t end = first.journal->position().end;
    first.journal->submit(true);
    const std::string whole = first.content(Seq{1});
    const Image image = first.all_files();
    const auto appended = first.appended;

    for (std::uint64_t size = 0; size <= end; size += kStep) {
        for (const bool filled : {false, true}) {  // the rest blank, or the file short
            CAPTURE(size);
            CAPTURE(filled);
            World world(size);
            put(world, image);
            std::string prefix = whole.substr(0, size);
            if (filled) prefix.resize(whole.size(), '\n');
            world.disk.put(world.paths.head(), head);
            world.disk.put(world.paths.segment(Seq{1}), prefix);
            world.options = first.options;
            world.appended = appended;
            world.acknowledged = acknowledged;
            const Status opened = world.open();
            REQUIRE_MESSAGE(opened, opened.error().text);
            // A line without its newline is torn; blank space brings the newline back.
            if (size + (filled ? 1 : 0) >= safe) {
                REQUIRE_FALSE(world.journal->read_only());
                world.check_shown();
                const bool torn = world.journal->report().cut_bytes > 0;
                CHECK(quarantine(world).size() == (torn ? 1u : 0u));
                REQUIRE(world.tell());
                REQUIRE(world.write());
                REQUIRE(world.journal->close());
                REQUIRE(world.open());
                world.check_shown();
                CHECK(world.journal->report().cut_bytes == 0);
            } else {
                REQUIRE(world.journal->read_only());
                CHECK(world.journal->report().damage->to == acknowledged);
                CHECK(world.journal->report().damage->from == world.journal->last().next());
                CHECK(world.shown.size() < acknowledged.value);
                CHECK(world.content(Seq{1}) == prefix);
                CHECK(quarantine(world).empty());
            }
        }
    }
}

TEST_CASE("every flipped bit in a cleanly closed journal makes it read-only, and nothing is touched") {
    World first;
    const Image image = closed_journal(first, 24);
    const auto appended = first.appended;
    int records_shown = 0;
    World world;
    put(world, image);
    world.options = first.options;
    const auto segments = world.segments();
    REQUIRE(segments.size() >= 4);
    for (const Seq segment : segments) {
        const std::string path = world.paths.segment(segment);
        const std::string good = image.at(path);
        for (std::uint64_t bit = 0; bit < good.size() * 8; ++bit) {
            if (good[bit / 8] == '\n' || left_to_release(bit)) continue;
            world.disk.flip_bit(path, bit);
            const Image before = world.all_files();
            CAPTURE(to_text(Fault{.segment = segment, .offset = bit / 8}));
            const Status opened = world.open();
            REQUIRE_MESSAGE(opened, opened.error().text);
            REQUIRE(world.journal->read_only());
            REQUIRE(world.journal->report().damage->fault.segment == segment);
            // All before the bad place is shown, and nothing behind it.
            REQUIRE(world.shown.size() + 1 == world.journal->report().damage->from.value);
            REQUIRE(std::equal(world.shown.begin(), world.shown.end(), appended.begin()));
            records_shown += static_cast<int>(world.shown.size());
            REQUIRE(world.journal->room(1) == Journal::Room::disk_full);
            REQUIRE(world.journal->close());
            world.leave();
            REQUIRE(world.all_files() == before);
            world.disk.flip_bit(path, bit);
        }
    }
    CHECK(records_shown > 0);
    REQUIRE(world.open());
    CHECK(world.shown == appended);
}

TEST_CASE("every flipped blank of a closed journal is damage or is cut, and no record is lost") {
    World first;
    const Image image = closed_journal(first, 6);
    for (const Seq segment : first.segments()) {
        const std::string path = first.paths.segment(segment);
        const std::string& good = image.at(path);
        for (std::uint64_t at = 0; at < good.size(); ++at) {
            if (good[at] != '\n') continue;
            World world(at);
            put(world, image);
            world.options = first.options;
            world.appended = first.appended;
            world.acknowledged = first.acknowledged;
            world.disk.flip_bit(path, at * 8 + at % 8);
            const Status opened = world.open();
            REQUIRE_MESSAGE(opened, opened.error().text);
            CAPTURE(at);
            if (world.journal->read_only()) continue;
            world.check_shown();
            REQUIRE(world.tell());
            REQUIRE(world.write());
        }
    }
}

TEST_CASE("damage below the place that something trusted vouches for is not noticed, behind it it is") {
    World first;
    const Image image = closed_journal(first, 24);
    World reference;
    put(reference, image);
    reference.options = first.options;
    REQUIRE(reference.open());
    const auto positions = reference.positions;
    reference.leave();
    for (std::size_t at = 0; at < positions.size(); ++at) {
        for (std::size_t bad = 0; bad < positions.size(); ++bad) {
            World world;
            put(world, image);
            world.options = first.options;
            // In the middle of the record's line.
            world.disk.flip_bit(world.paths.segment(positions[bad].segment),
                                (positions[bad].end - 30) * 8);
            const Status opened = world.open(positions[at]);
            REQUIRE_MESSAGE(opened, opened.error().text);
            CAPTURE(at);
            CAPTURE(bad);
            REQUIRE(world.journal->read_only() == (bad > at));
            if (bad > at) {
                REQUIRE(world.journal->report().damage->from == positions[bad].seq);
                REQUIRE(world.journal->report().damage->to == positions[bad].seq);
            } else {
                REQUIRE(world.journal->last() == positions.back().seq);
                REQUIRE(world.tell());
                REQUIRE(world.write());
            }
        }
    }
}

TEST_CASE("a torn tail goes to quarantine whole, is told once, and is never told again") {
    World world;
    world.open_and_tell();
    REQUIRE(world.write());
    const std::uint64_t end = world.journal->position().end;
    const Epoch torn_epoch = world.journal->epoch();
    std::string segment = world.content(Seq{1});
    world.leave();
    // A bad line, and a good one behind it that nobody acknowledged.
    std::string tail = "half a line\n";
    encode_record(tail, {.kind = Kind::event, .id = "good"}, Seq{4}, torn_epoch, Seq{2},
                  std::string(kSaltHexDigits, '0'));
    segment.replace(end + 1, tail.size(), tail);
    world.disk.put(world.paths.segment(Seq{1}), segment);

    REQUIRE(world.open());
    REQUIRE_FALSE(world.journal->read_only());
    CHECK(world.journal->report().cut_bytes == tail.size());
    REQUIRE(quarantine(world).size() == 1);
    const std::string file = parked_name(quarantine(world)[0]);
    CHECK(*world.disk.durable_content(world.paths.quarantine() + "/" + file) == tail);
    const auto durable = world.disk.durable_content(world.paths.segment(Seq{1}));
    REQUIRE(durable);
    CHECK(durable->find_first_not_of('\n', end) == std::string::npos);  // blanked, and synced
    REQUIRE(world.journal->notes().size() == 2);
    CHECK(world.journal->notes()[1].note == "torn_tail_cut");

    // Untold, it is brought up again by every open, until it is told.
    world.crash();
    REQUIRE(world.open());
    REQUIRE(world.journal->notes().size() == 2);
    CHECK(world.journal->notes()[1].body.find(file) != std::string::npos);
    REQUIRE(world.append(world.journal->notes()[0]));  // and the power fails in the middle
    REQUIRE(world.commit());
    world.crash();
    world.open_and_tell();
    for (int i = 0; i < 30; ++i) {
        REQUIRE(world.write());
        if (i % 10 == 0) {
            const Position from = world.journal->position();
            REQUIRE(world.journal->close());
            REQUIRE(world.open(i % 20 == 0 ? Position{} : from));
            CHECK(world.journal->notes().size() == 1);
            REQUIRE(world.tell());
        }
    }
    CHECK(told(world) == std::vector{file});
}

TEST_CASE("what a failed write-back left in the page cache only is on disk before it is shown") {
    int tried = 0;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        World world(seed);
        world.open_and_tell();
        REQUIRE(world.write());
        for (int i = 0; i < 3; ++i) REQUIRE(world.append());
        world.disk.fail_after(1, DiskFault::hiccup);  // the write goes well, the sync fails
        CHECK_FALSE(world.commit());
        world.crash();
        REQUIRE(world.open());
        world.check_shown();
        if (world.shown.size() > 2) {
            ++tried;
            CHECK(world.journal->report().rewritten_bytes > 0);
        }
        const auto shown = world.shown;
        world.disk.evict();
        world.power_cut();
        REQUIRE(world.open());
        REQUIRE_FALSE(world.journal->read_only());
        REQUIRE(world.shown == shown);
    }
    CHECK(tried > 0);
}

TEST_CASE("without any valid HEAD all of the highest segment is rewritten") {
    World world;
    const Image image = closed_journal(world, 24);
    for (const bool gone : {true, false}) {
        put(world, image);
        if (gone) {
            REQUIRE(world.disk.remove(world.paths.head()));
        } else {
            world.disk.put(world.paths.head(), std::string(8192, 'x'));
        }
        REQUIRE(world.open());
        REQUIRE_FALSE(world.journal->read_only());
        world.check_shown();
        const std::string last = world.content(world.segments().back());
        const std::size_t header = last.find('\n') + 1;
        CHECK(world.journal->report().rewritten_bytes + header >= last.find_last_not_of('\n'));
        world.leave();
    }
}

TEST_CASE("evidence from outside proves damage, unless a later epoch began at or below it") {
    World world;
    const Image image = closed_journal(world, 24);
    const Seq last = world.acknowledged;
    const Epoch epoch = world.appended.back().epoch;
    REQUIRE(world.open({}, {{epoch, last, "projection"}}));
    CHECK_FALSE(world.journal->read_only());
    put(world, image);
    REQUIRE(world.open({}, {{epoch, last.next(), "projection"}}));
    REQUIRE(world.journal->read_only());
    CHECK(world.journal->report().damage->from == last.next());
    CHECK(world.journal->report().damage->evidence == "projection");
    CHECK(world.journal->report().damage->fault.kind == FaultKind::missing_records);
    // Of a history that a later epoch has taken the place of.
    REQUIRE(world.open({}, {{Epoch{epoch.value - 1}, last.next(), "follower x"}}));
    CHECK_FALSE(world.journal->read_only());
    CHECK(world.journal->epoch() > epoch);
}

TEST_CASE("a position of another history is refused, and nothing is changed") {
    World world;
    world.open_and_tell();
    for (int i = 0; i < 3; ++i) REQUIRE(world.write());
    const Image older = world.all_files();
    for (int i = 0; i < 3; ++i) REQUIRE(world.write());
    const Position from = world.journal->position();
    world.leave();
    // Brought back from a copy, and gone on with.
    put(world, older);
    world.acknowledged = Seq{4};
    world.open_and_tell();
    for (int i = 0; i < 9; ++i) REQUIRE(world.write());
    world.leave();
    const Image before = world.all_files();
    const Status opened = world.open(from);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Errc::malformed);
    world.leave();
    CHECK(world.all_files() == before);
    REQUIRE(world.open());
    // Just brought back, and not gone on with: the position is evidence of what is missing.
    put(world, older);
    REQUIRE(world.open(from));
    REQUIRE(world.journal->read_only());
    CHECK(world.journal->report().damage->to == from.seq);
}

TEST_CASE("an error of the visitor stops the open before HEAD is touched") {
    World world;
    const Image image = closed_journal(world, 24);
    auto held = hold_store(world.disk, world.random, world.paths);
    REQUIRE(held);
    const auto opened = Journal::open({.files = world.disk,
                                       .clock = world.clock,
                                       .random = world.random,
                                       .log = world.log,
                                       .commits = world.commits,
                                       .background = world.background},
                                      world.paths, *held, world.options, {}, {},
                                      [](const RecordView& record, const Position&) -> Status {
                                          if (record.seq < Seq{5}) return Ok{};
                                          return Error{Errc::unavailable, "enough"};
                                      });
    REQUIRE_FALSE(opened);
    CHECK(opened.error().text == "enough");
    CHECK(world.all_files() == image);
}

TEST_CASE("an unfinished roll is redone, whatever its header looks like") {
    for (const std::string header : {"", "{\"format\":\"state-engine-jour", "good"}) {
        for (const bool filled : {true, false}) {
            CAPTURE(header);
            CAPTURE(filled);
            World world;
            closed_journal(world, 24);
            const Seq first = world.acknowledged.next();
            REQUIRE(world.open());
            std::string content = header;
            if (header == "good") {
                content = encode_segment_header({.store = world.hold->info.store,
                                                 .epoch = world.journal->epoch(),
                                                 .first = first,
                                                 .before = world.journal->position().frontier});
            }
            if (filled) content.resize(world.options.segment_bytes, '\n');
            world.leave();
            world.disk.put(world.paths.segment(first), content);
            const Status opened = world.open();
            REQUIRE_MESSAGE(opened, opened.error().text);
            REQUIRE_FALSE(world.journal->read_only());
            world.check_shown();
            CHECK(quarantine(world).empty());
            REQUIRE(world.tell());
            for (int i = 0; i < 20; ++i) REQUIRE(world.write());
            REQUIRE(world.journal->close());
            REQUIRE(world.open());
            world.check_shown();
        }
    }
}

TEST_CASE("a missing segment is damage, wherever it is missing") {
    World first;
    const Image image = closed_journal(first, 24);
    for (const Seq segment : first.segments()) {
        World world;
        put(world, image);
        world.options = first.options;
        REQUIRE(world.disk.remove(world.paths.segment(segment)));
        REQUIRE(world.open());
        CAPTURE(segment.value);
        REQUIRE(world.journal->read_only());
        CHECK(world.journal->report().damage->from == segment);
        CHECK(world.shown.size() + 1 == segment.value);
    }
}

TEST_CASE("a segment whose header tells another log's root is damage") {
    World world;
    const Image image = closed_journal(world, 24);
    const Seq segment = world.segments()[1];
    std::string content = image.at(world.paths.segment(segment));
    const std::size_t end = content.find('\n');
    SegmentHeader header = *parse_segment_header(std::string_view(content).substr(0, end));
    Frontier other;
    for (std::uint64_t i = 1; i < segment.value; ++i) other.append(Hash{});
    header.before = other;
    content.replace(0, end, encode_segment_header(header));
    world.disk.put(world.paths.segment(segment), content);
    REQUIRE(world.open());
    REQUIRE(world.journal->read_only());
    CHECK(world.journal->report().damage->fault.kind == FaultKind::bad_root);
    CHECK(world.shown.size() + 1 == segment.value);
}

TEST_CASE("what a disk would not read is not taken for absent by who looks for the newest") {
    World first;
    const Image image = closed_journal(first, 24);
    REQUIRE(first.segments().size() >= 3);
    std::uint64_t failed = 0;
    for (std::uint64_t calls = 0;; ++calls) {
        REQUIRE(calls < 1000);
        CAPTURE(calls);
        World world;
        put(world, image);
        world.disk.count_reads(true);
        world.disk.fail_after(calls, DiskFault::hiccup);
        const auto found = find_newest(world.disk, world.paths,
                                       [](const RecordView& record) { return record.seq == Seq{1}; });
        const bool struck = !found;
        failed += struck ? 1 : 0;
        if (found) REQUIRE(found->has_value());
        if (!struck && calls > 200) break;
    }
    CHECK(failed > 0);
}
