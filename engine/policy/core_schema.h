#pragma once

#include <string_view>

#include "journal/base/json.h"

namespace se {

/// What a plain YAML scalar is under the 1.2 core schema. Errc::malformed for numbers that JSON
/// lacks: beyond 64 bits, infinite, not a number.
Result<Json> resolve_plain_scalar(std::string_view text);

}  // namespace se
