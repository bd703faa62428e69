#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/egress/follower.h"

namespace se {

/// The outbound followers of a running program, which may live on a thread of their own. Called on
/// the engine's thread.
class FollowersDoor {
public:
    virtual ~FollowersDoor() = default;

    virtual std::vector<FollowerStatus> statuses() const = 0;

    using Job = std::function<Result<std::string>(Follower&)>;
    /// Runs `job` where the follower of that name runs; `done` hears of it on the engine's thread,
    /// once, perhaps before this returns. Errc::not_found: there is none of that name.
    virtual void ask(const std::string& follower, Job job,
                     std::function<void(Result<std::string>)> done) = 0;
};

}  // namespace se
