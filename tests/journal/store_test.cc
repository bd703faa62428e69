#include "journal/store.h"

#include <doctest/doctest.h>

#include "tests/sim/sim_filesystem.h"
#include "tests/journal/small_store.h"

namespace se {
namespace {

class Counting final : public Random {
public:
    void fill(std::span<std::byte> bytes) override {
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(++state_);
    }

private:
    unsigned state_ = 0;
};

const StorePaths kPaths{"/data"};

TEST_CASE("a store is made once, held by one, and read back by all") {
    test::MemoryFiles files;
    Counting random;
    CHECK(read_store(files, kPaths).error().code == Errc::not_found);
    auto hold = hold_store(files, random, kPaths);
    REQUIRE(hold);
    CHECK(hold->info.store.size() == 36);
    CHECK(hold->info.secret.size() == 32);
    const auto read = read_store(files, kPaths);
    REQUIRE(read);
    CHECK(read->store == hold->info.store);
    CHECK(read->secret == hold->info.secret);
    CHECK(files.bytes(kPaths.store_file())
              .starts_with(R"({"format":"state-engine-store/1","store":")"));
    CHECK(hold_store(files, random, kPaths).error().code == Errc::busy);
    const std::string id = hold->info.store;
    hold->lock.reset();
    auto again = hold_store(files, random, kPaths);
    REQUIRE(again);
    CHECK(again->info.store == id);
}

TEST_CASE("a store file that is gone or empty beside segments is damage, not an absent store") {
    test::MemoryFiles files;
    Counting random;
    { REQUIRE(hold_store(files, random, kPaths)); }
    files.bytes(kPaths.segment(Seq{1})) = "anything";
    files.bytes(kPaths.store_file()).clear();
    for (int missing = 0; missing < 2; ++missing) {
        for (const Error& error : {read_store(files, kPaths).error(), hold_store(files, random, kPaths).error()}) {
            CHECK(error.code == Errc::corruption);
            CHECK(error.text.find("bring back the original file") != std::string::npos);
        }
        if (missing == 0) REQUIRE(files.remove(kPaths.store_file()));
    }
}

TEST_CASE("a half-made store is finished from any point") {
    test::MemoryFiles files;
    Counting random;
    { REQUIRE(hold_store(files, random, kPaths)); }
    const std::string whole = files.bytes(kPaths.store_file());
    for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
        files.bytes(kPaths.store_file()) = whole.substr(0, size);
        const auto hold = hold_store(files, random, kPaths);
        REQUIRE(hold);
        CHECK(read_store(files, kPaths)->store == hold->info.store);
    }
}

TEST_CASE("a store that is held is durable, however far those before us got with it") {
    // Whoever came first failed at each call in turn, or was killed there. What they made and never
    // synced can be read as if it were on disk.
    for (std::uint64_t calls = 0; calls < 40; ++calls) {
        for (std::uint64_t seed = 0; seed < 40; ++seed) {
            SimFileSystem disk(seed);
            Counting random;
            if (seed % 2 == 0) {
                disk.fail_after(calls, DiskFault::lasting);
            } else {
                disk.on_call([&](const SimFileSystem::Call&) {
                    if (disk.calls() != calls) return;
                    disk.crash();
                    disk.fail_after(0, DiskFault::lasting);
                });
            }
            static_cast<void>(hold_store(disk, random, kPaths));
            disk.on_call({});
            disk.mend();
            disk.crash();
            StoreInfo held;
            {
                const auto hold = hold_store(disk, random, kPaths);
                REQUIRE(hold);
                held = hold->info;
            }
            disk.power_cut();
            CAPTURE(calls);
            CAPTURE(seed);
            const auto found = read_store(disk, kPaths);
            REQUIRE(found);
            CHECK(found->store == held.store);
            CHECK(found->secret == held.secret);
        }
    }
}

TEST_CASE("history is never given a new id") {
    test::MemoryFiles files;
    Counting random;
    { REQUIRE(hold_store(files, random, kPaths)); }
    files.bytes(kPaths.segment({1})) = "\n";
    for (const char* text : {"", "{", R"({"format":"other/1"})",
                             R"({"format":"state-engine-store/1","store":"s","secret":"short"})"}) {
        files.bytes(kPaths.store_file()) = text;
        const auto hold = hold_store(files, random, kPaths);
        REQUIRE_FALSE(hold);
        CHECK(hold.error().code == Errc::corruption);
        CHECK(files.bytes(kPaths.store_file()) == text);
    }
}

TEST_CASE("a store of a newer major format is refused and left alone") {
    test::MemoryFiles files;
    Counting random;
    const std::string text = R"({"format":"state-engine-store/2"})";
    files.bytes(kPaths.store_file()) = text;
    CHECK(read_store(files, kPaths).error().code == Errc::unsupported);
    CHECK(hold_store(files, random, kPaths).error().code == Errc::unsupported);
    CHECK(files.bytes(kPaths.store_file()) == text);
}

}  // namespace
}  // namespace se
