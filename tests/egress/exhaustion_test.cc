// A follower whose disk fails at each call in turn, and whose machine dies at each call in turn:
// every message gets there under one id, in order, and the watermark never passes what is not
// settled.

#include <set>

#include "tests/egress/egress_world.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr int kRecords = 24;

/// X1 to X3 as the peer and the disk have them now.
class Promises {
public:
    explicit Promises(EgressWorld& world) : world_(world) {}

    void check() {
        for (const std::string& id : world_.sink.refused) settled_.insert(seq_of(id));
        for (; seen_ < world_.sink.received.size(); ++seen_) {
            const auto& one = world_.sink.received[seen_];
            // X2: what is before it was there before, or is a dead letter.
            CHECK(one.at.seq.value <= settled_up_to() + 1);
            ids_[one.at.seq.value].insert(one.id);
            settled_.insert(one.at.seq.value);
        }
        if (const auto kept = world_.kept()) {
            CHECK_MESSAGE(kept->seq.value <= settled_up_to(), "X3: " << kept->seq.value);
        }
    }
    void check_all(std::uint64_t last) {
        check();
        CHECK(settled_up_to() > last);
        for (const auto& [seq, ids] : ids_) CHECK_MESSAGE(ids.size() == 1, "X1: seq " << seq);
        std::set<std::uint64_t> dead;
        for (const DeadLetter* letter : world_.follower->dead_letters()->all())
            dead.insert(letter->at.seq.value);
        for (const std::string& id : world_.sink.refused)
            CHECK_MESSAGE(dead.contains(seq_of(id)), "a refused one is no dead letter: " << id);
    }

private:
    static std::uint64_t seq_of(const std::string& id) {
        const std::size_t end = id.rfind(':');
        return std::stoull(id.substr(id.rfind(':', end - 1) + 1));
    }
    std::uint64_t settled_up_to() const {
        std::uint64_t seq = 1;  // the note of the open makes no message
        while (settled_.contains(seq + 1)) ++seq;
        return seq == kRecords + 1 ? SIZE_MAX - 1 : seq;  // nor do those of later runs
    }

    EgressWorld& world_;
    std::size_t seen_ = 0;
    std::set<std::uint64_t> settled_;
    std::map<std::uint64_t, std::set<std::string>> ids_;
};

EgressWorld& prepare(EgressWorld& world) {
    world.options.in_flight = 5;
    world.options.breaker.open = 1s;
    SimRandom* const chance = &world.chance;
    world.sink.fate = [chance](const Message& message) {
        if (message.at.seq.value % 7 == 0) return Fate::refused;
        if (chance->chance(10)) return chance->chance(50) ? Fate::lost : Fate::answer_lost;
        return Fate::acknowledged;
    };
    world.write(kRecords);
    return world;
}

/// False: nothing was left to fail.
template <class Arrange>
bool live(std::uint64_t seed, const Arrange& arrange) {
    EgressWorld world(seed);
    prepare(world);
    world.start();
    Promises promises(world);
    bool struck = false;
    arrange(world, &struck);
    const auto turn = [&](int rounds) {
        for (int i = 0; i < rounds; ++i) {
            if (world.follower) world.follower->step();
            world.sink.serve(1 + world.chance.below(4));
            promises.check();
            world.store.clock.advance(300ms);
        }
    };
    turn(40);
    world.store.disk.on_call({});
    const bool met = struck || world.store.disk.failed();
    world.store.disk.mend();
    if (struck) {  // the process is dead; another one goes on
        world.die();
        world.sink.forget();
        world.store.clock.advance(10s);
        world.store.open_and_tell();
        if (!world.kept()) {
            CHECK_MESSAGE(world.sink.received.empty(), "delivered without a watermark on the disk");
            return met;
        }
        world.start();
    }
    turn(200);
    CHECK_MESSAGE(world.notes.empty(), "it began at the head");
    REQUIRE(world.follower->close());
    const std::uint64_t last = world.store.journal->last().value;
    promises.check_all(kRecords + 1);
    CHECK(world.kept()->seq.value == last);
    return met;
}

TEST_CASE("every call of the follower's disk failing once, or from there on") {
    for (const DiskFault fault : {DiskFault::hiccup, DiskFault::lasting}) {
        for (std::uint64_t calls = 0;; ++calls) {
            CAPTURE(calls);
            const bool met = live(calls + 1, [&](EgressWorld& world, bool*) {
                world.store.disk.fail_after(calls, fault);
            });
            if (!met) {
                CHECK(calls > 20);
                break;
            }
        }
    }
}

TEST_CASE("a death of the process or the machine at every call") {
    for (const bool power : {false, true}) {
        for (std::uint64_t calls = 0;; ++calls) {
            CAPTURE(calls);
            CAPTURE(power);
            const bool died = live(calls + 1, [&](EgressWorld& world, bool* struck) {
                world.store.disk.on_call(
                    [&world, struck, power, left = calls](const SimFileSystem::Call&) mutable {
                        if (left-- != 0) return;
                        *struck = true;
                        power ? world.store.disk.power_cut() : world.store.disk.crash();
                    });
            });
            if (!died) {
                CHECK(calls > 20);
                break;
            }
        }
    }
}

}  // namespace
}  // namespace se::test
