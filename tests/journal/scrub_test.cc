// The scrub (J8): what rots in old records is found by one pass, what is sound is never called damaged, at a pace
// and never in a fill's way.

#include "journal/scrub.h"

#include <doctest/doctest.h>

#include "journal/quarantine.h"
#include "journal/verify.h"
#include "tests/journal/journal_world.h"
#include "tests/journal/small_store.h"
#include "tests/release_share.h"

using namespace se;
using namespace std::chrono_literals;
using test::closed_store;
using test::SmallStore;
using test::World;

namespace {

constexpr Scrub::Limits kFast{.bytes_per_second = 1u << 30, .every = 1h};
constexpr std::string_view kUnread = "it cannot be read";

/// All that one pass finds, with `bytes` read at a time.
std::vector<Fault> pass_over(SmallStore& small, std::uint64_t bytes) {
    auto pass = SteppedVerify::begin(small.files, small.paths, small.store);
    REQUIRE(pass);
    while (!pass->at_end()) REQUIRE(pass->read(bytes));
    return pass->finish();
}

/// What `journal verify` without hashes says beside a living writer.
std::vector<Fault> faults_by_verify(SmallStore& small) {
    small.files.locked.insert(small.paths.store_file());
    small.files.locked.insert(small.paths.head());
    const auto report = verify(small.files, small.paths, {.hashes = false, .threads = 1});
    REQUIRE(report);
    return report->faults;
}

bool same(const std::vector<Fault>& some, const std::vector<Fault>& others) {
    return std::ranges::equal(some, others, [](const Fault& one, const Fault& other) {
        return one.kind == other.kind && one.segment == other.segment && one.offset == other.offset &&
               one.seq == other.seq && one.last == other.last;
    });
}

/// One step of a scrub, as soon as it is due; false: it failed.
bool step(Scrub& scrub, SimClock& clock) {
    const auto due = scrub.due();
    REQUIRE(due);
    if (*due > clock.monotonic()) clock.advance(*due - clock.monotonic());
    const Status outcome = scrub.step()();
    scrub.finished(outcome, clock.monotonic(), clock.wall());
    return static_cast<bool>(outcome);
}

/// Steps to the end of the pass that is under way, or of the next one.
void whole_pass(Scrub& scrub, SimClock& clock) {
    const auto before = scrub.last_pass();
    for (int steps = 0; scrub.last_pass() == before; ++steps) {
        REQUIRE(steps < 10'000);
        clock.advance(1ms);
        step(scrub, clock);
    }
}

/// Remembers which places it was told of.
struct ToldLog final : Log {
    void write(const LogEvent& event) override {
        if (event.name != "state-engine.journal.damaged_below") return;
        CHECK(event.severity == Severity::error);
        std::string names;
        for (const auto& [name, value] : event.context) {
            CHECK(!value.empty());
            names += std::string(name) + " ";
            if (name == "seq") seqs.push_back(value);
        }
        CHECK(names == "segment offset seq last why do ");
    }
    std::vector<std::string> seqs;
};

/// A journal that is scrubbed all the time, and what its log was told.
struct ScrubbedWorld {
    ToldLog told;
    World world;

    ScrubbedWorld() {
        world.heard = &told;
        world.options.scrub_bytes_per_second = 1u << 30;
        world.options.scrub_every = 20ms;
    }

    const Scrub& scrub() const { return world.journal->scrub(); }
    /// Until a pass that has begun since has come to its end.
    void let_pass() {
        std::optional<Time> ended = scrub().last_pass();
        for (int passes = 0, rounds = 0; passes < 2; ++rounds) {
            REQUIRE(rounds < 10'000);
            REQUIRE(world.upkeep());
            if (scrub().last_pass() == ended) continue;
            ended = scrub().last_pass();
            ++passes;
        }
    }
};

}  // namespace

TEST_CASE("one pass finds each flipped byte of old segments and of the active one, whatever is read at a time") {
    SmallStore small = closed_store();
    for (const Seq segment : {Seq{1}, Seq{4}, Seq{7}}) {
        std::string& bytes = small.files.bytes(small.paths.segment(segment));
        const std::string whole = bytes;
        const std::uint64_t used = segment == small.segment ? small.used : whole.size();
        for (std::size_t offset = 0; offset < used; offset += test::kStep) {
            CAPTURE(segment.value);
            CAPTURE(offset);
            bytes[offset] = static_cast<char>(bytes[offset] ^ (1 << (offset % 8)));
            const std::vector<Fault> expected = faults_by_verify(small);
            REQUIRE(expected.size() == 1);
            for (const std::uint64_t chunk : {37u, 300u, 1u << 20}) {
                const std::vector<Fault> found = pass_over(small, chunk);
                REQUIRE(found.size() == 1);
                REQUIRE(same(found, expected));
                REQUIRE(found[0].segment == segment);
                REQUIRE(found[0].offset <= offset);
            }
            bytes[offset] = whole[offset];
        }
    }
    for (const std::uint64_t chunk : {1u, 37u, 300u, 1u << 20}) CHECK(pass_over(small, chunk).empty());
}

TEST_CASE("two places in one pass are two, and a segment that is gone is one") {
    SmallStore small = closed_store();
    small.flip(Seq{2});
    small.flip(Seq{8});
    CHECK(pass_over(small, 100).size() == 2);
    CHECK(same(pass_over(small, 100), faults_by_verify(small)));
    small = closed_store();
    small.files.content.erase(small.paths.segment(Seq{4}));
    const std::vector<Fault> found = pass_over(small, 100);
    REQUIRE(found.size() == 1);
    CHECK(found[0].seq == Seq{4});
    CHECK(found[0].last == Seq{6});
}

TEST_CASE("behind the durable end anything may stand, and without a HEAD no pass begins") {
    SmallStore small = closed_store();
    const std::uint64_t end = small.used;
    small.add_many(3);  // HEAD does not know of them
    small.flip(Seq{11});
    small.active()[small.used + 5] = 'x';
    for (const std::uint64_t chunk : {37u, 1u << 20}) CHECK(pass_over(small, chunk).empty());
    small.active()[end - 20] = '\x01';
    CHECK(pass_over(small, 37).size() == 1);

    small.files.content.erase(small.paths.head());
    const auto pass = SteppedVerify::begin(small.files, small.paths, small.store);
    REQUIRE_FALSE(pass);
    CHECK(pass.error().code == Errc::unavailable);
}

TEST_CASE("what a repair gave up is no damage, by its note as by its copy") {
    SmallStore small = closed_store();
    small.epoch = {20};
    small.add_repaired(Seq{2}, Seq{5});
    small.blank(Seq{2}, Seq{5});
    small.write_head();
    for (const std::uint64_t chunk : {37u, 1u << 20}) CHECK(pass_over(small, chunk).empty());

    small = closed_store();
    small.blank(Seq{2}, Seq{3});
    CHECK(pass_over(small, 37).size() == 1);
    small.files.bytes(small.paths.quarantine() + "/" +
                      parked_name({.what = Parked::What::lost,
                                   .segment = Seq{1},
                                   .offset = small.places.at(Seq{2}).offset,
                                   .epoch = {20},
                                   .next = Seq{10},
                                   .from = Seq{2},
                                   .to = Seq{3}}));
    CHECK(pass_over(small, 37).empty());
}

TEST_CASE("what landed amid older lines is judged by what came later, as verify does") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(3);
    small.epoch = {12};
    small.add_many(2);  // a run that died before anybody knew of it
    small.next = Seq{4};
    small.epoch = {13};
    small.add_many(4);
    small.write_head();
    const std::vector<Fault> expected = faults_by_verify(small);
    for (const std::uint64_t chunk : {37u, 300u, 1u << 20}) CHECK(same(pass_over(small, chunk), expected));
    small.flip(Seq{6});
    CHECK(same(pass_over(small, 37), faults_by_verify(small)));
}

TEST_CASE("a pass reads no more than the pace allows, and rests behind it") {
    World world;
    world.open_and_tell();
    for (int i = 0; i < 150; ++i) REQUIRE(world.write(200));
    constexpr std::uint64_t kRate = 64u << 10;
    Scrub scrub(world.disk, world.paths, world.hold->info.store, {.bytes_per_second = kRate, .every = 1h});
    SimClock clock;
    const auto begun = clock.monotonic();
    scrub.begin(begun);
    CHECK(*scrub.due() == begun + Scrub::kFirstRest);
    clock.advance(Scrub::kFirstRest);
    const auto first = clock.monotonic();
    std::uint64_t largest = 0;
    while (!scrub.last_pass()) {
        REQUIRE(clock.monotonic() - first < 10min);
        if (*scrub.due() <= clock.monotonic()) {
            const std::uint64_t before = scrub.bytes();
            REQUIRE(step(scrub, clock));
            largest = std::max(largest, scrub.bytes() - before);
        }
        const double seconds = std::chrono::duration<double>(clock.monotonic() - first).count();
        // What is read at once is waited for behind it.
        const double allowed = seconds * static_cast<double>(kRate + 1) + static_cast<double>(largest);
        CHECK(static_cast<double>(scrub.bytes()) <= allowed);
        clock.advance(1ms);
    }
    CHECK(scrub.bytes() > 2 * kRate / 3);
    CHECK(largest <= 2 * kRate);
    CHECK(scrub.places_known() == 0);
    CHECK(*scrub.due() >= clock.monotonic() + 59min);
    const std::uint64_t once = scrub.bytes();
    whole_pass(scrub, clock);
    CHECK(scrub.bytes() == 2 * once);
}

TEST_CASE("a pace of 0 is off") {
    World world;
    world.options.scrub_every = 0ms;
    world.open_and_tell();
    for (int i = 0; i < 50; ++i) {
        REQUIRE(world.upkeep());
        world.clock.advance(24h);
    }
    CHECK(world.journal->scrub().bytes() == 0);
    CHECK_FALSE(world.journal->scrub().last_pass());
    CHECK_FALSE(world.journal->scrub().due());
}

TEST_CASE("a fill goes first") {
    World world;
    world.options.scrub_bytes_per_second = 1u << 30;
    world.options.scrub_every = 0ms;
    world.open_and_tell();
    std::string order;  // of the jobs: f fills, s reads segments
    for (int i = 0; i < 300; ++i) {
        world.journal->tick();
        bool fills = false, reads = false;
        world.disk.count_reads(true);
        world.disk.on_call([&](const SimFileSystem::Call& call) {
            if (call.operation == SimFileSystem::Operation::write) fills |= call.path == world.paths.next();
            if (call.operation == SimFileSystem::Operation::read) reads |= call.path.find("/seg-") != call.path.npos;
        });
        world.background.run();
        world.disk.on_call({});
        world.disk.count_reads(false);
        if (fills) order += 'f';
        if (reads) order += 's';
        world.commits.run();
        world.poll();
        world.clock.advance(1ms);  // between two chunks of a fill there is time for another job
    }
    CAPTURE(order);
    REQUIRE(order.find('f') != order.npos);
    REQUIRE(order.find('s') != order.npos);
    CHECK(order.rfind('f') < order.find('s'));
}

TEST_CASE("while a journal is written and rolls, nothing sound is called damaged") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        CAPTURE(seed);
        ScrubbedWorld scrubbed;
        World& world = scrubbed.world;
        SimRandom random(seed);
        world.options.align_bytes = seed % 2 == 0 ? 512 : 0;
        world.open_and_tell();
        for (int i = 0; i < 400; ++i) {
            REQUIRE(world.append(20 + random.below(300)));
            if (random.chance(60)) REQUIRE(world.commit());
            for (std::uint64_t turns = random.below(4); turns > 0; --turns) REQUIRE(world.upkeep());
            REQUIRE(scrubbed.scrub().places_known() == 0);
        }
        REQUIRE(world.commit());
        CHECK(world.segments().size() > 3);
        CHECK(scrubbed.scrub().last_pass());
        scrubbed.let_pass();
        CHECK(scrubbed.scrub().places_known() == 0);
        // And what comes back after a power cut, or from a copy.
        const auto copy = world.all_files();
        for (int i = 0; i < 40; ++i) REQUIRE(world.write(200));
        world.power_cut();
        world.open_and_tell();
        scrubbed.let_pass();
        CHECK(scrubbed.scrub().places_known() == 0);
        world.leave();
        for (const auto& [path, content] : world.all_files()) {
            if (!copy.contains(path)) REQUIRE(world.disk.remove(path));
        }
        for (const auto& [path, content] : copy) world.disk.put(path, content);
        world.appended.clear();
        world.acknowledged = {};
        REQUIRE(world.open());
        REQUIRE(world.tell());
        for (int i = 0; i < 40; ++i) REQUIRE(world.write(200));
        scrubbed.let_pass();
        CHECK(scrubbed.scrub().places_known() == 0);
        CHECK(scrubbed.told.seqs.empty());
    }
}

