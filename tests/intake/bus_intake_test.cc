// Mutations from a stream: decided once, in order, and acknowledged when they are durable and not
// before.

#include <doctest/doctest.h>

#include "tests/intake/bus_lives.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

TEST_CASE("a mutation from the stream is applied, and its record says where it came from") {
    IntakeWorld world;
    world.make_stream();
    world.publish(set_of("stream.state", "\"on\"", "m1"), {{"correlationid", "c1"}});
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

TEST_CASE("a message that comes twice under one idempotencykey is applied once, another content too") {
    IntakeWorld world;
    world.make_stream();
    const std::string more = R"({"op":"increment","key":"n","value":1,"reason":"r"})";
    for (int i = 0; i < 2; ++i) world.publish(more, {{"idempotencyKey", "k1"}});
    world.publish(R"({"op":"increment","key":"n","value":10,"reason":"r"})", {{"IdempotencyKey", "k1"}});
    world.publish(more);
    world.connect();
    world.run_dry();
    CHECK(world.engine_world.value_of("n") == "12");
    const auto records = world.records();
    REQUIRE(records.size() == 3);
    CHECK(text_at(records[0], "id") == "k1");
    CHECK(world.intake->facts().acknowledged == 4);
}

TEST_CASE("a message is acknowledged when its record is on the disk, and not before") {
    for (const FsyncMode mode : {FsyncMode::group, FsyncMode::never})
        acknowledged_when_durable(mode);
}

TEST_CASE("what can never be a proposal has a record that says so, and is acknowledged") {
    IntakeWorld world;
    world.engine_world.policy.limits.refusals_journaled_per_minute = 1;
    world.engine_world.open();
    world.make_stream();
    for (int i = 0; i < 5; ++i) world.publish("not json " + std::to_string(i));
    world.publish(set_of("a", "1"));
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
    world.publish(set_of("forbidden.key", "1", "f"));
    world.publish(set_of("a", "1"));
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
        world.publish(set_of("d", "1", "x"));
        world.publish(set_of("d", "2", "x"));
        world.publish(set_of("d", "3", "x"));
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
    world.publish(set_of("d", "2", "x"));
    world.publish(set_of("d", "1", "x"));
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

TEST_CASE("an event that cannot go on for a while goes on later, and is not refused") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    world.run_dry();
    world.broker.faults.refuse = 100;
    world.publish(
        R"({"v":"2","egress":{"destination":"internal.egress.v1"},"routing":{"slip":[]}})");
    world.run([&] { return world.intake->facts().retried > 3; });
    CHECK(world.intake->facts().retried > 3);
    world.broker.faults.refuse = 0;
    world.run_dry();
    CHECK(world.broker.stored("local.internal.egress.v1").size() == 1);
    CHECK(world.records().empty());
}

TEST_CASE("what is worked on for long is not delivered again") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    world.run_dry();
    for (int i = 0; i < 3; ++i) world.publish(push_of(i));
    for (int i = 0; i < 400; ++i) {  // the disk does nothing, for four times the ack wait
        world.turn();
        world.engine_world.clock.advance(100ms);
    }
    CHECK(world.intake->facts().in_hand == 3);
    CHECK(world.intake->facts().messages == 3);
    CHECK(world.intake->facts().redelivered == 0);
    world.run_dry();
    CHECK(world.records().size() == 3);
}

TEST_CASE("a subject that somebody listens to without a stream is no place for an event to go on to") {
    IntakeWorld world;
    world.link_options.subjects = BusSubjects("");
    world.connect();
    REQUIRE(world.run([&] { return world.link->up(); }));
    world.broker.plain_subject = "internal.other.v1";
    world.broker.store("internal.state.mutation.v1",
                       R"({"v":"2","egress":{"destination":"internal.other.v1"},"routing":{"slip":[]}})");
    world.broker.store("internal.state.mutation.v1", set_of("a", "1"));
    REQUIRE(world.run([&] { return world.intake->facts().acknowledged == 2; }));
    world.engine_world.settle();
    CHECK(world.engine_world.value_of("a") == "1");
    const auto records = world.records();
    REQUIRE(records.size() == 2);
    CHECK(text_at(records[1], "code") == "malformed");
    CHECK(text_at(*records[1].find("body"), "message").find("no stream takes it") != std::string::npos);
}

TEST_CASE("a mutation whose record would be too large is refused with what it wanted") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    const std::string large(800'000, 'v');
    for (const std::string key : {"a", "b", "c"}) world.publish(set_of(key, "[\"" + large + "\"]", key));
    world.run_dry();
    world.publish(
        R"({"id":"all","reason":"r","ops":[{"op":"push","key":"a","value":1},{"op":"push","key":"b","value":1},)"
        R"({"op":"push","key":"c","value":1}]})");
    world.run_dry();
    const auto records = world.records();
    REQUIRE(records.size() == 4);
    CHECK(text_at(records[3], "code") == "too_large");
    const Json* const claim = records[3].find("body")->find("claim");
    REQUIRE(claim != nullptr);
    CHECK(text_at(*claim, "original").find(R"("op":"push")") != std::string::npos);
}

