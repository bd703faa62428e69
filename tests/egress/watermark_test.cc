#include "engine/egress/watermark.h"

#include <doctest/doctest.h>

#include "journal/evidence.h"
#include "journal/follower_mark.h"
#include "tests/sim/sim_filesystem.h"

namespace se {
namespace {

using Kind = Watermark::Found::Kind;

const std::string kStore = "01234567-89ab-cdef-0123-456789abcdef";
const Cursor kOld{Epoch{1'763'690'400}, Seq{41}}, kNew{Epoch{1'763'690'400}, Seq{42}};

struct MarkPlace {
    SimFileSystem disk{1};
    StorePaths paths{"/data"};
    Watermark mark{disk, paths, "peer"};

    MarkPlace() { disk.put("/data/followers/other", "x"); }
};

TEST_CASE("a watermark is read as it was kept") {
    MarkPlace place;
    CHECK(place.mark.load(kStore)->kind == Kind::missing);
    REQUIRE(place.mark.save(kStore, kOld));
    REQUIRE(place.mark.save(kStore, kNew));
    const auto found = place.mark.load(kStore);
    CHECK(found->kind == Kind::good);
    CHECK(found->cursor == kNew);
    CHECK(place.mark.load("another-store")->kind == Kind::bad);
}

TEST_CASE("no flipped bit of a watermark makes it another one") {
    MarkPlace place;
    REQUIRE(place.mark.save(kStore, kNew));
    const std::string good = *place.disk.content("/data/followers/peer");
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        std::string text = good;
        text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
        place.disk.put("/data/followers/peer", text);
        const auto found = place.mark.load(kStore);
        REQUIRE(found);
        CHECK((found->kind == Kind::bad || found->cursor == kNew));
        // J4: nor does it prove damage that is not there.
        for (const Evidence& evidence : *read_follower_watermarks(place.disk, place.paths, kStore))
            CHECK(evidence.seq == kNew.seq);
    }
}

TEST_CASE("a cut or foreign file is bad, and says why") {
    MarkPlace place;
    for (const char* text :
         {"", "{", "{\"store\":\"x\"}", "[]", "{\"store\":\"s\",\"epoch\":-1,\"seq\":1}"}) {
        place.disk.put("/data/followers/peer", text);
        const auto found = place.mark.load("s");
        CHECK(found->kind == Kind::bad);
        CHECK(found->why.starts_with("/data/followers/peer "));
    }
    place.disk.put("/data/followers/peer", std::string(70'000, 'x'));
    CHECK(place.mark.load("s")->kind == Kind::bad);
}

TEST_CASE("a watermark whose replacement fails or dies anywhere is the old one or the new one") {
    for (const bool dies : {false, true}) {
        for (std::uint64_t calls = 0;; ++calls) {
            MarkPlace place;
            REQUIRE(place.mark.save(kStore, kOld));
            if (dies) {
                place.disk.on_call([&, left = calls](const SimFileSystem::Call&) mutable {
                    if (left-- == 0) place.disk.power_cut();
                });
            } else {
                place.disk.fail_after(calls, DiskFault::hiccup);
            }
            const Status saved = place.mark.save(kStore, kNew);
            place.disk.on_call({});
            place.disk.mend();
            if (!dies) place.disk.power_cut();
            const auto found = place.mark.load(kStore);
            REQUIRE(found);
            REQUIRE(found->kind == Kind::good);
            CHECK((found->cursor == kNew || (!saved && found->cursor == kOld)));
            if (saved) break;
        }
    }
}

}  // namespace
}  // namespace se
