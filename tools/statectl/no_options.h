#pragma once

namespace se::statectl {

/// What a command without flags of its own is handed.
struct NoOptions {};

}  // namespace se::statectl
