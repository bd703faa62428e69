#include "journal/base/random.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/sim/sim_random.h"

using namespace se;

TEST_CASE("a UUID has its version, its variant and its dashes") {
    SimRandom random(1);
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        const std::string uuid = make_uuid(random);
        REQUIRE(uuid.size() == 36);
        for (std::size_t at = 0; at < uuid.size(); ++at) {
            const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
            REQUIRE(std::string_view(dash ? "-" : "0123456789abcdef").find(uuid[at]) !=
                    std::string_view::npos);
        }
        REQUIRE(uuid[14] == '4');
        REQUIRE(std::string_view("89ab").find(uuid[19]) != std::string_view::npos);
        REQUIRE(seen.insert(uuid).second);
    }
}

TEST_CASE("random hex has two digits a byte, and follows its seed") {
    SimRandom a(5);
    SimRandom b(5);
    SimRandom c(6);
    CHECK(make_hex(a, 0).empty());
    const std::string text = make_hex(a, 33);
    CHECK(text.size() == 66);
    CHECK(make_hex(b, 33) == text);
    CHECK(make_hex(c, 33) != text);
}
