// A second generation grown beside the live one, compared, swapped.

#include <doctest/doctest.h>
#include <lmdb.h>

#include <filesystem>

#include "tests/projection/written_store.h"

namespace se {
namespace {

std::size_t generations(WrittenStore& store) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(store.place.paths().projection()))
        count += entry.is_directory();
    return count;
}

std::unique_ptr<Rebuild> begin(WrittenStore& store) {
    auto begun = Rebuild::begin(*store.projection, store.place.files, store.place.paths());
    REQUIRE_MESSAGE(begun, begun.error().text);
    return *std::move(begun);
}

/// Runs it to its end; between steps the live one goes on for a while.
Rebuild::Report run(WrittenStore& store, std::uint64_t slice, bool swap, int rounds_beside = 0) {
    const auto rebuild = begin(store);
    for (int steps = 0; steps < 100000; ++steps) {
        const auto report = rebuild->step(slice, swap);
        REQUIRE_MESSAGE(report, report.error().text);
        CHECK(rebuild->reached() <= store.last);
        if (*report) return **report;
        if (rounds_beside-- > 0) store.write(3);
    }
    FAIL("it never ends");
    return {};
}

/// Writes straight into LMDB, as nothing of ours does.
void plant(const std::string& directory, const char* database, std::string key,
           const std::string* value) {
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    MDB_dbi handle = 0;
    REQUIRE(mdb_env_create(&env) == 0);
    REQUIRE(mdb_env_set_maxdbs(env, 8) == 0);
    REQUIRE(mdb_env_open(env, directory.c_str(), MDB_WRITEMAP | MDB_NOSYNC, 0600) == 0);
    REQUIRE(mdb_txn_begin(env, nullptr, 0, &txn) == 0);
    REQUIRE(mdb_dbi_open(txn, database, 0, &handle) == 0);
    MDB_val k{key.size(), key.data()};
    std::string copy = value != nullptr ? *value : "";
    MDB_val v{copy.size(), copy.data()};
    if (value != nullptr)
        REQUIRE(mdb_put(txn, handle, &k, &v, 0) == 0);
    else
        REQUIRE(mdb_del(txn, handle, &k, nullptr) == 0);
    REQUIRE(mdb_txn_commit(txn) == 0);
    mdb_env_close(env);
}

}  // namespace

TEST_CASE("a rebuild equals what grew live, in slices of any size, and swaps under a reader") {
    for (const std::uint64_t slice : {1u, 7u, 100u, 1000000u}) {
        CAPTURE(slice);
        WrittenStore store(slice);
        store.open();
        store.write(400);
        const std::uint64_t first = store.projection->generation();
        const auto old = store.projection->snapshot();
        REQUIRE(old);
        const Model before = store.model;
        const Seq seq_before = store.last;
        StateReader reader = store.reader();
        REQUIRE(reader.refresh());

        const auto report = run(store, slice, true, 40);
        CHECK(report.equal);
        CHECK(report.swapped);
        CHECK(report.different_keys.empty());
        CHECK(report.different_counts == "");
        CHECK(report.root_live == report.root_rebuilt);
        CHECK(report.keys > 20);
        CHECK(report.records == store.last.value);
        CHECK(report.seq <= store.last);
        CHECK(store.projection->generation() == first + 1);
        CHECK(generations(store) == 1);
        CHECK(describe(*old, before) == describe(before, seq_before, store.epoch));
        CHECK(describe(*store.projection, store.model) ==
              describe(store.model, store.last, store.epoch));
        store.write(50);
        CHECK(describe(*store.projection, store.model) ==
              describe(store.model, store.last, store.epoch));
        REQUIRE(reader.refresh());
        check_answers(reader, store.model);
        store.close();
        store.open();
        CHECK(store.projection->generation() == first + 1);
        CHECK(describe(*store.projection, store.model) ==
              describe(store.model, store.folded, Epoch{store.projection->watermark().epoch}));
    }
}

TEST_CASE("without a swap, or given up half-way, all stays as it was") {
    WrittenStore store(2);
    store.open();
    store.write(300);
    const std::uint64_t first = store.projection->generation();
    const Stamp stamp = store.place.stamp();
    const auto report = run(store, 100, false);
    CHECK(report.equal);
    CHECK_FALSE(report.swapped);
    for (int steps = 0; steps < 8; ++steps) {
        const auto rebuild = begin(store);
        for (int i = 0; i < steps; ++i) REQUIRE(rebuild->step(60, true));
        if (store.projection->generation() != first) break;
    }
    // Few steps leave nothing; the last ones swapped.
    CHECK(generations(store) == 1);
    CHECK(store.place.stamp().epoch == stamp.epoch);
    CHECK(describe(*store.projection, store.model) ==
          describe(store.model, store.last, store.epoch));
}

TEST_CASE("a rebuild finds what LMDB holds and the journal does not say, and the swap heals it") {
    struct Row {
        const char* name;
        const char* database;
        bool (*hurts_key)(const Entry&);
        bool erase;
        std::size_t keys;
        const char* counts;
    };
    const Row rows[] = {
        {"nothing", nullptr, nullptr, false, 0, ""},
        {"a changed value", "state", [](const Entry& e) { return !e.deleted; }, false, 1, ""},
        {"a lost tombstone", "state", [](const Entry& e) { return e.deleted; }, true, 1, ""},
        {"a foreign key", "state", nullptr, false, 1, ""},
        {"a foreign id", "ids", nullptr, false, 0, "ids"},
        {"a foreign deadline", "ttl", nullptr, false, 0, "ttl"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        WrittenStore store(3);
        store.open();
        store.write(300);
        store.close();
        const std::string data = store.place.data_file();
        const std::string directory = data.substr(0, data.rfind('/'));
        std::string key = "foreign.key.with.some.length";
        Entry planted;
        planted.version = Version{1};
        planted.seq = Seq{1};
        planted.value = "\"planted\"";
        if (row.hurts_key != nullptr) {
            for (const auto& [name, entry] : store.model.state.entries())
                if (row.hurts_key(entry)) key = name, planted.version = entry.version;
        }
        std::string bytes;
        encode_entry(bytes, planted);
        if (row.database != nullptr)
            plant(directory, row.database, key, row.erase ? nullptr : &bytes);

        store.open();
        REQUIRE(store.projection->why_not_trusted() == "");
        store.follow_to(store.last);
        const auto report = run(store, 50, true);
        CHECK(report.equal == (row.database == nullptr));
        CHECK(report.different_keys.size() == row.keys);
        if (row.keys > 0) CHECK(report.different_keys.front() == key);
        CHECK(report.different_counts.starts_with(row.counts));
        CHECK((report.root_live == report.root_rebuilt) == (row.keys == 0));
        CHECK(describe(*store.projection, store.model) ==
              describe(store.model, store.last, store.epoch));
        CHECK(run(store, 1000, true).equal);
    }
}

}  // namespace se
