#include "journal/base/crc32c.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/sim/sim_random.h"

using namespace se;

namespace {

/// The definition, one bit at a time.
std::uint32_t by_definition(std::string_view bytes) {
    std::uint32_t crc = ~0u;
    for (const char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0u);
    }
    return ~crc;
}

std::string random_bytes(std::size_t size) {
    SimRandom random(size);
    std::string bytes(size, '\0');
    random.fill(std::as_writable_bytes(std::span(bytes)));
    return bytes;
}

}  // namespace

TEST_CASE("CRC-32C gives the checksums of RFC 3720") {
    std::string up;
    for (char c = 0; c < 32; ++c) up += c;
    const std::string down(up.rbegin(), up.rend());
    for (const auto crc : {crc32c, crc32c_by_table}) {
        CHECK(crc("", 0) == 0);
        CHECK(crc("123456789", 0) == 0xe3069283);
        CHECK(crc(std::string(32, '\0'), 0) == 0x8a9136aa);
        CHECK(crc(std::string(32, '\xff'), 0) == 0x62a8ab43);
        CHECK(crc(up, 0) == 0x46dd794e);
        CHECK(crc(down, 0) == 0x113fdb5c);
    }
}

TEST_CASE("the fast way and the table agree with the definition at every size and alignment") {
    const std::string bytes = random_bytes(3000);
    for (std::size_t size = 0; size < 2100; ++size) {
        const std::string_view some = std::string_view(bytes).substr(size % 17, size);
        const std::uint32_t expected = by_definition(some);
        REQUIRE(crc32c(some) == expected);
        REQUIRE(crc32c_by_table(some) == expected);
    }
    const std::string large = random_bytes(1'000'003);
    CHECK(crc32c(large) == by_definition(large));
}

TEST_CASE("checksums continue across any cut") {
    const std::string bytes = random_bytes(1700);
    const std::uint32_t whole = crc32c(bytes);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        const std::string_view all = bytes;
        REQUIRE(crc32c(all.substr(cut), crc32c(all.substr(0, cut))) == whole);
        REQUIRE(crc32c_by_table(all.substr(cut), crc32c(all.substr(0, cut))) == whole);
    }
}

TEST_CASE("every flipped bit changes the checksum") {
    std::string bytes = random_bytes(1030);
    const std::uint32_t good = crc32c(bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        const auto flip = [&] {
            bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
        };
        flip();
        REQUIRE(crc32c(bytes) != good);
        flip();
    }
}

TEST_CASE("a checksum is written as eight lower-case hex digits and read only as such") {
    for (const std::uint32_t value : {0u, 1u, 0xe3069283u, 0x0000abcdu, 0xffffffffu}) {
        std::string text;
        append_hex32(text, value);
        CHECK(text.size() == 8);
        std::uint32_t read = ~value;
        CHECK(parse_hex32(text, &read));
        CHECK(read == value);
    }
    std::string text = "x";
    append_hex32(text, 0xe3069283);
    CHECK(text == "xe3069283");

    std::uint32_t untouched = 7;
    for (const std::string_view bad :
         {"", "e306928", "e30692833", "E3069283", "e306928g", " e306928", "0xe30692", "e306928-"}) {
        CHECK(!parse_hex32(bad, &untouched));
        CHECK(untouched == 7);
    }
}
