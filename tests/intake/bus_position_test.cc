// How far a stream was taken, as the journal says it: also where that stands in several segments.

#include <doctest/doctest.h>

#include "engine/intake/bus_position.h"
#include "tests/intake/bus_lives.h"

using namespace se;
using namespace se::test;

namespace {

constexpr const char* kStreamOfTwo = R"({"stream":"S","created":"then")";

/// A journal in which messages of a stream have records that bind no id, as the intake has them written.
struct MessagesJournal : EngineWorld {
    MessagesJournal() { open(); }

    /// The record of a message, or of one proposal of a batch. All up to `after` was settled then.
    void message(std::uint64_t sequence, std::uint64_t after, const std::string& part = "") {
        std::string cause = kStreamOfTwo;
        cause += ",\"sequence\":" + std::to_string(sequence) + part + ",\"after\":" + std::to_string(after) + "}";
        Refusal refusal;
        refusal.message = "no proposal";
        bool answered = false;
        engine->refuse(std::move(refusal), {.principal = "nats", .door = "nats", .cause = cause},
                       [&answered](Answer&&) { answered = true; });
        settle();
        REQUIRE(answered);
    }
    void batch(std::uint64_t sequence, std::uint64_t after, int index, int of) {
        message(sequence, after, ",\"index\":" + std::to_string(index) + ",\"of\":" + std::to_string(of));
    }
    void went_back(std::uint64_t last, std::uint64_t taken, std::uint64_t after, const std::string& more = "") {
        bool told = false;
        engine->note(std::string(kNoteStreamWentBack),
                     std::string(kStreamOfTwo) + ",\"last\":" + std::to_string(last) +
                         ",\"taken\":" + std::to_string(taken) + ",\"after\":" + std::to_string(after) + more +
                         "}",
                     {.principal = "system:nats", .door = "engine"},
                     [&told](Result<Seq> seq) { told = static_cast<bool>(seq); });
        settle();
        REQUIRE(told);
    }
    std::size_t segments() {
        const auto found = list_segments(disk, StorePaths{settings.data});
        REQUIRE(found);
        return found->size();
    }
    /// Others write, until what comes next stands in another segment.
    void roll() {
        const std::size_t before = segments();
        const std::string value = "\"" + std::string(10'000, 'v') + "\"";
        for (int i = 0; segments() == before; ++i) {
            REQUIRE(i < 1000);
            REQUIRE(set("filler", value).status == Answer::Status::accepted);
        }
    }

    int looked_at = 0;  ///< about as many records, by the search before
    BusPosition position(BusPositionLimits limits = {}) {
        BusPositionSearch search(disk, StorePaths{settings.data}, "S", "then", limits);
        for (looked_at = 0;; ++looked_at) {
            const auto found = search.step(1);
            REQUIRE(found);
            if (*found) return **found;
        }
    }
};

std::size_t segments_of(IntakeWorld& world) {
    const auto found =
        list_segments(world.engine_world.disk, StorePaths{world.engine_world.settings.data});
    REQUIRE(found);
    return found->size();
}

}  // namespace

TEST_CASE("behind a roll and a kill no message gets a second record") {
    IntakeWorld world;
    world.make_stream();
    // They bind no id, so nothing but its position tells that one was taken.
    for (int i = 0; i < 8; ++i) world.publish("no json " + std::string(20'000, 'x'));
    world.connect();
    world.run_dry();
    REQUIRE(world.records().size() == 8);
    for (const Json& record : world.records()) CHECK(text_at(*record.find("cause"), "after") == "0");
    REQUIRE(segments_of(world) > 1);
    world.disconnect();
    world.engine_world.crash();
    world.engine_world.open();
    world.publish(set_of("a", "1"));
    world.connect();
    world.run_dry();
    CHECK(world.records().size() == 9);
    CHECK(world.engine_world.value_of("a") == "1");
}

TEST_CASE("of a batch that was half journaled nothing gets a second record, also what binds no id") {
    IntakeWorld world;
    world.engine_world.settings.engine.group_records = 7;
    world.engine_world.open();
    world.make_stream();
    std::string batch = R"({"v":"1","source":"s","mutations":[)";
    for (int i = 0; i < 20; ++i)
        batch += (i == 0 ? "" : ",") + std::string(R"({"type":"append","key":"list","value":)") +
                 std::to_string(i) + "},\"no mutation\"";
    world.publish(batch + "]}");
    world.connect();
    REQUIRE(world.run([&] { return !world.records().empty(); }));
    REQUIRE(world.records().size() < 40);
    world.disconnect();
    world.engine_world.crash();
    world.engine_world.open();
    world.connect();
    world.run_dry();
    CHECK(world.records().size() == 40);
    CHECK(world.engine_world.value_of("list") == numbers(20));
    // Nor when all of it has its records.
    world.disconnect();
    world.engine_world.crash();
    world.engine_world.open();
    world.connect();
    world.run_dry();
    CHECK(world.records().size() == 40);
}

TEST_CASE("a journal that says nothing of a stream leaves all to be taken") {
    MessagesJournal journal;
    journal.roll();
    CHECK(journal.position() == BusPosition{});
}

TEST_CASE("what has its record in a segment before is taken") {
    MessagesJournal journal;
    journal.message(1, 0);
    journal.message(4, 1);
    journal.roll();
    journal.message(3, 1);
    journal.roll();
    journal.roll();
    journal.message(2, 1);
    const BusPosition all{.through = 1, .taken = {2, 3, 4}, .parts = {}};
    CHECK(journal.position() == all);
    // In a segment before the newest that says anything.
    journal.roll();
    CHECK(journal.position() == all);
    CHECK(journal.position({.in_hand = 0}) == all);  // nothing that was met is settled by now, but 1
}

TEST_CASE("over the limit of bytes what stands further back is left to be taken again") {
    MessagesJournal journal;
    journal.message(4, 1);
    journal.roll();
    journal.message(3, 1);
    journal.roll();
    journal.message(2, 1);
    CHECK(journal.position({.bytes = 1}) == BusPosition{.through = 1, .taken = {2, 3}, .parts = {}});
    CHECK(journal.position({.bytes = 0}) == BusPosition{.through = 1, .taken = {2}, .parts = {}});
    CHECK(journal.position() == BusPosition{.through = 1, .taken = {2, 3, 4}, .parts = {}});
}

TEST_CASE("it is looked no further back than what can have been in hand at once reaches") {
    MessagesJournal journal;
    for (std::uint64_t sequence = 1; sequence <= 10; ++sequence) {
        journal.message(sequence, sequence - 1);
        journal.roll();
    }
    const BusPosition all{.through = 9, .taken = {10}, .parts = {}};
    CHECK(journal.position() == all);
    const int of_all = journal.looked_at;
    CHECK(journal.position({.in_hand = 3}) == all);
    CHECK(journal.looked_at < of_all);
    const int of_some = journal.looked_at;
    CHECK(journal.position({.in_hand = 1}) == all);
    CHECK(journal.looked_at < of_some);
}

TEST_CASE("what a stream has lost is not taken, whichever segment tells it") {
    MessagesJournal journal;
    journal.message(3, 2);
    journal.message(5, 3);
    journal.message(7, 3);
    journal.batch(8, 3, 0, 2);
    SUBCASE("the note behind a roll") {
        journal.roll();
        journal.went_back(5, 8, 3);
    }
    SUBCASE("the note before it") {
        journal.went_back(5, 8, 3);
        journal.roll();
    }
    SUBCASE("the note in a segment of its own") {
        journal.roll();
        journal.went_back(5, 8, 3);
        journal.roll();
    }
    CHECK(journal.position() == BusPosition{.through = 3, .taken = {5}, .parts = {}, .anew_behind = 5});
    journal.message(6, 3);
    // In hand when its end was lost, and decided after that.
    journal.message(7, 3, ",\"lost\":true");
    CHECK(journal.position() == BusPosition{.through = 3, .taken = {5, 6}, .parts = {}, .anew_behind = 5});
    // What was settled of its lost end is none of the new one's.
    journal.went_back(2, 6, 2);
    CHECK(journal.position() == BusPosition{.through = 2, .taken = {}, .parts = {}, .anew_behind = 2});
    journal.roll();
    journal.message(4, 2);
    CHECK(journal.position() == BusPosition{.through = 2, .taken = {4}, .parts = {}, .anew_behind = 2});
    // It never grows: what comes under sequences that were lost once has another's for good.
    journal.message(8, 7);
    journal.roll();
    journal.went_back(7, 8, 7, ",\"anewBehind\":2");
    CHECK(journal.position() == BusPosition{.through = 7, .taken = {}, .parts = {}, .anew_behind = 2});
}

TEST_CASE("a note that is older than what its stream's records say sets nothing back") {
    MessagesJournal journal;
    journal.message(1, 0);
    journal.message(2, 1);
    journal.message(4, 3);
    bool rolls = false;
    SUBCASE("in one segment") {}
    SUBCASE("in two") { rolls = true; }
    if (rolls) journal.roll();
    journal.went_back(4, 8, 0);
    const BusPosition found = journal.position();
    CHECK(found.through == 3);
    CHECK(found.taken == std::set<std::uint64_t>{4});
    journal.went_back(2, 4, 0);
    CHECK(journal.position().through == 2);
}

TEST_CASE("that a stream went back is known from each record behind the note, however far back that is") {
    MessagesJournal journal;
    journal.message(1, 0);
    journal.went_back(5, 8, 1);
    journal.roll();
    for (std::uint64_t sequence = 6; sequence <= 9; ++sequence)
        journal.message(sequence, sequence - 1, ",\"anewBehind\":5");
    CHECK(journal.position({.in_hand = 1, .bytes = 0}) ==
          BusPosition{.through = 8, .taken = {9}, .parts = {}, .anew_behind = 5});
}

TEST_CASE("of a batch each proposal that has its record is known, and all of them are the batch") {
    MessagesJournal journal;
    journal.batch(9, 8, 0, 3);
    journal.roll();
    journal.batch(9, 8, 2, 3);
    CHECK(journal.position() ==
          BusPosition{.through = 8, .taken = {}, .parts = {{9, {true, false, true}}}});
    journal.batch(9, 8, 1, 3);
    CHECK(journal.position() == BusPosition{.through = 8, .taken = {9}, .parts = {}});
    journal.message(11, 9);
    CHECK(journal.position() == BusPosition{.through = 9, .taken = {11}, .parts = {}});
}

TEST_CASE("a segment that cannot be read at its start costs what it says, and no more") {
    MessagesJournal journal;
    journal.message(3, 1);
    journal.roll();
    journal.message(2, 1);
    const std::string oldest = StorePaths{journal.settings.data}.segment(Seq{1});
    journal.disk.flip_bit(oldest, 8 * 40);  // in its header
    const BusPosition found = journal.position();
    CHECK(found.through == 1);
    CHECK(found.taken.contains(2));
}
