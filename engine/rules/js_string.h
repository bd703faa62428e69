#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace se {

/// Texts as JavaScript counts them: in UTF-16 units. Ours are UTF-8, and what only JavaScript can
/// make, one half of a surrogate pair alone, is written as UTF-8 would write it if it were a
/// character (ED A0..BF xx). Two halves that come together are always one character, so that equal
/// texts have equal bytes.

std::size_t unit_count(std::string_view text);
/// Appends the units from `begin` to `end`, which may cut a pair in two. Needs begin <= end <=
/// unit_count(text).
void append_units(std::string& out, std::string_view text, std::size_t begin, std::size_t end);
/// Appends; the last half of `out` and the first of `text` become one.
void append_joined(std::string& out, std::string_view text);
/// < 0, 0, > 0 in the order of units, which is not that of bytes: U+1F600 is before U+FF5E.
int compare_units(std::string_view a, std::string_view b);
/// Whether the units of `needle` occur in `text`: half of a pair in a whole one, too.
bool contains_units(std::string_view text, std::string_view needle);
/// The text as JSON, half pairs as \udxxx.
void append_json_units(std::string& out, std::string_view text);

}  // namespace se
