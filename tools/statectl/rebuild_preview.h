#pragma once

#include <string>
#include <variant>

#include "projection/projection.h"
#include "tools/statectl/context.h"

namespace se::statectl {

/// What a rebuild of a store without a daemon would find, from its files alone: takes no lock and
/// leaves no note. All of the projection against the journal's fold up to its watermark, which it
/// holds in memory (BulkFold); or, where it is not to be trusted and so is nothing to compare with, why not.
Outcome<std::variant<Rebuild::Report, std::string>> preview_rebuild(Context& context);

}  // namespace se::statectl
