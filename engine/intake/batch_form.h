#pragma once

#include <string>
#include <utility>
#include <vector>

#include "journal/base/json.h"
#include "journal/base/result.h"

namespace se {

/// The documented batch form of CONTRACTS 1.1,
///   {"v":"1","source","correlationId","mutations":[{"type":set|increment|append|delete,"key","value"|"amount"}]}
/// told as a proposal with `ops`. What it then lacks is filled in: `id` from correlationId, `actor`
/// from source, `reason` with a text that names the source.
class BatchForm {
public:
    static bool fits(const Json& root);

    /// Rewrites `root`. Converts no list longer than `ops_max`: whoever reads `ops` next refuses
    /// it.
    Status adopt(Json& root, std::size_t ops_max);

    /// Where the client wrote what now stands at `pointer`.
    std::string original(std::string pointer) const;

private:
    Status adopt_mutation(Json& mutation, std::size_t index);

    std::vector<std::pair<std::string, std::string>> moved_;  // now, before
};

}  // namespace se
