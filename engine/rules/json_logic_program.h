#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/rules/json_logic.h"

namespace se::json_logic {

enum class Operation : std::uint8_t {
    constant,
    list,
    // These decide themselves what they evaluate, and over which data.
    choose,  // if ?:
    conjunction,
    disjunction,
    filter,
    map,
    reduce,
    all,
    none,
    some,
    // These get their arguments evaluated, all of them, in order.
    equal,
    identical,
    different,
    not_identical,
    greater,
    greater_or_equal,
    less,
    less_or_equal,
    truth,
    negation,
    modulo,
    log,
    in,
    cat,
    substr,
    plus,
    times,
    minus,
    divide,
    min,
    max,
    merge,
    var,
    missing,
    missing_some,
    uncallable,  // a name with dots that leads to something that is no function
    unrecognized,
};

inline constexpr std::uint32_t kNowhere = 0xffff'ffff;

/// One place of a rule. Its children stand in a row.
struct Node {
    JsValue constant = {};
    const std::string* name = nullptr;  ///< of an operation: as the rule has it
    std::uint32_t first = 0, count = 0;
    std::uint32_t parent = kNowhere;
    Operation operation = Operation::constant;
    bool listed = false;  ///< the arguments were in a list: {"!": [x]} and not {"!": x}
};

/// A rule, flat: the first node is the whole of it. Its constants are views of the rule.
struct Program {
    std::vector<Node> nodes;
};

/// Errc::malformed: deeper than `depth_max`. The rule may be any value: `missing` also evaluates
/// what it finds in the data.
Result<Program> compile(const JsValue& rule, std::size_t depth_max);

/// What a name means, `unrecognized` if nothing.
Operation operation_named(std::string_view name);

/// RFC 6901: where the node stands in the rule.
std::string pointer_to(const Program& program, std::uint32_t node);

/// "Unrecognized operation x", as json-logic-js puts it.
std::string unrecognized_text(std::string_view name);

}  // namespace se::json_logic
