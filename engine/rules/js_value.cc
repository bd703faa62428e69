#include "engine/rules/js_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "engine/rules/js_number.h"
#include "engine/rules/js_string.h"
#include "engine/rules/planted.h"

namespace se {
namespace {

constexpr std::string_view kObjectText = "[object Object]";

/// The index that a member's name is, written as JavaScript writes one: no sign, no leading zero.
std::optional<std::size_t> index_of(std::string_view name) {
    if (name.empty() || (name[0] == '0' && name.size() > 1)) return std::nullopt;
    std::size_t index = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), index);
    if (read.ec != std::errc{} || read.ptr != name.data() + name.size()) return std::nullopt;
    return index;
}

/// Array.prototype.join(",")
void append_items(JsRoom& room, std::string& out, const JsValue& array) {
    const std::size_t size = array.array_size();
    for (std::size_t i = 0; i < size && room.spend(sizeof(JsValue)); ++i) {
        if (i > 0) out += ',';
        const JsValue item = array.item(i);
        if (!item.is_undefined() && !item.is_null()) append_string(room, out, item);
    }
}

/// Arrays become their text, objects "[object Object]"; the rest stays as it is.
JsValue to_primitive(JsRoom& room, const JsValue& value) {
    return value.is_array() || value.is_object() ? to_string(room, value) : value;
}

/// What there is to look at in a text costs, also when no text is made of it.
double number_of_string(JsRoom& room, std::string_view text) {
    return room.spend(text.size()) ? number_of_text(text) : kNaN;
}

}  // namespace

JsValue::JsValue(const Json& json) {
    switch (json.type()) {
        case Json::Type::null:
            *this = nullptr;
            break;
        case Json::Type::boolean:
            *this = json.boolean();
            break;
        case Json::Type::integer:
        case Json::Type::number:
            *this = json.number();
            break;
        case Json::Type::string:
            *this = std::string_view(json.string());
            break;
        case Json::Type::array:
            kind_ = Kind::array;
            json_ = &json;
            break;
        case Json::Type::object:
            kind_ = Kind::object;
            json_ = &json;
            break;
    }
}

std::size_t JsValue::array_size() const {
    return origin_ == Origin::made ? array_->size : json_->array().size();
}

JsValue JsValue::item(std::size_t index) const {
    if (origin_ == Origin::made) return array_->items[index];
    return json_->array()[index];
}

bool JsValue::truthy() const {
    switch (kind_) {
        case Kind::undefined:
        case Kind::null:
            return false;
        case Kind::boolean:
            return boolean_;
        case Kind::number:
            return number_ != 0 && !std::isnan(number_);
        case Kind::string:
            return size_ != 0;
        case Kind::array:
        case Kind::object:
            return true;
    }
    return false;
}

bool strictly_equal(const JsValue& a, const JsValue& b) {
    using Kind = JsValue::Kind;
    if (a.kind_ != b.kind_) return false;
    switch (a.kind_) {
        case Kind::undefined:
        case Kind::null:
            return true;
        case Kind::boolean:
            return a.boolean_ == b.boolean_;
        case Kind::number:
            return a.number_ == b.number_;
        case Kind::string:
            return a.string() == b.string();
        case Kind::array:
        case Kind::object:
            return a.host_ == b.host_;  // whichever it is: the address is the identity
    }
    return false;
}

bool JsRoom::fail(Errc code, std::string text) {
    if (!failed_) error_ = {code, std::move(text)};
    failed_ = true;
    return false;
}

bool JsRoom::out_of_steps() {
    left_ = 0;
    return fail(Errc::too_large,
                "the rule needs more than " + std::to_string(steps_max_) + " steps");
}

void* JsRoom::allocate(std::size_t bytes, std::size_t alignment) {
    return spend(bytes) ? memory_.allocate(bytes, alignment) : nullptr;
}

JsValue JsRoom::make_string(std::string_view text) {
    if (text.empty()) return std::string_view();
    void* const bytes = allocate(text.size(), 1);
    if (bytes == nullptr) return {};
    std::memcpy(bytes, text.data(), text.size());
    return std::string_view(static_cast<const char*>(bytes), text.size());
}

