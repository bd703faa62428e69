#pragma once

#include <cstdint>
#include <string>

namespace se::bench {

/// Records a second when `group` of them, `record_bytes` each, go in one overwrite of preallocated space
/// followed by fdatasync: what the disk itself allows. Runs about `seconds`.
double disk_overwrite(const std::string& folder, std::uint64_t group, std::uint64_t record_bytes,
                      double seconds);

/// Bytes a second that the page cache takes in writes of `chunk` bytes over preallocated space.
double page_cache_write(const std::string& folder, std::uint64_t chunk, std::uint64_t bytes);

}  // namespace se::bench
