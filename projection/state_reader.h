#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/journal_reader.h"
#include "projection/entry.h"
#include "projection/projection.h"

namespace se {

/// The state as another process reads it, beside a living writer or without one: takes no lock and
/// writes nothing but LMDB's own reader slot. Dirty check: LMDB's watermark against HEAD's durable
/// seq. Behind: the gap is folded in memory over the snapshot. LMDB not to be trusted: everything
/// is folded in memory, once, then what is new at each refresh. Not thread safe; each user has its
/// own.
class StateReader {
public:
    struct Options {
        std::uint64_t gap_records_max =
            1'000'000;  ///< a longer gap over a trusted LMDB: served `stale`
        std::uint64_t map_bytes_max = 256ull << 30;  ///< see ProjectionOptions
    };
    struct AsOf {
        Epoch epoch;
        Seq seq;
        bool stale = false;  ///< acknowledged records above `seq` are or may be missing: why_stale()
        std::string why_stale;
        /// The fold stops before this; but an erasure that nothing names (J7) is known only when all behind it
        /// was folded, and then it is in the fold.
        std::optional<Fault> damage;
        std::string why_in_memory;    ///< LMDB is not used, since …; "" when it is
    };

    static Result<StateReader> open(ProjectionPlace place, Options options);
    StateReader(StateReader&&) noexcept;
    StateReader& operator=(StateReader&&) noexcept;
    ~StateReader();

    /// Moves to the newest state there is. All reads until the next refresh() are as of that one
    /// seq.
    Result<AsOf> refresh();
    /// Lets go of the read transaction. Who keeps a reader for longer than an answer calls it in
    /// between: LMDB reuses no page while one is held. Reads are Errc::unavailable until the next
    /// refresh().
    void release();

    /// Tombstones too.
    Result<std::optional<Entry>> get(std::string_view key) const;
    /// The same without copies; valid until the next refresh() or release().
    Result<std::optional<EntryView>> view(std::string_view key) const;
    /// Live entries with `prefix`, > `after` when not empty, in byte order, at most `limit`.
    Result<std::vector<std::pair<std::string, Entry>>> list(std::string_view prefix,
                                                            std::string_view after,
                                                            std::size_t limit) const;
    Result<std::optional<Snapshot::Bound>> find_identity(const Hash16& key) const;
    /// See Snapshot::history.
    Result<std::vector<Seq>> history(std::string_view key, Seq before, std::size_t limit) const;

private:
    struct State;
    explicit StateReader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace se
