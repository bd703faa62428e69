#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace se {

/// The only source of chance. The real one is the kernel's; the simulated one follows its seed.
class Random {
public:
    virtual ~Random() = default;
    virtual void fill(std::span<std::byte> bytes) = 0;
};

/// A version 4 UUID (RFC 9562) in its usual lower-case form.
std::string make_uuid(Random& random);

/// `count` random bytes as 2 * count lower-case hex digits.
std::string make_hex(Random& random, std::size_t count);

}  // namespace se
