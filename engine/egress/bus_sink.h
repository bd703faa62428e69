#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/egress/sink.h"
#include "engine/intake/bus_link.h"

namespace se {

/// The bus as a peer: each message is published under its id and acknowledged by the stream that
/// has it. On the bus's own thread.
class BusSink final : public Sink, public BusLink::User {
public:
    /// The JSON of a key's entry as it stood before a record; nothing: it cannot be told.
    using EntryBefore =
        std::function<std::optional<std::string>(const std::string& key, Seq before)>;
    BusSink(BusLink& link, EntryBefore entry_before);

    void deliver(std::uint64_t ticket, const Message& message) override;
    std::vector<Delivery> poll() override;

    void bus_up(const BusStream&) override {}
    void bus_down() override {}

    bool has_outcomes() const { return !outcomes_.empty(); }

    struct Counts {
        std::uint64_t acknowledged = 0, duplicates = 0, refused = 0, outages = 0;
    };
    /// By the topic without its prefix; those of changes under one.
    const std::map<std::string, Counts>& counts() const { return counts_; }

private:
    void settle(std::uint64_t ticket, const std::string& type, const Result<BusReceived>& received);

    BusLink& link_;
    const EntryBefore entry_before_;
    std::vector<Delivery> outcomes_;
    std::map<std::string, Counts> counts_;
    /// An outage was met: until its outcome was polled nothing more goes out, so that none
    /// overtakes it.
    bool broken_ = false;
};

}  // namespace se
