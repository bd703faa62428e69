// Every crash point of a cut, of a clean close and of the start of a run; a hole with a good line
// behind it; two who want one store; a store that is copied while it is written to.

#include <doctest/doctest.h>

#include <set>

#include "journal/journal_reader.h"
#include "journal/quarantine.h"
#include "journal/verify.h"
#include "tests/journal/journal_world.h"

using namespace se;
using namespace se::test;

namespace {

using Call = SimFileSystem::Call;

/// Runs `action`; the process dies before the call with that number, or with the machine. False:
/// there are not so many calls.
template <class Action>
bool dies_at(World& world, std::uint64_t number, bool power, Action action) {
    std::uint64_t calls = 0;
    bool dead = false;
    world.disk.on_call([&](const Call&) {
        if (dead || calls++ != number) return;
        dead = true;
        power ? world.disk.power_cut() : world.disk.crash();
    });
    action();
    world.disk.on_call({});
    world.leave();
    return dead;
}

/// A journal whose last group is torn in its first line, with a good one behind it.
std::string make_torn(World& world) {
    world.open_and_tell();
    for (int i = 0; i < 5; ++i) REQUIRE(world.write());
    const Seq segment = world.segments().back();
    const std::uint64_t end = world.journal->active_bytes_used();
    REQUIRE(world.append());
    REQUIRE(world.append());
    // Written, and never synced: HEAD knows nothing of it.
    bool written = false;
    world.disk.on_call([&](const Call& call) {
        if (call.operation == SimFileSystem::Operation::sync) {
            written = true;
            world.disk.crash();
        }
    });
    static_cast<void>(world.commit());
    world.disk.on_call({});
    REQUIRE(written);
    world.leave();
    const std::string path = world.paths.segment(segment);
    world.disk.flip_bit(path, (end + 30) * 8);
    std::string torn = world.disk.content(path)->substr(end + 1);  // behind the newline before it
    torn.resize(torn.find_last_not_of('\n') + 1);
    return torn;
}

std::size_t notes_of_cuts(World& world) {
    std::size_t count = 0;
    auto reader = JournalReader::open(world.disk, world.paths);
    REQUIRE(reader);
    for (;;) {
        const auto record = reader->next();
        REQUIRE(record);
        if (*record == nullptr) return count;
        count += (*record)->note == "torn_tail_cut" ? 1 : 0;
    }
}

}  // namespace

TEST_CASE("a cut that dies at any call is done again: nothing lost, all kept, every file told of") {
    for (const bool power : {false, true}) {
        std::uint64_t number = 0;
        for (bool more = true; more; ++number) {
            CAPTURE(power);
            CAPTURE(number);
            World world(number + 1);
            const std::string torn = make_torn(world);
            more = dies_at(world, number, power, [&] {
                if (world.open()) static_cast<void>(world.tell());
            });
            world.open_and_tell();
            // Whatever became of it, it is in quarantine, or went with the power.
            std::size_t files = 0;
            bool kept = false;
            for (const std::string& name : *world.disk.list(world.paths.quarantine())) {
                if (!parked_from_name(name)) continue;  // one that was never finished
                ++files;
                kept = kept || world.disk.content(world.paths.quarantine() + "/" + name) == torn;
            }
            CHECK((kept || power));
            CAPTURE(files);
            CHECK(notes_of_cuts(world) == files);
            REQUIRE(world.write());
            const auto verified = verify(world.disk, world.paths, {.threads = 1});
            REQUIRE(verified);
            CHECK(verified->faults.empty());
        }
        CHECK(number > 10);
    }
}

TEST_CASE("a clean close that dies at any call loses nothing, and damages nothing") {
    for (const bool power : {false, true}) {
        std::uint64_t number = 0;
        for (bool more = true; more; ++number) {
            CAPTURE(power);
            CAPTURE(number);
            World world(number + 1);
            world.open_and_tell();
            for (int i = 0; i < 30; ++i) REQUIRE(world.write());
            REQUIRE(world.append());
            more =
                dies_at(world, number, power, [&] { static_cast<void>(world.journal->close()); });
            world.open_and_tell();  // J2
            CHECK(world.journal->report().cut_bytes * !power == 0);
        }
        CHECK(number > 2);
    }
}

