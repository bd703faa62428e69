#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/base/log.h"
#include "journal/journal.h"
#include "journal/paths.h"
#include "journal/store.h"
#include "projection/entry.h"
#include "projection/fold.h"

namespace se {

struct ProjectionOptions {
    std::uint64_t map_bytes_first = 16u << 20;   ///< the map's first size
    std::uint64_t map_step_bytes = 64u << 20;    ///< grown by at most this, doubling up to it
    std::uint64_t map_bytes_max = 256ull << 30;  ///< readers map this much, read-only
};

/// Where the projection's files are. In the simulator LMDB is real (`cache_files` and
/// `cache_directory` on a tmpfs) while STAMP lies on the simulated disk; in production both are the
/// same.
struct ProjectionPlace {
    FileSystem& files;  ///< STAMP
    StorePaths paths;
    FileSystem& cache_files;      ///< the generations
    std::string cache_directory;  ///< <data>/projection
};

namespace lmdb {
class Env;
}

/// One read transaction: everything it answers is as of one seq. Lives as long as one answer, never
/// across a socket write. At most one thread uses it. It stays valid while the map grows and when
/// another generation takes over.
class Snapshot {
public:
    static Result<Snapshot> of(lmdb::Env& env);
    Snapshot(Snapshot&&) noexcept;
    Snapshot& operator=(Snapshot&&) noexcept;
    ~Snapshot();

