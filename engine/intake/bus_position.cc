#include "engine/intake/bus_position.h"

#include <algorithm>

#include "journal/base/json.h"
#include "journal/search.h"
#include "journal/segment.h"

namespace se {
namespace {

constexpr std::string_view kBusDoorName = "nats";

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

BusPositionSearch::BusPositionSearch(FileSystem& files, StorePaths paths, std::string stream,
                                     std::string created)
    : files_(files),
      paths_(std::move(paths)),
      stream_(std::move(stream)),
      created_(std::move(created)) {}

Result<std::optional<BusPosition>> BusPositionSearch::step(std::size_t records_max) {
    if (!reader_) {
        SE_TRY(segments, list_segments(files_, paths_));
        segments_ = segments;
        SE_TRY(reader, JournalReader::open(files_, paths_));
        reader_ = std::move(reader);
    }
    for (std::size_t i = 0; i < records_max; ++i) {
        if (!reading_) {
            if (found_ || segments_.empty()) {
                BusPosition position{.through = after_, .taken = {}};
                position.taken.insert(taken_.upper_bound(after_), taken_.end());
                return std::optional(std::move(position));
            }
            SE_TRY_OK(next_segment());
        }
        SE_TRY(record, next_good(*reader_, [](const Fault&) {}));
        if (record == nullptr || (end_ && record->seq >= *end_)) {
            reading_ = false;
        } else {
            look_at(*record);
        }
    }
    return std::optional<BusPosition>();
}

Status BusPositionSearch::next_segment() {
    const Seq first = segments_.back();
    segments_.pop_back();
    reading_ = true;
    end_ = std::exchange(begin_, first);
    const Status sought = reader_->seek(first);
    if (sought) return Ok{};
    if (sought.error().code != Errc::corruption && sought.error().code != Errc::not_found) return sought;
    // Nothing of it can be shown: a segment that was only begun.
    reading_ = false;
    return segments_.empty() ? sought : next_segment();
}

/// What was taken behind its new end is of messages that it lost: others have come under their sequences.
void BusPositionSearch::went_back(const RecordView& record) {
    const auto body = parse_json(record.body);
    if (!body || cause_text(*body, "stream") != stream_ || cause_text(*body, "created") != created_) return;
    found_ = true;
    after_ = cause_number(*body, "after", 0);
    taken_.erase(taken_.upper_bound(cause_number(*body, "last", 0)), taken_.end());
}

void BusPositionSearch::look_at(const RecordView& record) {
    if (record.kind == Kind::note && record.note == kNoteStreamWentBack) return went_back(record);
    if (record.door != kBusDoorName || record.cause.empty()) return;
    const auto cause = parse_json(record.cause);
    if (!cause || cause_text(*cause, "stream") != stream_ ||
        cause_text(*cause, "created") != created_ || !cause_text(*cause, "durable").empty())
        return;
    const std::uint64_t sequence = cause_number(*cause, "sequence", 0);
    if (sequence == 0) return;
    found_ = true;
    after_ = std::max(after_, cause_number(*cause, "after", sequence - 1));
    // Of a batch each part has a record; with the last one it is whole. A part that was refused
    // because of passing trouble was answered after it: then `after` has not passed the batch.
    const std::uint64_t of = cause_number(*cause, "of", 1);
    if (of == 1) taken_.insert(sequence);
}

}  // namespace se
