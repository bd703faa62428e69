#include "journal/segment.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "journal/base/hash.h"
#include "journal/base/json.h"
#include "journal/text_cursor.h"

namespace se {
namespace {

constexpr std::string_view kHeaderFormatName = "state-engine-journal/";
constexpr unsigned kHeaderFormatMajor = 1;
constexpr std::size_t kFirstChunkBytes = 16u << 10;
constexpr std::size_t kStoreIdBytes = 36;

Error not_a_header(std::string_view what) {
    return Error{Errc::corruption, "not a segment header: " + std::string(what)};
}

/// The bytes of lower-case hex digits; nothing for anything else.
std::optional<std::string> bytes_from_hex(std::string_view hex) {
    const auto digit = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    if (hex.size() % 2 != 0) return {};
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const int high = digit(hex[i]), low = digit(hex[i + 1]);
        if (high < 0 || low < 0) return {};
        bytes += static_cast<char>(high * 16 + low);
    }
    return bytes;
}

/// First byte from `at` on that is no newline. Megabytes of filled, unused space go through here.
const char* pass_newlines(const char* at, const char* end) {
    constexpr std::uint64_t kEight = 0x0a0a0a0a0a0a0a0a;
    while (end - at >= 32) {
        std::uint64_t words[4];
        std::memcpy(words, at, sizeof words);
        const std::uint64_t others =
            (words[0] ^ kEight) | (words[1] ^ kEight) | (words[2] ^ kEight) | (words[3] ^ kEight);
        if (others != 0) break;
        at += 32;
    }
    while (at != end && *at == '\n') ++at;
    return at;
}

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
    std::string line;
    JsonObject object(line);
    object.text("format", kJournalFormat).text("store", header.store);
    object.integer("epoch", header.epoch.value).integer("first", header.first.value);
    object.text("root", to_hex(header.before.root()));
    object.text("frontier", to_hex(header.before.to_bytes()));
    append_crc_tail(line, 0);
    return line;
}

std::uint64_t header_bytes_least(Seq first) {
    static const std::uint64_t empty =
        encode_segment_header({.store = std::string(kStoreIdBytes, '0'), .first = Seq{0}}).size() + 1;
    const std::uint64_t digits = std::to_string(first.value).size();
    const auto subtrees = static_cast<std::uint64_t>(std::popcount(first.value - 1));
    return empty - 1 + digits + subtrees * 2 * sizeof(Hash);
}

Result<SegmentHeader> parse_segment_header(std::string_view line) {
    if (!crc_tail_holds(line)) return not_a_header("its crc");
    TextCursor cursor(line.substr(0, line.size() - kCrcTailBytes));
    std::string format;
    if (!cursor.take("{\"format\":") || !cursor.text(&format) ||
        !format.starts_with(kHeaderFormatName)) {
        return not_a_header("its format");
    }
    unsigned major = 0;
    const char* const number = format.data() + kHeaderFormatName.size();
    std::from_chars(number, format.data() + format.size(), major);
    if (major == 0) return not_a_header("its format");
    if (major > kHeaderFormatMajor) {
        return Error{Errc::unsupported,
                     "segment format " + format + " was written by a newer version; use that one"};
    }
    SegmentHeader header;
    std::string root, frontier;
    if (!cursor.take(",\"store\":") || !cursor.text(&header.store) || !cursor.take(",\"epoch\":") ||
        !cursor.integer(&header.epoch.value) || !cursor.take(",\"first\":") ||
        !cursor.integer(&header.first.value) || !cursor.take(",\"root\":") || !cursor.text(&root) ||
        !cursor.take(",\"frontier\":") || !cursor.text(&frontier)) {
        return not_a_header("its members");
    }
    const auto bytes = bytes_from_hex(frontier);
    if (!bytes) return not_a_header("its frontier");
    SE_TRY(before, Frontier::from_bytes(*bytes));
    header.before = std::move(before);
    if (root != to_hex(header.before.root())) return not_a_header("its root is not its frontier's");
    return header;
}

