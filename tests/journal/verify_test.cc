#include "journal/verify.h"

#include <doctest/doctest.h>

#include "journal/text_cursor.h"
#include "tests/journal/small_store.h"
#include "tests/release_share.h"

namespace se {
namespace {

using test::closed_store;
using test::kStep;
using test::left_to_release;
using test::SmallStore;

VerifyReport check(SmallStore& small, bool hashes = true, unsigned threads = 1) {
    auto report = verify(small.files, small.paths, {.hashes = hashes, .threads = threads});
    REQUIRE(report);
    return *report;
}

void check_clean(SmallStore& small) {
    for (const bool hashes : {true, false}) {
        const VerifyReport report = check(small, hashes);
        for (const Fault& fault : report.faults) MESSAGE(to_text(fault));
        CHECK(report.faults.empty());
        CHECK(report.records == small.last().value);
        CHECK(report.last == small.last());
        CHECK(report.torn_bytes == 0);
        if (hashes) CHECK(report.root == small.tree.root());
    }
}

TEST_CASE("a sound journal has no fault and the root of its records") {
    SmallStore small = closed_store();
    check_clean(small);
    const VerifyReport report = check(small);
    CHECK(report.segments == 3);
    CHECK(report.first == Seq{1});
    CHECK(report.durable == Seq{9});
    std::uint64_t bytes = 0;
    for (const Seq segment : {Seq{1}, Seq{4}, Seq{7}}) {
        bytes += small.files.bytes(small.paths.segment(segment)).size();
    }
    CHECK(report.bytes == bytes);
}

TEST_CASE("an empty store is sound, and one whose journal is gone is not") {
    SmallStore small;
    CHECK(check(small).faults.empty());
    CHECK(check(small).root == Frontier{}.root());
    small = closed_store();
    for (const Seq segment : {Seq{1}, Seq{4}, Seq{7}}) {
        small.files.content.erase(small.paths.segment(segment));
    }
    const VerifyReport report = check(small);
    REQUIRE(report.faults.size() == 1);
    CHECK(report.faults[0].kind == FaultKind::missing_records);
    CHECK(report.faults[0].seq == Seq{1});
    CHECK(report.faults[0].last == Seq{9});
}

TEST_CASE("every flipped bit of a cleanly closed journal is found, once and in its place") {
    SmallStore small = closed_store();
    for (const Seq segment : {Seq{1}, Seq{4}, Seq{7}}) {
        std::string& bytes = small.files.bytes(small.paths.segment(segment));
        const std::string whole = bytes;
        const std::uint64_t used = segment == small.segment ? small.used : whole.size();
        for (std::size_t bit = 0; bit < used * 8; ++bit) {
            if (left_to_release(bit)) continue;
            const std::uint64_t offset = bit / 8;
            CAPTURE(segment.value);
            CAPTURE(bit);
            bytes[offset] = static_cast<char>(bytes[offset] ^ (1 << (bit % 8)));
            Seq hit = segment;  // the record that the byte belongs to, its newlines included
            for (const auto& [seq, place] : small.places) {
                if (place.segment == segment && place.offset <= offset + 1) hit = seq;
            }
            for (const bool hashes : {true, false}) {
                const VerifyReport report = check(small, hashes);
                // A newline turned into something else may also spoil what stands beside it.
                REQUIRE(report.faults.size() == 1);
                const Fault& fault = report.faults[0];
                REQUIRE(fault.segment == segment);
                REQUIRE(fault.offset <= offset);
                REQUIRE(fault.seq <= hit);
                REQUIRE(fault.seq.value + 1 >= hit.value);
                REQUIRE(report.torn_bytes == 0);
            }
            bytes[offset] = whole[offset];
        }
    }
    check_clean(small);
}

TEST_CASE("a flipped bit behind the last record is torn and no fault") {
    SmallStore small = closed_store();
    for (std::size_t offset = small.used; offset < small.active().size(); offset += 7) {
        const std::string whole = small.active();
        small.active()[offset] = 'x';
        const VerifyReport report = check(small);
        CHECK(report.faults.empty());
        CHECK(report.torn_bytes > 0);
        CHECK(report.last == Seq{9});
        CHECK(report.root == small.tree.root());
        small.active() = whole;
    }
}

TEST_CASE("every shorter prefix of the last segment is damage while HEAD remembers") {
    SmallStore small = closed_store();
    const std::string whole = small.active();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        small.active() = whole.substr(0, size);
        const VerifyReport report = check(small);
        if (size >= small.used) {
            CHECK(report.faults.empty());
        } else {
            REQUIRE(report.faults.size() == 1);
            CHECK(report.faults[0].last == Seq{9});
            Seq missing{7};
            while (small.places[missing].end <= size) missing = missing.next();
            CHECK(report.faults[0].seq == missing);
        }
    }
}

TEST_CASE("every prefix that holds all that was acknowledged is torn or clean") {
    for (std::uint64_t acknowledged = 6; acknowledged <= 9; ++acknowledged) {
        SmallStore small;
        small.begin_segment();
        small.add_many(3);
        small.begin_segment();
        small.add_many(3);
        Head head = small.head_now();
        small.begin_segment(4096);
        // Written as one group: none of them tells of another.
        for (std::uint64_t i = 7; i <= 9; ++i) small.add(small.draft(), Seq{6});
        if (acknowledged > 6) {
            const auto& place = small.places[{acknowledged}];
            head = {.store = small.store,
                    .epoch = small.epoch,
                    .durable = {acknowledged},
                    .segment = place.segment,
                    .end = place.end};
        }
        small.write_head(head);
        const std::string whole = small.active();
        const std::uint64_t needed = acknowledged > 6 ? small.places[{acknowledged}].end : 0;
        for (std::size_t size = 0; size <= whole.size(); size += kStep) {
            CAPTURE(size);
            small.active() = whole.substr(0, size);
            const VerifyReport report = check(small);
            CHECK(report.faults.empty() == (size >= needed));
            if (size < needed) continue;
            Seq last{6};
            while (small.places.contains(last.next()) && small.places[last.next()].end <= size) {
                last = last.next();
            }
            CHECK(report.last == last);
            CHECK(report.records == last.value);
        }
    }
}

TEST_CASE("without HEAD the durable members of later lines prove damage") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(5);
    small.flip({3});
    VerifyReport report = check(small);
    REQUIRE(report.faults.size() == 1);
    CHECK(report.faults[0].kind == FaultKind::bad_line);
    CHECK(report.faults[0].seq == Seq{3});
    CHECK(report.faults[0].last == Seq{3});
    CHECK(report.records == 4);

