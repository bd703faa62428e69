#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/answer.h"
#include "engine/change_feed.h"
#include "engine/decide.h"
#include "engine/intake/proposal.h"
#include "engine/policy/config.h"
#include "engine/tracing.h"
#include "journal/base/clock.h"
#include "journal/base/log.h"
#include "journal/base/random.h"
#include "journal/base/runner.h"
#include "journal/journal.h"
#include "journal/journal_reader.h"
#include "projection/projection.h"

namespace se {

/// Counters since open; the metrics door renders them.
struct EngineStats {
    std::uint64_t accepted = 0, rejected = 0, duplicates = 0, refused = 0, unknown = 0, expired = 0;
    std::vector<std::pair<Code, std::uint64_t>> rejected_by_code;
    std::vector<std::pair<Code, std::uint64_t>> refused_by_code;  ///< `refused`: answered and not journaled
    std::uint64_t groups = 0, grouped_records = 0;
    std::vector<std::pair<double, std::uint64_t>> group_size;      ///< cumulative histogram: upper bound, count
    std::vector<std::pair<double, std::uint64_t>> sync_seconds;    ///< cumulative histogram
    double sync_seconds_sum = 0;
    std::uint64_t queue = 0, in_flight_bytes = 0;
    std::uint64_t overlay_keys = 0, overlay_bytes = 0;  ///< decided, and not yet in LMDB
};

/// What an operator gives with an action, for the record of it.
struct Why {
    std::string id;
    std::string reason;
};

enum class EngineState : std::uint8_t { ready, draining, damaged, failed };

/// Joins journal, projection and decisions: the only writer of a store. One thread; no clock and no
/// thread inside: step() does what can be done now and returns. What waits for a sync is answered by the
/// step() after it.
///
/// E1 same journal in, same state out. E2 one identity, one effect. E3 each accepted change of a key
/// raises its version by exactly one. E4 nothing is decided on a state older than the last record. E5
/// every queue has a named limit.
class Engine {
public:
    struct Doors {
        FileSystem& files;
        Clock& clock;
        Random& random;
        Log& log;
        Runner& commits;
        Runner& background;
        FileSystem& cache_files;       ///< ProjectionPlace
        std::string cache_directory;   ///< empty: <data>/projection
        Tracer* tracer = nullptr;      ///< of each proposal a span; null: none
    };
    struct Writer {
        std::string host;   ///< for the `opened` note
        std::uint64_t pid = 0;
        std::string program;
        /// On whose word what this open finds was repaired; nobody's: only the journal says it.
        std::optional<Caller> repaired_by = {};
        Why repaired_why = {};
    };

    /// Takes the store, recovers journal and projection, journals `opened`, the notes of the open, and a
    /// `config` when the policy differs from the one in force. `policy` absent: the one last journaled
    /// goes on (defaults in an empty store). Damage is no Error: the engine is then `damaged`: it
    /// refuses writes and serves reads of the fold up to it.
    static Result<std::unique_ptr<Engine>> open(Doors doors, const Settings& settings,
                                                std::optional<Policy> policy, Writer writer);
    ~Engine();

    using Done = std::function<void(Answer&&)>;
    /// Queues a proposal. `done` is called exactly once, from here (refusals at the door) or from a later
    /// step() or close(). May be called from within `done`.
    void submit(Proposal&& proposal, Caller&& caller, Done done);
    /// A proposal that never took shape: journaled within its budget, with what was sent (Refusal::original) beside the
    /// caller's claim unless that holds it already, then answered.
    void refuse(Refusal&& refusal, Caller&& caller, Done done);
    /// Decides on the state as it is and journals nothing.
    Answer dry_run(const Proposal& proposal, const Caller& caller);
    /// Swaps the policy: journaled as `config`, in order with the proposals. `done` has the config's seq.
    void reload(Policy policy, Caller caller, std::function<void(Result<Seq>)> done, Why why = {});
    /// An operator's action for the record.
    void note(std::string note, std::string body_json, Caller caller, std::function<void(Result<Seq>)> done,
              Why why = {});

    /// Finishes groups whose sync has returned (projects, answers), expires what is due, decides what is
    /// queued, hands over one group, does upkeep.
    void step();
    /// Something can be done now without waiting.
    bool work_waits() const;
    /// When step() wants to be called again at the latest, from now.
    std::chrono::nanoseconds idle_time() const;
    /// Called (from the thread of step()) when new changes are durable and projected.
    void on_changes(std::function<void()> wake);

    /// Takes no more proposals (they are answered unavailable, draining).
    void drain();
    bool idle() const;  ///< nothing queued, nothing in flight
    /// Drains, answers all, journals `closed`, closes cleanly. Blocks.
    Status close();

    EngineState state() const;
    const std::string& why_not_ready() const;
    const std::optional<Damage>& damage() const;
    const Policy& policy() const;
    const StoreInfo& store() const;
    const Journal& journal() const;
    Projection& projection();
    FileSystem& files() const;
    const StorePaths& paths() const;
    const Settings& settings() const;
    EngineStats stats() const;

    // Reads, from the thread of step(). All are as of applied(): what has been answered is in it (P4).
    struct AsOf {
        Epoch epoch;
        Seq seq;
        bool journal_ahead = false;  ///< something is in flight above it (P5)
    };
    AsOf applied() const;
    Seq durable() const;
    Result<std::optional<Entry>> get(std::string_view key);  ///< tombstones too
    /// The same without copies; valid until the next step().
    Result<std::optional<EntryView>> view(std::string_view key);
    /// Calls `append_json` work without copies: appends the entry's JSON, or returns false when absent.
    Result<bool> append_entry(std::string& out, std::string_view key);
    Result<std::vector<std::pair<std::string, Entry>>> list(std::string_view prefix,
                                                            std::string_view after, std::size_t limit);
    Result<std::vector<Seq>> history(std::string_view key, Seq before, std::size_t limit);

    /// The last record before `record` that changed the key; nothing: none did. For who has read `record` in
    /// the journal: all before it is durable then, whether this engine has heard of that yet or not.
    Result<std::optional<Seq>> changed_before(std::string_view key, Seq record);

    /// Where whoever has what is shown now goes on from: applied(), as the cursor of one who knows what was given
    /// up before this run. In a store that cannot journal since a repair that is none of the last run that did.
    Cursor shown() const;
    /// For whoever comes with a cursor from before. True: what was told up to there does not stand, for it is of
    /// a later run than this one, beyond what this one has answered, or behind records that a repair gave up
    /// since. Then it is moved to shown().
    bool is_void(Cursor* cursor) const;
    /// Changes after `cursor`, at most `limit` records' worth, from memory while it reaches back that far, else from
    /// the journal. Moves `cursor`. `resync`: a later epoch rewound it.
    using Changes = se::Changes;
    Result<Changes> changes_since(Cursor* cursor, std::string_view prefix, std::size_t limit);

    /// J8: if a reader of old records in this process has met a damaged place, that is told, once a place (the
    /// journal's scrub() knows it from then on), and the reader forgets it: it must seek before it reads on.
    void note_damage_below(JournalReader& reader);

    /// Runs a rebuild of the projection in slices from step(); `done` gets its report. A swap is journaled as
    /// a `rebuilt` note by `caller`, the engine itself if that is nobody.
    void rebuild(bool swap, std::function<void(Result<Rebuild::Report>)> done, Caller caller = {},
                 Why why = {});

private:
    struct State;
    explicit Engine(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace se
