#include "engine/policy/units.h"

#include <doctest/doctest.h>

#include <optional>

using namespace se;

TEST_CASE("a quantity has a unit or is in the base unit") {
    struct Row {
        Unit unit;
        const char* text;
        std::optional<std::uint64_t> value;
    };
    const auto none = std::nullopt;
    const Row rows[] = {
        {Unit::count, "0", 0},
        {Unit::count, "42", 42},
        {Unit::count, "-1", none},
        {Unit::count, "+1", none},
        {Unit::count, "1.5", none},
        {Unit::count, "1s", none},
        {Unit::count, "", none},
        {Unit::count, " 1", none},
        {Unit::count, "1 ", none},
        {Unit::count, "0x10", none},
        {Unit::count, "18446744073709551615", UINT64_MAX},
        {Unit::count, "18446744073709551616", none},
        {Unit::bytes, "512", 512},
        {Unit::bytes, "512B", 512},
        {Unit::bytes, "64KiB", 64u << 10},
        {Unit::bytes, "64MiB", 64u << 20},
        {Unit::bytes, "1GiB", 1u << 30},
        {Unit::bytes, "2TiB", std::uint64_t{2} << 40},
        {Unit::bytes, "64MB", none},
        {Unit::bytes, "64mib", none},
        {Unit::bytes, "MiB", none},
        {Unit::bytes, "64 MiB", none},
        {Unit::bytes, "16777216TiB", none},
        {Unit::bytes, "16777215TiB", 16777215ull << 40},
        {Unit::milliseconds, "250", 250},
        {Unit::milliseconds, "250ms", 250},
        {Unit::milliseconds, "10s", 10'000},
        {Unit::milliseconds, "5m", 300'000},
        {Unit::milliseconds, "1h", 3'600'000},
        {Unit::milliseconds, "7d", 604'800'000},
        {Unit::milliseconds, "1.5s", none},
        {Unit::milliseconds, "1us", none},
        {Unit::seconds, "90", 90},
        {Unit::seconds, "90s", 90},
        {Unit::seconds, "2m", 120},
        {Unit::seconds, "3650d", 315'360'000},
        {Unit::seconds, "90ms", none},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto value = parse_quantity(row.text, row.unit);
        REQUIRE(static_cast<bool>(value) == row.value.has_value());
        if (value)
            CHECK(*value == *row.value);
        else
            CHECK(value.error().text.starts_with("must be "));
    }
}

TEST_CASE("a quantity is told in its largest exact unit and read back") {
    struct Row {
        Unit unit;
        std::uint64_t value;
        const char* text;
    };
    const Row rows[] = {
        {Unit::count, 65'536, "65536"},      {Unit::bytes, 0, "0"},
        {Unit::bytes, 256, "256"},           {Unit::bytes, 1023, "1023"},
        {Unit::bytes, 64u << 20, "64MiB"},   {Unit::bytes, (64u << 20) + 1024, "65537KiB"},
        {Unit::bytes, 1ull << 40, "1TiB"},   {Unit::milliseconds, 0, "0ms"},
        {Unit::milliseconds, 250, "250ms"},  {Unit::milliseconds, 10'000, "10s"},
        {Unit::milliseconds, 90'000, "90s"}, {Unit::milliseconds, 120'000, "2m"},
        {Unit::seconds, 86'400, "1d"},       {Unit::seconds, 0, "0s"},
    };
    for (const Row& row : rows) {
        CHECK(quantity_text(row.value, row.unit) == row.text);
        CHECK(*parse_quantity(row.text, row.unit) == row.value);
    }
}
