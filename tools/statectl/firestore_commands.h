#pragma once

#include "tools/statectl/commands.h"

namespace se::statectl {

void add_firestore(CommandLine& line);  // firestore status diff heal deadletters

}  // namespace se::statectl
