#include "engine/intake/utf8.h"

#include <doctest/doctest.h>

#include <string>

#include "journal/base/json.h"

using namespace se;

namespace {

/// Another opinion: a JSON string of these bytes, none of them a quote, a backslash or a control.
bool parser_takes(const std::string& bytes) {
    return static_cast<bool>(parse_json("\"" + bytes + "\""));
}

std::string encode(char32_t c) {
    const auto byte = [](char32_t bits) { return static_cast<char>(bits); };
    if (c < 0x80) return {byte(c)};
    if (c < 0x800) return {byte(0xc0 | c >> 6), byte(0x80 | (c & 0x3f))};
    if (c < 0x10000)
        return {byte(0xe0 | c >> 12), byte(0x80 | (c >> 6 & 0x3f)), byte(0x80 | (c & 0x3f))};
    return {byte(0xf0 | c >> 18), byte(0x80 | (c >> 12 & 0x3f)), byte(0x80 | (c >> 6 & 0x3f)),
            byte(0x80 | (c & 0x3f))};
}

}  // namespace

TEST_CASE("every code point is read back, every surrogate and what lies beyond is refused") {
    for (char32_t c = 0; c < 0x200000; ++c) {
        const std::string text = encode(c);
        std::size_t at = 0;
        const auto read = next_code_point(text, &at);
        const bool legal = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
        if (legal ? read != c || at != text.size() : read.has_value() || at != 0) FAIL(c);
    }
}

TEST_CASE("on every start of two and three bytes we agree with the JSON parser") {
    const auto agree = [](const std::string& bytes) {
        if (is_utf8(bytes) != parser_takes(bytes)) FAIL(bytes);
    };
    for (int lead = 0x80; lead < 0x100; ++lead) {
        agree({static_cast<char>(lead)});
        for (int second = 0x80; second < 0x100; ++second) {
            agree({static_cast<char>(lead), static_cast<char>(second)});
            for (const int third : {0x20, 0x7f, 0x80, 0xbf, 0xc0, 0xff}) {
                const char a = static_cast<char>(lead), b = static_cast<char>(second),
                           c = static_cast<char>(third);
                agree({a, b, c});
                agree({a, b, c, '\x80'});
                agree({a, b, c, '\xbf'});
                agree({a, b, c, 'x'});
            }
        }
    }
}

TEST_CASE("a prefix never splits a code point") {
    const std::string text = "aä€\U0001f600z";
    for (std::size_t size = 0; size <= text.size() + 1; ++size) {
        const std::string_view prefix = utf8_prefix(text, size);
        CHECK(is_utf8(prefix));
        CHECK(text.starts_with(prefix));
        CHECK(prefix.size() <= size);
        CHECK(prefix.size() + 4 > std::min(size, text.size()));
    }
    CHECK(utf8_prefix(text, text.size()) == text);
}
