#include "engine/egress/breaker.h"

#include <doctest/doctest.h>

#include "engine/egress/backoff.h"
#include "tests/sim/sim_random.h"

namespace se {
namespace {

using namespace std::chrono_literals;
using State = Breaker::State;

Breaker opened(std::chrono::nanoseconds now) {
    Breaker breaker({});
    for (int i = 0; i < 5; ++i) breaker.failed(now);
    REQUIRE(breaker.state() == State::open);
    return breaker;
}

TEST_CASE("five failures in a row open the breaker, four do not") {
    Breaker breaker({});
    for (int i = 0; i < 4; ++i) breaker.failed(0s);
    CHECK(breaker.admits(0s));
    breaker.succeeded();
    for (int i = 0; i < 4; ++i) breaker.failed(0s);
    CHECK(breaker.state() == State::closed);
    breaker.failed(0s);
    CHECK(breaker.state() == State::open);
    CHECK_FALSE(breaker.admits(0s));
}

TEST_CASE("an open breaker admits nothing for thirty seconds, and says how long still") {
    Breaker breaker = opened(100s);
    CHECK(breaker.wait(100s) == 30s);
    CHECK(breaker.wait(129s) == 1s);
    CHECK_FALSE(breaker.admits(130s - 1ns));
    CHECK(breaker.admits(130s));
    CHECK(breaker.state() == State::half_open);
    CHECK(breaker.wait(130s) == 0s);
}

TEST_CASE("three trials, no fourth; all three must succeed") {
    Breaker breaker = opened(0s);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(breaker.admits(30s));
        breaker.begun();
    }
    CHECK_FALSE(breaker.admits(31s));
    breaker.succeeded();
    breaker.succeeded();
    CHECK(breaker.state() == State::half_open);
    breaker.succeeded();
    CHECK(breaker.state() == State::closed);
    for (int i = 0; i < 4; ++i) breaker.failed(32s);
    CHECK_MESSAGE(breaker.state() == State::closed, "failures from before count no more");
}

TEST_CASE("one failed trial opens it for another thirty seconds") {
    Breaker breaker = opened(0s);
    REQUIRE(breaker.admits(40s));
    breaker.begun();
    breaker.succeeded();
    breaker.failed(41s);
    CHECK(breaker.state() == State::open);
    CHECK_FALSE(breaker.admits(70s));
    CHECK(breaker.admits(71s));
}

TEST_CASE("what ends while it is open counts for nothing") {
    Breaker breaker = opened(0s);
    for (int i = 0; i < 9; ++i) breaker.succeeded();
    breaker.failed(29s);
    CHECK(breaker.state() == State::open);
    CHECK(breaker.admits(30s));
}

TEST_CASE("trials of which nobody hears again are not waited for for ever") {
    Breaker breaker = opened(0s);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(breaker.admits(30s));
        breaker.begun();
    }
    CHECK_FALSE(breaker.admits(59s));
    CHECK(breaker.admits(60s));
}

TEST_CASE("its numbers can be others") {
    Breaker breaker({.failures = 1, .open = 1s, .trials = 1});
    breaker.failed(0s);
    CHECK_FALSE(breaker.admits(999ms));
    REQUIRE(breaker.admits(1s));
    breaker.begun();
    breaker.succeeded();
    CHECK(breaker.state() == State::closed);
}

TEST_CASE("a backoff doubles up to its limit, and draws from the upper half") {
    SimRandom random(7);
    Backoff backoff({.first = 100ms, .max = 1s}, random);
    for (const auto whole : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
        const auto drawn = backoff.next();
        CHECK(drawn <= whole);
        CHECK(drawn > whole / 2);
    }
    backoff.reset();
    CHECK(backoff.next() <= 100ms);
}

TEST_CASE("two of them do not come back together") {
    SimRandom random(7);
    Backoff one({.first = 1h, .max = 1h}, random), other({.first = 1h, .max = 1h}, random);
    CHECK(one.next() != other.next());
}

}  // namespace
}  // namespace se
