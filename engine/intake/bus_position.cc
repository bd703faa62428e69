#include "engine/intake/bus_position.h"

#include <algorithm>
#include <utility>

#include "journal/base/json.h"
#include "journal/search.h"
#include "journal/segment.h"

namespace se {
namespace {

constexpr std::string_view kBusDoorName = "nats";
constexpr std::uint64_t kStepBytes = 4u << 20;  // of records, in one step: all else waits for it
constexpr std::uint64_t kPartsMax = 1u << 20;   // of a batch; one of more is taken again as a whole

std::string_view cause_text(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_string() ? std::string_view(member->string())
                                                    : std::string_view();
}

std::uint64_t cause_number(const Json& json, std::string_view name, std::uint64_t otherwise) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_integer() && member->integer() >= 0
               ? static_cast<std::uint64_t>(member->integer())
               : otherwise;
}

}  // namespace

void BusPositionSearch::Said::lose_behind(std::uint64_t end) {
    taken.erase(taken.upper_bound(end), taken.end());
    parts.erase(parts.upper_bound(end), parts.end());
}

BusPositionSearch::BusPositionSearch(FileSystem& files, StorePaths paths, std::string stream,
                                     std::string created, BusPositionLimits limits)
    : files_(files),
      paths_(std::move(paths)),
      stream_(std::move(stream)),
      created_(std::move(created)),
      limits_(limits) {}

Result<std::optional<BusPosition>> BusPositionSearch::step(std::size_t records_max) {
    if (!reader_) {
        SE_TRY(segments, list_segments(files_, paths_));
        segments_ = segments;
        SE_TRY(reader, JournalReader::open(files_, paths_));
        reader_ = std::move(reader);
    }
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < records_max && bytes < kStepBytes; ++i) {
        if (!reading_) {
            if (is_enough() || segments_.empty()) return std::optional(position());
            SE_TRY_OK(next_segment());
            if (!reading_) continue;
        }
        SE_TRY(record, next_good(*reader_, [](const Fault&) {}));
        if (record == nullptr || (end_ && record->seq >= *end_)) {
            end_segment();
            continue;
        }
        bytes += record->line.size();
        if (said_.any) looked_back_ += record->line.size();
        look_at(*record);
    }
    return std::optional<BusPosition>();
}

Status BusPositionSearch::next_segment() {
    const Seq first = segments_.back();
    segments_.pop_back();
    end_ = std::exchange(begin_, first);
    const Status sought = reader_->seek(first);
    reading_ = static_cast<bool>(sought);
    if (reading_) return Ok{};
    if (sought.error().code != Errc::corruption && sought.error().code != Errc::not_found) return sought;
    // Nothing of it can be shown: a segment that was only begun, or whose start is damaged.
    if (segments_.empty() && !said_.any) return sought;
    return Ok{};
}

/// What those behind it say comes first: of the messages, too, that the stream has lost since.
void BusPositionSearch::end_segment() {
    reading_ = false;
    Said here = std::exchange(here_, {});
    here.lose_behind(said_.last);
    said_.any = said_.any || here.any;
    said_.after = std::max(said_.after, std::min(here.after, said_.last));
    said_.last = std::min(said_.last, here.last);
    said_.anew_behind = std::min(said_.anew_behind, here.anew_behind);
    said_.taken.merge(here.taken);
    for (auto& [sequence, parts] : here.parts) {
        std::vector<bool>& known = said_.parts[sequence];
        if (known.size() < parts.size()) known.resize(parts.size());
        for (std::size_t i = 0; i < parts.size(); ++i)
            if (parts[i]) known[i] = true;
    }
    said_.passed.merge(here.passed);
    pass(said_);
}

/// What is settled is only counted.
void BusPositionSearch::pass(Said& said) const {
    const auto taken = said.taken.upper_bound(said.after);
    said.passed.insert(said.taken.begin(), taken);
    said.taken.erase(said.taken.begin(), taken);
    const auto parts = said.parts.upper_bound(said.after);
    for (auto batch = said.parts.begin(); batch != parts; ++batch) said.passed.insert(batch->first);
    said.parts.erase(said.parts.begin(), parts);
    while (said.passed.size() > limits_.in_hand + 1) said.passed.erase(said.passed.begin());
}

bool BusPositionSearch::is_enough() const {
    if (!said_.any) return false;
    return said_.last <= said_.after || said_.passed.size() > limits_.in_hand ||
           looked_back_ >= limits_.bytes;
}

BusPosition BusPositionSearch::position() const {
    BusPosition position{
        .through = said_.after, .taken = said_.taken, .parts = {}, .anew_behind = said_.anew_behind};
    for (const auto& [sequence, parts] : said_.parts) {
        if (std::ranges::find(parts, false) == parts.end()) {
            position.taken.insert(sequence);
        } else {
            position.parts.emplace(sequence, parts);
        }
    }
    return position;
}

/// What was taken behind its new end is of messages that it lost: others have come under their sequences. What
/// was settled up to there stays so, also where the note was made before that.
void BusPositionSearch::went_back(const RecordView& record) {
    const auto body = parse_json(record.body);
    if (!body || cause_text(*body, "stream") != stream_ || cause_text(*body, "created") != created_) return;
    const std::uint64_t last = cause_number(*body, "last", 0);
    here_.any = true;
    here_.after = std::max(cause_number(*body, "after", 0), std::min(here_.after, last));
    here_.last = std::min(here_.last, last);
    here_.anew_behind = std::min({here_.anew_behind, last, cause_number(*body, "anewBehind", last)});
    here_.lose_behind(last);
    here_.passed.erase(here_.passed.upper_bound(here_.after), here_.passed.end());
}

void BusPositionSearch::look_at(const RecordView& record) {
    if (record.kind == Kind::note && record.note == kNoteStreamWentBack) return went_back(record);
    if (record.door != kBusDoorName || record.cause.empty()) return;
    const auto cause = parse_json(record.cause);
    if (!cause || cause_text(*cause, "stream") != stream_ || cause_text(*cause, "created") != created_) return;
    here_.anew_behind = std::min(here_.anew_behind, cause_number(*cause, "anewBehind", UINT64_MAX));
    if (!cause_text(*cause, "durable").empty() || cause->find("lost") != nullptr) return;
    const std::uint64_t sequence = cause_number(*cause, "sequence", 0);
    if (sequence == 0) return;
    here_.any = true;
    here_.after = std::max(here_.after, cause_number(*cause, "after", sequence - 1));
    // Of a batch each part has a record, unless its id was known before. One that was refused because of
    // passing trouble has none, and then `after` has not passed the batch.
    const std::uint64_t of = cause_number(*cause, "of", 1);
    const std::uint64_t index = cause_number(*cause, "index", 0);
    if (of <= 1) {
        here_.taken.insert(sequence);
    } else if (of <= kPartsMax && index < of) {
        std::vector<bool>& parts = here_.parts[sequence];
        if (parts.size() < of) parts.resize(of);
        parts[index] = true;
    }
    pass(here_);
}

}  // namespace se
