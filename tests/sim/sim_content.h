#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/sim_random.h"

namespace se {

/// The bytes of one simulated file, twice: as processes see them (the page cache), and as they
/// would be found after a power cut if nothing more of what is unsynced got there.
class SimContent {
public:
    const std::string& live() const { return live_; }
    const std::string& durable() const { return durable_; }

    void write(std::uint64_t offset, std::string_view bytes);
    /// Writes some of the bytes and not others.
    void write_torn(std::uint64_t offset, std::string_view bytes, SimRandom& random);
    void truncate(std::uint64_t size);

    void sync();
    /// Some of what was unsynced gets to the disk. The rest never will, although it can be read as
    /// before and the next sync knows nothing of it.
    void fail_sync(SimRandom& random);

    /// The page cache lets go of what it thinks is on disk; it is read from there again.
    void evict();
    /// Some of what was unsynced is lost. The rest is what the next process finds.
    void cut_power(SimRandom& random);

    /// Damages the disk (and the cache) at one bit.
    void flip_bit(std::uint64_t bit);

private:
    /// A write, or where `truncates`, a new size (which is `offset`).
    struct Change {
        std::uint64_t offset;
        std::string bytes;
        bool truncates = false;
    };

    void apply_unsynced(std::string& content) const;

    std::string live_;
    std::string durable_;
    std::vector<Change> unsynced_;  // in order; live_ is durable_ with these applied, unless lost
};

}  // namespace se
