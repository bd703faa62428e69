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

#include "engine/intake/message_bus.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_random.h"

namespace se {

class SimBus;

/// How often, in percent, something goes wrong between a bus and its broker.
struct SimBusFaults {
    std::uint64_t lose_delivery = 0;  ///< it comes again when the ack wait is over
    std::uint64_t double_delivery = 0;
    std::uint64_t delay = 0;  ///< of any message either way: by up to `delay_max`
    std::uint64_t lose_answer =
        0;  ///< an ack, a nak, a puback: the other side has it and nobody hears of it
    std::uint64_t refuse = 0;      ///< a publish or a request: unavailable
    std::uint64_t disconnect = 0;  ///< at any call
    std::uint64_t refuse_connect = 0;
    std::chrono::nanoseconds delay_max{std::chrono::milliseconds{50}};
};

/// A JetStream server in memory: streams with duplicate detection, durable consumers with acks,
/// redeliveries and limits. Outlives the daemons that connect to it.
class SimBroker {
public:
    SimBroker(SimClock& clock, std::uint64_t seed) : clock_(clock), random_(seed) {}

    struct Stored {
        std::uint64_t sequence = 0;
        std::uint64_t time = 0;
        std::string subject;
        BusHeaders headers;
        std::string payload;
        std::string id;
    };
    struct Consumer {
        struct Pending {
            std::chrono::nanoseconds until{0};  ///< delivered again then
            std::uint64_t deliveries = 0;
        };
        struct Pull {
            SimBus* client = nullptr;
            std::uint64_t left = 0;
            std::chrono::nanoseconds until{0};
        };
        BusConsumerSpec spec;
        std::uint64_t next = 1;  ///< sequence not looked at yet
        std::uint64_t delivered = 0;
        std::map<std::uint64_t, Pending> pending;
        std::deque<Pull> pulls;
        SimBus* bound = nullptr;
    };
    struct Stream {
        BusStream info;
        std::vector<Stored> messages;
        std::map<std::string, std::uint64_t> ids;
        std::map<std::string, Consumer> consumers;
    };

    /// What a producer does; returns the sequence.
    std::uint64_t store(const std::string& subject, std::string payload, BusHeaders headers = {});
    /// All that is stored under a subject, in order.
    std::vector<const Stored*> stored(std::string_view subject) const;
    Stream* find(const std::string& name);
    Stream* find_of(std::string_view subject);
    bool away = false;  ///< takes no connections, and has none
    std::string plain_subject;  ///< somebody listens to it, without a stream, and answers nothing
    SimBusFaults faults;
    std::function<void(std::uint64_t sequence)> acknowledged = [](std::uint64_t) {};
    std::uint64_t consumers_asked_for = 0;  ///< find_consumer()
    static constexpr std::size_t kPayloadMax = 1u << 20;

private:
    friend class SimBus;
    std::uint64_t waiting_of(const Stream& stream, const Consumer& consumer) const;
    BusConsumer info_of(const Stream& stream, const Consumer& consumer) const;
    /// Delivers what can be delivered now.
    void pump();
    void deliver(Stream& stream, Consumer& consumer);
    std::uint64_t floor_of(const Stream& stream, const Consumer& consumer) const;
    void forget(const SimBus* client);

    SimClock& clock_;
    SimRandom random_;
    std::map<std::string, Stream> streams_;
    std::set<SimBus*> clients_;
    std::uint64_t streams_made_ = 0;
    std::uint64_t stored_at_ = 0;
};

/// A connection to it, with what can go wrong on the way.
class SimBus final : public MessageBus {
public:
    explicit SimBus(SimBroker& broker);
    ~SimBus() override;

    void listen(Listener* listener) override { listener_ = listener; }
    void connect() override;
    void disconnect() override;
    bool connected() const override { return connected_; }
    void poll() override;
    void find_stream(const std::string& name, Done<BusStream> done) override;
    void find_stream_of(const std::string& subject, Done<std::string> done) override;
    void make_stream(const std::string& name, std::vector<std::string> subjects,
                     Done<BusStream> done) override;
    void find_consumer(const std::string& stream, const std::string& durable,
                       Done<BusConsumer> done) override;
    void make_consumer(BusConsumerSpec spec, Done<BusConsumer> done) override;
    void drop_consumer(const std::string& stream, const std::string& durable,
                       Done<Ok> done) override;
    void publish(BusOutgoing message, Done<BusReceived> done) override;
    void pull(const std::string& stream, const std::string& durable, std::uint64_t count) override;
    std::chrono::nanoseconds pull_lasts() const override;
    void bind(const BusConsumer& consumer) override;
    void ack(const std::string& receipt) override;
    void nak(const std::string& receipt, std::chrono::nanoseconds delay) override;
    void in_progress(const std::string& receipt) override;
    void term(const std::string& receipt) override;

    /// The cable is pulled: bus_lost() is told at the next poll().
    void break_connection(const std::string& why);

private:
    friend class SimBroker;
    struct Due {
        std::chrono::nanoseconds at;
        std::uint64_t order;
        bool operator<(const Due& other) const {
            return at != other.at ? at < other.at : order < other.order;
        }
    };
    struct Event {
        std::function<void()> happen;   ///< when it arrives
        std::function<void()> give_up;  ///< instead, when the connection is gone first
        bool mine = false;              ///< not of the connection: stays when that breaks
    };
    struct Place {
        SimBroker::Stream* stream = nullptr;
        SimBroker::Consumer* consumer = nullptr;
        std::uint64_t sequence = 0;
    };

    /// Asks the broker, there and then, and hands the answer over at a later poll().
    template <class T>
    void ask(std::function<Result<T>()> question, Done<T> done);
    void arrives(Event event, bool may_be_late);
    void deliver(BusMessage message);
    bool answer_is_lost();
    Place find(const std::string& receipt);

    SimBroker& broker_;
    Listener* listener_ = nullptr;
    bool connected_ = false;
    std::map<Due, Event> events_;
    std::uint64_t order_ = 0;
};

}  // namespace se
