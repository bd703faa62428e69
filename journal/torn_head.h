#pragma once

#include <string>

#include "journal/base/filesystem.h"
#include "journal/base/result.h"

namespace se {

/// Whether a slot of HEAD holds what is neither blank nor a slot: torn by a power cut, or rotten.
/// What it said is gone, and may have been of a newer run than the slot that counts: who reads
/// without a living writer then knows no more which run was the last one. Beside a living writer
/// the answer means nothing.
Result<bool> head_is_torn(FileSystem& files, const std::string& path);

}  // namespace se
