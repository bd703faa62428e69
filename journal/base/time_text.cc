#include "journal/base/time_text.h"

#include <algorithm>

namespace se {
namespace {

using namespace std::chrono;

constexpr Time kFirst = sys_days{year{1} / January / 1};
constexpr Time kLast = sys_days{year{10000} / January / 1} - milliseconds{1};

void put_digits(char* to, unsigned value, int count) {
    for (int i = count - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

/// Takes things off the front of a text. What is not there makes it not ok().
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    /// A number of exactly `count` digits, within [low, high].
    int digits(std::size_t count, int low, int high) {
        int value = 0;
        for (std::size_t i = 0; i < count; ++i) value = value * 10 + digit();
        ok_ = ok_ && low <= value && value <= high;
        return value;
    }

    /// One of these characters.
    char any_of(std::string_view allowed) {
        const char c = rest_.empty() ? '\0' : rest_[0];
        ok_ = ok_ && !rest_.empty() && allowed.find(c) != std::string_view::npos;
        if (ok_) rest_.remove_prefix(1);
        return c;
    }

    /// The first three digits of a fraction of a second; further ones are skipped.
    milliseconds fraction() {
        int value = 0;
        int count = 0;
        for (; ok_ && (count == 0 || next_is_digit()); ++count) {
            const int d = digit();
            if (count < 3) value = value * 10 + d;
        }
        for (; count < 3; ++count) value *= 10;
        return milliseconds{value};
    }

    bool next_is(char c) const { return !rest_.empty() && rest_[0] == c; }
    bool ok() const { return ok_; }
    bool done() const { return ok_ && rest_.empty(); }

private:
    bool next_is_digit() const { return !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; }
    int digit() { return any_of("0123456789") - '0'; }

    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace

void append_time(std::string& out, Time time) {
    time = std::clamp(time, kFirst, kLast);
    const auto day = floor<days>(time);
    const year_month_day date(day);
    const hh_mm_ss clock(time - day);
    char text[] = "0000-00-00T00:00:00.000Z";
    put_digits(text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    put_digits(text + 5, static_cast<unsigned>(date.month()), 2);
    put_digits(text + 8, static_cast<unsigned>(date.day()), 2);
    put_digits(text + 11, static_cast<unsigned>(clock.hours().count()), 2);
    put_digits(text + 14, static_cast<unsigned>(clock.minutes().count()), 2);
    put_digits(text + 17, static_cast<unsigned>(clock.seconds().count()), 2);
    put_digits(text + 20, static_cast<unsigned>(clock.subseconds().count()), 3);
    out.append(text, sizeof text - 1);
}

std::string to_text(Time time) {
    std::string out;
    append_time(out, time);
    return out;
}

std::optional<Time> time_from_text(std::string_view text) {
    Scanner scan(text);
    const int year_number = scan.digits(4, 0, 9999);
    scan.any_of("-");
    const int month_number = scan.digits(2, 1, 12);
    scan.any_of("-");
    const int day_number = scan.digits(2, 1, 31);
    scan.any_of("Tt");
    const int hour = scan.digits(2, 0, 23);
    scan.any_of(":");
    const int minute = scan.digits(2, 0, 59);
    scan.any_of(":");
    const int second = scan.digits(2, 0, 60);
    milliseconds fraction{0};
    if (scan.next_is('.')) {
        scan.any_of(".");
        fraction = scan.fraction();
    }
    minutes offset{0};
    if (const char zone = scan.any_of("Zz+-"); zone == '+' || zone == '-') {
        offset = hours{scan.digits(2, 0, 23)};
        scan.any_of(":");
        offset += minutes{scan.digits(2, 0, 59)};
        if (zone == '-') offset = -offset;
    }
    const year_month_day date{year{year_number}, month{static_cast<unsigned>(month_number)},
                              day{static_cast<unsigned>(day_number)}};
    if (!scan.done() || !date.ok()) return std::nullopt;

    const Time minute_start = sys_days{date} + hours{hour} + minutes{minute} - offset;
    if (second < 60) return minute_start + seconds{second} + fraction;
    // A leap second only ever ends a UTC day. Our clocks have none, so it is that day's last
    // moment.
    const Time end = minute_start + minutes{1};
    if (floor<days>(end) != end) return std::nullopt;
    return end - milliseconds{1};
}

}  // namespace se
