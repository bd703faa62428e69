#pragma once

#include "engine/policy/config.h"
#include "tools/daemon_followers.h"

namespace se {

/// The limits of every outbound follower, as the settings have them.
FollowerOptions follower_options(const Settings& settings, std::string name);

/// Adds the followers that publish what rules fire: egress-file and egress-webhook, as far as the
/// settings name a place for them. Errc::malformed says which setting is wrong.
Status check_egress(const Settings& settings);
void add_egress(DaemonFollowers& followers, const Settings& settings, FileSystem& files,
                const Clock& clock);

}  // namespace se
