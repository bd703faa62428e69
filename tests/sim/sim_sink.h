#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/egress/sink.h"

namespace se::sim {

/// A peer and the way to it. What is handed over waits until serve() lets some of it get there;
/// what happens then, `fate` says. It keeps what Sink promises.
class SimSink final : public Sink {
public:
    enum class Fate : std::uint8_t {
        acknowledged,
        refused,
        lost,         ///< an outage on the way there
        answer_lost,  ///< an outage on the way back: the peer has it
    };
    struct Received {
        std::string id;
        Cursor at;
        std::string body;
        bool acknowledged = false;

        bool operator==(const Received&) const = default;
    };

    std::function<Fate(const Message&)> fate = [](const Message&) { return Fate::acknowledged; };
    std::chrono::nanoseconds retry_after{};  ///< asked for with each outage
    std::vector<Received> received;          ///< in the order in which it got there
    std::vector<std::string> refused;        ///< ids, likewise

    void deliver(std::uint64_t ticket, const Message& message) override {
        queue_.emplace_back(ticket, message);
    }
    std::vector<Delivery> poll() override { return std::exchange(outcomes_, {}); }

    std::size_t waiting() const { return queue_.size(); }
    const Message& next() const { return queue_.front().second; }

    /// So many of those that wait meet their fate. After an outage nothing waits any more.
    void serve(std::size_t count = SIZE_MAX) {
        for (; count > 0 && !queue_.empty(); --count) {
            const auto [ticket, message] = std::move(queue_.front());
            queue_.pop_front();
            const Fate now = fate(message);
            if (now == Fate::refused) {
                refused.push_back(message.id);
                outcomes_.push_back({ticket, Delivery::Outcome::refused, "the peer says no"});
                continue;
            }
            if (now != Fate::lost)
                received.push_back(
                    {message.id, message.at, message.body, now == Fate::acknowledged});
            if (now == Fate::acknowledged) {
                outcomes_.push_back({ticket, Delivery::Outcome::acknowledged});
                continue;
            }
            fail(ticket, true);
            for (const auto& [behind, unused] : std::exchange(queue_, {})) fail(behind, false);
        }
    }
    /// The process on our side dies: its outcomes are lost, and what waits never gets there.
    void forget() {
        queue_.clear();
        outcomes_.clear();
    }

private:
    void fail(std::uint64_t ticket, bool tried) {
        outcomes_.push_back(
            {ticket, Delivery::Outcome::outage, "the peer is away", retry_after, tried});
    }

    std::deque<std::pair<std::uint64_t, Message>> queue_;
    std::vector<Delivery> outcomes_;
};

}  // namespace se::sim
