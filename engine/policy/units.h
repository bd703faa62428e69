#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "journal/base/result.h"

namespace se {

/// What a number in a setting counts.
enum class Unit : std::uint8_t {
    count,         ///< 1000
    bytes,         ///< 512, 64KiB, 64MiB, 1GiB
    milliseconds,  ///< 250, 250ms, 10s, 5m, 1h, 7d
    seconds,       ///< 90, 90s, 5m, 1h, 7d
};

/// A number with its unit, or without one in the base unit. Errc::malformed says what is right.
Result<std::uint64_t> parse_quantity(std::string_view text, Unit unit);

/// The largest unit that says it exactly: 64MiB, 10s.
std::string quantity_text(std::uint64_t value, Unit unit);

}  // namespace se
