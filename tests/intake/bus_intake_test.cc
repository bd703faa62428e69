// Mutations from a stream: decided once, in order, and acknowledged when they are durable and not
// before.

#include <doctest/doctest.h>

#include "tests/intake/intake_world.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

namespace {

std::string set(const std::string& key, const std::string& value, const std::string& id = "") {
    return R"({"op":"set","key":")" + key + R"(","value":)" + value +
           R"(,"actor":"svc","reason":"r")" + (id.empty() ? "" : R"(,"id":")" + id + "\"") + "}";
}

std::string push(int value) {
    return R"({"op":"push","key":"list","value":)" + std::to_string(value) + R"(,"reason":"r"})";
}

/// "[0,1,2,…]": what a list holds to which each number was pushed once and in order.
std::string numbers(int count) {
    std::string text = "[";
    for (int i = 0; i < count; ++i) text += (i == 0 ? "" : ",") + std::to_string(i);
    return text + "]";
}

std::uint64_t pending(IntakeWorld& world) {
    return world.broker.find("BITBRAT")->consumers.at(world.intake->facts().durable).pending.size();
}

}  // namespace

TEST_CASE("a mutation from the stream is applied, and its record says where it came from") {
    IntakeWorld world;
    world.make_stream();
    world.publish(set("stream.state", "\"on\"", "m1"), {{"correlationid", "c1"}});
    world.connect();
    world.run_dry();
    CHECK(world.engine_world.value_of("stream.state") == "\"on\"");
    const auto records = world.records();
    REQUIRE(records.size() == 1);
    CHECK(text_at(records[0], "id") == "m1");
    CHECK(text_at(records[0], "actor") == "svc");
    CHECK(text_at(records[0], "principal") == "nats");
    const Json& cause = *records[0].find("cause");
    CHECK(text_at(cause, "stream") == "BITBRAT");
    CHECK(text_at(cause, "sequence") == "1");
    CHECK(text_at(cause, "after") == "0");
    CHECK(text_at(cause, "correlationId") == "c1");
    CHECK(world.intake->facts().acknowledged == 1);
}

TEST_CASE("a message is acknowledged when its record is on the disk, and not before") {
    for (const FsyncMode mode : {FsyncMode::group, FsyncMode::never}) {
        IntakeWorld world;
        world.engine_world.settings.journal.fsync = mode;
        world.engine_world.open();
        world.make_stream();
        world.connect();
        world.run_dry();
        // Two, so that neither is committed there and then.
        world.publish(set("a", "1"));
        world.publish(set("b", "2"));
        for (int i = 0; i < 50; ++i) world.turn();
        CHECK(world.intake->facts().in_hand == 2);
        CHECK(pending(world) == 2);
        world.run_dry();
        CHECK(pending(world) == 0);
        CHECK(world.engine_world.engine->durable() >= world.engine_world.engine->applied().seq);
    }
}

TEST_CASE("what can never be a proposal has a record that says so, and is acknowledged") {
    IntakeWorld world;
    world.engine_world.policy.limits.refusals_journaled_per_minute = 1;
    world.engine_world.open();
    world.make_stream();
    for (int i = 0; i < 5; ++i) world.publish("not json " + std::to_string(i));
    world.publish(set("a", "1"));
    world.connect();
    world.run_dry();
    const auto records = world.records();
    REQUIRE(records.size() == 6);
    for (int i = 0; i < 5; ++i) {
        const Json& record = records[static_cast<std::size_t>(i)];
        CHECK(text_at(record, "code") == "malformed");
        CHECK(text_at(*record.find("body")->find("claim"), "original") ==
              "not json " + std::to_string(i));
        CHECK(text_at(*record.find("cause"), "topic") == "internal.state.mutation.v1");
    }
    CHECK(world.engine_world.value_of("a") == "1");
}

TEST_CASE("a rejection is an answer: it is journaled and acknowledged") {
    IntakeWorld world;
    world.engine_world.policy.allowed_keys = {"a"};
    world.engine_world.open();
    world.make_stream();
    world.publish(set("forbidden.key", "1", "f"));
    world.publish(set("a", "1"));
    world.connect();
    world.run_dry();
    const auto records = world.records();
    REQUIRE(records.size() == 2);
    CHECK(text_at(records[0], "code") == "key_not_allowed");
    CHECK(world.engine_world.value_of("a") == "1");
}