TEST_CASE("a shadow passes nothing on") {
    IntakeWorld world;
    world.options.passes_on = false;
    world.make_stream();
    world.publish(
        R"({"v":"2","egress":{"destination":"internal.egress.v1"},"routing":{"slip":[]}})");
    world.publish(set_of("a", "1"));
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
    for (int i = 0; i < 40; ++i) world.publish(push_of(i));
    world.run([&] { return world.intake->facts().retried > 5; });
    CHECK(world.intake->facts().acknowledged < 40);
    CHECK(!world.intake->facts().trouble.empty());
    world.engine_world.disk.set_capacity(1ull << 30);
    world.engine_world.clock.advance(5s);
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(40));
    CHECK(world.intake->facts().trouble.empty());
}

TEST_CASE("a duplicate whose first answer cannot be read is tried again, and holds up no message behind it") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    world.publish(set_of("a", "1", "m1"));
    world.run_dry();
    // LMDB knows that it was decided; what was answered is in its record alone, and that rots.
    const std::string segment = StorePaths{world.engine_world.settings.data}.segment(Seq{1});
    const std::size_t id = world.engine_world.disk.content(segment)->find(R"("id":"m1")");
    REQUIRE(id != std::string::npos);
    world.engine_world.disk.flip_bit(segment, id * 8);
    world.publish(set_of("a", "1", "m1"));
    for (int i = 0; i < 3; ++i) world.publish(push_of(i));
    // It was decided: whatever comes behind it passes nothing.
    REQUIRE(world.run(
        [&] { return world.engine_world.value_of("list") == numbers(3) && world.intake->facts().retried > 3; }));
    CHECK(world.intake->facts().in_hand == 1);
    CHECK(world.intake->facts().acknowledged == 4);
    CHECK(world.intake->facts().trouble.find("the first answer cannot be read") != std::string::npos);
    world.publish(push_of(3));
    REQUIRE(world.run([&] { return world.engine_world.value_of("list") == numbers(4); }));
    // Once it can be read the duplicate has its answer, and is applied no second time.
    world.engine_world.disk.flip_bit(segment, id * 8);
    world.run_dry();
    CHECK(world.intake->facts().acknowledged == 6);
    CHECK(world.records().size() == 5);
    CHECK(world.engine_world.get("a")->version == Version{1});
}

TEST_CASE("no more is in hand than the limits say") {
    IntakeWorld world;
    world.options.in_flight = 5;
    world.make_stream();
    for (int i = 0; i < 30; ++i) world.publish(push_of(i));
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

TEST_CASE("before the size of messages is known no more are asked for than large ones of them could fill") {
    IntakeWorld world;
    world.options.in_flight = 1000;
    world.options.in_flight_bytes = 64u << 10;
    world.make_stream();
    const std::string large(8'000, 'v');
    for (int i = 0; i < 100; ++i) world.publish(set_of("a", "\"" + large + "\"", std::to_string(i)));
    world.connect();
    std::uint64_t most = 0;
    CHECK(world.run([&] {
        most = std::max(most, world.intake->facts().in_hand_bytes);
        return world.is_dry();
    }));
    CHECK(most < 4 * world.options.in_flight_bytes);
}

TEST_CASE("what is asked for is known, whichever of its requests a server takes") {
    IntakeWorld world;
    world.options.in_flight = 300;
    world.options.in_flight_bytes = 1u << 20;
    world.make_stream();
    world.connect();
    int sent = 0;
    const auto burst = [&](int count, std::size_t value_bytes) {
        for (int i = 0; i < count; ++i)
            world.publish(R"({"id":"m)" + std::to_string(++sent) +
                          R"(","op":"set","actor":"x","reason":"r","key":"a","value":")" +
                          std::string(value_bytes, 'v') + R"("})");
        world.run_dry(1'000);
    };
    // Of the first request's 300, 140 have come; so 140 are asked for by a second one. Served in turns,
    // that one is fulfilled, and the first still waits for 20: too much to ask for more, should they
    // be as large as the last one. Then the server says that its time is over.
    burst(140, 1);
    burst(279, 1);
    burst(1, 100'000);
    world.engine_world.clock.advance(16s);
    burst(1, 1);
    CHECK(world.intake->facts().acknowledged == static_cast<std::uint64_t>(sent));
}

TEST_CASE("a delivery that is lost while nothing else comes is had in the end") {
    IntakeWorld world;
    world.options.ack_wait = std::chrono::seconds(90);
    world.make_stream();
    world.connect();
    world.run_dry();
    world.broker.faults.lose_delivery = 100;
    world.publish(R"({"id":"m1","op":"set","key":"a","value":1,"actor":"x","reason":"r"})");
    world.run([] { return false; }, 100);
    CHECK(world.intake->facts().messages == 0);
    world.broker.faults.lose_delivery = 0;
    world.run_dry(200'000);
    CHECK(world.intake->facts().acknowledged == 1);
}

TEST_CASE("how much waits is told by each delivery; the server is asked only when none comes") {
    IntakeWorld world;
    world.options.in_flight = 5;
    world.make_stream();
    for (int i = 0; i < 30; ++i) world.publish(push_of(i));
    world.connect();
    world.run([&] { return world.intake->facts().messages > 0; });
    CHECK(world.intake->facts().lag == 30);
    // A message each second: there is always something to deliver.
    for (int i = 30; i < 60; ++i) {
        world.publish(push_of(i));
        world.run([] { return false; }, 1000);
    }
    world.run_dry();
    CHECK(world.intake->facts().lag == 0);
    CHECK(world.broker.consumers_asked_for == 0);
    // It is asked when it is quiet, and hears of what it cannot be handed.
    world.broker.faults.lose_delivery = 100;
    world.publish(push_of(60));
    world.run([] { return false; }, 6000);
    CHECK(world.broker.consumers_asked_for == 1);
}

TEST_CASE("in the order of the stream, each once, whatever breaks") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) in_stream_order_whatever_breaks(seed);
}

TEST_CASE("of a durable that was taken over each is applied once, whatever breaks") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) taken_over_whatever_breaks(seed);
}

