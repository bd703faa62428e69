#include "journal/evidence.h"

#include <algorithm>

#include "journal/follower_mark.h"
#include "journal/segment.h"

namespace se {
namespace {

constexpr std::uint64_t kWatermarkFileBytes = 64u << 10;

/// `in_place`: it does not stand where the header of its segment belongs.
void take_line(const Line& line, bool in_place, Seq expected, const EpochStarts& starts,
               RecordView* record, Behind* behind) {
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
        !starts.void_at(frame->epoch, frame->durable)) {
        behind->best = Evidence{.epoch = frame->epoch,
                                .seq = frame->durable,
                                .source = "record " + std::to_string(frame->seq.value)};
    }
    if (!parse_record(text, record)) return;
    if (!behind->resumes && in_place && line.terminated && frame->seq >= expected) {
        behind->resumes = frame->seq;
    }
    behind->repaired.add(*record);
}

}  // namespace

void EpochStarts::saw(Epoch epoch, Seq seq) {
    if (starts_.empty() || epoch > starts_.back().epoch) starts_.push_back({epoch, seq});
}

bool EpochStarts::void_at(Epoch epoch, Seq seq) const {
    const auto later = std::find_if(starts_.begin(), starts_.end(),
                                    [&](const Start& start) { return start.epoch > epoch; });
    return later != starts_.end() && later->seq <= seq;
}

Result<std::vector<Evidence>> read_follower_watermarks(FileSystem& files, const StorePaths& paths,
                                                       const std::string& store) {
    std::vector<Evidence> evidence;
    auto names = files.list(paths.followers());
    if (!names && names.error().code == Errc::not_found) return evidence;
    if (!names) return std::move(names).error();
    for (const std::string& name : *names) {
        const auto text = read_file(files, paths.followers() + "/" + name, kWatermarkFileBytes);
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
                           std::uint64_t offset, Seq expected, const EpochStarts& starts) {
    Behind behind;
    RecordView record;
    for (; index < segments.size(); ++index, offset = 0) {
        SE_TRY(file, files.open(paths.segment(segments[index]), OpenMode::read));
        LineReader lines(*file, offset);
        for (;;) {
            SE_TRY(line, lines.next());
            if (!line) break;
            const bool in_place = line->offset >= header_bytes_least(segments[index]);
            take_line(*line, in_place, expected, starts, &record, &behind);
        }
    }
    return behind;
}

Result<bool> holds_no_record(FileSystem& files, const StorePaths& paths, Seq first) {
    SE_TRY(file, files.open(paths.segment(first), OpenMode::read));
    LineReader lines(*file);
    SE_TRY(header, lines.next());
    if (!header) return true;
    // A header stands at the very start. Anything else may once have been a record.
    if (header->offset != 0 || read_frame(header->text)) return false;
    SE_TRY(more, lines.next());
    return !more;
}

}  // namespace se
