// Bugs planted in the follower (journal/base/canary.h): each must break what it promises.

#include <doctest/doctest.h>

#include "journal/base/canary.h"
#include "tests/firestore/follower_lives.h"

namespace se {

inline namespace with_canaries {
Canary planted = Canary::none;
std::function<void()> canary_moment;
}  // namespace with_canaries

namespace firestore {
namespace {

struct Planted {
    explicit Planted(Canary canary) { planted = canary; }
    ~Planted() { planted = Canary::none; }
};

TEST_CASE("with no bug planted the lives are whole") {
    two_copies();
    for (std::uint64_t seed = 1; seed <= 20; ++seed) live(seed);
}

TEST_CASE("a watermark in a commit before its documents is caught" * doctest::should_fail()) {
    const Planted bug(Canary::documents_apart);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) live(seed);
}

TEST_CASE("a watermark written whoever wrote it last is caught" * doctest::should_fail()) {
    const Planted bug(Canary::no_precondition);
    two_copies();
}

}  // namespace
}  // namespace firestore
}  // namespace se
