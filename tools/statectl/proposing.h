#pragma once

#include <string>

#include "tools/statectl/commands.h"
#include "tools/statectl/decider.h"

namespace se::statectl {

/// Puts what the flags say into a proposal: id (one is made when none is given, so that a lost answer can
/// be asked for again), reason, actor, ttl, metadata, expectedVersion.
Outcome<Ok> add_flags(Context& context, const WriteFlags& flags, const std::string& default_reason,
                      Json* proposal);

/// What was said: on stdout as data, and what went wrong on stderr too.
void show(Form form, const Told& told);

}  // namespace se::statectl
