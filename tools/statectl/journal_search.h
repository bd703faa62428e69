#pragma once

#include <functional>
#include <optional>

#include "engine/policy/policy.h"
#include "journal/search.h"
#include "tools/statectl/context.h"

namespace se::statectl {

/// Calls `visit` for every record from `from` on, up to what is durable now, until it says false. Damage
/// is passed by; `on_fault` hears of it. A store.json that does not hold is a Failure, or for
/// `on_store_file` to hear of.
Outcome<Ok> for_each_record(Context& context, Seq from,
                            const std::function<bool(const RecordView&)>& visit,
                            const std::function<void(const Fault&)>& on_fault,
                            const std::function<void(const std::string&)>& on_store_file = {});

/// The policy last journaled; nothing in a store that has none.
Outcome<std::optional<Policy>> policy_in_force(Context& context);

}  // namespace se::statectl
