#pragma once

#include <string>
#include <vector>

#include "journal/merkle.h"
#include "projection/projection.h"

namespace se {

/// Two snapshots, walked side by side in key order, a slice at a time: which keys differ, and both
/// state roots.
class Comparison {
public:
    Comparison(Snapshot live, Snapshot rebuilt)
        : live_(std::move(live)), rebuilt_(std::move(rebuilt)) {}

    /// Looks at up to `keys_max` more keys; true when all have been seen.
    Result<bool> step(std::uint64_t keys_max);

    Seq seq() const { return live_.seq(); }
    std::uint64_t keys() const { return keys_; }  ///< of the rebuilt one
    Hash root_live() const { return tree_live_.root(); }
    Hash root_rebuilt() const { return tree_rebuilt_.root(); }
    const std::vector<std::string>& different_keys() const { return different_keys_; }
    /// How many rows `history`, `ids` and `ttl` have, where that differs, and the number of live
    /// keys.
    Result<std::string> different_counts() const;

private:
    void differs(std::string_view key);

    Snapshot live_, rebuilt_;
    std::string after_;  // the last key seen; "" at the start
    std::uint64_t keys_ = 0;
    Frontier tree_live_, tree_rebuilt_;
    std::vector<std::string> different_keys_;
};

}  // namespace se
