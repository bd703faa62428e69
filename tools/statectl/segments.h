#pragma once

#include <optional>
#include <vector>

#include "journal/head.h"
#include "journal/record.h"
#include "tools/statectl/context.h"

namespace se::statectl {

/// A segment as its first and last lines and the folder tell, without reading what is between.
struct SegmentFacts {
    Seq first, last;                 ///< last 0: no record in it (that can be read)
    Epoch epoch_first, epoch_last;
    std::uint64_t bytes_used = 0;    ///< without the blanks at the end
    std::uint64_t bytes_on_disk = 0;
    bool indexed = false;
    bool active = false;
};
Outcome<std::vector<SegmentFacts>> segment_facts(Context& context);

}  // namespace se::statectl
