#include "engine/egress/posted_sink.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace se {

void PostedSink::deliver(std::uint64_t ticket, const Message& message) {
    {
        const std::lock_guard lock(mutex_);
        waiting_.push_back({.ticket = ticket, .round = round_, .message = message});
        if (waiting_.size() > 1) return;  // it knows
    }
    wake_peer_();
}

std::vector<Delivery> PostedSink::poll() {
    std::vector<Delivery> outcomes;
    {
        const std::lock_guard lock(mutex_);
        outcomes = std::exchange(outcomes_, {});
    }
    if (std::ranges::find(outcomes, Delivery::Outcome::outage, &Delivery::outcome) !=
        outcomes.end())
        ++round_;
    return outcomes;
}

void PostedSink::turn() {
    std::vector<Posted> posted;
    {
        const std::lock_guard lock(mutex_);
        posted = std::exchange(waiting_, {});
    }
    std::vector<Delivery> outcomes;
    take_outcomes(&outcomes);
    for (const Posted& one : posted) {
        seen_ = one.round;
        if (one.round > broken_) {
            peer_.deliver(one.ticket, one.message);
        } else {
            outcomes.push_back({.ticket = one.ticket,
                                .outcome = Delivery::Outcome::outage,
                                .reason = "one before it was not taken",
                                .tried = false});
        }
    }
    take_outcomes(&outcomes);
    if (outcomes.empty()) return;
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = outcomes_.empty();
        std::ranges::move(outcomes, std::back_inserter(outcomes_));
    }
    if (first) wake_follower_();
}

void PostedSink::take_outcomes(std::vector<Delivery>* outcomes) {
    for (Delivery& one : peer_.poll()) {
        // The follower hears of it later than we: until then what it hands over is of this round.
        if (one.outcome == Delivery::Outcome::outage) broken_ = seen_;
        outcomes->push_back(std::move(one));
    }
}

}  // namespace se
