#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/head.h"
#include "journal/record.h"
#include "journal/segment.h"
#include "journal/store.h"

namespace se {

/// How far a follower has applied everything. What a later run wrote is later, whatever its seq.
struct Cursor {
    Epoch epoch;
    Seq seq;  ///< 0: nothing yet

    auto operator<=>(const Cursor&) const = default;
};
std::string to_text(Cursor cursor);  ///< "EPOCH.SEQ"
std::optional<Cursor> cursor_from_text(std::string_view text);

/// Follows a journal, from any process, beside a living writer: never locks, never writes (J6). Shows
/// seq s only once s ≤ HEAD's durable or a later line's `durable`; what lies above is "not yet".
/// Survives roll. Not thread safe; each follower has its own.
class JournalReader {
public:
    /// Stands before seq 1.
    static Result<JournalReader> open(FileSystem& files, StorePaths paths);
    /// The same for a store whose store.json does not hold: for tools that show what is left.
    static JournalReader open_as(FileSystem& files, StorePaths paths, std::string store);
    JournalReader(JournalReader&&) noexcept;
    JournalReader& operator=(JournalReader&&) noexcept;
    ~JournalReader();

    /// The next record, or nothing when it is not there yet. Valid until the next call of anything.
    /// Errc::corruption at damage (see fault()); it stays there until seek() or skip_fault(). Gaps that
    /// a `repaired` note covers are passed without a word.
    Result<const RecordView*> next();
    const std::optional<Fault>& fault() const;
    /// Goes on behind the damage, at the first good record: for tools that show what is left.
    Status skip_fault();

    /// The next call of next() returns `seq` (or the first one behind a repaired gap).
    Status seek(Seq seq);
    /// One record. Errc::not_found when it is not there (yet). Moves the reader.
    Result<const RecordView*> at(Seq seq);
    /// Whether a repair gave that record up, by a note with good records behind it: next() passes over it.
    /// Moves the reader.
    Result<bool> gave_up(Seq seq);
    /// Stands behind `cursor`; when a later epoch began at or before it, rewinds to where that epoch
    /// began and returns true: the follower must show a resync mark.
    Result<bool> resume(Cursor cursor);

    /// Where the record last returned lies.
    Seq segment() const;
    std::uint64_t offset() const;      ///< of its first byte
    std::uint64_t end() const;         ///< behind its newline
    Seq expected() const;              ///< the seq that next() would return

    /// HEAD, its lock and durable(), of one look at each.
    struct Look {
        std::optional<Head> head;
        Seq durable;           ///< as durable()
        bool writing = false;  ///< a living writer keeps `head` exact: see head_is_held()
    };
    Result<Look> look();
    /// The highest seq that may be shown: reads HEAD again. 0: none.
    Result<Seq> durable();
    /// HEAD as it is now.
    Result<std::optional<Head>> head();
    const std::string& store() const;

private:
    struct State;
    explicit JournalReader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace se
