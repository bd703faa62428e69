#pragma once

#include <string>

#include "engine/policy/policy.h"
#include "tools/statectl/commands.h"

namespace se::statectl {

/// The policy of a file; with an empty name that of --config, else what the store's journal has.
Outcome<Policy> policy_for_rules(Context& context, const std::string& file);

// Families that share the parent command `rules`.
void add_rule_graph(CommandLine& line, CLI::App* rules);
void add_rule_cases(CommandLine& line, CLI::App* rules);

}  // namespace se::statectl
