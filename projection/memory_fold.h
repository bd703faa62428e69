#pragma once

#include <cstring>
#include <map>
#include <unordered_map>
#include <vector>

#include "projection/fold.h"
#include "projection/projection.h"

namespace se {

/// What a reader folds itself: over a snapshot (the gap up to HEAD), or from the first record on.
class MemoryFold {
public:
    /// `below` is what it lies over, if anything: ids that are bound there keep their owner.
    Status fold(const RecordView& record, const Snapshot* below);

    const MemoryState& state() const { return state_; }
    std::optional<Snapshot::Bound> find_identity(const Hash16& key) const;
    /// Ascending; nullptr when there is none.
    const std::vector<Seq>* history(std::string_view key) const;

private:
    struct HashOfHash {
        std::size_t operator()(const Hash16& hash) const {
            std::size_t value = 0;
            std::memcpy(&value, hash.data(), sizeof value);
            return value;
        }
    };

    MemoryState state_;
    std::unordered_map<Hash16, Snapshot::Bound, HashOfHash> bound_;
    std::map<std::string, std::vector<Seq>, std::less<>> history_;
};

}  // namespace se
