#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "journal/base/clock.h"

namespace se {

/// `2026-11-21T02:00:00.000Z`: RFC 3339 in UTC with milliseconds, always 24 characters. Times outside
/// the years 0001 to 9999 are brought to the nearest one inside.
std::string to_text(Time time);
void append_time(std::string& out, Time time);

/// Reads RFC 3339: `Z` or a numeric offset, any number of fraction digits (cut to milliseconds).
/// Nothing for text that is no such time.
std::optional<Time> time_from_text(std::string_view text);

}  // namespace se
