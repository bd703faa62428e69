#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/api/api.h"

namespace se::mcp {

// Limits of one stream of events. What is ahead of its reader is bounded: over a limit the reader is cut with a
// mark, `event: resync`, and nothing is kept for it. Answers have a limit of their own, a higher one: several may be
// given in one turn, before their reader can have taken any, and nobody tells them again.
inline constexpr std::size_t kEventsAhead = 256;
inline constexpr std::size_t kEventBytesAhead = 256u << 10;  ///< looked at before an event: one may be larger
inline constexpr std::size_t kAnswerBytesAhead = 4u << 20;   ///< likewise, of answers
inline constexpr std::size_t kEventsKept = 256;            ///< sent, and kept for whoever comes back
inline constexpr std::size_t kEventBytesKept = 64u << 10;  ///< likewise

class EventConnection;

/// Server-sent events for one reader, who may come over one connection after another where events have ids:
///
///     id: STREAM-7           only where the reader may come back
///     event: message
///     data: {"jsonrpc":"2.0",…}
///
/// Whoever comes back names the last id that it saw and goes on from there.
class EventStream : public std::enable_shared_from_this<EventStream> {
public:
    /// `name` begins the ids; empty: no ids, and nothing is kept.
    explicit EventStream(std::string name) : name_(std::move(name)) {}

    /// A connection that reads on: behind the event of that number, or behind all that ever left. The one before
    /// it is closed. Sets `*gap` when events in between are lost.
    std::shared_ptr<EventConnection> connect(std::optional<std::uint64_t> after, bool* gap);

    void push(std::string_view message);
    /// An answer behind which others follow.
    void push_answer(std::string_view message);
    /// The last message, an answer. It is never lost for what came before it: rather that is.
    void finish(std::string_view message);
    /// No more messages: the connection closes when all is read.
    void finish();
    /// An event of another kind, as it is: `event: endpoint`, or the empty one that only gives an id.
    void push_frame(std::string frame);
    /// Closes the connection behind what was pushed; the stream goes on.
    void release();

    const std::string& name() const { return name_; }
    std::uint64_t next_number() const { return next_; }
    bool finished() const { return finished_; }
    bool connected() const { return connection_ != nullptr; }
    bool idle() const { return unsent() == 0; }
    std::size_t bytes() const { return bytes_; }

    /// The connection went away; not called when another took its place.
    std::function<void()> on_disconnect = [] {};

private:
    friend class EventConnection;
    struct Event {
        std::uint64_t number;
        std::string frame;
        bool answer;
    };
    /// What of a kind has not been sent.
    struct Ahead {
        std::size_t count = 0, bytes = 0;
    };

    std::size_t unsent() const { return next_ - first_unsent_; }
    std::size_t unsent_bytes() const { return bytes_ - sent_bytes_; }
    Ahead& ahead_of(const Event& event) { return event.answer ? answers_ : notices_; }
    std::string frame_of(std::string_view message) const;
    void append(std::string frame, bool answer);
    void drop_unsent();
    void cut();
    void mark_sent(const Event& event);
    const Event* find(std::uint64_t number) const;
    void wake();

    const std::string name_;
    std::deque<Event> events_;       // dense, oldest first: some sent and kept, then the unsent
    std::uint64_t next_ = 1;         // of the next event
    std::uint64_t first_unsent_ = 1;
    std::size_t bytes_ = 0;
    std::size_t sent_bytes_ = 0;     // of those in events_
    Ahead notices_, answers_;
    bool gap_ = false;               // unsent events were dropped
    bool finished_ = false;
    bool dead_ = false;              // cut, and nobody can come back
    EventConnection* connection_ = nullptr;
};

/// What the transport pulls from.
class EventConnection final : public BodyStream {
public:
    EventConnection(std::shared_ptr<EventStream> stream, std::uint64_t from);
    ~EventConnection() override;
    EventConnection(const EventConnection&) = delete;
    EventConnection& operator=(const EventConnection&) = delete;

    void pull(std::string& out, std::size_t bytes_max) override;
    bool finished() const override;
    std::size_t bytes_held() const override { return over_ ? 0 : stream_->unsent_bytes(); }
    /// A comment, so that a dead connection is found and a living one not taken for dead.
    void keep_alive();

    std::shared_ptr<void> held;  ///< let go of with the connection

private:
    friend class EventStream;
    std::shared_ptr<EventStream> stream_;
    std::uint64_t at_;                        // the next that this one sends
    std::optional<std::uint64_t> close_at_;   // this one and later ones are not for us
    std::string farewell_;
    bool comment_due_ = false;
    bool over_ = false;
};

}  // namespace se::mcp
