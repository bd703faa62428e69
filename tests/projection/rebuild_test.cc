// A second generation grown beside the live one, compared, swapped.

#include <doctest/doctest.h>
#include <lmdb.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "projection/layout.h"
#include "tests/projection/erased_store.h"
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

/// Of a store whose LMDB is damaged, though its STAMP holds: not in its entries, so the roots are the same.
Rebuild::Report run_behind_damage(WrittenStore& store, std::uint64_t slice) {
    store.open();
    REQUIRE(store.projection->why_not_trusted() == "");
    store.follow_to(store.last);
    auto report = run(store, slice, true);
    CHECK_FALSE(report.equal);
    CHECK(report.root_live == report.root_rebuilt);
    return report;
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
        CHECK(report.different_rows.empty());
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
    for (int steps = 0; steps < 60; ++steps) {
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

TEST_CASE("a rebuild stops at an erasure that nothing names, and what grew live stays as it is") {
    WrittenStore store(3);
    store.open();
    store.write(200);
    const std::uint64_t first = store.projection->generation();
    const Seq victim = erase_accepted(store.place.files, store.place.paths());
    for (const std::uint64_t slice : {std::uint64_t{10}, UINT64_MAX}) {
        const auto rebuild = begin(store);
        auto report = rebuild->step(slice, true);
        while (report && !*report) report = rebuild->step(slice, true);
        REQUIRE_FALSE(report);
        CHECK(report.error().code == Errc::corruption);
        CHECK(report.error().text.find("no later record names it") != std::string::npos);
    }
    CHECK(store.projection->generation() == first);
    CHECK(describe(*store.projection, store.model) ==
          describe(store.model, store.last, store.epoch));

    store.write_one(note_of_erasing(victim));
    store.follow_to(store.last);
    CHECK(run(store, 50, true).swapped);
}

TEST_CASE("a rebuild finds what LMDB holds and the journal does not say, and the swap heals it") {
    struct Row {
        const char* name;
        const char* database;
        bool (*hurts_key)(const Entry&);
        bool erase;
        std::size_t keys;
    };
    const Row rows[] = {
        {"nothing", nullptr, nullptr, false, 0},
        {"a changed value", "state", [](const Entry& e) { return !e.deleted; }, false, 1},
        {"a lost tombstone", "state", [](const Entry& e) { return e.deleted; }, true, 1},
        {"a foreign key", "state", nullptr, false, 1},
        {"a foreign id", "ids", nullptr, false, 0},
        {"a foreign deadline", "ttl", nullptr, false, 0},
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
        CHECK(report.different_rows.size() == (row.database == nullptr ? 0 : 1));
        for (const DifferentRows& told : report.different_rows) {
            CHECK(told.database == row.database);
            CHECK(told.rows == 1);
        }
        CHECK((report.root_live == report.root_rebuilt) == (row.keys == 0));
        CHECK(describe(*store.projection, store.model) ==
              describe(store.model, store.last, store.epoch));
        CHECK(run(store, 1000, true).equal);
    }
}

namespace {

/// A row as it lies in LMDB.
using RawRow = std::pair<std::string, std::string>;

RawRow one_id(const WrittenStore& store) {
    auto middle = store.model.ids.begin();
    std::advance(middle, static_cast<std::ptrdiff_t>(store.model.ids.size() / 2));
    const auto& [key, bound] = *middle;
    return {std::string(layout::bytes_of(key)), layout::bound_row(bound.first, bound.second)};
}

RawRow one_deadline(const WrittenStore& store) {
    for (const auto& [key, entry] : store.model.state.entries())
        if (!entry.deleted && entry.expires_at)
            return {layout::ttl_key(*entry.expires_at, key),
                    layout::little_endian(entry.version.value)};
    FAIL("no key has a deadline");
    return {};
}

RawRow one_change(const WrittenStore& store) {
    for (const auto& [key, seqs] : store.model.history)
        if (seqs.size() > 2) return {key, layout::big_endian(seqs[1].value)};
    FAIL("no key was changed three times");
    return {};
}

void flip(std::string* bytes, std::size_t at) {
    bytes->at(at) = static_cast<char>(bytes->at(at) ^ 1);
}

/// Puts `to` in the place of `from`, as nothing of ours does: the number of rows stays.
void put_instead(const std::string& directory, const char* database, RawRow from, RawRow to) {
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    MDB_dbi handle = 0;
    const auto val = [](std::string& text) { return MDB_val{text.size(), text.data()}; };
    REQUIRE(mdb_env_create(&env) == 0);
    REQUIRE(mdb_env_set_maxdbs(env, 8) == 0);
    REQUIRE(mdb_env_open(env, directory.c_str(), MDB_WRITEMAP | MDB_NOSYNC, 0600) == 0);
    REQUIRE(mdb_txn_begin(env, nullptr, 0, &txn) == 0);
    REQUIRE(mdb_dbi_open(txn, database, 0, &handle) == 0);
    MDB_val old_key = val(from.first), old_value = val(from.second);
    REQUIRE(mdb_del(txn, handle, &old_key, &old_value) == 0);
    MDB_val key = val(to.first), value = val(to.second);
    const unsigned flags = from.first == to.first ? 0 : MDB_NOOVERWRITE;
    REQUIRE(mdb_put(txn, handle, &key, &value, flags) == 0);
    REQUIRE(mdb_txn_commit(txn) == 0);
    mdb_env_close(env);
}

/// Wherever these bytes stand in the file, whatever page it is. Returns how often.
int patch_file(const std::string& path, const std::string& from, const std::string& to) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    int count = 0;
    for (std::size_t at = 0; (at = bytes.find(from, at)) != bytes.npos;
         at += from.size(), ++count) {
        file.seekp(static_cast<std::streamoff>(at));
        file.write(to.data(), static_cast<std::streamsize>(to.size()));
    }
    REQUIRE(file.good());
    return count;
}

}  // namespace

TEST_CASE("one changed id, deadline or change of a key is told, though no count differs (P2, E2)") {
    struct Row {
        const char* name;
        const char* database;
        RawRow (*which)(const WrittenStore&);
        void (*change)(RawRow*);
        std::uint64_t rows;
        const char* first;  ///< begins so
        bool names_key;
    };
    const Row rows[] = {
        {"the last byte of an id", "ids", one_id, [](RawRow* row) { flip(&row->first, 15); }, 2,
         "an id bound at seq ", false},
        {"the first byte of an id", "ids", one_id, [](RawRow* row) { flip(&row->first, 0); }, 2,
         "an id bound at seq ", false},
        {"the content of an id", "ids", one_id, [](RawRow* row) { flip(&row->second, 3); }, 1,
         "an id bound at seq ", false},
        {"the seq of an id", "ids", one_id, [](RawRow* row) { flip(&row->second, 17); }, 1,
         "an id bound at seq ", false},
        {"a deadline", "ttl", one_deadline, [](RawRow* row) { flip(&row->first, 7); }, 2,
         "a deadline is ", true},
        {"the version of a deadline", "ttl", one_deadline,
         [](RawRow* row) { flip(&row->second, 0); }, 1, "a deadline reads otherwise", true},
        {"a change of a key", "history", one_change, [](RawRow* row) { flip(&row->second, 3); }, 2,
         "a change at seq ", true},
    };
    for (const Row& row : rows) {
        for (const std::uint64_t slice : {1u, 50u, 100000u}) {
            CAPTURE(row.name);
            CAPTURE(slice);
            WrittenStore store(3);
            store.open();
            store.write(300);
            store.close();
            const RawRow from = row.which(store);
            RawRow to = from;
            row.change(&to);
            const std::string data = store.place.data_file();
            put_instead(data.substr(0, data.rfind('/')), row.database, from, to);

            const auto report = run_behind_damage(store, slice);
            CHECK(report.different_keys.empty());
            REQUIRE(report.different_rows.size() == 1);
            const DifferentRows& told = report.different_rows.front();
            CHECK(told.database == row.database);
            CHECK(told.rows == row.rows);
            CHECK(told.first.starts_with(row.first));
            CHECK(told.first.find("key.") == std::string::npos);
            CHECK(told.key.starts_with("key.") == row.names_key);
            CHECK(describe(*store.projection, store.model) ==
                  describe(store.model, store.last, store.epoch));
            CHECK(run(store, slice, true).equal);
        }
    }
}

TEST_CASE("a key that a changed byte brought out of order is told, and the walk comes to its end") {
    for (const std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{15}}) {
        for (const std::uint64_t slice : {1u, 7u, 100000u}) {
            CAPTURE(at);
            CAPTURE(slice);
            WrittenStore store(4);
            store.open();
            store.write(300);
            store.close();
            const std::string from = one_id(store).first;
            std::string to = from;
            to[at] = static_cast<char>(to[at] ^ 0x80);
            REQUIRE(patch_file(store.place.data_file(), from, to) > 0);

            store.open();
            REQUIRE(store.projection->why_not_trusted() == "");
            store.follow_to(store.last);
            const auto report = run(store, slice, true);
            CHECK_FALSE(report.equal);
            CHECK(report.different_keys.empty());
            REQUIRE(report.different_rows.size() == 1);
            CHECK(report.different_rows.front().database == "ids");
            // It is missing, and there under another key; and others behind it may not be found.
            CHECK(report.different_rows.front().rows >= 2);
            CHECK(run(store, slice, true).equal);
        }
    }
}

