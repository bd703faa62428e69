#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/json.h"
#include "journal/base/result.h"
#include "mcp/registry.h"

namespace se::mcp {

inline constexpr std::string_view kScopeRead = "bit:read";
inline constexpr std::string_view kScopeOperateBit = "bit:operate";

/// What the platform tools (bit.*, CONTRACTS 1.6) are about: the process. Each member is its maker's; one that is not
/// set takes its tools away.
struct Platform {
    /// What a route of the daemon says, as JSON: /healthz, /readyz, /_debug/config. Secrets are redacted there.
    std::function<Result<std::string>(std::string_view route)> document;
    std::string service = "state-engine";
    std::string version;
    std::string profile;  ///< such as daemon
    /// Every setting: {"name","default","meaning","environment"}, as JSON objects.
    std::vector<std::string> settings_json;
    /// debug, info, warn or error; Errc::malformed for anything else.
    std::function<Status(const std::string& level)> set_log_level;
    std::function<std::string()> log_level;
    std::function<void()> drain;                         ///< no more proposals from now on; reads go on
    std::function<void(bool restart)> stop;              ///< behind what is under way
    std::function<void(std::string_view what, const Caller& by)> note;  ///< for the log of the process
};

/// Names of all tools that whoever makes a call can see.
using ToolNames = std::function<std::vector<std::string>(const ToolContext& call)>;

/// In the order of CONTRACTS 1.6. `platform` outlives them. The level that the log has now is the one that log.debug
/// goes back to.
std::vector<Tool> platform_tools(Platform& platform, ToolNames names);

}  // namespace se::mcp
