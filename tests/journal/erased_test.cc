// J7: an erased record keeps its leaf, and is believed only if a later record in the tree names it.

#include <doctest/doctest.h>

#include "journal/erasures.h"
#include "journal/verify.h"
#include "tests/journal/erased_line.h"
#include "tests/journal/repair_world.h"
#include "tests/journal/small_store.h"

namespace se {
namespace {

using test::erase_in;
using test::SmallStore;
using test::World;

const std::string kLong(60, 'v');  // a body with room for the hash that takes its place

RecordDraft erased_note(Seq seq) {
    RecordDraft note;
    note.ts = *time_from_text("2026-11-21T02:00:00.000Z");
    note.kind = Kind::note;
    note.note = kNoteErased;
    note.actor = "a";
    note.body = R"({"seqs":[)" + std::to_string(seq.value) + "]}";
    return note;
}

/// Two segments, three records in each.
SmallStore six_records() {
    SmallStore small;
    for (int segment = 0; segment < 2; ++segment) {
        small.begin_segment(4096);
        for (int i = 0; i < 3; ++i) small.add(small.draft(kLong));
    }
    small.write_head();
    return small;
}

void erase_record(SmallStore& small, Seq seq) {
    REQUIRE(erase_in(small.files.bytes(small.paths.segment(small.places.at(seq).segment)), seq));
}

VerifyReport verified(SmallStore& small, bool hashes = true) {
    auto report = verify(small.files, small.paths, {.hashes = hashes, .threads = 1});
    REQUIRE(report);
    return *report;
}

std::vector<Seq> seqs_of(const std::vector<Fault>& faults) {
    std::vector<Seq> seqs;
    for (const Fault& fault : faults) seqs.push_back(fault.seq);
    return seqs;
}

}  // namespace

TEST_CASE("an erased record that no later one names is a fault, though its crc and its leaf hold") {
    for (std::uint64_t seq = 1; seq <= 6; ++seq) {
        for (const bool hashes : {true, false}) {
            CAPTURE(seq);
            CAPTURE(hashes);
            SmallStore small = six_records();
            erase_record(small, {seq});
            const VerifyReport report = verified(small, hashes);
            REQUIRE(report.faults.size() == 1);
            const Fault& fault = report.faults[0];
            CHECK(fault.kind == FaultKind::unnamed_erasure);
            CHECK(fault.seq == Seq{seq});
            CHECK(fault.last == Seq{seq});
            CHECK(fault.segment == small.places.at({seq}).segment);
            CHECK(fault.offset == small.places.at({seq}).offset);
            CHECK(to_text(fault).find("no later record names it") != std::string::npos);
            CHECK(report.records == 6);
            if (hashes) CHECK(report.root == small.tree.root());
        }
    }
}

TEST_CASE("an erased record is believed where a later `erased` note names it, and only that one") {
    for (const bool hashes : {true, false}) {
        SmallStore small = six_records();
        small.add(erased_note({2}));
        small.write_head();
        erase_record(small, {2});
        const VerifyReport report = verified(small, hashes);
        CHECK(report.faults.empty());
        CHECK(report.records == 7);
        if (hashes) CHECK(report.root == small.tree.root());
        erase_record(small, {3});
        CHECK(seqs_of(verified(small, hashes).faults) == std::vector<Seq>{{3}});
    }
}

TEST_CASE("a note of an erasure says nothing of itself or of what comes behind it") {
    SmallStore small;
    small.begin_segment(8192);
    small.add(small.draft(kLong));
    small.add(erased_note({3}));
    small.add(small.draft(kLong));
    RecordDraft own = erased_note({4});
    own.body = R"({"seqs":[4],"reason":")" + kLong + "\"}";
    small.add(own);
    small.write_head();
    erase_record(small, {3});
    erase_record(small, {4});
    CHECK(seqs_of(verified(small).faults) == std::vector<Seq>{{3}, {4}});
}

TEST_CASE("a note in a torn tail names nothing, and what is erased there is torn") {
    SmallStore small = six_records();
    small.add(small.draft(kLong), Seq{6});
    small.add(erased_note({2}), Seq{6});
    small.add(small.draft(kLong), Seq{6});
    erase_record(small, {2});
    erase_record(small, {9});
    small.flip({7});
    const VerifyReport report = verified(small);
    CHECK(seqs_of(report.faults) == std::vector<Seq>{{2}});
    CHECK(report.last == Seq{6});
    CHECK(report.torn_bytes > 0);
}

