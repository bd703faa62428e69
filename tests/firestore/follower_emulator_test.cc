// The follower over Google's own emulator: what its preconditions and its commits make of P6.

#include <doctest/doctest.h>

#include "tests/firestore/emulator.h"
#include "tests/firestore/follower_world.h"

namespace se::firestore {
namespace {

void follow_to_head(FollowerWorld& world) {
    for (int round = 0; round < 5'000; ++round) {
        world.follower->step();
        world.run_lanes();
        world.store.clock.advance(std::chrono::milliseconds{100});
        const FollowerState state = world.follower->state();
        REQUIRE_MESSAGE(state.phase != FollowerState::Phase::stopped, state.why);
        if (state.phase == FollowerState::Phase::following && world.follower->quiet() &&
            state.watermark.value + 1 == world.folds.size())
            return;
    }
    FAIL("it does not get there: " << to_json(world.follower->state(), ""));
}

std::vector<Document> all_of(DocumentStore& store, const std::string& collection) {
    std::vector<Document> all;
    for (Query query{.collection = collection};;) {
        const auto page = store.list(query);
        REQUIRE_MESSAGE(page.has_value(), page.error().text);
        all.insert(all.end(), page->begin(), page->end());
        if (page->size() < query.limit) return all;
        query.after = all.back().id();
    }
}

void must_be_the_fold(FollowerWorld& world, DocumentStore& store) {
    const auto documents = all_of(store, std::string(kStateCollection));
    const auto& fold = world.folds.back();
    REQUIRE(documents.size() == fold.size());
    for (const Document& document : documents) {
        const auto entry = fold.find(std::string(document.id()));
        CAPTURE(document.path);
        REQUIRE(entry != fold.end());
        REQUIRE(document.fields == *state_fields(entry->second));
    }
    REQUIRE(all_of(store, std::string(kLogCollection)).size() == world.logs.size());
}

TEST_CASE(
    "documents in Google's emulator are the fold of the journal, over deaths and a second writer") {
    if (test::Emulator::skipped("documents in Google's emulator are the fold of the journal"))
        return;
    const test::Emulator emulator;
    const auto store = emulator.open("follower");
    REQUIRE(store->commit({{"state/foreign", Fields{}}}));

    SimDocuments none(1);
    FollowerWorld first(none, 1), second(none, 2);
    first.real = second.real = store.get();
    first.keys = 500;
    first.open();
    first.write(2'000);
    first.start();
    follow_to_head(first);
    must_be_the_fold(first, *store);

    for (int death = 0; death < 5; ++death) {
        first.write(300);
        for (std::uint64_t i = 0; i < 3 + first.chance.below(10); ++i) {
            first.follower->step();
            first.run_lanes(70);
        }
        first.die();
        first.options.bootstrap = false;
        first.open();
        first.start();
    }
    follow_to_head(first);
    must_be_the_fold(first, *store);

    first.copy_to(second);
    second.store.clock.advance(std::chrono::hours{1});
    second.options.bootstrap = false;
    second.open();
    second.start();
    second.write(50);
    follow_to_head(second);
    first.write(1);
    for (int i = 0; i < 50 && first.follower->state().phase != FollowerState::Phase::stopped; ++i) {
        first.follower->step();
        first.run_lanes();
        first.store.clock.advance(std::chrono::milliseconds{100});
    }
    CHECK(first.follower->state().why.find("a later run writes") != std::string::npos);
    // Its log document went ahead; its state did not.
    const auto documents = all_of(*store, std::string(kStateCollection));
    CHECK(documents.size() == second.folds.back().size());
}

}  // namespace
}  // namespace se::firestore
