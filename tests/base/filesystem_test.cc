#include "journal/base/filesystem.h"

#include <doctest/doctest.h>

#include "tests/sim/sim_filesystem.h"

using namespace se;

TEST_CASE("a file is read whole, or not when it is over the limit") {
    SimFileSystem disk(1);
    disk.put("a", "0123456789");
    CHECK(*read_file(disk, "a") == "0123456789");
    CHECK(*read_file(disk, "a", 10) == "0123456789");
    const auto refused = read_file(disk, "a", 9);
    REQUIRE(!refused);
    CHECK(refused.error().code == Errc::too_large);
    CHECK(read_file(disk, "b").error().code == Errc::not_found);
    disk.put("empty", "");
    CHECK(read_file(disk, "empty")->empty());
}

TEST_CASE("a replaced file is durable when the call returns") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SimFileSystem disk(seed);
        disk.put("d/name", "old");
        disk.put("d/name.new", "left behind by an interrupted attempt, and longer");
        REQUIRE(replace_file(disk, "d", "name", "new"));
        disk.power_cut();
        CAPTURE(seed);
        REQUIRE(disk.content("d/name") == "new");
        REQUIRE(disk.list("d")->size() == 1);
    }
}

TEST_CASE(
    "whatever call fails, and whatever the power cut takes, a file is the old or the new one") {
    for (const Errc code : {Errc::io, Errc::no_space}) {
        for (std::uint64_t seed = 0; seed < 100; ++seed) {
            for (std::uint64_t calls = 0;; ++calls) {
                SimFileSystem disk(seed);
                disk.put("d/name", "old");
                disk.fail_after(calls, seed % 2 == 0 ? DiskFault::hiccup : DiskFault::lasting, code);
                const Status status = replace_file(disk, "d", "name", "new and longer");
                REQUIRE(static_cast<bool>(status) == !disk.failed());
                const bool at_peace = !disk.failed();
                disk.power_cut();
                CAPTURE(seed);
                CAPTURE(calls);
                const auto content = disk.content("d/name");
                REQUIRE((content == "old" || content == "new and longer"));
                if (at_peace) {
                    REQUIRE(content == "new and longer");
                    REQUIRE(calls > 4);  // it has been through all of them
                    break;
                }
            }
        }
    }
}

TEST_CASE("a file that could not be replaced leaves nothing behind") {
    SimFileSystem disk(1);
    disk.put("d/name", "old");
    disk.set_capacity(10);
    const Status status = replace_file(disk, "d", "name", "much too long");
    REQUIRE(!status);
    CHECK(status.error().code == Errc::no_space);
    CHECK(*disk.list("d") == std::vector<std::string>{"name"});
    CHECK(disk.content("d/name") == "old");
}
