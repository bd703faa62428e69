#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "journal/base/hash.h"
#include "journal/base/ids.h"
#include "journal/base/result.h"

namespace se {

/// The running edge of an RFC 9162 (section 2.1) Merkle tree: enough to go on appending and to tell the
/// root at any moment. Leaves come in as leaf hashes (already prefixed with 0x00 and hashed); nodes
/// are sha256(0x01 ‖ left ‖ right). At most 64 hashes.
class Frontier {
public:
    void append(const Hash& leaf);
    std::uint64_t size() const { return size_; }
    /// The tree's root; of no leaves: sha256 of nothing.
    Hash root() const;

    /// `size` and the hashes of its complete subtrees, largest first, as binary:
    /// 8 bytes little-endian size, then 32 bytes for every bit set in size.
    std::string to_bytes() const;
    static Result<Frontier> from_bytes(std::string_view bytes);

    bool operator==(const Frontier&) const = default;

private:
    std::uint64_t size_ = 0;
    std::vector<Hash> subtrees_;  // complete ones, largest first: one per bit set in size_
};

/// Stands in the tree for a record that was given up (a gap with a `repaired` note): nobody knows its
/// leaf any more. sha256(0x02 ‖ seq as 8 bytes little-endian): 0x00 and 0x01 begin leaves and nodes, so
/// it can be no record's leaf.
Hash lost_leaf(Seq seq);

}  // namespace se
