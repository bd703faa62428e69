#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace se::mcp {

/// RFC 4648: the standard alphabet with padding, and the one for URLs without.
std::string to_base64(std::string_view bytes);
std::string to_base64url(std::string_view bytes);
/// Nothing for a foreign character, a wrong length, or bits that no encoder would have left.
std::optional<std::string> from_base64(std::string_view text);
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace se::mcp
