#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace se {

using Hash = std::array<std::uint8_t, 32>;    ///< a SHA-256 digest
using Hash16 = std::array<std::uint8_t, 16>;  ///< its first half, where an index must be small

/// SHA-256 (FIPS 180-4), in pieces or at once.
class Sha256 {
public:
    Sha256();
    Sha256& add(std::string_view bytes);
    Sha256& add(const Hash& hash);
    Hash finish();  ///< leaves the object as new

private:
    alignas(8) std::array<std::uint8_t, 128> state_;  // an SHA256_CTX; OpenSSL stays in hash.cc
};

Hash sha256(std::string_view bytes);

/// HMAC-SHA-256 (RFC 2104).
Hash hmac_sha256(std::string_view key, std::string_view bytes);
Hash16 first_half(const Hash& hash);

std::string to_hex(std::string_view bytes);
std::string to_hex(const Hash& hash);
std::string to_hex(const Hash16& hash);
/// Lower-case hex of exactly N bytes back into them.
std::optional<Hash> hash_from_hex(std::string_view hex);
std::optional<Hash16> hash16_from_hex(std::string_view hex);

/// Takes the same time whatever the texts' content (lengths may show).
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace se
