#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/adapters/nats_bus.h"
#include "engine/adapters/posix_clock.h"

namespace se::test {

/// Somebody else on the bus: a producer, or who looks at what was published. Connects again by
/// itself.
class BusClient final : public MessageBus::Listener {
public:
    explicit BusClient(std::string url)
        : bus_(std::make_unique<NatsBus>(
              NatsBus::Options{
                  .url = std::move(url), .name = "test", .timeout = std::chrono::seconds(2)},
              clock_, [] {})) {
        bus_->listen(this);
        bus_->connect();
    }

    void bus_connected() override {}
    void bus_lost(const std::string&) override {
        again_at_ = clock_.monotonic() + std::chrono::milliseconds(20);
    }
    void bus_delivered(BusMessage&& message) override {
        bus_->ack(message.receipt);
        messages.push_back(std::move(message));
    }
    void bus_pull_ended(std::uint64_t) override {}

    void poll() {
        bus_->poll();
        if (again_at_.count() == 0 || clock_.monotonic() < again_at_) return;
        again_at_ = {};
        bus_->connect();
    }
    MessageBus& bus() { return *bus_; }
    /// Polls until it is so; for a hung program, not for a slow machine.
    void until(const std::function<bool()>& condition,
               std::chrono::seconds patience = std::chrono::seconds(120)) {
        const auto end = clock_.monotonic() + patience;
        while (!condition()) {
            REQUIRE(clock_.monotonic() < end);
            poll();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    template <class T, class Call>
    Result<T> get(Call call) {
        std::optional<Result<T>> got;
        until([&] { return bus_->connected(); });
        call([&](Result<T> answer) { got = std::move(answer); });
        until([&] { return got.has_value(); });
        return *std::move(got);
    }
    /// All that lies under a subject, in the order of the stream.
    std::vector<BusMessage> all(const std::string& stream, const std::string& subject) {
        const std::string durable = "look" + std::to_string(++looks_);
        messages.clear();
        const auto made = get<BusConsumer>([&](auto done) {
            bus_->make_consumer({.stream = stream,
                                 .durable = durable,
                                 .filter_subject = subject,
                                 .ack_pending_max = 1'000'000},
                                done);
        });
        REQUIRE_MESSAGE(made, made.error().text);
        const std::uint64_t count = made->pending;
        for (std::uint64_t asked = 0; asked < count; asked += 1000)
            bus_->pull(stream, durable, std::min<std::uint64_t>(1000, count - asked));
        until([&] { return messages.size() >= count; });
        return std::exchange(messages, {});
    }

    std::vector<BusMessage> messages;

private:
    PosixClock clock_;
    std::unique_ptr<NatsBus> bus_;
    std::chrono::nanoseconds again_at_{0};
    int looks_ = 0;
};

}  // namespace se::test