TEST_CASE("a row that a changed byte above it keeps from being found is told, though it is there") {
    for (const std::uint64_t slice : {7u, 100000u}) {
        CAPTURE(slice);
        WrittenStore store(6);
        store.open();
        store.write(600);
        store.close();
        // A page of rows has an id's content behind it; a page that leads to others has the id
        // alone.
        std::string bytes;
        {
            std::ifstream file(store.place.data_file(), std::ios::binary);
            bytes.assign(std::istreambuf_iterator<char>(file), {});
        }
        std::vector<std::size_t> places;
        for (const auto& [key, bound] : store.model.ids) {
            const std::string id(layout::bytes_of(key));
            const std::string_view content = layout::bytes_of(bound.first);
            for (std::size_t at = 0; (at = bytes.find(id, at)) != bytes.npos; at += id.size())
                if (bytes.compare(at + id.size(), content.size(), content) != 0)
                    places.push_back(at);
        }
        REQUIRE_FALSE(places.empty());
        {
            std::fstream file(store.place.data_file(),
                              std::ios::in | std::ios::out | std::ios::binary);
            for (const std::size_t at : places) {
                file.seekp(static_cast<std::streamoff>(at));
                file.put(static_cast<char>(bytes[at] ^ 0x80));
            }
            REQUIRE(file.good());
        }

        const auto report = run_behind_damage(store, slice);
        REQUIRE(report.different_rows.size() == 1);
        CHECK(report.different_rows.front().database == "ids");
        if (slice > 1000)
            CHECK(report.different_rows.front().first.ends_with(" and not found by its key"));
        CHECK(run(store, slice, true).equal);
    }
}

TEST_CASE("a rebuild holds no read transaction from slice to slice once the state is compared") {
    WrittenStore store(5);
    store.open();
    store.write(300);
    const auto rebuild = begin(store);
    std::optional<Rebuild::Report> told;
    const auto step = [&](std::uint64_t rows) {
        const auto report = rebuild->step(rows, false);
        REQUIRE_MESSAGE(report, report.error().text);
        told = *report;
        return told.has_value();
    };
    REQUIRE_FALSE(step(store.last.value));  // all records, one row
    store.write(3);
    CHECK(*store.projection->check_readers() > 0);  // the roots are of one seq
    REQUIRE_FALSE(step(3 + store.model.state.entries().size()));
    REQUIRE_FALSE(step(1));
    store.write(3);
    CHECK(*store.projection->check_readers() == 0);
    for (int steps = 0; !step(5); ++steps) {
        REQUIRE(steps < 10000);
        store.write(1);
    }
    CHECK(told->equal);
}

}  // namespace se
