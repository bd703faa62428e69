#pragma once

#include "projection/lmdb.h"
#include "projection/projection.h"

namespace se {

/// The leaf of one key in a state root: sha256(0x00 ‖ key length (2 bytes LE) ‖ key ‖ encoded
/// entry).
Hash state_leaf(std::string_view key, std::string_view encoded_entry);

/// What a Snapshot is made of.
struct Snapshot::State {
    lmdb::ReadTxn txn;
    Seq seq;
    Epoch epoch;
};

}  // namespace se