TEST_CASE("what a durable delivered before it was made anew closes no gap") {
    IntakeWorld world;
    world.make_stream();
    for (int i = 0; i < 3; ++i) world.publish(push_of(i));
    world.connect();
    world.run_dry();
    world.bus->break_connection("the cable");
    world.run([&] { return !world.link->up(); });
    world.run_dry();
    // It comes late, and its number is the next one.
    MessageBus::Listener& listener = *world.link;
    listener.bus_delivered({.subject = kMutations,
                            .payload = push_of(2),
                            .stream = "BITBRAT",
                            .sequence = 3,
                            .delivery = 1,
                            .deliveries = 1,
                            .receipt = "late"});
    world.broker.faults.lose_delivery = 100;
    world.publish(push_of(3));
    REQUIRE(world.run([&] { return pending(world) == 1; }));
    world.broker.faults = {};
    world.publish(push_of(4));
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(5));
}

TEST_CASE("a durable is made once over each connection: what one delivered cannot come as the next one's") {
    IntakeWorld world;
    world.make_stream();
    world.connect();
    world.run_dry();
    for (std::uint64_t gap = 1; gap <= 3; ++gap) {
        const std::uint64_t connects = world.link->facts().connects;
        const int first = static_cast<int>(2 * (gap - 1));
        world.broker.faults.lose_delivery = 100;
        world.publish(push_of(first));
        REQUIRE(world.run([&] { return pending(world) == 1; }));
        world.broker.faults = {};
        world.publish(push_of(first + 1));
        world.run_dry();
        CHECK(world.intake->facts().gaps == gap);
        CHECK(world.link->facts().connects == connects + 1);
    }
    CHECK(world.engine_world.value_of("list") == numbers(6));
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
    for (int i = 0; i < 100; ++i) world.publish(set_of("k" + std::to_string(i), std::to_string(i)));
    auto& consumer = originals_durable(world, 2s);
    consumer.next = 31;  // thirty are done with
    SimBus other(world.broker);
    consumer.bound = &other;
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

TEST_CASE("a durable that was taken over is bound anew when the engine is opened anew") {
    IntakeWorld world;
    world.make_stream();
    originals_durable(world, 2s);
    world.connect();
    world.publish(push_of(0));
    world.run_dry();
    world.intake->attach(nullptr);
    world.publish(push_of(1));
    world.engine_world.crash();
    world.engine_world.open();
    world.intake->attach(world.engine_world.engine.get());
    world.run_dry();
    CHECK(world.engine_world.value_of("list") == numbers(2));
    CHECK(world.intake->facts().trouble.empty());
}

TEST_CASE("what a drain has in hand and has not begun is had at once by who comes next") {
    IntakeWorld world;
    world.make_stream();
    auto& consumer = originals_durable(world, 60s);
    world.engine_world.settings.journal.disk_reserve_bytes = 1u << 20;
    REQUIRE(world.engine_world.engine->close());
    world.engine_world.disk.set_capacity(64u << 10);
    world.engine_world.open();
    for (int i = 0; i < 40; ++i) world.publish(push_of(i));
    world.connect();
    // Something failed, and what comes behind it waits.
    REQUIRE(world.run([&] { return world.intake->facts().retried > 5; }));
    for (int i = 40; i < 45; ++i) world.publish(push_of(i));
    for (int i = 0; i < 3; ++i) world.turn();
    REQUIRE(world.intake->facts().in_hand >= 5);
    world.intake->drain();
    for (int i = 0; i < 5; ++i) {  // also if it takes its time, and all comes back to it
        for (int turn = 0; turn < 3; ++turn) world.turn();
        CHECK(consumer.pending.size() == 45);
        const auto soon = world.engine_world.clock.monotonic() + 2s;
        for (const auto& [sequence, pending] : consumer.pending) CHECK(pending.until < soon);
        world.engine_world.clock.advance(700ms);
    }
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
    CHECK(world.link->facts().breaker == Breaker::State::closed);
    world.broker.away = true;
    world.run([&] { return !world.link->up(); });
    CHECK(world.link->facts().losses == 1);
}
