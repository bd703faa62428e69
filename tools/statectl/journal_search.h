#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "engine/policy/policy.h"
#include "journal/base/json.h"
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

/// What the files may lack behind their newest record after a power cut, until a writer opens the store:
/// said once on stderr, as `get` says it. For commands that read the files themselves and show records up to
/// `last`; to be called before they read. Why, or nothing: up to there all is to be had.
std::optional<std::string> say_if_stale(Context& context, Seq last = Seq{UINT64_MAX});
/// The line of it.
void say_stale(Seq as_of, const std::string& why);
/// `"stale":true,"whyStale"` where there is a why: for answers that are one object.
void add_stale(JsonObject& json, const std::optional<std::string>& why);

/// The policy last journaled; nothing in a store that has none.
Outcome<std::optional<Policy>> policy_in_force(Context& context);

}  // namespace se::statectl
