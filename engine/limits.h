#pragma once

#include <cstdint>
#include <string>

#include "journal/base/json.h"

namespace se {

/// Every limit that a decision reads (INTERFACES "Limits"); journaled in each `config` record, so that a
/// replay decides under the limits of its time. Sizes are bytes. At a limit: refused, `too_large` or
/// `malformed` with a pointer, and the text names the limit and its value.
struct Limits {
    std::uint64_t key_bytes = 256;
    std::uint64_t id_bytes = 512;
    std::uint64_t actor_bytes = 256;
    std::uint64_t reason_bytes = 4u << 10;
    std::uint64_t metadata_bytes = 16u << 10;   ///< canonical text
    std::uint64_t value_bytes = 1u << 20;       ///< canonical text; the post-image counts too
    std::uint64_t ops = 256;                    ///< in one proposal
    std::uint64_t json_depth = 64;
    std::uint64_t basis = 256;                  ///< facts in one basis
    std::uint64_t ttl_seconds = 10ull * 365 * 86400;  ///< at most ten years
    bool ttl_enforce = true;                    ///< engine.ttl: enforce (true) or record (false)
    std::uint64_t expiries_per_step = 256;      ///< more wait for the next step
    std::uint64_t refusals_journaled_per_minute = 600;  ///< per principal: refusals that bind no id
    // What rules may do. Without rules no decision reads them, and the policy does not name them.
    std::uint64_t rule_steps = 10'000;     ///< of one rule; more: it fails, a warning
    std::uint64_t record_rule_steps = 1'000'000;  ///< of all rules of one record; those over it: a warning
    std::uint64_t fired_bytes = 128u << 10;  ///< of one record; rules over it: a warning
    std::uint64_t derived_depth = 8;       ///< of derived mutations by derived ones; deeper: depth_limit
    std::uint64_t derived_count = 64;      ///< behind one proposal; the next: depth_limit, the rest given up

    Json to_json() const;
    static Result<Limits> from_json(const Json& json);
    bool operator==(const Limits&) const = default;
};

}  // namespace se
