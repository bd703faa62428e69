// A sink whose peer is used on another thread: the promise of a sink holds over the distance.

#include "engine/egress/posted_sink.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace se;

namespace {

/// Takes what it is told to take; the next turn says what came of it.
struct Peer final : Sink {
    std::vector<std::uint64_t> got;
    std::vector<Delivery> outcomes;
    std::uint64_t away_from = ~0ull;  ///< tickets that meet an outage

    void deliver(std::uint64_t ticket, const Message&) override {
        got.push_back(ticket);
        outcomes.push_back({.ticket = ticket,
                            .outcome = ticket >= away_from ? Delivery::Outcome::outage
                                                           : Delivery::Outcome::acknowledged});
    }
    std::vector<Delivery> poll() override { return std::exchange(outcomes, {}); }
};

std::string told(std::vector<Delivery> outcomes) {
    std::string text;
    for (const Delivery& one : outcomes)
        text += std::to_string(one.ticket) + (one.outcome == Delivery::Outcome::acknowledged ? "+"
                                              : one.tried                                    ? "-"
                                                                                             : "~");
    return text;
}

struct Distance {
    Peer peer;
    int peer_woken = 0, follower_woken = 0;
    PostedSink sink{peer, [this] { ++peer_woken; }, [this] { ++follower_woken; }};
};

}  // namespace

TEST_CASE("what is handed over waits for the peer's turn, and what came of it for the follower") {
    Distance far;
    far.sink.deliver(1, {});
    far.sink.deliver(2, {});
    CHECK(far.peer.got.empty());
    CHECK(far.peer_woken == 1);
    CHECK(far.sink.poll().empty());
    far.sink.turn();
    CHECK(far.peer.got == std::vector<std::uint64_t>{1, 2});
    CHECK(far.follower_woken == 1);
    CHECK(told(far.sink.poll()) == "1+2+");
    far.sink.turn();
    CHECK(far.follower_woken == 1);
    far.sink.deliver(3, {});
    CHECK(far.peer_woken == 2);
}

TEST_CASE("after an outage nothing goes out that was handed over before the follower heard of it") {
    Distance far;
    far.peer.away_from = 2;
    for (std::uint64_t ticket = 1; ticket <= 3; ++ticket) far.sink.deliver(ticket, {});
    far.sink.turn();
    // It is back, and the follower does not know yet that 2 and 3 have to go again.
    far.peer.away_from = ~0ull;
    far.sink.deliver(4, {});
    far.sink.turn();
    CHECK(far.peer.got == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(told(far.sink.poll()) == "1+2-3-4~");
    for (std::uint64_t ticket = 5; ticket <= 7; ++ticket) far.sink.deliver(ticket, {});
    far.sink.turn();
    CHECK(told(far.sink.poll()) == "5+6+7+");
}

TEST_CASE("an outage that is told late holds up what was handed over meanwhile") {
    Distance far;
    far.sink.deliver(1, {});
    far.sink.turn();
    far.sink.deliver(2, {});
    // That of 1 comes with the turn that would hand over 2.
    static_cast<void>(far.sink.poll());
    far.peer.outcomes.push_back({.ticket = 1, .outcome = Delivery::Outcome::outage});
    far.sink.turn();
    CHECK(far.peer.got == std::vector<std::uint64_t>{1});
    CHECK(told(far.sink.poll()) == "1-2~");
}

TEST_CASE("between two threads each hand-over has one outcome, in order") {
    constexpr std::uint64_t kMessages = 20'000, kUnderWay = 256;
    std::atomic<bool> work = false, over = false;
    Peer peer;
    PostedSink sink(
        peer,
        [&] {
            work = true;
            work.notify_one();
        },
        [] {});
    std::thread other([&] {
        for (;;) {
            work.wait(false);
            work = false;
            sink.turn();
            if (over) return;
        }
    });
    std::uint64_t handed = 0, settled = 0;
    bool in_order = true;
    while (settled < kMessages) {
        for (; handed < kMessages && handed < settled + kUnderWay; ++handed)
            sink.deliver(handed + 1, {.id = "m" + std::to_string(handed + 1)});
        for (const Delivery& one : sink.poll()) in_order &= one.ticket == ++settled;
        std::this_thread::yield();
    }
    over = true;
    work = true;
    work.notify_one();
    other.join();
    CHECK(in_order);
    CHECK(peer.got.size() == kMessages);
}
