// The checker of what clients saw, on histories made by hand: some fit one order, some do not.

#include <doctest/doctest.h>

#include "tests/sim/sim_history.h"

using namespace se;
using namespace se::sim;

namespace {

Request request(std::uint64_t number, std::string op, std::int64_t value,
                std::optional<std::uint64_t> expected = {}) {
    Request made{.number = number, .principal = "alice", .id = std::to_string(number)};
    made.ops.push_back({.op = std::move(op), .key = "k", .value = {.number = value}});
    made.ops[0].expected_version = expected;
    return made;
}

Answer accepted(std::uint64_t version) {
    Answer answer;
    answer.status = Answer::Status::accepted;
    answer.changes.push_back({"k", Version{version}, false});
    return answer;
}

Entry entry(std::uint64_t version, std::string value) {
    Entry made;
    made.version = Version{version};
    made.value = std::move(value);
    return made;
}

bool fits(History& history) {
    try {
        history.check();
        return true;
    } catch (const Broken& broken) {
        CHECK(broken.invariant == "linearizable");
        return false;
    }
}

}  // namespace

TEST_CASE("two increments at once fit in either order, and a read tells which") {
    for (const bool first_wins : {false, true}) {
        History history;
        const Request one = request(1, "increment", 5), two = request(2, "increment", 7);
        history.invoke(one);
        history.invoke(two);
        history.answered(one, accepted(first_wins ? 1 : 2));
        history.answered(two, accepted(first_wins ? 2 : 1));
        const Entry seen = entry(2, "12");
        history.read("k", &seen);
        CHECK(fits(history));
    }
}

TEST_CASE("what had its answer before another began comes first") {
    History history;
    const Request one = request(1, "set", 5), two = request(2, "set", 7);
    history.invoke(one);
    history.answered(one, accepted(2));
    history.invoke(two);
    history.answered(two, accepted(1));
    CHECK_FALSE(fits(history));
}

TEST_CASE("a read that goes back does not fit") {
    History history;
    const Request one = request(1, "set", 5);
    history.invoke(one);
    const Entry seen = entry(1, "5");
    history.read("k", &seen);  // before the answer: it may be there already
    history.read("k", nullptr);
    history.answered(one, accepted(1));
    CHECK_FALSE(fits(history));
}

TEST_CASE("a lost increment, a wrong value and a condition that did not hold do not fit") {
    {
        History history;
        const Request one = request(1, "increment", 5), two = request(2, "increment", 7);
        for (const Request* each : {&one, &two}) history.invoke(*each);
        history.answered(one, accepted(1));
        history.answered(two, accepted(2));
        const Entry seen = entry(2, "7");
        history.read("k", &seen);
        CHECK_FALSE(fits(history));
    }
    {
        History history;
        const Request one = request(1, "set", 5), two = request(2, "set", 7, 0);
        for (const Request* each : {&one, &two}) history.invoke(*each);
        history.answered(one, accepted(1));
        history.answered(two, accepted(2));  // expected that there was none
        CHECK_FALSE(fits(history));
    }
    {
        History history;
        const Request one = request(1, "set", 5), two = request(2, "set", 7);
        for (const Request* each : {&one, &two}) history.invoke(*each);
        history.answered(one, accepted(1));
        history.answered(two, accepted(1));
        CHECK_FALSE(fits(history));
    }
}

TEST_CASE("what a repair gave up binds nobody") {
    History history;
    const Request one = request(1, "set", 5);
    history.invoke(one);
    history.answered(one, accepted(4));
    history.forget(2);
    const Request two = request(2, "set", 7);
    history.invoke(one);
    history.invoke(two);
    history.answered(two, accepted(1));
    const Entry seen = entry(1, "7");
    history.read("k", &seen);
    CHECK(fits(history));
}
