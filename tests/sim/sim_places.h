#pragma once

#include <string>

#include "journal/base/ids.h"
#include "journal/paths.h"

namespace se::sim {

// Where the simulated store is, and how the checks name a record.

inline const StorePaths kPaths{"/data"};

inline std::string text(Seq seq) {
    return std::to_string(seq.value);
}

}  // namespace se::sim
