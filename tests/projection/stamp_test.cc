// Whether LMDB is believed.

#include "projection/stamp.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "journal/base/crc32c.h"
#include "journal/base/json.h"

namespace se {
namespace {

const Stamp kStamp{.generation = 7,
                   .epoch = Epoch{1700000000},
                   .identity = {"boot-1", "mount-1", UINT64_MAX - 3, 1ull << 63},
                   .clean = false};

}  // namespace

TEST_CASE("a stamp comes back from its line") {
    for (const bool clean : {false, true}) {
        Stamp stamp = kStamp;
        stamp.clean = clean;
        const auto decoded = decode_stamp(encode_stamp(stamp));
        REQUIRE(decoded);
        CHECK(*decoded == stamp);
    }
}

TEST_CASE("a cut or changed stamp is never believed") {
    const std::string line = encode_stamp(kStamp);
    for (std::size_t size = 0; size < line.size(); ++size)
        CHECK_FALSE(decode_stamp(line.substr(0, size)));
    for (std::size_t bit = 0; bit < line.size() * 8; ++bit) {
        std::string flipped = line;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        CHECK_FALSE(decode_stamp(flipped));
    }
    CHECK_FALSE(decode_stamp(line + "\n"));
}

TEST_CASE("an epoch or a generation below 0 is damage, whatever the checksum says") {
    Stamp stamp = kStamp;
    SUBCASE("epoch") { stamp.epoch = Epoch{UINT64_MAX}; }
    SUBCASE("generation") { stamp.generation = UINT64_MAX; }
    std::string line = encode_stamp(stamp);
    line.replace(line.find("18446744073709551615"), 20, "-1");
    line.resize(line.find(",\"crc\""));
    const std::uint32_t crc = crc32c(line);
    line += ",\"crc\":\"";
    append_hex32(line, crc);
    const auto decoded = decode_stamp(line + "\"}\n");
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().code == Errc::corruption);
}

TEST_CASE(
    "trust: clean, or the same file in the same boot under the same mount or a living writer") {
    // Every combination: what is equal to the stamp, who writes now, and whether it was closed.
    for (int bits = 0; bits < 64; ++bits) {
        const bool clean = bits & 1, boot = bits & 2, device = bits & 4, inode = bits & 8,
                   mount = bits & 16, writer = bits & 32;
        Stamp stamp = kStamp;
        stamp.clean = clean;
        FileIdentity now = kStamp.identity;
        if (!boot) now.boot = "boot-2";
        if (!device) now.device = 1;
        if (!inode) now.inode = 1;
        if (!mount) now.mount = "mount-2";
        const bool trusted = clean || (boot && device && inode && (mount || writer));
        CAPTURE(bits);
        const auto living = writer ? std::optional(kStamp.epoch) : std::nullopt;
        CHECK(why_not_trusted(stamp, now, living).has_value() != trusted);
        // A living writer of another epoch is not the one who wrote the stamp.
        const bool without = clean || (boot && device && inode && mount);
        CHECK(why_not_trusted(stamp, now, Epoch{5}).has_value() != without);
    }
}

}  // namespace se
