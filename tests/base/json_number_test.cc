#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "journal/base/json.h"
#include "tests/release_share.h"
#include "tests/sim/sim_random.h"

using namespace se;

namespace {

std::string text_of(double value) {
    std::string text;
    append_json_number(text, value);
    return text;
}

/// What must hold for every finite double.
void check_round_trip(double value) {
    CAPTURE(value);
    const std::string text = text_of(value);
    CAPTURE(text);
    REQUIRE(std::strtod(text.c_str(), nullptr) == value);

    const Json json(value);
    REQUIRE(json.number() == value);
    REQUIRE(to_text(json) == text);

    const auto read = parse_json(text);
    REQUIRE(read);
    REQUIRE(*read == json);
    REQUIRE(to_text(*read) == text);
}

}  // namespace

TEST_CASE("doubles are printed as ECMAScript prints them") {
    struct Row {
        std::uint64_t bits;
        std::string_view text;
    };
    // RFC 8785, appendix B; then some of our own.
    const Row rows[] = {
        {0x0000000000000000, "0"},
        {0x8000000000000000, "0"},
        {0x0000000000000001, "5e-324"},
        {0x8000000000000001, "-5e-324"},
        {0x7fefffffffffffff, "1.7976931348623157e+308"},
        {0xffefffffffffffff, "-1.7976931348623157e+308"},
        {0x4340000000000000, "9007199254740992"},
        {0xc340000000000000, "-9007199254740992"},
        {0x44b52d02c7e14af5, "9.999999999999997e+22"},
        {0x44b52d02c7e14af6, "1e+23"},
        {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
        {0x444b1ae4d6e2ef50, "1e+21"},
        {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
        {0x3eb0c6f7a0b5ed8d, "0.000001"},
        {0x41b3de4355555553, "333333333.3333332"},
        {0x41b3de4355555554, "333333333.33333325"},
        {0x41b3de4355555555, "333333333.3333333"},
        {0x41b3de4355555556, "333333333.3333334"},
        {0x41b3de4355555557, "333333333.33333343"},
        {0xbecbf647612f3696, "-0.0000033333333333333333"},
        {0x43143ff3c1cb0959, "1424953923781206.2"},
        {std::bit_cast<std::uint64_t>(0.1), "0.1"},
        {std::bit_cast<std::uint64_t>(-1.5), "-1.5"},
        {std::bit_cast<std::uint64_t>(100.0), "100"},
        {std::bit_cast<std::uint64_t>(1e-7), "1e-7"},
        {std::bit_cast<std::uint64_t>(1.25e-7), "1.25e-7"},
        {std::bit_cast<std::uint64_t>(123456.789), "123456.789"},
        {std::bit_cast<std::uint64_t>(4.35), "4.35"},
        {std::bit_cast<std::uint64_t>(std::ldexp(1.0, 60)), "1152921504606847000"},
        {std::bit_cast<std::uint64_t>(9223372036854774784.0), "9223372036854775000"},
        {std::bit_cast<std::uint64_t>(-9223372036854774784.0), "-9223372036854775000"},
    };
    for (const Row& row : rows) {
        CHECK(text_of(std::bit_cast<double>(row.bits)) == row.text);
        check_round_trip(std::bit_cast<double>(row.bits));
    }
}

TEST_CASE("whole doubles beyond int64 have an exponent, as their digits could not be read back") {
    struct Row {
        double value;
        std::string_view text;
    };
    const Row rows[] = {
        {9223372036854775808.0, "9.223372036854776e+18"},
        {-9223372036854775808.0, "-9.223372036854776e+18"},
        {1e19, "1e+19"},
        {1e20, "1e+20"},
        {-1e20, "-1e+20"},
        {295147905179352830000.0, "2.9514790517935283e+20"},
        {std::bit_cast<double>(std::uint64_t{0x444b1ae4d6e2ef4f}), "9.999999999999999e+20"},
        {1e21, "1e+21"},
    };
    for (const Row& row : rows) {
        CHECK(text_of(row.value) == row.text);
        CHECK(!Json(row.value).is_integer());
        check_round_trip(row.value);
    }
}

TEST_CASE("a number that is whole is an integer, however it was written") {
    struct Row {
        std::string_view text;
        std::int64_t value;
    };
    const Row rows[] = {
        {"0", 0},
        {"-0", 0},
        {"-0.0", 0},
        {"0e5", 0},
        {"1e-400", 0},
        {"12.0", 12},
        {"1.2e1", 12},
        {"120E-1", 12},
        {"1e18", 1'000'000'000'000'000'000},
        {"9007199254740993", 9007199254740993},    // an integer token is exact
        {"9007199254740993.0", 9007199254740992},  // a double is the nearest one
        {"1152921504606846976.0", 1152921504606847000},
        {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
        {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto json = parse_json(row.text);
        REQUIRE(json);
        REQUIRE(json->is_integer());
        CHECK(json->integer() == row.value);
        CHECK(*parse_json(to_text(*json)) == *json);
    }
    CHECK(parse_json("1e20")->is_number());
    CHECK(!parse_json("1e20")->is_integer());
    CHECK(!parse_json("0.5")->is_integer());
}

TEST_CASE("random doubles come back bit for bit") {
    SimRandom random(1);
    for (std::uint64_t i = 0; i < 100'000; i += test::kStep) {
        const double value = std::bit_cast<double>(random.next());
        if (std::isfinite(value)) check_round_trip(value);
    }
}

TEST_CASE("doubles near powers of two and ten come back bit for bit") {
    for (int power = -1074; power < 1024; ++power) {
        const double value = std::ldexp(1.0, power);
        for (const double near :
             {value, std::nextafter(value, 0.0), std::nextafter(value, 1e308)}) {
            check_round_trip(near);
            check_round_trip(-near);
        }
    }
    for (int power = -323; power <= 308; ++power) {
        const double value = std::strtod(("1e" + std::to_string(power)).c_str(), nullptr);
        for (const double near : {value, std::nextafter(value, 0.0), std::nextafter(value, 1e308)})
            check_round_trip(near);
    }
}

TEST_CASE("random whole doubles come back as the same double") {
    SimRandom random(2);
    for (std::uint64_t i = 0; i < 100'000; i += test::kStep) {
        const auto bits = static_cast<std::int64_t>(random.next());
        check_round_trip(static_cast<double>(bits >> random.below(64)));
    }
}

TEST_CASE("integers are exact at both ends") {
    for (const std::int64_t value : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                                     std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
        std::string text;
        append_integer(text, value);
        CHECK(text == std::to_string(value));
        CHECK(parse_json(text)->integer() == value);
    }
    std::string text;
    append_integer(text, std::numeric_limits<std::uint64_t>::max());
    CHECK(text == "18446744073709551615");
}
