// P6 over simulated documents and a simulated disk.

#include <doctest/doctest.h>

#include "tests/firestore/follower_lives.h"

namespace se::firestore {
namespace {

using Phase = FollowerState::Phase;

struct Life {
    SimDocuments documents{1};
    FollowerWorld world{documents};

    Life() {
        world.open();
        world.start();
    }
};

TEST_CASE(
    "documents and log are those of the journal, deleted keys have none, rejections have a log "
    "document") {
    Life life;
    life.world.write(200);
    life.world.converge();
    life.world.check_logs();
    CHECK(life.world.follower->state().dead_letters == 0);
}

TEST_CASE("an empty project is refused without a bootstrap, and the remedy is named") {
    SimDocuments documents(1);
    FollowerWorld world(documents);
    world.options.bootstrap = false;
    world.open();
    world.start();
    CHECK(why_it_stops(world).find("--firestore-bootstrap") != std::string::npos);
    CHECK(documents.documents().empty());
}

TEST_CASE("a bootstrap takes over what others left: what the state lacks goes") {
    SimDocuments documents(1);
    for (int i = 0; i < 700; ++i) documents.put("state/foreign." + std::to_string(i), {});
    documents.put("state/k1", {});
    documents.put("mutation_log/old", {});
    FollowerWorld world(documents);
    world.open();
    world.keys = 600;
    world.write(1'000);
    world.start();
    world.write(10);
    world.converge();
    world.check_logs();
    CHECK(documents.documents().contains("mutation_log/old"));
    CHECK(world.follower->state().bootstrap_documents > 0);
}

TEST_CASE("a bootstrap that dies goes on at the next start, and needs no flag for it") {
    SimDocuments documents(1);
    FollowerWorld world(documents);
    world.open();
    world.keys = 200;
    world.write(400);
    for (int calls = 1; calls < 40; calls += 8) {
        SimDocuments fresh(static_cast<std::uint64_t>(calls));
        FollowerWorld other(fresh, static_cast<std::uint64_t>(calls));
        world.copy_to(other);
        other.open();
        other.start();
        for (int i = 0; i < calls; ++i) {
            other.step();
            other.run_lanes();
        }
        const bool claimed = other.mark().has_value();
        other.die();
        other.options.bootstrap = !claimed;
        other.open();
        other.start();
        other.converge();
        other.check_logs();
    }
}

TEST_CASE("a hot key costs one document a commit, whatever its changes") {
    Life life;
    life.world.converge();
    for (int i = 0; i < 5'000; ++i) life.world.append(life.world.set("hot", std::to_string(i)));
    life.world.commit();
    life.world.converge();
    CHECK(life.documents.commits_of("state/hot") < 60);
    CHECK(life.world.follower->state().coalesced > 4'900);
    CHECK(life.world.follower->state().log_documents >= 5'000);
}

TEST_CASE("throttled, the interval widens up to a second, and narrows again") {
    Life life;
    life.world.converge();
    life.documents.faults.throttles = 100;
    life.world.write(20);
    for (int i = 0; i < 200; ++i) {
        life.world.step();
        life.world.run_lanes();
        life.world.store.clock.advance(std::chrono::milliseconds{100});
    }
    CHECK(life.world.follower->state().interval == std::chrono::seconds{1});
    CHECK(life.world.follower->state().lag > 0);
    life.documents.faults.throttles = 0;
    for (int i = 0; i < 80; ++i) {
        life.world.write(1);
        life.world.converge();
    }
    CHECK(life.world.follower->state().interval.count() == 0);
}

TEST_CASE("while the store is away the window stays bounded, and all comes after it") {
    Life life;
    life.world.options.window_records = 100;
    life.world.start();
    life.world.converge();
    life.documents.away = true;
    for (int i = 0; i < 20; ++i) {
        life.world.write(50);
        life.world.step();
        life.world.run_lanes();
        life.world.store.clock.advance(std::chrono::seconds{1});
    }
    CHECK(life.world.follower->state().breaker == Breaker::State::open);
    CHECK(life.world.follower->state().lag > 900);
    CHECK(life.world.follower->state().lag_seconds > 1);
    const std::uint64_t calls = life.documents.calls();
    for (int i = 0; i < 100; ++i) life.world.step();  // no time goes by: nothing is tried
    CHECK(life.documents.calls() == calls);
    life.documents.away = false;
    life.world.converge();
    life.world.check_logs();
    CHECK(life.world.follower->state().why.empty());
}

TEST_CASE("permission lost is waited out") {
    Life life;
    life.world.converge();
    life.documents.denied = true;
    life.world.write(20);
    for (int i = 0; i < 50; ++i) {
        life.world.step();
        life.world.run_lanes();
        life.world.store.clock.advance(std::chrono::seconds{1});
    }
    CHECK(life.world.follower->state().why.find("denied") != std::string::npos);
    life.documents.denied = false;
    life.world.converge();
}

TEST_CASE("a database that is not there is looked for with pauses, and why is said") {
    Life life;
    life.documents.absent = true;
    const std::uint64_t calls = life.documents.calls();
    for (int i = 0; i < 2'000; ++i) {
        life.world.step();
        life.world.run_lanes();
        life.world.store.clock.advance(std::chrono::milliseconds{1});
    }
    CHECK(life.documents.calls() - calls < 50);
    CHECK(life.world.follower->state().why.find("no such database") != std::string::npos);
    life.documents.absent = false;
    life.world.converge();
}

TEST_CASE("a dead letter gives way to what a bootstrap wrote of its key, or left out") {
    Life life;
    Follower& follower = *life.world.follower;
    life.world.write(20);
    life.world.converge();
    life.documents.poisoned = {"state/changed", "state/deleted"};
    for (const char* key : {"changed", "deleted"}) life.world.append(life.world.set(key, "1"));
    life.world.commit();
    life.world.converge();
    const DeadLetters& letters = *follower.dead_letters();
    REQUIRE(letters.find("state/changed") != nullptr);
    REQUIRE(letters.find("state/deleted") != nullptr);
    const auto documents = life.documents.documents();
    for (const auto& [path, document] : documents) life.documents.remove(path);
    life.documents.poisoned.clear();
    life.world.write(1);
    why_it_stops(life.world);
    life.world.append(life.world.set("changed", "2"));
    RecordDraft gone = life.world.set("deleted", "0");
    gone.changes[0].op = "delete";
    gone.body = R"({"reason":"r","values":[null]})";
    life.world.append(std::move(gone));
    life.world.commit();
    REQUIRE(follower.resume(true));
    life.world.converge();
    CHECK(letters.find("state/changed") == nullptr);
    if (letters.find("state/deleted") != nullptr) REQUIRE(follower.retry("state/deleted"));
    for (int i = 0; i < 20; ++i) {
        life.world.follower->step();
        life.world.run_lanes();
        life.world.store.clock.advance(std::chrono::milliseconds{100});
    }
    CHECK(letters.find("state/deleted") == nullptr);
    life.world.converge();
}

TEST_CASE("poisoned documents become dead letters, and the rest goes on") {
    Life life;
    life.documents.poisoned = {"state/k1", "mutation_log/id-7", "mutation_log/id-30",
                               "state/other.k2"};
    life.world.write(300);
    life.world.converge();
    const DeadLetters& letters = *life.world.follower->dead_letters();
    CHECK(letters.find("state/k1") != nullptr);
    CHECK(letters.find("mutation_log/id-7") != nullptr);
    CHECK(letters.find("mutation_log/id-30") != nullptr);

    // What was mended is written when it is asked for, or when its key changes.
    life.documents.poisoned.clear();
    REQUIRE(life.world.follower->retry("mutation_log/id-7"));
    REQUIRE(life.world.follower->retry("state/k1"));
    life.world.append(life.world.set("other.k2", "1"));
    life.world.commit();
    for (int i = 0; i < 20; ++i) {
        life.world.follower->step();
        life.world.run_lanes();
        life.world.store.clock.advance(std::chrono::milliseconds{100});
    }
    CHECK(letters.find("state/k1") == nullptr);
    CHECK(letters.find("state/other.k2") == nullptr);
    CHECK(letters.find("mutation_log/id-7") == nullptr);
    CHECK(letters.find("mutation_log/id-30") != nullptr);
    REQUIRE(life.world.follower->drop("mutation_log/id-30"));
    CHECK(life.world.follower->state().dead_letters == 0);
    life.documents.poisoned = {"mutation_log/id-30"};
    life.world.converge();
}

TEST_CASE("a document over Firestore's limit is a dead letter without being sent") {
    Life life;
    life.world.store.options.first_segment_bytes = life.world.store.options.segment_bytes = 8u
                                                                                            << 20;
    life.world.store.options.fill_chunk_bytes = 1u << 20;
    life.world.store.options.group_bytes_max = 8u << 20;
    life.world.die();
    life.world.open();
    life.world.start();
    life.world.append(
        life.world.set("big", "\"" + std::string(kDocumentBytesMax, 'x') + "\"", "big-id"));
    life.world.append(life.world.set("small", "1"));
    life.world.commit();
    life.documents.poisoned = {"state/big", "mutation_log/big-id"};
    life.world.converge();
    CHECK(life.world.follower->state().dead_letters == 2);
    CHECK(life.world.follower->state().troubles == 0);
}

TEST_CASE("of two copies of a store one writes: the earlier run stops and says why") {
    two_copies();
}

TEST_CASE("a copy that lacks what the documents were made of is another history") {
    SimDocuments documents(3);
    FollowerWorld first(documents, 1), second(documents, 2);
    first.open();
    first.write(100);
    first.copy_to(second);
    first.start();
    first.write(100);
    first.converge();
    second.store.clock.advance(std::chrono::hours{1});
    second.options.bootstrap = false;
    second.open();
    second.start();
    CHECK(why_it_stops(second).find("another history") != std::string::npos);
    first.write(10);
    first.converge();
}

/// A life in which an operator gave up what the documents were made of: in the midst, or what the watermark
/// itself stands on.
struct LifeOfLoss : Life {
    explicit LifeOfLoss(bool at_watermark) {
        world.write(100);
        world.append(world.set("revived", "1"));
        world.commit();
        const Seq from{world.folds.size()};
        RecordDraft gone = world.set("revived", "null");
        gone.changes[0].op = "delete";
        world.append(std::move(gone));
        world.append(world.set("never", "1"));
        world.append(world.set("k0", "\"lost\""));
        world.commit();
        const Seq to{world.folds.size() - 1};
        if (!at_watermark) world.write(30);
        world.converge();
        CHECK(is_there("state/never"));
        CHECK_FALSE(is_there("state/revived"));
        world.die();
        world.give_up(from, to);
        world.options.bootstrap = false;
        world.open();
    }
    bool is_there(const std::string& path) const { return documents.documents().contains(path); }
    void check_good() {
        world.converge();
        CHECK_FALSE(is_there("state/never"));
        CHECK(is_there("state/revived"));
        world.write(30);
        world.converge();
        world.check_logs();
    }
};

TEST_CASE("what a repair gave up is in no document of the state once its note is passed") {
    for (const bool at_watermark : {false, true}) {
        CAPTURE(at_watermark);
        LifeOfLoss life(at_watermark);
        life.world.start();
        life.check_good();
        const std::uint64_t written = life.world.follower->state().bootstrap_documents;
        CHECK(written == life.world.folds[life.world.folds.size() - 31].size());

        // And that once: the next run goes on from where it is.
        life.world.die();
        life.world.open();
        life.world.start();
        life.check_good();
        CHECK(life.world.follower->state().bootstrap_documents == 0);
    }
}

TEST_CASE("whoever dies over making the documents anew goes on with that") {
    for (int calls = 1; calls < 60; calls += 3) {
        CAPTURE(calls);
        LifeOfLoss life(calls % 2 == 0);
        life.world.options.state.documents = 3;
        life.documents.faults = {.lost_answers = 10, .late = 10, .aborts = 10, .away = 10};
        life.world.start();
        for (int i = 0; i < calls; ++i) {
            life.world.step();
            life.world.run_lanes(70);
            life.world.store.clock.advance(std::chrono::milliseconds{100});
        }
        life.world.die();
        life.documents.faults = {};
        life.documents.settle();
        life.world.open();
        life.world.start();
        life.check_good();
    }
}

TEST_CASE("a project that is filled after a repair is filled once") {
    LifeOfLoss life(false);
    SimDocuments fresh(7);
    FollowerWorld other(fresh, 7);
    life.world.copy_to(other);
    life.world.store.leave();
    other.open();
    other.start();
    other.converge();
    other.check_logs();
    CHECK(other.follower->state().bootstrap_documents == other.folds.back().size());
}

TEST_CASE("another run of the same epoch is as good as a later one: it fences us") {
    const auto judged = [](const Mark& mark) {
        const Document found{.path = std::string(kWatermarkPath), .fields = mark_fields(mark)};
        const auto verdict = judge(found, {"the-store", Epoch{7}, "ours"},
                                   [](const Mark&) { return Result<std::string>(std::string()); });
        REQUIRE(verdict);
        return verdict->standing;
    };
    const Seq seq{5};
    CHECK(judged({"the-store", Epoch{7}, "ours", seq}) == Standing::ours);
    CHECK(judged({"the-store", Epoch{7}, "another's", seq}) == Standing::fenced);
    CHECK(judged({"the-store", Epoch{8}, "another's", seq}) == Standing::fenced);
    CHECK(judged({"the-store", Epoch{6}, "another's", seq}) == Standing::takeover);
    CHECK(judged({"another-store", Epoch{6}, "another's", seq}) == Standing::foreign);
}

TEST_CASE("a project of another store is refused") {
    SimDocuments documents(3);
    FollowerWorld first(documents, 1), second(documents, 2);
    first.open();
    first.start();
    first.converge();
    second.options.bootstrap = false;
    second.open();
    second.start();
    CHECK(why_it_stops(second).find("the project holds store") != std::string::npos);
}

TEST_CASE("a watermark that is taken away or put back stops the follower") {
    Life life;
    life.world.write(20);
    life.world.converge();
    const auto old = life.documents.documents().at(std::string(kWatermarkPath)).fields;
    life.world.write(20);
    life.world.converge();
    life.documents.put(std::string(kWatermarkPath), old);
    life.world.write(1);
    life.world.follower->step();
    CHECK(why_it_stops(life.world).find("went back") != std::string::npos);
}

TEST_CASE(
    "a project that loses its documents is not filled again unless a bootstrap is asked for") {
    Life life;
    life.world.write(20);
    life.world.converge();
    const std::uint64_t seq = life.world.mark()->seq.value;
    const auto documents = life.documents.documents();
    for (const auto& [path, document] : documents) life.documents.remove(path);
    life.world.store.clock.advance(std::chrono::seconds{7});
    life.world.write(1);
    const std::string why = why_it_stops(life.world);
    CHECK(why.find("was ours up to seq " + std::to_string(seq)) != std::string::npos);
    CHECK(why.find("--firestore-bootstrap") != std::string::npos);

    // It lags from then on, and is not in time for having nothing in hand.
    life.world.store.clock.advance(std::chrono::seconds{100});
    life.world.write(5);
    life.world.follower->step();
    CHECK(life.world.follower->state().lag >= 6);
    CHECK(life.world.follower->state().lag_seconds >= 100);

    life.world.die();
    life.world.options.bootstrap = true;
    life.world.open();
    life.world.start();
    life.world.converge();
    life.world.check_logs();
}

TEST_CASE("one that has stopped is resumed as a new start would: with a bootstrap or without") {
    Life life;
    Follower& follower = *life.world.follower;
    life.world.write(20);
    life.world.converge();
    CHECK(follower.resume(true).error().text.find("it is following") != std::string::npos);
    CHECK(follower.state().phase == Phase::following);
    const auto documents = life.documents.documents();
    for (const auto& [path, document] : documents) life.documents.remove(path);
    life.world.write(1);
    why_it_stops(life.world);

    // What is missing is missing still; nobody has said that it shall be made anew.
    REQUIRE(follower.resume(false));
    CHECK(why_it_stops(life.world).find("--bootstrap") != std::string::npos);
    for (const auto& [path, document] : life.documents.documents())
        CHECK(path.starts_with("mutation_log/"));
    life.world.write(5);
    REQUIRE(follower.resume(true));
    life.world.converge();
    life.world.check_logs();
    CHECK(follower.state().why.empty());

    // Once only: what is taken away again is not made anew by itself.
    for (const auto& [path, document] : documents) life.documents.remove(path);
    life.world.write(1);
    CHECK(why_it_stops(life.world).find("was ours up to seq") != std::string::npos);
}

TEST_CASE("one that stopped for its dead letters goes on when there is room and it is told so") {
    Life life;
    life.world.die();
    life.world.options.dead_letters = 1;
    life.world.open();
    life.world.start();
    Follower& follower = *life.world.follower;
    life.documents.poisoned = {"mutation_log/first", "mutation_log/second"};
    life.world.append(life.world.set("k1", "1", "first"));
    life.world.append(life.world.set("k1", "2", "second"));
    life.world.append(life.world.set("k2", "3"));
    life.world.commit();
    CHECK(why_it_stops(life.world).find("1 dead letters, which is the limit") != std::string::npos);
    REQUIRE(follower.dead_letters()->find("mutation_log/first") != nullptr);
    REQUIRE(follower.resume(false));
    CHECK(why_it_stops(life.world).find("then `statectl firestore resume`") != std::string::npos);

    life.documents.poisoned.clear();
    REQUIRE(follower.retry("mutation_log/first"));
    REQUIRE(follower.resume(false));
    for (int i = 0; i < 20; ++i) {
        follower.step();
        life.world.run_lanes();
        life.world.store.clock.advance(std::chrono::milliseconds{100});
    }
    life.world.converge();
    life.world.check_logs();
    CHECK(follower.state().dead_letters == 0);
}

TEST_CASE(
    "an engine that is opened again in the same process is a new run that claims the documents") {
    Life life;
    life.world.write(30);
    life.world.converge();
    const auto before = life.world.mark();
    life.world.store.crash();
    life.world.open();
    life.world.follower->restart();
    life.world.write(30);
    life.world.converge();
    CHECK(life.world.mark()->epoch > before->epoch);
    CHECK(life.world.mark()->run != before->run);
}

TEST_CASE("what a later run writes waits until the follower is told that its engine was opened again") {
    Life life;
    life.world.write(30);
    life.world.converge();
    const auto before = life.world.mark();
    life.world.open();  // in the same process, whose files stay open
    life.world.write(10);
    for (int i = 0; i < 50; ++i) {
        life.world.step();
        life.world.run_lanes();
        life.world.store.clock.advance(std::chrono::milliseconds{100});
    }
    CHECK(life.world.mark()->seq == before->seq);
    CHECK(life.world.mark()->run == before->run);
    CHECK(life.world.follower->state().phase == Phase::following);
    life.world.follower->restart();
    life.world.converge();
    CHECK(life.world.mark()->epoch > before->epoch);
    life.world.check_logs();
}

TEST_CASE(
    "whatever goes wrong, the documents are the fold at the watermark, and in the end at the "
    "head") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) live(seed);
}

}  // namespace
}  // namespace se::firestore
