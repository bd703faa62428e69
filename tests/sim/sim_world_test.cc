// The small parts of the simulated world: clock, chance, runner.

#include <doctest/doctest.h>

#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_runner.h"

using namespace se;
using namespace std::chrono_literals;

TEST_CASE("the simulated clocks move when told, and only the wall clock jumps") {
    SimClock clock;
    const Time wall = clock.wall();
    const auto monotonic = clock.monotonic();
    CHECK(clock.wall() == wall);
    for (int i = 0; i < 1000; ++i) clock.advance(1us);
    CHECK(clock.wall() == wall + 1ms);
    CHECK(clock.monotonic() == monotonic + 1ms);
    clock.jump(-1h);
    CHECK(clock.wall() == wall + 1ms - 1h);
    CHECK(clock.monotonic() == monotonic + 1ms);
    clock.set_wall(wall);
    clock.set_monotonic(5s);
    CHECK(clock.wall() == wall);
    CHECK(clock.monotonic() == 5s);
}

TEST_CASE("chance follows its seed, and a fork does not disturb it") {
    CHECK(SimRandom(1).next() == SimRandom(1).next());
    CHECK(SimRandom(1).next() != SimRandom(2).next());
    SimRandom a(1);
    SimRandom b(1);
    SimRandom forked = a.fork();
    b.next();
    forked.next();
    CHECK(a.next() == b.next());
    int heads = 0;
    for (int i = 0; i < 10'000; ++i) heads += a.chance(25) ? 1 : 0;
    CHECK(heads > 2300);
    CHECK(heads < 2700);
    for (int i = 0; i < 1000; ++i) REQUIRE(a.below(7) < 7);
}

TEST_CASE("the simulated runner runs its job when told, and a crash forgets it") {
    SimRunner runner;
    int runs = 0;
    const auto job = [&]() -> Status {
        ++runs;
        return Error{Errc::io, "no"};
    };
    runner.run();  // nothing to do
    CHECK(!runner.busy());

    runner.start(job);
    CHECK(runner.busy());
    CHECK(runner.waiting());
    CHECK(!runner.poll());
    CHECK(runs == 0);
    runner.run();
    CHECK(runs == 1);
    CHECK(runner.busy());
    const auto outcome = runner.poll();
    REQUIRE(outcome);
    CHECK(outcome->error().text == "no");
    CHECK(!runner.busy());
    CHECK(!runner.poll());

    runner.start(job);
    runner.wait();
    CHECK(runs == 2);
    CHECK(runner.poll());

    runner.start(job);
    runner.drop();
    CHECK(!runner.busy());
    runner.run();
    CHECK(runs == 2);
}
