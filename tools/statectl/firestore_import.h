#pragma once

#include "tools/statectl/firestore_commands.h"

namespace se::statectl {

void add_firestore_import(CommandLine& line, CLI::App* firestore);  // firestore import

}  // namespace se::statectl
