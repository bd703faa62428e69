// The list of what does not apply stays short, and every row says why.

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <string>

#include "tests/places.h"

namespace {

TEST_CASE("at most ten scenarios of the conformance suites do not apply, each with its reason") {
    std::ifstream file(se::test::source_dir() + "/tests/mcp/does_not_apply.txt");
    REQUIRE(file);
    std::set<std::string> names;
    std::string line;
    while (std::getline(file, line)) {
        if (line.empty() || line.starts_with('#')) continue;
        CAPTURE(line);
        const std::size_t blank = line.find(' ');
        REQUIRE(blank != line.npos);
        CHECK(names.insert(line.substr(0, blank)).second);
        const std::size_t why = line.find_first_not_of(' ', blank);
        CHECK(line.size() - why > 20);
        // Only an optional extension may be left out: nothing of the protocol itself.
        CHECK(line.substr(why).starts_with("extension "));
    }
    CHECK(!names.empty());
    CHECK(names.size() <= 10);
}

}  // namespace