LineReader::LineReader(const File& file, std::uint64_t from, std::uint64_t to,
                       std::size_t chunk_bytes_max)
    : file_(&file),
      buffer_offset_(from),
      to_(to),
      chunk_bytes_(std::min(chunk_bytes_max, kFirstChunkBytes)),
      chunk_bytes_max_(chunk_bytes_max) {}

Status LineReader::read_more() {
    // What is left of a line goes to the front, so that a line is always in one piece.
    const std::size_t rest = used_ - position_;
    if (position_ > 0) std::memmove(buffer_.data(), buffer_.data() + position_, rest);
    buffer_offset_ += position_;
    position_ = 0;
    used_ = rest;
    // Behind `to_` only the end of a line that began before it is of interest.
    const std::uint64_t offset = buffer_offset_ + used_;
    std::uint64_t wanted = std::min<std::uint64_t>(chunk_bytes_, 64u << 10);
    if (offset < to_) wanted = std::min<std::uint64_t>(chunk_bytes_, to_ - offset);
    const auto bytes = static_cast<std::size_t>(wanted);
    if (buffer_.size() < used_ + bytes) buffer_.resize(used_ + bytes);
    SE_TRY(size, file_->read(offset, std::span(buffer_.data() + used_, bytes)));
    chunk_bytes_ = std::min(2 * chunk_bytes_, chunk_bytes_max_);
    used_ += size;
    at_end_ = size < bytes;
    return Ok{};
}

Result<std::optional<Line>> LineReader::next() {
    for (;;) {
        const char* const begin = buffer_.data();
        const char* const start = pass_newlines(begin + position_, begin + used_);
        position_ = static_cast<std::size_t>(start - begin);
        const std::uint64_t offset = buffer_offset_ + position_;
        if (offset >= to_) return std::optional<Line>{};
        const std::size_t here = used_ - position_;
        const std::size_t window = std::min(here, kRecordBytesMax + 1);
        const void* const newline = window == 0 ? nullptr : std::memchr(start, '\n', window);
        std::size_t size = window;
        if (newline != nullptr) {
            size = static_cast<std::size_t>(static_cast<const char*>(newline) - start);
        } else if (window > kRecordBytesMax) {
            size = kRecordBytesMax;
        } else if (!at_end_) {
            SE_TRY_OK(read_more());
            continue;
        } else if (here == 0) {
            return std::optional<Line>{};
        }
        position_ += size;
        return std::optional(
            Line{.offset = offset, .text = {start, size}, .terminated = newline != nullptr});
    }
}

std::string_view to_text(FaultKind kind) {
    switch (kind) {
        case FaultKind::bad_line:
            return "bad_line";
        case FaultKind::bad_seq:
            return "bad_seq";
        case FaultKind::bad_epoch:
            return "bad_epoch";
        case FaultKind::bad_header:
            return "bad_header";
        case FaultKind::bad_root:
            return "bad_root";
        case FaultKind::missing_records:
            return "missing_records";
        case FaultKind::unterminated:
            return "unterminated";
        case FaultKind::unnamed_erasure:
            return "unnamed_erasure";
    }
    return "unknown";
}

std::string to_text(const Fault& fault) {
    std::string text = "journal/" + StorePaths::segment_name(fault.segment) + "@" +
                       std::to_string(fault.offset) + ": " + std::string(to_text(fault.kind)) +
                       " where seq " + std::to_string(fault.seq.value) + " is expected";
    if (!fault.detail.empty()) text += ": " + fault.detail;
    return text;
}

Result<SegmentReader> SegmentReader::open(FileSystem& files, const StorePaths& paths, Seq first,
                                          const std::string& store, Start start) {
    SE_TRY(file, files.open(paths.segment(first), OpenMode::read));
    const std::shared_ptr<File> owned = std::move(file);
    SE_TRY(reader, over(*owned, first, store, start));
    reader.owned_ = owned;
    return std::move(reader);
}

