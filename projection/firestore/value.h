#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "journal/base/clock.h"
#include "journal/base/json.h"
#include "journal/base/result.h"

/// State and log as Firestore documents. Nothing here knows a wire: see DocumentStore.
namespace se::firestore {

struct Timestamp {
    std::int64_t seconds = 0;  ///< since 1970
    std::int32_t nanos = 0;

    auto operator<=>(const Timestamp&) const = default;
};
Timestamp timestamp_of(Time time);

struct Bytes {
    std::string bytes;
    bool operator==(const Bytes&) const = default;
};
struct Reference {
    std::string name;
    bool operator==(const Reference&) const = default;
};
struct GeoPoint {
    double latitude = 0, longitude = 0;
    bool operator==(const GeoPoint&) const = default;
};

struct Field;

/// What a field of a document holds. Bytes, references and points are never written by us; they may
/// be met in documents of others.
struct Value {
    using Array = std::vector<Value>;
    using Map = std::vector<Field>;  ///< in byte order of the names, unique

    std::variant<std::nullptr_t, bool, std::int64_t, double, Timestamp, std::string, Bytes,
                 Reference, GeoPoint, Array, Map>
        is;

    template <class T>
    const T* as() const {
        return std::get_if<T>(&is);
    }
    bool operator==(const Value&) const;
};
struct Field {
    std::string name;
    Value value;

    Field(std::string its_name, Value its_value)
        : name(std::move(its_name)), value(std::move(its_value)) {}
    bool operator==(const Field&) const = default;
};
using Fields = Value::Map;

/// The member of that name, or nullptr.
const Value* find(const Fields& fields, std::string_view name);
/// Sets a member, keeping the order.
void set(Fields& fields, std::string name, Value value);
/// Puts fields that were added in any order into theirs. Needs unique names.
void sort(Fields& fields);

/// Maps and arrays within each other, the field itself being the first.
inline constexpr std::size_t kLevelsMax = 20;
/// All names from the document's field down to a member, with dots and quotes; Firestore's limit is
/// 1,500 with the field's own name.
inline constexpr std::size_t kFieldPathBytesMax = 1'460;
/// Before a member name that Firestore would not take, and before one that begins like this.
inline constexpr std::string_view kEscape = "se~";

/// JSON as Firestore can hold it; json_of() gives exactly the same JSON back. Integers, doubles,
/// texts, maps and arrays are themselves. What Firestore refuses is written so:
///
///     [1, [2]]                      an array in an array      [1, {"se~array": [2]}]
///     {"": 1, "__x__": 2}           empty and reserved names  {"se~": 1, "se~__x__": 2}
///     {"se~a": 1}                   names like those          {"se~se~a": 1}
///     {<too long>: 1}               a path of names too long  {"se~json": "{…}"}
///     what is deeper than `levels`  as its canonical text     {"se~json": "…"}
///
/// Needs levels ≥ 1.
Value value_of(const Json& json, std::size_t levels = kLevelsMax);

/// The other way. Timestamps become ISO texts, bytes base64, references their names, points
/// {"latitude","longitude"}. Errc::malformed for what no JSON can say (NaN, infinities).
Result<Json> json_of(const Value& value);

/// By Firestore's own rules of counting.
std::size_t bytes_of(const Value& value);
std::size_t bytes_of(const Fields& fields);

}  // namespace se::firestore
