#pragma once

#include "mcp/registry.h"
#include "mcp/state_door.h"

namespace se::mcp {

// The tools of the state, one maker each; `door` outlives what they make.

Tool get_state_tool(StateDoor& door);         // reading.cc
Tool get_state_prefix_tool(StateDoor& door);
Tool list_prefixes_tool(StateDoor& door);
Tool propose_mutation_tool(StateDoor& door);  // proposing.cc
Tool get_history_tool(StateDoor& door);       // history.cc
Tool explain_tool(StateDoor& door);           // explaining.cc
Tool changes_since_tool(StateDoor& door);     // changes.cc

// Limits of the tools, each with what happens at it.
inline constexpr std::size_t kKeysOfACall = 1024;          ///< in get_state; more: refused
inline constexpr std::size_t kEntriesShown = 1000;         ///< a page of get_state_prefix unless asked otherwise
inline constexpr std::size_t kEntriesShownMax = 10'000;    ///< more: refused
inline constexpr std::size_t kBytesShown = 1u << 20;       ///< an answer ends early and says where to go on
inline constexpr std::size_t kWholeBytesShown = 4u << 20;  ///< of an answer that may not end early; more: refused
inline constexpr std::size_t kHistoryShown = 20;           ///< unless asked otherwise
inline constexpr std::size_t kHistoryShownMax = 500;       ///< more: refused
inline constexpr std::size_t kChangesShown = 100;          ///< records of one changes_since; likewise
inline constexpr std::size_t kChangesShownMax = 1000;
inline constexpr std::size_t kKeysCounted = 100'000;       ///< by list_prefixes; more: it says that it stopped
inline constexpr std::size_t kCausesShown = 32;            ///< records of one explanation; likewise
inline constexpr std::size_t kCauseDepth = 8;              ///< likewise
inline constexpr std::size_t kVersionsSearched = 10'000;   ///< back for an old version; further: not found

inline constexpr std::string_view kReads =
    R"({"readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,"openWorldHint":false})";

}  // namespace se::mcp
