#include "engine/policy/units.h"

#include <charconv>
#include <span>

namespace se {
namespace {

struct Suffix {
    std::string_view text;
    std::uint64_t factor;
};

// Largest first. The last one is the base unit.
constexpr Suffix kCounts[] = {{"", 1}};
constexpr Suffix kBytes[] = {
    {"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}};
constexpr Suffix kMilliseconds[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};
constexpr Suffix kSeconds[] = {{"d", 86'400}, {"h", 3'600}, {"m", 60}, {"s", 1}};

std::span<const Suffix> suffixes(Unit unit) {
    switch (unit) {
        case Unit::count:
            return kCounts;
        case Unit::bytes:
            return kBytes;
        case Unit::milliseconds:
            return kMilliseconds;
        case Unit::seconds:
            return kSeconds;
    }
    SE_ASSERT(false);
}

std::string_view right_form(Unit unit) {
    switch (unit) {
        case Unit::count:
            return "a whole number";
        case Unit::bytes:
            return "a size: 512, 64KiB, 16MiB, 1GiB";
        case Unit::milliseconds:
            return "a duration: 250ms, 10s, 5m, 1h, or plain milliseconds";
        case Unit::seconds:
            return "a duration: 90s, 5m, 1h, 7d, or plain seconds";
    }
    SE_ASSERT(false);
}

}  // namespace

Result<std::uint64_t> parse_quantity(std::string_view text, Unit unit) {
    const Error malformed{Errc::malformed, "must be " + std::string(right_form(unit))};
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return malformed;
    const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (rest.empty()) return number;
    for (const Suffix& suffix : suffixes(unit)) {
        if (rest != suffix.text) continue;
        std::uint64_t value = 0;
        if (__builtin_mul_overflow(number, suffix.factor, &value)) return malformed;
        return value;
    }
    return malformed;
}

std::string quantity_text(std::uint64_t value, Unit unit) {
    for (const Suffix& suffix : suffixes(unit)) {
        const bool base = suffix.factor == 1;
        if (base || (value != 0 && value % suffix.factor == 0)) {
            const bool plain = base && unit == Unit::bytes;  // 256, not 256B
            return std::to_string(value / suffix.factor) + std::string(plain ? "" : suffix.text);
        }
    }
    SE_ASSERT(false);
}

}  // namespace se
