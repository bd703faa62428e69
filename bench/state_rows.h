#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/rows.h"
#include "bench/store.h"

namespace se::bench {

/// Mean bytes of a record of the work unit, as it stands in the journal of `store`, newlines included.
std::uint64_t record_bytes_of(Store& store);

/// A store of 100k keys, and a bare LMDB with the same keys and bytes.
class RawLmdb;
struct ReadWorld {
    explicit ReadWorld(const std::string& folder);
    ~ReadWorld();
    Store store;
    std::unique_ptr<RawLmdb> raw;
};
void add_read_rows(std::vector<Row>& rows, ReadWorld& world, double scale);

/// Stores of 100, 10k and many keys.
struct SizeWorld {
    SizeWorld(const std::string& folder, std::uint64_t many);
    std::uint64_t many;
    Store tiny, middle, large;
};
void add_size_rows(std::vector<Row>& rows, SizeWorld& world, double scale);

}  // namespace se::bench