TEST_CASE("HEAD written at any moment, torn or not: what was acknowledged is shown") {
    // From the open on, with its HEAD, to the third group: both slots have been overwritten then.
    for (std::uint64_t number = 0;; ++number) {
        CAPTURE(number);
        World world(number + 1);
        world.open_and_tell();
        for (int i = 0; i < 3; ++i) REQUIRE(world.write());
        const bool died = dies_at(world, number, true, [&] {
            if (!world.open() || !world.tell()) return;
            for (int i = 0; i < 3; ++i) {
                if (!world.write()) return;
            }
        });
        world.open_and_tell();
        world.check_never_reused(world.appended);
        if (!died) break;
    }
}

TEST_CASE(
    "a hole of blanks with a good line behind it is torn, or damage if that line knows better") {
    for (const bool acknowledged : {false, true}) {
        CAPTURE(acknowledged);
        World world;
        world.open_and_tell();
        for (int i = 0; i < 3; ++i) REQUIRE(world.write());
        const Seq segment = world.segments().back();
        const std::string path = world.paths.segment(segment);
        const std::string head = *world.disk.content(world.paths.head());
        const Seq before = world.journal->last();
        const std::uint64_t begin = world.journal->active_bytes_used();
        REQUIRE(world.append());
        // The line behind the hole is of the same group, or of the one after, whose `durable`
        // tells.
        if (acknowledged) REQUIRE(world.commit());
        const std::uint64_t end = acknowledged ? world.journal->active_bytes_used() : 0;
        REQUIRE(world.append());
        REQUIRE(world.commit());
        world.leave();
        world.disk.put(world.paths.head(), head);  // as a power cut may leave it
        std::string bytes = *world.disk.content(path);
        const std::size_t hole_end = acknowledged ? end : bytes.find('\n', begin + 1);
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                  bytes.begin() + static_cast<std::ptrdiff_t>(hole_end), '\n');
        world.disk.put(path, bytes);

        REQUIRE(world.open());
        CHECK(world.shown.size() == before.value);
        CHECK(world.journal->read_only() == acknowledged);
        if (acknowledged) {
            CHECK(world.journal->report().damage->from == before.next());
            CHECK(world.disk.content(path) == bytes);
            CHECK(world.disk.list(world.paths.quarantine())->empty());
        } else {
            CHECK(world.journal->report().cut_bytes > 0);
            REQUIRE(world.tell());
            CHECK(world.disk.content(path)->find("\"id\":\"id-5\"") == std::string::npos);
        }
    }
}

TEST_CASE("two writers race for one store: whoever comes second at whatever call, gets nothing") {
    World world;
    std::uint64_t refused = 0, before_there_was_one = 0;
    bool inside = false;
    world.disk.on_call([&](const Call&) {
        if (std::exchange(inside, true)) return;
        SimRandom own(refused);
        // Until the first one has the lock, the second may be the first.
        auto second = hold_store(world.disk, own, world.paths);
        if (second) {
            ++before_there_was_one;
        } else {
            CHECK(second.error().code == Errc::busy);
            ++refused;
        }
        second = Error{Errc::busy, ""};  // and lets go
        inside = false;
    });
    REQUIRE(world.open());
    REQUIRE(world.tell());
    for (int i = 0; i < 40; ++i) REQUIRE(world.write());  // rolls
    REQUIRE(world.segments().size() > 1);
    world.disk.on_call({});
    CHECK(before_there_was_one > 0);
    CHECK(refused > 100);
    world.open_and_tell();
}

