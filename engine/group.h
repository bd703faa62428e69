#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "engine/engine.h"
#include "engine/identity.h"
#include "engine/overlay.h"
#include "projection/fold.h"

namespace se {

/// Something on its way from a door to a decision.
struct Waiting {
    std::variant<Proposal, Refusal, RecordDraft, Policy> what;
    Caller caller;
    Engine::Done done;                       ///< of a proposal or refusal
    std::function<void(Result<Seq>)> told;   ///< of a note or policy
    Why why = {};                            ///< of a policy
    bool named_by_client = true;             ///< a proposal's id: only such a one can come again
    std::uint64_t bytes = 0;                 ///< counted against in_flight_bytes

    const std::string& id() const;
};

/// One record on its way from its decision to the projection.
struct Item {
    Seq seq;
    RecordDraft draft;
    std::string line;                       ///< instead of a draft, for one that an open found
    std::vector<Overlay::Shared> entries;   ///< one a change; accepted only
    std::optional<Identity> identity;       ///< that it binds
    Engine::Done done;
    std::function<void(Result<Seq>)> told;
    std::optional<std::string> current, tombstone;  ///< of a conflict, as of the decision
    std::string pointer;                            ///< of a refusal
    std::uint64_t bytes = 0;                        ///< counted against in_flight_bytes

    /// The record it is. Views into this item, valid as long as it stays where it is.
    Status view(Epoch epoch, RecordView* out) const;
};

/// An answer that has no record, and rests on some that are not durable yet.
struct Unrecorded {
    Engine::Done done;
    Answer answer;
    std::uint64_t bytes = 0;  ///< counted against in_flight_bytes
};

/// Records that share one write and one sync.
struct Group {
    std::deque<Item> items;  // a deque, so that views into an item stay good while more come
    std::vector<Unrecorded> unrecorded;  ///< given behind those of the items
    Position behind;
    std::uint64_t bytes = 0;
    std::uint64_t says_bytes = 0;  ///< of the entries that its answers carry
    std::chrono::nanoseconds submitted{};

    Seq last() const { return items.back().seq; }
};

/// Groups that were submitted, in order, until all three are done with them. Each of the three has
/// passed some of them, from the front.
struct Groups {
    std::deque<Group> waiting;
    std::size_t projected = 0;  ///< LMDB has them
    std::size_t answered = 0;
    std::size_t told = 0;       ///< the feed has them

    /// The record's item; nullptr when it is not here.
    const Item* find(Seq seq) const;
};

/// Identities that LMDB does not know yet. Who comes again meanwhile waits for the first one's outcome.
struct InFlight {
    struct Waiter {
        Engine::Done done;
        std::uint64_t bytes = 0;  ///< counted against in_flight_bytes
    };
    Hash16 content{};
    Seq seq;
    std::vector<Waiter> waiters;
};
using InFlightIdentities = std::unordered_map<Hash16, InFlight, Hash16Hasher>;

}  // namespace se
