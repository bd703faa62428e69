#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/base/clock.h"
#include "journal/base/filesystem.h"
#include "journal/base/log.h"
#include "journal/base/random.h"
#include "journal/base/runner.h"
#include "journal/evidence.h"
#include "journal/head.h"
#include "journal/merkle.h"
#include "journal/paths.h"
#include "journal/record.h"
#include "journal/segment.h"
#include "journal/store.h"

namespace se {

class Scrub;

enum class FsyncMode : std::uint8_t {
    group,  ///< one sync for all that waits; nothing counts before it
    never,  ///< a group counts once written; a sync each second; `durable` follows that
};

/// Limits of the journal; every one a setting (`journal.*`).
struct JournalOptions {
    FsyncMode fsync = FsyncMode::group;
    std::uint64_t segment_bytes = 64u << 20;        ///< a segment's size at most
    std::uint64_t first_segment_bytes = 4u << 20;   ///< the first one's; each next one doubles up to it
    std::uint64_t fill_chunk_bytes = 256u << 10;    ///< filled ahead in pieces of this size
    std::uint64_t group_bytes_max = 8u << 20;       ///< one write; also never more than fits a segment
    std::uint64_t disk_reserve_bytes = 64u << 20;   ///< less free space than this: no more writes
    std::uint64_t align_bytes = 0;                  ///< `journal.align`: pad groups to this; 0: not
    std::chrono::milliseconds head_sync_idle{100};
    std::chrono::milliseconds sync_interval{1000};  ///< with FsyncMode::never
    std::uint64_t scrub_bytes_per_second = 4u << 20;  ///< what was written is read once more at this pace; 0: not
    std::chrono::milliseconds scrub_every = std::chrono::hours{24};  ///< from the end of one pass to the next
};

/// A place just behind a record that something trusted vouches for (a trusted LMDB's watermark, or the
/// start of the log): open verifies from here on (J8).
struct Position {
    Seq seq;                 ///< the record before; 0: the start of the log
    Epoch epoch;             ///< its epoch
    Time ts;                 ///< its ts
    Seq segment;             ///< first seq of the segment it is in; 0: the start of the log
    std::uint64_t end = 0;   ///< offset behind its newline
    Frontier frontier;       ///< of the tree of 1..seq
};

/// Acknowledged history that is not readable: the journal is read-only (J4).
struct Damage {
    Fault fault;
    Seq from, to;            ///< seqs that are lost or cannot be trusted, as far as the evidence says
    std::string evidence;    ///< who proves it
};

/// What one open found and did; each becomes a `note` that the caller appends first (see notes()).
struct OpenReport {
    bool created = false;           ///< an empty store
    std::uint64_t records = 0;      ///< verified and shown
    std::uint64_t rewritten_bytes = 0;  ///< J3
    std::uint64_t cut_bytes = 0;    ///< torn tail, in quarantine
    std::optional<Damage> damage;
};

/// The truth: the one writer of a store. It owns the active segment, HEAD, roll and fill.
///
/// Invariants (DESIGN 3.3): J1 dense seqs in file order. J2 nothing acknowledged before its sync
/// returned. J3 open rewrites in place what HEAD does not vouch for, and syncs, before it shows it. J4
/// damage stops, a torn tail is cut. J5 after a failed write or sync: failed() until reopened.
///
/// Threads: all calls from one thread. What is slow runs as jobs on two runners: `commits` (write + sync +
/// HEAD of a group, roll, HEAD sync) and `background` (fill of the next segment, index files, scrub).
class Journal {
public:
    struct Doors {
        FileSystem& files;
        Clock& clock;
        Random& random;  ///< salts
        Log& log;
        Runner& commits;
        Runner& background;
    };
    /// Called for each record behind `from`, in order, once it is known to be durable. An Error stops
    /// the open and is returned.
    using Visit = std::function<Status(const RecordView&, const Position& behind_it)>;

