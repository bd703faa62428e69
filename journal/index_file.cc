#include "journal/index_file.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "journal/base/crc32c.h"

namespace se {
namespace {

// All integers little-endian:
//
//   8  "SEINDEX1"
//   8  first seq
//   8  segment_bytes
//   8  number of entries, then each:
//        8 seq · 8 offset · 4 line_bytes · 1 kind · 32 leaf · 16 id · 16 content
//        2 number of keys, then each: 2 length · its bytes
//   4  CRC-32C of all before it
constexpr std::string_view kMagic = "SEINDEX1";
constexpr std::size_t kFixedBytes = 8 + 3 * 8;
constexpr std::size_t kEntryBytesMin = 8 + 8 + 4 + 1 + 32 + 16 + 16 + 2;
constexpr std::size_t kCrcBytes = 4;
constexpr std::uint64_t kIndexBytesMax = 1ull << 30;

template <class Integer>
void put(std::string& out, Integer value) {
    for (std::size_t i = 0; i < sizeof value; ++i) {
        out += static_cast<char>((value >> (8 * i)) & 0xff);
    }
}

template <std::size_t N>
void put(std::string& out, const std::array<std::uint8_t, N>& bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), N);
}

/// Takes pieces off the front; `good` turns false at the first that is not there.
struct Pieces {
    std::string_view left;
    bool good = true;

    std::string_view bytes(std::size_t size) {
        if (left.size() < size) {
            good = false;
            return {};
        }
        const std::string_view piece = left.substr(0, size);
        left.remove_prefix(size);
        return piece;
    }
    template <class Integer>
    Integer integer() {
        std::uint64_t value = 0;
        const std::string_view piece = bytes(sizeof(Integer));
        for (std::size_t i = 0; i < piece.size(); ++i) {
            value |= std::uint64_t{static_cast<unsigned char>(piece[i])} << (8 * i);
        }
        return static_cast<Integer>(value);
    }
    template <std::size_t N>
    void into(std::array<std::uint8_t, N>& array) {
        const std::string_view piece = bytes(N);
        if (piece.size() == N) std::memcpy(array.data(), piece.data(), N);
    }
};

/// Whether an id in such a record is used up by it (DESIGN 4, Idempotency): refusals that pass or
/// never took shape bind none.
bool binds_id(const RecordView& record) {
    if (record.id.empty()) return false;
    switch (record.kind) {
        case Kind::accepted:
        case Kind::held:
        case Kind::vote:
            return true;
        case Kind::event:
            return !record.content.empty();
        case Kind::rejected:
            return record.code != "malformed" && record.code != "too_large" &&
                   record.code != "rate_limited" && record.code != "unavailable" &&
                   record.code != "id_reused";
        default:
            return false;
    }
}

Result<IndexEntry> entry_of(const Line& line) {
    RecordView record;
    SE_TRY_OK(parse_record(line.text, &record));
    IndexEntry entry{.seq = record.seq,
                     .offset = line.offset,
                     .line_bytes = static_cast<std::uint32_t>(line.text.size()),
                     .kind = record.kind,
                     .leaf = leaf_hash(record)};
    if (binds_id(record)) {
        entry.id = identity_hash(scope_of(record.door, record.principal_or_actor()), record.id);
        entry.content = hash16_from_hex(record.content).value_or(Hash16{});
    }
    for (const RecordView::Change& change : record.changes) {
        // A refused proposal may name anything; no key that an entry was ever kept under is so
        // long.
        if (change.key.size() <= UINT16_MAX) entry.keys.emplace_back(change.key);
    }
    if (entry.keys.size() > UINT16_MAX) entry.keys.resize(UINT16_MAX);
    return entry;
}

}  // namespace

Hash16 identity_hash(std::string_view scope, std::string_view id) {
    return first_half(Sha256{}.add(scope).add(std::string_view("\0", 1)).add(id).finish());
}

std::string_view scope_of(std::string_view door, std::string_view principal) {
    return door == "nats" || door == "firestore" ? door : principal;
}

