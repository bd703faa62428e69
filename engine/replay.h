#pragma once

#include <optional>
#include <string>

#include "engine/derived.h"
#include "engine/effects.h"
#include "projection/fold.h"

namespace se {

/// Decides what a journal holds once more, record by record, under the policy and on the state of
/// its time, and compares (E1). Left out is what a decision does not come from: notes, and refusals
/// that never took shape, that passed, or that came from who was at the door.
///
/// Also names each record that gives one identity (scope, id and content) a second effect (E2),
/// whatever its kind. One id with several contents is several identities: the bus and imports have
/// such. Memory: the state, and for each id 18 to 28 bytes (Effects).
class Replay {
public:
    /// With `other`, what that policy would have decided and fired, on the states that there were:
    /// derived mutations, which would be others, are left out, and so is E2, which no policy
    /// changes.
    explicit Replay(std::string store, std::optional<Policy> other = {})
        : store_(std::move(store)), other_(std::move(other)) {}

    struct Difference {
        Seq seq;
        std::string what;
        std::string recorded, recomputed;  ///< JSON
    };
    /// Each record in turn, from the first on. Errc::not_found: something before it is gone (a
    /// repair gave it up, or it was erased), so that nothing from here on can be decided again.
    Result<std::optional<Difference>> next(const RecordView& record);
    /// At the end of the journal of a store that nobody writes: what should have followed and did
    /// not.
    std::size_t pending() const { return pending_.size(); }

    struct Counts {
        std::uint64_t records = 0, decided = 0, fired = 0, derived = 0;
    };
    const Counts& counts() const { return counts_; }

private:
    Result<std::optional<Difference>> take_config(const RecordView& record);
    Result<std::optional<Difference>> take_decision(const RecordView& record);
    std::optional<Difference> second_effect(const RecordView& record);

    std::string store_;
    std::optional<Policy> other_;
    Policy policy_;
    MemoryState state_;
    PendingDerived pending_;
    Effects effects_;
    Seq expected_{1};
    Counts counts_;
};

}  // namespace se
