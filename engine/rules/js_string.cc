#include "engine/rules/js_string.h"

#include <algorithm>
#include <cstdint>

#include "journal/base/json.h"

namespace se {
namespace {

unsigned char byte(char c) {
    return static_cast<unsigned char>(c);
}

bool is_continuation(char c) {
    return (byte(c) & 0xc0) == 0x80;
}

/// Reads a text unit by unit.
class Units {
public:
    explicit Units(std::string_view text) : text_(text) {}

    bool ended() const { return low_ == 0 && at_ == text_.size(); }
    /// Bytes before the unit that is next; of the second half of a pair: behind the character.
    std::size_t offset() const { return at_; }
    bool in_pair() const { return low_ != 0; }

    /// Needs that it has not ended.
    char16_t next() {
        if (low_ != 0) {
            const char16_t low = low_;
            low_ = 0;
            return low;
        }
        const unsigned char first = byte(text_[at_]);
        if (first < 0x80) {
            ++at_;
            return first;
        }
        if (first < 0xe0) return static_cast<char16_t>(character(2, first & 0x1f));
        if (first < 0xf0) return static_cast<char16_t>(character(3, first & 0x0f));
        const std::uint32_t above = character(4, first & 0x07) - 0x10000;
        low_ = static_cast<char16_t>(0xdc00 | (above & 0x3ff));
        return static_cast<char16_t>(0xd800 | above >> 10);
    }

private:
    std::uint32_t character(std::size_t size, std::uint32_t value) {
        for (std::size_t i = 1; i < size; ++i) value = value << 6 | (byte(text_[at_ + i]) & 0x3fu);
        at_ += size;
        return value;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    char16_t low_ = 0;
};

bool is_half(std::string_view text, unsigned char second_min, unsigned char second_max) {
    return text.size() >= 3 && byte(text[0]) == 0xed && second_min <= byte(text[1]) &&
           byte(text[1]) <= second_max;
}
bool is_high_half(std::string_view text) {
    return is_half(text, 0xa0, 0xaf);
}
bool is_low_half(std::string_view text) {
    return is_half(text, 0xb0, 0xbf);
}

bool has_halves(std::string_view text) {
    for (std::size_t at = 0; (at = text.find('\xed', at)) != text.npos; ++at)
        if (is_half(text.substr(at), 0xa0, 0xbf)) return true;
    return false;
}

void append_half(std::string& out, char16_t unit) {
    out += static_cast<char>(0xed);
    out += static_cast<char>(0x80 | (unit >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (unit & 0x3f));
}

void append_pair(std::string& out, char16_t high, char16_t low) {
    const std::uint32_t value = 0x10000u + ((high & 0x3ffu) << 10 | (low & 0x3ffu));
    out += static_cast<char>(0xf0 | value >> 18);
    out += static_cast<char>(0x80 | (value >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (value >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (value & 0x3f));
}

std::u16string units_of(std::string_view text) {
    std::u16string units;
    for (Units from(text); !from.ended();) units += from.next();
    return units;
}

}  // namespace

std::size_t unit_count(std::string_view text) {
    std::size_t count = 0;
    for (const char c : text) count += !is_continuation(c) + (byte(c) >= 0xf0);
    return count;
}

void append_units(std::string& out, std::string_view text, std::size_t begin, std::size_t end) {
    if (begin == end) return;
    Units units(text);
    for (std::size_t i = 0; i < begin; ++i) units.next();
    std::size_t count = end - begin;
    if (units.in_pair()) {
        append_half(out, units.next());
        --count;
    }
    const std::size_t from = units.offset();
    std::size_t to = from;
    char16_t last = 0;
    for (std::size_t i = 0; i < count; ++i) {
        to = units.offset();
        last = units.next();
    }
    if (units.in_pair()) {  // the last one is the first half of a character that goes on
        append_joined(out, text.substr(from, to - from));
        append_half(out, last);
    } else {
        append_joined(out, text.substr(from, units.offset() - from));
    }
}

void append_joined(std::string& out, std::string_view text) {
    if (is_low_half(text) && out.size() >= 3) {
        const std::string_view tail = std::string_view(out).substr(out.size() - 3);
        if (is_high_half(tail)) {
            const char16_t high = Units(tail).next();
            const char16_t low = Units(text.substr(0, 3)).next();
            out.resize(out.size() - 3);
            append_pair(out, high, low);
            text.remove_prefix(3);
        }
    }
    out += text;
}

int compare_units(std::string_view a, std::string_view b) {
    const auto [in_a, in_b] = std::ranges::mismatch(a, b);
    std::size_t same = static_cast<std::size_t>(in_a - a.begin());
    if (same == a.size() && same == b.size()) return 0;
    // Back to where the character begins in which they part.
    while (same > 0 && ((same < a.size() && is_continuation(a[same])) ||
                        (same < b.size() && is_continuation(b[same]))))
        --same;
    Units left(a.substr(same)), right(b.substr(same));
    while (!left.ended() && !right.ended()) {
        const char16_t x = left.next(), y = right.next();
        if (x != y) return x < y ? -1 : 1;
    }
    return left.ended() ? (right.ended() ? 0 : -1) : 1;
}

bool contains_units(std::string_view text, std::string_view needle) {
    if (!has_halves(needle)) return text.find(needle) != text.npos;
    return units_of(text).find(units_of(needle)) != std::u16string::npos;
}

void append_json_units(std::string& out, std::string_view text) {
    if (!has_halves(text)) return append_json_string(out, text);
    constexpr std::string_view kDigits = "0123456789abcdef";
    out += '"';
    std::size_t plain = 0;
    std::string quoted;
    const auto flush = [&](std::size_t until) {
        quoted.clear();
        append_json_string(quoted, text.substr(plain, until - plain));
        out.append(quoted, 1, quoted.size() - 2);
    };
    for (std::size_t at = 0; (at = text.find('\xed', at)) != text.npos;) {
        if (!is_half(text.substr(at), 0xa0, 0xbf)) {
            ++at;
            continue;
        }
        flush(at);
        const char16_t unit = Units(text.substr(at, 3)).next();
        out += "\\u";
        for (int shift = 12; shift >= 0; shift -= 4)
            out += kDigits[static_cast<std::size_t>(unit >> shift & 15)];
        at += 3;
        plain = at;
    }
    flush(text.size());
    out += '"';
}

}  // namespace se