    /// Errc::malformed, with nothing changed: `from` is not of this history (a later epoch began below it,
    /// another record lies there, or records below it were given up since). What vouched for it must be
    /// thrown away; open again from the start of the log.
    ///
    /// Recovers (J3, J4, J8): verifies from `from` on, decides torn or damaged by all evidence (HEAD and
    /// `durable` members are read here; `evidence` brings the others), cuts or refuses, shows the
    /// records. The new epoch is max(highest seen anywhere, HEAD and quarantine names included, + 1;
    /// Unix seconds now); HEAD has it, synced, when this returns, and is locked from then on until the
    /// journal closes, fails or goes: so readers know that it is exact. Errc::io when somebody who is no
    /// writer holds that lock. With damage HEAD is not locked, the journal is read_only()
    /// and nothing on disk was changed, HEAD and quarantine included; records before it were shown.
    static Result<std::unique_ptr<Journal>> open(Doors doors, StorePaths paths, const StoreHold& hold,
                                                 JournalOptions options, const Position& from,
                                                 std::vector<Evidence> evidence, const Visit& visit);
    ~Journal();

    const OpenReport& report() const;
    /// Notes to append before anything else, `opened` first (writer id, pid and host are the
    /// caller's to add), then torn_tail_cut or repaired for every quarantine file that has none yet.
    std::vector<RecordDraft> notes() const;

    Epoch epoch() const;
    Seq last() const;      ///< last appended, durable or not; 0: none
    Seq written() const;   ///< last one of a finished write
    Seq durable() const;   ///< last one of a finished sync
    Time last_ts() const;  ///< never decreases; the next draft's ts must not be below it
    bool read_only() const;
    bool failed() const;   ///< J5: takes nothing until reopened
    const std::string& failure() const;

    enum class Room : std::uint8_t {
        ready,      ///< a group of `bytes` has filled space
        filling,    ///< not into this group: submit it if one is open. Else soon, once the group that runs
                    ///< has finished or the next segment is filled: call poll() and tick(), try again
        disk_full,  ///< no; reads go on; try again later
    };
    /// Whether `bytes` more can go into the group being built.
    Room room(std::uint64_t bytes);
    /// An upper bound for the line that `draft` becomes, newlines included.
    static std::uint64_t bytes_of(const RecordDraft& draft);

    /// Adds to the group being built. Needs room(bytes_of(draft)) == ready, draft.ts >= last_ts(), and
    /// neither read_only() nor failed(). Errc::too_large (nothing appended) when the line would pass
    /// kRecordBytesMax.
    Result<Seq> append(const RecordDraft& draft);
    /// Position just behind the last appended record (its frontier included): the projection stores
    /// it beside the watermark.
    const Position& position() const;

    bool group_open() const;     ///< something was appended and not submitted
    bool group_running() const;  ///< the commits runner is at work (a group, or HEAD): submit() must wait
    /// Hands the group to the disk: here and now when `alone`, else to the commits runner. Needs
    /// !group_running(). In FsyncMode::never it is written, not synced.
    void submit(bool alone);
    /// Takes what finished into account: returns true when written() or durable() moved or failed()
    /// became true.
    bool poll();

    /// Upkeep, cheap when nothing is due: fill, index files, scrub, HEAD sync when idle, the sync of
    /// FsyncMode::never. Returns when it wants to be called again at the latest.
    std::chrono::nanoseconds tick();
    /// For FsyncMode::never and clean close: waits until all that was appended is durable.
    Status flush();
    /// Clean close: everything durable, HEAD synced, runners idle. The caller appended `closed` before.
    Status close();

    std::uint64_t active_bytes_used() const;
    std::uint64_t journal_bytes() const;  ///< all segments, as allocated
    std::optional<std::uint64_t> disk_free_bytes() const;

    /// J8: the damaged places among the old records that are known, and how far the scrub is (scrub.h).
    const Scrub& scrub() const;
    /// Whoever reads old records in this process, and meets a damaged place, says so here: an alarm, once a
    /// place, until a whole pass of the scrub no longer finds it. Stops no write.
    void note_damage_below(const Fault& fault);

private:
    struct State;
    explicit Journal(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace se
