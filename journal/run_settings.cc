#include "journal/run_settings.h"

#include <algorithm>
#include <memory>
#include <string>

#include "journal/head.h"
#include "journal/index_file.h"
#include "journal/marks.h"
#include "journal/record.h"
#include "journal/segment.h"

namespace se {
namespace {

constexpr std::string_view kAlignMember = "align", kReserveMember = "disk_reserve_bytes";
// What the settings may be at most (engine/policy/settings.cc): of more, no run can have been.
constexpr std::uint64_t kAlignMax = 1u << 20;
constexpr std::uint64_t kReserveMax = std::uint64_t{1} << 50;
constexpr std::uint64_t kClosedNoteBytes = 4096;  // far more than one takes
constexpr std::size_t kHeaderBytes = 4096;        // likewise

using Told = std::optional<RunSettings>;

std::uint64_t member_or(const Json& body, std::string_view name, std::uint64_t most,
                        std::uint64_t otherwise) {
    const Json* const member = body.find(name);
    if (member == nullptr || !member->is_integer() || member->integer() < 0) return otherwise;
    const auto value = static_cast<std::uint64_t>(member->integer());
    return value <= most ? value : otherwise;
}

/// nullptr: there is none of that name.
Result<std::shared_ptr<File>> open_segment(FileSystem& files, const StorePaths& paths, Seq first) {
    auto opened = files.open(paths.segment(first), OpenMode::read);
    if (!opened && opened.error().code == Errc::not_found) return std::shared_ptr<File>();
    if (!opened) return opened.error();
    return std::shared_ptr<File>(*std::move(opened));
}

/// After a clean close the last record before HEAD's end is the run's `closed` note, and nothing lies behind it: a
/// later run puts its own epoch into HEAD before it writes anything, unless HEAD came back from a copy.
Result<Told> told_at_close(FileSystem& files, const StorePaths& paths) {
    SE_TRY(head, read_head(files, paths.head()));
    if (!head) return Told();
    SE_TRY(segments, list_segments(files, paths));
    if (segments.empty() || segments.back() != head->segment) return Told();
    SE_TRY(segment, open_segment(files, paths, head->segment));
    if (segment == nullptr) return Told();
    std::string last;
    LineReader before(*segment, head->end - std::min(head->end, kClosedNoteBytes), head->end);
    for (;;) {
        SE_TRY(line, before.next());
        if (!line) break;
        last = line->text;
    }
    SE_TRY(size, segment->size());
    if (head->end > size) return Told();
    LineReader behind(*segment, head->end, head->end + 2 * kAlignMax);
    SE_TRY(more, behind.next());
    const auto frame = read_frame(last);
    if (more || !frame || !frame->is_note) return Told();
    if (frame->epoch != head->epoch || frame->seq != head->durable) return Told();
    RecordView record;
    if (!parse_record(last, &record) || record.note != "closed") return Told();
    return Told(run_settings_in(record.body));
}

/// By the newest `opened` note of one segment, if it has any.
Result<Told> told_in(FileSystem& files, const StorePaths& paths, Seq first) {
    Told told;
    SE_TRY(segment, open_segment(files, paths, first));
    if (segment == nullptr) return told;
    Epoch newest;
    RecordView record;
    const auto look = [&](std::string_view line) {
        if (!parse_record(line, &record) || record.note != "opened" || record.epoch < newest) return;
        newest = record.epoch;
        told = run_settings_in(record.body);
    };
    if (const auto index = read_index(files, paths, first)) {
        std::string line;
        for (const IndexEntry& entry : index->entries) {
            if (entry.kind != Kind::note) continue;
            line.resize(entry.line_bytes);
            SE_TRY(bytes, segment->read(entry.offset, line));
            if (bytes == line.size() && read_frame(line)) look(line);
        }
        return told;
    }
    SE_TRY_OK(each_good_line(*segment, 0, [&](const Frame& frame, const Line& line) {
        if (frame.is_note) look(line.text);
        return true;
    }));
    return told;
}

/// Of the run that began the segment; 0: its header does not say.
Epoch header_epoch(FileSystem& files, const StorePaths& paths, Seq first) {
    const auto segment = open_segment(files, paths, first);
    if (!segment || *segment == nullptr) return {};
    LineReader lines(**segment, 0, UINT64_MAX, kHeaderBytes);
    const auto line = lines.next();
    if (!line || !*line) return {};
    const auto header = parse_segment_header((*line)->text);
    return header ? header->epoch : Epoch{};
}

}  // namespace

RunSettings run_settings_of(const JournalOptions& options) {
    return {.align_bytes = options.align_bytes, .disk_reserve_bytes = options.disk_reserve_bytes};
}

void tell_run_settings(const RunSettings& settings, Json* body) {
    constexpr RunSettings kDefault;
    if (settings.align_bytes != kDefault.align_bytes)
        body->set(std::string(kAlignMember), static_cast<std::int64_t>(settings.align_bytes));
    if (settings.disk_reserve_bytes != kDefault.disk_reserve_bytes)
        body->set(std::string(kReserveMember), static_cast<std::int64_t>(settings.disk_reserve_bytes));
}

RunSettings run_settings_in(std::string_view note_body) {
    RunSettings settings;
    const auto body = parse_json(note_body);
    if (!body) return settings;
    settings.align_bytes = member_or(*body, kAlignMember, kAlignMax, settings.align_bytes);
    settings.disk_reserve_bytes =
        member_or(*body, kReserveMember, kReserveMax, settings.disk_reserve_bytes);
    return settings;
}

Result<std::optional<RunSettings>> settings_of_last_run(FileSystem& files, const StorePaths& paths) {
    if (const auto closed = told_at_close(files, paths); closed && *closed) return closed;
    SE_TRY(segments, list_segments(files, paths));
    std::vector<Epoch> epochs;  // of the headers
    for (const Seq first : segments) epochs.push_back(header_epoch(files, paths, first));
    for (std::size_t i = segments.size(); i-- > 0;) {
        // The run that wrote its header began before it and goes on behind it: no run begins within.
        const bool within_one_run = i > 0 && i + 1 < segments.size() && epochs[i] != Epoch{} &&
                                    epochs[i - 1] == epochs[i] && epochs[i] == epochs[i + 1];
        if (within_one_run) continue;
        // What cannot be read tells nothing: whether that is damage is for the open to say.
        const auto told = told_in(files, paths, segments[i]);
        if (told && *told) return told;
    }
    return Told();
}

}  // namespace se