TEST_CASE(
    "an id that comes again with other content is another proposal, and each is applied once") {
    IntakeWorld world;
    world.make_stream();
    for (int round = 0; round < 2; ++round) {
        world.publish(set("d", "1", "x"));
        world.publish(set("d", "2", "x"));
        world.publish(set("d", "3", "x"));
    }
    world.connect();
    world.run_dry();
    CHECK(world.records().size() == 3);
    CHECK(world.engine_world.value_of("d") == "3");
    CHECK(world.engine_world.get("d")->version == Version{3});
    // So it is behind a restart, and when the projection has to be grown again.
    world.disconnect();
    world.engine_world.crash();
    world.engine_world.forget_cache();
    world.engine_world.open();
    world.publish(set("d", "2", "x"));
    world.publish(set("d", "1", "x"));
    world.connect();
    world.run_dry();
    CHECK(world.records().size() == 3);
    CHECK(world.engine_world.get("d")->version == Version{3});
}

TEST_CASE("an event is passed on under one id, and one that leads nowhere is refused") {
    IntakeWorld world;
    world.make_stream();
    const std::string event =
        R"({"v":"2","correlationId":"c","egress":{"destination":"internal.egress.v1"},"routing":{"slip":[]}})";
    world.publish(event, {{"correlationid", "c"}});
    world.publish(R"({"v":"2","routing":{}})");
    world.connect();
    world.run_dry();
    const auto passed = world.broker.stored("local.internal.egress.v1");
    REQUIRE(passed.size() == 1);
    CHECK(parse_json(passed[0]->payload));
    CHECK(bus_header(passed[0]->headers, "correlationid") == "c");
    CHECK(passed[0]->id == "BITBRAT@" + world.broker.find("BITBRAT")->info.created + "/1/onward");
    const auto records = world.records();
    REQUIRE(records.size() == 1);
    CHECK(text_at(records[0], "code") == "malformed");
}

TEST_CASE("a shadow passes nothing on") {
    IntakeWorld world;
    world.options.passes_on = false;
    world.make_stream();
    world.publish(
        R"({"v":"2","egress":{"destination":"internal.egress.v1"},"routing":{"slip":[]}})");
    world.publish(set("a", "1"));
    world.connect();
    world.run_dry();
    CHECK(world.broker.stored("local.internal.egress.v1").empty());
    CHECK(world.records().size() == 1);
}

TEST_CASE("trouble that passes is waited out, and nothing overtakes what waits") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    world.run_dry();
    // No room: everything is refused until there is some.
    world.disconnect();
    world.engine_world.settings.journal.disk_reserve_bytes = 1u << 20;
    REQUIRE(world.engine_world.engine->close());
    world.engine_world.disk.set_capacity(64u << 10);
    world.engine_world.open();
    world.connect();
    for (int i = 0; i < 40; ++i) world.publish(push(i));
    world.run([&] { return world.intake->facts().retried > 5; });
    CHECK(world.intake->facts().acknowledged < 40);
    CHECK(!world.intake->facts().trouble.empty());
    world.engine_world.disk.set_capacity(1ull << 30);
    world.engine_world.clock.advance(5s);
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(40));
    CHECK(world.intake->facts().trouble.empty());
}

TEST_CASE("no more is in hand than the limits say") {
    IntakeWorld world;
    world.options.in_flight = 5;
    world.make_stream();
    for (int i = 0; i < 30; ++i) world.publish(push(i));
    world.connect();
    std::uint64_t most = 0;
    CHECK(world.run([&] {
        most = std::max(most, world.intake->facts().in_hand);
        return world.is_dry();
    }));
    CHECK(most <= 5);
    world.engine_world.settle();
    CHECK(world.engine_world.value_of("list") == numbers(30));
}

TEST_CASE("in the order of the stream, each once, whatever breaks") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        IntakeWorld world(seed);
        SimRandom chance(seed * 77);
        world.make_stream();
        world.options.ack_wait = 300ms;
        world.broker.faults = {.lose_delivery = chance.below(5),
                               .double_delivery = chance.below(10),
                               .delay = chance.below(40),
                               .lose_answer = chance.below(10),
                               .refuse = chance.below(10),
                               .disconnect = chance.below(2),
                               .refuse_connect = chance.below(50)};
        world.connect();
        int published = 0;
        for (int life = 0; life < 6; ++life) {
            const int more = 1 + static_cast<int>(chance.below(30));
            for (int i = 0; i < more; ++i) world.publish(push(published++));
            world.run([] { return false; }, 1 + static_cast<int>(chance.below(400)));
            // It dies in the middle of whatever it does, or ends in good order.
            if (chance.chance(50)) {
                world.engine_world.crash();
            } else {
                REQUIRE(world.engine_world.engine->close());
            }
            world.disconnect();
            world.engine_world.open();
            world.connect();
        }
        world.broker.faults = {};
        world.run_dry(100'000);
        CHECK(world.engine_world.value_of("list") == numbers(published));
        world.engine_world.check_reads_are_the_fold();
    }
}

