// What a repair gave up, and what a later run wrote in its place: segments were brought back from before the
// repair, and the quarantine was kept.

#include "tests/journal/repair_world.h"
#include "tests/journal/small_store.h"

using namespace se;
using namespace se::test;

namespace {

/// A log of two runs, the later one behind a restore from before a repair that gave up 5..12. What the repair
/// had parked was kept.
struct Restored {
    std::string how;
    SmallStore store;
    Seq from, to;  ///< what is damaged in it; 0: nothing
    Seq last;      ///< of the log, once that is given up
    std::vector<Evidence> evidence;
};

constexpr Epoch kBefore{10}, kRepair{20}, kLater{30};

/// The run before has 1..early, the later one what follows, up to `last`.
SmallStore restored_store(std::uint64_t early, std::uint64_t last) {
    SmallStore store;
    store.epoch = kBefore;
    store.begin_segment();
    store.add_many(early);
    const Parked lost{.what = Parked::What::lost,
                      .segment = Seq{1},
                      .offset = store.used,
                      .epoch = kRepair,
                      .next = Seq{13},
                      .from = Seq{5},
                      .to = Seq{12}};
    store.files.bytes(store.paths.quarantine() + "/" + parked_name(lost));  // its records had left no bytes
    store.epoch = kLater;
    store.add_many(last - early);
    return store;
}

void put(World& world, const SmallStore& store) {
    for (const auto& [path, bytes] : store.files.content) world.disk.put(path, *bytes);
}

/// In each of them one thing alone tells that what stands, or stood, in 5..12 is the later run's. Where that
/// run begins at 5 the quarantine was elsewhere meanwhile: beside it the run had begun behind 12.
std::vector<Restored> restored_stores() {
    std::vector<Restored> all;
    const auto add = [&](std::string how, SmallStore store, Seq from, Seq to, std::vector<Evidence> evidence = {}) {
        const Seq last = store.last();
        all.push_back({std::move(how), std::move(store), from, to, last, std::move(evidence)});
    };
    add("the epoch of the last record, behind which nothing stands", restored_store(3, 7), {}, {});
    for (const std::uint64_t to : {7u, 11u}) {  // behind 11 stands the end of 5..12, which tells of no restore
        SmallStore store = restored_store(3, to + 2);
        store.blank(Seq{7}, Seq{to});
        add("the epoch before records that are not there, the last of them " + std::to_string(to), store, {7}, {to});
    }
    {
        SmallStore store = restored_store(3, 6);
        for (const std::uint64_t records : {3u, 2u}) {
            store.begin_segment();
            store.add_many(records);
        }
        store.files.content.erase(store.paths.segment(Seq{7}));
        add("the epoch before a segment that is not there", store, {7}, {9});
    }
    for (const bool blank : {false, true}) {
        const std::string what = blank ? "a record that is not there" : "a bad record";
        const auto spoil = [&](SmallStore& store, Seq seq) { blank ? store.blank(seq, seq) : store.flip(seq); };
        SmallStore seen = restored_store(3, 7);
        spoil(seen, Seq{7});
        add("the epoch before " + what + " that only a follower has seen", seen, {7}, {7}, {{kLater, {7}, "follower"}});
        SmallStore behind = restored_store(4, 7);
        spoil(behind, Seq{5});
        add("the epoch behind " + what, behind, {5}, {5});
        SmallStore last = restored_store(4, 5);
        last.write_head();
        spoil(last, Seq{5});
        add("HEAD, where nothing stands behind " + what, last, {5}, {5});
    }
    return all;
}

}  // namespace