TEST_CASE("damage to an old record alarms once, stops no write, and goes when the place reads well again") {
    ScrubbedWorld scrubbed;
    World& world = scrubbed.world;
    world.open_and_tell();
    while (world.segments().size() < 3) REQUIRE(world.write(200));
    scrubbed.let_pass();
    REQUIRE(scrubbed.told.seqs.empty());

    const std::string old = world.paths.segment(Seq{1});
    const std::uint64_t bit = 8 * world.disk.content(old)->find("id-5");
    world.disk.flip_bit(old, bit);
    for (int i = 0; i < 3; ++i) {
        scrubbed.let_pass();
        REQUIRE(world.write());
    }
    REQUIRE(scrubbed.scrub().places_known() == 1);
    CHECK(scrubbed.scrub().places()[0].segment == Seq{1});
    const std::string seq = std::to_string(scrubbed.scrub().places()[0].seq.value);
    CHECK(scrubbed.told.seqs == std::vector<std::string>{seq});
    CHECK_FALSE(world.journal->read_only());
    CHECK_FALSE(world.journal->failed());

    world.disk.flip_bit(old, bit);
    scrubbed.let_pass();
    CHECK(scrubbed.scrub().places_known() == 0);
    CHECK(scrubbed.told.seqs.size() == 1);
    world.disk.flip_bit(old, bit);
    scrubbed.let_pass();
    CHECK(scrubbed.scrub().places_known() == 1);
    CHECK(scrubbed.told.seqs == std::vector<std::string>{seq, seq});
}

