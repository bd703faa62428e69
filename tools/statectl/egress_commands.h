#pragma once

#include "tools/statectl/commands.h"

namespace se::statectl {

void add_egress(CommandLine& line);  // egress status deadletters

}  // namespace se::statectl
