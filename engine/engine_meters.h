#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "engine/answer.h"
#include "engine/engine.h"

namespace se {

/// What an engine counts as it goes.
class EngineMeters {
public:
    void accepted() { ++stats_.accepted; }
    void rejected(Code code);
    void duplicate() { ++stats_.duplicates; }
    void refused(Code code);               ///< answered and not journaled
    void unknown() { ++stats_.unknown; }
    void expired() { ++stats_.expired; }
    void group(std::size_t records);
    void synced(std::chrono::nanoseconds took);

    EngineStats stats() const;

private:
    static constexpr std::array<double, 13> kGroupBounds = {1,   2,   4,   8,    16,   32,  64,
                                                            128, 256, 512, 1024, 2048, 4096};
    static constexpr std::array<double, 14> kSyncBounds = {0.0001, 0.0002, 0.0005, 0.001, 0.002,
                                                           0.005,  0.01,   0.02,   0.05,  0.1,
                                                           0.2,    0.5,    1,      5};

    EngineStats stats_;
    std::array<std::uint64_t, 32> by_code_{}, refused_by_code_{};
    std::array<std::uint64_t, kGroupBounds.size()> group_size_{};
    std::array<std::uint64_t, kSyncBounds.size()> sync_seconds_{};
};

}  // namespace se
