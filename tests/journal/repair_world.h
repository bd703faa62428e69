#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "journal/quarantine.h"
#include "journal/repair.h"
#include "journal/verify.h"
#include "tests/journal/journal_world.h"

namespace se::test {

/// All bytes of a store, to begin from again and again.
using Image = std::map<std::string, std::string>;

inline void put(World& world, const Image& image) {
    for (const auto& [path, bytes] : image) world.disk.put(path, bytes);
}

/// A small journal of several segments, cleanly closed.
inline Image closed_journal(World& world, int records = 20) {
    world.options.first_segment_bytes = world.options.segment_bytes = 1536;
    world.open_and_tell();
    for (int i = 0; i < records; ++i) REQUIRE(world.write(20));
    REQUIRE(world.journal->close());
    Image image = world.all_files();
    world.leave();
    return image;
}

/// The same, what it holds, and where.
struct ClosedJournal {
    explicit ClosedJournal(int records, std::uint64_t align_bytes = 0) {
        world.options.align_bytes = align_bytes;
        image = closed_journal(world, records);
        REQUIRE(world.open());
        positions = world.positions;
        all = world.shown;
        world.leave();
        segments = world.segments();
    }
    World world;
    Image image;
    std::vector<Position> positions;
    std::vector<Known> all;
    std::vector<Seq> segments;

    /// Another world begins with it.
    void put_into(World& other) const {
        put(other, image);
        other.options = world.options;
    }
};

/// Bits that are wrong in the last bytes of those records.
inline void damage(World& world, const std::vector<Position>& positions, std::initializer_list<std::size_t> which) {
    for (const std::size_t i : which) {
        world.disk.flip_bit(world.paths.segment(positions[i].segment), (positions[i].end - 40) * 8);
    }
}

inline std::vector<Parked> quarantine(World& world) {
    return *list_quarantine(world.disk, world.paths);
}

inline Status repair(World& world, Seq from, Seq to, const std::vector<Evidence>& evidence = {}) {
    SE_TRY(plan, plan_repair(world.disk, world.paths, from, to, evidence));
    SE_TRY(hold, hold_store(world.disk, world.random, world.paths));
    return carry_out(world.disk, world.paths, hold, plan);
}

/// Carries the plan out, but for `strike` after so many calls. True: its end came first.
inline bool carried_out(World& world, const RepairPlan& plan, std::uint64_t calls,
                        const std::function<void()>& strike) {
    const auto hold = hold_store(world.disk, world.random, world.paths);
    REQUIRE(hold);
    bool struck = false;
    world.disk.on_call([&](const SimFileSystem::Call&) {
        if (struck || calls-- > 0) return;
        struck = true;
        strike();
    });
    const Status done = carry_out(world.disk, world.paths, *hold, plan);
    world.disk.on_call({});
    return static_cast<bool>(done);
}

/// How a repair ends before its time.
enum class Cut : std::uint8_t { killed, power, failed_call };

/// A repair of from..to that is cut short at each of its calls in turn, and in the end at none: each time in
/// a world of its own, which `begin(world)` makes. `look(world, plan)` comes when its process is gone.
template <class Begin, class Look>
void cut_short_anywhere(Cut cut, Seq from, Seq to, const Begin& begin, const Look& look,
                        std::uint64_t seed = 0) {
    bool reached_end = false;
    for (std::uint64_t calls = 0; !reached_end; ++calls) {
        REQUIRE(calls < 200);
        CAPTURE(seed);
        CAPTURE(calls);
        World world(seed + calls);
        begin(world);
        const auto plan = plan_repair(world.disk, world.paths, from, to);
        REQUIRE_MESSAGE(plan, plan.error().text);
        reached_end = carried_out(world, *plan, calls, [&] {
            switch (cut) {
                case Cut::killed: return world.disk.crash();
                case Cut::power: return world.disk.power_cut();
                case Cut::failed_call: return world.disk.fail_after(0, DiskFault::hiccup);
            }
        });
        cut == Cut::power ? world.power_cut() : world.crash();
        look(world, *plan);
    }
}

inline std::vector<std::string> faults(World& world) {
    const auto report = verify(world.disk, world.paths, {.threads = 1});
    REQUIRE(report);
    std::vector<std::string> texts;
    for (const Fault& fault : report->faults) texts.push_back(to_text(fault));
    return texts;
}

/// What is shown is what was appended, but for from..to.
inline void check_shown_without(World& world, const std::vector<Known>& appended, Seq from,
                                Seq to) {
    std::vector<Known> expected;
    for (const Known& known : appended) {
        if (known.seq < from || known.seq > to) expected.push_back(known);
    }
    REQUIRE(world.shown == expected);
}

/// Opens, appends over a roll, opens again, from the start and from a place behind the gap.
inline void check_lives_on(World& world, const std::vector<Known>& appended, Seq from, Seq to) {
    Status opened = world.open();
    REQUIRE_MESSAGE(opened, opened.error().text);
    if (world.journal->read_only()) FAIL(to_text(world.journal->report().damage->fault));
    check_shown_without(world, appended, from, to);
    CHECK(world.journal->last() == std::max(to, appended.back().seq));
    world.appended = appended;
    REQUIRE(world.tell());
    for (int i = 0; i < 12; ++i) REQUIRE(world.write());
    const Position behind = world.journal->position();
    for (int i = 0; i < 12; ++i) REQUIRE(world.write());
    const auto all = world.appended;
    REQUIRE(world.journal->close());
    CHECK(faults(world) == std::vector<std::string>{});

    REQUIRE(world.open());
    REQUIRE_FALSE(world.journal->read_only());
    CHECK(world.journal->notes().size() == 1);
    check_shown_without(world, all, from, to);
    const Hash root = world.journal->position().frontier.root();
    REQUIRE(world.open(behind));
    REQUIRE_FALSE(world.journal->read_only());
    CHECK(world.journal->position().frontier.root() == root);
    // The note alone is enough: quarantine may be taken elsewhere.
    world.leave();
    REQUIRE(world.disk.remove_tree(world.paths.quarantine()));
    REQUIRE(world.open());
    REQUIRE_FALSE(world.journal->read_only());
    check_shown_without(world, all, from, to);
    CHECK(world.journal->position().frontier.root() == root);
}

}  // namespace se::test
