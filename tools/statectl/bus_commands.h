#pragma once

#include "tools/statectl/commands.h"

namespace se::statectl {

void add_bus(CommandLine& line);  // bus status, shadow diff

}  // namespace se::statectl