JsArray* JsRoom::make_array(std::size_t size) {
    void* const bytes = allocate(sizeof(JsArray) + size * sizeof(JsValue), alignof(JsArray));
    if (bytes == nullptr) return nullptr;
    auto* const array = new (bytes) JsArray;
    array->items = reinterpret_cast<JsValue*>(array + 1);
    std::uninitialized_default_construct_n(array->items, size);
    return array;
}

JsValue JsRoom::finish(JsArray* array) {
    for (std::size_t i = 0; i < array->size; ++i)
        if (const JsArray* inner = array->items[i].made_array())
            array->depth = std::max(array->depth, inner->depth + 1);
    if (array->depth > kMadeDepthMax) {
        fail(Errc::too_large,
             "the rule makes arrays more than " + std::to_string(kMadeDepthMax) + " levels deep");
        return {};
    }
    return array;
}

JsValue JsRoom::make_scope(JsValue current, JsValue accumulator) {
    void* const bytes = allocate(sizeof(JsScope), alignof(JsScope));
    if (bytes == nullptr) return {};
    return new (bytes) JsScope{current, accumulator};
}

double to_number(JsRoom& room, const JsValue& value) {
    switch (value.kind()) {
        case JsValue::Kind::undefined:
            return kNaN;
        case JsValue::Kind::null:
            return 0;
        case JsValue::Kind::boolean:
            return value.boolean() ? 1 : 0;
        case JsValue::Kind::number:
            return value.number();
        case JsValue::Kind::string:
            return number_of_string(room, value.string());
        case JsValue::Kind::array:
        case JsValue::Kind::object:
            return number_of_string(room, to_primitive(room, value).string());
    }
    return kNaN;
}

void append_string(JsRoom& room, std::string& out, const JsValue& value) {
    const std::size_t before = out.size();
    switch (value.kind()) {
        case JsValue::Kind::undefined:
            out += "undefined";
            break;
        case JsValue::Kind::null:
            out += "null";
            break;
        case JsValue::Kind::boolean:
            out += value.boolean() ? "true" : "false";
            break;
        case JsValue::Kind::number:
            append_number_text(out, value.number());
            break;
        case JsValue::Kind::string:
            if (room.spend(value.string().size())) append_joined(out, value.string());
            return;
        case JsValue::Kind::array:
            append_items(room, out, value);
            return;
        case JsValue::Kind::object:
            // A member of that name hides the method, and JSON has no functions.
            if (const Json* json = value.json();
                json != nullptr && json->find("toString") != nullptr)
                room.type_error("Cannot convert object to primitive value");
            out += kObjectText;
            break;
    }
    room.spend(out.size() - before);
}

JsValue to_string(JsRoom& room, const JsValue& value) {
    if (value.is_string()) return value;
    std::string text;
    append_string(room, text, value);
    // A string in any case: who asks need not ask twice.
    const JsValue made = room.failed() ? JsValue() : room.make_string(text);
    return made.is_string() ? made : JsValue(std::string_view());
}

double to_parsed_float(JsRoom& room, const JsValue& value) {
    if (planted(Planted::plus_takes_whole_texts)) return to_number(room, value);
    // Through its text and back a number stays what it is, save that there is no "-0".
    if (value.is_number()) return value.number() == 0 ? 0 : value.number();
    const JsValue text = to_string(room, value);
    return room.spend(text.string().size()) ? parse_float(text.string()) : kNaN;
}

double to_whole(JsRoom& room, const JsValue& value) {
    const double number = to_number(room, value);
    return std::isnan(number) ? 0 : std::trunc(number);
}

