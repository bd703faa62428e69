#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/rules/js_value.h"

namespace se {

struct JsonLogicLimits {
    /// Steps of one evaluation: an operation, a list and a round of a loop are one each, and so is
    /// every KiB that is looked at or made. More: it fails, Errc::too_large.
    std::uint64_t steps = 10'000;
    /// Operations and lists in one another. A deeper rule is not compiled; a rule that finds rules
    /// in its data (`missing` does) and gets deeper by that fails.
    std::size_t depth = 64;
};

namespace json_logic {
struct Program;
}

/// A JsonLogic rule, compiled once, evaluated often, from several threads if need be. It means what
/// json-logic-js 2.0.5 makes of it, to the letter: coercions, truthiness, order of evaluation and
/// errors. So a rule is never wrong at load, only when it is evaluated: an operation that does not
/// exist is an error when it is reached. What is meant to differ:
///
/// - var finds own members only: nothing of JavaScript's prototypes;
/// - log prints nothing;
/// - there are limits.
class JsonLogic {
public:
    /// Errc::malformed, with a pointer into the rule: it is too deep.
    static Result<JsonLogic> compile(Json rule, const JsonLogicLimits& limits = {});

    JsonLogic(JsonLogic&&) noexcept;
    JsonLogic& operator=(JsonLogic&&) noexcept;
    ~JsonLogic();

    const Json& rule() const { return *rule_; }

    /// The result; it lives as long as the room, the data and this. An error has json-logic-js'
    /// text, or that of a limit, and a pointer into the rule to the operation that failed.
    Result<JsValue> evaluate(JsRoom& room, const JsValue& data) const;
    /// A room as the limits want it.
    std::uint64_t steps_max() const { return limits_.steps; }

private:
    JsonLogic(Json rule, const JsonLogicLimits& limits);

    std::unique_ptr<const Json> rule_;
    std::unique_ptr<const json_logic::Program> program_;
    JsonLogicLimits limits_;
};

/// Whether json-logic-js has an operation of that name.
bool is_json_logic_operation(std::string_view name);

/// What JsonLogic calls true: JavaScript's truthiness, but an empty array is false. (Whether a
/// rule's `when` matched is JavaScript's alone: JsValue::truthy.)
bool json_logic_truthy(const JsValue& value);

/// One evaluation as a line of JSON, without the newline: {"result":…} or {"error":"…"}. A result
/// that JSON lacks is {"$js":"undefined"}, NaN, Infinity or -Infinity, inside a result too.
struct JsonLogicLine {
    std::string text;
    bool failed = false;
    std::string pointer = {};  ///< when it failed: where in the rule
};
JsonLogicLine json_logic_line(const Json& rule, const JsValue& data,
                              const JsonLogicLimits& limits = {});
/// The same of {"rule":…,"data":…}; without data the rule sees undefined. A line that is no such
/// object is an error.
JsonLogicLine json_logic_line(std::string_view rule_and_data, const JsonLogicLimits& limits = {});

}  // namespace se
