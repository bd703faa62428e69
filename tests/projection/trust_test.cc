// A run, its end, and what the next one believes.

#include <doctest/doctest.h>
#include <lmdb.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/projection/place.h"

namespace se {
namespace {

namespace fs = std::filesystem;

void restamp(Place& place, const Stamp& stamp) {
    REQUIRE(write_stamp(place.files, place.paths(), stamp));
}

/// As `cp -a` does it: other inodes.
void copy_store(const std::string& from, const std::string& to) {
    const std::string command = "cp -a " + from + "/. " + to;
    REQUIRE(std::system(command.c_str()) == 0);
}

std::size_t generations(Place& place) {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(place.paths().projection()))
        count += entry.is_directory();
    return count;
}

}  // namespace

TEST_CASE("no projection is nothing to be trusted, and opening it leaves the disk alone") {
    Place place;
    const auto projection = place.open();
    CHECK_FALSE(projection->trusted());
    CHECK(projection->why_not_trusted() == "no STAMP");
    CHECK(projection->watermark().seq == Seq{0});
    CHECK(projection->generation() == 0);
    CHECK_FALSE(projection->snapshot());
    CHECK(fs::is_empty(place.directory.path()));
}

TEST_CASE("a run is dirty before its first write and clean after its close") {
    const History history(1, 50);
    Place place;
    auto projection = place.grown(history, 20);
    CHECK_FALSE(place.stamp().clean);
    REQUIRE(projection->begin_run(Epoch{77}));
    CHECK_FALSE(place.stamp().clean);
    CHECK(place.stamp().epoch == Epoch{77});
    REQUIRE(projection->close());
    CHECK(place.stamp().clean);
    projection.reset();

    projection = place.open();
    CHECK(projection->trusted());
    CHECK(place.stamp().clean);
    // Even where nobody began a run.
    REQUIRE(projection->apply(history.range(20, 30), history.behind(30)));
    CHECK_FALSE(place.stamp().clean);
    REQUIRE(projection->close());
    CHECK(place.stamp().clean);
    REQUIRE(projection->apply(history.range(30, 40), history.behind(40)));
    CHECK_FALSE(place.stamp().clean);
}

