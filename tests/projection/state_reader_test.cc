// The state as another process reads it, here beside a writer in the same one.

#include "projection/state_reader.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <utility>

#include "tests/projection/erased_store.h"
#include "projection/staleness.h"
#include "tests/projection/written_store.h"

namespace se {
namespace {

namespace fs = std::filesystem;

/// The newest state, and what it must be.
StateReader::AsOf check_newest(StateReader& reader, const WrittenStore& store) {
    const auto as_of = reader.refresh();
    REQUIRE_MESSAGE(as_of, as_of.error().text);
    CHECK(as_of->seq == store.last);
    CHECK(as_of->epoch == store.epoch);
    CHECK_FALSE(as_of->damage);
    check_answers(reader, store.model);
    return *as_of;
}

}  // namespace

TEST_CASE("a reader shows all that is durable, however far LMDB lags behind") {
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
        CAPTURE(seed);
        WrittenStore store(seed);
        store.open();
        StateReader reader = store.reader();
        SimRandom random(seed);
        for (int round = 0; round < 25; ++round) {
            const std::size_t count = random.below(50);
            store.write(count, random.below(count + 1));
            if (random.chance(50)) store.follow_to(store.last);
            const auto as_of = check_newest(reader, store);
            CHECK_FALSE(as_of.stale);
            CHECK(as_of.why_in_memory == "");
        }
        // The writer goes in the midst of it: killed, then closed.
        store.write(30, 10);
        store.leave();
        CHECK_FALSE(check_newest(reader, store).stale);
        store.open();
        CHECK_FALSE(check_newest(reader, store).stale);
        store.write(5);
        store.close();
        const auto as_of = check_newest(reader, store);
        CHECK_FALSE(as_of.stale);
        CHECK(as_of.why_in_memory == "");
        StateReader another = store.reader();
        CHECK_FALSE(check_newest(another, store).stale);
    }
}

TEST_CASE("a swap while a reader opens a generation sends it to the next one") {
    WrittenStore store(11);
    store.open();
    store.write(50);
    store.follow_to(store.last);

    /// The disk, with a swap just before the reader looks at the generation that STAMP named.
    struct SwapOnLook final : PosixFileSystem {
        std::function<void()> swap;
        Result<FileIdentity> identity(const std::string& path) override {
            if (path.ends_with("/data.mdb") && swap) std::exchange(swap, nullptr)();
            return PosixFileSystem::identity(path);
        }
    } files;
    files.swap = [&] {
        auto rebuild = Rebuild::begin(*store.projection, store.place.files, store.place.paths());
        REQUIRE(rebuild);
        const auto report = (*rebuild)->step(UINT64_MAX, true);
        REQUIRE(report);
        CHECK((*report)->swapped);
    };
    ProjectionPlace place{store.place.files, store.place.paths(), files,
                          store.place.paths().projection()};
    auto reader = StateReader::open(place, {});
    REQUIRE(reader);
    const auto as_of = check_newest(*reader, store);
    CHECK(as_of.why_in_memory == "");
    CHECK(files.swap == nullptr);
}

TEST_CASE("an erasure that nothing names is damage to a reader that folds it, and a named one is none") {
    for (const bool named : {true, false}) {
        CAPTURE(named);
        WrittenStore store(7);
        store.open();
        store.write(80);
        const Seq victim = erase_accepted(store.place.files, store.place.paths());
        if (named) store.write_one(note_of_erasing(victim));
        fs::remove_all(store.place.paths().projection());
        StateReader reader = store.reader();
        for (int round = 0; round < 3; ++round) {
            const auto as_of = reader.refresh();
            REQUIRE(as_of);
            CHECK(as_of->seq == store.last);
            CHECK(as_of->stale != named);
            REQUIRE(as_of->damage.has_value() != named);
            if (!named) {
                CHECK(as_of->damage->kind == FaultKind::unnamed_erasure);
                CHECK(as_of->damage->seq == victim);
                CHECK(as_of->damage->segment == Seq{1});
                CHECK(as_of->damage->offset > 0);
            }
            if (round == 1) store.write(3, 0);
        }
    }
}

