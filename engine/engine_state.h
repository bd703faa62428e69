#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/change_feed.h"
#include "engine/derived.h"
#include "engine/engine.h"
#include "engine/engine_meters.h"
#include "engine/group.h"
#include "engine/opening.h"
#include "engine/overlay.h"

namespace se {

inline constexpr std::size_t kProjectedPerStep = 16'384;      ///< records; more wait for the next step
inline constexpr std::uint64_t kSaidPerStep = 8u << 20;       ///< bytes of entries in answers, of a group and of duplicates
inline constexpr std::uint64_t kRebuiltPerStep = 2'048;       ///< records of a rebuild's slice
inline constexpr std::chrono::milliseconds kRetryFirst{10};   ///< after LMDB failed; doubled up to…
inline constexpr std::chrono::milliseconds kRetryMax{1'000};
inline constexpr std::chrono::milliseconds kIdleMax{1'000};   ///< step() is wanted this often at least
inline constexpr std::chrono::milliseconds kDeriveRetry{100};  ///< a derived mutation that could not be decided
inline constexpr std::uint64_t kQueuedOverheadBytes = 512;    ///< what a proposal takes beside its text

inline constexpr std::string_view kBusDoor = "nats";  // one scope of identities, one order (DESIGN 4)
inline constexpr std::string_view kHeldUp = "a message before this one was not decided";
inline constexpr std::string_view kExpiryActor = "system:ttl";
inline constexpr std::string_view kExpiryDoor = "ttl";
inline constexpr std::string_view kEngineActor = "system:engine";
inline constexpr std::string_view kEngineDoor = "engine";
inline constexpr std::uint64_t kRefusalBytes = 64u << 10;  ///< a journaled refusal counts as one, and one more for each
inline constexpr std::size_t kRefusingPrincipalsMax = 10'000;  ///< a minute; of more, none is journaled

inline constexpr std::string_view kClosedNote = "closed";
inline constexpr std::string_view kIdReused = "this id belongs to another proposal";

/// Who only says one of the two is both.
void complete(Caller& caller);

/// Words with blanks between them, as a key has none.
void append_word(std::string& words, std::string_view word);

/// What a refusal says when it gets no record.
Answer answer_of(Refusal&& refusal);
/// The entries alone are longer than a record may be: nobody needs to put it together to know.
bool outgrows_record(const Decision& decision);
Refusal too_large(const Proposal& proposal);
/// The id belongs to other content.
Refusal id_reused(const Proposal& proposal);

/// A proposal's way, in the order of the files:
///   engine.cc          submit() puts it into `queue`
///   engine_decide.cc   duplicate? decide, append to the journal, into `building` and the overlay
///   engine_commit.cc   submit to the disk as one of `groups`; when its sync is back: project, answer,
///                      tell the feed, forget
///   engine_reads.cc    reads see LMDB and, of the overlay, what has been answered
struct Engine::State {
    State(Doors the_doors, const Settings& the_settings, Writer the_writer, Opened&& opened);

    // --- the world
    Doors doors;
    const Settings settings;
    const Writer writer;
    const StorePaths paths;
    const StoreHold hold;
    const std::unique_ptr<Projection> projection;
    const std::unique_ptr<Journal> journal;
    const bool fsync_never;

    // --- what decides
    Policy policy;          ///< in force for the next decision
    std::string decided;    ///< its digest
    Seq config_seq;         ///< of the record that says so; 0: none yet
    std::deque<std::pair<Seq, Policy>> outgoing;  ///< those before it, each with the record that ends it and is not answered yet

    // --- on the way
    std::deque<Waiting> queue;
    std::uint64_t queued_bytes = 0;      ///< in the queue
    std::uint64_t unanswered_bytes = 0;  ///< decided and not answered
    Group building;                      ///< appended, not submitted
    Groups groups;                       ///< submitted
    std::uint64_t unprojected_bytes = 0; ///< of the groups that LMDB has not taken
    InFlightIdentities identities;
    Overlay overlay;
    std::uint64_t wanted_bytes = 0;      ///< the head of the queue waits for this much room; 0: not
    bool blocked = false;                ///< there was no such room when the last step ended
    std::size_t opening_left = 0;        ///< at the head of the queue: what must come before all else
    PendingDerived derived;              ///< comes before all of the queue but the notes of an open
    std::chrono::nanoseconds derive_again{};  ///< not before this, after a failed read
    std::vector<std::pair<Done, Answer>> outbox;
    std::size_t untold_in_line = 0;  ///< messages of the bus that were not decided, and have not been told so
    std::uint64_t said_bytes = 0;  ///< of entries in it that duplicates are told
    std::vector<std::pair<std::function<void(Result<Seq>)>, Result<Seq>>> told_outbox;

    // --- how far
    Cursor visible;          ///< reads are as of this
    ChangeFeed feed;
    bool run_begun = false;  ///< STAMP says dirty
    std::chrono::nanoseconds project_again{};  ///< not before this, after a failure
    std::chrono::nanoseconds project_backoff{};
    std::optional<std::optional<Time>> next_deadline;  ///< in LMDB; empty: ask again
    std::chrono::nanoseconds expire_again{};           ///< not before
    std::chrono::nanoseconds tick_at{};
    std::chrono::nanoseconds readers_checked{};

    // --- the rest
    bool draining = false;
    bool failed = false;
    std::string why_not_ready;
    EngineMeters meters;
    std::map<std::string, std::uint64_t> refusals_this_minute;  ///< journaled, by principal
    std::chrono::minutes refusals_minute{};                     ///< of record time
    std::function<void()> wake_followers = [] {};
    std::unique_ptr<JournalReader> reader;       ///< of first outcomes, and for the feed's stragglers
    std::optional<Snapshot> snapshot_;           ///< shared by the reads between two steps
    std::unique_ptr<Rebuild> rebuild;
    bool rebuild_swaps = false;
    std::function<void(Result<Rebuild::Report>)> rebuild_told;
    Caller rebuild_caller;
    Why rebuild_why;
    RecordView view_;                            ///< memory reused
    std::vector<RecordView> views_;
    std::vector<const RecordView*> view_pointers_;

    // --- engine.cc
    /// In force as far as can be told: what comes may yet not have happened.
    const Policy& told_policy() const { return outgoing.empty() ? policy : outgoing.front().second; }
    bool writable() const { return !failed && !journal->read_only(); }
    EngineState state() const;
    Answer unavailable(std::string id, std::string_view reason, std::string message) const;
    void enqueue(Waiting&& waiting);
    void enqueue_note(RecordDraft draft, std::function<void(Result<Seq>)> told);
    void deliver();
    void upkeep();
    void step_rebuild();
    Status adopt_unprojected(const std::vector<std::string>& lines, const Position& behind);
    std::chrono::nanoseconds next_expiry_in() const;

    void tell_received(const Proposal& proposal, const Caller& caller) const;

    // --- engine_decide.cc
    enum class Taken : std::uint8_t {
        yes,
        no_room,    ///< this group is full, or space is being filled: again soon
        disk_full,
        too_large,  ///< append() only: no line may be so long
    };
    void decide_waiting();
    void expire(Time now);
    void expire_later();
    Taken take(Waiting& waiting, Time now);
    Taken take_proposal(Waiting& waiting, Time now);
    // engine_import.cc
    Taken leave_out(Waiting& waiting, const Decision& decision);
    Taken take_past(Waiting& waiting, const Identity& identity, Time now);
    Taken take_refusal(Waiting& waiting, Time now);
    Taken take_note(Waiting& waiting, Time now);
    Taken take_policy(Waiting& waiting, Time now);
    RecordDraft refused(const Waiting& waiting, const Refusal& refusal, Time now) const;
    Taken refuse(Waiting& waiting, Refusal&& refusal, Time now);
    Taken refuse_too_large(Waiting& waiting, Time now);

    enum class Known : std::uint8_t { no, answered, in_flight, other_content };
    Identity identity_for(const Proposal& proposal, const Caller& caller) const;
    Result<Known> look_up(const Identity& identity);
    Taken take_again(Waiting& waiting, const Identity& identity, Known known);
    std::optional<Answer> known_answer(const Proposal& proposal, const Caller& caller);
    Result<Answer> first_outcome(const Hash16& identity, const Caller& caller);
    Taken append(Item& item, std::vector<Decision::Change>&& changes);
    bool has_room();
    bool may_journal_refusal(const std::string& principal, Time now);
    void answer_now(Waiting& waiting, Answer&& answer);
    void answer_behind(Waiting& waiting, Answer&& answer);
    Done done_of(Waiting& waiting, const Answer& answer);
    bool held_up(const Waiting& waiting) const;
    void refuse_queue(std::string_view reason, const std::string& message);

    // --- engine_derive.cc
    Status recover_derived();
    bool derives_next() const;
    Taken take_derived(Time now);
    Taken refuse_derived(const Derived& next, Code code, std::string message, bool end, Time now);
    RecordPlace next_place() const;
    void tell_warnings(const std::vector<Fired>& fired, Seq seq, const std::string& trace);

    // --- engine_commit.cc
    void hand_over();
    void finish();
    void project();
    Status apply(std::size_t count);
    void answer(Group& group);
    void answer_item(Item& item);
    void answer_unknown(Group& group);
    void answer_unknown(Item& item);
    void tell_committed(const Item& item) const;
    void tell_feed(Group& group);
    void forget(const Group& group);
    void fail(const std::string& why);
    bool projection_due() const;

    // --- engine_reads.cc
    Result<const Snapshot*> snapshot();
    /// Engine::history(), as of `through`.
    Result<std::vector<Seq>> history(std::string_view key, Seq before, std::size_t limit, Seq through);
    void add_current(Answer& answer, const Caller& caller, const std::string& key, Seq through);
    Result<JournalReader*> journal_reader();
    void note_damage_below(JournalReader& met_by);
    bool has_passed_lost(Cursor cursor) const;
};

}  // namespace se
