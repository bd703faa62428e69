#include "engine/egress/follower.h"

#include "tests/egress/egress_world.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("each message is delivered once, in seq order, and the watermark follows") {
    EgressWorld world;
    world.start();
    const Seq last = world.write(30);
    world.run();
    CHECK(world.received_seqs() ==
          EgressWorld::seqs(2, last.value));  // seq 1 is the note of the open
    CHECK(world.kept() == FollowerMark{world.store_id(), world.store.journal->epoch(), last});
    const FollowerStatus status = world.follower->status();
    CHECK(status.delivered == 30);
    CHECK(status.lag == 0);
    CHECK(status.under_way == 0);
    CHECK(status.trouble.empty());
}

TEST_CASE(
    "several are under way at once, and what is behind one that is not acknowledged waits for it") {
    EgressWorld world;
    world.start();
    world.write(5);
    world.follower->step();
    REQUIRE(world.sink.waiting() == 5);
    world.store.clock.advance(10s);
    world.follower->step();
    CHECK_MESSAGE(world.kept()->seq == Seq{1}, "nothing is acknowledged yet");
    world.sink.serve(2);
    world.follower->step();
    CHECK(world.kept()->seq == Seq{3});
}

/// Acknowledges in an order of its own.
class OutOfOrder final : public Sink {
public:
    void deliver(std::uint64_t ticket, const Message&) override { tickets.push_back(ticket); }
    std::vector<Delivery> poll() override { return std::exchange(outcomes, {}); }
    std::vector<std::uint64_t> tickets;
    std::vector<Delivery> outcomes;
};

TEST_CASE("X3: the watermark passes only the contiguous part of what is acknowledged") {
    EgressWorld world;
    world.write(4);
    OutOfOrder sink;
    Follower follower({.files = world.store.disk,
                       .clock = world.store.clock,
                       .random = world.chance,
                       .log = world.store.log,
                       .note = [](auto, auto, auto told) { told(Ok{}); }},
                      world.store.paths, world.options, EgressWorld::event_messages, sink);
    follower.step();
    REQUIRE(sink.tickets.size() == 4);
    const auto acknowledge = [&](std::size_t which) {
        sink.outcomes.push_back({sink.tickets[which], Delivery::Outcome::acknowledged});
        follower.step();
        return follower.status().watermark.seq.value;
    };
    CHECK(acknowledge(3) == 1);
    CHECK(acknowledge(1) == 1);
    CHECK(acknowledge(0) == 3);
    CHECK(acknowledge(2) == 5);
}

TEST_CASE("a refused message is a dead letter and blocks nothing") {
    EgressWorld world;
    world.sink.fate = [](const Message& message) {
        return message.at.seq == Seq{3} ? Fate::refused : Fate::acknowledged;
    };
    world.start();
    world.write(4);
    world.run();
    CHECK(world.received_seqs() == std::vector<std::uint64_t>{2, 4, 5});
    CHECK(world.kept()->seq == Seq{5});
    const auto letters = world.follower->dead_letters()->all();
    REQUIRE(letters.size() == 1);
    CHECK(letters[0]->at.seq == Seq{3});
    CHECK(letters[0]->reason == "the peer says no");
    CHECK(letters[0]->id == world.sink.refused[0]);
}

TEST_CASE("a delivery that fails is told by the name that the original has, an outage once") {
    EgressWorld world;
    bool away = false;
    world.sink.fate = [&](const Message& message) {
        if (away) return Fate::lost;
        return message.at.seq == Seq{3} ? Fate::refused : Fate::acknowledged;
    };
    world.start();
    RecordDraft traced = world.store.draft();
    traced.trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    world.write();
    REQUIRE(world.store.append(traced));
    REQUIRE(world.store.commit());
    world.run();
    CHECK(world.log.counts["state-engine.egress.publish_error"] == 1);
    CHECK(world.log.traces["state-engine.egress.publish_error"] == traced.trace);
    CHECK(world.log.counts["state-engine.follower.dead_letter"] == 1);

    away = true;
    world.write(3);
    world.run(50);
    CHECK(world.log.counts["state-engine.egress.publish_error"] == 2);
    CHECK(world.log.counts["state-engine.follower.peer_away"] == 1);
    away = false;
    world.run(800);
    CHECK(world.kept()->seq == Seq{6});
    away = true;
    world.write();
    world.run(50);
    CHECK(world.log.counts["state-engine.egress.publish_error"] == 3);
}

