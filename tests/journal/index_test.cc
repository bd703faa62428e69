#include "journal/index_file.h"

#include <doctest/doctest.h>

#include "journal/base/crc32c.h"
#include "tests/journal/small_store.h"

namespace se {
namespace {

using test::SmallStore;

SmallStore two_segments() {
    SmallStore small;
    small.begin_segment(4096);
    RecordDraft draft = small.draft();
    draft.content = "00112233445566778899aabbccddeeff";
    draft.changes = {{"a", "set", {1}}, {"b \"quoted\"", "delete", {2}}};
    small.add(draft);
    draft.kind = Kind::rejected;
    draft.code = "malformed";
    small.add(draft);
    draft.code = "absent";
    draft.door = "nats";
    small.add(draft);
    RecordDraft note;
    note.ts = draft.ts;
    note.note = "opened";
    small.add(note);
    small.begin_segment(4096);
    small.add_many(1);
    return small;
}

TEST_CASE("an index tells of every record of its segment") {
    SmallStore small = two_segments();
    const auto index = build_index(small.files, small.paths, {1}, small.store);
    REQUIRE(index);
    CHECK(index->first == Seq{1});
    CHECK(index->segment_bytes == small.files.bytes(small.paths.segment({1})).size());
    REQUIRE(index->entries.size() == 4);
    Frontier tree;
    for (const IndexEntry& entry : index->entries) {
        const auto place = small.places[entry.seq];
        CHECK(entry.offset == place.offset);
        CHECK(entry.offset + entry.line_bytes + 1 == place.end);
        tree.append(entry.leaf);
    }
    small.tree = {};
    CHECK(index->entries[0].keys == std::vector<std::string>{"a", "b \"quoted\""});
    CHECK(index->entries[0].kind == Kind::accepted);
    CHECK(index->entries[0].id == identity_hash("a", "m1"));
    CHECK(to_hex(index->entries[0].content) == "00112233445566778899aabbccddeeff");
    CHECK(index->entries[1].id == Hash16{});  // malformed binds no id
    CHECK(index->entries[2].id == identity_hash("nats", "m1"));
    CHECK(index->entries[3].kind == Kind::note);
    CHECK(index->entries[3].id == Hash16{});
    CHECK(index->entries[3].keys.empty());
    const std::string& next = small.files.bytes(small.paths.segment({5}));
    const auto header = parse_segment_header(next.substr(0, next.find('\n')));
    REQUIRE(header);
    CHECK(header->before == tree);
}

TEST_CASE("scope and id are told apart in an identity") {
    CHECK(identity_hash("a", "bc") != identity_hash("ab", "c"));
    CHECK(identity_hash("a", "b") == first_half(sha256(std::string("a\0b", 3))));
    CHECK(scope_of("nats", "alice") == "nats");
    CHECK(scope_of("http", "alice") == "alice");
}

TEST_CASE("refusals that pass or never took shape bind no id") {
    SmallStore small;
    small.begin_segment(1u << 16);
    const std::pair<const char*, bool> rows[] = {
        {"malformed", false},   {"too_large", false},       {"rate_limited", false},
        {"unavailable", false}, {"id_reused", false},       {"key_not_allowed", true},
        {"absent", true},       {"version_conflict", true}, {"value_invalid", true}};
    for (const auto& [code, binds] : rows) {
        RecordDraft draft = small.draft();
        draft.kind = Kind::rejected;
        draft.code = code;
        small.add(draft);
    }
    const auto index = build_index(small.files, small.paths, {1}, small.store);
    REQUIRE(index);
    for (std::size_t i = 0; i < index->entries.size(); ++i) {
        CAPTURE(rows[i].first);
        CHECK((index->entries[i].id != Hash16{}) == rows[i].second);
    }
}

TEST_CASE("an index file reads back, and nothing that is cut or flipped does") {
    SmallStore small = two_segments();
    const auto index = build_index(small.files, small.paths, {1}, small.store);
    REQUIRE(index);
    const std::string bytes = encode_index(*index);
    const auto again = decode_index(bytes);
    REQUIRE(again);
    CHECK(encode_index(*again) == bytes);
    CHECK(again->entries[0].keys == index->entries[0].keys);
    CHECK(again->entries[2].leaf == index->entries[2].leaf);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        REQUIRE_FALSE(decode_index(std::string_view(bytes).substr(0, size)));
    }
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        std::string bad = bytes;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
        REQUIRE_FALSE(decode_index(bad));
    }
}

TEST_CASE("an index with a right crc and a wrong inside is read without harm") {
    SmallStore small = two_segments();
    const std::string bytes =
        encode_index(*build_index(small.files, small.paths, {1}, small.store));
    for (std::size_t byte = 8; byte + 4 < bytes.size(); ++byte) {
        for (const char value : {'\0', '\x7f', '\xff'}) {
            std::string bad = bytes.substr(0, bytes.size() - 4);
            bad[byte] = value;
            const std::uint32_t crc = crc32c(bad);
            for (int i = 0; i < 4; ++i) bad += static_cast<char>((crc >> (8 * i)) & 0xff);
            const auto read = decode_index(bad);
            if (read) CHECK(read->entries.size() <= 4);
        }
    }
}

TEST_CASE("an index is kept beside its segment and refused when the segment is another") {
    SmallStore small = two_segments();
    CHECK(read_index(small.files, small.paths, {1}).error().code == Errc::not_found);
    const auto index = build_index(small.files, small.paths, {1}, small.store);
    REQUIRE(write_index(small.files, small.paths, *index));
    REQUIRE(read_index(small.files, small.paths, {1}));
    small.files.bytes(small.paths.segment({1})) += "\n";
    CHECK(read_index(small.files, small.paths, {1}).error().code == Errc::corruption);
    small.files.bytes(small.paths.index({5})) = small.files.bytes(small.paths.index({1}));
    CHECK(read_index(small.files, small.paths, {5}).error().code == Errc::corruption);
}

TEST_CASE("a damaged segment has no index, one with a gap has one of what is there") {
    SmallStore small = two_segments();
    small.blank({2}, {3});
    const auto index = build_index(small.files, small.paths, {1}, small.store);
    REQUIRE(index);
    REQUIRE(index->entries.size() == 2);
    CHECK(index->entries[1].seq == Seq{4});
    small.flip({4});
    CHECK(build_index(small.files, small.paths, {1}, small.store).error().code == Errc::corruption);
}

}  // namespace
}  // namespace se
