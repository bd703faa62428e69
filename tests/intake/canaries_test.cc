// Bugs planted in what uses the bus (journal/base/canary.h): each must break what it promises. One
// that acknowledges too early loses nothing on a durable of our own, which goes on where the
// journal says: only one that was taken over shows it.

#include <doctest/doctest.h>

#include "journal/base/canary.h"
#include "tests/intake/bus_lives.h"

namespace se {

inline namespace with_canaries {
Canary planted = Canary::none;
std::function<void()> canary_moment;
}  // namespace with_canaries

namespace test {
namespace {

struct Planted {
    explicit Planted(Canary canary) { planted = canary; }
    ~Planted() { planted = Canary::none; }
};

void live(void (*life)(std::uint64_t seed)) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) life(seed);
}

TEST_CASE("with no bug planted the lives are whole") {
    acknowledged_when_durable(FsyncMode::group);
    live(in_stream_order_whatever_breaks);
    live(taken_over_whatever_breaks);
    live(told_whatever_breaks);
}

TEST_CASE("an acknowledgement before the sync is seen" * doctest::should_fail()) {
    const Planted bug(Canary::ack_before_sync);
    acknowledged_when_durable(FsyncMode::group);
}

TEST_CASE("a message that is lost by an acknowledgement before the sync is missed" *
          doctest::should_fail()) {
    const Planted bug(Canary::ack_before_sync);
    live(taken_over_whatever_breaks);
}

TEST_CASE("an acknowledgement before the sync loses nothing on a durable of our own") {
    const Planted bug(Canary::ack_before_sync);
    live(in_stream_order_whatever_breaks);
}

TEST_CASE("a result whose puback nobody waited for is missed" * doctest::should_fail()) {
    const Planted bug(Canary::puback_not_awaited);
    live(told_whatever_breaks);
}

TEST_CASE("a watermark before the puback is caught" * doctest::should_fail()) {
    const Planted bug(Canary::watermark_before_ack);
    live(told_whatever_breaks);
}

TEST_CASE("a follower that passes over a message is caught" * doctest::should_fail()) {
    const Planted bug(Canary::message_skipped);
    live(told_whatever_breaks);
}

}  // namespace
}  // namespace test
}  // namespace se
