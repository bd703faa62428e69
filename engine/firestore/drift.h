#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/firestore/follower.h"

namespace se::firestore {

/// A state document that is not what the journal says.
struct Drift {
    enum class Kind : std::uint8_t {
        missing,  ///< the key has an entry, and no document
        extra,    ///< the other way round
        changed,  ///< the document says something else: somebody else wrote it
        behind,   ///< not yet: the follower has not come so far
    };
    std::string key;
    Kind kind;
    Seq seq;  ///< of the record that made the key what it is; 0: there is none
    std::string what;
};
std::string_view to_text(Drift::Kind kind);

struct DriftReport {
    Seq as_of;                                 ///< the watermark, when the last page was compared
    std::uint64_t entries = 0, documents = 0;  ///< that were looked at
    std::vector<Drift> found;                  ///< in byte order of the keys
    bool more = false;                         ///< there may be more behind the last one
};
/// {"asOf":…,"entries":…,"documents":…,"differences":[{"key","difference","seq","what"}…],"more":…}
std::string to_json(const DriftReport& report);

struct DriftDoors {
    DocumentStore& documents;
    std::string store;  ///< whose documents they have to be
    /// Live entries with that prefix behind `after`, at most `limit`.
    std::function<Result<Follower::StatePage>(const std::string& prefix, const std::string& after,
                                              std::size_t limit)>
        state;
    Follower::EntryDoor entries;
};

/// A sample of the keys instead of all.
struct DriftPart {
    std::string after;                    ///< only keys behind it
    std::uint64_t keys_max = UINT64_MAX;  ///< entries, and documents, that are looked at at most
};

/// Holds the state documents of all keys with that prefix against the state; writes nothing. May be
/// done while the follower writes: what is called missing, extra or changed was so although the
/// watermark had passed the key's record. Ends when it has found `found_max`, or
/// when `part` is over; `more` says that it did not come to the end. Errc::unavailable: a
/// door does not answer, or there are no documents of this store to compare.
Result<DriftReport> find_drift(const DriftDoors& doors, const std::string& prefix,
                               std::size_t found_max, const DriftPart& part = {});

}  // namespace se::firestore
