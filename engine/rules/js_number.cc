#include "engine/rules/js_number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <system_error>

#include "journal/base/json.h"

namespace se {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::string_view kInfinityText = "Infinity";

bool is_digit(char c) {
    return '0' <= c && c <= '9';
}

/// The bytes of the blank at the front, 0 if there is none. Beyond ASCII: U+00A0, U+1680, U+2000 to
/// U+200A, U+2028, U+2029, U+202F, U+205F, U+3000, U+FEFF.
std::size_t blank_bytes(std::string_view text) {
    if (text.empty()) return 0;
    const char first = text[0];
    if (first == ' ' || ('\t' <= first && first <= '\r')) return 1;
    if (text.starts_with("\u00a0")) return 2;
    if (text.size() < 3) return 0;
    const std::string_view three = text.substr(0, 3);
    if ("\u2000" <= three && three <= "\u200a") return 3;
    for (const std::string_view blank :
         {"\u1680", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff"})
        if (three == blank) return 3;
    return 0;
}

std::size_t digits_at(std::string_view text, std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    return end - at;
}

/// How long the longest beginning is that is a decimal number without a sign; 0 if there is none.
std::size_t decimal_bytes(std::string_view text) {
    const std::size_t whole = digits_at(text, 0);
    std::size_t end = whole;
    std::size_t fraction = 0;
    if (end < text.size() && text[end] == '.') {
        fraction = digits_at(text, end + 1);
        if (whole + fraction == 0) return 0;
        end += 1 + fraction;
    }
    if (whole + fraction == 0) return 0;
    if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
        std::size_t at = end + 1;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        if (const std::size_t exponent = digits_at(text, at)) end = at + exponent;
    }
    return end;
}

/// Of a decimal that no double is near to: is it too large, or too small? Its first digit that is
/// not 0 tells, with the exponent.
bool is_huge(std::string_view decimal) {
    const std::size_t mark = std::min(decimal.find_first_of("eE"), decimal.size());
    const std::string_view digits = decimal.substr(0, mark);
    const std::size_t point = std::min(digits.find('.'), digits.size());
    const std::size_t first = digits.find_first_of("123456789");
    if (first == digits.npos) return false;
    // A text is far shorter than 2^62 bytes, so the exponent alone decides where it is cut here.
    constexpr std::int64_t kExponentMax = std::int64_t{1} << 62;
    std::int64_t exponent = 0;
    if (mark < decimal.size()) {
        std::string_view written = decimal.substr(mark + 1);
        if (written.starts_with('+')) written.remove_prefix(1);
        const auto read =
            std::from_chars(written.data(), written.data() + written.size(), exponent);
        if (read.ec != std::errc{} || std::abs(exponent) > kExponentMax)
            exponent = written.starts_with('-') ? -kExponentMax : kExponentMax;
    }
    const std::int64_t magnitude = first < point ? static_cast<std::int64_t>(point - first)
                                                 : -static_cast<std::int64_t>(first - point);
    return magnitude + exponent > 0;
}

/// Needs what decimal_bytes() found.
double double_of(std::string_view decimal) {
    double value = 0;
    const auto read = std::from_chars(decimal.data(), decimal.data() + decimal.size(), value);
    if (read.ec == std::errc::result_out_of_range) return is_huge(decimal) ? kInfinity : 0.0;
    return value;
}

int digit_of(char c) {
    if (is_digit(c)) return c - '0';
    const char small = static_cast<char>(c | 0x20);
    return 'a' <= small && small <= 'f' ? small - 'a' + 10 : 99;
}

/// The digits behind 0x, 0o, 0b. Rounded once, to the nearest and to even, however many there are:
/// of those behind the first 60 bits only whether one is not 0 matters.
double number_of_digits(std::string_view digits, int bits) {
    if (digits.empty()) return kNaN;
    std::uint64_t mantissa = 0;
    std::uint64_t rest = 0;
    int exponent = 0;
    for (const char c : digits) {
        const int digit = digit_of(c);
        if (digit >= 1 << bits) return kNaN;
        if (mantissa < std::uint64_t{1} << 60) {
            mantissa = mantissa << bits | static_cast<std::uint64_t>(digit);
        } else {
            rest |= static_cast<std::uint64_t>(digit);
            exponent = std::min(exponent + bits, 4096);
        }
    }
    if (rest != 0) mantissa |= 1;
    return std::ldexp(static_cast<double>(mantissa), exponent);
}

}  // namespace

std::string_view trimmed_left(std::string_view text) {
    while (const std::size_t blank = blank_bytes(text)) text.remove_prefix(blank);
    return text;
}

std::string_view trimmed(std::string_view text) {
    text = trimmed_left(text);
    for (bool more = true; more;) {
        more = false;
        for (std::size_t size = 1; size <= 3 && size <= text.size(); ++size) {
            if (blank_bytes(text.substr(text.size() - size)) != size) continue;
            text.remove_suffix(size);
            more = true;
            break;
        }
    }
    return text;
}

double number_of_text(std::string_view text) {
    text = trimmed(text);
    if (text.empty()) return 0;
    if (text.size() >= 2 && text[0] == '0') {
        const char kind = static_cast<char>(text[1] | 0x20);
        if (kind == 'x') return number_of_digits(text.substr(2), 4);
        if (kind == 'o') return number_of_digits(text.substr(2), 3);
        if (kind == 'b') return number_of_digits(text.substr(2), 1);
    }
    const bool negative = text[0] == '-';
    if (negative || text[0] == '+') text.remove_prefix(1);
    double value = kNaN;
    if (text == kInfinityText)
        value = kInfinity;
    else if (!text.empty() && decimal_bytes(text) == text.size())
        value = double_of(text);
    return negative ? -value : value;
}

double parse_float(std::string_view text) {
    text = trimmed_left(text);
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    double value = kNaN;
    if (text.starts_with(kInfinityText))
        value = kInfinity;
    else if (const std::size_t size = decimal_bytes(text))
        value = double_of(text.substr(0, size));
    return negative ? -value : value;
}

void append_number_text(std::string& out, double number) {
    if (std::isnan(number)) {
        out += "NaN";
    } else if (std::isinf(number)) {
        if (number < 0) out += '-';
        out += kInfinityText;
    } else if (std::abs(number) < 9e18 || std::abs(number) >= 1e21) {
        append_json_number(out, number);
    } else {
        // Our JSON has an exponent here, as these are beyond int64; JavaScript writes zeros.
        char text[40];
        const auto end =
            std::to_chars(text, text + sizeof text, number, std::chars_format::scientific);
        std::string digits;
        const char* at = text;
        for (; at != end.ptr && *at != 'e'; ++at) {
            if (*at == '-')
                out += '-';
            else if (*at != '.')
                digits += *at;
        }
        int exponent = 0;
        std::from_chars(at + 2, end.ptr, exponent);  // "e+18" to "e+20"
        digits.resize(static_cast<std::size_t>(exponent) + 1, '0');
        out += digits;
    }
}

}  // namespace se
