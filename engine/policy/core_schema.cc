#include "engine/policy/core_schema.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

namespace se {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    return std::ranges::find(words, text) != words.end();
}

std::string_view without_sign(std::string_view text) {
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    return text;
}

/// Takes the digits off the front and says how many there were.
std::size_t take_digits(std::string_view& text) {
    const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count;
}

/// [-+]? [0-9]+
bool is_decimal(std::string_view text) {
    text = without_sign(text);
    return take_digits(text) > 0 && text.empty();
}

/// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_float(std::string_view text) {
    text = without_sign(text);
    std::size_t digits = take_digits(text);
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        digits += take_digits(text);
    }
    if (digits == 0) return false;
    if (text.empty()) return true;
    if (text[0] != 'e' && text[0] != 'E') return false;
    text = without_sign(text.substr(1));
    return take_digits(text) > 0 && text.empty();
}

Error wrong_scalar(std::string_view text, std::string_view why) {
    return Error{Errc::malformed, "`" + std::string(text.substr(0, 40)) + "` " + std::string(why)};
}

Result<Json> integer(std::string_view text, std::string_view digits, int base) {
    std::int64_t value = 0;
    if (digits.starts_with('+')) digits.remove_prefix(1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc{}) return wrong_scalar(text, "is beyond 64 bits with a sign");
    return Json(value);
}

bool has_only(std::string_view digits, std::string_view known) {
    return !digits.empty() && digits.find_first_not_of(known) == std::string_view::npos;
}

}  // namespace

Result<Json> resolve_plain_scalar(std::string_view text) {
    if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return Json();
    if (is_one_of(text, {"true", "True", "TRUE"})) return Json(true);
    if (is_one_of(text, {"false", "False", "FALSE"})) return Json(false);
    if (is_decimal(text)) return integer(text, text, 10);
    if (text.starts_with("0o") && has_only(text.substr(2), "01234567"))
        return integer(text, text.substr(2), 8);
    if (text.starts_with("0x") && has_only(text.substr(2), "0123456789abcdefABCDEF"))
        return integer(text, text.substr(2), 16);
    if (is_one_of(without_sign(text), {".inf", ".Inf", ".INF"}) ||
        is_one_of(text, {".nan", ".NaN", ".NAN"}))
        return wrong_scalar(text, "is a number that JSON lacks");
    if (!is_float(text)) return Json(text);

    std::string_view digits = text;
    if (digits.starts_with('+')) digits.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{}) return wrong_scalar(text, "is beyond the range of numbers");
    return Json(value);
}

}  // namespace se
