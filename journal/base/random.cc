#include "journal/base/random.h"

#include "journal/base/hash.h"

namespace se {

std::string make_uuid(Random& random) {
    std::string bytes(16, '\0');
    random.fill(std::as_writable_bytes(std::span(bytes)));
    bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);  // version 4
    bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);  // the variant of RFC 9562
    std::string uuid = to_hex(bytes);
    for (const std::size_t dash : {8u, 13u, 18u, 23u}) uuid.insert(dash, 1, '-');
    return uuid;
}

std::string make_hex(Random& random, std::size_t count) {
    std::string bytes(count, '\0');
    random.fill(std::as_writable_bytes(std::span(bytes)));
    return to_hex(bytes);
}

}  // namespace se