TEST_CASE("what a reader has met is one place with what a pass finds there, and is forgotten when none does") {
    SmallStore small = closed_store();
    small.flip(Seq{4});
    small.flip(Seq{5});
    SimClock clock;
    Scrub scrub(small.files, small.paths, small.store, kFast);
    scrub.begin(clock.monotonic());
    const Fault of_reader{.segment = Seq{4}, .offset = 1'000, .seq = Seq{5}, .detail = "a record with seq 6"};
    scrub.note(of_reader);
    scrub.note(of_reader);
    CHECK(scrub.places_known() == 1);
    CHECK(scrub.take_news().size() == 1);
    CHECK(scrub.take_news().empty());
    whole_pass(scrub, clock);
    REQUIRE(scrub.places_known() == 1);
    CHECK(scrub.places()[0].seq == Seq{4});
    CHECK(scrub.places()[0].last == Seq{5});
    CHECK(scrub.take_news().empty());

    small = closed_store();
    whole_pass(scrub, clock);
    CHECK(scrub.places_known() == 0);
    scrub.note(of_reader);
    CHECK(scrub.take_news().size() == 1);
    whole_pass(scrub, clock);
    CHECK(scrub.places_known() == 0);

    // Met while a pass is under way, which may be past it: the next one says.
    clock.advance(2h);
    REQUIRE(step(scrub, clock));
    scrub.note(of_reader);
    whole_pass(scrub, clock);
    CHECK(scrub.places_known() == 1);
    whole_pass(scrub, clock);
    CHECK(scrub.places_known() == 0);
}

TEST_CASE("what cannot be read is tried again, and then is a damaged place that keeps no pass from its end") {
    World world;
    world.open_and_tell();
    while (world.segments().size() < 4) REQUIRE(world.write(200));
    SimClock clock;
    Scrub scrub(world.disk, world.paths, world.hold->info.store, kFast);
    scrub.begin(clock.monotonic());
    REQUIRE(step(scrub, clock));  // has begun
    world.disk.count_reads(true);
    world.disk.fail_after(0, DiskFault::hiccup);
    const auto failed_at = clock.monotonic();
    CHECK_FALSE(step(scrub, clock));
    CHECK(*scrub.due() >= failed_at + Scrub::kRestAfterFailure);
    whole_pass(scrub, clock);
    CHECK(scrub.places_known() == 0);

    clock.advance(2h);
    REQUIRE(step(scrub, clock));
    world.disk.fail_after(0, DiskFault::lasting);
    whole_pass(scrub, clock);
    REQUIRE(scrub.places_known() > 0);
    CHECK(scrub.places()[0].detail.starts_with(kUnread));
    world.disk.count_reads(false);
    world.disk.mend();
    whole_pass(scrub, clock);
    CHECK(scrub.places_known() == 0);
}
