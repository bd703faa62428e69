#include "journal/base/hash.h"

#include <doctest/doctest.h>

#include <string>

using namespace se;

namespace {

std::string bytes_of(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return bytes;
}

}  // namespace

TEST_CASE("SHA-256 gives the digests of FIPS 180") {
    CHECK(to_hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(to_hex(sha256("abc")) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(to_hex(sha256(std::string(1'000'000, 'a'))) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("a digest does not depend on the pieces that the bytes came in") {
    std::string bytes;
    for (int i = 0; i < 200; ++i) bytes += static_cast<char>(i);
    const Hash whole = sha256(bytes);
    Sha256 sum;
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        sum.add(bytes.substr(0, cut)).add(bytes.substr(cut));
        REQUIRE(sum.finish() == whole);  // and it begins anew
    }
    Sha256 copied = sum.add("a");
    CHECK(copied.add("b").finish() == sha256("ab"));
    CHECK(sum.finish() == sha256("a"));
    CHECK(Sha256().add(whole).finish() == sha256(bytes_of(to_hex(whole))));
}

TEST_CASE("HMAC-SHA-256 gives the codes of RFC 4231") {
    struct Row {
        std::string key;
        std::string bytes;
        std::string_view code;
    };
    const Row rows[] = {
        {std::string(20, '\x0b'), "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {std::string(20, '\xaa'), std::string(50, '\xdd'),
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {bytes_of("0102030405060708090a0b0c0d0e0f10111213141516171819"), std::string(50, '\xcd'),
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {std::string(131, '\xaa'),
         "This is a test using a larger than block-size key and a larger than block-size data. The "
         "key needs to be hashed before being used by the HMAC algorithm.",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (const Row& row : rows) CHECK(to_hex(hmac_sha256(row.key, row.bytes)) == row.code);
    CHECK(to_hex(hmac_sha256("", "")) ==
          "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("hex is read back only when it is exactly the lower-case digits of the hash") {
    const Hash hash = sha256("x");
    const std::string hex = to_hex(hash);
    CHECK(hash_from_hex(hex) == hash);
    CHECK(hash16_from_hex(hex.substr(0, 32)) == first_half(hash));
    CHECK(to_hex(first_half(hash)) == hex.substr(0, 32));
    CHECK(to_hex(std::string_view("\x00\xff\x10", 3)) == "00ff10");

    CHECK(!hash_from_hex(hex.substr(1)));
    CHECK(!hash_from_hex(hex + "0"));
    CHECK(!hash16_from_hex(hex));
    for (const char bad : {'A', 'F', 'g', '`', '/', ':', ' ', '\0'}) {
        std::string wrong = hex;
        wrong[63] = bad;
        CHECK(!hash_from_hex(wrong));
    }
}

TEST_CASE("texts are compared whole") {
    CHECK(equal_in_constant_time("", ""));
    CHECK(equal_in_constant_time("secret", "secret"));
    CHECK(!equal_in_constant_time("secret", "secreT"));
    CHECK(!equal_in_constant_time("secret", "Secret"));
    CHECK(!equal_in_constant_time("secret", "secre"));
    CHECK(!equal_in_constant_time("", "s"));
}
