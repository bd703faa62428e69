#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/ids.h"
#include "journal/base/json.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_value.h"

namespace se::sim {

/// A rule that the simulator understands on its own: its id says all there is to it, so that the
/// model knows from a `config` record what must follow from a change, without a line of
/// engine/rules. Which key sets it off, which one it writes, which other one it reads.
struct SimRule {
    enum class Kind : std::uint8_t {
        copy,      ///< set from → set to: the same value, perhaps with a ttl
        count,     ///< any change of from → increment to
        log,       ///< a change that is no delete → push its version to `to`, and an egress
        look,      ///< any change → set to: what `other` holds as of that record, else 0
        positive,  ///< from is a number > 0 → decrement to
        fork,      ///< increment or merge → increment to, increment other
        gone,      ///< delete, expiries too → set to the old version, only if to is absent
        loop,      ///< any change → increment from itself: goes round until a limit says no
        twice,     ///< likewise, two of them
        bad,       ///< fails whenever it is asked: the key it would write is no text
    };
    static constexpr std::size_t kKinds = 10;

    Kind kind = Kind::copy;
    std::string from, to, other;
    std::uint64_t ttl = 0;  ///< of copy; 0: none

    std::string id() const;    ///< "copy:a:b:c:5"
    std::string json() const;  ///< as an operator would write it: every dialect is among them
    static std::optional<SimRule> from_id(std::string_view id);
};

/// A few of them that do not go round by known keys. `keys`: how many of kKeys clients use.
std::vector<SimRule> some_rules(SimRandom& random, std::uint64_t keys);
std::string rules_json(const std::vector<SimRule>& rules);

/// One accepted change, as a rule sees it.
struct Change {
    std::string key, op;
    std::optional<Value> value, old;  ///< nothing: absent
    std::uint64_t version = 0, old_version = 0;
};

/// A mutation that must follow from a record.
struct Due {
    Seq seq;
    Epoch epoch;
    std::uint64_t n = 0, depth = 0;
    std::string rule, id, reason;
    RequestOp op;
};

/// What a record must have fired, and what must follow from it.
struct Firing {
    Json fired = Json(Json::Array{});
    std::vector<Due> due;
    std::size_t warnings = 0;
};
struct FiringPlace {
    std::string store;
    Epoch epoch;
    Seq seq;
    std::uint64_t depth = 1;  ///< of what follows
};
/// `state` is that behind the record: nothing for a key that is absent.
using StateThen = std::function<std::optional<Value>(const std::string& key)>;
Firing fire(const std::vector<SimRule>& rules, const std::vector<Change>& changes,
            const StateThen& state, const FiringPlace& place);

}  // namespace se::sim
