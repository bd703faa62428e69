#include "journal/base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace se {
namespace {

// All checksums in here are "raw": without the inversion at both ends that the public ones have.

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // Castagnoli, lowest power in the highest bit

using Table = std::array<std::uint32_t, 256>;

/// kTables[n][b]: what byte b followed by n zero bytes adds to a checksum.
constexpr std::array<Table, 8> kTables = [] {
    std::array<Table, 8> tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
        tables[0][byte] = crc;
    }
    for (std::size_t n = 1; n < tables.size(); ++n)
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t before = tables[n - 1][byte];
            tables[n][byte] = tables[0][before & 0xFF] ^ (before >> 8);
        }
    return tables;
}();

std::uint64_t load(const char* from) {
    std::uint64_t value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
}

std::uint32_t by_table(std::uint32_t crc, std::string_view bytes) {
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
        const std::uint64_t eight = load(bytes.data()) ^ crc;
        crc = 0;
        for (std::size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][(eight >> (8 * i)) & 0xFF];
    }
    for (const char c : bytes)
        crc = kTables[0][(crc ^ static_cast<unsigned char>(c)) & 0xFF] ^ (crc >> 8);
    return crc;
}

#if defined(__x86_64__)

// The instruction takes a new value every cycle but gives its answer only after three, so three
// neighbouring lanes are summed at once. A lane is then moved over the lanes behind it: multiplied
// by x^(bits behind it), modulo the polynomial. 168 bytes make a block of three fit into 512.
constexpr std::size_t kLaneSize = 168;
constexpr std::size_t kBlockSize = 3 * kLaneSize;

/// x^power modulo the polynomial.
constexpr std::uint32_t power_of_x(std::size_t power) {
    std::uint32_t value = 0x80000000;  // 1
    for (; power > 0; --power) value = (value >> 1) ^ ((value & 1) ? kPolynomial : 0);
    return value;
}

// The product of two such numbers lies one bit too low, and the crc instruction that reduces it
// multiplies by x^32: hence 33 powers less.
constexpr std::uint32_t kOverOneLane = power_of_x(8 * kLaneSize - 33);
constexpr std::uint32_t kOverTwoLanes = power_of_x(8 * 2 * kLaneSize - 33);

__attribute__((target("sse4.2,pclmul"))) std::uint32_t moved(std::uint32_t crc, std::uint32_t by) {
    const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128(static_cast<int>(crc)),
                                                 _mm_cvtsi32_si128(static_cast<int>(by)), 0);
    return static_cast<std::uint32_t>(
        _mm_crc32_u64(0, static_cast<std::uint64_t>(_mm_cvtsi128_si64(product))));
}

__attribute__((target("sse4.2,pclmul"))) std::uint32_t by_instruction(std::uint32_t crc,
                                                                      std::string_view bytes) {
    for (; bytes.size() >= kBlockSize; bytes.remove_prefix(kBlockSize)) {
        std::uint64_t first = crc;
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        const char* const lane = bytes.data();
        for (std::size_t i = 0; i < kLaneSize; i += 8) {
            first = _mm_crc32_u64(first, load(lane + i));
            second = _mm_crc32_u64(second, load(lane + kLaneSize + i));
            third = _mm_crc32_u64(third, load(lane + 2 * kLaneSize + i));
        }
        crc = moved(static_cast<std::uint32_t>(first), kOverTwoLanes) ^
              moved(static_cast<std::uint32_t>(second), kOverOneLane) ^
              static_cast<std::uint32_t>(third);
    }
    std::uint64_t rest = crc;
    for (; bytes.size() >= 8; bytes.remove_prefix(8))
        rest = _mm_crc32_u64(rest, load(bytes.data()));
    crc = static_cast<std::uint32_t>(rest);
    for (const char c : bytes) crc = _mm_crc32_u8(crc, static_cast<unsigned char>(c));
    return crc;
}

const bool kHasInstruction =
    __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("pclmul") != 0;

#endif

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
#if defined(__x86_64__)
    if (kHasInstruction) return ~by_instruction(~seed, bytes);
#endif
    return ~by_table(~seed, bytes);
}

std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t seed) {
    return ~by_table(~seed, bytes);
}

void append_hex32(std::string& out, std::uint32_t value) {
    static constexpr char kDigits[] = "0123456789abcdef";
    for (int shift = 28; shift >= 0; shift -= 4) out += kDigits[(value >> shift) & 15];
}

bool parse_hex32(std::string_view digits, std::uint32_t* value) {
    if (digits.size() != 8) return false;
    std::uint32_t sum = 0;
    for (const char c : digits) {
        const bool decimal = c >= '0' && c <= '9';
        if (!decimal && !(c >= 'a' && c <= 'f')) return false;
        sum = sum * 16 + static_cast<std::uint32_t>(decimal ? c - '0' : c - 'a' + 10);
    }
    *value = sum;
    return true;
}

}  // namespace se
