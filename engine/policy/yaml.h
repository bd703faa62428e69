#pragma once

#include <map>
#include <string>
#include <string_view>

#include "journal/base/json.h"

namespace se {

/// A YAML text as a JSON tree under the 1.2 core schema (CONTRACTS 1.3): plain `on off yes no` are
/// strings, `017` is 17, `0o17` is 15, `0x1f` is 31, `1_000` and `12:30` are strings, `true false null ~` as
/// JSON; quoted scalars are strings. Duplicate keys, anchors without end, other tags and more than one
/// document are errors.
struct YamlDocument {
    Json root;
    std::map<std::string, int> lines;  ///< JSON pointer → line, from 1

    int line_of(std::string_view pointer) const;  ///< of it or its nearest parent; 0: unknown
};

/// Errc::malformed; the text starts with "line N: ".
Result<YamlDocument> parse_yaml(std::string_view text, std::size_t bytes_max = 4u << 20);

}  // namespace se
