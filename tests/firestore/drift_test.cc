// What somebody else did to the documents is found, told apart from what is only late, and healed.

#include "engine/firestore/drift.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/firestore/follower_lives.h"

namespace se::firestore {
namespace {

struct Drifting {
    SimDocuments documents{5};
    FollowerWorld world{documents, 5};

    Drifting() {
        world.open();
        world.keys = 400;
        world.write(1'500);
        world.start();
        world.converge();
    }

    Result<DriftReport> look(const std::string& prefix = "", std::size_t most = 1'000,
                             const DriftPart& part = {}) {
        return find_drift({.documents = documents,
                           .store = world.store.hold->info.store,
                           .state = [this](const auto& begin, const auto& after,
                                           auto limit) { return world.page(after, limit, begin); },
                           .entries = [this](const auto& keys) { return world.entries(keys); }},
                          prefix, most, part);
    }
    std::vector<std::pair<std::string, Drift::Kind>> found(const std::string& prefix = "") {
        const auto report = look(prefix);
        REQUIRE_MESSAGE(report, report.error().text);
        std::vector<std::pair<std::string, Drift::Kind>> list;
        for (const Drift& drift : report->found) list.emplace_back(drift.key, drift.kind);
        return list;
    }
    /// A live key, the n-th of them.
    std::string key(std::size_t n) const {
        return std::next(world.folds.back().begin(), static_cast<std::ptrdiff_t>(n))->first;
    }
    void edit(const std::string& key, const std::string& name) {
        Fields fields = documents.documents().at(state_path(key)).fields;
        set(fields, name, Value{std::string("edited")});
        documents.put(state_path(key), fields);
    }
    void heal() {
        std::vector<std::string> keys;
        for (const auto& [key, kind] : found())
            if (kind != Drift::Kind::behind) keys.push_back(key);
        REQUIRE(world.follower->heal(keys));
        for (int i = 0; i < 2'000 && world.follower->state().healing > 0; ++i) {
            world.follower->step();
            world.run_lanes();
            world.store.clock.advance(std::chrono::milliseconds{100});
        }
        REQUIRE(world.follower->state().healing == 0);
    }
};

using Found = std::vector<std::pair<std::string, Drift::Kind>>;
using enum Drift::Kind;

TEST_CASE("what follows has no drift, and what is only late is not called drift") {
    Drifting here;
    CHECK(here.found().empty());
    const auto all = here.look();
    CHECK(all->entries == here.world.folds.back().size());
    CHECK(all->documents == all->entries);

    const std::size_t live = here.world.folds.back().size();
    REQUIRE(live > 300);  // more than a page
    const std::string gone = here.key(7), changed = here.key(310);
    RecordDraft end = here.world.set(gone, "1");
    end.changes[0].op = "delete";
    end.body = R"({"reason":"r","values":[null]})";
    here.world.append(std::move(end));
    here.world.append(here.world.set(changed, "\"later\""));
    here.world.append(here.world.set("zzz", "1"));
    here.world.commit();
    Found late = {{gone, behind}, {changed, behind}, {"zzz", behind}};
    std::ranges::sort(late);
    CHECK(here.found() == late);
    here.world.converge();
    CHECK(here.found().empty());
}

TEST_CASE("an edited, a deleted and a foreign document are found by what they are, and healed") {
    Drifting here;
    const std::string edited = here.key(3), deleted = here.key(200), renewed = here.key(320);
    here.edit(edited, "value");
    here.edit(renewed, "theirs");
    here.documents.remove(state_path(deleted));
    here.documents.put("state/foreign", {{"value", Value{std::int64_t{1}}}});
    Found wanted = {{edited, changed}, {deleted, missing}, {renewed, changed}, {"foreign", extra}};
    std::ranges::sort(wanted);
    CHECK(here.found() == wanted);
    const auto report = here.look();
    for (const Drift& drift : report->found) {
        if (drift.key == edited) CHECK(drift.what == "value");
        if (drift.key == renewed) CHECK(drift.what == "theirs");
        if (drift.key == "foreign") CHECK(drift.what == "the key never was");
        if (drift.key != "foreign") CHECK(drift.seq > Seq{});
    }
    CHECK(here.found("foreign") == Found{{"foreign", extra}});
    CHECK(here.found("no such").empty());
    const auto first = here.look("", 1);
    CHECK(first->found.size() == 1);
    CHECK(first->more);

    here.heal();
    CHECK(here.found().empty());
    CHECK(here.world.follower->state().healed == 4);
    here.world.check();
    here.world.write(50);
    here.world.converge();
}

TEST_CASE("healing goes on between the commits of a follower that writes, over what gets lost") {
    Drifting here;
    here.documents.faults = {.lost_answers = 10, .late = 10, .aborts = 10, .throttles = 5};
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < 250; ++i) {
        keys.push_back(here.key(i));
        i % 2 == 0 ? here.edit(keys.back(), "value")
                   : here.documents.remove(state_path(keys.back()));
    }
    here.world.write(100);  // some of them among these: whoever comes first, the end is the fold
    REQUIRE(here.world.follower->heal(keys));
    for (int i = 0; i < 400; ++i) {
        if (i % 10 == 0) here.world.write(5);
        here.world.follower->step();
        here.world.run_lanes(60);
        here.world.store.clock.advance(std::chrono::milliseconds{200});
    }
    here.documents.faults = {};
    here.documents.settle();
    here.world.store.clock.advance(std::chrono::minutes{2});
    here.world.follower->step();
    for (int i = 0; i < 500 && here.world.follower->state().healing > 0; ++i) {
        here.world.follower->step();
        here.world.run_lanes();
        here.world.store.clock.advance(std::chrono::milliseconds{100});
    }
    here.world.converge();
    CHECK(here.found().empty());
}

TEST_CASE("a document that is refused is a dead letter, and the others are healed") {
    Drifting here;
    for (const std::size_t i : {1u, 2u, 3u}) here.edit(here.key(i), "value");
    here.documents.poisoned = {state_path(here.key(2))};
    here.heal();
    CHECK(here.world.follower->state().healed == 2);
    CHECK(here.world.follower->dead_letters()->find(state_path(here.key(2))) != nullptr);
    CHECK(here.found() == Found{{here.key(2), changed}});
}

TEST_CASE("a part of the keys is compared as all of them are, and says that it is a part") {
    Drifting it;
    const std::size_t live = it.world.folds.back().size();
    REQUIRE(live > 300);
    it.edit(it.key(5), "value");
    it.edit(it.key(250), "value");
    const auto part = [&](const std::string& after, std::uint64_t keys) {
        const auto report = it.look("", 1'000, {.after = after, .keys_max = keys});
        REQUIRE_MESSAGE(report, report.error().text);
        return *report;
    };
    const DriftReport first = part("", 100);
    CHECK(first.entries == 100);
    CHECK(first.documents == 100);
    CHECK(first.more);
    REQUIRE(first.found.size() == 1);
    CHECK(first.found[0].key == it.key(5));
    const DriftReport behind = part(it.key(200), 60);
    REQUIRE(behind.found.size() == 1);
    CHECK(behind.found[0].key == it.key(250));
    CHECK(part(it.key(5), 100).found.empty());
    const DriftReport end = part(it.key(live - 11), 100);
    CHECK(end.entries == 10);
    CHECK_FALSE(end.more);
    // Of documents without entries there may be any number.
    for (int i = 0; i < 900; ++i)
        it.documents.put("state/zz" + std::to_string(1000 + i), {{"value", Value{nullptr}}});
    const DriftReport strange = part(it.key(live - 1), 100);
    CHECK(strange.more);
    CHECK(strange.documents == 300);  // a page
    CHECK(strange.found.size() == 300);
    CHECK(part("", UINT64_MAX).found.size() == 902);
}

TEST_CASE("documents of another store, or of none, are not compared but named") {
    Drifting here;
    const auto other = find_drift(
        {.documents = here.documents,
         .store = "another",
         .state = [](const auto&, const auto&,
                     auto) { return Result<Follower::StatePage>(Follower::StatePage{}); },
         .entries = [&](const auto& keys) { return here.world.entries(keys); }},
        "", 10);
    REQUIRE(!other);
    CHECK(other.error().text.find("holds store") != std::string::npos);
    here.documents.remove(std::string(kWatermarkPath));
    const auto none = here.look();
    REQUIRE(!none);
    CHECK(none.error().text.find("--firestore-bootstrap") != std::string::npos);
    here.documents.away = true;
    const auto away = here.look();
    REQUIRE(!away);
    CHECK(away.error().code == Errc::unavailable);
}

}  // namespace
}  // namespace se::firestore
