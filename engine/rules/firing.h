#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/rules/rule_set.h"
#include "journal/base/ids.h"

namespace se {

/// One rule that matched one change, with its actions resolved; or that failed, and then it does
/// nothing.
struct Fired {
    std::string rule;
    std::string key = {};            ///< which change, where the record has several
    std::vector<Json> actions = {};  ///< without their ids: those need the record's seq
    std::string warning = {};        ///< why not
    std::string pointer = {};        ///< where in the rule
};

struct FiringLimits {
    std::uint64_t steps = 0;  ///< of one rule: condition and actions together
    std::uint64_t record_steps =
        0;                    ///< of all rules of one record, one at least for each that is asked
    std::uint64_t bytes = 0;  ///< all that one record fires; what does not fit becomes a warning
};

/// Evaluates the rules that `changes` trigger, in order of the changes and then of the rules, on
/// the state as of the record. Reads nothing but its arguments (E1). A rule that fails is a warning
/// and keeps nobody from anything; an Error is a failed read of the state.
Result<std::vector<Fired>> fire(const RuleSet& rules, std::span<const ChangeSeen> changes,
                                StateAsOf& state, const FiringFor& firing,
                                const FiringLimits& limits);

/// Where a record stands: its actions are named by it.
struct RecordPlace {
    std::string store;
    Epoch epoch;
    Seq seq;
};
/// <store>:<epoch>:<seq>:<rule>:<n>, n counting the actions of a record from 0.
std::string action_id(const RecordPlace& place, std::string_view rule, std::uint64_t n);

/// `fired` of a record's body; empty: nothing fired. Without a store the actions have no ids.
/// [{"rule":…,"key"?:…,"actions":[{"id":…,"type":…,…}]}, {"rule":…,"warning":…,"at"?:…}]
std::string fired_text(std::span<const Fired> fired, const RecordPlace& place);

}  // namespace se
