#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/egress/backoff.h"
#include "engine/egress/breaker.h"
#include "engine/egress/dead_letters.h"
#include "engine/egress/follower_status.h"
#include "engine/egress/sink.h"
#include "engine/egress/watermark.h"
#include "journal/base/log.h"
#include "journal/journal_reader.h"

namespace se {

/// Limits of one outbound follower. What it does not hold waits in the journal.
struct FollowerOptions {
    std::string name;                          ///< followers/<name>, dead-letters/<name>.jsonl
    std::uint64_t in_flight = 256;             ///< messages read and not settled
    std::uint64_t in_flight_bytes = 8u << 20;  ///< likewise; one record's messages may go over it
    std::uint64_t attempts =
        0;  ///< of one message in outages, then it is a dead letter; 0: for ever
    std::uint64_t dead_letters = 10'000;  ///< more: it stops and says so, so that none is lost
    std::chrono::nanoseconds save_interval = std::chrono::seconds(1);
    Backoff::Options backoff;
    Breaker::Options breaker;
};

/// Tells one peer what the journal says: reads durable records in order, makes messages of them,
/// hands them to a sink, and remembers how far the peer has acknowledged all. Whoever steps it
/// decides on which thread; it waits for its own few files and for nothing else.
///
///   X1  Every message is delivered at least once, under one id.
///   X2  In seq order: after an outage of one, it and all behind it that are not acknowledged go
///   again. X3  The watermark passes a record when all messages of it and of all before it are
///   settled:
///       acknowledged, or refused and durably a dead letter.
///
/// Where it begins. The watermark is on the disk before the first message goes out, so one that is
/// missing tells of a follower that is new here, or of a file that was lost. In the store's first
/// run (its first record is of the epoch that HEAD has) nothing can have been delivered by a run
/// before, and it begins with the first record. Else it begins at the head, with a note
/// `follower_at_head` and an alarm; so it does when the watermark is bad or of another history:
/// what was fired last year must not fire again. When a later epoch began at or before its
/// watermark, it goes on from where that began, with a note `follower_realigned`.
class Follower {
public:
    /// Journals a note; `told` hears of it later, on the follower's thread, or never.
    using NoteDoor = std::function<void(std::string note, std::string body_json,
                                        std::function<void(Status)> told)>;
    struct Doors {
        FileSystem& files;
        Clock& clock;
        Random& random;
        Log& log;
        NoteDoor note;
    };

    Follower(Doors doors, StorePaths paths, FollowerOptions options, MessagesOf messages_of,
             Sink& sink);
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    /// Does what can be done now. Returns when it wants to be called again at the latest; sooner
    /// when the journal has more, or the sink has outcomes.
    std::chrono::nanoseconds step();
    /// The journal was opened anew: stands behind the watermark again, and hands over from there.
    /// What is under way to the peer may get there twice.
    void restart();
    /// Keeps the watermark. What was not acknowledged goes again after the next start.
    Status close();

    FollowerStatus status() const;
    const FollowerOptions& options() const { return options_; }

    /// Null until the file was read.
    const DeadLetters* dead_letters() const { return letters_ ? &*letters_ : nullptr; }
    /// Hands it over once more, out of order, soon.
    Status retry(std::string_view id);
    Status drop(std::string_view id);
    /// What a letter says, made again from its record.
    Result<Message> message_of(const DeadLetter& letter) const;

private:
    struct Slot {
        enum class State : std::uint8_t { waiting, under_way, refused, settled };
        Message message;
        Cursor before;  ///< the watermark while this is the first that is not settled
        State state = State::waiting;
        std::uint64_t attempts = 0;
        std::string reason = {};
    };

    // --- follower_start.cc
    bool begin(std::chrono::nanoseconds now);
    Status try_to_begin();
    Status find_start();
    Result<bool> nothing_happened_before();
    Status start_at_head(const std::string& why);
    Status align();

    // --- follower.cc
    bool has_room() const;
    bool read_more(std::chrono::nanoseconds now);
    void look_how_far(std::chrono::nanoseconds now);
    void take(const RecordView& record);
    bool may_begin(std::chrono::nanoseconds now);
    void hand_over(std::chrono::nanoseconds now);
    void take_outcomes(std::chrono::nanoseconds now);
    void take_outcome(Slot& slot, std::uint64_t number, Delivery& delivery,
                      std::chrono::nanoseconds now);
    void meet_peer();
    void meet_outage(const std::string& id, std::string_view trace, const Delivery& delivery,
                     std::chrono::nanoseconds now);
    void tell_publish_error(const std::string& id, std::string_view trace, const std::string& why);
    void settle(Slot& slot);
    void bury_refused(std::chrono::nanoseconds now);
    void pass();
    void save(std::chrono::nanoseconds now);
    void trouble(std::string_view what, const std::string& why);
    std::chrono::nanoseconds next_step(std::chrono::nanoseconds now, bool more) const;

    // --- follower_letters.cc
    void hand_over_letters(std::chrono::nanoseconds now);
    void take_letter_outcome(const std::string& id, Delivery& delivery,
                             std::chrono::nanoseconds now);
    void refuse_again(DeadLetter letter, std::string reason, std::chrono::nanoseconds now);

    Doors doors_;
    const StorePaths paths_;
    const FollowerOptions options_;
    const MessagesOf messages_of_;
    Sink& sink_;
    Watermark file_;

    // --- where it stands
    std::optional<JournalReader> reader_;
    std::optional<DeadLetters> letters_;
    std::optional<Cursor> mark_;  ///< X3; nothing until it is known where to begin
    bool aligned_ = false;        ///< the reader stands behind `read_`
    bool begun_ = false;          ///< and nothing was read since
    Cursor saved_;
    Cursor read_;  ///< of this record all messages are in `window_`
    std::string store_;
    Seq durable_;
    std::chrono::nanoseconds look_again_{};
    std::chrono::nanoseconds save_again_{};
    std::chrono::nanoseconds begin_again_{};
    Backoff disk_backoff_;
    struct Noting {
        std::string why;
        Cursor head;
        std::shared_ptr<std::optional<Status>> told;
    };
    std::optional<Noting> noting_;  ///< it will begin at the head, once the note is told

    // --- what is on the way
    std::deque<Slot> window_;
    std::uint64_t first_ = 0;   ///< number of the first one in it
    std::uint64_t handed_ = 0;  ///< all numbers below are not waiting
    std::uint64_t waiting_bytes_ = 0;
    std::uint64_t tickets_ = 0;
    std::map<std::uint64_t, std::uint64_t> under_way_;        ///< ticket → number
    std::map<std::uint64_t, std::string> letters_under_way_;  ///< ticket → id
    std::uint64_t refused_ = 0;  ///< of `window_`, not yet dead letters
    bool save_failing_ = false;
    bool peer_away_ = false;
    bool failing_ = false;  ///< an outage was met, and what was under way then is not settled yet
    std::chrono::nanoseconds not_before_{};
    std::chrono::nanoseconds bury_again_{};
    Backoff backoff_;
    Breaker breaker_;

    FollowerStatus told_;  ///< counters and texts of it
};

}  // namespace se
