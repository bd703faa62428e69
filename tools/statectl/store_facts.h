#pragma once

#include <optional>
#include <string>
#include <vector>

#include "journal/evidence.h"
#include "journal/head.h"
#include "journal/journal_reader.h"
#include "journal/quarantine.h"
#include "tools/statectl/context.h"
#include "tools/statectl/journal_search.h"

namespace se::statectl {

/// What the files of a store say, read without a lock: for status and doctor.
struct StoreFacts {
    std::string store;
    std::string store_file;              ///< why store.json does not hold; empty: it does
    std::optional<Head> head;
    bool locked = false;                 ///< somebody holds the store: a writer, also one that is opening
    bool head_held = false;              ///< a living writer keeps `head` exact
    std::optional<Opener> opener;        ///< of the last run
    std::optional<Policy> policy;

    // The projection
    bool stamped = false;
    std::uint64_t generation = 0;
    std::string why_not_trusted;         ///< empty: trusted
    std::optional<Cursor> watermark;     ///< of the generation that STAMP names
    std::uint64_t live_keys = 0;         ///< as of that watermark

    std::vector<Parked> quarantine;
    std::optional<std::uint64_t> free_bytes;
    std::uint64_t journal_bytes = 0;
};

Outcome<StoreFacts> store_facts(Context& context);
/// What a projection that can be trusted has seen: evidence that the journal alone may lack (J4).
std::vector<Evidence> projection_evidence(const StoreFacts& facts);

}  // namespace se::statectl
