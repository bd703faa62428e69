#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/egress/backoff.h"
#include "engine/egress/breaker.h"
#include "engine/egress/dead_letters.h"
#include "journal/base/log.h"
#include "journal/base/runner.h"
#include "journal/journal_reader.h"
#include "projection/firestore/fencing.h"
#include "projection/firestore/state_batch.h"

namespace se::firestore {

/// Limits of the follower. What it does not hold waits in the journal.
struct FollowerOptions {
    bool bootstrap = false;                  ///< take over a project that is empty or not ours
    std::uint64_t window_records = 16'384;   ///< read and not passed; more wait in the journal
    std::uint64_t window_bytes = 32u << 20;  ///< likewise
    BatchLimits state;                       ///< of one commit of state documents
    BatchLimits log = {.documents = 200, .bytes = 2u << 20};  ///< of one commit of log documents
    std::uint64_t dead_letters = 10'000;                      ///< more: it stands still and says so
    std::chrono::nanoseconds interval_first = std::chrono::milliseconds(50);
    std::chrono::nanoseconds interval_max =
        std::chrono::seconds(1);  ///< between commits, throttled
    Backoff::Options backoff = {.first = std::chrono::milliseconds(100),
                                .max = std::chrono::seconds(10)};
    Breaker::Options breaker;
};

/// How it is.
struct FollowerState {
    enum class Phase : std::uint8_t { looking, claiming, bootstrapping, following, stopped };
    Phase phase = Phase::looking;
    std::string why;  ///< it stopped, or what is wrong now; empty: nothing
    Seq watermark;
    std::uint64_t lag = 0;   ///< durable records behind the watermark
    double lag_seconds = 0;  ///< the age of the first of them
    std::uint64_t state_commits = 0, log_commits = 0, state_documents = 0, log_documents = 0;
    std::uint64_t coalesced = 0;  ///< changes that a newer one of the same commit made needless
    std::uint64_t troubles = 0, dead_letters = 0;
    std::uint64_t healing = 0, healed = 0;  ///< documents: that wait for it, and since the start
    std::uint64_t bootstrap_documents = 0;  ///< state documents that the bootstrap has written
    Breaker::State breaker = Breaker::State::closed;
    std::chrono::nanoseconds interval{0};
};
std::string_view to_text(FollowerState::Phase phase);
/// {"phase":…,"watermark":…,"lag":…,"lagSeconds":…,…}
std::string to_json(const FollowerState& state, const std::string& where);
std::string metrics_of(const FollowerState& state);  ///< Prometheus text: state_engine_firestore_*

/// Keeps the documents the fold of the journal (P6). Whoever steps it decides on which thread; its
/// calls to the store run on the lanes.
///
/// State documents and watermark move in one atomic commit, whose precondition is the watermark as
/// it was last read or written; one such commit is under way at a time. After each, the state
/// documents are exactly the fold up to the watermark. It is sent when the log documents of all its
/// records are acknowledged: those go ahead in parallel, and no two of one name are under way at
/// once.
class Follower {
public:
    /// Live entries in byte order of their keys, all as of one seq.
    struct StatePage {
        Seq as_of;
        std::vector<std::pair<std::string, Entry>> entries;
    };
    /// Those behind `after`, at most `limit`. Asked for by a bootstrap only, from the thread of
    /// step().
    using StateDoor = std::function<Result<StatePage>(const std::string& after, std::size_t limit)>;
    /// What each of these keys has, a deletion too; nothing: it never was. Asked for by heal()
    /// only.
    using EntryDoor =
        std::function<Result<std::vector<std::optional<Entry>>>(const std::vector<std::string>&)>;
    struct Doors {
        FileSystem& files;
        Clock& clock;
        Random& random;
        Log& log;
        DocumentStore& documents;
        Runner& state_lane;
        std::vector<Runner*> log_lanes;
        StateDoor state;
        EntryDoor entries = {};
    };
    Follower(Doors doors, StorePaths paths, FollowerOptions options);
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    /// Does what can be done now. Returns when it wants to be called again at the latest; sooner
    /// when the journal has more, or a lane has an outcome.
    std::chrono::nanoseconds step();
    /// The journal was opened anew, by a new run: looks again at what is there.
    void restart();
    /// One that has stopped begins as a new process would, whose options say `bootstrap`.
    /// Errc::malformed: it has not stopped.
    Status resume(bool bootstrap);

    FollowerState state() const;
    const DeadLetters* dead_letters() const { return letters_ ? &*letters_ : nullptr; }
    /// Writes it once more, soon, unless a newer document of its name has been written meanwhile.
    Status retry(std::string_view id);
    Status drop(std::string_view id);
    /// Writes the documents of these keys as they are at the watermark, soon, whatever is there;
    /// until then state().healing counts them. Errc::unavailable: it does not follow now, or has
    /// too many to heal already. Needs the EntryDoor.
    Status heal(std::vector<std::string> keys);
    /// Nothing is under way on any lane.
    bool quiet() const;

private:
    struct Slot {
        Seq seq;
        Epoch epoch;
        Time ts;
        std::string line;
        bool logged = false;   ///< its log document is acknowledged, a dead letter, or there is none
        bool gave_up = false;  ///< the note of a repair: what documents were made of may be no history any more
    };
    struct LogBatch {
        std::vector<Cursor> records;
        std::vector<Write> writes;  ///< one for each
    };
    struct LogJob {
        LogBatch batch;
        std::uint64_t generation = 0;
        Outcome<std::vector<Timestamp>> outcome;
    };
    struct StateJob {
        enum class Kind : std::uint8_t {
            look,
            commit,
            claim,
            probe,
            letter,
            heal,
            page,
            survey,
            sweep
        };
        Kind kind = Kind::look;
        std::uint64_t generation = 0;
        std::vector<Write> writes;         ///< the watermark last
        Mark mark;                         ///< as the watermark would be
        std::vector<Cursor> records = {};  ///< whose documents the writes are
        bool single = false;               ///< commit: of one record only
        Query query = {};
        Outcome<std::vector<Timestamp>> committed;
        Outcome<std::vector<std::optional<Document>>> got;
        Outcome<std::vector<Document>> listed;
    };

