// What the simulator is worth. Each of these was broken on purpose, and its share of seeds (1 to 200)
// said so; the invariant named first:
//
//   a commit's sync is skipped                    J2, J1   after a power cut it is not shown any more
//   HEAD is not written behind the sync           J3       answered, and no reader is shown it
//   projected before it is durable                J3       the watermark is above durable
//   answered before the sync                      J3       acknowledged above durable
//   one record of a group is not projected        P2       LMDB is not the fold
//   an open does not rewrite what HEAD does not know (J3)  J2, J4  a failed sync's pages are believed
//   the second proposal of an id is decided again E2       it has had an effect before
//   the overlay is not looked at when deciding    E4       a decision on an older state
//   a version begins anew behind a delete         E3

#include <doctest/doctest.h>

#include "engine/adapters/posix_filesystem.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/sim/sim_run.h"

using namespace se;

namespace {

sim::RunReport live(std::uint64_t seed) {
    PosixFileSystem real;
    const TemporaryDirectory directory;
    return sim::run(seed, {.steps = 200}, real, directory.path() + "/lmdb");
}

}  // namespace

TEST_CASE("one seed is one life, to the last byte") {
    for (std::uint64_t seed = 1'000; seed < 1'004; ++seed) {
        CAPTURE(seed);
        const sim::RunReport once = live(seed);
        const sim::RunReport again = live(seed);
        REQUIRE_MESSAGE(!once.broken, once.broken->invariant << ": " << once.broken->what);
        CHECK(once.records > 20);
        CHECK(once.digest == again.digest);
        CHECK(once.step == again.step);
        CHECK(once.opens == again.opens);
    }
}

TEST_CASE("lives are rough enough to be worth living") {
    sim::RunReport all;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        CAPTURE(seed);
        const sim::RunReport one = live(seed);
        REQUIRE_MESSAGE(!one.broken, one.broken->invariant << ": " << one.broken->what);
        all.records += one.records;
        all.opens += one.opens;
        all.deaths += one.deaths;
        all.failures += one.failures;
    }
    CHECK(all.records > 1'000);
    CHECK(all.opens > 50);
    CHECK(all.deaths > 30);
    CHECK(all.failures > 3);
}
