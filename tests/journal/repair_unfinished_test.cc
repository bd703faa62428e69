// What a repair leaves when it is cut short, or meets something else that is wrong besides.

#include "journal/head.h"
#include "journal/segment.h"
#include "tests/journal/repair_world.h"

using namespace se;
using namespace se::test;

namespace {

/// A good line that no writer wrote there.
std::string line_of(Seq seq, Epoch epoch) {
    std::string line;
    encode_record(line, {.kind = Kind::event, .id = "landed"}, seq, epoch, Seq{1}, std::string(kSaltHexDigits, '0'));
    return line.substr(0, line.find_last_not_of('\n') + 1).substr(line.find_first_not_of('\n'));
}

void write_at(World& world, Seq segment, std::uint64_t offset, const std::string& text) {
    std::string bytes = world.content(segment);
    REQUIRE(offset + text.size() < bytes.size());
    bytes.replace(offset, text.size(), text);
    world.disk.put(world.paths.segment(segment), bytes);
}

/// The first of three records of one rolled segment.
std::size_t three_of_one(const ClosedJournal& closed) {
    const auto& positions = closed.positions;
    std::size_t at = 8;
    while (positions[at].segment != positions[at + 2].segment) ++at;
    REQUIRE(positions[at].segment < positions.back().segment);
    return at;
}

/// All copies that a repair begins with, and nothing else of it.
void copy_all(World& world, const RepairPlan& plan) {
    for (const RepairPiece& piece : plan.pieces) {
        REQUIRE(park(world.disk, world.paths, *parked_from_name(piece.quarantined),
                     world.content(piece.segment).substr(piece.offset, piece.bytes)));
    }
}

std::size_t notes_of_headers(const World& world) {
    const auto notes = world.journal->notes();
    return static_cast<std::size_t>(std::ranges::count(notes, kNoteHeader, &RecordDraft::note));
}

}  // namespace

TEST_CASE("a repair that was cut short behind its copies is finished by the next open") {
    const ClosedJournal closed(40);
    const auto& positions = closed.positions;
    const std::size_t at = three_of_one(closed);  // the middle one is sound
    const Seq from = positions[at].seq, to = positions[at + 2].seq, segment = positions[at].segment;
    const auto begin = [&](World& world) {
        closed.put_into(world);
        damage(world, positions, {at, at + 2});
        world.disk.put(world.paths.index(segment), "made from the old bytes");
        world.disk.put(world.paths.projection() + "/STAMP", "trusted");
    };
    for (const Cut cut : {Cut::killed, Cut::power}) {
        int finished = 0;
        cut_short_anywhere(cut, from, to, begin, [&](World& world, const RepairPlan& plan) {
            REQUIRE(plan.pieces.size() == 1);
            const bool parked = !quarantine(world).empty();
            REQUIRE(world.open());
            REQUIRE(world.journal->read_only() == !parked);
            if (!parked) return;
            ++finished;
            check_shown_without(world, closed.all, from, to);
            const auto durable = world.disk.durable_content(world.paths.segment(segment));
            REQUIRE(durable);
            const std::string gone = durable->substr(plan.pieces[0].offset, plan.pieces[0].bytes);
            CHECK(gone.find_first_not_of('\n') == std::string::npos);
            CHECK_FALSE(world.disk.content(world.paths.index(segment)));
            CHECK_FALSE(world.disk.content(world.paths.projection() + "/STAMP"));
            world.leave();
            CHECK(faults(world).empty());
            check_lives_on(world, closed.all, from, to);
        });
        CHECK(finished > 5);
    }
}

