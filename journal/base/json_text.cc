#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "journal/base/json.h"

namespace se {
namespace {

/// The shortest digits that read back as the same double, without point or sign, and where the
/// point belongs: value = 0.DIGITS * 10^point.
struct Decimal {
    char digits[20];
    int count = 0;
    int point = 0;
    bool negative = false;
};

Decimal shortest_decimal(double value) {
    // The plain form of to_chars is not what we want: it prints all digits of 1e22 and picks
    // between fixed and scientific by length. The digits of the scientific form are the shortest
    // ones.
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
    Decimal decimal;
    const char* at = text;
    if (*at == '-') {
        decimal.negative = true;
        ++at;
    }
    for (; *at != 'e'; ++at)
        if (*at != '.') decimal.digits[decimal.count++] = *at;
    ++at;
    if (*at == '+') ++at;  // from_chars takes a minus, but no plus
    int exponent = 0;
    std::from_chars(at, end.ptr, exponent);
    decimal.point = exponent + 1;
    return decimal;
}

/// The integer that ECMAScript would print for a whole double, if int64 can hold it.
std::optional<std::int64_t> as_integer(double value) {
    if (value != std::trunc(value)) return std::nullopt;
    if (std::abs(value) <= 9007199254740991.0) return static_cast<std::int64_t>(value);
    if (std::abs(value) > 9.3e18) return std::nullopt;
    // ECMAScript prints the shortest digits filled up with zeros: 2^60 is 1152921504606847000.
    const Decimal decimal = shortest_decimal(value);
    std::string text(decimal.negative ? "-" : "");
    text.append(decimal.digits, static_cast<std::size_t>(decimal.count));
    text.append(static_cast<std::size_t>(decimal.point - decimal.count), '0');
    std::int64_t integer = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), integer);
    if (read.ec != std::errc{}) return std::nullopt;
    return integer;
}

template <class Integer>
void append_digits(std::string& out, Integer value) {
    char text[24];
    const auto end = std::to_chars(text, text + sizeof text, value);
    out.append(text, end.ptr);
}

/// Of eight bytes the high bits of those that must be escaped in a string: control characters, `"`
/// and `\`. Exact for the lowest one; a borrow may mark bytes above it.
std::uint64_t escapes_of(std::uint64_t eight) {
    constexpr std::uint64_t kOnes = 0x0101010101010101u;
    constexpr std::uint64_t kHighs = 0x8080808080808080u;
    const std::uint64_t quote = eight ^ (kOnes * '"');
    const std::uint64_t slash = eight ^ (kOnes * '\\');
    const std::uint64_t found =
        ((eight - kOnes * 0x20) & ~eight) | ((quote - kOnes) & ~quote) | ((slash - kOnes) & ~slash);
    return found & kHighs;
}

/// What stands behind the backslash of a byte's escape; 0: the byte stands for itself.
constexpr std::array<char, 256> kEscapes = [] {
    std::array<char, 256> letters{};
    std::fill_n(letters.begin(), 0x20, 'u');
    constexpr std::string_view kShort = "\bb\tt\nn\ff\rr\"\"\\\\";  // a byte, and its letter
    for (std::size_t i = 0; i < kShort.size(); i += 2)
        letters[static_cast<unsigned char>(kShort[i])] = kShort[i + 1];
    return letters;
}();

char escape_of(char c) {
    return kEscapes[static_cast<unsigned char>(c)];
}

/// How many bytes from the front of `text` stand for themselves.
std::size_t plain_prefix(std::string_view text) {
    static_assert(std::endian::native == std::endian::little);  // the lowest byte is the first one
    std::size_t size = 0;
    for (; size + 8 <= text.size(); size += 8) {
        std::uint64_t eight = 0;
        std::memcpy(&eight, text.data() + size, 8);
        if (const std::uint64_t found = escapes_of(eight); found != 0)
            return size + static_cast<std::size_t>(std::countr_zero(found)) / 8;
    }
    while (size < text.size() && escape_of(text[size]) == 0) ++size;
    return size;
}

void append_escape(std::string& out, char c) {
    const char letter = escape_of(c);
    out += '\\';
    out += letter;
    if (letter != 'u') return;
    out += "00";
    out += "0123456789abcdef"[c >> 4];
    out += "0123456789abcdef"[c & 15];
}

/// Everything but arrays and objects.
void append_scalar(std::string& out, const Json& json) {
    if (json.is_string())
        append_json_string(out, json.string());
    else if (json.is_integer())
        append_digits(out, json.integer());
    else if (json.is_number())
        append_json_number(out, json.number());
    else if (json.is_bool())
        out += json.boolean() ? "true" : "false";
    else
        out += "null";
}

