#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace se {

/// The code point at `*at`, which moves behind it; nothing where the bytes are no UTF-8 (overlong
/// forms, surrogates and what lies beyond U+10FFFF included). Needs *at < text.size().
std::optional<char32_t> next_code_point(std::string_view text, std::size_t* at);

bool is_utf8(std::string_view text);
bool is_control(char32_t c);      ///< C0, DEL, C1
bool is_white_space(char32_t c);  ///< Unicode's White_Space property

/// The bytes as a text of at most `bytes_max` bytes: what is no UTF-8 becomes the replacement character.
std::string readable(std::string_view bytes, std::size_t bytes_max);

/// The longest prefix of at most `bytes_max` bytes that splits no code point. Needs UTF-8.
std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max);

}  // namespace se
