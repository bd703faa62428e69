#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/base/ids.h"
#include "journal/base/result.h"
#include "journal/merkle.h"
#include "journal/paths.h"
#include "journal/record.h"

namespace se {

/// The first line of a segment:
///   {"format":"state-engine-journal/1","store":"…","epoch":…,"first":…,"root":"<64 hex>",
///    "frontier":"<hex of Frontier::to_bytes()>","crc":"hhhhhhhh"}
/// root and frontier are of the log before `first`. Framed and checksummed as a record is.
struct SegmentHeader {
    std::string store;
    Epoch epoch;
    Seq first;
    Frontier before;
};
inline constexpr std::string_view kJournalFormat = "state-engine-journal/1";

std::string encode_segment_header(const SegmentHeader& header);
/// The least that the header line of that segment takes, newline included. A line that begins before that
/// stands where the header belongs: it is no record of this place, however good it looks.
std::uint64_t header_bytes_least(Seq first);
/// Errc::corruption when damaged, Errc::unsupported for a newer major format.
Result<SegmentHeader> parse_segment_header(std::string_view line);

/// A run of bytes between newlines that is not empty. `text` has no newline.
struct Line {
    std::uint64_t offset = 0;
    std::string_view text;
    bool terminated = true;  ///< a newline follows it in the file
};

/// Reads a file's non-blank lines in order with pread only, in chunks that grow: a look at one line
/// stays cheap. Long runs of blank bytes are passed over quickly. A line longer than kRecordBytesMax
/// comes in pieces of that size (none of which can be a good record), so memory stays bounded whatever
/// the file holds.
class LineReader {
public:
    explicit LineReader(const File& file, std::uint64_t from = 0, std::uint64_t to = UINT64_MAX,
                        std::size_t chunk_bytes_max = 1u << 20);

    /// The next line, or nothing at the end. `text` is valid until the next call.
    Result<std::optional<Line>> next();
    /// The file was read up to here.
    std::uint64_t read_to() const { return buffer_offset_ + used_; }

private:
    Status read_more();

    const File* file_;
    std::uint64_t buffer_offset_ = 0;  // of buffer_[0] in the file
    std::uint64_t to_ = 0;
    std::size_t chunk_bytes_ = 0;  // of the next read
    std::size_t chunk_bytes_max_ = 0;
    std::string buffer_;
    std::size_t used_ = 0;      // bytes of buffer_ that hold file content
    std::size_t position_ = 0;  // next byte to look at
    bool at_end_ = false;
};

enum class FaultKind : std::uint8_t {
    bad_line,         ///< the crc, or the form of a record, does not hold
    bad_seq,          ///< a good record with another seq than the next one
    bad_epoch,        ///< a good record with an epoch below its predecessor's
    bad_header,       ///< the first line of a segment is no header of this store and place
    bad_root,         ///< the records before do not hash to the root that a header names
    missing_records,  ///< acknowledged, by the evidence, but not there
    unterminated,     ///< a good line with no newline behind it at the end of the file
    unnamed_erasure,  ///< an erased record that no later record names (J7)
};
std::string_view to_text(FaultKind kind);

/// One bad place. `seq` is the one expected there (J4's e).
struct Fault {
    FaultKind kind = FaultKind::bad_line;
    Seq segment;  ///< first seq, by the file's name
    std::uint64_t offset = 0;
    Seq seq;
    std::string detail;
    Seq last{};  ///< verify: last seq lost there, as far as is known; below `seq`: none is
};
std::string to_text(const Fault& fault);

/// One segment, from its header or from a known place on: the one reader that recovery, followers,
/// verify and statectl share. It tells records and faults apart and stops at nothing by itself.
class SegmentReader {
public:
    struct Start {
        std::uint64_t offset = 0;       ///< 0: from the header; else just behind a record's newline
        Seq expected;                   ///< next seq; ignored at offset 0, where the name says it
        Epoch epoch_min;                ///< epoch of the record before
        std::uint64_t to = UINT64_MAX;  ///< reads no line that starts at or behind this offset
        bool past_header = false;  ///< at offset 0 too: a known place, the header was judged before
    };
    using Item = std::variant<Line, Fault>;  // a good record's line | a bad place

    static Result<SegmentReader> open(FileSystem& files, const StorePaths& paths, Seq first,
                                      const std::string& store, Start start);
    /// The same over an open file, which must outlive it.
    static Result<SegmentReader> over(const File& file, Seq first, const std::string& store,
                                      Start start);

    /// The next good record or fault; nothing at the end. After a fault the reader stands behind
    /// the bad line and still expects the same seq; resume_at() moves on.
    Result<std::optional<Item>> next();

    /// Of the record last returned; after bad_seq, bad_epoch and unterminated, of the good line
    /// that the fault is about.
    const Frame& frame() const { return frame_; }
    /// The line last looked at, good or bad. Valid until the next call of next().
    const Line& line() const { return line_; }
    /// Just behind the last good line's newline (or the header's).
    std::uint64_t end_of_good() const { return end_of_good_; }
    Seq expected() const { return expected_; }
    Epoch epoch() const { return epoch_; }
    const std::optional<SegmentHeader>& header() const { return header_; }

    /// Goes on behind a gap: from now on `seq` is expected. After bad_seq, resume_at(frame().seq)
    /// makes next() look at that line again: the record behind the gap is not lost.
    void resume_at(Seq seq);

private:
    SegmentReader() = default;
    Fault fault(FaultKind kind, std::string detail) const;
    Result<std::optional<Fault>> take_header();  // both look at line_: nothing when it is good
    std::optional<Fault> take_record();

    std::shared_ptr<File> owned_;
    std::unique_ptr<LineReader> lines_;
    Seq first_, expected_;
    Epoch epoch_;
    std::string store_;
    Frame frame_{};
    std::uint64_t end_of_good_ = 0;
    bool header_due_ = false;
    Line line_;
    bool again_ = false;          // line_ has to be looked at (again)
    bool after_bad_seq_ = false;  // line_ is a good record with another seq than expected
    std::optional<SegmentHeader> header_;
};

/// First seqs of all segments in the journal folder, ascending.
Result<std::vector<Seq>> list_segments(FileSystem& files, const StorePaths& paths);

}  // namespace se
