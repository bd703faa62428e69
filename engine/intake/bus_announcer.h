#pragma once

#include <string>

#include "engine/intake/bus_link.h"

namespace se {

/// Tells the platform where our MCP door is, each time the bus is there (CONTRACTS 1.5).
class BusAnnouncer final : public BusLink::User {
public:
    struct Options {
        std::string url;    ///< of the door
        std::string token;  ///< of whoever comes through it; a secret, and meant for them
    };
    BusAnnouncer(BusLink& link, BusLink::Doors doors, Options options);

    void bus_up(const BusStream& stream) override;
    void bus_down() override {}

    std::uint64_t announced() const { return announced_; }

private:
    BusLink& link_;
    BusLink::Doors doors_;
    const Options options_;
    std::uint64_t announced_ = 0;
};

/// The message that says so.
std::string registration_event(const BusAnnouncer::Options& options, Time now);

}  // namespace se
