#pragma once

#include <memory>
#include <string>

#include "mcp/registry.h"
#include "mcp/state_door.h"
#include "mcp/tools/platform_tools.h"
#include "mcp/tools/state_resources.h"

namespace se::mcp {

/// How much is offered. Fewer tools are easier to choose from.
enum class Profile : std::uint8_t {
    state,  ///< the six tools of the state; on the legacy SSE door the platform tools, too (CONTRACTS 1.6)
    full,   ///< and list_prefixes, and the platform tools on all doors
};
std::optional<Profile> profile_from_text(std::string_view text);

/// All that the state offers to models, in a fixed order.
class StateRegistry {
public:
    struct Options {
        std::string version;
        Profile profile = Profile::state;
        Platform platform = {};  ///< its tools show to whom has their scope, where the profile offers them
    };
    /// `door` outlives it.
    StateRegistry(StateDoor& door, Options options);
    StateRegistry(const StateRegistry&) = delete;
    StateRegistry& operator=(const StateRegistry&) = delete;

    Registry& registry() { return registry_; }
    /// The keys that may be written have changed, and with them what the tools say.
    void policy_changed() { registry_.announce.tools_changed(); }

private:
    std::vector<std::string> names_for(const ToolContext& call) const;

    Platform platform_;
    StateResources resources_;
    Registry registry_;
};

std::unique_ptr<StateRegistry> make_state_registry(StateDoor& door, StateRegistry::Options options);

}  // namespace se::mcp