    // Nobody vouches for the last one, so its damage is a torn tail.
    small.flip({3});
    small.flip({5});
    report = check(small);
    CHECK(report.faults.empty());
    CHECK(report.last == Seq{4});
    CHECK(report.torn_bytes == small.places[{5}].end - small.places[{5}].offset);
}

TEST_CASE("good lines behind a torn place are torn with it") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(2);
    const Frontier before = small.tree;
    small.write_head();
    small.add_many(3, Seq{2});
    small.flip({3});
    const VerifyReport report = check(small);
    CHECK(report.faults.empty());
    CHECK(report.records == 2);
    CHECK(report.last == Seq{2});
    CHECK(report.root == before.root());
    CHECK(report.torn_bytes == small.used - small.places[{3}].offset);
}

TEST_CASE("what a HEAD of an epoch before says of seqs that a later epoch wrote proves nothing") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(2);
    const Head old{
        .store = small.store, .epoch = {10}, .durable = {9}, .segment = {1}, .end = 9999};
    small.write_head(old);
    CHECK(check(small).faults.size() == 1);
    small.epoch = {11};
    small.add_many(1);
    CHECK(check(small).faults.empty());
    Head other = old;
    other.epoch = {12};
    other.store = "another store";
    small.write_head(other);
    CHECK(check(small).faults.empty());
}

/// Nine records in two segments, the eighth a note in a later epoch that gives up from..to.
SmallStore store_with_note(Seq from, Seq to) {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(4);
    small.begin_segment(4096);
    small.add_many(3);
    small.epoch = {11};
    small.add_repaired(from, to);
    small.add_many(1);
    small.write_head();
    return small;
}

TEST_CASE("a gap is allowed by a note that names it and by nothing else") {
    for (std::uint64_t from = 1; from <= 7; ++from) {
        for (std::uint64_t to = from; to <= 7; ++to) {
            CAPTURE(from);
            CAPTURE(to);
            SmallStore small = store_with_note({from}, {to});
            small.blank({from}, {to});
            for (const bool hashes : {true, false}) {
                const VerifyReport report = check(small, hashes);
                CHECK(report.faults.empty());
                CHECK(report.repaired == to - from + 1);
                CHECK(report.records == 9 - report.repaired);
                CHECK(report.last == Seq{9});
            }
            if (to == 7) continue;
            small.blank({to + 1}, {to + 1});
            const VerifyReport report = check(small);
            REQUIRE(report.faults.size() == 1);
            CHECK(report.faults[0].seq == Seq{to + 1});
            CHECK(report.faults[0].last == Seq{to + 1});
            CHECK(report.repaired == to - from + 1);
        }
    }
}

