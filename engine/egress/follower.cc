#include "engine/egress/follower.h"

#include <algorithm>
#include <utility>

#include "journal/base/assert.h"
#include "journal/base/canary.h"

namespace se {
namespace {

using namespace std::chrono_literals;

constexpr int kRecordsPerStep = 1'024;                ///< more are read in the next step
constexpr std::chrono::nanoseconds kLooksAgain = 1s;  ///< at the latest, for what nobody told it of
constexpr std::chrono::nanoseconds kLooksForNote = 20ms;
constexpr std::chrono::nanoseconds kRetryAfterMax =
    1h;  ///< no peer is waited for longer at its word

constexpr std::chrono::nanoseconds kDiskRetryFirst = 100ms;
constexpr std::chrono::nanoseconds kDiskRetryMax = 5s;

}  // namespace

Follower::Follower(Doors doors, StorePaths paths, FollowerOptions options, MessagesOf messages_of,
                   Sink& sink)
    : doors_(std::move(doors)),
      paths_(std::move(paths)),
      options_(std::move(options)),
      messages_of_(std::move(messages_of)),
      sink_(sink),
      file_(doors_.files, paths_, options_.name),
      disk_backoff_({kDiskRetryFirst, kDiskRetryMax}, doors_.random),
      backoff_(options_.backoff, doors_.random),
      breaker_(options_.breaker) {
    told_.name = options_.name;
}

std::chrono::nanoseconds Follower::step() {
    const auto now = doors_.clock.monotonic();
    take_outcomes(now);
    bury_refused(now);
    pass();
    const bool more = (aligned_ || begin(now)) && read_more(now);
    if (mark_ && letters_) hand_over(now);  // what was read, also while no more can be
    // What a sink settles at once makes room for more at once.
    take_outcomes(now);
    bury_refused(now);
    pass();
    save(now);
    return next_step(now, more && has_room());
}

void Follower::restart() {
    reader_.reset();
    letters_.reset();  // somebody may have dropped some meanwhile
    aligned_ = false;
    window_.clear();
    under_way_.clear();
    letters_under_way_.clear();
    waiting_bytes_ = refused_ = 0;
    first_ = handed_ = 0;
    failing_ = false;
    begin_again_ = {};
    if (mark_) read_ = *mark_;
}

Status Follower::close() {
    if (!mark_ || saved_ == *mark_) return Ok{};
    SE_TRY_OK(file_.save(store_, *mark_));
    saved_ = *mark_;
    return Ok{};
}

// --- from the journal

bool Follower::has_room() const {
    return window_.size() < options_.in_flight && waiting_bytes_ < options_.in_flight_bytes;
}

/// True: it stopped, and there may be more to read.
bool Follower::read_more(std::chrono::nanoseconds now) {
    for (int records = 0; records < kRecordsPerStep; ++records) {
        if (!has_room()) {
            look_how_far(now);
            return true;
        }
        const auto record = reader_->next();
        if (!record) {
            // The disk says no, or this is damage that an operator has to mend. What was read is
            // delivered.
            trouble("state-engine.follower.cannot_read", record.error().text);
            reader_.reset();
            aligned_ = false;
            begin_again_ = now + disk_backoff_.next();
            return false;
        }
        // Not when it stands: what it stands before may be what it cannot read.
        if (std::exchange(begun_, false)) {
            disk_backoff_.reset();
            told_.trouble.clear();
        }
        if (*record == nullptr) {
            durable_ = read_.seq;
            return false;
        }
        take(**record);
    }
    return true;
}

/// How much waits behind what it holds: for people, so not all the time.
void Follower::look_how_far(std::chrono::nanoseconds now) {
    if (now < look_again_) return;
    look_again_ = now + kLooksAgain;
    if (const auto durable = reader_->durable()) durable_ = *durable;
}

void Follower::take(const RecordView& record) {
    const Cursor at{record.epoch, record.seq};
    std::vector<Message> messages;
    const Status made = messages_of_(record, store_, &messages);
    if (!made) {
        messages.clear();
        messages.push_back({.id = store_ + ":" + std::to_string(at.epoch.value) + ":" +
                                  std::to_string(at.seq.value) + ":record"});
    }
    if (canary(Canary::message_skipped) && !messages.empty() && at.seq.value % 16 == 0)
        messages.pop_back();
    for (Message& message : messages) {
        message.at = at;
        message.ts = record.ts;
        waiting_bytes_ += message.bytes();
        window_.push_back({.message = std::move(message), .before = read_});
        if (made) continue;
        window_.back().state = Slot::State::refused;
        window_.back().reason = "nothing can be made of its record: " + made.error().text;
        ++refused_;
        ++told_.refused;
    }
    read_ = at;
}

// --- to the peer

bool Follower::may_begin(std::chrono::nanoseconds now) {
    return !failing_ && now >= not_before_ && breaker_.admits(now);
}

void Follower::hand_over(std::chrono::nanoseconds now) {
    hand_over_letters(now);
    for (; handed_ < first_ + window_.size(); ++handed_) {
        Slot& slot = window_[handed_ - first_];
        if (slot.state != Slot::State::waiting) continue;
        if (!may_begin(now)) return;
        slot.state = Slot::State::under_way;
        breaker_.begun();
        under_way_.emplace(++tickets_, handed_);
        sink_.deliver(tickets_, slot.message);
    }
}

void Follower::take_outcomes(std::chrono::nanoseconds now) {
    for (Delivery& delivery : sink_.poll()) {
        if (const auto letter = letters_under_way_.find(delivery.ticket);
            letter != letters_under_way_.end()) {
            const std::string id = std::move(letter->second);
            letters_under_way_.erase(letter);
            take_letter_outcome(id, delivery, now);
            continue;
        }
        const auto found = under_way_.find(delivery.ticket);
        if (found == under_way_.end()) continue;  // from before a restart
        const std::uint64_t number = found->second;
        under_way_.erase(found);
        take_outcome(window_[number - first_], number, delivery, now);
    }
    if (under_way_.empty() && letters_under_way_.empty()) failing_ = false;
}

void Follower::take_outcome(Slot& slot, std::uint64_t number, Delivery& delivery,
                            std::chrono::nanoseconds now) {
    if (delivery.tried) ++slot.attempts;
    switch (delivery.outcome) {
        case Delivery::Outcome::acknowledged:
            meet_peer();
            ++told_.delivered;
            return settle(slot);
        case Delivery::Outcome::refused:
            meet_peer();
            break;
        case Delivery::Outcome::outage:
            ++told_.retried;
            meet_outage(slot.message.id, slot.message.trace, delivery, now);
            if (options_.attempts == 0 || slot.attempts < options_.attempts) {
                slot.state = Slot::State::waiting;
                handed_ = std::min(handed_, number);
                return;
            }
            delivery.reason =
                "given up after " + std::to_string(slot.attempts) + " attempts: " + delivery.reason;
            break;
    }
    slot.state = Slot::State::refused;
    slot.reason = std::move(delivery.reason);
    ++refused_;
    ++told_.refused;
    tell_publish_error(slot.message.id, slot.message.trace, slot.reason);
}

/// It answers, whatever it says.
void Follower::meet_peer() {
    breaker_.succeeded();
    if (failing_) return;
    backoff_.reset();
    if (std::exchange(peer_away_, false)) {
        doors_.log.write(
            {Severity::info, "state-engine.follower.peer_is_back", {{"follower", options_.name}}});
        told_.trouble.clear();
    }
}

/// All that is under way fails together: it counts once.
void Follower::meet_outage(const std::string& id, std::string_view trace, const Delivery& delivery,
                           std::chrono::nanoseconds now) {
    not_before_ = std::max(not_before_, now + std::min(delivery.retry_after, kRetryAfterMax));
    if (std::exchange(failing_, true)) return;
    breaker_.failed(now);
    not_before_ = std::max(not_before_, now + backoff_.next());
    if (!std::exchange(peer_away_, true)) {
        trouble("state-engine.follower.peer_away", delivery.reason);
        tell_publish_error(id, trace, delivery.reason);
    }
    told_.trouble = delivery.reason;
}

/// Of an outage once, however often it is met.
void Follower::tell_publish_error(const std::string& id, std::string_view trace,
                                  const std::string& why) {
    doors_.log.write({Severity::warning,
                      "state-engine.egress.publish_error",
                      {{"follower", options_.name}, {"id", id}, {"error", why}},
                      trace});
}

void Follower::settle(Slot& slot) {
    slot.state = Slot::State::settled;
    waiting_bytes_ -= slot.message.bytes();
    slot.message = {.id = {}, .at = slot.message.at, .ts = slot.message.ts};
    slot.reason = {};
}

/// X3: a refused message lets the watermark pass once its letter is on the disk.
void Follower::bury_refused(std::chrono::nanoseconds now) {
    if (refused_ == 0 || !letters_ || now < bury_again_) return;
    for (Slot& slot : window_) {
        if (slot.state != Slot::State::refused) continue;
        if (letters_->full() && letters_->find(slot.message.id) == nullptr) {
            bury_again_ = now + kLooksAgain;
            return trouble("state-engine.follower.dead_letters_full",
                           "its " + std::to_string(options_.dead_letters) +
                               " dead letters are the most it keeps: retry or drop some");
        }
        const Status added = letters_->add({.id = slot.message.id,
                                            .at = slot.message.at,
                                            .reason = slot.reason,
                                            .ts = doors_.clock.wall(),
                                            .attempts = slot.attempts});
        if (!added) {
            bury_again_ = now + disk_backoff_.next();
            return trouble("state-engine.follower.dead_letter_not_written", added.error().text);
        }
        doors_.log.write(
            {Severity::warning,
             "state-engine.follower.dead_letter",
             {{"follower", options_.name}, {"id", slot.message.id}, {"reason", slot.reason}},
             slot.message.trace});
        settle(slot);
        --refused_;
        if (std::exchange(bury_again_, {}).count() != 0) told_.trouble.clear();
    }
}

void Follower::pass() {
    if (!mark_) return;
    while (!window_.empty() && window_.front().state == Slot::State::settled) {
        window_.pop_front();
        ++first_;
    }
    handed_ = std::max(handed_, first_);
    const bool all = window_.empty() || canary(Canary::watermark_before_ack);
    mark_ = all ? read_ : window_.front().before;
}

void Follower::save(std::chrono::nanoseconds now) {
    if (!mark_ || saved_ == *mark_ || now < save_again_) return;
    save_again_ = now + options_.save_interval;
    const Status saved = file_.save(store_, *mark_);
    if (saved) {
        saved_ = *mark_;
        save_failing_ = false;
    } else if (!std::exchange(save_failing_, true)) {
        trouble("state-engine.follower.watermark_not_kept", saved.error().text);
    }
}

/// Said once, as long as it is the same.
void Follower::trouble(std::string_view what, const std::string& why) {
    if (told_.trouble == why) return;
    doors_.log.write({Severity::error, what, {{"follower", options_.name}, {"error", why}}});
    told_.trouble = why;
}

std::chrono::nanoseconds Follower::next_step(std::chrono::nanoseconds now, bool more) const {
    if (more) return {};
    std::chrono::nanoseconds at = now + kLooksAgain;
    if (!aligned_) at = std::min(at, noting_ ? now + kLooksForNote : begin_again_);
    const bool letters = letters_ && letters_under_way_.empty() && letters_->asked() != 0;
    const bool waits = letters || handed_ < first_ + window_.size();
    if (waits && !failing_ && breaker_.state() != Breaker::State::half_open)
        at = std::min(
            at, std::max({not_before_, letters ? bury_again_ : now, now + breaker_.wait(now)}));
    if (refused_ != 0) at = std::min(at, bury_again_);
    if (mark_ && saved_ != *mark_) at = std::min(at, save_again_);
    return std::max(at - now, std::chrono::nanoseconds{});
}

FollowerStatus Follower::status() const {
    FollowerStatus status = told_;
    status.following = aligned_;
    if (mark_) status.watermark = *mark_;
    measure_lag(status, durable_);
    if (!window_.empty()) {
        const auto age = doors_.clock.wall() - window_.front().message.ts;
        status.lag_seconds = std::max(0.0, std::chrono::duration<double>(age).count());
    }
    if (letters_) {
        status.dead_letters = letters_->size();
        status.damaged_letters = letters_->damaged();
    }
    status.under_way = under_way_.size() + letters_under_way_.size();
    status.breaker = breaker_.state();
    return status;
}

}  // namespace se
