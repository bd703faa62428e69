#include "engine/egress/bus_sink.h"

#include <utility>

#include "engine/egress/bus_messages.h"
#include "journal/base/canary.h"

namespace se {

BusSink::BusSink(BusLink& link, EntryBefore entry_before)
    : link_(link), entry_before_(std::move(entry_before)) {
    link_.add(this);
}

void BusSink::deliver(std::uint64_t ticket, const Message& message) {
    if (!link_.up() || broken_) {
        outcomes_.push_back(
            {.ticket = ticket,
             .outcome = Delivery::Outcome::outage,
             .reason = link_.up() ? "one before it was not taken" : "the bus is away",
             .tried = false});
        return;
    }
    BusOutgoing out{.subject = message.topic, .payload = message.body, .id = message.id};
    for (const auto& [name, value] : message.headers) {
        if (name != BusMessages::kConflictKey) {
            out.headers.emplace_back(name, value);
        } else if (const auto current = entry_before_(value, message.at.seq)) {
            out.payload.pop_back();
            out.payload += ",\"current\":" + *current + "}";
        }
    }
    if (!message.trace.empty()) out.headers.emplace_back("traceparent", message.trace);
    if (canary(Canary::puback_not_awaited)) {
        outcomes_.push_back({.ticket = ticket});
        return link_.bus().publish(std::move(out), [](Result<BusReceived>) {});
    }
    link_.bus().publish(
        std::move(out), [this, ticket, type = message.type](Result<BusReceived> received) {
            if (received || received.error().code != Errc::not_found)
                return settle(ticket, type, received);
            // A server that is being stopped says so, too, before it goes: is our own stream still
            // there?
            link_.bus().find_stream(link_.stream().name, [this, ticket, type,
                                                          received](Result<BusStream> found) {
                settle(ticket, type,
                       found ? received
                             : Result<BusReceived>(Error{Errc::unavailable, found.error().text}));
            });
        });
}

void BusSink::settle(std::uint64_t ticket, const std::string& type,
                     const Result<BusReceived>& received) {
    Counts& counts = counts_[type];
    if (received) {
        ++(received->duplicate ? counts.duplicates : counts.acknowledged);
        return outcomes_.push_back({.ticket = ticket});
    }
    const Error& error = received.error();
    const bool passes = error.code == Errc::unavailable;
    ++(passes ? counts.outages : counts.refused);
    if (passes) broken_ = true;
    outcomes_.push_back({.ticket = ticket,
                         .outcome = passes ? Delivery::Outcome::outage : Delivery::Outcome::refused,
                         .reason = error.text});
}

std::vector<Delivery> BusSink::poll() {
    broken_ = false;
    return std::exchange(outcomes_, {});
}

}  // namespace se
