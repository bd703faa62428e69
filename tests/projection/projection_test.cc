// LMDB is exactly the fold of what it was given, however it was given.

#include "projection/projection.h"

#include <doctest/doctest.h>

#include "tests/projection/place.h"

namespace se {
namespace {

/// Applies records from..to in groups of random size.
void apply(Projection& projection, const History& history, std::size_t from, std::size_t to,
           SimRandom& random) {
    while (from < to) {
        const std::size_t end = std::min<std::size_t>(to, from + 1 + random.below(40));
        REQUIRE(projection.apply(history.range(from, end), history.behind(end)));
        from = end;
    }
}

void apply(Projection& projection, const History& history, std::size_t from, std::size_t to) {
    REQUIRE(projection.apply(history.range(from, to), history.behind(to)));
}

}  // namespace

TEST_CASE("P1 P2 after every group it is the fold of the records up to its watermark") {
    for (const std::uint64_t seed : {1u, 2u, 3u, 4u}) {
        CAPTURE(seed);
        SimRandom random(seed);
        const History history(seed, 1500);
        Place place;
        auto projection = place.grown(history, 0);
        REQUIRE(projection->begin_run(history.epoch));
        Model model;
        std::size_t done = 0;
        while (done < history.size()) {
            const std::size_t end = std::min<std::size_t>(history.size(), done + random.below(60));
            REQUIRE(projection->apply(history.range(done, end), history.behind(end)));
            for (; done < end; ++done) model.fold(history.record(done));
            REQUIRE(projection->watermark().seq == history.behind(done).seq);
            REQUIRE(projection->watermark().frontier == history.behind(done).frontier);
            REQUIRE(describe(*projection, model) ==
                    describe(model, history.behind(done).seq, history.behind(done).epoch));
        }
    }
}

TEST_CASE("what regrows at once equals what grew record by record, byte for byte") {
    for (const std::uint64_t seed : {11u, 12u, 13u}) {
        CAPTURE(seed);
        SimRandom random(seed);
        const History history(seed, 3000, 400);
        Place grown, regrown, both;
        auto a = grown.grown(history, 0);
        apply(*a, history, 0, history.size(), random);
        const auto b = regrown.grown(history, history.size());
        auto c = both.grown(history, history.size() / 2);
        apply(*c, history, history.size() / 2, history.size(), random);
        const Model model = model_of(history, history.size());
        const Description expected =
            describe(model, history.behind(history.size()).seq, history.epoch);
        CHECK(describe(*a, model) == expected);
        CHECK(describe(*b, model) == expected);
        CHECK(describe(*c, model) == expected);
        CHECK(a->watermark().frontier == b->watermark().frontier);
    }
}

TEST_CASE("P3 records at or below the watermark change nothing") {
    const History history(5, 400);
    Place place;
    auto projection = place.grown(history, 300);
    const Model model = model_of(history, 300);
    const Description before = describe(*projection, model);
    for (const auto& [from, to] :
         {std::pair<std::size_t, std::size_t>{0, 300}, {100, 200}, {299, 300}})
        apply(*projection, history, from, to);
    CHECK(describe(*projection, model) == before);
    CHECK(projection->watermark().seq == Seq{300});
    apply(*projection, history, 250, 400);
    const Model after = model_of(history, 400);
    CHECK(describe(*projection, after) == describe(after, Seq{400}, history.epoch));
}

TEST_CASE("an error in a group leaves all as it was, and the next try may succeed") {
    const History history(6, 200);
    Place place;
    auto projection = place.grown(history, 100);
    const Model model = model_of(history, 100);
    const Description before = describe(*projection, model);
    auto group = history.range(100, 200);
    RecordView broken = {};
    std::size_t at = 50;
    while (group[at]->kind != Kind::accepted) ++at;
    REQUIRE(parse_record(group[at]->line, &broken));
    broken.body = "{}";  // no values
    const RecordView* const good = std::exchange(group[at], &broken);
    CHECK_FALSE(projection->apply(group, history.behind(200)));
    CHECK(describe(*projection, model) == before);
    CHECK(projection->watermark().seq == Seq{100});
    group[at] = good;
    REQUIRE(projection->apply(group, history.behind(200)));
    const Model after = model_of(history, 200);
    CHECK(describe(*projection, after) == describe(after, Seq{200}, history.epoch));
}

TEST_CASE(
    "a snapshot stays at its seq while groups are applied, the map grows and generations change") {
    const History history(7, 4000, 2000);
    Place place;
    auto projection = place.grown(history, 200);
    const Model model = model_of(history, 200);
    const auto old = projection->snapshot();
    REQUIRE(old);
    const Description before = describe(*old, model);
    const auto view = old->get(model.state.entries().begin()->first);
    REQUIRE(view);
    const Entry entry = (*view)->to_entry();
    const std::uint64_t map_bytes = projection->map_bytes();
    SimRandom random(7);
    apply(*projection, history, 200, history.size(), random);
    CHECK(projection->map_bytes() > 4 * map_bytes);
    CHECK(describe(*old, model) == before);
    CHECK((*view)->to_entry() == entry);
    Place::regrow(*projection, history, 300);
    CHECK(describe(*old, model) == before);
    CHECK((*view)->to_entry() == entry);
    CHECK(projection->snapshot()->seq() == Seq{300});
}

TEST_CASE("the map starts small, grows in steps and stops at its limit, where reads go on") {
    const History history(8, 3000, 3000);
    Place place;
    place.options = {
        .map_bytes_first = 64u << 10, .map_step_bytes = 64u << 10, .map_bytes_max = 1u << 20};
    auto projection = place.grown(history, 0);
    std::size_t done = 0;
    std::uint64_t largest = 0;
    while (done < history.size()) {
        const auto applied =
            projection->apply(history.range(done, done + 1), history.behind(done + 1));
        CHECK(projection->map_bytes() <= std::max(largest + (64u << 10), std::uint64_t{64u << 10}));
        largest = projection->map_bytes();
        if (!applied) {
            CHECK(applied.error().code == Errc::no_space);
            break;
        }
        ++done;
    }
    REQUIRE(done < history.size());
    CHECK(largest == 1u << 20);
    const Model model = model_of(history, done);
    CHECK(describe(*projection, model) == describe(model, history.behind(done).seq, history.epoch));
    projection.reset();
    place.options.map_bytes_max = 1u << 30;  // a larger limit, and it goes on
    projection = place.open();
    REQUIRE(projection->trusted());
    SimRandom random(8);
    apply(*projection, history, done, history.size(), random);
    const Model all = model_of(history, history.size());
    CHECK(describe(*projection, all) ==
          describe(all, history.behind(history.size()).seq, history.epoch));
}

TEST_CASE("lists, deadlines and histories can be asked for in parts") {
    const History history(9, 2000);
    Place place;
    const auto projection = place.grown(history, history.size());
    const auto snapshot = projection->snapshot();
    REQUIRE(snapshot);
    const Model model = model_of(history, history.size());
    for (const std::string prefix : {"", "key.", "key.1", "key.39", "none", "z"}) {
        for (const std::string after : {"", "a", "key.", "key.1", "key.17", "key.399", "z"}) {
            std::vector<std::string> expected, found;
            for (const auto& [key, entry] : model.state.entries())
                if (key.starts_with(prefix) && (after.empty() || key > after))
                    expected.push_back(key);
            REQUIRE(snapshot->scan(prefix, after, [&](std::string_view key, const EntryView&) {
                found.emplace_back(key);
                return true;
            }));
            CHECK(found == expected);
        }
    }
    const auto all = snapshot->due(Time::max(), SIZE_MAX);
    REQUIRE(all);
    REQUIRE(all->size() > 3);
    CHECK(*snapshot->next_deadline() == all->front().deadline);
    CHECK(snapshot->due(Time::max(), 3)->size() == 3);
    const Time middle = (*all)[all->size() / 2].deadline;
    const auto some = snapshot->due(middle, SIZE_MAX);
    CHECK(some->back().deadline == middle);
    CHECK(snapshot->due(all->front().deadline - std::chrono::milliseconds(1), 9)->empty());

    for (const auto& [key, seqs] : model.history) {
        for (std::size_t i = 0; i < seqs.size(); ++i) {
            const auto older = snapshot->history(key, seqs[i], 2);
            REQUIRE(older);
            CHECK(older->size() == std::min<std::size_t>(i, 2));
            if (i > 0) CHECK(older->front() == seqs[i - 1]);
            CHECK(snapshot->history(key, Seq{seqs[i].value + 1}, 1)->front() == seqs[i]);
        }
    }
    CHECK(snapshot->history("none", Seq{0}, 9)->empty());
    CHECK(snapshot->history("none", Seq{9}, 9)->empty());
    CHECK_FALSE(snapshot->get("none")->has_value());
    CHECK_FALSE(snapshot->get("")->has_value());
    CHECK_FALSE(snapshot->find_identity(Hash16{})->has_value());
}

TEST_CASE("an empty journal makes an empty projection") {
    const History history(1, 0);
    Place place;
    const auto projection = place.grown(history, 0);
    const Model nothing;
    CHECK(describe(*projection, nothing) == describe(nothing, Seq{0}, Epoch{0}));
    CHECK_FALSE(projection->snapshot()->next_deadline()->has_value());
}

}  // namespace se
