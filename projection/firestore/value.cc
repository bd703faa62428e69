#include "projection/firestore/value.h"

#include <algorithm>
#include <cmath>

#include "journal/base/json_depth.h"
#include "journal/base/time_text.h"

namespace se::firestore {

bool Value::operator==(const Value&) const = default;

namespace {

using Array = Value::Array;
using Map = Value::Map;

constexpr std::string_view kArray = "se~array";
constexpr std::string_view kJson = "se~json";
bool is_reserved(std::string_view name) {
    return name.size() >= 4 && name.starts_with("__") && name.ends_with("__");
}

std::string field_name(std::string_view name) {
    if (!name.empty() && !is_reserved(name) && !name.starts_with(kEscape)) return std::string(name);
    return std::string(kEscape) + std::string(name);
}

/// What a name takes of the limit on a field's whole path: it may be quoted there, and has a dot.
std::size_t path_bytes(std::string_view name) {
    const auto escaped = std::ranges::count_if(name, [](char c) { return c == '`' || c == '\\'; });
    return name.size() + static_cast<std::size_t>(escaped) + 3;
}

/// So much of the path is always left, so that text can stand there instead.
constexpr std::size_t kPathReserve = 11;

/// What may still stand below a place.
struct Room {
    std::size_t levels;
    std::size_t path;

    bool has(std::size_t bytes) const { return bytes + kPathReserve <= path; }
    Room below(std::size_t levels_taken, std::size_t bytes) const {
        return {levels - levels_taken, path - bytes};
    }
};

bool has_long_name(const Json& json, Room room) {
    return std::ranges::any_of(json.object(), [&](const Json::Member& member) {
        return !room.has(path_bytes(field_name(member.first)));
    });
}

/// How many levels it takes when it is written without falling back to text for its depth.
std::size_t levels_of(const Json& json, bool in_array) {
    std::size_t below = 0;
    if (json.is_array()) {
        for (const Json& item : json.array()) below = std::max(below, levels_of(item, true));
        return below + (in_array ? 2 : 1);
    }
    if (!json.is_object()) return 0;
    for (const auto& [name, member] : json.object())
        below = std::max(below, levels_of(member, false));
    return below + 1;
}

Value wrapped(std::string_view name, Value value) {
    Map map;
    map.emplace_back(std::string(name), std::move(value));
    return {std::move(map)};
}

Value convert(const Json& json, Room room, bool in_array);

Value convert_object(const Json& json, Room room) {
    Map map;
    map.reserve(json.object().size());
    for (const auto& [name, member] : json.object()) {
        std::string field = field_name(name);
        const Room below = room.below(1, path_bytes(field));
        map.emplace_back(std::move(field), convert(member, below, false));
    }
    sort(map);
    return {std::move(map)};
}

bool fits(const Json& json, Room room, bool in_array) {
    if (room.levels <= 2 && levels_of(json, in_array) > room.levels) return false;
    if (json.is_object()) return !has_long_name(json, room);
    return !in_array || room.has(path_bytes(kArray));
}

Value convert(const Json& json, Room room, bool in_array) {
    switch (json.type()) {
        case Json::Type::null:
            return {nullptr};
        case Json::Type::boolean:
            return {json.boolean()};
        case Json::Type::integer:
            return {json.integer()};
        case Json::Type::number:
            return {json.number()};
        case Json::Type::string:
            return {json.string()};
        case Json::Type::array:
        case Json::Type::object:
            break;
    }
    if (!fits(json, room, in_array)) return wrapped(kJson, {to_text(json)});
    if (json.is_object()) return convert_object(json, room);
    Array items;
    items.reserve(json.array().size());
    const Room below = in_array ? room.below(2, path_bytes(kArray)) : room.below(1, 0);
    for (const Json& item : json.array()) items.push_back(convert(item, below, true));
    if (!in_array) return {std::move(items)};
    return wrapped(kArray, {std::move(items)});
}

std::string base64(std::string_view bytes) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i)
            bits =
                bits << 8 | (at + i < bytes.size() ? static_cast<std::uint8_t>(bytes[at + i]) : 0u);
        const std::size_t digits = std::min<std::size_t>(bytes.size() - at, 3) + 1;
        for (std::size_t i = 0; i < 4; ++i)
            text += i < digits ? kDigits[bits >> (18 - 6 * i) & 63u] : '=';
    }
    return text;
}

std::string iso_text(const Timestamp& timestamp) {
    const std::chrono::milliseconds millis = std::chrono::seconds(timestamp.seconds) +
                                             std::chrono::milliseconds(timestamp.nanos / 1'000'000);
    return se::to_text(Time(millis));
}

Result<Json> json_of_number(double number) {
    if (!std::isfinite(number)) return Error{Errc::malformed, "a number that is not finite"};
    return Json(number);
}

