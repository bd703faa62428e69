#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/base/log.h"
#include "journal/base/runner.h"
#include "journal/filler.h"
#include "journal/paths.h"

namespace se {

/// What the journal does beside its writes, on the background runner and never in a writer's way: fills
/// the next segment, writes index files, watches the disk's room.
class Upkeep {
public:
    struct Limits {
        std::uint64_t segment_bytes;
        std::uint64_t first_segment_bytes;
        std::uint64_t fill_chunk_bytes;
        std::uint64_t disk_reserve_bytes;
        std::uint64_t align_bytes;
    };

    Upkeep(FileSystem& files, const StorePaths& paths, std::string store, Log& log,
           Runner& background, Limits limits);

    /// Looks at what is there: sizes, index files that are missing, room on the disk.
    Status begin(const std::vector<Seq>& segments, std::chrono::nanoseconds now);

    /// Starts what is due. `used` of `capacity` bytes of the active segment hold records. Returns when it
    /// wants to be called again at the latest.
    std::chrono::nanoseconds tick(std::chrono::nanoseconds now, std::uint64_t used,
                                  std::uint64_t capacity);
    void poll();

    Filler& filler() { return filler_; }
    bool disk_low() const;    ///< less room than the reserve
    bool disk_tight() const;  ///< no room for one more chunk above the reserve
    std::optional<std::uint64_t> disk_free() const { return disk_free_; }
    std::uint64_t segment_bytes() const { return segment_bytes_; }

    /// A roll was planned: the old segment gives back what it did not use, the new one takes over.
    void segment_rolled(std::uint64_t unused, std::uint64_t new_bytes);
    /// It is done: the old one gets its index file, and the next one is filled.
    void segment_closed(Seq old, std::uint64_t new_bytes);
    /// The next segment is twice as large as one of `bytes`, within the limits.
    void want_next(std::uint64_t bytes);

private:
    enum class Job : std::uint8_t { none, fill, index };

    void look_at_disk(std::chrono::nanoseconds now);
    std::chrono::nanoseconds fill_due(std::uint64_t used, std::uint64_t capacity) const;
    void start_index();

    FileSystem& files_;
    StorePaths paths_;
    std::string store_;
    Log& log_;
    Runner& background_;
    Limits limits_;

    Filler filler_;
    std::deque<Seq> unindexed_;
    Job job_ = Job::none;
    std::chrono::nanoseconds now_{};
    std::chrono::nanoseconds last_fill_{};
    std::optional<std::chrono::nanoseconds> last_look_;
    std::optional<std::uint64_t> disk_free_;
    std::uint64_t segment_bytes_ = 0;
};

}  // namespace se
