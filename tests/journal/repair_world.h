#pragma once

#include <doctest/doctest.h>

#include <functional>
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

inline std::vector<Parked> quarantine(World& world) {
    return *list_quarantine(world.disk, world.paths);
}

inline Status repair(World& world, Seq from, Seq to) {
    SE_TRY(plan, plan_repair(world.disk, world.paths, from, to));
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
