// statectl token: what goes to the caller, and what goes into the daemon's file.

#include <doctest/doctest.h>

#include "journal/base/hash.h"
#include "journal/base/json.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/statectl/programs.h"

namespace {

using namespace se;

TEST_CASE("a new token comes with its hash, and is another one each time") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    const auto made = parse_json(statectl.must({"token", "new"}));
    const auto again = parse_json(statectl.must({"token", "new"}));
    REQUIRE(made);
    REQUIRE(again);
    const std::string token = made->find("token")->string();
    CHECK(token.size() == 64);
    CHECK(token != again->find("token")->string());
    CHECK(made->find("token_sha256")->string() == to_hex(sha256(token)));
}

}  // namespace
