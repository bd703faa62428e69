#include "journal/evidence.h"

#include <algorithm>

#include "journal/follower_mark.h"
#include "journal/segment.h"

namespace se {
namespace {

constexpr std::uint64_t kWatermarkFileBytes = 64u << 10;
/// Of the one number in a header that its segment's name does not tell.
constexpr std::size_t kEpochDigitsMax = 20;

/// What look_behind() knows, and what it finds out.
struct Look {
    const Seq expected;
    const Gaps& gaps;
    const EpochStarts& starts;  // of the lines before
    const EpochStarts& later;   // of all lines behind, if they are known
    EpochStarts seen;           // of the lines behind
    EpochStarts passed;         // of the lines before, and of those behind that the log could go on with
    Seq next;                   // behind the last of them
    RecordView record;
    Behind behind;
};

/// Whether it stands behind its place, or else how far the log gets with it.
void take_in_order(Epoch epoch, Seq seq, Look* look) {
    if (look->later.void_at(epoch, seq)) return;
    if (look->passed.had_passed(epoch, seq, look->next)) {
        // A seq that was given up may show through where its blanks never got to the disk.
        if (!look->gaps.hold(seq, epoch) && !look->behind.displaced) look->behind.displaced = seq;
    } else if (seq >= look->next && epoch >= look->passed.highest()) {
        look->passed.saw(epoch, seq);
        look->next = seq.next();
    }
}

/// `in_place`: it does not stand where the header of its segment belongs.
void take_line(const Line& line, bool in_place, Look* look) {
    Behind* const behind = &look->behind;
    const std::string_view text = line.text;
    const auto frame = read_frame(text);
    if (!frame) {
        if (const auto header = parse_segment_header(text)) {
            behind->epoch_highest = std::max(behind->epoch_highest, header->epoch);
        }
        return;
    }
    behind->epoch_highest = std::max(behind->epoch_highest, frame->epoch);
    if ((!behind->best || frame->durable > behind->best->seq) &&
        !look->starts.void_at(frame->epoch, frame->durable)) {
        behind->best = Evidence{.epoch = frame->epoch,
                                .seq = frame->durable,
                                .source = "record " + std::to_string(frame->seq.value)};
    }
    if (!parse_record(text, &look->record)) return;
    behind->repaired.add(look->record);
    behind->erasures.add(look->record);
    if (!in_place || !line.terminated) return;
    look->seen.saw(frame->epoch, frame->seq);
    take_in_order(frame->epoch, frame->seq, look);
    if (!behind->resumes && frame->seq >= look->expected &&
        !look->later.void_at(frame->epoch, frame->seq)) {
        behind->resumes = frame->seq;
        behind->resumes_epoch = frame->epoch;
    }
}

Status take_lines(FileSystem& files, const StorePaths& paths, const std::vector<Seq>& segments,
                  std::size_t index, std::uint64_t offset, Look* look) {
    for (; index < segments.size(); ++index, offset = 0) {
        SE_TRY(file, files.open(paths.segment(segments[index]), OpenMode::read));
        LineReader lines(*file, offset);
        for (;;) {
            SE_TRY(line, lines.next());
            if (!line) break;
            take_line(*line, line->offset >= header_bytes_least(segments[index]), look);
        }
    }
    return Ok{};
}

}  // namespace

void EpochStarts::saw(Epoch epoch, Seq seq) {
    if (starts_.empty() || epoch > starts_.back().epoch) starts_.push_back({epoch, seq});
}

bool EpochStarts::void_at(Epoch epoch, Seq seq) const {
    const auto from = void_from(epoch);
    return from && *from <= seq;
}

std::optional<Seq> EpochStarts::void_from(Epoch epoch) const {
    const auto later = std::find_if(starts_.begin(), starts_.end(),
                                    [&](const Start& start) { return start.epoch > epoch; });
    return later == starts_.end() ? std::nullopt : std::optional(later->seq);
}

Result<std::vector<Evidence>> read_follower_watermarks(FileSystem& files, const StorePaths& paths,
                                                       const std::string& store) {
    std::vector<Evidence> evidence;
    auto names = files.list(paths.followers());
    if (!names && names.error().code == Errc::not_found) return evidence;
    if (!names) return std::move(names).error();
    for (const std::string& name : *names) {
        const auto text = read_file(files, paths.followers() + "/" + name, kWatermarkFileBytes);
        // One that is not there proves nothing; one that cannot be read may.
        if (!text && text.error().code == Errc::io) return text.error();
        if (!text) continue;
        const auto mark = parse_follower_mark(*text);
        if (!mark || mark->store != store) continue;
        evidence.push_back(
            {.epoch = mark->epoch, .seq = mark->seq, .source = "follower " + name});
    }
    return evidence;
}

Result<Behind> look_behind(FileSystem& files, const StorePaths& paths,
                           const std::vector<Seq>& segments, std::size_t index,
                           std::uint64_t offset, Seq expected, const EpochStarts& starts,
                           const Gaps& gaps) {
    const auto look_with = [&](const EpochStarts& later) {
        return Look{.expected = expected,
                    .gaps = gaps,
                    .starts = starts,
                    .later = later,
                    .passed = starts,
                    .next = expected};
    };
    const EpochStarts unknown;
    Look look = look_with(unknown);
    SE_TRY_OK(take_lines(files, paths, segments, index, offset, &look));
    if (!look.behind.resumes || !look.seen.void_at(look.behind.resumes_epoch, *look.behind.resumes)) {
        return std::move(look.behind);
    }
    // What the log seemed to go on with landed there: once more, with all that is known now.
    Look again = look_with(look.seen);
    SE_TRY_OK(take_lines(files, paths, segments, index, offset, &again));
    return std::move(again.behind);
}

Result<bool> has_bad_header(FileSystem& files, const StorePaths& paths, Seq first) {
    SE_TRY(there, files.exists(paths.segment(first)));
    if (!there) return false;
    SE_TRY(file, files.open(paths.segment(first), OpenMode::read));
    LineReader lines(*file);
    SE_TRY(line, lines.next());
    if (!line || line->offset != 0 || !line->terminated) return true;
    const auto header = parse_segment_header(line->text);
    return !header || header->first != first;
}

Result<bool> holds_no_record(FileSystem& files, const StorePaths& paths, Seq first) {
    SE_TRY(file, files.open(paths.segment(first), OpenMode::read));
    LineReader lines(*file);
    SE_TRY(header, lines.next());
    if (!header) return true;
    // A header stands at the very start. Anything else may once have been a record, and so may the rest of a
    // line that is too long.
    const bool too_long = header->text.size() >= header_bytes_least(first) + kEpochDigitsMax;
    if (header->offset != 0 || too_long || read_frame(header->text)) return false;
    SE_TRY(more, lines.next());
    return !more;
}

}  // namespace se
