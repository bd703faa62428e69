#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/intake/bus_link.h"
#include "engine/intake/bus_position.h"

namespace se {

/// Takes mutations from a stream: each message is decided and journaled, and acknowledged only when
/// its records are durable. What passes is tried again; what can never be a proposal has a record
/// that says so; so nothing vanishes, and what comes twice is applied once.
///
/// By default it has a durable of its own, made anew at each start and after each break from the
/// journal's last settled message on: messages are taken in the order of the stream. It may take
/// over the durable of the original instead, which goes on where that one stopped, in whatever
/// order its server delivers.
class BusIntake final : public BusLink::User {
public:
    struct Options {
        std::string durable;  ///< our own, or the one to take over
        bool takeover = false;
        bool passes_on =
            true;  ///< events go on to where they lead; a shadow leaves that to the original
        std::chrono::nanoseconds ack_wait{std::chrono::seconds{60}};
        std::uint64_t in_flight = 1024;  ///< messages in hand; more wait at the server
        std::uint64_t in_flight_bytes =
            8u << 20;              ///< likewise; what one request brings may go over it
        Backoff::Options backoff;  ///< after passing trouble
    };
    BusIntake(BusLink& link, BusLink::Doors doors, Options options);

    /// This engine decides from now on; null: none does.
    void attach(Engine* engine);
    /// Does what can be done now; called after each step of the engine, and when the link has had
    /// its turn. Returns when to call again at the latest.
    std::chrono::nanoseconds turn();
    /// Takes no more; what is under way is answered.
    void drain();

    struct Facts {
        std::string state;  ///< detached, waiting, searching, binding, taking, draining
        std::string
            trouble;  ///< of the consumer, or the last passing one of the engine; empty: none
        std::string durable;
        std::uint64_t messages = 0, redelivered = 0, gaps = 0, acknowledged = 0, retried = 0,
                      refused = 0, onward = 0;
        std::uint64_t in_hand = 0, in_hand_bytes = 0;
        std::uint64_t sequence = 0;  ///< of the stream, up to which all is settled
        std::uint64_t lag = 0;       ///< messages of the stream behind that, as far as is known
    };
    Facts facts() const;

private:
    enum class Phase : std::uint8_t { idle, searching, binding, taking };
    /// For what is given back to the durable of another: until then we are gone, or ready again.
    static constexpr std::chrono::nanoseconds kGoneBy = std::chrono::seconds(1);
    /// A message in hand.
    struct Held {
        enum class State : std::uint8_t { waiting, under_way, failed, settled };
        BusMessage message;
        State state = State::waiting;
        std::vector<bool> answered = {};    ///< of its proposals, those that are settled
        std::size_t unanswered = 0;         ///< under way
        Seq durable;                        ///< of its records the last
        std::chrono::nanoseconds lease{0};  ///< the server is told before this that it is worked on
    };
    using Messages = std::map<std::uint64_t, Held>;  // by sequence: in order

    void bus_up(const BusStream& stream) override;
    void bus_down() override;
    void bus_delivered(BusMessage&& message) override;
    void bus_pull_ended(std::uint64_t left) override;

    // --- bus_intake_consumer.cc: the durable
    void begin();
    void search_on();
    void see_stream(const BusStream& stream);
    void look_whether_it_went_back(BusPosition& position);
    void tell_went_back();
    void go_on_from(BusPosition position);
    void make_own();
    void take_over();
    void taking();
    void stop_taking();
    void consumer_trouble(const std::string& why);
    void pull_more();
    void keep_leases(std::chrono::nanoseconds now);
    void ask_lag(std::chrono::nanoseconds now);
    bool is_of_this_consumer(const BusMessage& message) const;
    void hold(BusMessage&& message);

    // --- bus_intake.cc: the engine
    void submit_waiting(std::chrono::nanoseconds now);
    void submit(std::uint64_t sequence, Held& held);
    void propose(std::uint64_t sequence, std::size_t index, ParsedProposal&& parsed,
                 Caller&& caller);
    void pass_on(std::uint64_t sequence, Held& held, BusReading& reading);
    void look_for_taker(std::uint64_t sequence, const std::string& subject, const std::string& why);
    void refuse_onward(std::uint64_t sequence, const std::string& why);
    void answered(std::uint64_t sequence, std::size_t index, const Answer& answer);
    void settled(std::uint64_t sequence, std::size_t index, bool good);
    void fail(std::uint64_t sequence, Held& held);
    void acknowledge();
    void forget_all();
    std::uint64_t settled_through() const;
    std::string cause_of(std::string cause, std::uint64_t sequence) const;

    BusLink& link_;
    BusLink::Doors doors_;
    const Options options_;
    std::string durable_;
    Engine* engine_ = nullptr;
    std::uint64_t generation_ = 0;  ///< answers and callbacks of older ones are nobody's
    bool draining_ = false;

    Phase phase_ = Phase::idle;
    BusStream stream_;
    std::optional<BusPositionSearch> search_;
    /// Own durable: `through` is the last message that was in hand; nothing: not known yet.
    std::optional<BusPosition> position_;
    bool made_here_ = false;      ///< our durable was made over this connection
    bool bound_here_ = false;     ///< another's is bound over this connection
    /// The stream ends here anew, and messages that it lost are still in hand.
    std::optional<std::uint64_t> went_back_to_;
    struct WentBack {
        std::uint64_t last = 0, taken = 0;
    };
    std::optional<WentBack> untold_;  ///< until the note about it is durable
    /// The lowest end of the stream that was seen since what was taken was last held against it.
    std::optional<std::uint64_t> lowest_end_;
    std::uint64_t start_ = 0;     ///< stream sequence that our consumer begins with
    std::uint64_t delivery_ = 0;  ///< of the consumer, the last one seen
    std::uint64_t asked_ = 0;       ///< messages that were asked for and have not come
    std::chrono::nanoseconds pulled_at_{0}, pull_again_{0};
    /// Bytes of a message, lately; before the first one so many that not all room is asked for at once.
    std::uint64_t largest_;
    std::uint64_t generation_consumer_ = 0;
    std::chrono::nanoseconds consumer_again_{0};
    Backoff consumer_backoff_;

    Messages held_;
    std::uint64_t held_bytes_ = 0;
    std::uint64_t under_way_ = 0;  ///< messages
    bool stalled_ = false;  ///< something failed: nothing more is handed over until all are back
    std::chrono::nanoseconds stalled_until_{0};
    Backoff backoff_;
    std::chrono::nanoseconds leases_at_{0};

    std::uint64_t behind_ = 0;  ///< not delivered yet, as the server said last
    std::chrono::nanoseconds lag_at_{0};
    Facts told_;
};

}  // namespace se
