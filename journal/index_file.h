#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/base/hash.h"
#include "journal/paths.h"
#include "journal/record.h"
#include "journal/segment.h"

namespace se {

/// What an index file says of one record. A cache: regrows from its segment (DESIGN 3).
struct IndexEntry {
    Seq seq;
    std::uint64_t offset = 0;    ///< of the line's first byte in the segment
    std::uint32_t line_bytes = 0;
    Kind kind = Kind::unknown;
    Hash leaf{};
    Hash16 id{};                 ///< see identity_hash(); zero: binds no id
    Hash16 content{};            ///< zero: none
    std::vector<std::string> keys;
};

/// 16 bytes that stand for (scope, id): SHA-256 of scope ‖ 0x00 ‖ id, first half. The scope of an identity is
/// the principal, or "nats" for all of that door and "firestore" for all that is imported.
Hash16 identity_hash(std::string_view scope, std::string_view id);
/// The scope of a record: doors "nats" and "firestore" are one scope each, else its principal.
std::string_view scope_of(std::string_view door, std::string_view principal);

/// A rolled segment's index: binary, little-endian, drawn in index_file.cc and docs/formats.md; ends
/// with a CRC-32C of all before it.
struct SegmentIndex {
    Seq first;
    std::uint64_t segment_bytes = 0;  ///< size of the segment it was made from
    std::vector<IndexEntry> entries;
};

Result<SegmentIndex> build_index(FileSystem& files, const StorePaths& paths, Seq first,
                                 const std::string& store);
std::string encode_index(const SegmentIndex& index);
Result<SegmentIndex> decode_index(std::string_view bytes);
/// Reads it; Errc::not_found or Errc::corruption mean: build it again.
Result<SegmentIndex> read_index(FileSystem& files, const StorePaths& paths, Seq first);
Status write_index(FileSystem& files, const StorePaths& paths, const SegmentIndex& index);

}  // namespace se
