#include "journal/segment.h"

#include <doctest/doctest.h>

#include <random>

#include "journal/text_cursor.h"
#include "tests/journal/small_store.h"

namespace se {
namespace {

using test::MemoryFiles;
using test::SmallStore;

struct PlainLine {
    std::uint64_t offset;
    std::string text;
    bool terminated;
    bool operator==(const PlainLine&) const = default;
};

std::vector<PlainLine> slow_lines(const std::string& bytes, std::uint64_t from, std::uint64_t to) {
    std::vector<PlainLine> lines;
    std::size_t at = from;
    while (at < bytes.size() && at < to) {
        if (bytes[at] == '\n') {
            ++at;
            continue;
        }
        const std::size_t end = std::min(bytes.find('\n', at), bytes.size());
        lines.push_back({at, bytes.substr(at, end - at), end < bytes.size()});
        at = end;
    }
    return lines;
}

std::vector<PlainLine> read_lines(const File& file, std::uint64_t from, std::uint64_t to,
                                  std::size_t chunk) {
    std::vector<PlainLine> lines;
    LineReader reader(file, from, to, chunk);
    for (;;) {
        const auto line = reader.next();
        REQUIRE(line);
        if (!*line) return lines;
        lines.push_back({(*line)->offset, std::string((*line)->text), (*line)->terminated});
    }
}

TEST_CASE("lines come out the same whatever the chunks and bounds") {
    std::mt19937_64 random(5);
    MemoryFiles files;
    for (int round = 0; round < 300; ++round) {
        std::string& bytes = files.bytes("/f");
        bytes.clear();
        for (std::size_t i = random() % 8; i > 0; --i) {
            bytes.append(random() % 5 == 0 ? 200 : random() % 4, '\n');
            bytes.append(random() % 90, static_cast<char>('a' + random() % 26));
        }
        const auto file = *files.open("/f", OpenMode::read);
        const std::uint64_t from = random() % (bytes.size() + 2);
        const std::uint64_t to = random() % 3 == 0 ? UINT64_MAX : random() % (bytes.size() + 20);
        for (const std::size_t chunk : {1, 2, 3, 7, 32, 64, 1000}) {
            REQUIRE(read_lines(*file, from, to, chunk) == slow_lines(bytes, from, to));
        }
    }
}

TEST_CASE("a line that is too long comes in pieces and nothing is skipped") {
    MemoryFiles files;
    const std::string longest(kRecordBytesMax, 'x');
    files.bytes("/f") = longest + "\n" + longest + "y\nz";
    const auto file = *files.open("/f", OpenMode::read);
    const auto lines = read_lines(*file, 0, UINT64_MAX, 1u << 20);
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].text.size() == kRecordBytesMax);
    CHECK(lines[0].terminated);
    CHECK(lines[1].text.size() == kRecordBytesMax);
    CHECK_FALSE(lines[1].terminated);
    CHECK(lines[2] == PlainLine{2 * kRecordBytesMax + 1, "y", true});
    CHECK(lines[3] == PlainLine{2 * kRecordBytesMax + 3, "z", false});
}

TEST_CASE("a header reads back, and no flipped bit of it does") {
    Frontier before;
    before.append(sha256("a"));
    before.append(sha256("b"));
    before.append(sha256("c"));
    const std::string line =
        encode_segment_header({.store = "s", .epoch = {7}, .first = {4}, .before = before});
    CHECK(line.starts_with(
        R"({"format":"state-engine-journal/1","store":"s","epoch":7,"first":4,"root":")" +
        to_hex(before.root()) + R"(","frontier":"0300000000000000)"));
    const auto header = parse_segment_header(line);
    REQUIRE(header);
    CHECK(header->store == "s");
    CHECK(header->epoch == Epoch{7});
    CHECK(header->first == Seq{4});
    CHECK(header->before == before);
    for (std::size_t bit = 0; bit < line.size() * 8; ++bit) {
        std::string bad = line;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
        CHECK_FALSE(parse_segment_header(bad));
    }
}

struct Walk {
    std::vector<Seq> records;
    std::vector<Fault> faults;
    std::uint64_t end_of_good = 0;
};

Walk walk(SmallStore& small, Seq segment, SegmentReader::Start start = {}) {
    Walk found;
    auto reader = SegmentReader::open(small.files, small.paths, segment, small.store, start);
    REQUIRE(reader);
    for (;;) {
        const auto item = reader->next();
        REQUIRE(item);
        if (!*item) break;
        if (const Fault* fault = std::get_if<Fault>(&**item)) {
            found.faults.push_back(*fault);
        } else {
            CHECK(std::get<Line>(**item).text == reader->line().text);
            found.records.push_back(reader->frame().seq);
        }
    }
    found.end_of_good = reader->end_of_good();
    return found;
}

SmallStore three_records() {
    SmallStore small;
    small.begin_segment(4096);
    small.add_many(3);
    return small;
}

TEST_CASE("a whole segment is its records and nothing else") {
    SmallStore small = three_records();
    const Walk found = walk(small, {1});
    CHECK(found.records == std::vector<Seq>{{1}, {2}, {3}});
    CHECK(found.faults.empty());
    CHECK(found.end_of_good == small.used);
}