Result<SegmentIndex> build_index(FileSystem& files, const StorePaths& paths, Seq first,
                                 const std::string& store) {
    SE_TRY(file, files.open(paths.segment(first), OpenMode::read));
    SE_TRY(size, file->size());
    SegmentIndex index{.first = first, .segment_bytes = size, .entries = {}};
    SE_TRY(lines, SegmentReader::over(*file, first, store, {}));
    for (;;) {
        SE_TRY(item, lines.next());
        if (!item) return index;
        if (const Fault* const fault = std::get_if<Fault>(&*item)) {
            // Whether a gap is allowed is the readers' business; an index tells what is there.
            if (fault->kind == FaultKind::bad_seq && lines.frame().seq > lines.expected()) {
                lines.resume_at(lines.frame().seq);
                continue;
            }
            return Error{Errc::corruption, to_text(*fault)};
        }
        SE_TRY(entry, entry_of(std::get<Line>(*item)));
        index.entries.push_back(std::move(entry));
    }
}

std::string encode_index(const SegmentIndex& index) {
    std::string out{kMagic};
    put(out, index.first.value);
    put(out, index.segment_bytes);
    put(out, std::uint64_t{index.entries.size()});
    for (const IndexEntry& entry : index.entries) {
        put(out, entry.seq.value);
        put(out, entry.offset);
        put(out, entry.line_bytes);
        put(out, static_cast<std::uint8_t>(entry.kind));
        put(out, entry.leaf);
        put(out, entry.id);
        put(out, entry.content);
        put(out, static_cast<std::uint16_t>(entry.keys.size()));
        for (const std::string& key : entry.keys) {
            put(out, static_cast<std::uint16_t>(key.size()));
            out += key;
        }
    }
    put(out, crc32c(out));
    return out;
}

Result<SegmentIndex> decode_index(std::string_view bytes) {
    const auto corrupt = [](const char* what) {
        return Error{Errc::corruption, std::string("not an index file: ") + what};
    };
    if (bytes.size() < kFixedBytes + kCrcBytes || !bytes.starts_with(kMagic)) {
        return corrupt("its start");
    }
    Pieces crc{bytes.substr(bytes.size() - kCrcBytes)};
    bytes.remove_suffix(kCrcBytes);
    if (crc.integer<std::uint32_t>() != crc32c(bytes)) return corrupt("its crc");

    Pieces pieces{bytes.substr(kMagic.size())};
    SegmentIndex index;
    index.first.value = pieces.integer<std::uint64_t>();
    index.segment_bytes = pieces.integer<std::uint64_t>();
    const auto count = pieces.integer<std::uint64_t>();
    // Also bounds the memory: a count that the bytes cannot hold is refused before any is taken.
    if (count > pieces.left.size() / kEntryBytesMin) return corrupt("its number of entries");
    index.entries.resize(count);
    for (IndexEntry& entry : index.entries) {
        entry.seq.value = pieces.integer<std::uint64_t>();
        entry.offset = pieces.integer<std::uint64_t>();
        entry.line_bytes = pieces.integer<std::uint32_t>();
        const auto kind = pieces.integer<std::uint8_t>();
        entry.kind = kind < static_cast<std::uint8_t>(Kind::unknown) ? static_cast<Kind>(kind)
                                                                     : Kind::unknown;
        pieces.into(entry.leaf);
        pieces.into(entry.id);
        pieces.into(entry.content);
        const auto keys = pieces.integer<std::uint16_t>();
        for (std::uint16_t i = 0; i < keys && pieces.good; ++i) {
            entry.keys.emplace_back(pieces.bytes(pieces.integer<std::uint16_t>()));
        }
        if (!pieces.good) return corrupt("an entry");
    }
    if (!pieces.left.empty()) return corrupt("more bytes than entries");
    return index;
}

Result<SegmentIndex> read_index(FileSystem& files, const StorePaths& paths, Seq first) {
    SE_TRY(bytes, read_file(files, paths.index(first), kIndexBytesMax));
    SE_TRY(index, decode_index(bytes));
    SE_TRY(segment, files.open(paths.segment(first), OpenMode::read));
    SE_TRY(size, segment->size());
    if (index.first != first || index.segment_bytes != size) {
        return Error{Errc::corruption, paths.index(first) + ": made from another segment"};
    }
    return std::move(index);
}

Status write_index(FileSystem& files, const StorePaths& paths, const SegmentIndex& index) {
    return replace_file(files, paths.journal(), StorePaths::index_name(index.first),
                        encode_index(index));
}

}  // namespace se