TEST_CASE("a batch that was half journaled goes on with its other half") {
    IntakeWorld world;
    world.make_stream();
    std::string batch = R"({"v":"1","source":"s","mutations":[)";
    for (int i = 0; i < 40; ++i)
        batch += (i == 0 ? "" : ",") + std::string(R"({"type":"append","key":"list","value":)") +
                 std::to_string(i) + "}";
    batch += "]}";
    world.engine_world.settings.engine.group_records = 7;
    world.engine_world.open();
    world.publish(batch);
    world.connect();
    for (int i = 0; i < 60; ++i) {
        world.run([] { return false; }, 1 + i % 3);
        world.disconnect();
        world.engine_world.crash();
        world.engine_world.open();
        world.connect();
    }
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(40));
    CHECK(world.records().size() == 40);
}

TEST_CASE("a durable is taken over where it stopped, and by nobody while another is bound") {
    IntakeWorld world;
    world.make_stream();
    for (int i = 0; i < 100; ++i) world.publish(set("k" + std::to_string(i), std::to_string(i)));
    auto& stream = *world.broker.find("BITBRAT");
    auto& consumer = stream.consumers["original"];
    consumer.spec = {.stream = "BITBRAT",
                     .durable = "original",
                     .filter_subject = kMutations,
                     .ack_wait = 2s,
                     .deliver_subject = "_INBOX.x",
                     .deliver_group = "state-engine"};
    consumer.next = 31;  // thirty are done with
    SimBus other(world.broker);
    consumer.bound = &other;
    world.options.durable = "original";
    world.options.takeover = true;
    world.connect();
    world.run([] { return false; }, 300);
    CHECK(world.intake->facts().trouble.find("bound by another") != std::string::npos);
    CHECK(world.records().empty());
    consumer.bound = nullptr;  // what that one had in hand comes again
    world.run_dry();
    CHECK(world.records().size() == 70);
    CHECK(consumer.pending.empty());
    CHECK(consumer.next == 101);
    CHECK(text_at(*world.records()[0].find("cause"), "durable") == "original");
}

TEST_CASE("there is nothing to take over where no durable is") {
    IntakeWorld world;
    world.make_stream();
    world.options.durable = "original";
    world.options.takeover = true;
    world.connect();
    world.run([] { return false; }, 100);
    CHECK(world.intake->facts().trouble.find("no durable original") != std::string::npos);
}

TEST_CASE(
    "a stream that takes our subject is used, whatever its name, and one that does not is named") {
    IntakeWorld world;
    world.make_stream();  // BITBRAT with local.>
    SUBCASE("its own") {}
    SUBCASE("another's") {
        world.link_options.stream = "OTHER";
    }
    world.connect();
    world.run_dry();
    CHECK(world.link->stream().name == "BITBRAT");
}

TEST_CASE("a stream of our name without our subject is named, and nothing is made") {
    IntakeWorld world;
    world.make_stream();
    world.link_options.subjects = BusSubjects("other.");
    world.connect();
    world.run([] { return false; }, 50);
    CHECK(!world.link->up());
    CHECK(world.link->facts().trouble.find("neither it nor another takes other.internal") !=
          std::string::npos);
}

TEST_CASE("without a prefix the stream that is made has our own topics only") {
    IntakeWorld world;
    world.link_options.subjects = BusSubjects("");
    world.connect();
    world.run([&] { return world.link->up(); });
    CHECK(world.link->stream().subjects == BusSubjects("").of_stream());
}

TEST_CASE("a server that is away is tried again, ever more rarely, behind a breaker") {
    IntakeWorld world;
    world.broker.away = true;
    world.connect();
    world.run([] { return false; }, 2000);
    CHECK(world.link->facts().breaker != Breaker::State::closed);
    CHECK(world.link->facts().trouble == "the server is away");
    CHECK(world.engine_world.set("a", "1").status == Answer::Status::accepted);
    world.broker.away = false;
    world.run([&] { return world.link->up(); });
    CHECK(world.link->up());
    world.broker.away = true;
    world.run([&] { return !world.link->up(); });
    CHECK(world.link->facts().losses == 1);
}
