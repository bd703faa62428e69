#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "journal/base/clock.h"
#include "journal/journal_reader.h"
#include "journal/record.h"

namespace se {

/// What a follower tells its peer: made from one record, and from nothing else, so that it is the
/// same however often it is made.
struct Message {
    std::string id;     ///< <store>:<epoch>:<seq>:<what> (X1)
    Cursor at;          ///< the record
    Time ts;            ///< of the record
    std::string topic;  ///< where to, in the peer's words; empty: there is one place only
    std::string type;   ///< what kind of message it is
    std::string body;
    std::string trace;  ///< W3C traceparent of the mutation, or empty
    std::vector<std::pair<std::string, std::string>> headers;  ///< more of the peer's own

    std::size_t bytes() const { return sizeof(Message) + id.size() + topic.size() + body.size(); }
};

/// The messages of one record, in order; most have none. An Error: nothing can be made of it, ever.
/// It becomes a dead letter.
using MessagesOf = std::function<Status(const RecordView& record, const std::string& store,
                                        std::vector<Message>* messages)>;

/// How one hand-over ended.
struct Delivery {
    enum class Outcome : std::uint8_t {
        acknowledged,  ///< the peer has it, durably, as far as it promises that
        refused,       ///< the peer will never take it: a dead letter, and on with the next
        outage,        ///< not now: it is handed over again, with all behind it
    };
    std::uint64_t ticket = 0;
    Outcome outcome = Outcome::acknowledged;
    std::string reason = {};                    ///< of a refusal or outage, without secrets
    std::chrono::nanoseconds retry_after = {};  ///< outage: the peer asks to wait that long
    bool tried = true;                          ///< outage: it may have reached the peer
};

/// The door to a peer. One thread; nothing here waits.
///
/// What it promises (X2): messages reach the peer in the order of deliver(). After an outage of
/// one, none behind it that was handed over before reaches the peer later on; each of them has its
/// own outcome, also an outage, soon. Every hand-over has one outcome, within the sink's own
/// timeouts.
class Sink {
public:
    virtual ~Sink() = default;

    /// Takes the message over (and copies what it needs). Tickets only grow.
    virtual void deliver(std::uint64_t ticket, const Message& message) = 0;
    /// Outcomes since the last call. Whoever made the sink is woken when there are some.
    virtual std::vector<Delivery> poll() = 0;
};

}  // namespace se
