#pragma once

#include <string>

#include "journal/record.h"
#include "tools/statectl/output.h"

namespace se::statectl {

/// Records as rows: SEQ TIME KIND WHAT ACTOR DETAIL. In json and jsonl they are shown as they stand.
Items record_items(Form form);
/// Records that changed `key`, with the value that each left there.
Items history_items(Form form, std::string key);

}  // namespace se::statectl
