// Where a follower begins: at the first record of a new store, behind its watermark, where a later
// epoch began, or at the head; never at genesis.

#include "engine/egress/follower.h"
#include "journal/base/json.h"
#include "tests/egress/egress_world.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

/// The next run of the writer.
void next_run(EgressWorld& world) {
    world.die();
    world.store.clock.advance(10s);
    world.store.open_and_tell();
}

TEST_CASE("in a store's first run it begins with the first record, without an alarm") {
    EgressWorld world;
    world.write(3);
    world.start();
    world.run();
    CHECK(world.received_seqs() == EgressWorld::seqs(2, 4));
    CHECK(world.notes.empty());
    CHECK(world.follower->status().at_head.empty());
}

TEST_CASE("so it does in a later run, if nothing but notes came before that") {
    EgressWorld world;
    next_run(world);
    next_run(world);
    const Seq before = world.store.journal->last();
    const Seq last = world.write(3);
    world.start();
    world.run();
    CHECK(world.received_seqs() == EgressWorld::seqs(before.value + 1, last.value));
    CHECK(world.notes.empty());
}

TEST_CASE("the watermark is on the disk before the first message goes out") {
    EgressWorld world;
    world.write(3);
    world.start();
    world.store.disk.fail_after(0, DiskFault::lasting);
    world.run();
    CHECK(world.sink.received.empty());
    world.store.disk.mend();
    world.run(100);
    CHECK(world.received_seqs() == EgressWorld::seqs(2, 4));
}

TEST_CASE("a watermark that is found may not be on the disk yet: it is kept anew, before it counts") {
    int visible = 0;
    for (std::uint64_t round = 0; round < 120; ++round) {  // each call, and what a power cut takes
        CAPTURE(round);
        EgressWorld world(round);
        next_run(world);
        world.start();
        world.store.disk.fail_after(round % 6, DiskFault::lasting);
        world.run(3, 10ms);
        world.store.disk.mend();
        world.die();  // the process alone: what it wrote is still there to see
        if (!world.kept()) continue;
        ++visible;
        world.notes.clear();
        world.start();
        world.run(3, 10ms);
        const Seq last = world.write();
        world.die();
        world.store.power_cut();
        world.store.open_and_tell();
        world.start();
        world.run();
        CHECK(world.notes.empty());
        CHECK(world.received_seqs() == EgressWorld::seqs(last.value, last.value));
    }
    CHECK(visible > 0);
}

TEST_CASE("a missing watermark in a later run begins at the head, with a note and an alarm") {
    EgressWorld world;
    world.write(3);
    next_run(world);
    const Seq head = world.store.journal->last();
    world.start();
    world.run();
    CHECK(world.sink.received.empty());
    REQUIRE(world.notes.size() == 1);
    CHECK(world.notes[0].first == "follower_at_head");
    const auto body = parse_json(world.notes[0].second);
    REQUIRE(body);
    CHECK(body->find("follower")->string() == "peer");
    CHECK(body->find("after")->string() == to_text(Cursor{world.store.journal->epoch(), head}));
    CHECK(world.follower->status().at_head == "/data/followers/peer is not there");
    const Seq last = world.write(2);
    world.run();
    CHECK(world.received_seqs() == EgressWorld::seqs(head.value + 1, last.value));
}

TEST_CASE("so it does with a bad one, in the first run too, and with one of another store") {
    for (const bool foreign : {false, true}) {
        EgressWorld world;
        world.write(3);
        if (foreign) {
            world.put_watermark("another-store", Epoch{1}, Seq{1});
        } else {
            world.store.disk.put("/data/followers/peer", "{\"store\":");
        }
        world.start();
        world.run();
        CHECK(world.sink.received.empty());
        CHECK(world.notes.size() == 1);
        CHECK_FALSE(world.follower->status().at_head.empty());
        CHECK(world.kept()->seq == Seq{4});
    }
}

TEST_CASE("before its note is told it keeps no watermark, so that a death in between begins anew") {
    EgressWorld world;
    world.write(3);
    next_run(world);
    world.notes_are_told = false;
    world.start();
    world.run();
    CHECK_FALSE(world.kept());
    world.die();
    world.start();
    world.run();
    CHECK(world.notes.size() == 2);
    world.not_told.back()(Ok{});
    world.run();
    CHECK(world.kept());
    const Seq last = world.write();
    world.run();
    CHECK(world.received_seqs() == std::vector{last.value});
}

TEST_CASE("a note that nobody takes is said, and holds nothing up") {
    EgressWorld world;
    world.write(3);
    next_run(world);
    world.notes_are_told = false;
    world.start();
    world.run(2);
    world.not_told.back()(Error{Errc::unavailable, "damaged"});
    const Seq last = world.write();
    world.run();
    CHECK(world.received_seqs() == std::vector{last.value});
}

TEST_CASE("where a later epoch began below its watermark, it goes on from there") {
    EgressWorld world;
    world.write(3);
    const Epoch first = world.store.journal->epoch();
    next_run(world);
    const Seq begin = Seq{5};  // of the second run's records
    REQUIRE(world.store.journal->last() == begin);
    const Seq last = world.write(2);
    // A copy of the store from before it, to which more had been delivered.
    world.put_watermark(world.store_id(), first, Seq{40});
    world.start();
    world.run();
    CHECK(world.received_seqs() == EgressWorld::seqs(begin.value + 1, last.value));
    REQUIRE(world.notes.size() == 1);
    CHECK(world.notes[0].first == "follower_realigned");
    CHECK(world.kept() == FollowerMark{world.store_id(), world.store.journal->epoch(), last});
}

TEST_CASE("history that ends before its watermark is gone on with where it ends") {
    EgressWorld world;
    const Seq last = world.write(3);
    world.put_watermark(world.store_id(), world.store.journal->epoch(), Seq{40});
    world.start();
    world.run();
    CHECK(world.sink.received.empty());
    CHECK(world.notes.at(0).first == "follower_realigned");
    world.write(1);
    world.run();
    CHECK(world.received_seqs() == std::vector{last.value + 1});
}

TEST_CASE("a watermark of a history that is not this one begins at the head") {
    EgressWorld world;
    world.write(3);
    world.put_watermark(world.store_id(), Epoch{1}, Seq{3});
    SUBCASE("from before its first epoch") {}
    SUBCASE("of an epoch in which that seq was never written") {
        const Epoch next{world.store.journal->epoch().value + 5};
        world.put_watermark(world.store_id(), next, Seq{2});
    }
    world.start();
    world.run();
    CHECK(world.sink.received.empty());
    CHECK(world.notes.at(0).first == "follower_at_head");
    CHECK(world.follower->status().at_head.find("another history") != std::string::npos);
    const Seq last = world.write();
    world.run();
    CHECK(world.received_seqs() == std::vector{last.value});
}

TEST_CASE("a journal that was opened anew is followed on, from the watermark") {
    EgressWorld world;
    world.start();
    world.write(3);
    world.run();
    world.write(2);
    world.follower->step();  // under way, not acknowledged
    world.sink.forget();
    world.store.clock.advance(10s);
    world.store.open_and_tell();
    world.follower->restart();
    const Seq last = world.write(1);
    world.run();
    CHECK(world.received_seqs() == std::vector<std::uint64_t>{2, 3, 4, 5, 6, last.value});
    CHECK(world.notes.empty());
}

}  // namespace
}  // namespace se::test