TEST_CASE("without LMDB everything is folded in memory, and further at each refresh") {
    WrittenStore store(4);
    store.open();
    store.write(300);
    fs::remove_all(store.place.paths().projection());
    StateReader reader = store.reader();
    CHECK(check_newest(reader, store).why_in_memory == "no STAMP");
    for (int round = 0; round < 10; ++round) {
        store.write(40, 0);
        CHECK_FALSE(check_newest(reader, store).stale);
    }
    store.leave();
    CHECK(check_newest(reader, store)
              .stale);  // it was not closed, and nobody can say what is missing
    StateReader another = store.reader();
    CHECK(check_newest(another, store).stale);
    store.open();
    CHECK(check_newest(reader, store).why_in_memory == "");  // it grew back
    store.write(10);
    CHECK_FALSE(check_newest(reader, store).stale);
    store.close();
    fs::remove_all(store.place.paths().projection());
    CHECK_FALSE(check_newest(reader, store).stale);  // closed: all there is
    CHECK_FALSE(check_newest(another, store).stale);
}

TEST_CASE(
    "an unclean LMDB of another boot is not read, and the answer is marked stale until a writer "
    "opens") {
    WrittenStore store(5);
    store.open();
    store.write(200);
    store.leave();
    Stamp stamp = store.place.stamp();
    stamp.identity.boot = "another boot";
    REQUIRE(write_stamp(store.place.files, store.place.paths(), stamp));
    StateReader reader = store.reader();
    auto as_of = check_newest(reader, store);
    CHECK(as_of.stale);
    CHECK(as_of.why_in_memory != "");
    {
        // Somebody holds the store, and has not opened it yet.
        const auto lock = store.place.files.lock(store.place.paths().store_file());
        REQUIRE(lock);
        CHECK(check_newest(reader, store).stale);
        StateReader another = store.reader();
        CHECK(check_newest(another, store).stale);
    }
    store.open();
    as_of = check_newest(reader, store);
    CHECK_FALSE(as_of.stale);
    CHECK(as_of.why_in_memory == "");
}

TEST_CASE("a clean end does not vouch for a later run, whose HEAD was lost with the power") {
    WrittenStore store(9);
    store.open();
    store.write(50);
    store.close();
    const Seq at_close = store.last;
    Stamp stamp = store.place.stamp();
    REQUIRE(stamp.clean);
    store.open();
    store.leave();
    // HEAD is as that run's open had left it: the slot that knew more is torn.
    auto head = store.place.files.open(store.place.paths().head(), OpenMode::update);
    REQUIRE(head);
    for (std::uint64_t slot = 0; slot < 2; ++slot) {
        std::string bytes(kHeadSlotBytes, '\0');
        REQUIRE((*head)->read(slot * kHeadBlockBytes, bytes));
        const auto decoded = decode_head_slot(bytes);
        if (decoded && decoded->durable > at_close) REQUIRE((*head)->write(slot * kHeadBlockBytes, "#"));
    }
    SUBCASE("with no LMDB") { fs::remove_all(store.place.paths().projection()); }
    SUBCASE("with a STAMP that is still the one of the clean end") {
        stamp.identity.boot = "another boot";
        REQUIRE(write_stamp(store.place.files, store.place.paths(), stamp));
    }
    SUBCASE("with a clean STAMP of that very run, and LMDB gone") {
        stamp = store.place.stamp();
        stamp.identity.boot = "another boot";
        stamp.clean = true;
        fs::remove_all(store.place.paths().projection());
        REQUIRE(write_stamp(store.place.files, store.place.paths(), stamp));
    }
    StateReader reader = store.reader();
    const auto as_of = reader.refresh();
    REQUIRE(as_of);
    CHECK(as_of->seq == at_close);
    CHECK(as_of->stale);
    // Nor does one that only holds the store: until it has opened, HEAD is what it was.
    const auto lock = store.place.files.lock(store.place.paths().store_file());
    REQUIRE(lock);
    const auto beside = reader.refresh();
    REQUIRE(beside);
    CHECK(beside->seq == at_close);
    CHECK(beside->stale);
}

