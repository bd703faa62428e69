#pragma once

#include <string>
#include <vector>

#include "bench/rows.h"

namespace se::bench {

/// A cleanly closed store of `records` records, for what is done to a journal at rest.
struct JournalWorld {
    JournalWorld(const std::string& parent, std::uint64_t count);
    std::string parent, directory;
    std::uint64_t records;
    std::uint64_t bytes = 0;  ///< of all record lines
};
void add_journal_rows(std::vector<Row>& rows, JournalWorld& world, double scale);

}  // namespace se::bench