TEST_CASE("a header that a repair had only copied is not noted as written anew, until one has done that") {
    const ClosedJournal closed(40);
    const Seq segment = closed.segments[1];
    const auto begin = [&](World& world) {
        closed.put_into(world);
        world.disk.flip_bit(world.paths.segment(segment), 20 * 8);
    };
    int copied = 0, written = 0;
    cut_short_anywhere(Cut::killed, segment, segment, begin, [&](World& world, const RepairPlan& plan) {
        REQUIRE(plan.headers == std::vector<Seq>{segment});
        REQUIRE(plan.pieces.empty());
        const bool anew = world.content(segment) == closed.image.at(world.paths.segment(segment));
        const bool is_copied = !quarantine(world).empty();
        // LMDB is trusted as far as the log reaches: nobody asks for the header (J8).
        REQUIRE(world.open(closed.positions.back()));
        REQUIRE_FALSE(world.journal->read_only());
        CHECK(notes_of_headers(world) == (anew ? 1u : 0u));
        if (!is_copied) return;
        ++(anew ? written : copied);
        world.appended = closed.all;
        REQUIRE(world.tell());
        REQUIRE(world.journal->close());
        world.leave();
        CHECK(faults(world).size() == (anew ? 0u : 1u));
        // The next repair makes a copy of its own, and both have their notes then, once.
        if (!anew) REQUIRE(repair(world, segment, segment));
        CHECK(quarantine(world).size() == (anew ? 1u : 2u));
        const auto all = world.appended;
        REQUIRE(world.open());
        REQUIRE_FALSE(world.journal->read_only());
        CHECK(world.shown == all);
        CHECK(notes_of_headers(world) == (anew ? 0u : 2u));
        REQUIRE(world.tell());
        REQUIRE(world.journal->close());
        CHECK(faults(world).empty());
        REQUIRE(world.open());
        CHECK(notes_of_headers(world) == 0);
    });
    CHECK(copied > 0);
    CHECK(written > 0);
}

TEST_CASE("a header that a repair wrote anew is on the disk before it is believed, and outlives a power cut") {
    const ClosedJournal closed(12, 512);
    const Seq segment = closed.segments[1];
    const std::string path = closed.world.paths.segment(segment);
    const std::string& good = closed.image.at(path);
    const std::size_t end = good.find('\n'), record = good.find_first_not_of('\n', end);
    REQUIRE(record > end + 20);
    // One wrong bit in it; less than will stand there; more, up to the first record.
    std::vector<std::string> bad(3, good);
    bad[0][20] = static_cast<char>(bad[0][20] ^ 1);
    bad[1].replace(10, end - 10, std::string(end - 10, '\n'));
    bad[2].replace(end, record - 1 - end, std::string(record - 1 - end, 'x'));
    for (const Cut cut : {Cut::killed, Cut::failed_call}) {
        int unsynced = 0;
        for (std::size_t i = 0; i < bad.size(); ++i) {
            CAPTURE(i);
            const auto begin = [&](World& world) {
                closed.put_into(world);
                world.disk.put(path, bad[i]);
            };
            const auto look = [&](World& world, const RepairPlan& plan) {
                REQUIRE(plan.headers == std::vector<Seq>{segment});
                REQUIRE(plan.pieces.empty());
                const bool anew = world.content(segment) == good;
                if (anew && world.disk.durable_content(path) != good) ++unsynced;
                REQUIRE(world.open());
                REQUIRE(world.journal->read_only() == !anew);
                if (!anew) return;
                CHECK(world.disk.durable_content(path) == good);
                // The kernel lets go of what it takes for written, and then the power goes.
                world.disk.evict();
                world.power_cut();
                REQUIRE(world.open());
                REQUIRE_FALSE(world.journal->read_only());
                CHECK(world.shown == closed.all);
            };
            for (std::uint64_t seed = 0; seed < 600; seed += 100) {
                cut_short_anywhere(cut, segment, segment, begin, look, seed);
            }
        }
        // Else nothing was tried: what a failed sync left behind is lost with some seeds only.
        CHECK(unsynced > 3);
    }
}

