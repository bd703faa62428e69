#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "journal/base/clock.h"

namespace se {

/// Walks over a line of JSON that this project wrote itself, in a member order known beforehand. It
/// is strict about what our own writer makes and safe on any bytes: every step is bounded by the
/// text, nothing recurses. After a step that returns false the position means nothing.
class TextCursor {
public:
    explicit TextCursor(std::string_view text)
        : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {}

    std::size_t position() const { return static_cast<std::size_t>(at_ - begin_); }
    std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
    bool at_end() const { return at_ == end_; }

    bool sees(std::string_view literal) const {
        return left() >= literal.size() && std::memcmp(at_, literal.data(), literal.size()) == 0;
    }
    /// Passes `literal` if it comes next.
    bool take(std::string_view literal) {
        if (!sees(literal)) return false;
        at_ += literal.size();
        return true;
    }
    /// The same for a literal whose length the compiler knows: no call.
    template <std::size_t N>
    bool take(const char (&literal)[N]) {
        if (left() < N - 1 || std::memcmp(at_, literal, N - 1) != 0) return false;
        at_ += N - 1;
        return true;
    }
    bool take(char byte) {
        if (at_ == end_ || *at_ != byte) return false;
        ++at_;
        return true;
    }

    /// Decimal digits without sign or leading zeros, within 64 bits.
    bool integer(std::uint64_t* value) {
        const char* const start = at_;
        // Nineteen digits always fit; only a twentieth may be too much.
        const char* const safe_end = left() > 19 ? at_ + 19 : end_;
        std::uint64_t sum = 0;
        for (; at_ != safe_end && is_digit(*at_); ++at_) {
            sum = sum * 10 + static_cast<std::uint64_t>(*at_ - '0');
        }
        if (at_ != end_ && is_digit(*at_)) {
            const auto digit = static_cast<std::uint64_t>(*at_ - '0');
            if (sum > (UINT64_MAX - digit) / 10) return false;
            sum = sum * 10 + digit;
            ++at_;
            if (at_ != end_ && is_digit(*at_)) return false;
        }
        *value = sum;
        return at_ != start && (*start != '0' || at_ == start + 1);
    }

    /// A string; `inside` is what stands between the quotes, `escaped` whether it holds escapes.
    /// Takes only the escapes that append_json_string writes.
    bool string(std::string_view* inside, bool* escaped) {
        if (!take('"')) return false;
        const char* const start = at_;
        *escaped = false;
        while (pass_plain_bytes()) {
            if (*at_ == '"') {
                *inside = {start, static_cast<std::size_t>(at_ - start)};
                ++at_;
                return true;
            }
            if (*at_ != '\\' || !pass_escape()) return false;
            *escaped = true;
        }
        return false;
    }
    /// Takes the escapes off the inside of a string that string() passed. Bytes that are no UTF-8
    /// stay as they are.
    static std::string unescape(std::string_view inside) {
        std::string plain;
        plain.reserve(inside.size());
        for (std::size_t i = 0; i < inside.size(); ++i) {
            if (inside[i] != '\\') {
                plain += inside[i];
                continue;
            }
            switch (inside[++i]) {
                case 'b':
                    plain += '\b';
                    break;
                case 'f':
                    plain += '\f';
                    break;
                case 'n':
                    plain += '\n';
                    break;
                case 'r':
                    plain += '\r';
                    break;
                case 't':
                    plain += '\t';
                    break;
                case 'u': {  // \u00 and two digits, of which the first is 0 or 1
                    const char low = inside[i + 4];
                    plain += static_cast<char>((inside[i + 3] - '0') * 16 +
                                               (low <= '9' ? low - '0' : low - 'a' + 10));
                    i += 4;
                    break;
                }
                default:
                    plain += inside[i];
            }
        }
        return plain;
    }
    /// The same as plain text, in memory of its own.
    bool text(std::string* plain) {
        std::string_view inside;
        bool escaped = false;
        if (!string(&inside, &escaped)) return false;
        if (escaped) {
            *plain = unescape(inside);
        } else {
            plain->assign(inside);
        }
        return true;
    }

