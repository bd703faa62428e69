#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "journal/base/clock.h"
#include "journal/base/filesystem.h"
#include "journal/base/log.h"
#include "journal/base/runner.h"
#include "journal/filler.h"
#include "journal/paths.h"
#include "journal/scrub.h"

namespace se {

/// What the journal does beside its writes, on the background runner and never in a writer's way: fills
/// the next segment, writes index files, watches the disk's room, and when nothing of that is to be done reads
/// what was written long ago once more (J8).
class Upkeep {
public:
    struct Limits {
        std::uint64_t segment_bytes;
        std::uint64_t first_segment_bytes;
        std::uint64_t fill_chunk_bytes;
        std::uint64_t disk_reserve_bytes;
        std::uint64_t align_bytes;
        Scrub::Limits scrub;
    };

    Upkeep(FileSystem& files, const StorePaths& paths, std::string store, Log& log,
           Runner& background, Limits limits);

    /// Looks at what is there: sizes, index files that are missing, room on the disk.
    Status begin(const std::vector<Seq>& segments, std::chrono::nanoseconds now);

    /// Starts what is due. `used` of `capacity` bytes of the active segment hold records. `wall` is told of
    /// the scrub. Returns when it wants to be called again at the latest.
    std::chrono::nanoseconds tick(std::chrono::nanoseconds now, Time wall, std::uint64_t used,
                                  std::uint64_t capacity);
    void poll();

    Filler& filler() { return filler_; }
    bool disk_low() const;    ///< less room than the reserve
    bool disk_tight() const;  ///< no room for one more chunk above the reserve
    std::optional<std::uint64_t> disk_free() const { return disk_free_; }
    std::uint64_t segment_bytes() const { return segment_bytes_; }

    const Scrub& scrub() const { return scrub_; }
    /// Somebody has met this place among the old records: an alarm, once a place.
    void note_damage_below(const Fault& fault);

    /// A roll was planned: the old segment gives back what it did not use, the new one takes over.
    void segment_rolled(std::uint64_t unused, std::uint64_t new_bytes);
    /// It is done: the old one gets its index file, and the next one is filled.
    void segment_closed(Seq old, std::uint64_t new_bytes);
    /// The next segment is twice as large as one of `bytes`, within the limits.
    void want_next(std::uint64_t bytes);

private:
    enum class Job : std::uint8_t { none, fill, index, scrub };

    void look_at_disk(std::chrono::nanoseconds now);
    std::chrono::nanoseconds fill_due(std::uint64_t used, std::uint64_t capacity) const;
    void start_index();
    std::chrono::nanoseconds start_scrub(std::chrono::nanoseconds wait);
    void tell_damage_below();

    FileSystem& files_;
    StorePaths paths_;
    std::string store_;
    Log& log_;
    Runner& background_;
    Limits limits_;

    Filler filler_;
    Scrub scrub_;
    std::deque<Seq> unindexed_;
    Job job_ = Job::none;
    std::chrono::nanoseconds now_{};
    Time wall_{};
    std::chrono::nanoseconds last_fill_{};
    std::optional<std::chrono::nanoseconds> last_look_;
    std::optional<std::uint64_t> disk_free_;
    std::uint64_t segment_bytes_ = 0;
};

}  // namespace se
