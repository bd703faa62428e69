#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/base/hash.h"
#include "journal/erasures.h"
#include "journal/gaps.h"
#include "journal/paths.h"
#include "journal/record.h"
#include "journal/segment.h"

namespace se {

/// What stretches of segments hold, read by several threads at once and handed over in order. It
/// judges lines one by one; what they mean together is for whoever takes the pieces.

/// Good records of one epoch, one seq after the other, with nothing but blanks between them.
struct ScannedRun {
    Seq first, last;
    Epoch epoch;
    Seq durable;               ///< the highest that any of them tells
    std::uint64_t offset = 0;  ///< of the first line
    std::uint64_t end = 0;     ///< behind the last one's newline
    std::size_t leaves = 0;    ///< where its leaf hashes begin in ScannedPiece::leaves
};
/// A line that is neither a good record nor a good header.
struct ScannedBadLine {
    FaultKind kind = FaultKind::bad_line;  ///< or unterminated
    std::uint64_t offset = 0, end = 0;
    std::string detail;
    Seq durable{};  ///< as told by a record whose crc holds, and which is bad all the same
};
struct ScannedHeader {
    std::uint64_t offset = 0, end = 0;
    SegmentHeader header;
};
/// A record in one of the runs that was erased.
struct ScannedErased {
    Seq seq;
    std::uint64_t offset = 0;
};
using ScannedThing = std::variant<ScannedRun, ScannedBadLine, ScannedHeader>;

/// A part of one segment. A line belongs to the piece that it begins in.
struct ScannedPiece {
    std::size_t segment = 0;  ///< index of it
    std::uint64_t bytes = 0;
    std::uint64_t read_to = 0;  ///< so far the file was read: the last line may end behind the piece
    bool first_of_segment = false;
    std::vector<ScannedThing> things;
    std::vector<Hash> leaves;  ///< one for each record in runs, if hashes were asked for
    Gaps repaired;             ///< from notes
    Erasures erasures;         ///< likewise
    std::vector<ScannedErased> erased;  ///< in the order of their offsets
};

struct ScannedSegment {
    Seq first;
    std::uint64_t bytes = 0;  ///< read up to here
};

/// Reads them all and hands the pieces to `take`, in order, on the caller's thread, which also
/// works. `threads` counts it. Memory is bounded by a few pieces a thread. Stops at the first
/// Error.
Status scan_segments(FileSystem& files, const StorePaths& paths,
                     const std::vector<ScannedSegment>& segments, bool hashes, unsigned threads,
                     const std::function<Status(ScannedPiece&&)>& take);

/// One piece alone, bytes from..to of the segment that begins with `first`: for whoever reads a little at a
/// time. `segment` is the index that it gets.
Result<ScannedPiece> scan_piece(const File& file, std::size_t segment, Seq first, std::uint64_t from,
                                std::uint64_t to, bool hashes);

}  // namespace se