TEST_CASE("what was brought back from elsewhere is never blanked by a repair that was cut short") {
    const ClosedJournal closed(40);
    const auto& positions = closed.positions;
    const auto& segments = closed.segments;
    // From the last record of one segment to one in the next but one: what stands between is sound.
    std::vector<std::size_t> bad;
    for (std::size_t i = 0; i + 1 < positions.size(); ++i) {
        if (positions[i].segment == segments[1] && positions[i + 1].segment == segments[2]) bad.push_back(i);
        if (positions[i].segment == segments[2] && positions[i + 1].segment == segments[3]) bad.push_back(i + 2);
    }
    REQUIRE(bad.size() == 2);
    World world;
    closed.put_into(world);
    damage(world, positions, {bad[0], bad[1]});
    const auto plan = plan_repair(world.disk, world.paths, positions[bad[0]].seq, positions[bad[1]].seq);
    REQUIRE_MESSAGE(plan, plan.error().text);
    REQUIRE(plan->pieces.size() == 3);
    // All is parked, and then the segments come back, but not the quarantine.
    copy_all(world, *plan);
    const auto copies = quarantine(world);
    put(world, closed.image);
    REQUIRE(world.open());
    REQUIRE(world.journal->read_only());
    CHECK(to_text(world.journal->report().damage->fault).find("was given up") != std::string::npos);
    CHECK_FALSE(faults(world).empty());
    for (const Seq segment : segments) {
        CHECK(world.content(segment) == closed.image.at(world.paths.segment(segment)));
    }
    world.leave();
    // Who wants them back takes the order away.
    for (const Parked& copy : copies) {
        REQUIRE(world.disk.remove(world.paths.quarantine() + "/" + parked_name(copy)));
    }
    CHECK(faults(world).empty());
    REQUIRE(world.open());
    REQUIRE_FALSE(world.journal->read_only());
    CHECK(world.shown == closed.all);
}

TEST_CASE("without a HEAD a repair that was cut short is not finished: what it copied may have been brought back") {
    const ClosedJournal closed(40);
    const auto& positions = closed.positions;
    const std::size_t at = three_of_one(closed);
    const Seq from = positions[at].seq, to = positions[at + 2].seq;
    World world;
    closed.put_into(world);
    damage(world, positions, {at, at + 2});
    const auto plan = plan_repair(world.disk, world.paths, from, to);
    REQUIRE_MESSAGE(plan, plan.error().text);
    copy_all(world, *plan);
    REQUIRE(world.disk.remove(world.paths.head()));
    const Image before = world.all_files();
    REQUIRE(world.open());
    REQUIRE(world.journal->read_only());
    CHECK(world.journal->report().damage->from == from);
    CHECK(world.journal->report().damage->to == to);
    world.leave();
    CHECK(world.all_files() == before);
    CHECK_FALSE(faults(world).empty());
    // Given up once more it is gone.
    REQUIRE(repair(world, from, to));
    check_lives_on(world, closed.all, from, to);
}

TEST_CASE("a repair over two segments that is cut short between its copies never shows what was given up") {
    const ClosedJournal closed(40);
    const auto& positions = closed.positions;
    std::size_t last_of_one = 0;
    while (positions[last_of_one + 1].segment != closed.segments[1]) ++last_of_one;
    const Seq from = positions[last_of_one].seq;
    for (const std::size_t reach : {last_of_one + 3, positions.size() - 1}) {
        CAPTURE(reach);
        const Seq to = positions[reach].seq;
        const auto begin = [&](World& world) {
            closed.put_into(world);
            damage(world, positions, {last_of_one, reach});
        };
        cut_short_anywhere(Cut::killed, from, to, begin, [&](World& world, const RepairPlan& plan) {
            REQUIRE(plan.pieces.size() > 1);
            const bool parked = !quarantine(world).empty();
            for (int opens = 0;; ++opens) {
                REQUIRE(opens < 5);
                REQUIRE(world.open());
                if (parked) {
                    for (const Known& known : world.shown) CHECK((known.seq < from || known.seq > to));
                }
                if (!world.journal->read_only()) break;
                const Damage damage = *world.journal->report().damage;
                world.leave();
                CHECK_FALSE(faults(world).empty());
                CHECK(damage.from >= from);
                CHECK(damage.to <= to);
                const Status repaired = repair(world, from, to);
                REQUIRE_MESSAGE(repaired, repaired.error().text);
            }
            world.leave();
            check_lives_on(world, closed.all, from, to);
        });
    }
}

