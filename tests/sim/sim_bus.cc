#include "tests/sim/sim_bus.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace se {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kPullExpires = 15s;
constexpr std::chrono::nanoseconds kAnswerWait = 5s;

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

// --- the broker

SimBroker::Stream* SimBroker::find(const std::string& name) {
    const auto found = streams_.find(name);
    return found == streams_.end() ? nullptr : &found->second;
}

SimBroker::Stream* SimBroker::find_of(std::string_view subject) {
    for (auto& [name, stream] : streams_)
        for (const std::string& pattern : stream.info.subjects)
            if (bus_subject_matches(pattern, subject)) return &stream;
    return nullptr;
}

std::uint64_t SimBroker::store(const std::string& subject, std::string payload,
                               BusHeaders headers) {
    Stream* const stream = find_of(subject);
    SE_ASSERT(stream != nullptr);
    const std::uint64_t sequence = ++stream->info.last;
    stream->info.first = 1;
    // No two at the same time, as with the real one.
    const auto now = std::chrono::nanoseconds(clock_.wall().time_since_epoch()).count();
    stored_at_ = std::max(stored_at_ + 1, static_cast<std::uint64_t>(now));
    stream->messages.push_back({.sequence = sequence,
                                .time = stored_at_,
                                .subject = subject,
                                .headers = std::move(headers),
                                .payload = std::move(payload),
                                .id = {}});
    return sequence;
}

std::vector<const SimBroker::Stored*> SimBroker::stored(std::string_view subject) const {
    std::vector<const Stored*> found;
    for (const auto& [name, stream] : streams_)
        for (const Stored& message : stream.messages)
            if (message.subject == subject) found.push_back(&message);
    return found;
}

std::uint64_t SimBroker::floor_of(const Stream& stream, const Consumer& consumer) const {
    if (!consumer.pending.empty()) return consumer.pending.begin()->first - 1;
    std::uint64_t floor = consumer.next - 1;
    while (floor > 0 &&
           !bus_subject_matches(consumer.spec.filter_subject, stream.messages[floor - 1].subject))
        --floor;
    return floor;
}

std::uint64_t SimBroker::waiting_of(const Stream& stream, const Consumer& consumer) const {
    std::uint64_t waiting = 0;
    for (std::uint64_t i = consumer.next; i <= stream.messages.size(); ++i)
        waiting +=
            bus_subject_matches(consumer.spec.filter_subject, stream.messages[i - 1].subject);
    return waiting;
}

BusConsumer SimBroker::info_of(const Stream& stream, const Consumer& consumer) const {
    return {.durable = consumer.spec.durable,
            .filter_subject = consumer.spec.filter_subject,
            .deliver_subject = consumer.spec.deliver_subject,
            .deliver_group = consumer.spec.deliver_group,
            .bound = consumer.bound != nullptr,
            .ack_wait = consumer.spec.ack_wait,
            .ack_floor = floor_of(stream, consumer),
            .ack_pending = consumer.pending.size(),
            .pending = waiting_of(stream, consumer)};
}

void SimBroker::pump() {
    for (auto& [name, stream] : streams_)
        for (auto& [durable, consumer] : stream.consumers) deliver(stream, consumer);
}

