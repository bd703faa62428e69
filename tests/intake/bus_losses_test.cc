// What a server loses costs no message: the end of its stream, all of it, or the durable.

#include <doctest/doctest.h>

#include "tests/intake/bus_lives.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

namespace {

const std::string kHit = R"({"op":"increment","key":"hits","value":1,"reason":"r"})";
const std::string kEvent =
    R"({"v":"2","egress":{"destination":"internal.egress.v1"},"routing":{"slip":[]}})";

void publish_pushes(IntakeWorld& world, int first, int end) {
    for (int i = first; i < end; ++i) world.publish(push_of(i));
}

/// A stream of eight messages, all of which are taken.
void take_eight(IntakeWorld& world) {
    world.make_stream();
    world.connect();
    publish_pushes(world, 0, 8);
    world.run_dry();
}

void turn_without_disk(IntakeWorld& world) {
    world.turn();
    world.engine_world.clock.advance(1ms);
}

/// A stream of eight messages, all of which are delivered; the disk does nothing yet.
void hold_eight(IntakeWorld& world) {
    world.make_stream();
    world.connect();
    publish_pushes(world, 0, 8);
    for (int i = 0; i < 20; ++i) turn_without_disk(world);
    REQUIRE(world.intake->facts().in_hand == 8);
}

/// The process dies, and the next one has not connected yet.
void die_and_open(IntakeWorld& world) {
    world.disconnect();
    world.engine_world.crash();
    world.engine_world.open();
}

void lose_end(IntakeWorld& world, std::uint64_t last) {
    auto& stream = *world.broker.find("BITBRAT");
    stream.messages.resize(last);
    stream.info.last = last;
    stream.consumers.clear();
}

/// The server is cut off before its own sync.
void cut_off(IntakeWorld& world, std::uint64_t last) {
    lose_end(world, last);
    world.bus->break_connection("the server was cut off");
}

/// Of eight in hand the server loses the last three, and is there again before the disk does anything.
void lose_end_in_hand(IntakeWorld& world) {
    hold_eight(world);
    cut_off(world, 5);
    for (int i = 0; i < 2000 && (i < 5 || !world.link->up()); ++i) turn_without_disk(world);
    REQUIRE(world.link->up());
}

/// Turns of the bus, while the engine does nothing.
bool turn_bus(IntakeWorld& world, bool up) {
    for (int i = 0; i < 2000 && world.link->up() != up; ++i) {
        world.link->turn();
        world.intake->turn();
        world.engine_world.clock.advance(1ms);
    }
    return world.link->up() == up;
}

/// Bodies of the notes that tell it.
std::vector<Json> told_of_it(IntakeWorld& world) {
    std::vector<Json> found;
    world.engine_world.each_record([&](const RecordView& record) {
        if (record.kind != Kind::note || record.note != kNoteStreamWentBack) return;
        auto body = parse_json(record.body);
        REQUIRE(body);
        found.push_back(*std::move(body));
    });
    return found;
}

std::string sequence_of(const Json& record) {
    return text_at(*record.find("cause"), "sequence");
}
bool is_lost(const Json& record) {
    return record.find("cause")->find("lost") != nullptr;
}

/// And is there again.
void lose_all_behind(IntakeWorld& world, std::uint64_t last) {
    cut_off(world, last);
    REQUIRE(world.run([&] { return !world.link->up(); }));
    REQUIRE(world.run([&] { return world.link->up(); }));
}

}  // namespace

TEST_CASE("of a stream that was made anew under its name everything is taken") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    publish_pushes(world, 0, 5);
    world.run_dry();
    auto& stream = *world.broker.find("BITBRAT");
    stream.info.created = "2026-02-02T00:00:00Z";
    stream.messages.clear();
    stream.consumers.clear();
    world.bus->break_connection("the server was set up anew");
    publish_pushes(world, 5, 8);
    world.run([&] { return world.records().size() == 8; });
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(8));
    CHECK(text_at(*world.records()[7].find("cause"), "created") == "2026-02-02T00:00:00Z");
}

TEST_CASE("of a stream that lost its end while we ran, what comes under the same sequences is taken") {
    IntakeWorld world;
    take_eight(world);
    lose_all_behind(world, 5);
    publish_pushes(world, 8, 13);
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(13));
}

TEST_CASE("what is in hand when a stream loses its end is decided, and not mistaken for what comes instead") {
    IntakeWorld world;
    lose_end_in_hand(world);
    CHECK(world.intake->facts().in_hand == 8);
    publish_pushes(world, 8, 13);
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(13));
}

TEST_CASE("nor is what had to wait meanwhile, when the journal is all that is left") {
    IntakeWorld world;
    world.engine_world.settings.engine.queue = 2;  // no room for most of it
    world.engine_world.open();
    lose_end_in_hand(world);
    REQUIRE(world.run([&] { return world.engine_world.value_of("list") == numbers(8); }));
    die_and_open(world);
    publish_pushes(world, 8, 13);
    world.connect();
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(13));
    // What was in hand keeps the id under which it may have been proposed before.
    int lost = 0;
    for (const Json& record : world.records()) {
        const bool anew = text_at(record, "id").find('~') != std::string::npos;
        if (is_lost(record)) {
            ++lost;
            CHECK_FALSE(anew);
        } else {
            CHECK(anew == (text_at(*record.find("cause"), "anewBehind") == "5" &&
                           std::stoi(sequence_of(record)) > 5));
        }
    }
    CHECK(lost > 0);
}

