#pragma once

#include <memory>
#include <string>

#include "tools/statectl/decider.h"

namespace se::statectl {

/// --force of an import: moves everything of the old store to <data>/parked-<epoch>/, never deletes
/// it, and opens a new one under the same policy unless --config names another. Shows what will go
/// and asks. `holds`: what the new one begins with, for the question. Null: it is a dry run.
/// Whatever stops it halfway is mended by doing it again.
Outcome<std::unique_ptr<Decider>> begin_anew(Context& context, const std::string& command,
                                             const std::string& holds, bool dry_run, bool yes);

}  // namespace se::statectl
