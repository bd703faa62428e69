#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/limits.h"
#include "engine/rules/rule_set.h"
#include "journal/base/json.h"

namespace se {

/// Of the decision semantics; journaled in `config`. 1 knows no rules. 2 has them; what they sent out
/// named the proposal alone as its correlation, kept `annotations` and `candidates` in an enveloped
/// payload, and had an empty `type` as it stood and a number for none. What is loaded is 3; what 2
/// journaled goes on as it was, so that its records are recomputed to the byte (E1), until a policy
/// is loaded.
inline constexpr int kDeciderVersion = 3;

/// What decides besides the state: which keys may be written at all (CONTRACTS 1.3), and what follows.
struct Policy {
    std::vector<std::string> allowed_keys = {"stream.state", "stream.title",       "stream.category",
                                             "obs.scene",    "user.disposition.*", "user.fact.*"};
    Limits limits;
    RuleSetPtr rules = RuleSet::defaults();  ///< never null
    int decider = kDeciderVersion;           ///< that its rules are meant for: 2 or 3

    /// A trailing `*` matches every key with all before it as prefix, else the pattern is the key.
    bool allows(std::string_view key) const;

    /// The body of a `config` record: {"allowedKeys":[…],"decider":3,"limits":{…},"rules":[…]}. And back: what
    /// was journaled without rules has none. Without rules it is as decider 1 wrote it.
    Json to_json() const;
    static Result<Policy> from_json(const Json& json);
    /// First 16 hex digits of sha256 over the canonical text of to_json(): a record's `decided`.
    std::string digest() const;
    bool operator==(const Policy& other) const {
        return allowed_keys == other.allowed_keys && limits == other.limits &&
               rules->source() == other.rules->source() &&
               (rules->empty() || decider == other.decider);
    }
};

}  // namespace se