void SimBroker::deliver(Stream& stream, Consumer& consumer) {
    const auto now = clock_.monotonic();
    std::erase_if(consumer.pulls, [&](const Consumer::Pull& pull) {
        if (pull.until > now) return false;
        pull.client->arrives(
            {.happen = [client = pull.client,
                        left = pull.left] { client->listener_->bus_pull_ended(left); },
             .give_up = {}},
            false);
        return true;
    });
    for (;;) {
        SimBus* const client = consumer.bound != nullptr ? consumer.bound
                               : !consumer.pulls.empty() ? consumer.pulls.front().client
                                                         : nullptr;
        if (client == nullptr) return;
        // What is due again comes first, as with the real one.
        const auto again = std::ranges::find_if(
            consumer.pending, [&](const auto& one) { return one.second.until <= now; });
        std::uint64_t sequence = 0;
        if (again != consumer.pending.end()) {
            sequence = again->first;
        } else {
            while (consumer.next <= stream.messages.size() &&
                   !bus_subject_matches(consumer.spec.filter_subject,
                                        stream.messages[consumer.next - 1].subject))
                ++consumer.next;
            if (consumer.next > stream.messages.size()) return;
            if (consumer.pending.size() >= consumer.spec.ack_pending_max) return;
            sequence = consumer.next++;
        }
        Consumer::Pending& pending = consumer.pending[sequence];
        pending.until = now + consumer.spec.ack_wait;
        ++pending.deliveries;
        ++consumer.delivered;
        if (consumer.bound == nullptr) {
            // In turns, as the real one.
            Consumer::Pull pull = consumer.pulls.front();
            consumer.pulls.pop_front();
            if (--pull.left > 0) consumer.pulls.push_back(pull);
        }
        const Stored& stored = stream.messages[sequence - 1];
        const BusMessage message{.subject = stored.subject,
                                 .headers = stored.headers,
                                 .payload = stored.payload,
                                 .stream = stream.info.name,
                                 .sequence = sequence,
                                 .time = stored.time,
                                 .delivery = consumer.delivered,
                                 .deliveries = pending.deliveries,
                                 .behind = waiting_of(stream, consumer),
                                 .receipt = stream.info.name + " " + consumer.spec.durable + " " +
                                            std::to_string(sequence)};
        if (random_.chance(faults.lose_delivery)) continue;
        client->deliver(message);
        if (random_.chance(faults.double_delivery)) client->deliver(message);
    }
}

void SimBroker::forget(const SimBus* client) {
    for (auto& [name, stream] : streams_) {
        for (auto& [durable, consumer] : stream.consumers) {
            if (consumer.bound == client) consumer.bound = nullptr;
            std::erase_if(consumer.pulls,
                          [&](const Consumer::Pull& pull) { return pull.client == client; });
        }
    }
}

// --- the connection

SimBus::SimBus(SimBroker& broker) : broker_(broker) {
    broker_.clients_.insert(this);
}

SimBus::~SimBus() {
    broker_.forget(this);
    broker_.clients_.erase(this);
}

void SimBus::arrives(Event event, bool may_be_late) {
    auto at = broker_.clock_.monotonic();
    if (may_be_late && broker_.random_.chance(broker_.faults.delay))
        at += std::chrono::nanoseconds(broker_.random_.below(
            static_cast<std::uint64_t>(broker_.faults.delay_max.count()) + 1));
    events_.emplace(Due{at, ++order_}, std::move(event));
}

void SimBus::deliver(BusMessage message) {
    arrives(
        {.happen = [this, message = std::move(
                              message)]() mutable { listener_->bus_delivered(std::move(message)); },
         .give_up = {}},
        true);
}

void SimBus::connect() {
    SE_ASSERT(!connected_);
    const bool refused = broker_.away || broker_.random_.chance(broker_.faults.refuse_connect);
    arrives({.happen =
                 [this, refused] {
                     if (refused) return listener_->bus_lost("the server is away");
                     connected_ = true;
                     listener_->bus_connected();
                 },
             .give_up = {}},
            true);
}

void SimBus::disconnect() {
    connected_ = false;
    broker_.forget(this);
    for (auto& [due, event] : std::exchange(events_, {})) {
        if (event.mine)
            events_.emplace(due, std::move(event));
        else if (event.give_up)
            arrives({.happen = std::move(event.give_up), .give_up = {}, .mine = true}, false);
    }
}

void SimBus::break_connection(const std::string& why) {
    if (!connected_) return;
    disconnect();
    // Not told when the connection is let go of meanwhile.
    arrives({.happen = [this, why] { listener_->bus_lost(why); }, .give_up = {}}, false);
}

