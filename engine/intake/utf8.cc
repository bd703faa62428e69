#include "engine/intake/utf8.h"

#include <array>

namespace se {

std::optional<char32_t> next_code_point(std::string_view text, std::size_t* at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(*at);
    if (lead < 0x80) {
        ++*at;
        return lead;
    }
    const std::size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc0 || lead > 0xf7 || text.size() - *at <= more) return std::nullopt;

    char32_t c = lead & (0x3fu >> more);
    for (std::size_t i = 1; i <= more; ++i) {
        if ((byte(*at + i) & 0xc0) != 0x80) return std::nullopt;
        c = c << 6 | (byte(*at + i) & 0x3fu);
    }
    // The smallest code point that needs so many bytes: anything below was written too long.
    constexpr std::array<char32_t, 4> kSmallest = {0, 0x80, 0x800, 0x10000};
    if (c < kSmallest[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return std::nullopt;
    *at += more + 1;
    return c;
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();)
        if (!next_code_point(text, &at)) return false;
    return true;
}

bool is_control(char32_t c) {
    return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

bool is_white_space(char32_t c) {
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

std::string readable(std::string_view bytes, std::size_t bytes_max) {
    std::string out;
    for (std::size_t at = 0; at < bytes.size() && out.size() + 4 <= bytes_max;) {
        const std::size_t begin = at;
        if (next_code_point(bytes, &at)) {
            out += bytes.substr(begin, at - begin);
        } else {
            out += "\xEF\xBF\xBD";
            at = begin + 1;
        }
    }
    return out;
}

std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return text;
    std::size_t size = bytes_max;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
    return text.substr(0, size);
}

}  // namespace se
