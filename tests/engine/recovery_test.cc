// What an open believes: evidence, copies brought back, lost caches, crashes at any moment.

#include <filesystem>

#include "tests/engine/engine_world.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

namespace {

const StorePaths kPaths{"/data"};

/// All of the store's files but the projection's.
std::map<std::string, std::string> journal_files(EngineWorld& world) {
    std::map<std::string, std::string> files;
    files[kPaths.head()] = *world.disk.content(kPaths.head());
    const auto names = world.disk.list(kPaths.journal());
    REQUIRE(names);
    for (const std::string& name : *names) {
        const std::string path = kPaths.journal() + "/" + name;
        if (const auto content = world.disk.content(path)) files[path] = *content;
    }
    return files;
}

void bring_back(EngineWorld& world, const std::map<std::string, std::string>& files) {
    for (const auto& [path, content] : journal_files(world)) REQUIRE(world.disk.remove(path));
    for (const auto& [path, content] : files) world.disk.put(path, content);
}

}  // namespace

TEST_CASE("a follower that has seen more than there is proves damage (J4)") {
    EngineWorld world;
    world.open();
    world.set("k", "1");
    const auto applied = world.engine->applied();
    const std::string store = world.engine->store().store;
    REQUIRE(world.engine->close());
    world.leave();
    const auto watermark = [&](const std::string& of, Epoch epoch, std::uint64_t seq) {
        return R"({"store":")" + of + R"(","epoch":)" + std::to_string(epoch.value) + R"(,"seq":)" +
               std::to_string(seq) + "}";
    };
    bool proves = false;
    SUBCASE("of this store") {
        world.disk.put("/data/followers/firestore",
                       watermark(store, applied.epoch, applied.seq.value + 5));
        proves = true;
    }
    SUBCASE("but not of another one") {
        world.disk.put("/data/followers/firestore",
                       watermark("other", applied.epoch, applied.seq.value + 5));
    }
    SUBCASE("nor one that has seen what is there") {
        world.disk.put("/data/followers/firestore", watermark(store, applied.epoch, 2));
    }
    SUBCASE("nor a file that says nothing") { world.disk.put("/data/followers/x", "{\"seq\":9"); }
    REQUIRE(world.try_open(world.policy));
    CHECK(world.engine->state() == (proves ? EngineState::damaged : EngineState::ready));
    if (proves) CHECK(world.engine->damage()->evidence == "follower firestore");
    CHECK(world.value_of("k") == "1");
}

TEST_CASE("an older copy of the journal beside a newer projection is damage, not a reason to forget") {
    EngineWorld world;
    world.open();
    world.set("k", "1");
    REQUIRE(world.engine->close());
    const auto older = journal_files(world);
    world.open();
    world.set("k", "2");
    REQUIRE(world.engine->close());
    world.leave();
    bring_back(world, older);
    REQUIRE(world.try_open(world.policy));
    CHECK(world.engine->state() == EngineState::damaged);
    CHECK(world.engine->damage()->from > Seq{3});
    CHECK(world.submit(EngineWorld::set_text("k", "3"))->answer().reason == "damaged");
}

TEST_CASE("a projection of a history that was cut is grown anew") {
    namespace fs = std::filesystem;
    EngineWorld world;
    world.open();
    world.set("k", "1");
    REQUIRE(world.engine->close());
    const auto older = journal_files(world);
    world.open();
    world.set("cut", "1");
    world.set("cut", "2");
    REQUIRE(world.engine->close());
    world.leave();
    const TemporaryDirectory aside;
    fs::copy(world.cache.path(), aside.path() + "/cache", fs::copy_options::recursive);
    const std::string stamp = *world.disk.content("/data/projection/STAMP");

    // The journal is brought back without its projection, and history goes on another way…
    bring_back(world, older);
    world.forget_cache();
    world.clock.advance(10s);
    world.open();
    for (int i = 0; i < 9; ++i) world.set("new", std::to_string(i));
    REQUIRE(world.engine->close());
    world.leave();
    // …then somebody puts the old projection back.
    world.forget_cache();
    fs::copy(aside.path() + "/cache", world.cache.path(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    world.disk.put("/data/projection/STAMP", stamp);
    world.open();
    CHECK(world.engine->state() == EngineState::ready);
    CHECK(world.value_of("cut") == "absent");
    CHECK(world.value_of("new") == "8");
    world.check_reads_are_the_fold();
}

TEST_CASE("a store that is closed as soon as it is open goes on under the policy it was given") {
    // Wherever in a segment that is: where it ends, the new policy waits for the next one to be filled.
    EngineWorld world;
    world.settings.engine.group_records = 1;
    world.settings.journal.first_segment_bytes = 4096;
    world.settings.journal.segment_bytes = 4096;
    world.open();
    for (int i = 0; i < 40; ++i) {
        CAPTURE(i);
        REQUIRE(world.engine->close());
        Policy narrow;
        narrow.allowed_keys = {"only.this." + std::to_string(i)};
        REQUIRE(world.try_open(narrow));
        world.commits.run();
        world.engine->step();
        world.commits.run();
        world.engine->step();
        REQUIRE(world.engine->close());
        world.open(std::nullopt);
        CHECK(world.engine->policy() == narrow);
        for (int j = 0; j < i % 5; ++j) world.set("k", "1");
    }
}

TEST_CASE("killed at any call of the disk: what was answered is there, once, with exact versions") {
    for (std::uint64_t calls = 0;; ++calls) {
        CAPTURE(calls);
        EngineWorld world(calls + 1);
        world.open();
        std::vector<std::pair<std::string, std::shared_ptr<Asked>>> asked;
        const std::uint64_t from = world.disk.calls();
        bool dead = false;
        world.disk.on_call([&](const SimFileSystem::Call&) {
            if (!dead && world.disk.calls() - from > calls) {
                dead = true;
                world.disk.crash();
            }
        });
        for (int i = 0; i < 6 && !dead; ++i) {
            for (int j = 0; j <= i % 3; ++j) {
                const std::string id = "id-" + std::to_string(i) + "-" + std::to_string(j);
                const std::string text =
                    R"({"op":"increment","key":"n","value":1,"reason":"r","id":")" + id + "\"}";
                asked.emplace_back(text, world.submit(text));
            }
            for (int steps = 0; steps < 6; ++steps) {
                world.engine->step();
                world.commits.run();
                world.background.run();
            }
        }
        if (!dead) static_cast<void>(world.engine->close());
        const bool survived = !dead;
        world.disk.on_call({});
        world.crash();
        world.open();
        // Everybody asks again, whatever they heard.
        std::map<std::uint64_t, std::uint64_t> version_of_seq;
        for (const auto& [text, first] : asked) {
            const Answer again = world.ask(text);
            REQUIRE(again.status == Answer::Status::accepted);
            CHECK(version_of_seq.emplace(again.seq.value, again.changes[0].version.value).second);
            if (first->answered() && first->answer().status == Answer::Status::accepted) {
                CHECK(again.duplicate);
                CHECK(again.seq == first->answer().seq);
                CHECK(again.changes[0].version == first->answer().changes[0].version);
            }
        }
        std::uint64_t version = 0;
        for (const auto& [seq, of] : version_of_seq) CHECK(of == ++version);
        CHECK(world.value_of("n") == std::to_string(asked.size()));
        world.check_reads_are_the_fold();
        if (survived) break;
        REQUIRE(calls < 1000);
    }
}
