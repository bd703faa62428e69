#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "journal/base/result.h"

namespace se {

using BusHeaders = std::vector<std::pair<std::string, std::string>>;

/// The value under a name in any case; empty when absent. Needs `lower_name` in lower case.
std::string_view bus_header(const BusHeaders& headers, std::string_view lower_name);

/// A message of a stream, as it was delivered.
struct BusMessage {
    std::string subject;
    BusHeaders headers;  ///< names as they were sent
    std::string payload;
    std::string stream;
    std::uint64_t sequence = 0;  ///< in the stream
    std::uint64_t time = 0;      ///< when the server stored it, in ns: the same however often it comes; 0: not said
    /// The stream has lost what it had under this sequence before. Said by whoever knows that, not by the bus.
    bool anew = false;
    std::uint64_t delivery =
        0;  ///< how many the consumer has delivered: a hole means that some were lost
    std::uint64_t deliveries = 1;  ///< of this very message; more than 1: again
    std::uint64_t behind = 0;      ///< how many the consumer has not delivered yet
    std::string receipt;           ///< answers it
};

/// A message on its way out.
struct BusOutgoing {
    std::string subject;
    BusHeaders headers = {};
    std::string payload;
    std::string id = {};  ///< Nats-Msg-Id: the same one within the stream's window is stored once
};

struct BusReceived {
    std::string stream;
    std::uint64_t sequence = 0;
    bool duplicate = false;
};

struct BusStream {
    std::string name;
    std::vector<std::string> subjects;
    std::string
        created;  ///< as the server says it; tells a stream from one made anew under its name
    std::uint64_t first = 0, last = 0;
};

/// A durable consumer as we make one: explicit acks, without a limit of deliveries.
struct BusConsumerSpec {
    std::string stream, durable, filter_subject;
    std::uint64_t start = 0;  ///< stream sequence; 0: all there is
    std::chrono::nanoseconds ack_wait{std::chrono::seconds{60}};
    std::uint64_t ack_pending_max = 1000;
    std::string deliver_subject = {}, deliver_group = {};  ///< empty: it is pulled from
};

struct BusConsumer {
    std::string durable, filter_subject, deliver_subject, deliver_group;
    bool bound = false;  ///< somebody listens to its deliver_subject
    std::chrono::nanoseconds ack_wait{0};
    std::uint64_t ack_floor = 0;    ///< stream sequence: all up to it is acknowledged
    std::uint64_t ack_pending = 0;  ///< delivered and not acknowledged
    std::uint64_t pending = 0;      ///< not delivered yet
};

/// A broker with durable streams, as JetStream has them. One thread uses it; nothing blocks. Every
/// `done` is called exactly once, and it and the Listener only from within poll().
///
/// What an Error asks for: `unavailable` wait and try again (the server is away, slow or full);
/// `not_found` there is no such stream or consumer, or none that takes the subject; `too_large`
/// over the server's limit; `malformed` the server refuses it for good. When the connection is
/// lost, whatever was under way is `unavailable` first, then bus_lost() is told: it may have
/// happened or not. What a connection delivered does not come once it is lost or let go of.
class MessageBus {
public:
    class Listener {
    public:
        virtual ~Listener() = default;
        virtual void bus_connected() = 0;
        /// The connection broke, or connect() did not make one.
        virtual void bus_lost(const std::string& why) = 0;
        virtual void bus_delivered(BusMessage&& message) = 0;
        /// A pull() is over, and `left` of what it asked for have not come of it (all, if the
        /// server does not say). Not told of one that was fulfilled.
        virtual void bus_pull_ended(std::uint64_t left) = 0;
    };
    template <class T>
    using Done = std::function<void(Result<T>)>;

    virtual ~MessageBus() = default;

    virtual void listen(Listener* listener) = 0;
    /// Tries once. Needs: not connected, no attempt under way.
    virtual void connect() = 0;
    /// Lets go of the connection, or of the attempt. bus_lost() is not told.
    virtual void disconnect() = 0;
    virtual bool connected() const = 0;
    /// Hands over what has come in, and gives up on what waits for too long.
    virtual void poll() = 0;

    virtual void find_stream(const std::string& name, Done<BusStream> done) = 0;
    /// The name of the stream that takes a subject.
    virtual void find_stream_of(const std::string& subject, Done<std::string> done) = 0;
    /// With the server's defaults: file storage, no limits, duplicates found within two minutes.
    virtual void make_stream(const std::string& name, std::vector<std::string> subjects,
                             Done<BusStream> done) = 0;
    /// Not to be asked while there is much to deliver: a server may count that anew for it, and
    /// then again with each delivery (nats-server before 2.9.15).
    virtual void find_consumer(const std::string& stream, const std::string& durable,
                               Done<BusConsumer> done) = 0;
    virtual void make_consumer(BusConsumerSpec spec, Done<BusConsumer> done) = 0;
    /// `not_found` if there is none.
    virtual void drop_consumer(const std::string& stream, const std::string& durable,
                               Done<Ok> done) = 0;

    virtual void publish(BusOutgoing message, Done<BusReceived> done) = 0;

    /// Asks a consumer for `count` more messages, for as long as the server keeps such a request.
    /// Of several a server may serve any, also in turns. Needs a connection.
    virtual void pull(const std::string& stream, const std::string& durable,
                      std::uint64_t count) = 0;
    /// How long a server keeps such a request at most.
    virtual std::chrono::nanoseconds pull_lasts() const = 0;
    /// Listens to what a consumer pushes, until the connection ends.
    virtual void bind(const BusConsumer& consumer) = 0;

    // The answers to a delivery. None is confirmed: one that is lost leads to a redelivery.
    virtual void ack(const std::string& receipt) = 0;
    virtual void nak(const std::string& receipt, std::chrono::nanoseconds delay) = 0;
    virtual void in_progress(const std::string& receipt) = 0;  ///< the ack wait begins anew
    virtual void term(const std::string& receipt) = 0;         ///< never again
};

/// Whether a subject as a consumer or a stream names it (`*` one token, `>` all the rest) takes
/// `subject`.
bool bus_subject_matches(std::string_view pattern, std::string_view subject);

}  // namespace se
