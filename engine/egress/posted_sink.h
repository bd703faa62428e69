#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "engine/egress/sink.h"

namespace se {

/// A sink whose peer is used on another thread: what the follower hands over waits here until that
/// thread takes it, and what came of it waits for the follower. It keeps a sink's promise (X2) over
/// the distance: what was handed over before the follower has heard of an outage goes no further.
/// What waits here is bounded by what the follower has under way.
class PostedSink final : public Sink {
public:
    /// `peer` is only called from turn(). The wakers are called from the other one's thread, when
    /// there is something for the peer's, or for the follower's.
    PostedSink(Sink& peer, std::function<void()> wake_peer, std::function<void()> wake_follower)
        : peer_(peer), wake_peer_(std::move(wake_peer)), wake_follower_(std::move(wake_follower)) {}

    // --- on the follower's thread
    void deliver(std::uint64_t ticket, const Message& message) override;
    std::vector<Delivery> poll() override;

    /// On the peer's: hands over what waits, and takes what came of what went before.
    void turn();

private:
    struct Posted {
        std::uint64_t ticket = 0;
        std::uint64_t round = 0;
        Message message;
    };
    void take_outcomes(std::vector<Delivery>* outcomes);

    Sink& peer_;
    const std::function<void()> wake_peer_, wake_follower_;

    std::mutex mutex_;  // over these two
    std::vector<Posted> waiting_;
    std::vector<Delivery> outcomes_;

    std::uint64_t round_ = 1;   ///< the follower's: begins anew with each outage that it hears of
    std::uint64_t seen_ = 0;    ///< the peer's: the newest round that came
    std::uint64_t broken_ = 0;  ///< the peer's: rounds up to here met an outage
};

}  // namespace se