    // --- follower.cc
    std::chrono::nanoseconds now() const { return doors_.clock.monotonic(); }
    Status begin();
    Status find_run();
    Result<std::string> why_not_ours(const Mark& mark);
    void read_more();
    void look_how_far();
    double age_of_first_behind();
    void stop(std::string why);
    void trouble(std::string_view where, const std::string& why);
    void meet(const Trouble& met, std::string_view where);
    void meet_success();
    bool may_call();
    void bury(const std::string& path, Cursor at, const std::string& why);
    void written(const std::string& path);
    Slot* slot_of(Seq seq);
    void empty_window();

    // --- follower_log.cc
    void take_log_outcomes();
    void take_log_outcome(LogJob& job);
    void send_logs();
    LogBatch next_log_batch();
    void settle_logs(const LogBatch& batch);

    // --- follower_state.cc
    void take_state_outcome();
    void send_state();
    void start(StateJob&& job);
    void take_look(StateJob& job);
    void take_commit(StateJob& job);
    void take_probe(StateJob& job);
    void take_letter(StateJob& job);
    bool send_letter();
    Result<bool> has_newer(const std::string& key, Seq seq);
    Status look_ahead();
    void send_probe();
    void send_commit();
    Write mark_write(const Mark& mark);
    void begin_following();
    void pass(Seq through);
    bool failed(const StateJob& job, const Trouble& met, std::string_view where);

    // --- follower_heal.cc
    Cursor cursor_of(Seq seq);
    bool send_heal();
    void take_heal(StateJob& job);
    void end_heal();

    // --- follower_bootstrap.cc
    void begin_bootstrap(const std::optional<Document>& found);
    void begin_anew(Seq noted);
    void send_bootstrap();
    void take_page(StateJob& job);
    void take_survey(StateJob& job);
    void take_sweep(StateJob& job);
    void end_page();

    Doors doors_;
    const StorePaths paths_;
    const FollowerOptions options_;
    bool bootstrap_;  ///< as the options, or as resume() was told

    // --- who and where
    std::uint64_t generation_ = 1;  ///< what was sent before the last restart() does not count
    std::optional<Us> us_;
    std::optional<JournalReader> reader_;
    std::optional<DeadLetters> letters_;
    std::optional<Timestamp>
        mark_time_;  ///< of the watermark, as last read or written; empty: it is not there
    Mark mark_;
    std::uint64_t commits_ = 0;  ///< that carried the watermark, by this process
    FollowerState told_;
    Seq durable_;
    Seq first_behind_;  ///< the record behind the watermark that was last looked up
    Time first_behind_ts_;

    // --- on the way
    std::deque<Slot> window_;
    std::uint64_t window_bytes_ = 0;
    std::uint64_t log_next_ = 0;  ///< of the window, the first that is in no batch yet
    std::vector<std::shared_ptr<LogJob>> log_jobs_;  ///< one a lane
    std::deque<LogBatch> log_again_;
    std::set<std::string, std::less<>> log_names_;  ///< of all that is in batches
    std::shared_ptr<StateJob> state_job_;
    std::uint64_t documents_max_;  ///< of the next commit: less after a refusal
    /// After a refusal: each document by itself, the watermark standing; then the watermark.
    struct Probe {
        Mark mark;  ///< as it will be
        std::vector<Write> writes;
        std::vector<Cursor> records;
        std::size_t next = 0;
    };
    std::optional<Probe> probe_;
    std::deque<std::string> heal_;  ///< keys, the first `healing_` of which are under way
    std::size_t healing_ = 0;
    bool heal_one_by_one_ = false;
    bool followed_ = false;  ///< in this process: what is missing now was taken away
    /// Keys that may have been written as of a later seq by a bootstrap: their last one up to its `until`.
    std::map<std::string, Seq, std::less<>> ahead_;
    Seq ahead_until_;  ///< the `until` that ahead_ is for

    // --- a bootstrap's place: a page of the state, then what else is there between its keys
    struct Page {
        std::string after;            ///< its keys are behind this one
        std::optional<StatePage> is;  ///< written; what is there is looked through
        bool last = false;
        std::string surveyed;  ///< up to this id
    };
    Page page_;
    std::optional<StatePage> fetched_;  ///< until what it shows is durable
    std::optional<Seq> pages_from_;     ///< the state documents are as of this seq or later
    Seq anew_from_;                     ///< no page may be of before: of what was given up

    std::chrono::nanoseconds state_not_before_{}, log_not_before_{};
    std::chrono::nanoseconds begin_again_{}, read_again_{}, look_again_{};
    Backoff backoff_, disk_backoff_;
    Breaker breaker_;
};

}  // namespace se::firestore