void SimBus::poll() {
    if (connected_ && (broker_.away || broker_.random_.chance(broker_.faults.disconnect)))
        break_connection("the connection broke");
    broker_.pump();
    const auto now = broker_.clock_.monotonic();
    // What comes while these are handed over waits for the next poll().
    std::uint64_t last = order_;
    while (!events_.empty()) {
        const auto first = events_.begin();
        if (first->first.at > now || first->first.order > last) break;
        const Event event = std::move(first->second);
        events_.erase(first);
        event.happen();
    }
}

template <class T>
void SimBus::ask(std::function<Result<T>()> question, Done<T> done) {
    auto give_up = [done] { done(Error{Errc::unavailable, "the connection broke"}); };
    // It breaks before the question is there: neither it nor what is asked behind it arrives.
    if (connected_ && broker_.random_.chance(broker_.faults.disconnect))
        break_connection("the connection broke");
    if (!connected_) return arrives({.happen = give_up, .give_up = give_up, .mine = true}, false);
    if (broker_.random_.chance(broker_.faults.refuse)) {
        return arrives({.happen =
                            [done] {
                                done(Error{Errc::unavailable, "the server is full"});
                            },
                        .give_up = give_up},
                       true);
    }
    auto answer = question();
    if (broker_.random_.chance(broker_.faults.lose_answer)) {
        // It happened, and nobody hears of it.
        events_.emplace(Due{broker_.clock_.monotonic() + kAnswerWait, ++order_},
                        Event{.happen = give_up, .give_up = give_up});
        return;
    }
    arrives({.happen = [done, answer = std::move(answer)] { done(answer); }, .give_up = give_up},
            true);
}

void SimBus::find_stream(const std::string& name, Done<BusStream> done) {
    ask<BusStream>(
        [&]() -> Result<BusStream> {
            const auto* const stream = broker_.find(name);
            if (stream == nullptr) return Error{Errc::not_found, "stream not found"};
            return stream->info;
        },
        std::move(done));
}

void SimBus::find_stream_of(const std::string& subject, Done<std::string> done) {
    ask<std::string>(
        [&]() -> Result<std::string> {
            const auto* const stream = broker_.find_of(subject);
            if (stream == nullptr) return Error{Errc::not_found, "no stream has this subject"};
            return stream->info.name;
        },
        std::move(done));
}

void SimBus::make_stream(const std::string& name, std::vector<std::string> subjects,
                         Done<BusStream> done) {
    ask<BusStream>(
        [&]() -> Result<BusStream> {
            if (const auto* const there = broker_.find(name)) {
                if (there->info.subjects == subjects) return there->info;
                return Error{Errc::malformed, "stream name already in use"};
            }
            BusStream info{.name = name,
                           .subjects = subjects,
                           .created = "made-" + std::to_string(++broker_.streams_made_)};
            return broker_.streams_.emplace(name, SimBroker::Stream{.info = std::move(info)})
                .first->second.info;
        },
        std::move(done));
}

void SimBus::find_consumer(const std::string& stream, const std::string& durable,
                           Done<BusConsumer> done) {
    ++broker_.consumers_asked_for;
    ask<BusConsumer>(
        [&]() -> Result<BusConsumer> {
            auto* const found = broker_.find(stream);
            if (found == nullptr) return Error{Errc::not_found, "stream not found"};
            const auto consumer = found->consumers.find(durable);
            if (consumer == found->consumers.end())
                return Error{Errc::not_found, "consumer not found"};
            return broker_.info_of(*found, consumer->second);
        },
        std::move(done));
}

void SimBus::make_consumer(BusConsumerSpec spec, Done<BusConsumer> done) {
    ask<BusConsumer>(
        [&]() -> Result<BusConsumer> {
            auto* const stream = broker_.find(spec.stream);
            if (stream == nullptr) return Error{Errc::not_found, "stream not found"};
            if (stream->consumers.contains(spec.durable))
                return Error{Errc::malformed, "consumer already exists"};
            auto& consumer = stream->consumers[spec.durable];
            consumer.spec = spec;
            consumer.next = std::max<std::uint64_t>(spec.start, 1);
            return broker_.info_of(*stream, consumer);
        },
        std::move(done));
}

