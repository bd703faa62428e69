#include <algorithm>
#include <utility>

#include "engine/egress/follower.h"

namespace se {
namespace {

constexpr std::size_t kLettersUnderWayMax = 16;

}  // namespace

/// Those that somebody asked to try once more.
void Follower::hand_over_letters(std::chrono::nanoseconds now) {
    if (letters_->asked() == 0 || now < bury_again_) return;
    for (const DeadLetter* letter : letters_->all()) {
        if (!letter->retry || letters_under_way_.size() >= kLettersUnderWayMax) continue;
        const bool on_its_way = std::ranges::any_of(
            letters_under_way_, [&](const auto& one) { return one.second == letter->id; });
        if (on_its_way || !may_begin(now)) continue;
        const auto message = message_of(*letter);
        if (!message && message.error().code == Errc::io) {
            bury_again_ = now + disk_backoff_.next();
            return trouble("state-engine.follower.cannot_read", message.error().text);
        }
        if (!message) {
            refuse_again(*letter, message.error().text, now);
            return;  // what all() returned is over
        }
        breaker_.begun();
        letters_under_way_.emplace(++tickets_, letter->id);
        sink_.deliver(tickets_, *message);
    }
}

Result<Message> Follower::message_of(const DeadLetter& letter) const {
    SE_TRY(reader, JournalReader::open(doors_.files, paths_));
    SE_TRY(record, reader.at(letter.at.seq));
    if (record->epoch != letter.at.epoch)
        return Error{Errc::not_found, "its record was given up: another one has its seq now"};
    std::vector<Message> messages;
    SE_TRY_OK(messages_of_(*record, store_, &messages));
    const auto found = std::ranges::find(messages, letter.id, &Message::id);
    if (found == messages.end())
        return Error{Errc::not_found, "its record does not hold it any more: it was erased"};
    found->at = letter.at;
    found->ts = record->ts;
    return std::move(*found);
}

void Follower::take_letter_outcome(const std::string& id, Delivery& delivery,
                                   std::chrono::nanoseconds now) {
    const DeadLetter* const letter = letters_->find(id);
    if (delivery.outcome == Delivery::Outcome::outage) {
        ++told_.retried;
        return meet_outage(id, {}, delivery, now);  // and again, when that is over
    }
    meet_peer();
    if (letter == nullptr) return;  // dropped meanwhile
    if (delivery.outcome == Delivery::Outcome::refused) {
        ++told_.refused;
        tell_publish_error(id, {}, delivery.reason);
        return refuse_again(*letter, std::move(delivery.reason), now);
    }
    ++told_.delivered;
    if (const Status removed = letters_->remove(id); !removed) {
        bury_again_ = now + disk_backoff_.next();
        trouble("state-engine.follower.dead_letter_not_written", removed.error().text);
    }
}

void Follower::refuse_again(DeadLetter letter, std::string reason, std::chrono::nanoseconds now) {
    letter.reason = std::move(reason);
    letter.ts = doors_.clock.wall();
    ++letter.attempts;
    if (const Status added = letters_->add(letter); !added) {
        bury_again_ = now + disk_backoff_.next();
        trouble("state-engine.follower.dead_letter_not_written", added.error().text);
    }
}

Status Follower::retry(std::string_view id) {
    if (!letters_) return Error{Errc::unavailable, options_.name + " has not begun yet"};
    return letters_->ask_retry(id);
}

Status Follower::drop(std::string_view id) {
    if (!letters_) return Error{Errc::unavailable, options_.name + " has not begun yet"};
    if (letters_->find(id) == nullptr)
        return Error{Errc::not_found, "no dead letter has the id " + std::string(id)};
    return letters_->remove(id);
}

}  // namespace se