TEST_CASE("the log never goes on within what was given up, also where a header went with it") {
    World first;
    first.options.first_segment_bytes = first.options.segment_bytes = 1536;
    first.open_and_tell();
    for (int i = 0; i < 20; ++i) REQUIRE(first.write(20));
    first.leave();
    const auto segments = first.segments();
    const Seq last_segment = segments.back();
    REQUIRE(first.open());
    const auto positions = first.positions;
    const Seq last = first.shown.back().seq;
    first.leave();
    REQUIRE(last > last_segment);
    std::size_t begins = 0;
    while (positions[begins].segment != last_segment) ++begins;
    REQUIRE(begins + 2 < positions.size());
    // HEAD as a power cut may leave it: of before the roll. What lost its header and first record is proven by the rest.
    const Position& before = positions[begins - 1];
    {
        const Head head{.store = read_store(first.disk, first.paths)->store,
                        .epoch = before.epoch,
                        .durable = before.seq,
                        .segment = before.segment,
                        .end = before.end};
        REQUIRE(first.disk.remove(first.paths.head()));
        auto file = HeadFile::open(first.disk, first.paths.root, first.paths.head());
        REQUIRE(file);
        REQUIRE(file->write(head));
        REQUIRE(file->sync());
    }
    damage(first, positions, {begins});
    first.disk.flip_bit(first.paths.segment(last_segment), 20 * 8);
    const Image image = first.all_files();
    int went_on = 0;
    const auto begin = [&](World& world) {
        put(world, image);
        world.options = first.options;
    };
    cut_short_anywhere(Cut::killed, last_segment, last, begin, [&](World& world, const RepairPlan& plan) {
        REQUIRE_FALSE(plan.headers.empty());
        if (quarantine(world).empty()) return;
        REQUIRE(world.open());
        if (world.journal->read_only()) return;
        ++went_on;
        CHECK(world.journal->last() >= last);
        world.appended = world.shown;
        REQUIRE(world.tell());
        for (int i = 0; i < 5; ++i) REQUIRE(world.write(20));
        REQUIRE(world.journal->close());
        CHECK(faults(world).empty());
    });
    CHECK(went_on > 3);
}

TEST_CASE("a repair beside a torn tail has one note, and positions behind it are taken") {
    World world;
    world.options.first_segment_bytes = 16384;
    world.open_and_tell();
    for (int i = 0; i < 10; ++i) REQUIRE(world.write());
    const Seq last = world.journal->last();
    const Epoch epoch = world.journal->epoch();
    const std::uint64_t end = world.journal->position().end;
    REQUIRE(world.open());
    const auto positions = world.positions;
    world.leave();
    damage(world, positions, {5});
    // What a writer had on its way when it was killed: the first of it never got there.
    std::string tail = "half a line\n\n";
    for (std::uint64_t i = 2; i <= 20; ++i) tail += line_of(Seq{last.value + i}, epoch) + "\n\n";
    write_at(world, Seq{1}, end + 1, tail);

    const Seq lost = positions[5].seq;
    REQUIRE(repair(world, lost, lost));
    REQUIRE(world.open());
    REQUIRE_FALSE(world.journal->read_only());
    CHECK(world.journal->last() == last);
    CHECK(world.journal->notes().size() == 3);  // opened, the repair, the tail
    REQUIRE(world.tell());
    for (int i = 0; i < 5; ++i) {
        REQUIRE(world.write());
        const Position from = world.journal->position();
        REQUIRE(world.journal->close());
        const Status opened = world.open(i % 2 == 0 ? from : Position{});
        REQUIRE_MESSAGE(opened, opened.error().text);
        REQUIRE_FALSE(world.journal->read_only());
        CHECK(world.journal->notes().size() == 1);
        REQUIRE(world.tell());
    }
}

TEST_CASE("the note of a repair that is lost itself is appended once more, and not by each open") {
    const ClosedJournal closed(12);
    World world;
    closed.put_into(world);
    const auto lose = [&](Seq seq) {
        REQUIRE(world.open());
        const auto positions = world.positions;
        world.leave();
        const auto at = std::ranges::find(positions, seq, &Position::seq);
        REQUIRE(at != positions.end());
        damage(world, positions, {static_cast<std::size_t>(at - positions.begin())});
        REQUIRE(repair(world, seq, seq));
    };
    /// How many notes of repairs the next run begins with; then it writes, and goes.
    const auto notes_of_next_run = [&](bool trusts_watermark = false) {
        REQUIRE(world.open());
        const Position end = world.positions.back();
        if (trusts_watermark) REQUIRE(world.open(end));  // it reads no note on its way
        REQUIRE_FALSE(world.journal->read_only());
        const auto notes = world.journal->notes();
        const auto count = std::ranges::count(notes, kNoteRepaired, &RecordDraft::note);
        REQUIRE(world.tell());
        for (int i = 0; i < 3; ++i) REQUIRE(world.write(20));
        REQUIRE(world.journal->close());
        world.leave();
        return count;
    };
    lose(closed.positions[4].seq);
    const Seq last = closed.positions.back().seq;
    CHECK(notes_of_next_run() == 1);
    // `opened` comes first, the note of the repair behind it.
    lose(last.next().next());
    CHECK(notes_of_next_run() == 2);
    CHECK(notes_of_next_run(true) == 0);
    CHECK(notes_of_next_run() == 0);
    CHECK(faults(world).empty());
}

