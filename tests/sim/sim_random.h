#pragma once

#include <cstdint>

#include "journal/base/assert.h"
#include "journal/base/random.h"

namespace se {

/// Chance that follows from its seed alone, on every machine (splitmix64).
class SimRandom final : public Random {
public:
    explicit SimRandom(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        std::uint64_t mixed = state_ += 0x9E3779B97F4A7C15u;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
        return mixed ^ (mixed >> 31);
    }

    /// A number from 0 to `limit` - 1. Needs limit > 0.
    std::uint64_t below(std::uint64_t limit) {
        SE_ASSERT(limit > 0);
        return next() % limit;
    }

    /// Yes in `percent` of a hundred cases.
    bool chance(std::uint64_t percent) { return below(100) < percent; }

    /// A generator whose numbers have nothing to do with ours: so that one more draw in one part of
    /// a simulation does not change all the others.
    SimRandom fork() { return SimRandom(next()); }

    void fill(std::span<std::byte> bytes) override {
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(next() >> 56);
    }

private:
    std::uint64_t state_;
};

}  // namespace se
