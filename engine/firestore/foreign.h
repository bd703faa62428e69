#pragma once

#include <string>

#include "journal/base/json.h"
#include "journal/base/result.h"

namespace se::firestore {

/// A document of another engine (CONTRACTS 1.1, 1.8), as a line of an import (parse_import). `from`
/// says where it was. Errc::malformed: why it is none. Neither keys nor limits are looked at.

/// state/{key}. A value that is absent is null, as the other engine left it for what was deleted.
Result<std::string> import_of_state(const std::string& from, const std::string& id,
                                    const Json& data);

/// mutation_log/{id}. What its client sent is all of it but what the engine added. A document of
/// ours (with `seq` and `epoch`) is understood as well.
Result<std::string> import_of_mutation(const std::string& from, const std::string& id,
                                       const Json& data);

}  // namespace se::firestore
