#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "journal/base/result.h"

namespace se {

/// A JSON value in canonical form: members sorted by the bytes of their names and unique; integers
/// exact in int64; every other number a finite double. Two values are equal exactly when their
/// canonical texts are, and a canonical text reads back as the same value. Hashes and state roots
/// use that text.
///
/// For that, a number has one form only, whatever way it was written. A whole double is the integer
/// that its ECMAScript text shows, if int64 can hold that:
///
///     12, 12.0, 1.2e1               12
///     -0.0                          0
///     9007199254740993.0            9007199254740992
///     1152921504606846976.0 (2^60)  1152921504606847000
///
/// If not, it stays a double and has an exponent. (ECMAScript has digits up to 1e21, but an integer
/// beyond int64 is malformed: it is exact or refused.)
///
///     9223372036854775808.0 (2^63)  9.223372036854776e+18
///     1e20                          1e+20
class Json {
public:
    using Array = std::vector<Json>;
    using Member = std::pair<std::string, Json>;
    using Object = std::vector<Member>;  // sorted by name, names unique
    enum class Type : std::uint8_t { null, boolean, integer, number, string, array, object };

    Json() = default;
    Json(std::nullptr_t) {}
    Json(bool value) : value_(value) {}
    Json(std::int64_t value) : value_(value) {}
    Json(int value) : value_(std::int64_t{value}) {}
    /// Needs a finite value. A whole one becomes an integer where the table above says so.
    Json(double value);
    Json(std::string value) : value_(std::move(value)) {}
    Json(std::string_view value) : value_(std::string(value)) {}
    Json(const char* value) : value_(std::string(value)) {}
    Json(Array value) : value_(std::move(value)) {}
    /// Sorts; needs unique names.
    Json(Object value);

    Type type() const { return static_cast<Type>(value_.index()); }
    bool is_null() const { return type() == Type::null; }
    bool is_bool() const { return type() == Type::boolean; }
    bool is_integer() const { return type() == Type::integer; }
    bool is_number() const { return type() == Type::integer || type() == Type::number; }
    bool is_string() const { return type() == Type::string; }
    bool is_array() const { return type() == Type::array; }
    bool is_object() const { return type() == Type::object; }

    // Each needs the type it names.
    bool boolean() const { return std::get<bool>(value_); }
    std::int64_t integer() const { return std::get<std::int64_t>(value_); }
    double number() const;  ///< of an integer too
    const std::string& string() const { return std::get<std::string>(value_); }
    std::string& string() { return std::get<std::string>(value_); }
    const Array& array() const { return std::get<Array>(value_); }
    Array& array() { return std::get<Array>(value_); }
    const Object& object() const { return std::get<Object>(value_); }
    Object& object() { return std::get<Object>(value_); }

    // Becomes an empty one, made where it is: to be filled by who reads a text. An object's members
    // are sorted, and their names unique, when it is done.
    std::string& become_string(std::string_view text) { return value_.emplace<std::string>(text); }
    Array& become_array() { return value_.emplace<Array>(); }
    Object& become_object() { return value_.emplace<Object>(); }

    /// The member of that name, or nullptr (also when this is no object).
    const Json* find(std::string_view name) const;
    /// Sets a member, keeping the order. Needs an object.
    void set(std::string name, Json value);
    /// Takes a member away; fine when absent. Needs an object.
    void erase(std::string_view name);

    bool operator==(const Json&) const = default;

private:
    std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value_;
};

inline constexpr std::size_t kJsonDepthMax = 64;  ///< default limit; deeper is Errc::malformed

/// Reads one JSON text (RFC 8259, UTF-8). Errc::malformed, with a pointer where one can be named,
/// for: bad syntax or UTF-8, lone surrogates, duplicate members, integers beyond int64, numbers that
/// are not finite, depth over `depth_max` (an empty array is one deep; 1000 is the most), anything
/// behind the value.
Result<Json> parse_json(std::string_view text, std::size_t depth_max = kJsonDepthMax);

/// The canonical text: minified, members in byte order, integers exact, other numbers as ECMAScript
/// prints them (ECMA-262 Number::toString: 1e+21, 0.000001, 1e-7), save that whole ones beyond int64
/// always have an exponent, -0 as 0, strings with only the escapes that RFC 8259 demands
/// (`\"` `\\` `\b` `\f` `\n` `\r` `\t` `\u00xx`).
std::string to_text(const Json& json);
void append_json(std::string& out, const Json& json);

/// The same tree for people: two blanks an indent, members still in byte order.
std::string to_pretty_text(const Json& json);

void append_json_string(std::string& out, std::string_view text);  ///< with quotes and escapes
/// What that appends, at most; exact when nothing needs an escape.
std::size_t json_string_bytes_max(std::string_view text);
void append_escaped(std::string& out, std::string_view text);  ///< the inside of such a string
void append_json_number(std::string& out, double value);           ///< in the form above; finite
void append_integer(std::string& out, std::int64_t value);
void append_integer(std::string& out, std::uint64_t value);

/// Where the string that begins at `begin` of a JSON text ends: behind its closing quote. Of a text that breaks off: its end.
std::size_t json_string_end(std::string_view json, std::size_t begin);
/// Takes the quotes and escapes off a JSON string that this project wrote. Needs valid input.
std::string unescape_json_string(std::string_view quoted);

/// Writes an object member by member, in the order called:
///     JsonObject o(out); o.text("key", key); o.integer("version", 3); o.raw("value", json); o.close();
class JsonObject {
public:
    explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }

    JsonObject& text(std::string_view name, std::string_view value);
    JsonObject& integer(std::string_view name, std::uint64_t value);
    JsonObject& signed_integer(std::string_view name, std::int64_t value);
    JsonObject& number(std::string_view name, double value);
    JsonObject& boolean(std::string_view name, bool value);
    JsonObject& null(std::string_view name);
    JsonObject& raw(std::string_view name, std::string_view json);
    /// Starts a member whose value the caller appends to `out` next.
    std::string& member(std::string_view name);
    void close() { out_ += '}'; }

private:
    std::string& out_;
    bool first_ = true;
};

}  // namespace se