TEST_CASE("erasures that nothing names stand among the other faults, in the order of the log") {
    SmallStore small = six_records();
    small.flip({1});
    erase_record(small, {2});
    small.flip({3});
    erase_record(small, {5});
    CHECK(seqs_of(verified(small).faults) == std::vector<Seq>{{1}, {2}, {3}, {5}});
}

TEST_CASE("what a living writer erases while verify reads is looked for once more") {
    for (const bool noted : {true, false}) {
        CAPTURE(noted);
        SmallStore small;
        small.begin_segment(8u << 20);
        for (int i = 0; i < 1000; ++i) small.add(small.draft(std::string(5000, 'v')));
        small.begin_segment(4096);
        small.add(small.draft(kLong));
        small.write_head();
        const auto lock = *small.files.lock(small.paths.head());
        const Seq victim = small.last();
        bool done = false;
        // Behind the first piece: by then it is settled up to where that verify reads.
        const auto meanwhile = [&](std::uint64_t, std::uint64_t) {
            if (std::exchange(done, true)) return;
            if (noted) small.add(erased_note(victim));
            small.write_head();
            erase_record(small, victim);
        };
        const auto report =
            verify(small.files, small.paths, {.threads = 1, .progress = meanwhile});
        REQUIRE(report);
        CHECK(done);
        CHECK(report->faults.empty() == noted);
    }
}

namespace {

/// A journal of one segment, cleanly closed, with or without a note that the third record was erased, which
/// it was. Where its records end.
std::vector<Position> erased_third(World& world, bool noted) {
    world.open_and_tell();
    for (int i = 0; i < 5; ++i) REQUIRE(world.write());
    if (noted) {
        RecordDraft note = erased_note({3});
        REQUIRE(world.append(note));
        REQUIRE(world.commit());
    }
    REQUIRE(world.journal->close());
    REQUIRE(world.open());
    const std::vector<Position> positions = world.positions;
    world.leave();
    std::string bytes = world.content({1});
    REQUIRE(erase_in(bytes, {3}));
    world.disk.put(world.paths.segment({1}), bytes);
    return positions;
}

}  // namespace

TEST_CASE("an open shows an erased record that a note names") {
    World world;
    (void)erased_third(world, true);
    REQUIRE(world.open());
    CHECK_FALSE(world.journal->read_only());
    world.check_shown();
    CHECK(test::faults(world).empty());
}

TEST_CASE("an open shows nothing from an erasure on that nothing names, and cuts nothing") {
    World world;
    const auto positions = erased_third(world, false);
    const auto before = world.all_files();
    REQUIRE(world.open());
    CHECK(world.journal->read_only());
    const auto& damage = world.journal->report().damage;
    REQUIRE(damage);
    CHECK(damage->fault.kind == FaultKind::unnamed_erasure);
    CHECK(damage->from == Seq{3});
    CHECK(damage->to == Seq{3});
    CHECK(world.shown.size() == 2);
    world.leave();
    CHECK(world.all_files() == before);
    REQUIRE(world.open(positions[1]));
    CHECK(world.journal->read_only());
    // Who goes on from a trusted position behind it does not look (J8).
    REQUIRE(world.open(positions[3]));
    CHECK_FALSE(world.journal->read_only());
}

TEST_CASE("a repair gives up an erasure that nothing names, and none that is named") {
    World named;
    (void)erased_third(named, true);
    CHECK_FALSE(plan_repair(named.disk, named.paths, {3}, {3}));

    World world;
    (void)erased_third(world, false);
    const auto plan = plan_repair(world.disk, world.paths, {3}, {3});
    REQUIRE_MESSAGE(plan, plan.error().text);
    CHECK(plan->loses_records);
    REQUIRE(test::repair(world, {3}, {3}));
    REQUIRE(world.open());
    CHECK_FALSE(world.journal->read_only());
    std::vector<Seq> shown;
    for (const auto& known : world.shown) shown.push_back(known.seq);
    CHECK(shown == std::vector<Seq>{{1}, {2}, {4}, {5}, {6}});
    REQUIRE(world.tell());
    CHECK(test::faults(world).empty());
}

}  // namespace se