TEST_CASE("every prefix of a segment shows the records that are whole and hides none") {
    SmallStore small = three_records();
    const std::string whole = small.active().substr(0, small.used);
    const std::uint64_t header_end = small.places[{1}].offset - 1;
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        CAPTURE(size);
        small.active() = whole.substr(0, size);
        const Walk found = walk(small, {1});
        std::size_t records = 0;
        std::uint64_t end = size >= header_end ? header_end : 0;
        for (const auto& [seq, place] : small.places) {
            if (place.end <= size) {
                ++records;
                end = place.end;
            }
        }
        CHECK(found.records.size() == records);
        CHECK(found.end_of_good == end);
        // Whatever of the cut line is left is a fault; nothing, or a blank, is not.
        const bool rest = end == 0 || size > end + 1;
        CHECK(found.faults.size() == (rest ? 1 : 0));
        if (rest && end > 0) CHECK(found.faults[0].seq == Seq{records + 1});
        if (rest && end == 0)
            CHECK((found.faults[0].kind == FaultKind::bad_header ||
                   found.faults[0].kind == FaultKind::unterminated));
    }
}

TEST_CASE("every flipped bit of a segment is a fault where it is") {
    SmallStore small = three_records();
    const std::string whole = small.active();
    for (std::size_t bit = 0; bit < small.used * 8; ++bit) {
        CAPTURE(bit);
        small.active() = whole;
        char& byte = small.active()[bit / 8];
        byte = static_cast<char>(byte ^ (1 << (bit % 8)));
        const Walk found = walk(small, {1});
        REQUIRE_FALSE(found.faults.empty());
        CHECK(found.faults[0].offset <= bit / 8);
        for (const Seq seq : found.records) CHECK(small.places[seq].segment == Seq{1});
    }
}

TEST_CASE("behind a gap the record that tells of it is not lost") {
    SmallStore small = three_records();
    small.blank({2}, {2});
    auto reader = SegmentReader::open(small.files, small.paths, {1}, small.store, {});
    REQUIRE(reader);
    CHECK(std::holds_alternative<Line>(**reader->next()));
    const auto gap = reader->next();
    REQUIRE(std::holds_alternative<Fault>(**gap));
    CHECK(std::get<Fault>(**gap).kind == FaultKind::bad_seq);
    CHECK(std::get<Fault>(**gap).seq == Seq{2});
    CHECK(reader->frame().seq == Seq{3});
    reader->resume_at({3});
    REQUIRE(std::holds_alternative<Line>(**reader->next()));
    CHECK(reader->frame().seq == Seq{3});
    CHECK_FALSE(*reader->next());
}

TEST_CASE("an epoch below its predecessor's is a fault, a higher one is not") {
    SmallStore small;
    small.begin_segment();
    small.add_many(1);
    small.epoch = {12};
    small.add_many(1);
    small.epoch = {11};
    small.add_many(1);
    const Walk found = walk(small, {1});
    CHECK(found.records == std::vector<Seq>{{1}, {2}});
    REQUIRE(found.faults.size() == 1);
    CHECK(found.faults[0].kind == FaultKind::bad_epoch);
    CHECK(found.faults[0].seq == Seq{3});
}

TEST_CASE("a header of another store or place is a fault") {
    SmallStore small = three_records();
    small.store = "other";
    CHECK(walk(small, {1}).faults.at(0).kind == FaultKind::bad_header);
    small = three_records();
    small.files.bytes(small.paths.segment({9})) = small.active();
    CHECK(walk(small, {9}).faults.at(0).kind == FaultKind::bad_header);
}

TEST_CASE("a missing header hides no record") {
    SmallStore small = three_records();
    std::fill(small.active().begin(),
              small.active().begin() + static_cast<std::ptrdiff_t>(small.places[{1}].offset), '\n');
    const Walk found = walk(small, {1});
    CHECK(found.records == std::vector<Seq>{{1}, {2}, {3}});
    REQUIRE(found.faults.size() == 1);
    CHECK(found.faults[0].kind == FaultKind::bad_header);
    CHECK(found.faults[0].offset == small.places[{1}].offset);
}

TEST_CASE("a newer major format is refused, not called damage") {
    SmallStore small;
    small.begin_segment();
    std::string line = small.active().substr(0, small.used - 1);
    line.replace(line.find("journal/1"), 9, "journal/2");
    CHECK(parse_segment_header(line).error().code == Errc::corruption);
    line.resize(line.size() - kCrcTailBytes);
    append_crc_tail(line, 0);
    CHECK(parse_segment_header(line).error().code == Errc::unsupported);
}

TEST_CASE("reading begins at a known place and ends before a bound") {
    SmallStore small = three_records();
    const Walk rest =
        walk(small, {1}, {.offset = small.places[{1}].end, .expected = {2}, .epoch_min = {10}});
    CHECK(rest.records == std::vector<Seq>{{2}, {3}});
    const Walk part = walk(small, {1},
                           {.offset = small.places[{1}].end,
                            .expected = {2},
                            .epoch_min = {10},
                            .to = small.places[{2}].end});
    CHECK(part.records == std::vector<Seq>{{2}});
    CHECK(part.faults.empty());
    const Walk later =
        walk(small, {1}, {.offset = small.places[{1}].end, .expected = {2}, .epoch_min = {11}});
    CHECK(later.faults.at(0).kind == FaultKind::bad_epoch);
}

TEST_CASE("segments are listed in order and nothing else is") {
    SmallStore small;
    for (const char* name :
         {"seg-0000000000018001.jsonl", "seg-0000000000000001.jsonl", "seg-0000000000000001.idx",
          "next", "seg-1.jsonl", "seg-000000000000000x.jsonl", "seg-0000000000000000.jsonl"}) {
        small.files.bytes(small.paths.journal() + "/" + name);
    }
    CHECK(*list_segments(small.files, small.paths) == std::vector<Seq>{{1}, {18001}});
    CHECK(StorePaths::segment_name({18001}) == "seg-0000000000018001.jsonl");
    CHECK(StorePaths::index_name({18001}) == "seg-0000000000018001.idx");
}

}  // namespace
}  // namespace se