Result<Json> json_of_array(const Array& items) {
    Json::Array array;
    array.reserve(items.size());
    for (const Value& item : items) {
        SE_TRY(json, json_of(item));
        array.push_back(std::move(json));
    }
    return Json(std::move(array));
}

Result<Json> json_of_map(const Map& map) {
    if (map.size() == 1 && map.front().name == kArray) {
        if (const Array* items = map.front().value.as<Array>()) return json_of_array(*items);
    }
    if (map.size() == 1 && map.front().name == kJson) {
        if (const auto* text = map.front().value.as<std::string>())
            return parse_json(*text, kJsonDepthTrusted);
    }
    Json::Object object;
    object.reserve(map.size());
    for (const auto& [name, member] : map) {
        SE_TRY(json, json_of(member));
        const bool escaped = name.starts_with(kEscape);
        object.emplace_back(escaped ? name.substr(kEscape.size()) : name, std::move(json));
    }
    const auto by_name = [](const Json::Member& member) -> const std::string& {
        return member.first;
    };
    std::ranges::sort(object, {}, by_name);
    if (std::ranges::adjacent_find(object, {}, by_name) != object.end())
        return Error{Errc::malformed, "two members of one name behind their escapes"};
    return Json(std::move(object));
}

}  // namespace

Timestamp timestamp_of(Time time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const std::chrono::nanoseconds rest = time - seconds;
    return {seconds.time_since_epoch().count(), static_cast<std::int32_t>(rest.count())};
}

const Value* find(const Fields& fields, std::string_view name) {
    const auto at = std::ranges::lower_bound(
        fields, name, {}, [](const auto& field) { return std::string_view(field.name); });
    return at == fields.end() || at->name != name ? nullptr : &at->value;
}

void set(Fields& fields, std::string name, Value value) {
    const auto at =
        std::ranges::lower_bound(fields, name, {}, [](const auto& field) { return field.name; });
    if (at != fields.end() && at->name == name) {
        at->value = std::move(value);
    } else {
        fields.emplace(at, std::move(name), std::move(value));
    }
}

void sort(Fields& fields) {
    std::ranges::sort(fields, {},
                      [](const auto& field) -> const std::string& { return field.name; });
}

Value value_of(const Json& json, std::size_t levels) {
    SE_ASSERT(levels >= 1);
    return convert(json, {levels, kFieldPathBytesMax}, false);
}

Result<Json> json_of(const Value& value) {
    struct Visit {
        Result<Json> operator()(std::nullptr_t) const { return Json(); }
        Result<Json> operator()(bool truth) const { return Json(truth); }
        Result<Json> operator()(std::int64_t integer) const { return Json(integer); }
        Result<Json> operator()(double number) const { return json_of_number(number); }
        Result<Json> operator()(const Timestamp& time) const { return Json(iso_text(time)); }
        Result<Json> operator()(const std::string& text) const { return Json(text); }
        Result<Json> operator()(const Bytes& bytes) const { return Json(base64(bytes.bytes)); }
        Result<Json> operator()(const Reference& reference) const { return Json(reference.name); }
        Result<Json> operator()(const GeoPoint& point) const {
            SE_TRY(latitude, json_of_number(point.latitude));
            SE_TRY(longitude, json_of_number(point.longitude));
            return Json(Json::Object{{"latitude", latitude}, {"longitude", longitude}});
        }
        Result<Json> operator()(const Array& items) const { return json_of_array(items); }
        Result<Json> operator()(const Map& map) const { return json_of_map(map); }
    };
    return std::visit(Visit{}, value.is);
}

std::size_t bytes_of(const Value& value) {
    struct Visit {
        std::size_t operator()(std::nullptr_t) const { return 1; }
        std::size_t operator()(bool) const { return 1; }
        std::size_t operator()(std::int64_t) const { return 8; }
        std::size_t operator()(double) const { return 8; }
        std::size_t operator()(const Timestamp&) const { return 8; }
        std::size_t operator()(const std::string& text) const { return text.size() + 1; }
        std::size_t operator()(const Bytes& bytes) const { return bytes.bytes.size(); }
        std::size_t operator()(const Reference& reference) const {
            return reference.name.size() + 16;
        }
        std::size_t operator()(const GeoPoint&) const { return 16; }
        std::size_t operator()(const Array& items) const {
            std::size_t bytes = 0;
            for (const Value& item : items) bytes += bytes_of(item);
            return bytes;
        }
        std::size_t operator()(const Map& map) const { return bytes_of(map) + 32; }
    };
    return std::visit(Visit{}, value.is);
}

std::size_t bytes_of(const Fields& fields) {
    std::size_t bytes = 0;
    for (const auto& [name, value] : fields) bytes += name.size() + 1 + bytes_of(value);
    return bytes;
}

}  // namespace se::firestore
