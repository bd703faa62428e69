// What the journal says, told on the bus: each at least once, under one id, in order.

#include <doctest/doctest.h>

#include "tests/intake/bus_lives.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

TEST_CASE("each decision has one result, and each change is told under its key") {
    PublishingWorld world;
    world.engine_world.policy.allowed_keys = {"a", "b..c", "d"};
    world.engine_world.open();
    world.make_stream();
    world.publish(set_of("a", "1", "m1"), {{"correlationid", "c1"}});
    world.publish(set_of("b..c", "2"));
    world.publish(set_of("forbidden", "3"));
    world.publish(set_of("a", "4", "", R"(,"expectedVersion":7)"));
    world.publish(R"({"op":"delete","key":"a","reason":"r"})");
    world.follow();
    world.run_told();

    const auto results = world.published("internal.state.result.v1");
    REQUIRE(results.size() == 5);
    CHECK(text_at(results[0], "status") == "accepted");
    CHECK(text_at(results[0], "id") == "m1");
    CHECK(text_at(results[0], "version") == "1");
    CHECK(text_at(results[0], "correlationId") == "c1");
    CHECK(text_at(results[0], "actor") == "svc");
    CHECK(text_at(results[2], "message") == "Key not allowed");
    CHECK(text_at(results[3], "message") == "Version mismatch: expected 7, found 1");
    CHECK(text_at(*results[3].find("current"), "key") == "a");
    CHECK(results[0].find("current") == nullptr);

    const auto changed = world.published("internal.state.changed.v1.a");
    REQUIRE(changed.size() == 2);
    CHECK(text_at(*changed[0].find("entry"), "value") == "1");
    CHECK(text_at(changed[0], "previousVersion") == "0");
    CHECK(changed[1].find("entry")->is_null());
    CHECK(text_at(changed[1], "version") == "2");
    CHECK(world.published("internal.state.changed.v1.b.%.c").size() == 1);
    const auto* first = world.broker.stored("local.internal.state.result.v1")[0];
    CHECK(bus_header(first->headers, "type") == "internal.state.result.v1");
    CHECK(bus_header(first->headers, "correlationid") == "c1");
    CHECK(bus_header(first->headers, BusMessages::kConflictKey).empty());
    CHECK(first->id.ends_with(":result"));
}

TEST_CASE("what rules fire goes out with its type, and a dead letter with what it was") {
    PublishingWorld world;
    world.engine_world.policy.rules = RuleSet::defaults();
    world.engine_world.open();
    world.make_stream();
    world.publish(set_of("stream.state", "\"on\""));
    world.publish("no json", {{"Type", "t"}});
    world.publish(R"({"op":"set","value":1})", {{"CorrelationId", "c7"}});
    world.follow();
    world.run_told();
    const auto egress = world.published("internal.egress.v1");
    REQUIRE(egress.size() == 1);
    CHECK(text_at(egress[0], "type") == "system.stream.online");
    CHECK(bus_header(world.broker.stored("local.internal.egress.v1")[0]->headers, "type") ==
          "system.stream.online");
    const auto dead = world.published("internal.deadletter.v1");
    REQUIRE(dead.size() == 2);
    CHECK(text_at(dead[0], "original") == "no json");
    CHECK(text_at(*dead[0].find("payload"), "originalType") == "t");
    CHECK(text_at(*dead[0].find("payload"), "reason") == "malformed");
    CHECK(!text_at(dead[0], "correlationId").empty());
    CHECK(text_at(dead[0], "sourceTopic") == "internal.state.mutation.v1");
    CHECK(text_at(dead[1], "correlationId") == "c7");
    CHECK(text_at(*dead[1].find("original"), "op") == "set");
}

TEST_CASE("switched off, results and changes stay at home, and what rules fire does not") {
    EngineWorld world;
    world.policy.rules = RuleSet::defaults();
    world.open();
    world.set("stream.state", "\"on\"");
    std::vector<Message> messages;
    const BusMessages some({.subjects = BusSubjects("x."), .results = false, .changes = false});
    world.each_record([&](const RecordView& record) { REQUIRE(some(record, "s", &messages)); });
    REQUIRE(messages.size() == 1);
    CHECK(messages[0].topic == "x.internal.egress.v1");
}

TEST_CASE("whatever breaks: every result at least once, under one id, first ones in order") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) told_whatever_breaks(seed);
}
