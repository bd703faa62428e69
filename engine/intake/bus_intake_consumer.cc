// The durable: found or made, pulled from, its messages kept in hand.

#include <algorithm>
#include <utility>

#include "engine/intake/bus_intake.h"

namespace se {
namespace {

constexpr std::size_t kSearchedPerTurn = 4096;    // records, between two turns of all else
constexpr std::uint64_t kPullMax = 512;           // messages of one request
constexpr std::uint64_t kMessageBytesMin = 1024;  // what a message is taken for at least
constexpr std::chrono::nanoseconds kPullMin = std::chrono::milliseconds(100);
constexpr std::chrono::nanoseconds kPullSlack = std::chrono::seconds(5);  // on its way, at the end
constexpr std::chrono::nanoseconds kLagInterval = std::chrono::seconds(5);

}  // namespace

void BusIntake::bus_up(const BusStream& stream) {
    if ((position_ || search_) && (stream.name != stream_.name || stream.created != stream_.created)) {
        doors_.log.write({Severity::warning,
                          "state-engine.nats.stream_changed",
                          {{"stream", stream.name}, {"created", stream.created}}});
        forget_all();
    }
    see_stream(stream);
    made_here_ = bound_here_ = false;
    if (position_) look_whether_it_went_back(*position_);
    begin();
}

void BusIntake::bus_down() {
    stop_taking();
}

void BusIntake::stop_taking() {
    if (!options_.takeover) {
        // The durable is made anew; what it had delivered cannot be answered any more, and need not
        // be.
        for (auto& [sequence, held] : held_) held.message.receipt.clear();
    }
    asked_ = 0;
    phase_ = Phase::idle;
    ++generation_consumer_;
}

void BusIntake::begin() {
    if (engine_ == nullptr || draining_ || phase_ != Phase::idle) return;
    if (untold_) return tell_went_back();
    // What is in hand of the messages that it lost is decided first: others come under their sequences.
    if (went_back_to_ && !held_.empty()) return;
    went_back_to_.reset();
    if (options_.takeover) return take_over();
    if (position_) return make_own();
    if (!search_)
        search_.emplace(engine_->files(), engine_->paths(), stream_.name, stream_.created);
    phase_ = Phase::searching;
}

void BusIntake::search_on() {
    const auto found = search_->step(kSearchedPerTurn);
    if (found && !*found) return;
    search_.reset();
    if (!found) return consumer_trouble("the journal cannot be read: " + found.error().text);
    phase_ = Phase::binding;
    // As the stream is now: while the engine was reopened it went on.
    link_.bus().find_stream(
        stream_.name,
        [this, position = **found, generation = generation_consumer_](Result<BusStream> stream) {
            if (generation != generation_consumer_) return;
            if (!stream) return consumer_trouble(stream.error().text);
            const bool same = stream->created == stream_.created;
            see_stream(*stream);
            if (same) return go_on_from(position);
            phase_ = Phase::idle;  // another stream under its name: what is known of that one?
            begin();
        });
}

/// An end that was lost is seen for as long only as the stream has not grown again; what was taken may be known
/// later than that.
void BusIntake::see_stream(const BusStream& stream) {
    if (stream.name != stream_.name || stream.created != stream_.created) lowest_end_.reset();
    lowest_end_ = std::min(lowest_end_.value_or(stream.last), stream.last);
    stream_ = stream;
}

/// A server acknowledges before its own sync, and may have lost what it had: its sequences come again,
/// with other messages. The note tells that to whoever looks for the position later.
void BusIntake::look_whether_it_went_back(BusPosition& position) {
    std::uint64_t taken = position.through;
    if (!position.taken.empty()) taken = std::max(taken, *position.taken.rbegin());
    if (!position.parts.empty()) taken = std::max(taken, position.parts.rbegin()->first);
    SE_ASSERT(lowest_end_.has_value());
    const std::uint64_t last = *lowest_end_;
    if (taken <= last) {
        if (!untold_) lowest_end_.reset();
        return;
    }
    doors_.log.write({Severity::error,
                      "state-engine.nats.stream_went_back",
                      {{"stream", stream_.name},
                       {"last", std::to_string(last)},
                       {"taken", std::to_string(taken)}}});
    untold_ = WentBack{.last = last, .taken = std::max(taken, untold_.value_or(WentBack{}).taken)};
    position.through = std::min(position.through, last);
    position.taken.erase(position.taken.upper_bound(last), position.taken.end());
    position.parts.erase(position.parts.upper_bound(last), position.parts.end());
    position.anew_behind = std::min(position.anew_behind, last);
    went_back_to_ = std::min(went_back_to_.value_or(last), last);
}

/// Nothing is taken before that is durable: what came under those sequences would count as taken.
void BusIntake::tell_went_back() {
    phase_ = Phase::binding;
    // As of now: since that was seen, more may have been settled of what was in hand, and told by its records.
    std::string body;
    JsonObject(body)
        .text("stream", stream_.name)
        .text("created", stream_.created)
        .integer("last", untold_->last)
        .integer("taken", untold_->taken)
        .integer("after", std::min(settled_through(), untold_->last))
        .integer("anewBehind", position_->anew_behind)
        .close();
    engine_->note(std::string(kNoteStreamWentBack), std::move(body), {.principal = "system:nats", .door = "engine"},
                  [this, generation = generation_consumer_](Result<Seq> told) {
                      if (generation != generation_consumer_) return;
                      if (!told) return consumer_trouble("the stream went back, and no note tells it: " + told.error().text);
                      untold_.reset();
                      lowest_end_.reset();
                      phase_ = Phase::idle;
                      begin();
                  });
}

void BusIntake::go_on_from(BusPosition position) {
    look_whether_it_went_back(position);
    position_ = std::move(position);
    phase_ = Phase::idle;
    begin();
}

/// Once over each connection: what the durable before had delivered may come late, under numbers
/// and names of this one's, and then what is between would count as taken. Over another connection
/// it cannot come.
void BusIntake::make_own() {
    if (made_here_) return link_.renew("the durable is made anew");
    made_here_ = true;
    phase_ = Phase::binding;
    start_ = position_->through + 1;
    const auto made = [this, generation = generation_consumer_](Result<BusConsumer> consumer) {
        if (generation != generation_consumer_) return;
        if (!consumer) return consumer_trouble(consumer.error().text);
        delivery_ = 0;
        behind_ = consumer->pending;
        taking();
    };
    const auto make = [this, made, generation = generation_consumer_](Result<Ok> dropped) {
        if (generation != generation_consumer_) return;
        if (!dropped && dropped.error().code != Errc::not_found)
            return consumer_trouble(dropped.error().text);
        link_.bus().make_consumer({.stream = stream_.name,
                                   .durable = durable_,
                                   .filter_subject = link_.subjects().intake(),
                                   .start = start_,
                                   .ack_wait = options_.ack_wait,
                                   .ack_pending_max = options_.in_flight},
                                  made);
    };
    link_.bus().drop_consumer(stream_.name, durable_, make);
}

void BusIntake::take_over() {
    // Bound already, by nobody but us.
    if (bound_here_) return link_.renew("the durable is bound anew");
    phase_ = Phase::binding;
    link_.bus().find_consumer(
        stream_.name, durable_,
        [this, generation = generation_consumer_](Result<BusConsumer> consumer) {
            if (generation != generation_consumer_) return;
            if (!consumer) {
                return consumer_trouble(
                    consumer.error().code == Errc::not_found
                        ? "there is no durable " + durable_ + " on stream " + stream_.name +
                              " to take over; without nats.takeover we have one of our own"
                        : consumer.error().text);
            }
            if (consumer->deliver_subject.empty())
                return consumer_trouble("the durable " + durable_ +
                                        " does not push; only the original's can be taken over");
            if (consumer->bound)
                return consumer_trouble("the durable " + durable_ +
                                        " is bound by another: stop that one first");
            behind_ = consumer->pending;
            link_.bus().bind(*consumer);
            bound_here_ = true;
            taking();
        });
}

void BusIntake::taking() {
    phase_ = Phase::taking;
    lag_at_ = doors_.clock.monotonic() + kLagInterval;
    consumer_backoff_.reset();
    told_.trouble.clear();
    doors_.log.write(
        {Severity::info,
         "state-engine.nats.taking",
         {{"stream", stream_.name},
          {"durable", durable_},
          {"after", position_ ? std::to_string(position_->through) : "its own floor"}}});
    pull_more();
}

void BusIntake::consumer_trouble(const std::string& why) {
    stop_taking();
    consumer_again_ = doors_.clock.monotonic() + consumer_backoff_.next();
    if (std::exchange(told_.trouble, why) == why) return;
    doors_.log.write({Severity::warning,
                      "state-engine.nats.consumer_refused",
                      {{"durable", durable_}, {"error", why}}});
}

// --- what it delivers

void BusIntake::pull_more() {
    if (options_.takeover || draining_ || phase_ != Phase::taking || stalled_) return;
    const auto now = doors_.clock.monotonic();
    if (now < pull_again_) return;
    // Whatever a lost delivery has left open: the server keeps no request that long.
    if (now > pulled_at_ + link_.bus().pull_lasts() + kPullSlack) asked_ = 0;
    const std::uint64_t bytes = held_bytes_ + asked_ * largest_;
    if (held_.size() + asked_ >= options_.in_flight || bytes >= options_.in_flight_bytes) return;
    std::uint64_t room = std::min(options_.in_flight - held_.size() - asked_,
                                  (options_.in_flight_bytes - bytes) / largest_ + 1);
    room = std::min(room, kPullMax);
    // Not one by one: a request of its own for each message would double the traffic.
    if (asked_ > 0 && room < kPullMax / 4) return;
    link_.bus().pull(stream_.name, durable_, room);
    asked_ += room;
    pulled_at_ = now;
}

/// Of what is asked for only the sum is known, and need be: which of the requests a delivery
/// belongs to is the server's choice.
void BusIntake::bus_pull_ended(std::uint64_t left) {
    asked_ -= std::min(asked_, left);
    // A server that ends them at once is not asked without end.
    pull_again_ = std::max(pull_again_, pulled_at_ + kPullMin);
}

void BusIntake::bus_delivered(BusMessage&& message) {
    if (draining_ && options_.takeover) return link_.bus().nak(message.receipt, kGoneBy);
    if (phase_ != Phase::taking || draining_) return;
    if (!options_.takeover && !is_of_this_consumer(message)) return;
    ++told_.messages;
    if (message.deliveries > 1) ++told_.redelivered;
    behind_ = message.behind;
    lag_at_ = doors_.clock.monotonic() + kLagInterval;
    if (!options_.takeover) {
        asked_ -= std::min<std::uint64_t>(asked_, 1);
        if (message.delivery > delivery_ + 1) {
            // Some of it got lost on the way. They would come again later, and out of order.
            ++told_.gaps;
            stop_taking();
            return begin();
        }
        delivery_ = std::max(delivery_, message.delivery);
    }
    hold(std::move(message));
}

/// What the durable delivered before it was made anew may still come. Its numbers are not those of
/// this one: counted in, they would close a gap that something got lost in. This one delivers for
/// the first time only what lies behind all that is taken, each under the next number.
bool BusIntake::is_of_this_consumer(const BusMessage& message) const {
    if (message.sequence < start_) return false;
    if (message.deliveries > 1) return true;
    return message.delivery > delivery_ && message.sequence > position_->through;
}

void BusIntake::hold(BusMessage&& message) {
    const std::uint64_t sequence = message.sequence;
    if (const auto there = held_.find(sequence); there != held_.end()) {
        there->second.message.receipt = std::move(message.receipt);
        return;
    }
    std::vector<bool> answered;
    if (!options_.takeover) {
        if (sequence <= position_->through) return link_.bus().ack(message.receipt);
        position_->through = sequence;
        // Said once: however often it is proposed from here on, its id stays the same.
        message.anew = sequence > position_->anew_behind;
        if (position_->taken.erase(sequence) != 0) return link_.bus().ack(message.receipt);
        // Of a batch that is not whole, what has its record is not proposed again.
        if (auto parts = position_->parts.extract(sequence)) answered = std::move(parts.mapped());
    }
    const std::uint64_t bytes = message.payload.size();
    largest_ = std::max({bytes, largest_ - largest_ / 64, kMessageBytesMin});
    held_bytes_ += bytes;
    held_.emplace(sequence, Held{.message = std::move(message),
                                 .answered = std::move(answered),
                                 .lease = doors_.clock.monotonic() + options_.ack_wait / 3});
}

/// What is in hand for long stays ours.
void BusIntake::keep_leases(std::chrono::nanoseconds now) {
    if (now < leases_at_ || !link_.up()) return;
    leases_at_ = now + options_.ack_wait / 6;
    for (auto& [sequence, held] : held_) {
        if (held.lease > now || held.message.receipt.empty()) continue;
        link_.bus().in_progress(held.message.receipt);
        held.lease = now + options_.ack_wait / 3;
    }
}

/// Each delivery says what is behind it; the server is asked only when none has come for a while
/// (MessageBus::find_consumer).
void BusIntake::ask_lag(std::chrono::nanoseconds now) {
    if (now < lag_at_ || !link_.up()) return;
    lag_at_ = now + kLagInterval;
    link_.bus().find_consumer(
        stream_.name, durable_, [this, generation = generation_consumer_](Result<BusConsumer> consumer) {
            if (generation != generation_consumer_) return;
            if (consumer) {
                behind_ = consumer->pending;
            } else if (consumer.error().code == Errc::not_found) {
                // A server says nothing to whoever waits for what a durable delivers when that goes.
                consumer_trouble("the durable " + durable_ + " or its stream is gone");
            }
        });
}

}  // namespace se
