#include "journal/head.h"

#include <doctest/doctest.h>

#include "tests/journal/small_store.h"
#include "tests/sim/sim_filesystem.h"

namespace se {
namespace {

const std::string kRoot = "/data";
const std::string kPath = "/data/HEAD";

Head head(std::uint64_t epoch, std::uint64_t durable, std::uint64_t end = 100) {
    return {.store = "s", .epoch = {epoch}, .durable = {durable}, .segment = {1}, .end = end};
}

TEST_CASE("a slot reads back, and no flipped bit or other length of it does") {
    const Head written = head(7, 42, 4711);
    const std::string slot = encode_head_slot(written);
    REQUIRE(slot.size() == kHeadSlotBytes);
    CHECK(
        slot.starts_with(R"({"store":"s","epoch":7,"durable":42,"segment":1,"end":4711,"crc":")"));
    CHECK(slot.ends_with("  \n"));
    REQUIRE(decode_head_slot(slot));
    CHECK(*decode_head_slot(slot) == written);
    for (std::size_t bit = 0; bit < slot.size() * 8; ++bit) {
        std::string bad = slot;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
        CHECK_FALSE(decode_head_slot(bad));
    }
    for (std::size_t size = 0; size < slot.size(); ++size) {
        CHECK_FALSE(decode_head_slot(std::string_view(slot).substr(0, size)));
    }
    CHECK_FALSE(decode_head_slot(std::string(kHeadSlotBytes, '\n')));
    CHECK_FALSE(decode_head_slot(std::string(kHeadSlotBytes, '\0')));
}

TEST_CASE("without a file, or with an empty one, there is no HEAD") {
    test::MemoryFiles files;
    const auto absent = read_head(files, kPath);
    REQUIRE(absent);
    CHECK_FALSE(*absent);
    files.bytes(kPath) = "";
    REQUIRE(read_head(files, kPath));
    CHECK_FALSE(*read_head(files, kPath));
    auto opened = HeadFile::open(files, kRoot, kPath);
    REQUIRE(opened);
    CHECK_FALSE(opened->current());
    CHECK(files.bytes(kPath).size() == 2 * kHeadBlockBytes);
}

TEST_CASE("slots are written in turn and the higher one counts") {
    test::MemoryFiles files;
    auto file = HeadFile::open(files, kRoot, kPath);
    REQUIRE(file);
    std::string before = files.bytes(kPath);
    for (std::uint64_t durable = 0; durable < 20; ++durable) {
        REQUIRE(file->write(head(3, durable)));
        REQUIRE(file->sync());
        const std::string now = files.bytes(kPath);
        const std::size_t other = durable % 2 == 0 ? kHeadBlockBytes : 0;
        CHECK(now.substr(other, kHeadBlockBytes) == before.substr(other, kHeadBlockBytes));
        CHECK(**read_head(files, kPath) == head(3, durable));
        CHECK(file->current() == head(3, durable));
        before = now;
        if (durable % 5 == 4) file = HeadFile::open(files, kRoot, kPath);  // another run goes on
    }
    // A later epoch counts even with a lower seq.
    REQUIRE(file->write(head(4, 1)));
    CHECK(**read_head(files, kPath) == head(4, 1));
}

TEST_CASE("a slot torn at any byte leaves the other one to count") {
    test::MemoryFiles files;
    auto file = HeadFile::open(files, kRoot, kPath);
    REQUIRE(file->write(head(3, 1)));
    REQUIRE(file->write(head(3, 2)));
    const std::string old = files.bytes(kPath);
    REQUIRE(file->write(head(3, 3)));
    const std::string now = files.bytes(kPath);
    for (std::size_t torn = 0; torn <= kHeadSlotBytes; ++torn) {
        files.bytes(kPath) = now.substr(0, torn) + old.substr(torn);
        const auto found = read_head(files, kPath);
        REQUIRE(found);
        REQUIRE(*found);
        CHECK(((*found)->durable == Seq{2} || (*found)->durable == Seq{3}));
        auto again = HeadFile::open(files, kRoot, kPath);
        REQUIRE(again);
        // The slot that counts is not the one that is overwritten next.
        const Head counted = **found;
        files.bytes(kPath) = now.substr(0, torn) + old.substr(torn);
        REQUIRE(again->write(head(9, 9)));
        std::string& bytes = files.bytes(kPath);
        const std::size_t written = bytes.substr(0, 512) == encode_head_slot(head(9, 9)) ? 0 : 4096;
        bytes.replace(written, kHeadSlotBytes, std::string(kHeadSlotBytes, 'x'));
        CHECK(**read_head(files, kPath) == counted);
    }
}

TEST_CASE("what the last run said of itself survives a power cut at the next run's first word") {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SimFileSystem disk(seed);
        REQUIRE(disk.make_directory(kRoot));
        REQUIRE(disk.sync_directory("/"));
        auto first = HeadFile::open(disk, kRoot, kPath);
        REQUIRE(first);
        REQUIRE(first->write(head(3, 1)));
        REQUIRE(first->sync());
        REQUIRE(first->write(head(3, 2)));  // behind its group's sync, itself not synced
        disk.crash();
        auto second = HeadFile::open(disk, kRoot, kPath);
        REQUIRE(second);
        REQUIRE(second->write(head(4, 2)));
        disk.power_cut();
        const auto found = read_head(disk, kPath);
        REQUIRE(found);
        REQUIRE(*found);
        INFO("seed ", seed);
        CHECK((**found == head(3, 2) || **found == head(4, 2)));
    }
}

}  // namespace
}  // namespace se
