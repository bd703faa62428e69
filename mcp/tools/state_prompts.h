#pragma once

#include <vector>

#include "mcp/registry.h"
#include "mcp/state_door.h"

namespace se::mcp {

/// change_state: read, decide, propose, confirm. catch_up: what has happened since a bookmark.
std::vector<Prompt> state_prompts(StateDoor& door);

}  // namespace se::mcp
