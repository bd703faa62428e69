#include "engine/change_feed.h"

#include <algorithm>

#include "journal/base/json.h"
#include "journal/quarantine.h"

namespace se {

std::string change_text(std::string_view key, const EntryView& entry, std::string_view cause,
                        std::string_view id) {
    std::string text;
    text.reserve(entry.value.size() + key.size() + 320);
    JsonObject object(text);
    object.text("key", key);
    if (entry.deleted) {
        object.null("entry");
    } else {
        append_entry_json(object.member("entry"), key, entry);
    }
    object.integer("previousVersion", entry.version.value - 1);  // E3
    object.raw("cause", cause.empty() ? "null" : cause);
    object.text("id", id);
    object.close();
    return text;
}

void ChangeFeed::add(Seq seq, std::string_view key, Overlay::Shared entry, std::string_view cause,
                     std::string_view id) {
    Slot slot{.seq = seq, .key = std::string(key), .entry = std::move(entry), .event = {}};
    slot.bytes = sizeof(Slot) + slot.key.size() + 2 * slot.entry->value.size() + 512;
    // A tombstone does not know why it is one, so its event is made while the record is at hand.
    if (slot.entry->deleted) {
        slot.event = std::make_shared<const ChangeEvent>(
            ChangeEvent{epoch_, seq, slot.key, change_text(key, *slot.entry, cause, id)});
    }
    bytes_ += slot.bytes;
    slots_.push_back(std::move(slot));
    while (slots_.size() > kFeedEventsMax || bytes_ > kFeedBytesMax) {
        // A record's changes go together: half of one would pass for all of it.
        reaches_back_to_ = slots_.front().seq;
        while (!slots_.empty() && slots_.front().seq == reaches_back_to_) {
            bytes_ -= slots_.front().bytes;
            slots_.pop_front();
        }
    }
}

const std::shared_ptr<const ChangeEvent>& ChangeFeed::event_of(Slot& slot) {
    if (slot.event == nullptr) {
        const Entry& entry = *slot.entry;
        slot.event = std::make_shared<const ChangeEvent>(ChangeEvent{
            epoch_, slot.seq, slot.key, change_text(slot.key, entry, entry.cause, entry.id)});
    }
    return slot.event;
}

std::optional<Changes> ChangeFeed::after(Cursor* cursor, std::string_view prefix,
                                         std::size_t limit) {
    if (cursor->epoch != epoch_ || cursor->seq < reaches_back_to_) return std::nullopt;
    Changes changes;
    if (cursor->seq >= end_) return changes;
    auto slot = std::ranges::upper_bound(slots_, cursor->seq, {}, &Slot::seq);
    std::size_t records = 0, bytes = 0;
    Seq last;
    for (; slot != slots_.end() && slot->seq <= end_; ++slot) {
        if (slot->seq != last && (records++ == limit || bytes >= kChangesBytes)) {
            changes.more = true;
            cursor->seq = last;
            return changes;
        }
        last = slot->seq;
        if (!slot->key.starts_with(prefix)) continue;
        changes.events.push_back(event_of(*slot));
        bytes += changes.events.back()->text.size();
    }
    cursor->seq = end_;
    return changes;
}

Result<std::optional<Epoch>> passed_lost(FileSystem& files, const StorePaths& paths, Cursor cursor) {
    std::optional<Epoch> last;
    SE_TRY(quarantine, list_quarantine(files, paths));
    for (const Parked& parked : quarantine) {
        const bool passed = parked.what == Parked::What::lost && parked.from <= cursor.seq;
        if (passed && cursor.epoch < parked.epoch) last = std::max(last.value_or(Epoch{}), parked.epoch);
    }
    return last;
}

namespace {

/// Where a follower stands that has all below the record: behind the one before it, in the epoch of that one.
Result<Cursor> place_before(JournalReader& reader, const RecordView& record) {
    const Cursor begin{record.epoch, Seq{record.seq.value - 1}};
    if (begin.seq == Seq{}) return begin;
    const auto before = reader.at(begin.seq);
    if (before) return Cursor{(*before)->epoch, begin.seq};
    if (before.error().code == Errc::io) return before.error();
    return begin;  // given up
}

}  // namespace

Result<Changes> changes_from_journal(JournalReader& reader, Cursor* cursor, Seq end,
                                     std::string_view prefix, std::size_t limit) {
    Changes changes;
    SE_TRY(rewound, reader.resume(*cursor));
    Folder folder;
    std::size_t bytes = 0;  // read, whatever is told of them
    for (std::size_t records = 0; records < limit && bytes < kChangesBytes; ++records) {
        // Behind the end there may be what cannot be read.
        if (!rewound && cursor->seq >= end) return changes;
        const auto next = reader.next();
        if (!next && changes.events.empty()) return next.error();
        if (!next) break;  // what came before it first
        const RecordView* const record = *next;
        if (record == nullptr || record->seq > end) return changes;
        if (rewound) {
            // Only where to go on from: whoever follows has to throw away what it had first.
            SE_TRY(place, place_before(reader, *record));
            *cursor = place;
            changes.resync = true;
            changes.more = true;
            return changes;
        }
        bytes += record->line.size();
        SE_TRY_OK(folder.fold(*record, [&](std::string_view key, const EntryView& entry) -> Status {
            if (!key.starts_with(prefix)) return Ok{};
            changes.events.push_back(std::make_shared<const ChangeEvent>(
                ChangeEvent{record->epoch, record->seq, std::string(key),
                            change_text(key, entry, record->cause, record->id)}));
            return Ok{};
        }));
        *cursor = Cursor{record->epoch, record->seq};
    }
    changes.more = cursor->seq < end;
    return changes;
}

}  // namespace se
