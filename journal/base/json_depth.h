#pragma once

#include <cstddef>

namespace se {

/// For parse_json: the most there is. What was checked when it came in, such as what the journal
/// holds, is read again with it.
inline constexpr std::size_t kJsonDepthTrusted = 1000;

}  // namespace se
