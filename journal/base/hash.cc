// The low-level calls are deprecated in OpenSSL 3, yet they are the fast ones: EVP costs three
// times as much for the short inputs that we hash, all of it for looking up the algorithm.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "journal/base/hash.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <new>
#include <type_traits>

#include "journal/base/assert.h"

namespace se {
namespace {

SHA256_CTX* context(std::array<std::uint8_t, 128>& state) {
    static_assert(sizeof(SHA256_CTX) <= 128 && alignof(SHA256_CTX) <= 8);
    static_assert(std::is_trivially_copyable_v<SHA256_CTX>);  // so copying a Sha256 is right
    return std::launder(static_cast<SHA256_CTX*>(static_cast<void*>(state.data())));
}

std::string_view view(const Hash& hash) {
    return {static_cast<const char*>(static_cast<const void*>(hash.data())), hash.size()};
}

std::string hex_of(const std::uint8_t* bytes, std::size_t size) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string hex(2 * size, '0');
    for (std::size_t i = 0; i < size; ++i) {
        hex[2 * i] = kDigits[bytes[i] >> 4];
        hex[2 * i + 1] = kDigits[bytes[i] & 15];
    }
    return hex;
}

int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

template <class Bytes>
std::optional<Bytes> bytes_from_hex(std::string_view hex) {
    Bytes bytes;
    if (hex.size() != 2 * bytes.size()) return std::nullopt;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const int high = digit_value(hex[2 * i]);
        const int low = digit_value(hex[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return bytes;
}

}  // namespace

Sha256::Sha256() : state_{} {
    new (state_.data()) SHA256_CTX;
    SHA256_Init(context(state_));
}

Sha256& Sha256::add(std::string_view bytes) {
    SHA256_Update(context(state_), bytes.data(), bytes.size());
    return *this;
}

Sha256& Sha256::add(const Hash& hash) {
    return add(view(hash));
}

Hash Sha256::finish() {
    Hash hash;
    SHA256_Final(hash.data(), context(state_));
    SHA256_Init(context(state_));
    return hash;
}

Hash sha256(std::string_view bytes) {
    return Sha256().add(bytes).finish();
}

Hash hmac_sha256(std::string_view key, std::string_view bytes) {
    constexpr std::size_t kHmacBlockBytes = 64;
    const Hash short_key = key.size() > kHmacBlockBytes ? sha256(key) : Hash{};
    if (key.size() > kHmacBlockBytes) key = view(short_key);

    std::string inner(kHmacBlockBytes, '\x36');
    std::string outer(kHmacBlockBytes, '\x5c');
    for (std::size_t i = 0; i < key.size(); ++i) {
        inner[i] = static_cast<char>(inner[i] ^ key[i]);
        outer[i] = static_cast<char>(outer[i] ^ key[i]);
    }
    const Hash hash = Sha256().add(outer).add(Sha256().add(inner).add(bytes).finish()).finish();
    OPENSSL_cleanse(inner.data(), inner.size());  // both give the key away
    OPENSSL_cleanse(outer.data(), outer.size());
    return hash;
}

Hash16 first_half(const Hash& hash) {
    Hash16 half;
    std::copy_n(hash.begin(), half.size(), half.begin());
    return half;
}

std::string to_hex(std::string_view bytes) {
    return hex_of(static_cast<const std::uint8_t*>(static_cast<const void*>(bytes.data())),
                  bytes.size());
}

std::string to_hex(const Hash& hash) {
    return hex_of(hash.data(), hash.size());
}
std::string to_hex(const Hash16& hash) {
    return hex_of(hash.data(), hash.size());
}

std::optional<Hash> hash_from_hex(std::string_view hex) {
    return bytes_from_hex<Hash>(hex);
}
std::optional<Hash16> hash16_from_hex(std::string_view hex) {
    return bytes_from_hex<Hash16>(hex);
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace se
