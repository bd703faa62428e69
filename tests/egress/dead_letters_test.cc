#include "engine/egress/dead_letters.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/sim/sim_filesystem.h"

namespace se {
namespace {

const std::string kPath = "/data/dead-letters/peer.jsonl";

DeadLetter letter(std::uint64_t seq, std::string reason = "the peer says no") {
    return {.id = "s:1:" + std::to_string(seq) + ":rule:0",
            .at = {Epoch{1}, Seq{seq}},
            .reason = std::move(reason),
            .ts = Time{} + std::chrono::hours{490'000},
            .attempts = 3};
}

struct Place {
    SimFileSystem disk{1};
    StorePaths paths{"/data"};

    Place() { disk.put("/data/store.json", "{}"); }
    DeadLetters open(std::uint64_t most = 100) {
        auto opened = DeadLetters::open(disk, paths, "peer", most);
        REQUIRE(opened);
        return *std::move(opened);
    }
    std::vector<DeadLetter> kept() {
        const DeadLetters opened = open();
        std::vector<DeadLetter> letters;
        for (const DeadLetter* one : opened.all()) letters.push_back(*one);
        return letters;
    }
};

TEST_CASE("dead letters are there after the next open, in order of seq") {
    Place place;
    {
        DeadLetters letters = place.open();
        CHECK(letters.all().empty());
        for (const std::uint64_t seq : {10, 9, 100}) REQUIRE(letters.add(letter(seq)));
        REQUIRE(letters.ask_retry(letter(100).id));
        CHECK(letters.asked() == 1);
    }
    DeadLetter asked = letter(100);
    asked.retry = true;
    CHECK(place.kept() == std::vector{letter(9), letter(10), asked});
    CHECK(*DeadLetters::names(place.disk, place.paths) == std::vector<std::string>{"peer"});
}

TEST_CASE("what is gone is gone, and a second refusal answers a retry") {
    Place place;
    {
        DeadLetters letters = place.open();
        REQUIRE(letters.add(letter(1)));
        REQUIRE(letters.add(letter(2)));
        REQUIRE(letters.ask_retry(letter(2).id));
        REQUIRE(letters.add(letter(2, "still no")));
        REQUIRE(letters.remove(letter(1).id));
        REQUIRE(letters.remove("never was"));
        CHECK(letters.ask_retry("never was").error().code == Errc::not_found);
    }
    CHECK(place.kept() == std::vector{letter(2, "still no")});
}

TEST_CASE("a look changes nothing, and finds nothing where nothing is") {
    Place place;
    CHECK(DeadLetters::read(place.disk, place.paths, "peer")->letters.empty());
    CHECK(DeadLetters::names(place.disk, place.paths)->empty());
    REQUIRE(place.open().add(letter(1)));
    const std::string before = *place.disk.content(kPath);
    CHECK(DeadLetters::read(place.disk, place.paths, "peer")->letters.size() == 1);
    CHECK(*place.disk.content(kPath) == before);
}

TEST_CASE("a torn line at the end never counted") {
    Place place;
    REQUIRE(place.open().add(letter(1)));
    const std::string good = *place.disk.content(kPath);
    {
        DeadLetters letters = place.open();
        REQUIRE(letters.add(letter(2)));
    }
    const std::string both = *place.disk.content(kPath);
    for (std::size_t size = good.size(); size < both.size(); ++size) {
        place.disk.put(kPath, both.substr(0, size));
        CHECK(place.kept() == std::vector{letter(1)});
        CHECK(*place.disk.content(kPath) == good);
    }
}

TEST_CASE("a damaged line is counted and kept, and costs no other its place") {
    Place place;
    {
        DeadLetters letters = place.open();
        for (const std::uint64_t seq : {1, 2, 3}) REQUIRE(letters.add(letter(seq)));
    }
    const std::string good = *place.disk.content(kPath);
    const std::size_t begin = good.find('\n') + 1, end = good.find('\n', begin);
    for (std::size_t bit = begin * 8; bit < end * 8; ++bit) {
        std::string text = good;
        text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
        place.disk.put(kPath, text);
        DeadLetters letters = place.open();
        // A flip into a newline makes two lines of one.
        CHECK(letters.damaged() >= 1);
        CHECK(letters.size() == 2);
        CHECK(letters.find(letter(2).id) == nullptr);
        CHECK(place.open().damaged() == letters.damaged());
    }
}

/// One of each, on top of two letters that are there.
std::vector<Status> live(DeadLetters& letters) {
    return {letters.add(letter(3)), letters.ask_retry(letter(1).id), letters.remove(letter(2).id),
            letters.add(letter(4))};
}

TEST_CASE(
    "every call of the disk failing once: what said no did not happen, and can be asked again") {
    for (std::uint64_t calls = 0;; ++calls) {
        Place place;
        {
            DeadLetters letters = place.open();
            for (const std::uint64_t seq : {1, 2}) REQUIRE(letters.add(letter(seq)));
            place.disk.fail_after(calls, DiskFault::hiccup);
            const bool all_well =
                std::ranges::all_of(live(letters), [](const auto& s) { return bool{s}; });
            if (all_well && !place.disk.failed()) break;
            for (const Status& again : live(letters)) REQUIRE(again);
        }
        place.disk.evict();  // what a failed sync left is not on the disk
        DeadLetter asked = letter(1);
        asked.retry = true;
        CHECK(place.kept() == std::vector{asked, letter(3), letter(4)});
    }
}

TEST_CASE("every death of the machine: what said yes is there") {
    for (std::uint64_t calls = 0;; ++calls) {
        Place place;
        std::vector<Status> said;
        bool died = false;
        {
            DeadLetters letters = place.open();
            for (const std::uint64_t seq : {1, 2}) REQUIRE(letters.add(letter(seq)));
            place.disk.on_call([&, left = calls](const SimFileSystem::Call&) mutable {
                if (left-- == 0) {
                    place.disk.power_cut();
                    died = true;
                }
            });
            said = live(letters);
            place.disk.on_call({});
        }
        if (!died) break;
        DeadLetters letters = place.open();
        const auto has = [&](std::uint64_t seq) { return letters.find(letter(seq).id) != nullptr; };
        CHECK(has(1));
        if (said[0]) CHECK(has(3));
        if (said[1]) CHECK(letters.find(letter(1).id)->retry);
        CHECK((has(2) == !said[2] || !said[2]));
        if (said[3]) CHECK(has(4));
    }
}

TEST_CASE("a file full of what is over is written anew") {
    Place place;
    DeadLetters letters = place.open();
    for (std::uint64_t seq = 1; seq <= 2'000; ++seq) {
        REQUIRE(letters.add(letter(seq)));
        REQUIRE(letters.remove(letter(seq).id));
    }
    CHECK(place.disk.content(kPath)->size() < 300'000);
}

TEST_CASE("it says when it is full") {
    Place place;
    DeadLetters letters = place.open(2);
    REQUIRE(letters.add(letter(1)));
    CHECK_FALSE(letters.full());
    REQUIRE(letters.add(letter(2)));
    CHECK(letters.full());
    REQUIRE(letters.remove(letter(1).id));
    CHECK_FALSE(letters.full());
}

TEST_CASE("a long reason is cut, at the end of a character") {
    Place place;
    std::string reason;
    for (int i = 0; i < 600; ++i) reason += "é";
    reason.insert(0, "x");
    REQUIRE(place.open().add(letter(1, reason)));
    const std::string kept = place.kept().front().reason;
    CHECK(kept.size() == 1'023);
    CHECK(reason.starts_with(kept));
}

}  // namespace
}  // namespace se
