#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace se {

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4): SSE 4.2 where the processor has it, else a table.
/// `crc32c(b, crc32c(a))` is the checksum of a followed by b.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

/// The same, always by the table: what tests hold the fast one against.
std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t seed = 0);

void append_hex32(std::string& out, std::uint32_t value);           ///< 8 lower-case hex digits
bool parse_hex32(std::string_view digits, std::uint32_t* value);    ///< exactly 8 such digits

}  // namespace se
