// JsonLogic against what json-logic-js 2.0.5 really returned, and its own limits. Chance is the
// business of differential.sh.

#include "engine/rules/json_logic.h"
#include "tests/places.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/json_of.h"

using namespace se;
using se::test::json_of;

namespace {

Json read_file(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    auto json = parse_json(text.str());
    REQUIRE_MESSAGE(json, path);
    return std::move(*json);
}

/// The line that a row of the golden file asks for. It was written as JSON, so what JSON lacks
/// stands as text.
std::string wanted_line(const Json& row) {
    std::string line;
    JsonObject object(line);
    if (const Json* error = row.find("error")) {
        object.text("error", error->string()).close();
        return line;
    }
    const Json& result = *row.find("result");
    if (result == Json("__undefined__"))
        object.raw("result", R"({"$js":"undefined"})");
    else if (result == Json("Infinity"))
        object.raw("result", R"({"$js":"Infinity"})");
    else
        object.raw("result", to_text(result));
    object.close();
    return line;
}

std::string nested(std::size_t depth) {
    std::string rule;
    for (std::size_t i = 0; i < depth; ++i) rule += R"({"!":[)";
    rule += "true";
    for (std::size_t i = 0; i < depth; ++i) rule += "]}";
    return rule;
}

}  // namespace

TEST_CASE(
    "every recorded case of json-logic-js 2.0.5 gives its result, its truthiness or its error") {
    const Json rows = read_file(test::source_dir() + "/tests/golden/jsonlogic_cases.json");
    REQUIRE(rows.array().size() == 76);
    for (const Json& row : rows.array()) {
        const std::string rule = to_text(*row.find("rule"));
        INFO(rule);
        const JsValue data(*row.find("data"));
        CHECK(json_logic_line(*row.find("rule"), data).text == wanted_line(row));
        const Json* const truthy = row.find("truthyIf");
        if (truthy == nullptr) continue;
        auto logic = JsonLogic::compile(*row.find("rule"));
        REQUIRE(logic);
        JsRoom room(logic->steps_max());
        const auto result = logic->evaluate(room, data);
        REQUIRE(result);
        CHECK(result->truthy() == truthy->boolean());
    }
}

TEST_CASE("all 278 classic JsonLogic cases hold") {
    const std::string path =
        test::source_dir() + "/../shared/data/jsonlogic_compatible.json";
    if (!std::filesystem::exists(path)) {
        std::cout << "SKIP: all 278 classic JsonLogic cases hold: "
                     "../shared/data/jsonlogic_compatible.json is not there\n";
        return;
    }
    std::size_t count = 0;
    const Json rows = read_file(path);
    for (const Json& row : rows.array()) {
        if (!row.is_object()) continue;  // a heading
        ++count;
        INFO(row.find("description")->string());
        const Json* const data = row.find("data");
        const JsonLogicLine line =
            json_logic_line(*row.find("rule"), data == nullptr ? JsValue() : JsValue(*data));
        CHECK(line.text == wanted_line(row));
    }
    CHECK(count == 278);
}

TEST_CASE("a rule that goes on too long stops at its steps, and says how many it may have") {
    const Json rule = json_of(R"({"map":[{"var":""},{"map":[{"var":""},1]}]})");
    Json::Array many(200, Json(Json::Array(200, Json(1))));
    const Json data(many);
    const JsonLogicLine line = json_logic_line(rule, data);
    CHECK(line.failed);
    CHECK(line.text == R"({"error":"the rule needs more than 10000 steps"})");
    CHECK_FALSE(json_logic_line(rule, data, {.steps = 1'000'000}).failed);
}

TEST_CASE("a text that doubles itself meets the limit of steps before memory is gone") {
    const Json rule = json_of(
        R"({"reduce":[{"var":""},{"cat":[{"var":"accumulator"},{"var":"accumulator"}]},"aaaaaaaa"]})");
    const Json data(Json::Array(60, Json(1)));
    CHECK(json_logic_line(rule, data).text ==
          R"({"error":"the rule needs more than 10000 steps"})");
}

TEST_CASE("a rule deeper than its limit is refused when it is compiled, with its place") {
    CHECK(JsonLogic::compile(json_of(nested(64))));
    const auto refused = JsonLogic::compile(json_of(nested(65)));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::malformed);
    CHECK(refused.error().text == "the rule has more than 64 operations and lists in one another");
    CHECK(refused.error().pointer.ends_with("/!/0"));
}

TEST_CASE("operations that others added are errors when they are reached, and only then") {
    for (const char* name : {"val", "exists", "??", "try", "throw", "length", "not", "coalesce"}) {
        INFO(name);
        const Json rule(Json::Object{{name, Json(Json::Array{Json(1)})}});
        CHECK(json_logic_line(rule, JsValue()).text ==
              "{\"error\":\"Unrecognized operation " + std::string(name) + "\"}");
        const Json passed_over(
            Json::Object{{"if", Json(Json::Array{Json(true), Json("fine"), rule})}});
        CHECK(json_logic_line(passed_over, JsValue()).text == R"({"result":"fine"})");
    }
}

TEST_CASE("an error says where in the rule it happened") {
    const JsonLogicLine line =
        json_logic_line(json_of(R"({"and":[true,{"==":[1,{"nope":[]}]}]})"), JsValue());
    CHECK(line.failed);
    CHECK(line.pointer == "/and/1/==/1");
}