    Seq seq() const;
    Epoch epoch() const;
    /// Tombstones too. The view is valid as long as this snapshot.
    Result<std::optional<EntryView>> get(std::string_view key) const;
    /// Keys with `prefix` that are > `after` (when not empty), in byte order, tombstones included,
    /// until `visit` says false.
    Status scan(std::string_view prefix, std::string_view after,
                const std::function<bool(std::string_view key, const EntryView&)>& visit) const;
    /// The seq that bound an identity, and its content.
    struct Bound {
        Hash16 content;
        Seq seq;
    };
    Result<std::optional<Bound>> find_identity(const Hash16& key) const;
    /// Seqs of the records that changed `key`, newest first, below `before` (0: from the newest
    /// on).
    Result<std::vector<Seq>> history(std::string_view key, Seq before, std::size_t limit) const;
    struct Due {
        std::string key;
        Version version;
        Time deadline;
    };
    /// Deadlines at or before `now` in (deadline, key) order, at most `limit`.
    Result<std::vector<Due>> due(Time now, std::size_t limit) const;
    Result<std::optional<Time>> next_deadline() const;
    /// RFC 9162 root over sha256(0x00 ‖ key length (2 bytes LE) ‖ key ‖ encoded entry) of all keys
    /// in byte order, tombstones included.
    Result<Hash> state_root() const;
    Result<std::uint64_t> live_keys() const;  ///< O(1): kept in meta

private:
    friend class Comparison;
    struct State;
    explicit Snapshot(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// The state in LMDB: the writer's side. A cache of the truth: delete it and it grows back.
///
/// P1 state and watermark are written in one transaction, always. P2 it is exactly the fold of
/// records 1..watermark. P3 no entry is overwritten by a lower seq.
///
/// All calls from the engine's thread; snapshot() from any, and each Snapshot on any one thread.
/// The current generation is projection/<n>/ with data.mdb; STAMP names it.
class Projection {
public:
    /// Opens the generation that STAMP names and decides whether it can be trusted (DESIGN 5).
    /// Leaves the disk as it is. Not being trusted is no Error: watermark() is then the start of
    /// the log, and regrow() starts a new generation. Needs the hold on the store.
    static Result<std::unique_ptr<Projection>> open(ProjectionPlace place, const StoreInfo& store,
                                                    ProjectionOptions options, Log& log);
    ~Projection();

    bool trusted() const;
    const std::string& why_not_trusted() const;  ///< "no STAMP", "unclean boot", …
    /// Place behind the last record folded, frontier included: where Journal::open starts from.
    const Position& watermark() const;

    /// The journal contradicts it (its watermark lies beyond the point where a later epoch began,
    /// or it was folded over a gap that was repaired): no longer trusted, watermark() is the start
    /// of the log.
    void distrust(std::string why);
    /// Throws away what is there, STAMP first, so that no reader believes it any more, and starts a
    /// new generation: bulk mode until end_bulk(). Snapshots are Errc::unavailable until then.
    Status regrow();
    /// Folds one record in bulk mode, in memory (see BulkFold for its limit).
    Status add_bulk(const RecordView& record);
    /// Loads it all in key order with append mode and sets the watermark: the last transaction
    /// makes it visible (P1). Then STAMP names it, and older generations are removed. After an
    /// Error the records are still held: it may be tried again, also with more of them.
    Status end_bulk(const Position& behind);
    bool in_bulk() const;

    /// Before the first write of a run: STAMP says `dirty`, synced, with this run's epoch.
    Status begin_run(Epoch epoch);
    /// Folds `records` (dense but for repaired gaps; those at or below the watermark are skipped)
    /// and moves the watermark to `behind` in one transaction. An Error leaves the projection as it
    /// was; it may be tried again. Errc::no_space when the map cannot grow; Errc::corruption when
    /// it is not the fold of what came before (P3): distrust() and regrow. Outside a run STAMP is
    /// marked `dirty` first, with the last known epoch.
    Status apply(std::span<const RecordView* const> records, const Position& behind);
    /// Clean close: LMDB synced, then STAMP says `clean`. apply() may follow; it is `dirty` then.
    Status close();

    Result<Snapshot> snapshot() const;

    /// Frees the slots of dead readers; then how many commits the oldest living reader is behind
    /// (0: none reads, or only the newest).
    Result<std::uint64_t> check_readers();
    std::uint64_t map_bytes() const;
    std::uint64_t used_bytes() const;
    std::uint64_t generation() const;  ///< 0: none yet

private:
    friend class Rebuild;
    struct State;
    explicit Projection(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// What one database of LMDB has otherwise than the journal's fold.
struct DifferentRows {
    std::string database;    ///< "state", "history", "ids", "ttl", …; "meta": what is counted
    std::uint64_t rows = 0;  ///< that only one of the two has, or both otherwise
    /// The first one, in words that give nothing away: "an id bound at seq 7 is missing".
    std::string first;
    std::string key;  ///< whose the first one is, where it has one: not for everybody's eyes
};

/// Grows a second generation from the journal beside the live one, in slices, compares both by
/// content, swaps. Every step is bounded by its count of records or rows; between steps the live
/// one goes on. While `state` is compared, one snapshot of each is held, as a state root is of one
/// seq: for that time LMDB does not reuse pages. For all else each slice takes its own.
class Rebuild {
public:
    /// `live` must be trusted, and outlive this.
    static Result<std::unique_ptr<Rebuild>> begin(Projection& live, FileSystem& files,
                                                  const StorePaths& paths);
    ~Rebuild();
    struct Report {
        std::uint64_t records = 0;
        std::uint64_t keys = 0;  ///< tombstones included
        Seq seq;                 ///< the state was compared as of this one; all else then or later
        Hash root_live{}, root_rebuilt{};
        std::vector<std::string> different_keys;    ///< of `state`, at most 20
        std::vector<DifferentRows> different_rows;  ///< one for each database that differs
        bool equal = false;                         ///< neither roots nor rows differ
        bool swapped = false;
    };
    /// Folds records, or compares rows, up to `records_max` more. A report once it has caught up
    /// with the live watermark, compared and (when `swap`, equal or not: it is the journal's fold) swapped:
    /// STAMP is replaced, readers move over when they renew. Errc::corruption at damage of the
    /// journal. After an Error it can only be given up.
    Result<std::optional<Report>> step(std::uint64_t records_max, bool swap);
    Seq reached() const;

private:
    struct State;
    explicit Rebuild(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace se