TEST_CASE("behind a restore from before a repair the seqs that it gave up come again, and are kept") {
    World first;
    first.options.first_segment_bytes = first.options.segment_bytes = 1536;
    first.open_and_tell();
    for (int i = 0; i < 10; ++i) REQUIRE(first.write(20));
    REQUIRE(first.journal->close());
    const Image early = first.all_files();
    const Seq early_last = first.journal->last();
    REQUIRE(first.open());
    REQUIRE(first.tell());
    for (int i = 0; i < 20; ++i) REQUIRE(first.write(20));
    REQUIRE(first.journal->close());
    REQUIRE(first.open());
    const auto positions = first.positions;
    first.leave();
    // Given up: nine seqs of what the restore takes back.
    const std::size_t bad = positions.size() - 14;
    const Seq from = positions[bad].seq, to = positions[bad + 8].seq;
    REQUIRE(from > early_last.next());
    damage(first, positions, {bad, bad + 8});
    REQUIRE(repair(first, from, to));
    REQUIRE(first.open());
    REQUIRE(first.tell());
    first.leave();
    Image restored = early;  // and the quarantine is kept
    for (const auto& [path, bytes] : first.all_files()) {
        if (path.starts_with(first.paths.quarantine())) restored[path] = bytes;
    }
    for (const std::uint64_t behind : {2u, 20u}) {  // within the range and beyond it
        World world;
        put(world, restored);
        world.options = first.options;
        REQUIRE(world.open());
        REQUIRE_FALSE(world.journal->read_only());
        world.appended = world.shown;
        REQUIRE(world.tell());
        while (world.journal->last() < Seq{from.value + behind}) REQUIRE(world.write(20));
        // As it dies, and as it closes.
        for (const bool closes : {false, true}) {
            const auto all = world.appended;
            if (closes) REQUIRE(world.journal->close());
            const Seq last = world.journal->last();
            world.leave();
            CHECK(faults(world).empty());
            REQUIRE(world.open());
            REQUIRE_FALSE(world.journal->read_only());
            CHECK(world.shown == all);
            CHECK(world.journal->last() == last);
            REQUIRE(world.tell());
        }
        world.leave();
        // What rots there was acknowledged: damage, of that record alone.
        REQUIRE(world.open());
        const auto now = world.positions;
        world.leave();
        const Image image = world.all_files();
        for (std::size_t i = 0; i < now.size(); ++i) {
            if (now[i].seq < from || now[i].seq > to) continue;
            CAPTURE(now[i].seq.value);
            World rotten;
            put(rotten, image);
            rotten.options = first.options;
            damage(rotten, now, {i});
            REQUIRE(rotten.open());
            REQUIRE(rotten.journal->read_only());
            CHECK(rotten.journal->report().damage->from == now[i].seq);
            CHECK(rotten.journal->report().damage->to == now[i].seq);
        }
    }
}

TEST_CASE("what a later run wrote behind a restore is history, whichever one thing tells of it") {
    for (const Restored& restored : restored_stores()) {
        CAPTURE(restored.how);
        World world;
        put(world, restored.store);
        REQUIRE(world.open({}, restored.evidence));
        const auto& damage = world.journal->report().damage;
        CHECK(damage.has_value() == (restored.from > Seq{}));
        if (damage) {
            CHECK(damage->from == restored.from);
            CHECK(damage->to == restored.to);
        } else {
            CHECK(world.journal->last() == restored.last);
            CHECK(world.shown.size() == restored.last.value);
        }
    }
}

TEST_CASE("verify says of a later run's records behind a restore what the open says") {
    for (const Restored& restored : restored_stores()) {
        CAPTURE(restored.how);
        World world;
        put(world, restored.store);
        const auto report =
            verify(world.disk, world.paths, {.threads = 1, .evidence = restored.evidence});
        REQUIRE(report);
        CHECK(report->faults.empty() == (restored.from == Seq{}));
        if (report->faults.empty()) continue;
        CHECK(report->faults.size() == 1);
        CHECK(report->faults[0].seq == restored.from);
        CHECK(report->faults[0].last == restored.to);
    }
}

TEST_CASE("what is damaged of a later run behind a restore can be given up, and the log goes on behind it") {
    for (const Restored& restored : restored_stores()) {
        if (restored.from == Seq{}) continue;
        CAPTURE(restored.how);
        World world;
        put(world, restored.store);
        if (restored.from < restored.to) {  // but not a part of it
            const auto refused = [&](Seq from, Seq to) { return !plan_repair(world.disk, world.paths, from, to); };
            CHECK(refused(restored.from, Seq{restored.to.value - 1}));
            CHECK(refused(restored.from.next(), restored.to));
        }
        const Status repaired = repair(world, restored.from, restored.to, restored.evidence);
        CHECK_MESSAGE(repaired, repaired.error().text);
        if (!repaired) continue;
        REQUIRE(world.open({}, restored.evidence));
        CHECK_FALSE(world.journal->read_only());
        CHECK(world.journal->last() == restored.last);
        CHECK(world.shown.size() == restored.last.value - (restored.to.value - restored.from.value + 1));
    }
}

TEST_CASE("a HEAD of the repair's own store takes nothing back of what was given up") {
    for (const bool behind : {false, true}) {
        CAPTURE(behind);
        SmallStore store = restored_store(4, 4);
        Head head = store.head_now();
        // As the last run before the repair left it, or as the first one behind it does.
        head.epoch = behind ? kLater : kBefore;
        head.durable = Seq{behind ? 12u : 8u};
        store.write_head(head);
        World world;
        put(world, store);
        CHECK(faults(world).empty());
        REQUIRE(world.open());
        REQUIRE_FALSE(world.journal->read_only());
        CHECK(world.shown.size() == 4);
        CHECK(world.journal->last() == Seq{12});
    }
}
