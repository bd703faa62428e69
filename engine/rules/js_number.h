#pragma once

#include <limits>
#include <string>
#include <string_view>

namespace se {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// How JavaScript turns texts into numbers and back (ECMA-262 StringToNumber, parseFloat,
/// Number::toString), the same on every machine and under every locale.

/// A text without the blanks and line ends that JavaScript takes off: all of Unicode's.
std::string_view trimmed_left(std::string_view text);
std::string_view trimmed(std::string_view text);

/// What `Number(text)` is: the whole text is a number, or NaN. Empty is 0; 0x, 0o and 0b are known.
double number_of_text(std::string_view text);
/// What `parseFloat(text)` is: the longest beginning that is a decimal number, or NaN.
double parse_float(std::string_view text);
/// What `String(number)` is: 1e21, 100000000000000000000, 0.000001, 1e-7, NaN, -Infinity; -0 is 0.
void append_number_text(std::string& out, double number);

}  // namespace se
