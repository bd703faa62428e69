#include "engine/rules/json_logic_program.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace se::json_logic {
namespace {

struct Name {
    std::string_view name;
    Operation operation;
    int parameters;  ///< the function's `length`; -1: it is no function but part of the language
};

constexpr Name kNames[] = {
    {"if", Operation::choose, -1},
    {"?:", Operation::choose, -1},
    {"and", Operation::conjunction, -1},
    {"or", Operation::disjunction, -1},
    {"filter", Operation::filter, -1},
    {"map", Operation::map, -1},
    {"reduce", Operation::reduce, -1},
    {"all", Operation::all, -1},
    {"none", Operation::none, -1},
    {"some", Operation::some, -1},
    {"==", Operation::equal, 2},
    {"===", Operation::identical, 2},
    {"!=", Operation::different, 2},
    {"!==", Operation::not_identical, 2},
    {">", Operation::greater, 2},
    {">=", Operation::greater_or_equal, 2},
    {"<", Operation::less, 3},
    {"<=", Operation::less_or_equal, 3},
    {"!!", Operation::truth, 1},
    {"!", Operation::negation, 1},
    {"%", Operation::modulo, 2},
    {"log", Operation::log, 1},
    {"in", Operation::in, 2},
    {"cat", Operation::cat, 0},
    {"substr", Operation::substr, 3},
    {"+", Operation::plus, 0},
    {"*", Operation::times, 0},
    {"-", Operation::minus, 2},
    {"/", Operation::divide, 2},
    {"min", Operation::min, 0},
    {"max", Operation::max, 0},
    {"merge", Operation::merge, 0},
    {"var", Operation::var, 2},
    {"missing", Operation::missing, 0},
    {"missing_some", Operation::missing_some, 2},
};

const Name* find_name(std::string_view name) {
    const auto at = std::ranges::find(kNames, name, &Name::name);
    return at == std::end(kNames) ? nullptr : at;
}

/// json-logic-js takes `a.b` for member b of operation a, for the sake of operations that somebody
/// added. Without any, the members are those that JavaScript's functions have: `length`, `name` and
/// `prototype`, whose `constructor` is the function again.
struct Dotted {
    Operation operation = Operation::unrecognized;
    std::string_view failed_at = {};  ///< when it is unrecognized
};

Dotted resolve_dotted(std::string_view whole) {
    enum class Place { operations, function, prototype, number, text };
    Place place = Place::operations;
    const Name* function = nullptr;
    std::string_view text;
    for (std::size_t begin = 0; begin <= whole.size();) {
        const std::size_t end = std::min(whole.find('.', begin), whole.size());
        const std::string_view step = whole.substr(begin, end - begin);
        bool found = false;
        if (place == Place::operations) {
            function = find_name(step);
            found = function != nullptr && function->parameters >= 0;
            place = Place::function;
        } else if (place == Place::function) {
            found = step == "length" || step == "name" || step == "prototype";
            place = step == "length" ? Place::number
                    : step == "name" ? Place::text
                                     : Place::prototype;
            text = function->name;
        } else if (place == Place::prototype) {
            found = step == "constructor";
            place = Place::function;
        } else if (place == Place::text) {
            // A text has its length and its letters; all names here are ASCII.
            std::size_t index = 0;
            const auto read = std::from_chars(step.data(), step.data() + step.size(), index);
            const bool letter = read.ec == std::errc{} && read.ptr == step.data() + step.size() &&
                                index < text.size() && (step == "0" || step[0] != '0');
            found = letter || step == "length";
            if (letter)
                text = text.substr(index, 1);
            else
                place = Place::number;
        }
        if (!found) return {Operation::unrecognized, whole.substr(0, end)};
        begin = end + 1;
    }
    return {place == Place::function ? function->operation : Operation::uncallable};
}

bool has_inner_dot(std::string_view name) {
    const std::size_t dot = name.find('.');
    return dot != name.npos && dot > 0;
}

class Compiler {
public:
    explicit Compiler(std::size_t depth_max) : depth_max_(depth_max) {}

    Result<Program> run(const JsValue& rule) {
        program_.nodes.resize(1);
        if (const auto too_deep = compile(rule, 0, 0))
            return Error{Errc::malformed,
                         "the rule has more than " + std::to_string(depth_max_) +
                             " operations and lists in one another",
                         pointer_to(program_, *too_deep)};
        return std::move(program_);
    }

private:
    /// Yields the node that is too deep.
    std::optional<std::uint32_t> compile(const JsValue& rule, std::uint32_t node,
                                         std::size_t depth) {
        if (rule.is_array()) {
            if (depth >= depth_max_) return node;
            at(node).operation = Operation::list;
            return compile_children(rule, node, depth);
        }
        const Json* const object = rule.is_object() ? rule.json() : nullptr;
        if (object == nullptr || object->object().size() != 1) {
            at(node).constant = rule;
            return std::nullopt;
        }
        if (depth >= depth_max_) return node;
        const auto& [name, value] = object->object().front();
        at(node).name = &name;
        at(node).operation = operation_named(name);
        at(node).listed = value.is_array();
        return compile_children(value, node, depth);
    }

    std::optional<std::uint32_t> compile_children(const JsValue& values, std::uint32_t node,
                                                  std::size_t depth) {
        const bool several = values.is_array();
        const auto first = static_cast<std::uint32_t>(program_.nodes.size());
        const auto count = static_cast<std::uint32_t>(several ? values.array_size() : 1);
        at(node).first = first;
        at(node).count = count;
        program_.nodes.resize(first + count);
        for (std::uint32_t i = 0; i < count; ++i) {
            at(first + i).parent = node;
            if (const auto deep = compile(several ? values.item(i) : values, first + i, depth + 1))
                return deep;
        }
        return std::nullopt;
    }

    Node& at(std::uint32_t node) { return program_.nodes[node]; }

    std::size_t depth_max_;
    Program program_;
};

}  // namespace

Operation operation_named(std::string_view name) {
    if (const Name* known = find_name(name)) return known->operation;
    return has_inner_dot(name) ? resolve_dotted(name).operation : Operation::unrecognized;
}

Result<Program> compile(const JsValue& rule, std::size_t depth_max) {
    return Compiler(depth_max).run(rule);
}

std::string pointer_to(const Program& program, std::uint32_t node) {
    std::string pointer;
    for (std::uint32_t parent = program.nodes[node].parent; parent != kNowhere;
         node = parent, parent = program.nodes[node].parent) {
        const Node& above = program.nodes[parent];
        if (above.operation == Operation::list || above.listed)
            pointer.insert(0, "/" + std::to_string(node - above.first));
        if (above.operation == Operation::list) continue;
        std::string step = "/";
        for (const char c : *above.name) {
            if (c == '~')
                step += "~0";
            else if (c == '/')
                step += "~1";
            else
                step += c;
        }
        pointer.insert(0, step);
    }
    return pointer;
}

std::string unrecognized_text(std::string_view name) {
    std::string text = "Unrecognized operation " + std::string(name);
    if (has_inner_dot(name))
        text += " (failed at " + std::string(resolve_dotted(name).failed_at) + ")";
    return text;
}

}  // namespace se::json_logic
