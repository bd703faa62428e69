#pragma once

#include <string>

#include "journal/base/filesystem.h"
#include "journal/paths.h"

namespace se {

/// Who opened the store last, by the newest `opened` note: "pid 4711 on host a (state-engine 0.1.0), since …";
/// "another process" when the journal does not say.
std::string describe_holder(FileSystem& files, const StorePaths& paths);

}  // namespace se