Result<SegmentReader> SegmentReader::over(const File& file, Seq first, const std::string& store,
                                          Start start) {
    SegmentReader reader;
    reader.lines_ = std::make_unique<LineReader>(file, start.offset, start.to);
    reader.first_ = first;
    reader.header_due_ = start.offset == 0 && !start.past_header;
    reader.expected_ = reader.header_due_ ? first : start.expected;
    reader.epoch_ = start.epoch_min;
    reader.store_ = store;
    reader.end_of_good_ = start.offset;
    return reader;
}

void SegmentReader::resume_at(Seq seq) {
    expected_ = seq;
    if (after_bad_seq_ && seq == frame_.seq) again_ = true;
}

Fault SegmentReader::fault(FaultKind kind, std::string detail) const {
    return Fault{.kind = kind,
                 .segment = first_,
                 .offset = line_.offset,
                 .seq = expected_,
                 .detail = std::move(detail)};
}

Result<std::optional<Fault>> SegmentReader::take_header() {
    header_due_ = false;
    auto header = parse_segment_header(line_.text);
    if (!header) {
        if (header.error().code == Errc::unsupported) return header.error();
        // Perhaps the line is the first record, and the header is what is missing.
        again_ = line_.offset >= header_bytes_least(first_) && read_frame(line_.text).has_value();
        return std::optional(fault(FaultKind::bad_header, header.error().text));
    }
    if (header->store != store_) {
        return std::optional(fault(FaultKind::bad_header, "of store " + header->store));
    }
    if (header->first != first_) {
        return std::optional(fault(FaultKind::bad_header, "of the segment that begins with seq " +
                                                              std::to_string(header->first.value)));
    }
    if (!line_.terminated) return std::optional(fault(FaultKind::unterminated, "the header"));
    header_ = std::move(*header);
    end_of_good_ = line_.offset + line_.text.size() + 1;
    return std::optional<Fault>{};
}

std::optional<Fault> SegmentReader::take_record() {
    const auto frame = read_frame(line_.text);
    if (!frame) return fault(FaultKind::bad_line, {});
    frame_ = *frame;
    if (frame->seq != expected_) {
        after_bad_seq_ = true;
        return fault(FaultKind::bad_seq, "a record with seq " + std::to_string(frame->seq.value));
    }
    if (frame->epoch < epoch_) {
        return fault(FaultKind::bad_epoch, "epoch " + std::to_string(frame->epoch.value) +
                                               " behind epoch " + std::to_string(epoch_.value));
    }
    if (!line_.terminated) return fault(FaultKind::unterminated, {});
    expected_ = frame->seq.next();
    epoch_ = frame->epoch;
    end_of_good_ = line_.offset + line_.text.size() + 1;
    return {};
}

Result<std::optional<SegmentReader::Item>> SegmentReader::next() {
    for (;;) {
        if (!std::exchange(again_, false)) {
            after_bad_seq_ = false;
            SE_TRY(line, lines_->next());
            if (!line) {
                if (!std::exchange(header_due_, false)) return std::optional<Item>{};
                line_ = {};
                return std::optional<Item>(fault(FaultKind::bad_header, "there is none"));
            }
            line_ = *line;
        }
        if (header_due_) {
            SE_TRY(bad, take_header());
            if (bad) return std::optional<Item>(std::move(*bad));
            continue;
        }
        auto bad = take_record();
        if (bad) return std::optional<Item>(std::move(*bad));
        return std::optional<Item>(line_);
    }
}

Result<std::vector<Seq>> list_segments(FileSystem& files, const StorePaths& paths) {
    std::vector<Seq> segments;
    auto names = files.list(paths.journal());
    if (!names && names.error().code != Errc::not_found) return names.error();
    if (!names) return segments;
    for (const std::string& name : *names) {
        if (const auto first = StorePaths::first_seq_of(name)) segments.push_back(*first);
    }
    std::sort(segments.begin(), segments.end());
    return segments;
}

}  // namespace se
