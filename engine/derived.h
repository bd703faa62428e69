#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/decide.h"
#include "journal/record.h"

namespace se {

inline constexpr std::string_view kDerivedDoor = "rules";
inline constexpr std::string_view kDerivedPrincipal = "system:rules";

/// A mutation that a rule asked for, and that has no record of its own yet.
struct Derived {
    Epoch epoch;          ///< of the record that fired it
    Seq seq;              ///< likewise
    std::uint64_t n = 0;  ///< which of that record's actions
    std::string rule, id;
    Json proposal;            ///< as the rule resolved it
    std::uint64_t depth = 1;  ///< 1: fired by what no rule derived
    std::string trace;
    std::string correlation_id;  ///< of the message that it all began with, or empty

    /// {"type":"rule","rule":…,"epoch":…,"seq":…,"n":…,"depth":…,"correlationId"?:…}; with
    /// "end":true what still waited was given up.
    std::string cause(bool end = false) const;
    Caller caller() const;
    /// Shape and limits are checked as of any proposal; a refusal is journaled, too.
    ParsedProposal parsed(const Limits& limits) const;
};

/// Derived mutations on their way, part of the fold (DESIGN 4): decided first in, first out, by
/// (seq, n) of what fired them, all before the next proposal. So what waits always follows from one
/// record that no rule derived, the root, and from the derived records behind it; a recovery reads
/// no further back than that.
class PendingDerived {
public:
    bool empty() const { return waiting_.empty(); }
    std::size_t size() const { return waiting_.size(); }
    const Derived& next() const { return waiting_.front(); }

    /// Why the next one may not even be decided. Empty message: it may.
    struct Over {
        std::string message;
        bool end = false;  ///< over the limit of their number: all others are given up with it
    };
    Over over_limit(const Limits& limits) const;

    /// A record that no rule derived: what it fired waits now. Needs empty().
    void begin(std::span<const Fired> fired, const RecordPlace& place, const std::string& trace);
    /// The record of the next one: it no longer waits, and what it fired does.
    void advance(std::span<const Fired> fired, const RecordPlace& place);
    void clear() { waiting_.clear(); }

    /// The same from a record in the journal. Needs each record since the root in turn, the root
    /// first.
    Status follow(const RecordView& record);

private:
    void add(std::span<const Fired> fired, const RecordPlace& place, std::uint64_t depth,
             const std::string& trace);

    std::deque<Derived> waiting_;
    std::uint64_t count_ = 0;  // derived records since the root
};

/// Whether it decided a proposal or an expiry, and so ended all that had waited before.
bool is_root(const RecordView& record);

/// What would follow from an accepted decision, if it were meant.
struct DerivedPreview {
    /// [{"rule","depth","proposal","status","version"?,"code"?,"message"?,"fired"?},…], or empty:
    /// nothing.
    std::string json;
    std::vector<Decision::Change> changes;  ///< that all of them together would make, in order
};
DerivedPreview preview_derived(const Decision& decision, View& view, const Policy& policy,
                               const std::string& trace, Time now);

}  // namespace se
