#pragma once

#include <cstdint>
#include <string>

#include "tools/statectl/context.h"

namespace se::statectl {

struct WatchOptions {
    std::string prefix;
    std::string since;        ///< EPOCH.SEQ; empty: from now
    std::uint64_t count = 0;  ///< 0: for ever
};

/// Shows changes until it is interrupted: from the daemon's feed while one runs, else from the journal's
/// files; goes over from one to the other as daemons come and go.
Outcome<int> watch(Context& context, const WatchOptions& options);

}  // namespace se::statectl
