#include "tools/statectl/segments.h"

#include <algorithm>

#include "journal/segment.h"

namespace se::statectl {
namespace {

constexpr std::size_t kBlockBytes = 64u << 10;

/// The file's last line that is not blank, and where it ends. Looked for from the end backwards, since
/// the active segment ends in megabytes of blanks.
struct LastLine {
    std::string text;
    std::uint64_t end = 0;
};
Result<LastLine> last_line(const File& file, std::uint64_t size) {
    LastLine found;
    bool inside = false;
    std::string block;
    for (std::uint64_t at = size; at > 0;) {
        const std::uint64_t from = at - std::min<std::uint64_t>(at, kBlockBytes);
        block.resize(at - from);
        SE_TRY(got, file.read(from, block));
        block.resize(got);
        std::string_view left(block);
        if (!inside) {
            const std::size_t last = left.find_last_not_of('\n');
            if (last != left.npos) {
                inside = true;
                left = left.substr(0, last + 1);
                found.end = from + last + 1;
            }
        }
        if (inside) {
            const std::size_t newline = left.rfind('\n');
            found.text.insert(0, newline == left.npos ? left : left.substr(newline + 1));
            if (newline != left.npos || found.text.size() > kRecordBytesMax) return found;
        }
        at = from;
    }
    return found;
}

Result<SegmentFacts> facts_of(Context& context, Seq first) {
    SegmentFacts facts{.first = first};
    SE_TRY(file, context.files.open(context.paths().segment(first), OpenMode::read));
    SE_TRY(size, file->size());
    facts.bytes_on_disk = size;
    LineReader lines(*file, 0, UINT64_MAX, kBlockBytes);
    SE_TRY(header_line, lines.next());
    if (header_line) {
        if (const auto header = parse_segment_header(header_line->text))
            facts.epoch_first = facts.epoch_last = header->epoch;
        SE_TRY(record_line, lines.next());
        if (record_line) {
            if (const auto frame = read_frame(record_line->text)) facts.epoch_first = frame->epoch;
        }
    }
    SE_TRY(last, last_line(*file, size));
    facts.bytes_used = last.end;
    if (const auto frame = read_frame(last.text)) {
        facts.last = frame->seq;
        facts.epoch_last = frame->epoch;
    }
    SE_TRY(indexed, context.files.exists(context.paths().index(first)));
    facts.indexed = indexed;
    return facts;
}

}  // namespace

Outcome<std::vector<SegmentFacts>> segment_facts(Context& context) {
    SE_TRY_OK(context.need_store());
    SE_TRY(segments, list_segments(context.files, context.paths()));
    std::vector<SegmentFacts> all;
    for (const Seq first : segments) {
        SE_TRY(facts, facts_of(context, first));
        all.push_back(facts);
    }
    if (!all.empty()) all.back().active = true;
    return all;
}

}  // namespace se::statectl