TEST_CASE("what comes under a lost sequence with the content of the one before is applied, and once") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    for (int i = 0; i < 8; ++i) world.publish(kHit);
    world.run_dry();
    lose_all_behind(world, 5);
    for (int i = 0; i < 3; ++i) world.publish(kHit);
    world.run_dry();
    CHECK(world.engine_world.value_of("hits") == "11");
    const std::string place = "BITBRAT@" + world.broker.find("BITBRAT")->info.created + "/";
    const auto records = world.records();
    REQUIRE(records.size() == 11);
    CHECK(text_at(records[5], "id") == place + "6");
    CHECK(text_at(records[8], "id") ==
          place + "6~" + std::to_string(world.broker.find("BITBRAT")->messages[5].time));
    // After a restart it is still known that its sequences came again, and what was taken of them.
    die_and_open(world);
    world.connect();
    world.run_dry();
    CHECK(world.engine_world.value_of("hits") == "11");
    world.publish(kHit);
    world.run_dry();
    CHECK(text_at(world.records().back(), "id").starts_with(place + "9~"));
    // The same sequences a third time.
    lose_all_behind(world, 5);
    for (int i = 0; i < 4; ++i) world.publish(kHit);
    world.run_dry();
    CHECK(world.engine_world.value_of("hits") == "16");
}

TEST_CASE("an event under a lost sequence goes on under an id of its own") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    publish_pushes(world, 0, 5);
    world.publish(kEvent);
    world.run_dry();
    REQUIRE(world.broker.stored("local.internal.egress.v1").size() == 1);
    lose_all_behind(world, 5);
    world.publish(kEvent);
    world.run_dry();
    const auto passed = world.broker.stored("local.internal.egress.v1");
    REQUIRE(passed.size() == 1);
    CHECK(passed[0]->id == "BITBRAT@" + world.broker.find("BITBRAT")->info.created + "/6~" +
                               std::to_string(world.broker.find("BITBRAT")->messages[5].time) + "/onward");
}

TEST_CASE("an end that was seen lost is told, though the stream grows before it is known what was taken") {
    IntakeWorld world;
    take_eight(world);
    SUBCASE("at a start") {
        die_and_open(world);
        lose_end(world, 5);
        world.connect();
        for (int i = 0; i < 2000 && !world.link->up(); ++i) {
            world.link->turn();
            world.engine_world.clock.advance(1ms);
        }
        REQUIRE(world.link->up());
        REQUIRE(world.intake->facts().state == "searching");
        publish_pushes(world, 8, 13);
    }
    SUBCASE("while the engine is opened anew, the note about it not durable") {
        cut_off(world, 5);
        REQUIRE(turn_bus(world, false));
        REQUIRE(turn_bus(world, true));
        REQUIRE(world.intake->facts().state == "binding");
        world.intake->attach(nullptr);
        world.engine_world.crash();
        publish_pushes(world, 8, 13);
        world.engine_world.open();
        world.intake->attach(world.engine_world.engine.get());
    }
    SUBCASE("over another connection that finds it grown") {
        world.intake->attach(nullptr);
        cut_off(world, 5);
        REQUIRE(turn_bus(world, false));
        REQUIRE(turn_bus(world, true));
        publish_pushes(world, 8, 13);
        world.bus->break_connection("again");
        REQUIRE(turn_bus(world, false));
        REQUIRE(turn_bus(world, true));
        world.intake->attach(world.engine_world.engine.get());
    }
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(13));
    const auto notes = told_of_it(world);
    REQUIRE(notes.size() == 1);
    CHECK(text_at(notes[0], "last") == "5");
    CHECK(text_at(notes[0], "taken") == "8");
    CHECK(text_at(notes[0], "anewBehind") == "5");
    // It is over: what grows meanwhile is no loss.
    world.intake->attach(nullptr);
    publish_pushes(world, 13, 15);
    world.intake->attach(world.engine_world.engine.get());
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(15));
    CHECK(told_of_it(world).size() == 1);
}

TEST_CASE("what was settled before a lost end could be told stays settled") {
    IntakeWorld world;
    hold_eight(world);
    cut_off(world, 5);
    REQUIRE(turn_bus(world, false));
    REQUIRE(turn_bus(world, true));
    // The connection breaks before the note is durable: it is told once more.
    world.bus->break_connection("again");
    REQUIRE(turn_bus(world, false));
    for (int i = 0; i < 50 && world.intake->facts().in_hand > 0; ++i) {
        world.engine_world.engine->step();
        world.engine_world.commits.run();
        world.engine_world.background.run();
        world.intake->turn();
    }
    REQUIRE(world.intake->facts().in_hand == 0);
    publish_pushes(world, 8, 13);
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(13));
    const auto notes = told_of_it(world);
    REQUIRE(notes.size() == 2);
    CHECK(text_at(notes[0], "after") == "0");
    CHECK(text_at(notes[1], "after") == "5");
    CHECK(text_at(notes[1], "taken") == "8");
}

TEST_CASE("behind a stream that lost its end a restart goes on from what was taken of the new one") {
    IntakeWorld world;
    take_eight(world);
    lose_all_behind(world, 5);
    publish_pushes(world, 8, 10);
    world.run_dry();
    die_and_open(world);
    publish_pushes(world, 10, 15);
    world.connect();
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(15));
}

TEST_CASE("a durable that somebody drops while we are connected is made again") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    world.publish(push_of(0));
    world.run_dry();
    world.broker.find("BITBRAT")->consumers.clear();
    world.publish(push_of(1));
    world.run_dry(60'000);
    CHECK(world.engine_world.value_of("list") == numbers(2));
}
