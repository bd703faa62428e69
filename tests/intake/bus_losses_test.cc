// What a server loses costs no message: the end of its stream, all of it, or the durable.

#include <doctest/doctest.h>

#include "tests/intake/bus_lives.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

namespace {

/// The server is cut off before its own sync.
void cut_off(IntakeWorld& world, std::uint64_t last) {
    auto& stream = *world.broker.find("BITBRAT");
    stream.messages.resize(last);
    stream.info.last = last;
    stream.consumers.clear();
    world.bus->break_connection("the server was cut off");
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
    for (int i = 0; i < 5; ++i) world.publish(push_of(i));
    world.run_dry();
    auto& stream = *world.broker.find("BITBRAT");
    stream.info.created = "2026-02-02T00:00:00Z";
    stream.messages.clear();
    stream.consumers.clear();
    world.bus->break_connection("the server was set up anew");
    for (int i = 5; i < 8; ++i) world.publish(push_of(i));
    world.run([&] { return world.records().size() == 8; });
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(8));
    CHECK(text_at(*world.records()[7].find("cause"), "created") == "2026-02-02T00:00:00Z");
}

TEST_CASE("of a stream that lost its end while we ran, what comes under the same sequences is taken") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    for (int i = 0; i < 8; ++i) world.publish(push_of(i));
    world.run_dry();
    lose_all_behind(world, 5);
    for (int i = 8; i < 13; ++i) world.publish(push_of(i));
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(13));
}

TEST_CASE("what is in hand when a stream loses its end is decided, and not mistaken for what comes instead") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    for (int i = 0; i < 8; ++i) world.publish(push_of(i));
    // Delivered, and the disk does nothing yet.
    for (int i = 0; i < 20; ++i) {
        world.turn();
        world.engine_world.clock.advance(1ms);
    }
    REQUIRE(world.intake->facts().in_hand == 8);
    cut_off(world, 5);
    for (int i = 0; i < 2000 && (i < 5 || !world.link->up()); ++i) {
        world.turn();
        world.engine_world.clock.advance(1ms);
    }
    REQUIRE(world.link->up());
    CHECK(world.intake->facts().in_hand == 8);
    for (int i = 8; i < 13; ++i) world.publish(push_of(i));
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(13));
}

TEST_CASE("nor is what had to wait meanwhile, when the journal is all that is left") {
    IntakeWorld world;
    world.engine_world.settings.engine.queue = 2;
    world.engine_world.open();
    world.make_stream();
    world.connect();
    for (int i = 0; i < 8; ++i) world.publish(push_of(i));
    // Delivered; the engine has no room for most of it, and the disk does nothing yet.
    for (int i = 0; i < 20; ++i) world.turn();
    REQUIRE(world.intake->facts().in_hand == 8);
    cut_off(world, 5);
    for (int i = 0; i < 2000 && (i < 5 || !world.link->up()); ++i) {
        world.turn();
        world.engine_world.clock.advance(1ms);
    }
    REQUIRE(world.link->up());
    REQUIRE(world.run([&] { return world.engine_world.value_of("list") == numbers(8); }));
    world.disconnect();
    world.engine_world.crash();
    world.engine_world.open();
    for (int i = 8; i < 13; ++i) world.publish(push_of(i));
    world.connect();
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(13));
}

TEST_CASE("behind a stream that lost its end a restart goes on from what was taken of the new one") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    for (int i = 0; i < 8; ++i) world.publish(push_of(i));
    world.run_dry();
    lose_all_behind(world, 5);
    for (int i = 8; i < 10; ++i) world.publish(push_of(i));
    world.run_dry();
    world.disconnect();
    world.engine_world.crash();
    world.engine_world.open();
    for (int i = 10; i < 15; ++i) world.publish(push_of(i));
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
