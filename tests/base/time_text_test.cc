#include "journal/base/time_text.h"

#include <doctest/doctest.h>

#include "tests/sim/sim_random.h"

using namespace se;
using namespace std::chrono;

namespace {

Time at(std::int64_t milliseconds_since_1970) {
    return Time(milliseconds(milliseconds_since_1970));
}

}  // namespace

TEST_CASE("a time is written in UTC with milliseconds") {
    CHECK(to_text(at(0)) == "1970-01-01T00:00:00.000Z");
    CHECK(to_text(at(1)) == "1970-01-01T00:00:00.001Z");
    CHECK(to_text(at(-1)) == "1969-12-31T23:59:59.999Z");
    CHECK(to_text(at(1795226400000)) == "2026-11-21T02:00:00.000Z");
    CHECK(to_text(at(951782400123)) == "2000-02-29T00:00:00.123Z");
    std::string out = "at ";
    append_time(out, at(0));
    CHECK(out == "at 1970-01-01T00:00:00.000Z");
}

TEST_CASE("times that four digits cannot tell are brought to the nearest that they can") {
    CHECK(to_text(Time::min()) == "0001-01-01T00:00:00.000Z");
    CHECK(to_text(Time::max()) == "9999-12-31T23:59:59.999Z");
    CHECK(to_text(Time(sys_days{year{0} / 12 / 31})) == "0001-01-01T00:00:00.000Z");
    CHECK(to_text(Time(sys_days{year{10000} / 1 / 1})) == "9999-12-31T23:59:59.999Z");
}

TEST_CASE("RFC 3339 is read, with any offset and any number of fraction digits") {
    struct Row {
        std::string_view text;
        std::string_view utc;
    };
    const Row rows[] = {
        {"2026-11-21T02:00:00Z", "2026-11-21T02:00:00.000Z"},
        {"2026-11-21t02:00:00z", "2026-11-21T02:00:00.000Z"},
        {"2026-11-21T02:00:00.5Z", "2026-11-21T02:00:00.500Z"},
        {"2026-11-21T02:00:00.05Z", "2026-11-21T02:00:00.050Z"},
        {"2026-11-21T02:00:00.1239999999999999999999Z", "2026-11-21T02:00:00.123Z"},
        {"2026-11-21T02:00:00+02:00", "2026-11-21T00:00:00.000Z"},
        {"2026-11-21T02:00:00.25-09:30", "2026-11-21T11:30:00.250Z"},
        {"2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z"},
        {"2026-11-21T02:00:00-00:00", "2026-11-21T02:00:00.000Z"},
        {"2024-02-29T23:59:59.999+00:00", "2024-02-29T23:59:59.999Z"},
        {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"},
        {"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"},
        // A leap second is the end of its day, wherever the clock on the wall stands.
        {"1990-12-31T23:59:60Z", "1990-12-31T23:59:59.999Z"},
        {"1990-12-31T15:59:60.5-08:00", "1990-12-31T23:59:59.999Z"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto time = time_from_text(row.text);
        REQUIRE(time);
        CHECK(to_text(*time) == row.utc);
    }
}

TEST_CASE("what is no such time is not read") {
    for (const std::string_view text : {"",
                                        "2026",
                                        "2026-11-21",
                                        "2026-11-21T02:00Z",
                                        "2026-11-21T02:00:00",
                                        "2026-11-21 02:00:00Z",
                                        "2026-11-21T02:00:00.Z",
                                        "2026-11-21T02:00:00,5Z",
                                        "2026-11-21T02:00:00ZZ",
                                        "2026-11-21T02:00:00Z ",
                                        " 2026-11-21T02:00:00Z",
                                        "2026-11-21T24:00:00Z",
                                        "2026-11-21T02:60:00Z",
                                        "2026-11-21T02:00:61Z",
                                        "2026-11-21T02:00:60Z",
                                        "2026-00-21T02:00:00Z",
                                        "2026-13-21T02:00:00Z",
                                        "2026-11-31T02:00:00Z",
                                        "2026-02-29T02:00:00Z",
                                        "1900-02-29T02:00:00Z",
                                        "2026-11-00T02:00:00Z",
                                        "2026-11-21T02:00:00+0200",
                                        "2026-11-21T02:00:00+02",
                                        "2026-11-21T02:00:00+24:00",
                                        "2026-11-21T02:00:00+02:60",
                                        "2026-1-21T02:00:00Z",
                                        "-026-11-21T02:00:00Z",
                                        "+2026-11-21T02:00:00Z",
                                        "2026/11/21T02:00:00Z",
                                        "2026-11-21T0x:00:00Z",
                                        "1795226400"}) {
        CAPTURE(text);
        CHECK(!time_from_text(text));
    }
}

TEST_CASE("every prefix of a time is no time, and the time comes back") {
    const Time first = sys_days{year{1} / 1 / 1};
    const auto span =
        static_cast<std::uint64_t>((Time(sys_days{year{9999} / 12 / 31}) - first).count());
    SimRandom random(3);
    for (int i = 0; i < 20'000; ++i) {
        const Time time = first + milliseconds(static_cast<std::int64_t>(random.below(span)));
        const std::string text = to_text(time);
        REQUIRE(text.size() == 24);
        REQUIRE(time_from_text(text) == time);
        REQUIRE(!time_from_text(std::string_view(text).substr(0, random.below(24))));
    }
}