TEST_CASE("something that stands where all was given up is a fault, named by what is lost already") {
    SmallStore small = store_with_note({2}, {3});
    small.blank({2}, {3});
    small.files.bytes(small.paths.segment({1}))[small.places[{2}].offset + 5] = 'x';
    const VerifyReport report = check(small);
    CHECK(report.repaired == 2);
    REQUIRE(report.faults.size() == 1);
    CHECK(report.faults[0].kind == FaultKind::bad_line);
    CHECK(report.faults[0].offset == small.places[{2}].offset + 5);
    CHECK(report.faults[0].seq == Seq{2});
    CHECK(report.faults[0].last == Seq{3});
}

TEST_CASE("what only a follower or a trusted projection has seen is missing, not torn") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(6, Seq{0});
    Head head = small.head_now();
    head.durable = {4};
    head.end = small.places[{4}].end;
    small.write_head(head);
    small.files.bytes(small.paths.segment({1}))[small.places[{5}].offset + 30] ^= 1;
    CHECK(check(small).faults.empty());
    CHECK(check(small).torn_bytes > 0);

    const auto with = verify(small.files, small.paths,
                             {.evidence = {{.epoch = small.epoch, .seq = {5}, .source = "projection"}}});
    REQUIRE(with);
    REQUIRE(with->faults.size() == 1);
    CHECK(with->faults[0].seq == Seq{5});
    CHECK(with->faults[0].last == Seq{5});

    small.files.bytes(small.paths.followers() + "/changes") =
        R"({"store":")" + small.store + R"(","epoch":10,"seq":6})";
    REQUIRE(check(small).faults.size() == 1);
    CHECK(check(small).faults[0].last == Seq{5});  // 6 is there
    // Of another history.
    small.files.bytes(small.paths.followers() + "/changes") = R"({"store":"x","epoch":10,"seq":6})";
    CHECK(check(small).faults.empty());
}

TEST_CASE("a note is not believed about itself or what comes after it") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(2);
    small.add_repaired({5}, {5});
    small.add_many(4);
    small.write_head();
    small.blank({5}, {5});
    CHECK(check(small).faults.size() == 1);
}

TEST_CASE("a header whose root is not that of the records before it is a fault") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(3);
    small.tree = {};
    for (int i = 0; i < 3; ++i) small.tree.append(sha256("forged"));
    small.begin_segment(4096);
    small.add_many(2);
    small.write_head();
    const VerifyReport report = check(small);
    REQUIRE(report.faults.size() == 1);
    CHECK(report.faults[0].kind == FaultKind::bad_root);
    CHECK(report.faults[0].segment == Seq{4});
    CHECK(check(small, false).faults.empty());
}

TEST_CASE("a record changed together with its crc is found by its hash") {
    SmallStore small = closed_store();
    std::string& bytes = small.files.bytes(small.paths.segment({1}));
    const auto place = small.places[{2}];
    std::string line = bytes.substr(place.offset, place.end - place.offset - 1);
    line.resize(line.size() - kCrcTailBytes);
    line[line.find("value")] = 'V';
    append_crc_tail(line, 0);
    bytes.replace(place.offset, line.size(), line);
    CHECK(check(small, false).faults.empty());
    const VerifyReport report = check(small);
    REQUIRE(report.faults.size() == 1);
    CHECK(report.faults[0].kind == FaultKind::bad_root);
    CHECK(report.faults[0].segment == Seq{4});
}

TEST_CASE("a segment that is not there, or is there twice, is a fault") {
    SmallStore small = closed_store();
    const auto middle = small.files.content.extract(small.paths.segment({4}));
    VerifyReport report = check(small);
    REQUIRE(report.faults.size() == 1);
    CHECK(report.faults[0].kind == FaultKind::missing_records);
    CHECK(report.faults[0].segment == Seq{1});
    CHECK(report.faults[0].seq == Seq{4});
    CHECK(report.faults[0].last == Seq{6});

    small = closed_store();
    small.files.bytes(small.paths.segment({5})) = small.files.bytes(small.paths.segment({4}));
    CHECK_FALSE(check(small).faults.empty());
}

TEST_CASE("an unfinished roll is no fault, whatever of its header is there") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(3);
    small.write_head();
    small.begin_segment(4096);
    const std::string whole = small.active();
    for (std::size_t size = 0; size <= small.used; ++size) {
        small.active() = whole.substr(0, size) + std::string(64, '\n');
        const VerifyReport report = check(small);
        CHECK(report.faults.empty());
        CHECK(report.last == Seq{3});
        CHECK(report.root == small.tree.root());
    }
    small.active() = whole;
    small.add_many(1);
    const std::string one = small.active();
    small.active()[10] = 'x';  // now a record stands behind it, but nobody vouches for that
    CHECK(check(small).faults.empty());
    CHECK(check(small).last == Seq{3});
    small.write_head();
    CHECK(check(small).faults.size() == 1);
}