TEST_CASE("a sound range at the end of the log takes nothing of what was lost behind it") {
    World world;
    world.open_and_tell();
    for (int i = 0; i < 10; ++i) REQUIRE(world.write());
    REQUIRE(world.journal->close());
    REQUIRE(world.open());
    const auto positions = world.positions;
    world.leave();
    damage(world, positions, {positions.size() - 1});
    const Seq sound = positions[positions.size() - 2].seq;
    const auto plan = plan_repair(world.disk, world.paths, sound, sound);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().text.find("is not damaged") != std::string::npos);
    REQUIRE(repair(world, sound.next(), sound.next()));
    CHECK(faults(world).empty());
}

TEST_CASE("the root of a header written anew knows nothing of a line that a later run took the place of") {
    World world;
    world.options.align_bytes = 1024;
    world.options.first_segment_bytes = world.options.segment_bytes = 16384;
    world.open_and_tell();
    for (int i = 0; i < 3; ++i) REQUIRE(world.write());
    const Epoch dead = world.journal->epoch();
    REQUIRE(world.journal->close());
    REQUIRE(world.open());
    const std::uint64_t end = world.positions.back().end;
    const Seq begun = world.positions.back().seq.next();
    REQUIRE(world.tell());
    while (world.segments().size() < 3) REQUIRE(world.write());
    REQUIRE(world.journal->close());
    const auto all = world.appended;
    world.leave();
    // Both in one journal: the line, in the padding before the later run's first group; a header behind it.
    const Seq segment = world.segments()[1];
    write_at(world, Seq{1}, end + 8, line_of(Seq{begun.value + 2}, dead));
    world.disk.flip_bit(world.paths.segment(segment), 20 * 8);
    const auto report = verify(world.disk, world.paths, {.threads = 1});
    REQUIRE(report);
    REQUIRE(report->faults.size() == 2);
    const Fault& header = report->faults[1];
    CHECK(header.segment == segment);
    REQUIRE(repair(world, header.seq, std::max(header.seq, header.last)));
    const Fault& line = report->faults[0];
    REQUIRE(repair(world, line.seq, std::max(line.seq, line.last)));
    CHECK(faults(world).empty());
    REQUIRE(world.open());
    CHECK_FALSE(world.journal->read_only());
    CHECK(world.shown == all);
}

TEST_CASE("what may have been a record goes to quarantine with the header that it ran into") {
    World world;
    closed_journal(world, 24);
    const Seq first = world.segments().back();
    std::string bytes = world.content(first);
    const std::size_t header_end = bytes.find('\n');
    const std::size_t record = bytes.find_first_not_of('\n', header_end);
    const std::size_t behind = bytes.find('\n', record);
    REQUIRE(behind != std::string::npos);
    for (std::size_t i = header_end; i < record; ++i) bytes[i] = 'x';
    for (std::size_t i = behind; i < bytes.size(); ++i) bytes[i] = '\n';
    world.disk.put(world.paths.segment(first), bytes);
    // Nothing is known of it, as after a power cut that HEAD's last sync was before.
    REQUIRE(world.disk.remove(world.paths.head()));
    REQUIRE(world.open());
    REQUIRE_FALSE(world.journal->read_only());
    REQUIRE(quarantine(world).size() == 1);
    const std::string kept = world.paths.quarantine() + "/" + parked_name(quarantine(world)[0]);
    CHECK(world.disk.content(kept) == bytes.substr(0, behind));
}