TEST_CASE("a record of which nothing can be made is a dead letter") {
    EgressWorld world;
    world.start();
    RecordDraft broken = world.store.draft();
    broken.id = "broken";
    REQUIRE(world.store.append(broken));
    world.write();
    world.run();
    CHECK(world.received_seqs() == std::vector<std::uint64_t>{3});
    REQUIRE(world.follower->dead_letters()->size() == 1);
    CHECK(world.follower->dead_letters()->all()[0]->reason ==
          "nothing can be made of its record: no way");
}

TEST_CASE("the watermark does not pass a refused message whose letter is not on the disk") {
    EgressWorld world;
    world.sink.fate = [](const Message&) { return Fate::refused; };
    world.start();
    world.write(2);
    world.follower->step();
    world.sink.serve();
    world.store.disk.fail_after(0, DiskFault::lasting);
    world.run(5);
    CHECK(world.follower->status().watermark.seq == Seq{1});
    CHECK_FALSE(world.follower->status().trouble.empty());
    world.store.disk.mend();
    world.run(100);
    CHECK(world.follower->status().watermark.seq == Seq{3});
    CHECK(world.follower->dead_letters()->size() == 2);
}

TEST_CASE("with all dead letters it keeps, it stops, loses none, and goes on when there is room") {
    EgressWorld world;
    world.options.dead_letters = 2;
    world.sink.fate = [](const Message& message) {
        return message.at.seq.value < 5 ? Fate::refused : Fate::acknowledged;
    };
    world.start();
    world.write(4);
    world.run();
    CHECK(world.follower->status().watermark.seq == Seq{3});
    CHECK(world.follower->status().trouble.find("2 dead letters") != std::string::npos);
    REQUIRE(world.follower->drop(world.follower->dead_letters()->all()[0]->id));
    world.run();
    CHECK(world.follower->status().watermark.seq == Seq{5});
}

TEST_CASE("X2: after an outage it and all behind it go again, in order") {
    EgressWorld world;
    int outages = 3;
    world.sink.fate = [&](const Message& message) {
        if (message.at.seq != Seq{4} || outages == 0) return Fate::acknowledged;
        return outages-- == 2 ? Fate::answer_lost : Fate::lost;
    };
    world.start();
    world.write(6);
    world.run(40);
    CHECK(world.received_seqs() == std::vector<std::uint64_t>{2, 3, 4, 4, 5, 6, 7});
    CHECK(world.sink.received[2].id == world.sink.received[3].id);
    CHECK(world.follower->status().trouble.empty());
}

TEST_CASE("an outage is waited out, behind backoff and breaker") {
    EgressWorld world;
    int attempts = 0;
    bool away = true;
    world.sink.fate = [&](const Message&) {
        ++attempts;
        return away ? Fate::lost : Fate::acknowledged;
    };
    world.start();
    world.write(100);
    world.run(250);  // 25 s: five attempts need about 3 s, then nothing is tried for 30
    CHECK(attempts == 5);
    CHECK(world.follower->status().breaker == Breaker::State::open);
    CHECK(world.follower->status().trouble == "the peer is away");
    CHECK(world.follower->status().lag > 0);
    away = false;
    world.run(300);
    CHECK(world.received_seqs() == EgressWorld::seqs(2, 101));
    CHECK(world.follower->status().breaker == Breaker::State::closed);
}

TEST_CASE("half open, three messages are tried and no fourth") {
    EgressWorld world;
    bool away = true;
    world.sink.fate = [&](const Message&) { return away ? Fate::lost : Fate::acknowledged; };
    world.options.breaker.failures = 1;
    world.start();
    world.write(10);
    world.run(3);
    REQUIRE(world.follower->status().breaker == Breaker::State::open);
    away = false;
    world.store.clock.advance(31s);
    world.follower->step();
    CHECK(world.sink.waiting() == 3);
    world.sink.serve();
    world.follower->step();
    CHECK(world.sink.waiting() == 7);
}

