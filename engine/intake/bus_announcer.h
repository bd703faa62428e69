#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "engine/intake/bus_link.h"

namespace se {

/// Tells the platform where our MCP door is, each time the bus is there (CONTRACTS 1.5).
class BusAnnouncer final : public BusLink::User {
public:
    struct Options {
        std::string url;    ///< of the door
        /// Of whoever comes through it, as it is now; a secret, and meant for them.
        std::function<std::string()> token;
    };
    BusAnnouncer(BusLink& link, BusLink::Doors doors, Options options);

    void bus_up(const BusStream&) override { announce(); }
    void bus_down() override {}
    /// Once more, with another token; nothing while the bus is away.
    void announce();

    std::uint64_t announced() const { return announced_; }

private:
    BusLink& link_;
    BusLink::Doors doors_;
    const Options options_;
    std::uint64_t announced_ = 0;
};

/// The message that says so.
std::string registration_event(std::string_view url, std::string_view token, Time now);

}  // namespace se