bool loosely_equal(JsRoom& room, const JsValue& a, const JsValue& b) {
    using Kind = JsValue::Kind;
    const auto is_reference = [](const JsValue& v) { return v.is_array() || v.is_object(); };
    const auto is_nothing = [](const JsValue& v) { return v.is_undefined() || v.is_null(); };
    if (a.kind() == b.kind()) {
        if (a.is_string() && !room.spend(std::min(a.string().size(), b.string().size())))
            return false;
        return strictly_equal(a, b);
    }
    if (is_reference(a) && is_reference(b)) return false;
    if (is_nothing(a) || is_nothing(b)) {
        if (planted(Planted::null_equals_zero)) return !a.truthy() && !b.truthy();
        return is_nothing(a) && is_nothing(b);
    }
    if (a.kind() == Kind::boolean) return loosely_equal(room, to_number(room, a), b);
    if (b.kind() == Kind::boolean) return loosely_equal(room, a, to_number(room, b));
    if (is_reference(a)) return loosely_equal(room, to_primitive(room, a), b);
    if (is_reference(b)) return loosely_equal(room, a, to_primitive(room, b));
    return to_number(room, a) == to_number(room, b);  // a number and a string
}

Order order_of(JsRoom& room, const JsValue& a, const JsValue& b) {
    const JsValue left = to_primitive(room, a), right = to_primitive(room, b);
    if (left.is_string() && right.is_string()) {
        room.spend(std::min(left.string().size(), right.string().size()));
        const int order = planted(Planted::texts_ordered_by_bytes)
                              ? left.string().compare(right.string())
                              : compare_units(left.string(), right.string());
        return order < 0 ? Order::less : order > 0 ? Order::greater : Order::equal;
    }
    const double x = to_number(room, left), y = to_number(room, right);
    if (std::isnan(x) || std::isnan(y)) return Order::none;
    return x < y ? Order::less : x > y ? Order::greater : Order::equal;
}

JsValue own_member(JsRoom& room, const JsValue& value, std::string_view name) {
    if (const Json* json = value.json(); json != nullptr && value.is_object()) {
        const Json* const member = json->find(name);
        return member == nullptr ? JsValue() : JsValue(*member);
    }
    if (const JsScope* scope = value.scope()) {
        if (name == "current") return scope->current;
        if (name == "accumulator") return scope->accumulator;
        return {};
    }
    if (value.is_array()) {
        if (name == "length") return static_cast<double>(value.array_size());
        const auto index = index_of(name);
        return index && *index < value.array_size() ? value.item(*index) : JsValue();
    }
    if (!value.is_string() || !room.spend(value.string().size())) return {};
    const std::size_t units = unit_count(value.string());
    if (name == "length") return static_cast<double>(units);
    const auto index = index_of(name);
    if (!index || *index >= units) return {};
    std::string unit;
    append_units(unit, value.string(), *index, *index + 1);
    return room.make_string(unit);
}

void append_js(JsRoom& room, std::string& out, const JsValue& value) {
    if (!room.spend(sizeof(JsValue))) return;
    const std::size_t before = out.size();
    if (value.is_undefined() || (value.is_number() && !std::isfinite(value.number()))) {
        out += R"({"$js":")";
        append_string(room, out, value);
        out += "\"}";
    } else if (value.is_null()) {
        out += "null";
    } else if (value.kind() == JsValue::Kind::boolean) {
        out += value.boolean() ? "true" : "false";
    } else if (value.is_number()) {
        append_json_number(out, value.number());
    } else if (value.is_string()) {
        append_json_units(out, value.string());
    } else if (const Json* json = value.json()) {
        append_json(out, *json);
    } else if (const JsHost* host = value.host()) {
        append_json(out, host->to_json());
    } else if (const JsScope* scope = value.scope()) {
        out += R"({"accumulator":)";
        append_js(room, out, scope->accumulator);
        out += R"(,"current":)";
        append_js(room, out, scope->current);
        out += '}';
        return;
    } else {
        out += '[';
        for (std::size_t i = 0; i < value.array_size() && !room.failed(); ++i) {
            if (i > 0) out += ',';
            append_js(room, out, value.item(i));
        }
        out += ']';
        return;
    }
    room.spend(out.size() - before);
}

}  // namespace se
