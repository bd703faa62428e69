#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/egress/backoff.h"
#include "engine/egress/breaker.h"
#include "engine/intake/bus_reading.h"
#include "engine/intake/message_bus.h"
#include "journal/base/clock.h"
#include "journal/base/log.h"
#include "journal/base/random.h"

namespace se {

/// Keeps a bus connected, and finds the stream on it that takes our mutations, or makes it. All
/// that uses the bus is told when it can, and when it no longer can.
class BusLink final : public MessageBus::Listener {
public:
    struct Options {
        BusSubjects subjects;
        std::string stream = "BITBRAT";
        Backoff::Options backoff;
        /// A connection is tried alone: one that stands closes it.
        Breaker::Options breaker = {.open = std::chrono::seconds(30), .trials = 1};
    };
    /// Somebody who uses it. Nothing in here may take the link away.
    class User {
    public:
        virtual ~User() = default;
        virtual void bus_up(const BusStream& stream) = 0;
        virtual void bus_down() = 0;  ///< only after bus_up()
        virtual void bus_delivered(BusMessage&&) {}
        virtual void bus_pull_ended(std::uint64_t /*left*/) {}
    };
    struct Doors {
        MessageBus& bus;
        Clock& clock;
        Random& random;
        Log& log;
    };

    BusLink(Doors doors, Options options);

    void add(User* user) { users_.push_back(user); }
    /// Takes what has come in, and tries again when it is time. Returns when to call again at the
    /// latest.
    std::chrono::nanoseconds turn();
    /// Lets go of the connection for another one: what this one may still bring cannot be told from
    /// what is wanted. Nothing when it is not up.
    void renew(const std::string& why);
    /// Lets go of the bus for good.
    void close();

    bool up() const { return phase_ == Phase::up; }
    const BusStream& stream() const { return stream_; }  ///< needs up()
    const BusSubjects& subjects() const { return options_.subjects; }
    MessageBus& bus() { return doors_.bus; }

    struct Facts {
        bool connected = false, up = false;
        std::string trouble;  ///< why it is not up; empty: no attempt has failed yet
        Breaker::State breaker = Breaker::State::closed;
        std::uint64_t connects = 0, losses = 0;
    };
    Facts facts() const;

private:
    enum class Phase : std::uint8_t { waiting, connecting, searching, up, closed };

    void bus_connected() override;
    void bus_lost(const std::string& why) override;
    void bus_delivered(BusMessage&& message) override;
    void bus_pull_ended(std::uint64_t left) override;

    void search();
    void search_by_subject();
    void make_stream();
    void take(const BusStream& stream);
    void fail(const std::string& why);
    bool current(std::uint64_t attempt) const {
        return attempt == attempt_ && phase_ == Phase::searching;
    }

    Doors doors_;
    const Options options_;
    Backoff backoff_;
    Breaker breaker_;
    std::vector<User*> users_;
    Phase phase_ = Phase::waiting;
    std::uint64_t attempt_ = 0;
    std::chrono::nanoseconds again_at_{0};
    BusStream stream_;
    std::string trouble_;
    std::uint64_t connects_ = 0, losses_ = 0;
};

}  // namespace se