TEST_CASE("who reads the journal alone is told the same as who reads the state") {
    WrittenStore store(12);
    store.open();
    store.write(20);
    const auto judged = [&] {
        auto journal = JournalReader::open(store.place.files, store.place.paths());
        REQUIRE(journal);
        const auto stale = stale_journal(store.place.files, store.place.paths(), *journal);
        REQUIRE_MESSAGE(stale, stale.error().text);
        StateReader reader = store.reader();
        const auto as_of = reader.refresh();
        REQUIRE(as_of);
        CHECK(stale->has_value() == as_of->stale);
        if (stale->has_value()) {
            CHECK((*stale)->as_of == as_of->seq);
            CHECK((*stale)->why == as_of->why_stale);
        }
        return stale->has_value();
    };
    CHECK_FALSE(judged());  // beside its writer
    store.leave();
    CHECK_FALSE(judged());  // killed in this boot
    Stamp stamp = store.place.stamp();
    stamp.identity.boot = "another boot";
    REQUIRE(write_stamp(store.place.files, store.place.paths(), stamp));
    CHECK(judged());
    {
        const auto lock = store.place.files.lock(store.place.paths().store_file());
        REQUIRE(lock);
        CHECK(judged());
    }
    fs::remove_all(store.place.paths().projection());
    CHECK(judged());  // no STAMP: nobody knows the boot
    store.open();
    CHECK_FALSE(judged());
    store.close();
    stamp = store.place.stamp();
    stamp.identity.boot = "another boot";
    REQUIRE(write_stamp(store.place.files, store.place.paths(), stamp));
    CHECK_FALSE(judged());  // closed: all there is
}

TEST_CASE("with a slot of HEAD torn nobody knows which run was the last one") {
    WrittenStore store(10);
    Seq shown;
    std::string left;  // HEAD, as the power cut leaves it
    const std::string path = store.place.paths().head();
    const auto head_now = [&] { return *read_file(store.place.files, path); };
    const auto tear = [&](std::size_t slot) { left[slot * kHeadBlockBytes] = '#'; };
    SUBCASE("both, in the very first run") {
        store.open();
        left = head_now();
        tear(0), tear(1);
    }
    SUBCASE("the newer one, and the older one is of a run that was closed") {
        store.open();
        store.write(50);
        store.close();
        shown = store.last;
        left = head_now();
        const auto closed = read_head(store.place.files, path);
        REQUIRE(closed);
        REQUIRE(*closed);
        const bool first = decode_head_slot(left.substr(0, kHeadSlotBytes)) == **closed;
        store.open();  // acknowledges more, and only its open synced HEAD
        tear(first ? 1 : 0);
    }
    store.leave();
    auto head = store.place.files.open(path, OpenMode::update);
    REQUIRE((*head)->write(0, left));
    Stamp stamp = store.place.stamp();
    stamp.identity.boot = "another boot";
    REQUIRE(write_stamp(store.place.files, store.place.paths(), stamp));
    StateReader reader = store.reader();
    const auto as_of = reader.refresh();
    REQUIRE(as_of);
    CHECK(as_of->seq == shown);
    CHECK(as_of->stale);
    store.open();
    CHECK_FALSE(check_newest(reader, store).stale);
}

TEST_CASE("under another mount it is believed only while its writer lives") {
    WrittenStore store(6);
    store.open();
    store.write(100, 60);
    Stamp stamp = store.place.stamp();
    stamp.identity.mount = "another namespace";
    REQUIRE(write_stamp(store.place.files, store.place.paths(), stamp));
    StateReader reader = store.reader();
    CHECK(check_newest(reader, store).why_in_memory == "");
    stamp.epoch = Epoch{1};
    REQUIRE(write_stamp(store.place.files, store.place.paths(), stamp));
    CHECK(check_newest(reader, store).why_in_memory != "");
    stamp.epoch = store.epoch;
    REQUIRE(write_stamp(store.place.files, store.place.paths(), stamp));
    CHECK(check_newest(reader, store).why_in_memory == "");
    store.leave();
    StateReader another = store.reader();
    CHECK(check_newest(another, store).why_in_memory != "");
}

