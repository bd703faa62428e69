#include "engine/rules/json_logic_machine.h"

#include <algorithm>
#include <array>

#include "engine/rules/planted.h"

namespace se::json_logic {
namespace {

/// More arguments than these are put into the room.
constexpr std::size_t kArgumentsInPlace = 4;

JsValue at(std::span<const JsValue> arguments, std::size_t index) {
    return index < arguments.size() ? arguments[index] : JsValue();
}

}  // namespace

JsValue Machine::run(const Program& program, const JsValue& data) {
    main_ = &program;
    const JsValue result = evaluate(program, 0, data);
    if (room_.failed() && failed_at_ != kNowhere)
        room_.error().pointer = pointer_to(program, failed_at_);
    return result;
}

JsValue Machine::evaluate(const Program& program, std::uint32_t node, const JsValue& data) {
    const Place place{program, node, data};
    if (place.get().operation == Operation::constant) return place.get().constant;
    if (room_.failed()) return {};
    if (depth_left_ == 0) {
        room_.fail(Errc::too_large, "the rule finds rules in its data, too deep in one another");
        return {};
    }
    --depth_left_;
    JsValue result;
    if (room_.spend_step()) result = dispatch(place);
    ++depth_left_;
    // The innermost place of the rule itself; rules found in data have none.
    if (room_.failed() && failed_at_ == kNowhere && &program == main_) failed_at_ = node;
    return result;
}

JsValue Machine::dispatch(const Place& place) {
    switch (place.get().operation) {
        case Operation::list:
            return evaluate_list(place);
        case Operation::choose:
            return choose(place);
        case Operation::conjunction:
            return junction(place, false);
        case Operation::disjunction:
            return junction(place, true);
        case Operation::filter:
        case Operation::map:
        case Operation::reduce:
        case Operation::all:
        case Operation::none:
        case Operation::some:
            return each(place);
        default:
            return call(place);
    }
}

JsValue Machine::argument(const Place& place, std::uint32_t index) {
    if (index >= place.count()) return {};
    return evaluate(place.program, place.get().first + index, place.data);
}

JsValue Machine::evaluate_list(const Place& place) {
    JsArray* const list = room_.make_array(place.count());
    if (list == nullptr) return {};
    for (std::uint32_t i = 0; i < place.count(); ++i) list->items[i] = argument(place, i);
    list->size = place.count();
    return room_.finish(list);
}

JsValue Machine::choose(const Place& place) {
    std::uint32_t i = 0;
    for (; i + 1 < place.count(); i += 2)
        if (json_logic_truthy(argument(place, i))) return argument(place, i + 1);
    return i < place.count() ? argument(place, i) : JsValue(nullptr);
}

JsValue Machine::junction(const Place& place, bool stop_at) {
    JsValue current;
    for (std::uint32_t i = 0; i < place.count() && !room_.failed(); ++i) {
        current = argument(place, i);
        if (json_logic_truthy(current) == stop_at) break;
    }
    if (planted(Planted::and_yields_boolean) && !stop_at) return json_logic_truthy(current);
    return current;
}

JsValue Machine::each(const Place& place) {
    const JsValue items = argument(place, 0);
    switch (place.get().operation) {
        case Operation::filter:
            return filter(place, items);
        case Operation::map:
            return map(place, items);
        case Operation::reduce:
            return reduce(place, items);
        default:
            return quantify(place, items);
    }
}

JsValue Machine::round(const Place& place, const JsValue& datum) {
    if (!room_.spend_step() || place.count() < 2) return {};
    return evaluate(place.program, place.get().first + 1, datum);
}

JsValue Machine::filter(const Place& place, const JsValue& items) {
    const std::size_t size = items.is_array() ? items.array_size() : 0;
    JsArray* const kept = room_.make_array(size);
    if (kept == nullptr) return {};
    for (std::size_t i = 0; i < size && !room_.failed(); ++i) {
        const JsValue item = items.item(i);
        if (json_logic_truthy(round(place, item))) kept->items[kept->size++] = item;
    }
    return room_.finish(kept);
}

JsValue Machine::map(const Place& place, const JsValue& items) {
    const std::size_t size = items.is_array() ? items.array_size() : 0;
    JsArray* const mapped = room_.make_array(size);
    if (mapped == nullptr) return {};
    for (std::size_t i = 0; i < size && !room_.failed(); ++i)
        mapped->items[i] = round(place, items.item(i));
    mapped->size = size;
    return room_.finish(mapped);
}

JsValue Machine::reduce(const Place& place, const JsValue& items) {
    JsValue accumulator = argument(place, 2);
    // One that is written down and yields undefined stays undefined; one that is not there is null.
    const bool given = place.count() > 2 && [&] {
        const Node& initial = place.program.nodes[place.get().first + 2];
        return initial.operation != Operation::constant || !initial.constant.is_undefined();
    }();
    if (!given) accumulator = nullptr;
    if (!items.is_array()) return accumulator;
    std::size_t i = 0;
    if (planted(Planted::reduce_from_first) && !given && items.array_size() > 0)
        accumulator = items.item(i++);
    for (; i < items.array_size() && !room_.failed(); ++i)
        accumulator = round(place, room_.make_scope(items.item(i), accumulator));
    return accumulator;
}

JsValue Machine::quantify(const Place& place, const JsValue& items) {
    const Operation operation = place.get().operation;
    const std::size_t size = items.is_array() ? items.array_size() : 0;
    if (planted(Planted::all_of_nothing) && size == 0) return operation != Operation::some;
    if (size == 0) return operation == Operation::none;
    const bool stop_at = operation != Operation::all;
    for (std::size_t i = 0; i < size && !room_.failed(); ++i)
        if (json_logic_truthy(round(place, items.item(i))) == stop_at)
            return operation == Operation::some;
    return operation != Operation::some;
}

JsValue Machine::call(const Place& place) {
    const std::uint32_t count = place.count();
    std::array<JsValue, kArgumentsInPlace> in_place;
    JsValue* arguments = in_place.data();
    if (count > kArgumentsInPlace) {
        JsArray* const more = room_.make_array(count);
        if (more == nullptr) return {};
        arguments = more->items;
    }
    for (std::uint32_t i = 0; i < count; ++i) arguments[i] = argument(place, i);
    if (room_.failed()) return {};
    return apply(place.get(), Arguments(arguments, count), place.data);
}

JsValue Machine::apply(const Node& node, Arguments arguments, const JsValue& data) {
    switch (node.operation) {
        case Operation::var:
            return var(at(arguments, 0), at(arguments, 1), data);
        case Operation::missing:
            return missing(arguments, data);
        case Operation::missing_some:
            return missing_some(at(arguments, 0), at(arguments, 1), data);
        case Operation::uncallable:
            room_.type_error("operation.apply is not a function");
            return {};
        case Operation::unrecognized:
            room_.fail(Errc::malformed, unrecognized_text(*node.name));
            return {};
        default:
            return call_function(room_, node.operation, arguments);
    }
}

JsValue Machine::var(const JsValue& path, const JsValue& otherwise, const JsValue& data) {
    if (path.is_undefined() || path.is_null()) return data;
    const std::string_view whole = to_string(room_, path).string();
    if (path.is_string() && whole.empty()) return data;
    const JsValue not_found = otherwise.is_undefined() ? JsValue(nullptr) : otherwise;
    JsValue found = data;
    std::string_view rest = whole;
    for (;;) {
        if (found.is_undefined() || found.is_null()) return not_found;
        std::size_t taken = std::min(rest.find('.'), rest.size());
        if (const JsHost* host = found.host())
            found = host->find(rest, taken);
        else
            found = own_member(room_, found, rest.substr(0, taken));
        if (found.is_undefined()) return not_found;
        if (taken >= rest.size()) break;
        rest.remove_prefix(taken + 1);
    }
    if (planted(Planted::default_for_null) && found.is_null()) return not_found;
    return found;
}

JsValue Machine::missing(Arguments arguments, const JsValue& data) {
    const bool listed = !arguments.empty() && arguments[0].is_array();
    const std::size_t size = listed ? arguments[0].array_size() : arguments.size();
    JsArray* const keys = room_.make_array(size);
    if (keys == nullptr) return {};
    for (std::size_t i = 0; i < size && room_.spend_step(); ++i) {
        const JsValue key = listed ? arguments[0].item(i) : arguments[i];
        const JsValue value = var_of_key(key, data);
        const bool empty = value.is_string() && value.string().empty();
        if (value.is_null() || (empty && !planted(Planted::missing_forgives_empty)))
            keys->items[keys->size++] = key;
    }
    return room_.finish(keys);
}

JsValue Machine::missing_some(const JsValue& needed, const JsValue& options, const JsValue& data) {
    // As json-logic-js does it: {"missing": options} is a rule of its own, so options that are
    // rules are evaluated once more.
    const bool listed = options.is_array();
    const std::size_t count = listed ? options.array_size() : 1;
    JsArray* const keys = room_.make_array(count);
    if (keys == nullptr) return {};
    for (std::size_t i = 0; i < count && room_.spend_step(); ++i)
        keys->items[i] = evaluate_found(listed ? options.item(i) : options, data);
    keys->size = count;
    const JsValue absent = missing(Arguments(keys->items, count), data);
    if (room_.failed()) return {};

    if (options.is_undefined() || options.is_null()) {
        room_.type_error(std::string("Cannot read properties of ") +
                         (options.is_null() ? "null" : "undefined") + " (reading 'length')");
        return {};
    }
    JsValue length;
    if (const JsHost* host = options.host()) {
        std::size_t taken = 0;
        length = host->find("length", taken);
    } else {
        length = own_member(room_, options, "length");
    }
    const double there = to_number(room_, length) - static_cast<double>(absent.array_size());
    const Order order = order_of(room_, there, needed);
    if (order != Order::greater && order != Order::equal) return absent;
    return room_.finish(room_.make_array(0));
}

JsValue Machine::var_of_key(const JsValue& key, const JsValue& data) {
    if (!key.is_array()) return var(evaluate_found(key, data), {}, data);
    const JsValue path = key.array_size() > 0 ? evaluate_found(key.item(0), data) : JsValue();
    const JsValue otherwise = key.array_size() > 1 ? evaluate_found(key.item(1), data) : JsValue();
    // More arguments mean nothing to var, but they are evaluated, and may fail.
    for (std::size_t i = 2; i < key.array_size() && !room_.failed(); ++i)
        evaluate_found(key.item(i), data);
    return var(path, otherwise, data);
}

JsValue Machine::evaluate_found(const JsValue& rule, const JsValue& data) {
    if (room_.failed()) return {};
    const Json* const object = rule.is_object() ? rule.json() : nullptr;
    if (!rule.is_array() && (object == nullptr || object->object().size() != 1)) return rule;
    auto program = compile(rule, depth_left_);
    if (!program) {
        room_.fail(Errc::too_large, "the rule finds rules in its data, too deep in one another");
        return {};
    }
    if (!room_.spend(program->nodes.size() * sizeof(Node))) return {};
    return evaluate(*program, 0, data);
}

}  // namespace se::json_logic