TEST_CASE("a peer that asks for a pause gets it") {
    EgressWorld world;
    int attempts = 0;
    world.sink.fate = [&](const Message&) {
        return ++attempts == 1 ? Fate::lost : Fate::acknowledged;
    };
    world.sink.retry_after = 20s;
    world.start();
    world.write();
    world.run(195);
    CHECK(attempts == 1);
    world.run(10);
    CHECK(attempts == 2);
}

TEST_CASE(
    "one message that never gets through is given up after so many attempts, if that is wanted") {
    EgressWorld world;
    world.options.attempts = 3;
    world.options.breaker.failures = 100;
    world.sink.fate = [](const Message& message) {
        return message.at.seq == Seq{2} ? Fate::lost : Fate::acknowledged;
    };
    world.start();
    world.write(3);
    world.run(60);
    CHECK(world.received_seqs() == std::vector<std::uint64_t>{3, 4});
    REQUIRE(world.follower->dead_letters()->size() == 1);
    CHECK(world.follower->dead_letters()->all()[0]->reason ==
          "given up after 3 attempts: the peer is away");
}

TEST_CASE("E5: no more is held than the limits say; the rest waits in the journal") {
    EgressWorld world;
    world.options.in_flight = 8;
    world.start();
    world.write(50);
    for (int i = 0; i < 5; ++i) world.follower->step();
    CHECK(world.sink.waiting() == 8);
    world.die();
    world.options.in_flight = 256;
    world.options.in_flight_bytes = 2'000;
    world.start();
    for (int i = 0; i < 5; ++i) world.follower->step();
    CHECK(world.sink.waiting() < 12);
    CHECK(world.follower->status().lag >= 38);
    world.run(100);
    CHECK(world.received_seqs() == EgressWorld::seqs(2, 51));
}

TEST_CASE("a restarted follower goes on behind its watermark, under the same ids") {
    EgressWorld world;
    world.start();
    world.write(3);
    world.run();
    world.write(3);
    world.sink.fate = [](const Message&) { return Fate::answer_lost; };
    world.follower->step();
    world.sink.serve();
    world.die();
    world.sink.fate = [](const Message&) { return Fate::acknowledged; };
    world.start();
    world.run();
    CHECK(world.received_seqs() == std::vector<std::uint64_t>{2, 3, 4, 5, 5, 6, 7});
    CHECK(world.sink.received[3].id == world.sink.received[4].id);
    CHECK(world.notes.empty());
}

TEST_CASE("closing keeps the watermark at once") {
    EgressWorld world;
    world.start();
    world.write(3);
    world.follower->step();
    world.sink.serve();
    world.follower->step();
    REQUIRE(world.follower->close());
    CHECK(world.kept()->seq == Seq{4});
}

TEST_CASE("what is written and not durable is not delivered, with fsync never too") {
    EgressWorld world;
    world.store.leave();
    world.store.options.fsync = FsyncMode::never;
    world.store.options.sync_interval = 1s;
    world.store.open_and_tell();
    REQUIRE(world.store.journal->flush());
    world.start();
    const Seq durable = world.store.journal->durable();
    world.write(3);
    REQUIRE(world.store.journal->written() > world.store.journal->durable());
    world.run(5, 10ms);
    CHECK(world.received_seqs().empty());
    REQUIRE(world.store.journal->flush());
    world.run(5, 10ms);
    CHECK(world.received_seqs() == EgressWorld::seqs(durable.value + 1, durable.value + 3));
}

TEST_CASE("damage stops it before the damage, and a repair lets it go on") {
    EgressWorld world;
    world.start();
    world.write(3);
    world.run();
    world.write(6);
    const std::string path = world.store.paths.segment(Seq{1});
    const std::string content = *world.store.disk.content(path);
    world.store.disk.flip_bit(path, 8 * content.find("id-5") + 3);
    world.run();
    CHECK(world.received_seqs() == std::vector<std::uint64_t>{2, 3, 4, 5});
    CHECK_FALSE(world.follower->status().following);
    CHECK_FALSE(world.follower->status().trouble.empty());
    CHECK(world.log.counts["state-engine.follower.cannot_read"] == 1);  // not each time it looks again
    world.store.disk.flip_bit(path, 8 * content.find("id-5") + 3);
    world.run(100);
    CHECK(world.received_seqs() == EgressWorld::seqs(2, 10));
    CHECK(world.follower->status().following);
}

}  // namespace
}  // namespace se::test
