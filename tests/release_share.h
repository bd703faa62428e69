// What an exhaustion leaves to the release build: sanitizers are ten times as slow, and see a fixed
// share.
#pragma once

#include <cstdint>

namespace se::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// Whether this bit of a file is left out here. A sanitizer sees one bit of each byte, another one
/// in the next; release leaves none.
constexpr bool left_to_release(std::uint64_t bit) {
    return kSanitized && bit % 8 != bit / 8 % 8;
}

/// How far to the next step of a loop over sizes, offsets or seeds: 1 in release. Under a sanitizer
/// 5, odd, so that it meets every alignment.
inline constexpr std::uint64_t kStep = kSanitized ? 5 : 1;

}  // namespace se::test
