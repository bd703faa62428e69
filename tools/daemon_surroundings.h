#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace se {

/// What the programs are told by the machine they run on.
std::optional<std::string> environment(std::string_view name);
std::string host_name();  ///< "unknown" when the machine does not say

}  // namespace se