TEST_CASE("beside a living writer only what HEAD vouches for is judged") {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(3);
    small.write_head();
    small.add_many(3);
    small.flip({5});
    small.active()[small.used + 20] = 'x';
    CHECK(check(small).faults.size() == 1);  // record 6 proves record 5
    const auto store = *small.files.lock(small.paths.store_file());
    CHECK(check(small).faults.size() == 1);  // who is opening has not made HEAD exact
    const auto lock = *small.files.lock(small.paths.head());
    const VerifyReport report = check(small);
    CHECK(report.faults.empty());
    CHECK(report.torn_bytes == 0);
    CHECK(report.last == Seq{3});
    small.flip({3});
    CHECK(check(small).faults.size() == 1);
}

/// Several pieces a segment, several segments.
SmallStore large_store() {
    SmallStore small;
    for (int segments = 0; segments < 2; ++segments) {
        small.begin_segment(10u << 20);
        RecordDraft draft = small.draft(std::string(5000, 'v'));
        for (int i = 0; i < 1000; ++i) small.add(draft);
        draft = small.draft(std::string(kRecordBytesMax - 1000, 'w'));
        small.add(draft);
    }
    small.write_head();
    return small;
}

TEST_CASE("pieces read by any number of threads make the same report") {
    SmallStore small = large_store();
    for (const unsigned threads : {1u, 2u, 5u}) {
        std::uint64_t done = 0, all = 0;
        VerifyOptions options;
        options.threads = threads;
        options.progress = [&](std::uint64_t now, std::uint64_t of) {
            CHECK(now >= done);
            done = now;
            all = of;
        };
        const auto report = verify(small.files, small.paths, options);
        REQUIRE(report);
        CHECK(report->faults.empty());
        CHECK(report->records == 2002);
        CHECK(report->root == small.tree.root());
        CHECK(done == report->bytes);
        CHECK(all == report->bytes);
    }
}

TEST_CASE("a piece may begin at any byte of a line") {
    // A body grows by a little, so that the bound between two pieces falls everywhere in a line.
    for (std::size_t shift = 0; shift < 700; shift += 3 * kStep) {
        SmallStore small;
        small.begin_segment(5u << 20);
        small.add(small.draft(std::string((2u << 20) - 2000, 'a')));
        small.add(small.draft(std::string((2u << 20) - 2000 + shift, 'b')));
        small.add_many(20);
        small.write_head();
        CHECK(small.places[{2}].end < 4u << 20);
        CHECK(small.places[{22}].end > 4u << 20);
        const VerifyReport report = check(small, false, 1);
        REQUIRE(report.faults.empty());
        REQUIRE(report.records == 22);
    }
}

TEST_CASE("every bad place is one fault and the records between them are counted") {
    SmallStore small = large_store();
    const std::vector<Seq> hit = {{1}, {2}, {400}, {900}, {1001}, {1002}, {1500}, {2001}};
    for (const Seq seq : hit) small.flip(seq);
    for (const unsigned threads : {1u, 2u}) {
        for (const bool hashes : {true, false}) {
            const VerifyReport report = check(small, hashes, threads);
            std::vector<std::pair<Seq, Seq>> found;
            for (const Fault& fault : report.faults) found.push_back({fault.seq, fault.last});
            CHECK(found == std::vector<std::pair<Seq, Seq>>{{{1}, {2}},
                                                            {{400}, {400}},
                                                            {{900}, {900}},
                                                            {{1001}, {1001}},
                                                            {{1002}, {1002}},
                                                            {{1500}, {1500}},
                                                            {{2001}, {2001}}});
            CHECK(report.records == 2002 - hit.size());
            CHECK(report.last == Seq{2002});
        }
    }
}

TEST_CASE("a newer major format is refused") {
    SmallStore small = closed_store();
    std::string line =
        encode_segment_header({.store = small.store, .epoch = {1}, .first = {4}, .before = {}});
    line.replace(line.find("journal/1"), 9, "journal/2");
    line.resize(line.size() - kCrcTailBytes);
    append_crc_tail(line, 0);
    small.files.bytes(small.paths.segment({4})) = "\n" + line + "\n";
    const auto report = verify(small.files, small.paths, {});
    REQUIRE_FALSE(report);
    CHECK(report.error().code == Errc::unsupported);
}

}  // namespace
}  // namespace se
