#pragma once

#include <span>

#include "engine/rules/json_logic_program.h"

namespace se::json_logic {

/// Evaluates. What fails is told to the room, and with its place to this; from then on everything
/// is undefined, quickly.
class Machine {
public:
    Machine(JsRoom& room, std::size_t depth_max) : room_(room), depth_left_(depth_max) {}

    /// The result, and after a failure the room's error has its pointer.
    JsValue run(const Program& program, const JsValue& data);

private:
    using Arguments = std::span<const JsValue>;

    /// A place in a program and the data that it sees.
    struct Place {
        const Program& program;
        std::uint32_t node;
        const JsValue& data;

        const Node& get() const { return program.nodes[node]; }
        std::uint32_t count() const { return get().count; }
    };

    JsValue evaluate(const Program& program, std::uint32_t node, const JsValue& data);
    JsValue dispatch(const Place& place);
    /// An argument, or undefined where the rule has none.
    JsValue argument(const Place& place, std::uint32_t index);
    JsValue evaluate_list(const Place& place);

    JsValue choose(const Place& place);
    JsValue junction(const Place& place, bool stop_at);
    /// filter, map, reduce, all, none, some: the rule is the second argument, its data each item.
    JsValue each(const Place& place);
    JsValue filter(const Place& place, const JsValue& items);
    JsValue map(const Place& place, const JsValue& items);
    JsValue reduce(const Place& place, const JsValue& items);
    JsValue quantify(const Place& place, const JsValue& items);
    JsValue round(const Place& place, const JsValue& datum);

    JsValue call(const Place& place);
    JsValue apply(const Node& node, Arguments arguments, const JsValue& data);
    JsValue var(const JsValue& path, const JsValue& otherwise, const JsValue& data);
    JsValue missing(Arguments arguments, const JsValue& data);
    JsValue missing_some(const JsValue& needed, const JsValue& options, const JsValue& data);
    /// `apply({"var": key}, data)`: a key that is itself a rule is evaluated.
    JsValue var_of_key(const JsValue& key, const JsValue& data);
    /// Evaluates a value that is found while evaluating.
    JsValue evaluate_found(const JsValue& rule, const JsValue& data);

    JsRoom& room_;
    std::size_t depth_left_;
    const Program* main_ = nullptr;
    std::uint32_t failed_at_ = kNowhere;
};

/// The operations that need nothing but their arguments.
JsValue call_function(JsRoom& room, Operation operation, std::span<const JsValue> arguments);

}  // namespace se::json_logic