TEST_CASE("a gap past its limit is served as of LMDB, and marked") {
    WrittenStore store(7);
    store.open();
    store.write(100);
    const Model at_watermark = store.model;
    const Seq watermark = store.last;
    store.write(50, 0);
    StateReader reader = store.reader({.gap_records_max = 49});
    auto as_of = reader.refresh();
    REQUIRE(as_of);
    CHECK(as_of->stale);
    CHECK(as_of->why_stale == "50 records behind");
    CHECK(as_of->seq == watermark);
    check_answers(reader, at_watermark);
    store.follow_to(Seq{watermark.value + 1});
    CHECK_FALSE(check_newest(reader, store).stale);
}

TEST_CASE("the fold stops at damage, marked, with LMDB and without") {
    for (const bool with_lmdb : {true, false}) {
        CAPTURE(with_lmdb);
        WrittenStore store(8);
        store.open();
        store.write(60);
        store.write(19, 0);
        const Model before = store.model;
        store.write(1, 0);
        const Seq hurt = store.last;
        store.write(20, 0);
        // A flipped bit in the record behind `before`.
        {
            auto journal = JournalReader::open(store.place.files, store.place.paths());
            REQUIRE(journal);
            REQUIRE(journal->at(hurt));
            auto file = store.place.files.open(store.place.paths().segment(journal->segment()),
                                               OpenMode::update);
            REQUIRE(file);
            REQUIRE((*file)->write(journal->offset() + 20, "#"));
        }
        if (!with_lmdb) fs::remove_all(store.place.paths().projection());
        StateReader reader = store.reader();
        for (int round = 0; round < 2; ++round) {
            const auto as_of = reader.refresh();
            REQUIRE_MESSAGE(as_of, as_of.error().text);
            CHECK(as_of->seq == Seq{hurt.value - 1});
            CHECK(as_of->stale);
            REQUIRE(as_of->damage);
            CHECK(as_of->damage->seq == hurt);
            check_answers(reader, before);
        }
    }
}

TEST_CASE("an LMDB of another history is not read") {
    // The journal was put back to an earlier copy and went on in a later epoch; projection/ was
    // not.
    WrittenStore store(9);
    store.open();
    store.write(50);
    store.close();
    Place copy;
    const std::string root = store.place.directory.path();
    REQUIRE(std::system(("cp -a " + root + "/. " + copy.directory.path()).c_str()) == 0);
    const Model model = store.model;
    const Seq last = store.last;
    store.open();
    store.write(100);
    store.close();
    for (const char* part : {"journal", "HEAD"}) {
        fs::remove_all(root + "/" + part);
        REQUIRE(std::system(
                    ("cp -a " + copy.directory.path() + "/" + part + " " + root + "/").c_str()) ==
                0);
    }
    StateReader reader = store.reader();
    for (int round = 0; round < 3; ++round) {
        const auto as_of = reader.refresh();
        REQUIRE_MESSAGE(as_of, as_of.error().text);
        CHECK(as_of->why_in_memory.find("another history") != std::string::npos);
        CHECK(as_of->seq == last);
        check_answers(reader, model);
    }
}

TEST_CASE("a released reader holds nothing and answers nothing until it is refreshed") {
    WrittenStore store(10);
    store.open();
    store.write(50);
    StateReader reader = store.reader();
    CHECK_FALSE(reader.get("key.1"));
    check_newest(reader, store);
    store.write(20);
    CHECK(*store.projection->check_readers() > 0);
    reader.release();
    CHECK(*store.projection->check_readers() == 0);
    CHECK(reader.get("key.1").error().code == Errc::unavailable);
    CHECK_FALSE(reader.list("", "", 1));
    CHECK_FALSE(reader.find_identity(Hash16{}));
    CHECK_FALSE(reader.history("key.1", Seq{0}, 1));
    check_newest(reader, store);
}

}  // namespace se
