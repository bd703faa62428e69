#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <random>
#include <utility>

#include "journal/index_file.h"
#include "journal/journal_reader.h"
#include "tests/journal/small_store.h"
#include "tests/release_share.h"

namespace se {
namespace {

using test::closed_store;
using test::SmallStore;

JournalReader open(SmallStore& small) {
    auto reader = JournalReader::open(small.files, small.paths);
    REQUIRE(reader);
    return std::move(*reader);
}

/// All that can be read now; `fault` says whether damage ended it.
std::vector<Seq> rest(JournalReader& reader, bool* fault = nullptr) {
    std::vector<Seq> seqs;
    if (fault != nullptr) *fault = false;
    for (;;) {
        const auto record = reader.next();
        if (!record) {
            REQUIRE(fault != nullptr);
            REQUIRE(record.error().code == Errc::corruption);
            REQUIRE(reader.fault());
            *fault = true;
            return seqs;
        }
        if (*record == nullptr) return seqs;
        seqs.push_back((*record)->seq);
    }
}
std::vector<Seq> range(std::uint64_t from, std::uint64_t to) {
    std::vector<Seq> seqs;
    for (std::uint64_t seq = from; seq <= to; ++seq) seqs.push_back({seq});
    return seqs;
}

TEST_CASE("cursors have a text") {
    CHECK(to_text(Cursor{{1763690400}, {7}}) == "1763690400.7");
    CHECK(cursor_from_text("1763690400.7") == Cursor{{1763690400}, {7}});
    for (const char* bad : {"", ".", "1", "1.", ".1", "1.x", "x.1", "1.2.3", "-1.2", "1.-2", " 1.2",
                            "1.99999999999999999999"}) {
        CHECK_FALSE(cursor_from_text(bad));
    }
}

TEST_CASE("a reader shows every record in order and says where each one lies") {
    SmallStore small = closed_store(8192);
    JournalReader reader = open(small);
    CHECK(reader.store() == small.store);
    for (std::uint64_t seq = 1; seq <= 9; ++seq) {
        CHECK(reader.expected() == Seq{seq});
        const auto record = reader.next();
        REQUIRE(record);
        REQUIRE(*record != nullptr);
        CHECK((*record)->seq == Seq{seq});
        CHECK((*record)->id == "m" + std::to_string(seq));
        CHECK(reader.segment() == small.places[{seq}].segment);
        CHECK(reader.offset() == small.places[{seq}].offset);
        CHECK(reader.end() == small.places[{seq}].end);
    }
    CHECK(rest(reader).empty());
    CHECK(*reader.durable() == Seq{9});
}

TEST_CASE("a record is shown once it is acknowledged and not before") {
    SmallStore small;
    JournalReader reader = open(small);
    CHECK(rest(reader).empty());
    small.begin_segment(1u << 16);
    small.write_head();
    const auto lock = *small.files.lock(small.paths.head());
    CHECK(rest(reader).empty());
    for (int i = 0; i < 100; ++i) {
        if (i % 10 == 9) small.begin_segment(1u << 16);
        small.add_many(2);
        CHECK(rest(reader).empty());
        small.write_head();
        CHECK(rest(reader) == range(small.last().value - 1, small.last().value));
    }
}

TEST_CASE("a line being written above the bound is not yet, whatever of it is there") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(2);
    small.write_head();
    const auto lock = *small.files.lock(small.paths.head());
    const std::string before = small.active();
    small.add_many(2);
    const std::string after = small.active();
    for (std::size_t size = 0; size <= after.size(); size += 3) {
        small.active() = after.substr(0, size) + before.substr(size);
        if (size < small.places[{2}].end) continue;
        JournalReader reader = open(small);
        CHECK(rest(reader) == range(1, 2));
        small.active() = after;
        small.write_head();
        CHECK(rest(reader) == range(3, 4));
        small.write_head({.store = small.store,
                          .epoch = {10},
                          .durable = {2},
                          .segment = {1},
                          .end = small.places[{2}].end});
        small.files.bytes(small.paths.head()) = "";
        small.write_head({.store = small.store,
                          .epoch = {10},
                          .durable = {2},
                          .segment = {1},
                          .end = small.places[{2}].end});
    }
}

TEST_CASE("without a writer the durable members of later lines show what HEAD forgot") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(2);
    small.write_head();
    small.add_many(2);
    small.begin_segment(4096);
    small.add_many(2);
    JournalReader reader = open(small);
    CHECK(rest(reader) == range(1, 5));  // record 6 tells of 5; nobody tells of 6
    CHECK(*reader.durable() == Seq{5});
    small.write_head();
    CHECK(rest(reader) == range(6, 6));
    small.add_many(1);  // where it had read blanks ahead
    small.write_head();
    CHECK(rest(reader) == range(7, 7));

