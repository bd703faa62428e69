#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mcp/tools/words.h"

namespace se::mcp {

/// What a record did to one key, as models read it: {"seq","epoch","at","version","op","value","actor","principal"?,
/// "door"?,"roles"?,"id","reason","cause"?,"claim"?,"trace"?,"erased"?}. Nothing when it did not change the key.
/// Without `with_value` the value is left out.
std::optional<std::string> told_change(const RecordView& record, std::string_view key, bool with_value);

}  // namespace se::mcp
