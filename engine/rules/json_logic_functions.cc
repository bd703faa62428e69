#include <cmath>
#include <limits>

#include "engine/rules/js_number.h"
#include "engine/rules/js_string.h"
#include "engine/rules/json_logic_machine.h"
#include "engine/rules/planted.h"

namespace se::json_logic {
namespace {

using Arguments = std::span<const JsValue>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is_less(JsRoom& room, const JsValue& a, const JsValue& b, bool or_equal) {
    const Order order = order_of(room, a, b);
    return order == Order::less || (or_equal && order == Order::equal);
}

/// a < b, or with a third a < b < c.
bool between(JsRoom& room, const JsValue& a, const JsValue& b, const JsValue& c, bool or_equal) {
    if (!is_less(room, a, b, or_equal)) return false;
    if (c.is_undefined() || planted(Planted::between_forgets_third)) return true;
    return is_less(room, b, c, or_equal);
}

bool in(JsRoom& room, const JsValue& what, const JsValue& where) {
    if (!where.truthy()) return false;
    if (where.is_string()) {
        const std::string_view needle = to_string(room, what).string();
        return room.spend(where.string().size()) && contains_units(where.string(), needle);
    }
    if (where.is_array()) {
        const std::size_t size = where.array_size();
        for (std::size_t i = 0; i < size && room.spend(sizeof(JsValue)); ++i)
            if (strictly_equal(where.item(i), what)) return true;
        return false;
    }
    // A member of that name is taken for the method, and JSON has no functions.
    if (const Json* json = where.json(); json != nullptr && json->find("indexOf") != nullptr)
        room.type_error("b.indexOf is not a function");
    return false;
}

JsValue cat(JsRoom& room, Arguments arguments) {
    std::string text;
    for (const JsValue& piece : arguments)
        if (!piece.is_undefined() && !piece.is_null()) append_string(room, text, piece);
    return room.failed() ? JsValue() : room.make_string(text);
}

/// String.prototype.substr
JsValue substr_of(JsRoom& room, std::string_view text, double start, double length) {
    if (!room.spend(text.size())) return {};
    const bool in_bytes = planted(Planted::substr_counts_bytes);
    const auto size = static_cast<double>(in_bytes ? text.size() : unit_count(text));
    const double begin = start < 0 ? std::max(size + start, 0.0) : std::min(start, size);
    const double end = std::min(begin + std::min(std::max(length, 0.0), size), size);
    if (in_bytes)
        return room.make_string(
            text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
    std::string part;
    append_units(part, text, static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
    return room.make_string(part);
}

JsValue substr(JsRoom& room, const JsValue& source, const JsValue& start, const JsValue& end) {
    // A negative end counts from the back, which JavaScript's own substr does not know.
    const bool from_back = order_of(room, end, 0.0) == Order::less;
    const std::string_view text = to_string(room, source).string();
    const double begin = to_whole(room, start);
    if (!from_back) {
        const double length = end.is_undefined() ? kInfinity : to_whole(room, end);
        return substr_of(room, text, begin, length);
    }
    const JsValue tail = substr_of(room, text, begin, kInfinity);
    if (room.failed()) return {};
    // `length + end` joins texts when the end is not a number: "9-2", which is none, and so 0.
    const double size = static_cast<double>(unit_count(tail.string()));
    const double length = end.is_number() ? std::trunc(size + end.number()) : 0;
    return substr_of(room, tail.string(), 0, length);
}

JsValue sum(JsRoom& room, Arguments arguments) {
    double total = 0;
    for (const JsValue& value : arguments) {
        const double left = to_parsed_float(room, total);
        total = left + to_parsed_float(room, value);
    }
    return total;
}

JsValue product(JsRoom& room, Arguments arguments) {
    if (arguments.empty()) {
        room.type_error("Reduce of empty array with no initial value");
        return {};
    }
    JsValue total = arguments[0];  // alone, it stays what it is
    for (const JsValue& value : arguments.subspan(1)) {
        const double left = to_parsed_float(room, total);
        total = left * to_parsed_float(room, value);
    }
    return total;
}

JsValue arithmetic(JsRoom& room, Operation operation, const JsValue& a, const JsValue& b) {
    // One behind the other: which of two failures comes first must not depend on the compiler.
    const double left = to_number(room, a);
    if (operation == Operation::minus && b.is_undefined()) return -left;
    const double right = to_number(room, b);
    if (operation == Operation::minus) return left - right;
    return operation == Operation::divide ? left / right : std::fmod(left, right);
}

/// Math.min and Math.max: everything is made a number, one NaN is enough, and -0 is below 0.
JsValue extreme(JsRoom& room, Arguments arguments, bool largest) {
    double found = largest ? -kInfinity : kInfinity;
    for (const JsValue& value : arguments) {
        const double number = to_number(room, value);
        if (std::isnan(found) || std::isnan(number))
            found = std::numeric_limits<double>::quiet_NaN();
        else if (number == found)
            found = std::signbit(number) == largest ? found : number;
        else if (largest ? number > found : number < found)
            found = number;
    }
    return found;
}

JsValue merge(JsRoom& room, Arguments arguments) {
    std::size_t size = 0;
    for (const JsValue& value : arguments) size += value.is_array() ? value.array_size() : 1;
    JsArray* const merged = room.make_array(size);
    if (merged == nullptr) return {};
    for (const JsValue& value : arguments) {
        if (!value.is_array()) {
            merged->items[merged->size++] = value;
            continue;
        }
        for (std::size_t i = 0; i < value.array_size(); ++i)
            merged->items[merged->size++] = value.item(i);
    }
    return room.finish(merged);
}

}  // namespace

JsValue call_function(JsRoom& room, Operation operation, Arguments arguments) {
    const auto at = [arguments](std::size_t index) {
        return index < arguments.size() ? arguments[index] : JsValue();
    };
    const JsValue a = at(0), b = at(1), c = at(2);
    switch (operation) {
        case Operation::equal:
            return loosely_equal(room, a, b);
        case Operation::identical:
            return strictly_equal(a, b);
        case Operation::different:
            return !loosely_equal(room, a, b);
        case Operation::not_identical:
            return !strictly_equal(a, b);
        case Operation::greater:
            return is_less(room, b, a, false);
        case Operation::greater_or_equal:
            return is_less(room, b, a, true);
        case Operation::less:
            return between(room, a, b, c, false);
        case Operation::less_or_equal:
            return between(room, a, b, c, true);
        case Operation::truth:
            return json_logic_truthy(a);
        case Operation::negation:
            return !json_logic_truthy(a);
        case Operation::modulo:
        case Operation::divide:
        case Operation::minus:
            return arithmetic(room, operation, a, b);
        case Operation::log:
            return a;
        case Operation::in:
            return in(room, a, b);
        case Operation::cat:
            return cat(room, arguments);
        case Operation::substr:
            return substr(room, a, b, c);
        case Operation::plus:
            return sum(room, arguments);
        case Operation::times:
            return product(room, arguments);
        case Operation::min:
            return extreme(room, arguments, false);
        case Operation::max:
            return extreme(room, arguments, true);
        case Operation::merge:
            return merge(room, arguments);
        default:
            break;
    }
    constexpr bool needs_no_more_than_its_arguments = false;
    SE_ASSERT(needs_no_more_than_its_arguments);
    return {};
}

}  // namespace se::json_logic