void append_pretty(std::string& out, const Json& json, std::size_t indent) {
    const auto new_line = [&](std::size_t blanks) {
        out += '\n';
        out.append(blanks, ' ');
    };
    if (json.is_array() && !json.array().empty()) {
        char before = '[';
        for (const Json& item : json.array()) {
            out += std::exchange(before, ',');
            new_line(indent + 2);
            append_pretty(out, item, indent + 2);
        }
        new_line(indent);
        out += ']';
    } else if (json.is_object() && !json.object().empty()) {
        char before = '{';
        for (const auto& [name, value] : json.object()) {
            out += std::exchange(before, ',');
            new_line(indent + 2);
            append_json_string(out, name);
            out += ": ";
            append_pretty(out, value, indent + 2);
        }
        new_line(indent);
        out += '}';
    } else {
        append_json(out, json);
    }
}

}  // namespace

// Here, so that one function decides which form a number has.
Json::Json(double value) {
    SE_ASSERT(std::isfinite(value));
    if (const auto integer = as_integer(value))
        value_ = *integer;
    else
        value_ = value;
}

std::string to_text(const Json& json) {
    std::string out;
    append_json(out, json);
    return out;
}

void append_json(std::string& out, const Json& json) {
    if (json.is_array()) {
        out += '[';
        bool first = true;
        for (const Json& item : json.array()) {
            if (!std::exchange(first, false)) out += ',';
            append_json(out, item);
        }
        out += ']';
    } else if (json.is_object()) {
        out += '{';
        bool first = true;
        for (const auto& [name, value] : json.object()) {
            if (!std::exchange(first, false)) out += ',';
            append_json_string(out, name);
            out += ':';
            append_json(out, value);
        }
        out += '}';
    } else {
        append_scalar(out, json);
    }
}

std::string to_pretty_text(const Json& json) {
    std::string out;
    append_pretty(out, json, 0);
    return out;
}

std::size_t json_string_bytes_max(std::string_view text) {
    constexpr std::size_t kEscapeBytesMax = 6;
    const std::size_t plain = plain_prefix(text);
    return 2 + plain + kEscapeBytesMax * (text.size() - plain);
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    append_escaped(out, text);
    out += '"';
}

void append_escaped(std::string& out, std::string_view text) {
    while (true) {
        const std::size_t plain = plain_prefix(text);
        out += text.substr(0, plain);
        if (plain == text.size()) return;
        append_escape(out, text[plain]);
        text.remove_prefix(plain + 1);
    }
}

std::size_t json_string_end(std::string_view json, std::size_t begin) {
    for (std::size_t at = begin + 1; at < json.size(); at += 2) {  // over a backslash and what it stands before
        at += plain_prefix(json.substr(at));
        if (at < json.size() && json[at] == '"') return at + 1;
    }
    return json.size();  // damaged, as what LMDB holds may be: nobody needs to end for that
}

void append_json_number(std::string& out, double value) {
    SE_ASSERT(std::isfinite(value));
    if (const auto integer = as_integer(value)) return append_digits(out, *integer);

    const Decimal decimal = shortest_decimal(value);
    const std::string_view digits(decimal.digits, static_cast<std::size_t>(decimal.count));
    const int point = decimal.point;
    if (decimal.negative) out += '-';
    if (0 < point && point < decimal.count) {
        out += digits.substr(0, static_cast<std::size_t>(point));
        out += '.';
        out += digits.substr(static_cast<std::size_t>(point));
    } else if (-6 < point && point <= 0) {
        out += "0.";
        out.append(static_cast<std::size_t>(-point), '0');
        out += digits;
    } else {
        out += digits[0];
        if (digits.size() > 1) {
            out += '.';
            out += digits.substr(1);
        }
        out += point > 0 ? "e+" : "e-";
        append_digits(out, std::abs(point - 1));
    }
}

void append_integer(std::string& out, std::int64_t value) {
    append_digits(out, value);
}
void append_integer(std::string& out, std::uint64_t value) {
    append_digits(out, value);
}

std::string unescape_json_string(std::string_view quoted) {
    SE_ASSERT(quoted.size() >= 2 && quoted.front() == '"' && quoted.back() == '"');
    const std::string_view inside = quoted.substr(1, quoted.size() - 2);
    if (inside.find('\\') == std::string_view::npos) return std::string(inside);
    auto json = parse_json(quoted);
    SE_ASSERT(json && json->is_string());
    return std::move(json->string());
}

JsonObject& JsonObject::text(std::string_view name, std::string_view value) {
    append_json_string(member(name), value);
    return *this;
}

JsonObject& JsonObject::integer(std::string_view name, std::uint64_t value) {
    append_digits(member(name), value);
    return *this;
}

JsonObject& JsonObject::signed_integer(std::string_view name, std::int64_t value) {
    append_digits(member(name), value);
    return *this;
}

JsonObject& JsonObject::number(std::string_view name, double value) {
    append_json_number(member(name), value);
    return *this;
}

JsonObject& JsonObject::boolean(std::string_view name, bool value) {
    member(name) += value ? "true" : "false";
    return *this;
}

JsonObject& JsonObject::null(std::string_view name) {
    member(name) += "null";
    return *this;
}

JsonObject& JsonObject::raw(std::string_view name, std::string_view json) {
    member(name) += json;
    return *this;
}

std::string& JsonObject::member(std::string_view name) {
    if (!std::exchange(first_, false)) out_ += ',';
    append_json_string(out_, name);
    out_ += ':';
    return out_;
}

}  // namespace se
