#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/overlay.h"
#include "journal/journal_reader.h"
#include "projection/fold.h"

namespace se {

/// One change as the feed tells it; `text` is the JSON of INTERFACES "GET /v1/changes", encoded once for
/// all who follow.
struct ChangeEvent {
    Epoch epoch;
    Seq seq;
    std::string key;
    std::string text;
};

/// What one follower of the feed gets at once.
struct Changes {
    std::vector<std::shared_ptr<const ChangeEvent>> events;
    bool resync = false;  ///< a later epoch rewound the cursor: what was told behind it is void
    bool more = false;    ///< there is more already
};

inline constexpr std::size_t kFeedEventsMax = 4096;        ///< kept in memory; older: from the journal
inline constexpr std::size_t kFeedBytesMax = 16u << 20;    ///< likewise

inline constexpr std::size_t kChangesBytes = 1u << 20;     ///< told at once; the record that reaches it is the last

/// {"key":…,"entry":{…}|null,"previousVersion":…,"cause":{…}|null,"id":…}
std::string change_text(std::string_view key, const EntryView& entry, std::string_view cause,
                        std::string_view id);

/// The durable changes of this run, the newest of them in memory. A follower further back reads the
/// journal until it is near enough.
class ChangeFeed {
public:
    /// All changes of this run are behind `before`, and have `epoch`.
    ChangeFeed(Seq before, Epoch epoch) : reaches_back_to_(before), end_{before}, epoch_(epoch) {}

    /// In order of seq. `cause` and `id` are the record's.
    void add(Seq seq, std::string_view key, Overlay::Shared entry, std::string_view cause,
             std::string_view id);
    /// All changes up to `seq` have been added.
    void close_at(Seq seq) { end_ = seq; }
    Seq end() const { return end_; }

    /// Changes after `cursor`, of at most `limit` records and kChangesBytes; moves it. Nothing when `cursor` is further
    /// back than memory, or of another epoch: then the journal has to be asked.
    std::optional<Changes> after(Cursor* cursor, std::string_view prefix, std::size_t limit);

private:
    struct Slot {
        Seq seq;
        std::string key;
        Overlay::Shared entry;
        std::shared_ptr<const ChangeEvent> event;  // made when the first follower asks
        std::size_t bytes = 0;
    };
    const std::shared_ptr<const ChangeEvent>& event_of(Slot& slot);

    std::deque<Slot> slots_;
    std::size_t bytes_ = 0;
    Seq reaches_back_to_;  // every change above it is in slots_
    Seq end_;
    Epoch epoch_;
};

/// Whether an operator has given up records since that the cursor had passed: what they said does not stand.
/// Then the epoch of the last repair that did: what is shown now was read behind it. Lists a directory.
Result<std::optional<Epoch>> passed_lost(FileSystem& files, const StorePaths& paths, Cursor cursor);

/// The same from the journal, up to `end`: for followers that are far behind or come from an earlier
/// epoch.
Result<Changes> changes_from_journal(JournalReader& reader, Cursor* cursor, Seq end,
                                     std::string_view prefix, std::size_t limit);

}  // namespace se
