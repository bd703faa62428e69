#pragma once

#include <string>

#include "tools/statectl/context.h"

namespace se::statectl {

struct GenesisOptions {
    std::string folder;
    std::string id;      ///< of the `imported` note
    std::string reason;
    bool force = false;
    bool dry_run = false;
    bool yes = false;
};

/// A first state from a folder of <key>.json files. Each is the key's value; or an entry as `statectl get`
/// prints it, of which value, ttl, metadata and author are taken. A key that the store holds already stays
/// as it is. Ids follow from key and content, so a second run changes nothing.
Outcome<int> genesis(Context& context, const GenesisOptions& options);

}  // namespace se::statectl
