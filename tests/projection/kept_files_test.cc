// A reader whose HEAD, STAMP and lock stay open sees what any other reader sees.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "engine/adapters/posix_kept_files.h"
#include "projection/stamp.h"
#include "projection/state_reader.h"
#include "tests/projection/written_store.h"
#include "tests/sim/sim_clock.h"

namespace se {
namespace {

namespace fs = std::filesystem;

/// Readers over kept files, which outlive them: this process cannot read LMDB's files while it
/// opens them to write.
struct Watcher {
    explicit Watcher(WrittenStore& of)
        : store(of),
          files(clock, {store.place.paths().head(), stamp_path(store.place.paths())}) {}

    StateReader::AsOf look() {
        if (!reader) {
            auto opened = StateReader::open(
                {files, store.place.paths(), files, store.place.paths().projection()}, {});
            REQUIRE_MESSAGE(opened, opened.error().text);
            reader.emplace(*std::move(opened));
        }
        const auto as_of = reader->refresh();
        REQUIRE_MESSAGE(as_of, as_of.error().text);
        return *as_of;
    }
    void sees_all() {
        const auto as_of = look();
        CHECK(as_of.seq == store.last);
        CHECK(as_of.epoch == store.epoch);
        CHECK_FALSE(as_of.stale);
        check_answers(*reader, store.model);
        reader->release();
    }

    WrittenStore& store;
    SimClock clock;
    KeptFiles files;
    std::optional<StateReader> reader;
};

}  // namespace

TEST_CASE("kept files: every record, through writers that come and go") {
    WrittenStore store(21);
    store.open();
    Watcher watcher(store);
    SimRandom random(21);
    for (int run = 0; run < 6; ++run) {
        for (int round = 0; round < 10; ++round) {
            const std::size_t count = random.below(30);
            store.write(count, random.below(count + 1));
            watcher.sees_all();
        }
        if (run % 2 == 0)
            store.close();
        else
            store.leave();
        watcher.sees_all();
        watcher.reader.reset();
        store.open();
        watcher.sees_all();
    }
}

TEST_CASE("kept files: HEAD replaced by a copy of it is not read on as the old one") {
    WrittenStore store(22);
    store.open();
    store.write(30);
    Watcher watcher(store);
    watcher.sees_all();
    store.leave();
    const std::string head = store.place.paths().head();
    fs::copy_file(head, head + ".copy");
    fs::rename(head + ".copy", head);
    watcher.sees_all();
    // The next writer moves the copy on; the file that was kept stands still.
    store.open();
    store.write(20);
    watcher.sees_all();
    store.leave();
    fs::remove(head);
    store.open();  // makes a new one
    store.write(5);
    watcher.sees_all();
}

TEST_CASE("kept files: a generation that is swapped in is read at the next look") {
    WrittenStore store(23);
    store.open();
    store.write(60);
    store.follow_to(store.last);
    Watcher watcher(store);
    watcher.sees_all();
    auto rebuild = Rebuild::begin(*store.projection, store.place.files, store.place.paths());
    REQUIRE(rebuild);
    const auto report = (*rebuild)->step(UINT64_MAX, true);
    REQUIRE(report);
    REQUIRE((*report)->swapped);
    store.write(10);
    watcher.sees_all();
    CHECK(watcher.look().why_in_memory == "");
    // STAMP taken away: the journal has it all.
    fs::remove(stamp_path(store.place.paths()));
    CHECK(watcher.look().why_in_memory == "no STAMP");
    check_answers(*watcher.reader, store.model);
}

TEST_CASE("kept files: a store put in the place of another is not taken for it") {
    WrittenStore store(24), other(25);
    store.open();
    store.write(40);
    other.open();
    other.write(10);
    store.leave();
    other.leave();
    // Of one writer's run each; HEAD and lock are what tells them apart.
    Place held;
    const std::string root = store.place.directory.path(),
                      theirs = held.directory.path() + "/theirs";
    REQUIRE(std::system(("cp -a " + other.place.directory.path() + " " + theirs).c_str()) == 0);
    Watcher watcher(store);
    watcher.sees_all();
    fs::rename(root, held.directory.path() + "/ours");
    fs::rename(theirs, root);
    // A reader that was open has lost its store: the other one's HEAD proves nothing to it.
    const auto kept = watcher.reader->refresh();
    if (kept) CHECK(kept->seq != other.last);
    watcher.reader.reset();
    const auto as_of = watcher.look();
    CHECK(as_of.seq == other.last);
    check_answers(*watcher.reader, other.model);
    watcher.reader.reset();
    fs::remove_all(root);
    fs::rename(held.directory.path() + "/ours", root);
}

}  // namespace se
