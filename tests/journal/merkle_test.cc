#include "journal/merkle.h"

#include <doctest/doctest.h>

#include <span>

namespace se {
namespace {

Hash leaf_of(std::string_view bytes) {
    return Sha256{}.add(std::string_view("\0", 1)).add(bytes).finish();
}

/// RFC 9162, section 2.1.1, word for word.
Hash slow_root(std::span<const Hash> leaves) {
    if (leaves.empty()) return sha256({});
    if (leaves.size() == 1) return leaves[0];
    std::size_t split = 1;
    while (split * 2 < leaves.size()) split *= 2;
    return Sha256{}
        .add(std::string_view("\1", 1))
        .add(slow_root(leaves.first(split)))
        .add(slow_root(leaves.subspan(split)))
        .finish();
}

TEST_CASE("the frontier has the root of the whole tree at every size") {
    Frontier frontier;
    std::vector<Hash> leaves;
    for (int size = 0; size <= 260; ++size) {
        REQUIRE(frontier.size() == leaves.size());
        REQUIRE(frontier.root() == slow_root(leaves));
        leaves.push_back(leaf_of(std::to_string(size)));
        frontier.append(leaves.back());
    }
}

TEST_CASE("the frontier agrees with the test vectors of Certificate Transparency") {
    using namespace std::string_view_literals;
    const std::pair<std::string_view, const char*> rows[] = {
        {""sv, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {"\x00"sv, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
        {"\x10"sv, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
        {"\x20\x21"sv, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
        {"\x30\x31"sv, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
        {"\x40\x41\x42\x43"sv, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
        {"\x50\x51\x52\x53\x54\x55\x56\x57"sv,
         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
        {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"sv,
         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
    };
    Frontier frontier;
    CHECK(to_hex(frontier.root()) ==
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (const auto& [leaf, root] : rows) {
        frontier.append(leaf_of(leaf));
        CHECK(to_hex(frontier.root()) == root);
    }
}

TEST_CASE("a frontier goes on from its bytes as if it had never stopped") {
    Frontier straight;
    for (int size = 0; size <= 70; ++size) {
        const std::string bytes = straight.to_bytes();
        auto again = Frontier::from_bytes(bytes);
        REQUIRE(again);
        REQUIRE(*again == straight);
        again->append(leaf_of("x"));
        straight.append(leaf_of("x"));
        REQUIRE(again->root() == straight.root());
        for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
            REQUIRE_FALSE(Frontier::from_bytes(bytes.substr(0, cut)));
        }
        REQUIRE_FALSE(Frontier::from_bytes(bytes + "x"));
    }
    CHECK_FALSE(Frontier::from_bytes(std::string(8, '\xff')));
}

TEST_CASE("a lost leaf is told apart by its seq") {
    CHECK(lost_leaf({1}) != lost_leaf({2}));
    CHECK(lost_leaf({1}) != lost_leaf({256}));
    CHECK(lost_leaf({7}) == lost_leaf({7}));
}

}  // namespace
}  // namespace se
