// Reads that merge what LMDB does not have yet, against a plain map.

#include "tests/engine/engine_world.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

namespace {

Overlay::Shared entry_at(std::uint64_t seq) {
    Entry entry;
    entry.seq = Seq{seq};
    entry.value = std::to_string(seq);
    return std::make_shared<const Entry>(entry);
}

}  // namespace

TEST_CASE("an overlay shows the newest entry at or below a seq, and forgets from the oldest on") {
    Overlay overlay;
    for (const std::uint64_t seq : {3u, 5u, 9u}) overlay.put("k", entry_at(seq));
    CHECK((*overlay.newest("k"))->seq == Seq{9});
    CHECK(overlay.newest("other") == nullptr);
    for (std::uint64_t through = 0; through < 12; ++through) {
        const Overlay::Shared* found = overlay.as_of("k", Seq{through});
        CHECK((found == nullptr) == (through < 3));
        if (found != nullptr) {
            CHECK((*found)->seq == Seq{through < 5 ? 3u : through < 9 ? 5u : 9u});
        }
    }
    overlay.forget("k", Seq{5});
    CHECK(overlay.as_of("k", Seq{8}) == nullptr);
    CHECK((*overlay.newest("k"))->seq == Seq{9});
    overlay.forget("k", Seq{9});
    CHECK(overlay.empty());
}

TEST_CASE("a list merges overlay and LMDB for every prefix, start and limit") {
    EngineWorld world;
    world.settings.journal.fsync = FsyncMode::never;
    world.open();
    world.clock.advance(2s);
    world.settle();
    std::map<std::string, std::string> model;
    const std::vector<std::string> keys = {"a", "a.b", "a.c", "ab", "b", "b.a", "b.b", "c", "z"};
    SimRandom random(7);
    for (int round = 0; round < 12; ++round) {
        for (int i = 0; i < 6; ++i) {
            const std::string& key = keys[random.below(keys.size())];
            if (model.contains(key) && random.chance(40)) {
                world.ask(R"({"op":"delete","key":")" + key + R"(","reason":"r"})");
                model.erase(key);
            } else {
                const std::string value = std::to_string(random.below(1000));
                world.set(key, value);
                model[key] = value;
            }
        }
        for (const std::string prefix : {"", "a", "a.", "b", "b.b", "q"}) {
            for (const std::string after : {"", "a", "a.b", "aa", "b", "b.b", "zz"}) {
                for (const std::size_t limit : {0u, 1u, 2u, 100u}) {
                    std::vector<std::pair<std::string, std::string>> expected;
                    for (const auto& [key, value] : model) {
                        if (!key.starts_with(prefix) || key <= after) continue;
                        if (expected.size() < limit) expected.emplace_back(key, value);
                    }
                    const auto listed = world.engine->list(prefix, after, limit);
                    REQUIRE(listed);
                    std::vector<std::pair<std::string, std::string>> found;
                    for (const auto& [key, entry] : *listed) found.emplace_back(key, entry.value);
                    CAPTURE(prefix);
                    CAPTURE(after);
                    CHECK(found == expected);
                }
            }
        }
        if (random.chance(40)) world.clock.advance(1100ms);
        world.settle();
    }
}
