#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/answer.h"
#include "engine/intake/proposal.h"
#include "engine/limits.h"
#include "journal/base/json.h"

namespace se {

/// What one op makes of one value, or why it does not.
struct OpOutcome {
    Code code = Code::none;  ///< op_mismatch, absent, value_invalid
    std::string message;
    std::string value;  ///< the post-image, canonical; empty after delete
};

/// `current` is the canonical value that stands, nothing for an absent key: it counts as 0, [] or
/// {}. Integers stay exact and may not overflow; an increment with any other number is one of
/// doubles. A post-image over `value_bytes` is value_invalid, not too_large: that depends on the
/// state, so the answer binds its id. Errc::corruption when `current` is no JSON.
Result<OpOutcome> apply_op(const Op& op, std::optional<std::string_view> current,
                           const Limits& limits);

/// RFC 7396, to the letter.
void merge_patch(Json& target, const Json& patch);

}  // namespace se