    small.files.content.erase(small.paths.head());
    JournalReader again = open(small);
    CHECK(rest(again) == range(1, 6));
}

TEST_CASE("one who holds the store and has not opened it vouches for nothing") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(2);
    small.write_head();
    small.add_many(3);
    const auto store = *small.files.lock(small.paths.store_file());
    JournalReader reader = open(small);
    const auto opening = reader.look();
    REQUIRE(opening);
    CHECK_FALSE(opening->writing);
    CHECK(opening->durable == Seq{4});  // as without a writer: record 5 tells of 4
    CHECK(rest(reader) == range(1, 4));
    {
        // That one has opened, and found what was acknowledged: HEAD is another one.
        small.write_head();
        const auto head = *small.files.lock(small.paths.head());
        const auto opened = reader.look();
        REQUIRE(opened);
        CHECK(opened->writing);
        CHECK(opened->durable == Seq{5});
        CHECK(rest(reader) == range(5, 5));
        small.add_many(2);  // on the way: it vouches for nothing yet
        CHECK(rest(reader).empty());
        JournalReader beside = open(small);
        CHECK(*beside.durable() == Seq{5});
    }
    CHECK_FALSE((*reader.look()).writing);
    CHECK(rest(reader) == range(6, 6));
}

TEST_CASE("without a HEAD nobody holds it") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(2);
    REQUIRE_FALSE(small.files.content.contains(small.paths.head()));
    CHECK_FALSE(*head_is_held(small.files, small.paths.head()));
    small.write_head();
    CHECK_FALSE(*head_is_held(small.files, small.paths.head()));
    const auto lock = *small.files.lock(small.paths.head());
    CHECK(*head_is_held(small.files, small.paths.head()));
}

TEST_CASE("a HEAD that was read just before its writer had opened is read again") {
    /// A writer whose open ends between a reader's read of HEAD and its question for the lock.
    struct OpensMeanwhile final : test::MemoryFiles {
        std::function<void()> open_ends;
        Result<bool> is_locked(const std::string& path) override {
            if (open_ends) std::exchange(open_ends, nullptr)();
            return MemoryFiles::is_locked(path);
        }
    } files;
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(2);
    small.write_head();
    small.add_many(3);
    files.content = small.files.content;  // the very same bytes
    std::unique_ptr<FileLock> lock;
    files.open_ends = [&] {
        small.write_head();
        lock = *files.lock(small.paths.head());
    };
    JournalReader reader = JournalReader::open_as(files, small.paths, small.store);
    const auto look = reader.look();
    REQUIRE(look);
    CHECK(look->writing);
    CHECK(look->durable == Seq{5});
}

TEST_CASE("without HEAD later lines prove damage, and a torn tail stays not yet") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(5);
    small.flip({3});
    JournalReader reader = open(small);
    bool fault = false;
    CHECK(rest(reader, &fault) == range(1, 2));
    REQUIRE(fault);
    CHECK(reader.fault()->seq == Seq{3});
    REQUIRE(reader.skip_fault());
    CHECK(rest(reader) == range(4, 4));

    // HEAD is of an epoch before, so only the lines can tell.
    small.flip({3});
    small.epoch = {11};
    small.add_many(3);
    small.write_head(
        {.store = small.store, .epoch = {10}, .durable = {9}, .segment = {1}, .end = 4096});
    small.flip({7});
    JournalReader later = open(small);
    CHECK(rest(later, &fault) == range(1, 6));
    REQUIRE(fault);
    CHECK(later.fault()->seq == Seq{7});
    small.flip({7});
    small.flip({8});
    JournalReader torn = open(small);
    CHECK(rest(torn) == range(1, 7));
}

