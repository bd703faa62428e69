#pragma once

#include <string>

#include "tools/statectl/context.h"

namespace se::statectl {

/// Decides the whole journal again and compares; with a policy file, tells what that one would have
/// decided. Exit code 4 at a difference.
Outcome<int> verify_replay(Context& context, const std::string& policy_file);

}  // namespace se::statectl
