// JSON as Firestore can hold it, and back.

#include "projection/firestore/value.h"

#include <doctest/doctest.h>

#include "tests/firestore/random_json.h"

namespace se::firestore {
namespace {

Json deep_json(std::string_view text) {
    const auto json = parse_json(text, 1'000);
    REQUIRE_MESSAGE(json, json.error().text);
    return *json;
}

/// As the documents of Firestore's own consoles would show it, by way of our JSON.
std::string in_firestore(const Value& value) {
    if (const auto* map = value.as<Value::Map>()) {
        std::string text = "{";
        for (const auto& [name, member] : *map)
            text += (text.size() > 1 ? "," : "") + to_text(Json(name)) + ":" + in_firestore(member);
        return text + "}";
    }
    if (const auto* items = value.as<Value::Array>()) {
        std::string text = "[";
        for (const Value& item : *items) text += (text.size() > 1 ? "," : "") + in_firestore(item);
        return text + "]";
    }
    return to_text(*json_of(value));
}

std::size_t levels(const Value& value) {
    std::size_t below = 0;
    if (const auto* items = value.as<Value::Array>()) {
        for (const Value& item : *items) below = std::max(below, levels(item));
        return below + 1;
    }
    const auto* map = value.as<Value::Map>();
    if (map == nullptr) return 0;
    for (const auto& [name, member] : *map) below = std::max(below, levels(member));
    return below + 1;
}

TEST_CASE("JSON is itself in Firestore, and what Firestore refuses has a form of its own") {
    struct Row {
        const char* json;
        const char* kept;
    };
    const Row rows[] = {
        {R"("on")", R"("on")"},
        {R"(null)", R"(null)"},
        {R"(9223372036854775807)", R"(9223372036854775807)"},
        {R"({"b":[1,2.5],"a":{}})", R"({"a":{},"b":[1,2.5]})"},
        {R"([1,[2,[3]],[]])", R"([1,{"se~array":[2,{"se~array":[3]}]},{"se~array":[]}])"},
        {R"([{"a":[1]}])", R"([{"a":[1]}])"},
        {R"({"":1,"__x__":2,"__":3})", R"({"__":3,"se~":1,"se~__x__":2})"},
        {R"({"se~a":1})", R"({"se~se~a":1})"},
        {R"({"se~array":[1]})", R"({"se~se~array":[1]})"},
        {R"({"se~json":"1"})", R"({"se~se~json":"1"})"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.json);
        const Json json = deep_json(row.json);
        CHECK(in_firestore(value_of(json)) == row.kept);
        CHECK(to_text(*json_of(value_of(json))) == to_text(json));
    }
    CHECK(value_of(deep_json("2")).as<std::int64_t>() != nullptr);
    CHECK(value_of(deep_json("2.5")).as<double>() != nullptr);

    const Json long_name = Json(Json::Object{{std::string(1'501, 'n'), Json(1)}});
    CHECK(in_firestore(value_of(long_name)).starts_with("{\"se~json\":"));
    CHECK(*json_of(value_of(long_name)) == long_name);
}

TEST_CASE("what is deeper than Firestore allows is kept as its text, and no sooner") {
    for (std::size_t depth = 1; depth < 40; ++depth) {
        for (const bool arrays : {false, true}) {
            std::string text = "1";
            for (std::size_t i = 0; i < depth; ++i)
                text = arrays ? "[" + text + "]" : "{\"a\":" + text + "}";
            const Json json = deep_json(text);
            CAPTURE(text);
            const Value value = value_of(json);
            CHECK(levels(value) <= kLevelsMax);
            CHECK(*json_of(value) == json);
            const bool fits = arrays ? 2 * depth - 1 <= kLevelsMax : depth <= kLevelsMax;
            CHECK((in_firestore(value).find("se~json") == std::string::npos) == fits);
        }
    }
}

TEST_CASE("any canonical JSON survives the way to Firestore and back bit for bit") {
    SimRandom random(7);
    for (int i = 0; i < 20'000; ++i) {
        const Json json = random_json(random, 1 + random.below(30));
        const std::size_t allowed = 1 + random.below(kLevelsMax);
        const Value value = value_of(json, allowed);
        CAPTURE(i);
        REQUIRE(levels(value) <= allowed);
        const auto back = json_of(value);
        REQUIRE(back);
        REQUIRE(to_text(*back) == to_text(json));
    }
}

TEST_CASE("what others keep in Firestore and JSON lacks becomes what JSON has, or is refused") {
    CHECK(*json_of(Value{Timestamp{1'700'000'000, 123'456'789}}) ==
          Json("2023-11-14T22:13:20.123Z"));
    CHECK(*json_of(Value{Bytes{"abcd"}}) == Json("YWJjZA=="));
    CHECK(*json_of(Value{-0.0}) == Json(0));
    CHECK(*json_of(Value{3.0}) == Json(3));
    CHECK(*json_of(Value{GeoPoint{1, 2}}) == deep_json(R"({"latitude":1,"longitude":2})"));
    CHECK_FALSE(json_of(Value{0.0 / 0.0}));
}

}  // namespace
}  // namespace se::firestore
