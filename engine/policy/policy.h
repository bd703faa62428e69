#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/limits.h"
#include "journal/base/json.h"

namespace se {

inline constexpr int kDeciderVersion = 1;  ///< of the decision semantics; journaled in `config`

/// What decides besides the state. For now: which keys may be written at all (CONTRACTS 1.3).
struct Policy {
    std::vector<std::string> allowed_keys = {"stream.state", "stream.title",       "stream.category",
                                             "obs.scene",    "user.disposition.*", "user.fact.*"};
    Limits limits;

    /// A trailing `*` matches every key with all before it as prefix, else the pattern is the key.
    bool allows(std::string_view key) const;

    /// The body of a `config` record: {"allowedKeys":[…],"limits":{…},"decider":1}. And back.
    Json to_json() const;
    static Result<Policy> from_json(const Json& json);
    /// First 16 hex digits of sha256 over the canonical text of to_json(): a record's `decided`.
    std::string digest() const;
    bool operator==(const Policy&) const = default;
};

}  // namespace se