void SimBus::drop_consumer(const std::string& stream, const std::string& durable, Done<Ok> done) {
    ask<Ok>(
        [&]() -> Result<Ok> {
            auto* const found = broker_.find(stream);
            if (found == nullptr || found->consumers.erase(durable) == 0)
                return Error{Errc::not_found, "consumer not found"};
            return Ok{};
        },
        std::move(done));
}

void SimBus::publish(BusOutgoing message, Done<BusReceived> done) {
    ask<BusReceived>(
        [&]() -> Result<BusReceived> {
            if (message.payload.size() > SimBroker::kPayloadMax)
                return Error{Errc::too_large, "maximum payload exceeded"};
            auto* const stream = broker_.find_of(message.subject);
            if (stream == nullptr && message.subject == broker_.plain_subject)
                return Error{Errc::unavailable, "no answer came in time"};
            if (stream == nullptr)
                return Error{Errc::not_found, "no stream takes " + message.subject};
            if (!message.id.empty()) {
                const auto known = stream->ids.find(message.id);
                if (known != stream->ids.end())
                    return BusReceived{stream->info.name, known->second, true};
            }
            const std::uint64_t sequence =
                broker_.store(message.subject, message.payload, message.headers);
            stream->messages.back().id = message.id;
            if (!message.id.empty()) stream->ids[message.id] = sequence;
            return BusReceived{stream->info.name, sequence, false};
        },
        std::move(done));
}

void SimBus::pull(const std::string& stream, const std::string& durable, std::uint64_t count) {
    auto* const found = broker_.find(stream);
    if (connected_ && found != nullptr && found->consumers.contains(durable)) {
        found->consumers[durable].pulls.push_back(
            {this, count, broker_.clock_.monotonic() + kPullExpires});
    }
}

std::chrono::nanoseconds SimBus::pull_lasts() const {
    return kPullExpires;
}

void SimBus::bind(const BusConsumer& consumer) {
    for (auto& [name, stream] : broker_.streams_) {
        const auto found = stream.consumers.find(consumer.durable);
        if (connected_ && found != stream.consumers.end()) found->second.bound = this;
    }
}

SimBus::Place SimBus::find(const std::string& receipt) {
    const std::size_t first = receipt.find(' '), second = receipt.rfind(' ');
    Place place{.stream = broker_.find(receipt.substr(0, first))};
    if (place.stream == nullptr || !connected_) return {};
    const auto found = place.stream->consumers.find(receipt.substr(first + 1, second - first - 1));
    if (found == place.stream->consumers.end()) return {};
    place.consumer = &found->second;
    place.sequence = number(std::string_view(receipt).substr(second + 1));
    return place.consumer->pending.contains(place.sequence) ? place : Place{};
}

bool SimBus::answer_is_lost() {
    return broker_.random_.chance(broker_.faults.lose_answer);
}

void SimBus::ack(const std::string& receipt) {
    const Place place = find(receipt);
    if (place.consumer == nullptr || answer_is_lost()) return;
    place.consumer->pending.erase(place.sequence);
    broker_.acknowledged(place.sequence);
}

void SimBus::term(const std::string& receipt) {
    ack(receipt);
}

void SimBus::nak(const std::string& receipt, std::chrono::nanoseconds delay) {
    const Place place = find(receipt);
    if (place.consumer != nullptr && !answer_is_lost())
        place.consumer->pending[place.sequence].until = broker_.clock_.monotonic() + delay;
}

void SimBus::in_progress(const std::string& receipt) {
    const Place place = find(receipt);
    if (place.consumer != nullptr && !answer_is_lost())
        place.consumer->pending[place.sequence].until =
            broker_.clock_.monotonic() + place.consumer->spec.ack_wait;
}

}  // namespace se
