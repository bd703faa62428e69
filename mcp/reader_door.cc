#include "mcp/reader_door.h"

#include "journal/base/json_depth.h"

namespace se::mcp {
namespace {

/// Where nobody has written anything yet.
bool is_absent(const Error& error) { return error.code == Errc::not_found; }

}  // namespace

Result<JournalReader*> ReaderDoor::journal() {
    if (!journal_) {
        SE_TRY(opened, JournalReader::open(place_.files, place_.paths));
        journal_.emplace(std::move(opened));
    }
    return &*journal_;
}

void ReaderDoor::release() {
    if (reader_) reader_->release();
}

void ReaderDoor::close() {
    reader_.reset();
    journal_.reset();
}

Result<StateDoor::AsOf> ReaderDoor::refresh() {
    if (!reader_) {
        auto opened = StateReader::open(place_, options_);
        if (!opened && is_absent(opened.error())) return as_of_ = AsOf{};
        if (!opened) return std::move(opened).error();
        reader_.emplace(std::move(*opened));
    }
    auto now = reader_->refresh();
    if (!now) {
        // Whatever it was that failed: the next one begins anew, as a new process would.
        close();
        return Error{Errc::unavailable, now.error().text};
    }
    as_of_ = {.epoch = now->epoch, .seq = now->seq, .stale = now->stale, .why_stale = now->why_stale};
    return as_of_;
}

Result<std::optional<EntryView>> ReaderDoor::get(std::string_view key) {
    if (!reader_) return std::optional<EntryView>();
    return reader_->view(key);
}

Result<std::vector<std::pair<std::string, Entry>>> ReaderDoor::list(std::string_view prefix,
                                                                    std::string_view after,
                                                                    std::size_t limit) {
    if (!reader_) return std::vector<std::pair<std::string, Entry>>();
    return reader_->list(prefix, after, limit);
}

Result<std::vector<Seq>> ReaderDoor::history(std::string_view key, Seq before, std::size_t limit) {
    if (!reader_) return std::vector<Seq>();
    return reader_->history(key, before, limit);
}

Status ReaderDoor::records(Seq from, const std::function<bool(const RecordView&)>& take) {
    if (from > as_of_.seq) return Ok{};
    SE_TRY(reader, journal());
    SE_TRY_OK(reader->seek(from));
    for (;;) {
        SE_TRY(next, reader->next());
        if (next == nullptr || !take(*next)) return Ok{};
    }
}

Status ReaderDoor::record(Seq seq, const std::function<void(const RecordView&)>& take) {
    SE_TRY(reader, journal());
    SE_TRY(found, reader->at(seq));
    take(*found);
    return Ok{};
}

Result<bool> ReaderDoor::is_void(Cursor* cursor) {
    // A repair may have come since, and nobody has opened the store behind it.
    Cursor now{as_of_.epoch, as_of_.seq};
    SE_TRY(repaired, passed_lost(place_.files, place_.paths, now));
    now.epoch = repaired.value_or(now.epoch);
    SE_TRY(lost, passed_lost(place_.files, place_.paths, *cursor));
    if (*cursor <= now && !lost) return false;  // else of another store, of a future that was lost, or given up
    *cursor = now;
    return true;
}

Result<Changes> ReaderDoor::changes_since(Cursor* cursor, std::string_view prefix, std::size_t limit) {
    if (as_of_.seq.value == 0 || cursor->epoch > as_of_.epoch) return Changes{};
    SE_TRY(reader, journal());
    return changes_from_journal(*reader, cursor, as_of_.seq, prefix, limit);
}

void ReaderDoor::look() {
    if (!changed_) return;
    const auto now = refresh();
    if (!now) return;
    const Cursor at{now->epoch, now->seq};
    if (at == told_) return;
    if (told_.seq.value != 0) look_for_policy(told_.seq.next());
    told_ = at;
    changed_();
}

void ReaderDoor::look_for_policy(Seq from) {
    const Status read = records(from, [this](const RecordView& record) {
        if (record.seq > as_of_.seq) return false;
        if (record.kind != Kind::config) return true;
        const auto json = parse_json(record.body, kJsonDepthTrusted);
        if (!json) return true;
        if (auto policy = Policy::from_json(*json)) decider_.learn(*std::move(policy));
        return true;
    });
    static_cast<void>(read);  // what does not read is told by whoever follows
}

}  // namespace se::mcp