TEST_CASE(
    "a store copied while it is written to is a store, or says what it lacks, and shows nothing "
    "else") {
    // File by file, in the order of their names or against it, a few groups between one file and
    // the next.
    std::size_t sound = 0, damaged = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        World world(seed);
        SimRandom chance(seed);
        world.open_and_tell();
        for (std::uint64_t i = chance.below(30); i > 0; --i) REQUIRE(world.write());
        std::vector<std::string> paths;
        for (const auto& [path, content] : world.all_files()) paths.push_back(path);
        if (seed % 2 == 0) std::reverse(paths.begin(), paths.end());
        World copy(seed + 1000);
        copy.options = world.options;
        for (const std::string& path : paths) {
            // A file is not copied at one moment either.
            const auto first = world.disk.content(path);
            for (std::uint64_t i = chance.below(6); i > 0; --i) REQUIRE(world.write());
            const auto then = world.disk.content(path);
            if (!first || !then) continue;
            const std::size_t middle = chance.below(std::min(first->size(), then->size()) + 1);
            copy.disk.put(path, first->substr(0, middle) + then->substr(middle));
        }
        world.leave();
        const Status opened = copy.open();
        REQUIRE_MESSAGE(opened, opened.error().text);
        for (std::size_t i = 0; i < copy.shown.size(); ++i) {
            REQUIRE(copy.shown[i] == world.appended[i]);
        }
        if (copy.journal->read_only()) {
            ++damaged;
            CHECK_FALSE(copy.journal->report().damage->evidence.empty());
        } else {
            ++sound;
            // It goes on as a history of its own: in an epoch that the other never had.
            CHECK(copy.journal->epoch() > world.appended.back().epoch);
            REQUIRE(copy.tell());
        }
    }
    CHECK(sound > 5);
    CHECK(damaged > 5);
}

/// One record, acknowledged, that lands so many bytes behind its place.
static void write_aside(World& world, std::int64_t aside) {
    bool armed = true;
    world.disk.on_call([&](const Call& call) {
        if (call.operation == SimFileSystem::Operation::write && std::exchange(armed, false)) {
            world.disk.misdirect_next_write(aside);
        }
    });
    REQUIRE(world.write());
    world.disk.on_call({});
}

TEST_CASE("a line that landed beside its place is not cut in two by an open from behind it") {
    // By one byte: what would be cut from there on is only its newline.
    for (std::int64_t aside = 1; aside <= 400; ++aside) {
        CAPTURE(aside);
        World world;
        world.open_and_tell();
        for (int i = 0; i < 3; ++i) REQUIRE(world.write());
        const Seq segment = world.segments().back();
        write_aside(world, aside);
        const Position behind = world.journal->position();
        const std::string bytes = world.content(segment);
        const std::size_t records = world.appended.size();
        // All of it is there, between blanks: nothing is lost. But not where the position says.
        const Status opened = world.open(behind);
        REQUIRE_FALSE(opened);
        CHECK(opened.error().code == Errc::malformed);
        CHECK(world.content(segment) == bytes);
        REQUIRE(world.open());
        CHECK_FALSE(world.journal->read_only());
        CHECK(world.shown.size() == records);
    }
}

TEST_CASE("a roll cuts nothing off but blanks: what landed beside its place is found by the open behind it") {
    for (const std::int64_t aside : {1, 2, 50, 400}) {
        CAPTURE(aside);
        World world;
        world.open_and_tell();
        for (int i = 0; i < 3; ++i) REQUIRE(world.write());
        write_aside(world, aside);
        const std::size_t acknowledged = world.appended.size();
        const Seq segment = world.segments().back();
        CHECK_FALSE(world.write(static_cast<std::size_t>(world.options.segment_bytes)));  // does not fit beside it
        CHECK(world.segments().back() == segment);
        const Status opened = world.open();
        REQUIRE_MESSAGE(opened, opened.error().text);
        CHECK_FALSE(world.journal->read_only());
        REQUIRE(world.shown.size() >= acknowledged);
        for (std::size_t i = 0; i < acknowledged; ++i) CHECK(world.shown[i] == world.appended[i]);
    }
}
