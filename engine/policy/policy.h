#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/limits.h"
#include "engine/rules/rule_set.h"
#include "journal/base/json.h"

namespace se {

/// Of the decision semantics; journaled in `config`. 1 knows no rules: what has some needs 2.
inline constexpr int kDeciderVersion = 2;

/// What decides besides the state: which keys may be written at all (CONTRACTS 1.3), and what follows.
struct Policy {
    std::vector<std::string> allowed_keys = {"stream.state", "stream.title",       "stream.category",
                                             "obs.scene",    "user.disposition.*", "user.fact.*"};
    Limits limits;
    RuleSetPtr rules = RuleSet::defaults();  ///< never null

    /// A trailing `*` matches every key with all before it as prefix, else the pattern is the key.
    bool allows(std::string_view key) const;

    /// The body of a `config` record: {"allowedKeys":[…],"decider":2,"limits":{…},"rules":[…]}. And back: what
    /// was journaled without rules has none. Without rules it is as decider 1 wrote it.
    Json to_json() const;
    static Result<Policy> from_json(const Json& json);
    /// First 16 hex digits of sha256 over the canonical text of to_json(): a record's `decided`.
    std::string digest() const;
    bool operator==(const Policy& other) const {
        return allowed_keys == other.allowed_keys && limits == other.limits &&
               rules->source() == other.rules->source();
    }
};

}  // namespace se
