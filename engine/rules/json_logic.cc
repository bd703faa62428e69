#include "engine/rules/json_logic.h"

#include "engine/rules/js_string.h"
#include "engine/rules/json_logic_machine.h"
#include "engine/rules/planted.h"

namespace se {
namespace {

/// Deeper than any rule may be: what is too deep is told with its place in the rule.
constexpr std::size_t kLineDepthMax = 1000;

JsonLogicLine failure(const Error& error) {
    JsonLogicLine line{.failed = true, .pointer = error.pointer};
    JsonObject object(line.text);
    std::string text;
    append_json_units(text, error.text);
    object.raw("error", text).close();
    return line;
}

}  // namespace

JsonLogic::JsonLogic(Json rule, const JsonLogicLimits& limits)
    : rule_(std::make_unique<const Json>(std::move(rule))), limits_(limits) {}
JsonLogic::JsonLogic(JsonLogic&&) noexcept = default;
JsonLogic& JsonLogic::operator=(JsonLogic&&) noexcept = default;
JsonLogic::~JsonLogic() = default;

Result<JsonLogic> JsonLogic::compile(Json rule, const JsonLogicLimits& limits) {
    JsonLogic logic(std::move(rule), limits);
    SE_TRY(program, json_logic::compile(*logic.rule_, limits.depth));
    logic.program_ = std::make_unique<const json_logic::Program>(std::move(program));
    return logic;
}

Result<JsValue> JsonLogic::evaluate(JsRoom& room, const JsValue& data) const {
    json_logic::Machine machine(room, limits_.depth);
    const JsValue result = machine.run(*program_, data);
    if (room.failed()) return room.take_error();
    return result;
}

bool is_json_logic_operation(std::string_view name) {
    return json_logic::operation_named(name) != json_logic::Operation::unrecognized;
}

bool json_logic_truthy(const JsValue& value) {
    if (value.is_array() && value.array_size() == 0) return planted(Planted::empty_array_is_truthy);
    return value.truthy();
}

JsonLogicLine json_logic_line(const Json& rule, const JsValue& data,
                              const JsonLogicLimits& limits) {
    const auto logic = JsonLogic::compile(rule, limits);
    if (!logic) return failure(logic.error());
    JsRoom room(limits.steps);
    const auto result = logic->evaluate(room, data);
    if (!result) return failure(result.error());
    JsonLogicLine line;
    JsonObject object(line.text);
    append_js(room, object.member("result"), *result);
    object.close();
    if (room.failed()) return failure(room.error());  // a result too large to be shown
    return line;
}

JsonLogicLine json_logic_line(std::string_view rule_and_data, const JsonLogicLimits& limits) {
    const auto json = parse_json(rule_and_data, kLineDepthMax);
    if (!json) return failure(json.error());
    const Json* const rule = json->find("rule");
    if (rule == nullptr) return failure({Errc::malformed, R"(the line is no {"rule":…,"data":…})"});
    const Json* const data = json->find("data");
    return json_logic_line(*rule, data == nullptr ? JsValue() : JsValue(*data), limits);
}

}  // namespace se