TEST_CASE("what is trusted when it is opened again") {
    const History history(2, 60);
    const Model model = model_of(history, 50);
    struct Row {
        const char* name;
        bool clean;
        bool copied;
        void (*change)(Stamp&);
        bool trusted;
    };
    const Row rows[] = {
        {"closed", true, false, [](Stamp&) {}, true},
        {"killed", false, false, [](Stamp&) {}, true},
        {"closed and copied", true, true, [](Stamp&) {}, true},
        {"killed and copied", false, true, [](Stamp&) {}, false},
        {"closed, then another boot", true, false, [](Stamp& s) { s.identity.boot = "x"; }, true},
        {"killed, then another boot", false, false, [](Stamp& s) { s.identity.boot = "x"; }, false},
        {"killed, then another mount", false, false, [](Stamp& s) { s.identity.mount = "x"; },
         false},
        {"killed, another device", false, false, [](Stamp& s) { s.identity.device += 1; }, false},
        {"no such generation", true, false, [](Stamp& s) { s.generation += 5; }, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        Place place, copy;
        auto projection = place.grown(history, 30);
        REQUIRE(projection->begin_run(history.epoch));
        REQUIRE(projection->apply(history.range(30, 50), history.behind(50)));
        if (row.clean) REQUIRE(projection->close());
        projection.reset();
        Place& opened = row.copied ? copy : place;
        if (row.copied) copy_store(place.directory.path(), copy.directory.path());
        Stamp stamp = opened.stamp();
        row.change(stamp);
        restamp(opened, stamp);

        projection = opened.open();
        REQUIRE(projection->trusted() == row.trusted);
        if (!row.trusted) {
            CHECK(projection->watermark().seq == Seq{0});
            CHECK(projection->why_not_trusted() != "");
            CHECK(opened.stamp() == stamp);  // opening changed nothing
            Place::regrow(*projection, history, 50);
        }
        CHECK(projection->watermark().seq == Seq{50});
        CHECK(projection->watermark().frontier == history.behind(50).frontier);
        CHECK(describe(*projection, model) == describe(model, Seq{50}, history.epoch));
        REQUIRE(projection->begin_run(Epoch{9}));
        REQUIRE(projection->apply(history.range(50, 60), history.behind(60)));
        CHECK(generations(opened) == 1);
    }
}

TEST_CASE("a projection of another store, a damaged stamp or a cut data file is not believed") {
    const History history(3, 300);
    Place place;
    auto projection = place.grown(history, 300);
    REQUIRE(projection->close());
    projection.reset();

    SUBCASE("another store") {
        place.store.store = "99999999-2222-4333-8444-555555555555";
        CHECK(place.open()->why_not_trusted() == "projection: of another store");
    }
    SUBCASE("a damaged stamp") {
        std::ofstream(stamp_path(place.paths()), std::ios::app) << "x";
        CHECK(place.open()->why_not_trusted() == "STAMP is damaged");
    }
    SUBCASE("a cut data file, at every page") {
        const std::string data = place.data_file();
        for (std::uintmax_t pages = fs::file_size(data) / 4096; pages-- > 0;) {
            fs::resize_file(data, pages * 4096);
            const auto opened = place.open();
            if (opened->trusted()) {  // only unused room is gone
                CHECK(opened->used_bytes() <= pages * 4096);
            } else {
                CHECK(opened->why_not_trusted() != "");
            }
        }
        CHECK_FALSE(place.open()->trusted());
    }
    SUBCASE("an empty data file") {
        fs::resize_file(place.data_file(), 0);
        CHECK_FALSE(place.open()->trusted());
    }
    SUBCASE("not an LMDB file") {
        const std::string data = place.data_file();
        fs::resize_file(data, 0);
        std::ofstream(data) << std::string(65536, 'x');
        CHECK_FALSE(place.open()->trusted());
    }
}

TEST_CASE("what the journal contradicts is regrown, and no reader believes it meanwhile") {
    const History history(4, 100);
    Place place;
    auto projection = place.grown(history, 100);
    REQUIRE(projection->close());
    const std::uint64_t first = projection->generation();
    projection->distrust("folded over a repaired gap");
    CHECK_FALSE(projection->trusted());
    CHECK(projection->watermark().seq == Seq{0});
    CHECK(projection->why_not_trusted() == "folded over a repaired gap");
    REQUIRE(projection->regrow());
    CHECK_FALSE(fs::exists(stamp_path(place.paths())));
    CHECK(projection->in_bulk());
    for (std::size_t i = 0; i < 60; ++i) REQUIRE(projection->add_bulk(history.record(i)));
    CHECK_FALSE(projection->snapshot());
    REQUIRE(projection->begin_run(Epoch{55}));  // before or after: STAMP has this run's epoch
    REQUIRE(projection->end_bulk(history.behind(60)));
    CHECK(place.stamp().epoch == Epoch{55});
    CHECK(projection->trusted());
    CHECK(projection->generation() > first);
    CHECK(generations(place) == 1);
    const Model model = model_of(history, 60);
    CHECK(describe(*projection, model) == describe(model, Seq{60}, history.epoch));
}

TEST_CASE("a regrow that was cut short leaves nothing behind") {
    const History history(5, 100);
    Place place;
    auto projection = place.open();
    REQUIRE(projection->regrow());
    for (std::size_t i = 0; i < 100; ++i) REQUIRE(projection->add_bulk(history.record(i)));
    projection.reset();
    CHECK_FALSE(place.open()->trusted());
    // A generation that was loaded and never named.
    fs::create_directories(place.paths().projection() + "/7");
    std::ofstream(place.paths().projection() + "/7/data.mdb") << "half";
    projection = place.grown(history, 100);
    CHECK(projection->generation() == 8);
    CHECK(generations(place) == 1);
}

}  // namespace se
