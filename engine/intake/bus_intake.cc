#include "engine/intake/bus_intake.h"

#include <algorithm>
#include <utility>

#include "journal/base/canary.h"

namespace se {
namespace {

constexpr std::string_view kDoor = "nats";
constexpr std::string_view kPrincipal = "nats";
constexpr std::chrono::nanoseconds kLookAgain = std::chrono::seconds(1);

/// It was not decided, and may be another time.
bool passes(const Answer& answer) {
    return answer.code == Code::unavailable || answer.code == Code::outcome_unknown ||
           answer.seq == Seq{};
}

}  // namespace

BusIntake::BusIntake(BusLink& link, BusLink::Doors doors, Options options)
    : link_(link),
      doors_(doors),
      options_(std::move(options)),
      largest_(options_.in_flight_bytes / 16 + 1),
      consumer_backoff_({}, doors_.random),
      backoff_(options_.backoff, doors_.random) {
    link_.add(this);
}

void BusIntake::attach(Engine* engine) {
    // Of what was under way nobody knows; the journal does, once it is open again.
    forget_all();
    // What another's durable pushes meanwhile would be nobody's, until its ack wait is over.
    if (bound_here_) link_.renew("the engine is opened anew");
    engine_ = engine;
    if (engine_ != nullptr)
        durable_ = options_.takeover ? options_.durable : "state-engine-" + engine_->store().store;
    if (link_.up()) begin();
}

void BusIntake::drain() {
    draining_ = true;
    if (!options_.takeover || !link_.up()) return;
    // Whoever binds the durable next need not wait for the ack wait to be over. Not at once: it would
    // come back to us.
    for (const auto& [sequence, held] : held_)
        if (held.state == Held::State::waiting) link_.bus().nak(held.message.receipt, kGoneBy);
}

std::chrono::nanoseconds BusIntake::turn() {
    const auto now = doors_.clock.monotonic();
    if (phase_ == Phase::searching) search_on();
    if (phase_ == Phase::idle && link_.up() && now >= consumer_again_) begin();
    submit_waiting(now);
    acknowledge();
    if (phase_ == Phase::taking) {
        keep_leases(now);
        pull_more();
        ask_lag(now);
    }
    if (phase_ == Phase::searching) return std::chrono::nanoseconds(0);
    auto wait = std::min(kLookAgain, options_.ack_wait / 6);
    if (phase_ == Phase::taking && pull_again_ > now) wait = std::min(wait, pull_again_ - now);
    if (stalled_ && under_way_ == 0) wait = std::min(wait, stalled_until_ - now);
    if (phase_ == Phase::idle && link_.up()) wait = std::min(wait, consumer_again_ - now);
    return std::max(wait, std::chrono::nanoseconds(0));
}

void BusIntake::forget_all() {
    ++generation_;
    if (options_.takeover && link_.up())
        for (const auto& [sequence, held] : held_)
            link_.bus().nak(held.message.receipt, kGoneBy);
    stop_taking();
    held_.clear();
    held_bytes_ = 0;
    under_way_ = 0;
    stalled_ = false;
    went_back_to_.reset();
    untold_.reset();
    position_.reset();
    search_.reset();
}

/// All that comes no later than this is settled.
std::uint64_t BusIntake::settled_through() const {
    if (!held_.empty()) return held_.begin()->first - 1;
    return position_ ? position_->through : 0;
}

// --- in

void BusIntake::submit_waiting(std::chrono::nanoseconds now) {
    if (engine_ == nullptr || draining_) return;
    if (stalled_) {
        if (under_way_ > 0 || now < stalled_until_) return;
        stalled_ = false;
        for (auto& [sequence, held] : held_)
            if (held.state == Held::State::failed) held.state = Held::State::waiting;
    }
    // Handing one over may fail there and then.
    for (auto next = held_.begin(); next != held_.end() && !stalled_;) {
        const std::uint64_t sequence = next->first;
        if (next->second.state == Held::State::waiting) submit(sequence, next->second);
        next = held_.upper_bound(sequence);
    }
}

void BusIntake::submit(std::uint64_t sequence, Held& held) {
    BusReading reading =
        read_bus_message(held.message, stream_, link_.subjects(), engine_->policy().limits);
    held.state = Held::State::under_way;
    ++under_way_;
    if (reading.onward) return pass_on(sequence, held, reading);
    // What the journal knew of a message is of one with as many proposals.
    if (held.answered.size() != reading.proposals.size()) held.answered.assign(reading.proposals.size(), false);
    held.unanswered = static_cast<std::size_t>(std::ranges::count(held.answered, false));
    for (std::size_t i = 0; i < reading.proposals.size(); ++i) {
        if (held.answered[i]) continue;
        Caller caller{.principal = std::string(kPrincipal),
                      .door = std::string(kDoor),
                      .trace = reading.trace,
                      .claim = reading.proposals[i].proposal ? "" : reading.claim,
                      .cause = cause_of(std::move(reading.causes[i]), sequence)};
        propose(sequence, i, std::move(reading.proposals[i]), std::move(caller));
        if (stalled_) {
            // What comes behind it in the batch waits with it. The last of them may let go of it.
            std::vector<std::size_t> rest;
            for (std::size_t j = i + 1; j < reading.proposals.size(); ++j)
                if (!held.answered[j]) rest.push_back(j);
            for (const std::size_t j : rest) settled(sequence, j, false);
            return;
        }
    }
}

std::string BusIntake::cause_of(std::string cause, std::uint64_t sequence) const {
    cause.pop_back();
    // Another message comes under its sequence: whoever looks for the position takes it for none.
    if (went_back_to_ && sequence > *went_back_to_) cause += ",\"lost\":true";
    if (options_.takeover) {
        cause += ",\"durable\":";
        append_json_string(cause, durable_);
    } else {
        cause += ",\"after\":";
        append_integer(cause, settled_through());
        if (position_ && position_->anew_behind != UINT64_MAX) {
            cause += ",\"anewBehind\":";
            append_integer(cause, position_->anew_behind);
        }
    }
    return cause + "}";
}

void BusIntake::propose(std::uint64_t sequence, std::size_t index, ParsedProposal&& parsed,
                        Caller&& caller) {
    const auto done = [this, generation = generation_, sequence, index](Answer&& answer) {
        if (generation == generation_) answered(sequence, index, answer);
    };
    if (!parsed.proposal) {
        ++told_.refused;
        return engine_->refuse(std::move(parsed.refusal), std::move(caller), done);
    }
    caller.actor = parsed.proposal->actor;
    engine_->submit(*std::move(parsed.proposal), std::move(caller), done);
}

void BusIntake::pass_on(std::uint64_t sequence, Held& held, BusReading& reading) {
    held.answered.resize(1);
    held.unanswered = 1;
    if (!options_.passes_on) return settled(sequence, 0, true);
    if (!link_.up()) return settled(sequence, 0, false);
    BusOutgoing out{
        .subject = reading.onward->subject,
        .payload = std::move(reading.onward->payload),
        .id = made_id(held.message, stream_) + "/onward"};
    for (const auto& [name, value] : held.message.headers)
        if (!name.starts_with("Nats-")) out.headers.emplace_back(name, value);
    const std::string subject = out.subject;
    link_.bus().publish(std::move(out), [this, generation = generation_, sequence,
                                         subject](Result<BusReceived> got) {
        if (generation != generation_) return;
        if (got) {
            ++told_.onward;
            return settled(sequence, 0, true);
        }
        const std::string why =
            "an event that cannot go on to " + subject + ": " + got.error().text;
        if (got.error().code == Errc::unavailable) return look_for_taker(sequence, subject, why);
        if (got.error().code != Errc::not_found) return refuse_onward(sequence, why);
        // A server that is being stopped says so, too, before it goes: is our own stream still
        // there?
        link_.bus().find_stream(
            stream_.name, [this, generation, sequence, why](Result<BusStream> found) {
                if (generation != generation_) return;
                found ? refuse_onward(sequence, why) : settled(sequence, 0, false);
            });
    });
}

/// Whoever listens without a stream takes an event and says nothing: it would go out again for ever, and
/// nothing behind it would be decided.
void BusIntake::look_for_taker(std::uint64_t sequence, const std::string& subject, const std::string& why) {
    told_.trouble = why;
    if (!link_.up()) return settled(sequence, 0, false);
    link_.bus().find_stream_of(subject, [this, generation = generation_, sequence,
                                         why](Result<std::string> stream) {
        if (generation != generation_) return;
        const bool none = !stream && stream.error().code == Errc::not_found;
        none ? refuse_onward(sequence, why + "; no stream takes it") : settled(sequence, 0, false);
    });
}

void BusIntake::refuse_onward(std::uint64_t sequence, const std::string& why) {
    const auto held = held_.find(sequence);
    if (held == held_.end() || engine_ == nullptr) return settled(sequence, 0, false);
    Refusal refusal{.code = Code::malformed,
                    .message = why,
                    .pointer = "/routing/slip",
                    .id = made_id(held->second.message, stream_)};
    ++told_.refused;
    std::string cause;
    JsonObject(cause)
        .text("type", "message")
        .text("stream", stream_.name)
        .text("created", stream_.created)
        .integer("sequence", sequence)
        .text("topic", link_.subjects().topic(held->second.message.subject))
        .close();
    engine_->refuse(std::move(refusal),
                    {.principal = std::string(kPrincipal),
                     .door = std::string(kDoor),
                     .claim = claim_of(held->second.message),
                     .cause = cause_of(std::move(cause), sequence)},
                    [this, generation = generation_, sequence](Answer&& answer) {
                        if (generation == generation_) answered(sequence, 0, answer);
                    });
}

// --- back

void BusIntake::answered(std::uint64_t sequence, std::size_t index, const Answer& answer) {
    if (passes(answer)) {
        told_.trouble = answer.message.empty() ? std::string(to_text(answer.code)) : answer.message;
        return settled(sequence, index, false);
    }
    if (const auto held = held_.find(sequence); held != held_.end())
        held->second.durable = std::max(held->second.durable, answer.seq);
    settled(sequence, index, true);
}

/// One proposal of a message is back.
void BusIntake::settled(std::uint64_t sequence, std::size_t index, bool good) {
    const auto found = held_.find(sequence);
    if (found == held_.end()) return;
    Held& held = found->second;
    SE_ASSERT(held.unanswered > 0);
    --held.unanswered;
    held.answered[index] = good;
    if (!good && !stalled_) {
        stalled_ = true;
        stalled_until_ = doors_.clock.monotonic() + backoff_.next();
    }
    if (held.unanswered > 0) return;
    --under_way_;
    if (std::ranges::find(held.answered, false) != held.answered.end()) return fail(sequence, held);
    held.state = Held::State::settled;
    if (!stalled_) backoff_.reset();
}

void BusIntake::fail(std::uint64_t sequence, Held& held) {
    ++told_.retried;
    held.state = Held::State::failed;
    // Our own durable has its order from us: what failed stays in hand. With another's the server
    // keeps it, and gives it to whoever is there then.
    if (!options_.takeover) return;
    const auto now = doors_.clock.monotonic();
    if (link_.up())
        link_.bus().nak(held.message.receipt,
                        std::max<std::chrono::nanoseconds>(stalled_until_ - now, {}));
    held_bytes_ -= held.message.payload.size();
    held_.erase(sequence);
}

/// Whatever is settled and durable. A duplicate's record may still be on its way to the disk, and
/// with fsync `never` every answer comes before its sync.
void BusIntake::acknowledge() {
    if (engine_ == nullptr) return;
    const Seq durable = engine_->durable();
    for (auto next = held_.begin(); next != held_.end();) {
        const Held& held = next->second;
        if (held.state != Held::State::settled || held.durable > durable) {
            if (canary(Canary::ack_before_sync) && link_.up() &&
                held.state == Held::State::under_way)
                link_.bus().ack(held.message.receipt);
            ++next;
            continue;
        }
        if (link_.up() && !held.message.receipt.empty()) link_.bus().ack(held.message.receipt);
        ++told_.acknowledged;
        told_.trouble.clear();
        held_bytes_ -= held.message.payload.size();
        next = held_.erase(next);
    }
}

BusIntake::Facts BusIntake::facts() const {
    Facts facts = told_;
    facts.durable = durable_;
    facts.state = engine_ == nullptr           ? "detached"
                  : draining_                  ? "draining"
                  : !link_.up()                ? "waiting"
                  : phase_ == Phase::searching ? "searching"
                  : phase_ == Phase::taking    ? "taking"
                                               : "binding";
    facts.in_hand = held_.size();
    facts.in_hand_bytes = held_bytes_;
    facts.sequence = settled_through();
    facts.lag = behind_ + held_.size();
    return facts;
}

}  // namespace se