    /// Any value, as the bytes it is written with. Of what lies inside brackets, only strings and
    /// the balance of brackets are looked at.
    bool value(std::string_view* raw) {
        const char* const start = at_;
        std::size_t depth = 0;
        do {
            if (at_ == end_) return false;
            switch (*at_) {
                case '"': {
                    std::string_view inside;
                    bool escaped = false;
                    if (!string(&inside, &escaped)) return false;
                    break;
                }
                case '{':
                case '[':
                    ++depth;
                    ++at_;
                    break;
                case '}':
                case ']':
                    if (depth == 0) return false;
                    --depth;
                    ++at_;
                    break;
                case ',':
                case ':':
                    if (depth == 0) return false;
                    ++at_;
                    break;
                default:
                    if (!pass_word()) return false;
            }
        } while (depth != 0);
        *raw = {start, static_cast<std::size_t>(at_ - start)};
        return true;
    }
    bool object(std::string_view* raw) { return sees("{") && value(raw); }
    bool array(std::string_view* raw) { return sees("[") && value(raw); }

    /// A time exactly as to_text(Time) writes it, without quotes.
    bool time(Time* time) {
        if (left() < 24) return false;
        const char* const t = at_;
        if (t[4] != '-' || t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':' ||
            t[19] != '.' || t[23] != 'Z') {
            return false;
        }
        int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millisecond = 0;
        if (!digits(t, 4, &year) || !digits(t + 5, 2, &month) || !digits(t + 8, 2, &day) ||
            !digits(t + 11, 2, &hour) || !digits(t + 14, 2, &minute) ||
            !digits(t + 17, 2, &second) || !digits(t + 20, 3, &millisecond)) {
            return false;
        }
        const std::chrono::year_month_day date{std::chrono::year{year},
                                               std::chrono::month{static_cast<unsigned>(month)},
                                               std::chrono::day{static_cast<unsigned>(day)}};
        if (year == 0 || !date.ok() || hour > 23 || minute > 59 || second > 59) return false;
        *time = std::chrono::sys_days{date} + std::chrono::hours{hour} +
                std::chrono::minutes{minute} + std::chrono::seconds{second} +
                std::chrono::milliseconds{millisecond};
        at_ += 24;
        return true;
    }
    bool quoted_time(Time* value) { return take('"') && time(value) && take('"'); }

private:
    static bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

    static bool is_plain(char byte) {
        return static_cast<unsigned char>(byte) >= 0x20 && byte != '"' && byte != '\\';
    }

    /// Stands on the next quote, backslash or control character of a string; false at the end.
    bool pass_plain_bytes() {
#ifdef __SSE2__
        while (left() >= 16) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at_));
            const __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
            const __m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
            const __m128i controls =
                _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
            const auto hits = static_cast<unsigned>(
                _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls)));
            if (hits != 0) {
                at_ += std::countr_zero(hits);
                return true;
            }
            at_ += 16;
        }
#endif
        while (at_ != end_ && is_plain(*at_)) ++at_;
        return at_ != end_;
    }

    bool pass_escape() {  // stands on the backslash
        if (left() < 2) return false;
        if (at_[1] != 'u') {
            if (std::memchr("\"\\bfnrt", at_[1], 7) == nullptr) return false;
            at_ += 2;
            return true;
        }
        if (left() < 6 || at_[2] != '0' || at_[3] != '0' || (at_[4] != '0' && at_[4] != '1')) {
            return false;
        }
        const bool hex = (at_[5] >= '0' && at_[5] <= '9') || (at_[5] >= 'a' && at_[5] <= 'f');
        at_ += 6;
        return hex;
    }

    bool pass_word() {  // a number, true, false or null
        const char* const start = at_;
        while (at_ != end_ && ((*at_ >= '0' && *at_ <= '9') || (*at_ >= 'a' && *at_ <= 'z') ||
                               *at_ == '-' || *at_ == '+' || *at_ == '.')) {
            ++at_;
        }
        return at_ != start;
    }

    static bool digits(const char* at, int count, int* value) {
        int sum = 0;
        for (int i = 0; i < count; ++i) {
            if (at[i] < '0' || at[i] > '9') return false;
            sum = sum * 10 + (at[i] - '0');
        }
        *value = sum;
        return true;
    }

    const char* begin_;
    const char* at_;
    const char* end_;
};

/// Lines that carry their own checksum end in exactly `,"crc":"hhhhhhhh"}`: CRC-32C of all before
/// it.
void append_crc_tail(std::string& line, std::size_t line_begin);
/// Whether `line` has such an ending and it is right.
bool crc_tail_holds(std::string_view line);

}  // namespace se