TEST_CASE("every prefix of an unclean segment is read to its last acknowledged record") {
    SmallStore small;
    small.begin_segment();
    small.add_many(2);
    small.write_head();
    small.add_many(4);
    const std::string whole = small.active();
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        CAPTURE(size);
        small.active() = whole.substr(0, size);
        JournalReader reader = open(small);
        bool fault = false;
        const auto seen = rest(reader, &fault);
        CHECK(fault == (size < small.places[{2}].end));
        Seq told{2};
        for (std::uint64_t seq = 3; seq <= 6; ++seq) {
            // A last line without its newline still tells of the one before it.
            if (small.places[{seq}].end - 1 <= size) told = Seq{seq - 1};
        }
        if (!fault) CHECK(seen == range(1, std::max(told, Seq{2}).value));
    }
}

TEST_CASE("every flipped bit is met as damage, and behind it the rest can be read") {
    SmallStore small = closed_store(8192);
    for (const Seq segment : {Seq{1}, Seq{4}, Seq{7}}) {
        std::string& bytes = small.files.bytes(small.paths.segment(segment));
        const std::string whole = bytes;
        const std::uint64_t used = segment == small.segment ? small.used : whole.size();
        for (std::size_t bit = 0; bit < used * 8; ++bit) {
            if (test::left_to_release(bit)) continue;
            CAPTURE(bit);
            bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
            JournalReader reader = open(small);
            std::vector<Seq> seen;
            int faults = 0;
            for (bool fault = true; fault;) {
                const auto more = rest(reader, &fault);
                seen.insert(seen.end(), more.begin(), more.end());
                if (!fault) break;
                REQUIRE(++faults == 1);
                CHECK(reader.fault()->segment == segment);
                CHECK_FALSE(reader.next());  // it stays there
                REQUIRE(reader.skip_fault());
            }
            REQUIRE(faults == 1);
            REQUIRE(std::is_sorted(seen.begin(), seen.end()));
            REQUIRE(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
            REQUIRE(seen.size() >= 8);  // one flipped bit spoils one record at most
            bytes[bit / 8] = whole[bit / 8];
        }
    }
}

TEST_CASE("gaps that a note accounts for are passed without a word, others are damage") {
    for (std::uint64_t from = 1; from <= 6; ++from) {
        for (std::uint64_t to = from; to <= 6; ++to) {
            SmallStore small;
            small.begin_segment(8192);
            small.add_many(3);
            small.begin_segment(8192);
            small.add_many(3);
            small.epoch = {12};
            small.add_repaired({from}, {to});
            small.add_many(1);
            small.write_head();
            small.blank({from}, {to});
            CAPTURE(from);
            CAPTURE(to);
            std::vector<Seq> expected = range(1, from - 1);
            for (const Seq seq : range(to + 1, 8)) expected.push_back(seq);
            JournalReader reader = open(small);
            CHECK(rest(reader) == expected);
            for (std::uint64_t seek = 1; seek <= 9; ++seek) {
                CAPTURE(seek);
                REQUIRE(reader.seek({seek}));
                const auto first = std::find_if(expected.begin(), expected.end(),
                                                [&](Seq seq) { return seq >= Seq{seek}; });
                CHECK(rest(reader) == std::vector<Seq>(first, expected.end()));
                const auto at = reader.at({seek});
                const bool is_there =
                    std::find(expected.begin(), expected.end(), Seq{seek}) != expected.end();
                CHECK(static_cast<bool>(at) == is_there);
                if (!at) CHECK(at.error().code == Errc::not_found);
            }
            if (to == 6) continue;
            small.blank({to + 1}, {to + 1});
            JournalReader again = open(small);
            bool fault = false;
            CHECK(rest(again, &fault) == range(1, from - 1));
            REQUIRE(fault);
            CHECK(again.fault()->seq == Seq{to + 1});
            REQUIRE(again.skip_fault());
            CHECK(rest(again) == range(to + 2, 8));
        }
    }
}

TEST_CASE("damage just behind a gap is named by the record that should stand there") {
    for (const bool blank : {false, true}) {
        SmallStore small;
        small.begin_segment(8192);
        small.add_many(6);
        small.epoch = {11};
        small.add_repaired({3}, {4});
        small.add_many(2);
        small.write_head();
        small.blank({3}, {4});
        if (blank) {
            small.blank({5}, {5});
        } else {
            small.flip({5});
        }
        JournalReader reader = open(small);
        bool fault = false;
        CHECK(rest(reader, &fault) == range(1, 2));
        REQUIRE(fault);
        CHECK(reader.fault()->seq == Seq{5});
        REQUIRE(reader.skip_fault());
        CHECK(rest(reader) == range(6, 9));
    }
}

TEST_CASE("a HEAD that ends where a gap begins, and says no more than that, hides nothing behind it") {
    SmallStore small;
    small.begin_segment(8192);
    small.add_many(4);
    Head lagging = small.head_now();
    lagging.end = small.places[{4}].offset;  // as a repair left it: 4 is given up, and it is the last
    small.epoch = {11};
    lagging.epoch = small.epoch;
    small.add(small.draft(), Seq{4});
    small.add_repaired({4}, {4});
    small.add_many(2);
    small.blank({4}, {4});
    small.write_head(lagging);
    JournalReader reader = open(small);
    CHECK(rest(reader) == std::vector<Seq>{{1}, {2}, {3}, {5}, {6}, {7}});
}

TEST_CASE("acknowledged records missing at the end are damage, and skipping them waits for more") {
    SmallStore small = closed_store(8192);
    small.blank({8}, {9});
    JournalReader reader = open(small);
    bool fault = false;
    CHECK(rest(reader, &fault) == range(1, 7));
    REQUIRE(fault);
    CHECK(reader.fault()->kind == FaultKind::missing_records);
    CHECK(reader.fault()->seq == Seq{8});
    REQUIRE(reader.skip_fault());
    CHECK(rest(reader).empty());
    CHECK(reader.expected() == Seq{10});
    small.add_many(2);
    small.write_head();
    CHECK(rest(reader) == range(10, 11));
}

TEST_CASE("damage does not keep a seek from what lies behind it") {
    SmallStore small = closed_store(8192);
    small.flip({2});
    small.flip({5});
    JournalReader reader = open(small);
    for (const std::uint64_t seq : {9, 6, 3, 7, 1, 4}) {
        const auto record = reader.at({seq});
        REQUIRE(record);
        CHECK((*record)->seq == Seq{seq});
    }
    CHECK(reader.at({5}).error().code == Errc::corruption);
    CHECK(reader.fault()->seq == Seq{5});
    REQUIRE(reader.seek({6}));
    CHECK(rest(reader) == range(6, 9));
}

SmallStore long_store() {
    SmallStore small;
    for (int segments = 0; segments < 4; ++segments) {
        small.begin_segment(1u << 20);
        small.epoch = {10u + static_cast<unsigned>(segments) / 2};
        small.add_many(500);
    }
    small.write_head();
    return small;
}

TEST_CASE("any record is found, in any order, with index files, without, and with stale ones") {
    for (const char* indexes : {"none", "good", "damaged", "misleading"}) {
        CAPTURE(indexes);
        SmallStore small = long_store();
        for (const Seq first : {Seq{1}, Seq{501}, Seq{1001}}) {
            auto index = *build_index(small.files, small.paths, first, small.store);
            if (indexes == std::string("none")) break;
            if (indexes == std::string("misleading")) {
                for (IndexEntry& entry : index.entries) entry.offset += 100;
            }
            REQUIRE(write_index(small.files, small.paths, index));
            if (indexes == std::string("damaged"))
                small.files.bytes(small.paths.index(first))[50] ^= 1;
        }
        JournalReader reader = open(small);
        std::mt19937_64 random(9);
        for (int i = 0; i < 500; ++i) {
            const Seq seq{random() % 2000 + 1};
            const auto record = reader.at(seq);
            REQUIRE(record);
            REQUIRE((*record)->seq == seq);
            REQUIRE(reader.offset() == small.places[seq].offset);
            const auto next = reader.next();
            REQUIRE(next);
            REQUIRE((*next == nullptr) == (seq == Seq{2000}));
        }
        CHECK(reader.at({2001}).error().code == Errc::not_found);
        CHECK(reader.at({5000}).error().code == Errc::not_found);
        REQUIRE(reader.seek({0}));
        CHECK(rest(reader).size() == 2000);
        REQUIRE(reader.seek({2001}));
        CHECK(rest(reader).empty());
        small.add_many(3);
        small.write_head();
        CHECK(rest(reader) == range(2001, 2003));
        REQUIRE(reader.seek({2005}));
        small.add_many(3);
        small.write_head();
        CHECK(rest(reader) == range(2005, 2006));
    }
}

TEST_CASE("a follower goes on behind its cursor, or where a later epoch began") {
    SmallStore small;  // epochs: 1..3 in 10, 4..6 in 12, 7..9 in 14
    for (const std::uint64_t epoch : {10, 12, 14}) {
        small.epoch = {epoch};
        small.begin_segment(8192);
        small.add_many(3);
    }
    small.write_head();
    struct Row {
        Cursor cursor;
        bool rewinds;
        std::uint64_t next;
    };
    for (const Row& row : std::initializer_list<Row>{
             {{{0}, {0}}, false, 1},
             {{{10}, {1}}, false, 2},
             {{{10}, {3}}, false, 4},
             {{{12}, {4}}, false, 5},
             {{{14}, {9}}, false, 10},
             {{{10}, {4}}, true, 4},  // 4 was written again by epoch 12
             {{{10}, {40}}, true, 4},
             {{{11}, {5}}, true, 4},
             {{{12}, {9}}, true, 7},
             {{{14}, {12}}, true, 10},  // more than there is: a copy was restored
             {{{15}, {12}}, true, 10},
             {{{12}, {2}}, true, 1},  // 2 was never written in 12 here
             {{{12}, {3}}, false, 4},  // just before its first: where a resync says to go on
             {{{14}, {6}}, false, 7},
         }) {
        CAPTURE(to_text(row.cursor));
        JournalReader reader = open(small);
        const auto rewound = reader.resume(row.cursor);
        REQUIRE(rewound);
        CHECK(*rewound == row.rewinds);
        CHECK(reader.expected() == Seq{row.next});
        CHECK(rest(reader) == range(row.next, 9));
        // Beside a living writer it is the same.
        const auto lock = *small.files.lock(small.paths.head());
        JournalReader beside = open(small);
        CHECK(*beside.resume(row.cursor) == row.rewinds);
        CHECK(beside.expected() == Seq{row.next});
    }
}

TEST_CASE("a HEAD of another store, or of an epoch that was written over, is no evidence") {
    SmallStore small;
    small.begin_segment(8192);
    small.add_many(3);
    small.write_head();
    small.epoch = {11};
    small.add_many(2);
    Head head = small.head_now();
    head.epoch = {10};
    head.durable = {9};
    small.files.content.erase(small.paths.head());
    small.write_head(head);
    JournalReader reader = open(small);
    CHECK(rest(reader) == range(1, 5));
    head.store = "another";
    small.files.content.erase(small.paths.head());
    small.write_head(head);
    JournalReader other = open(small);
    CHECK(rest(other) == range(1, 4));
}

TEST_CASE("an unfinished roll is not yet") {
    SmallStore small;
    small.begin_segment(8192);
    small.add_many(3);
    small.write_head();
    small.begin_segment(8192);
    const std::string whole = small.active();
    for (std::size_t size = 0; size <= small.used; ++size) {
        small.active() = whole.substr(0, size);
        JournalReader reader = open(small);
        CHECK(rest(reader) == range(1, 3));
        small.active() = whole;
        CHECK(rest(reader).empty());
    }
}

TEST_CASE("without a store there is nothing to follow") {
    test::MemoryFiles files;
    CHECK(JournalReader::open(files, StorePaths{"/none"}).error().code == Errc::not_found);
}

}  // namespace
}  // namespace se
