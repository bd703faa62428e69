#include "journal/upkeep.h"

#include <algorithm>
#include <utility>

#include "journal/index_file.h"

namespace se {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kLookAtDiskEvery = std::chrono::milliseconds{250};
/// Between two chunks, as long as the fill keeps ahead of the use.
constexpr nanoseconds kFillPace = std::chrono::milliseconds{5};

}  // namespace

Upkeep::Upkeep(FileSystem& files, const StorePaths& paths, std::string store, Log& log,
               Runner& background, Limits limits)
    : files_(files),
      paths_(paths),
      store_(std::move(store)),
      log_(log),
      background_(background),
      limits_(limits),
      filler_(files, paths.next(), limits.fill_chunk_bytes),
      scrub_(files, paths, store_, limits.scrub) {}

Status Upkeep::begin(const std::vector<Seq>& segments, nanoseconds now) {
    look_at_disk(now);
    scrub_.begin(now);
    for (const Seq first : segments) {
        SE_TRY(file, files_.open(paths_.segment(first), OpenMode::read));
        SE_TRY(size, file->size());
        segment_bytes_ += size;
        if (first == segments.back()) continue;
        SE_TRY(exists, files_.exists(paths_.index(first)));
        if (!exists) unindexed_.push_back(first);
    }
    return Ok{};
}

void Upkeep::look_at_disk(nanoseconds now) {
    if (last_look_ && now - *last_look_ < kLookAtDiskEvery) return;
    last_look_ = now;
    const auto free = files_.free_space(paths_.root);
    disk_free_ = free ? std::optional(*free) : std::nullopt;
}

bool Upkeep::disk_low() const { return disk_free_ && *disk_free_ < limits_.disk_reserve_bytes; }

bool Upkeep::disk_tight() const {
    return disk_free_ && *disk_free_ < limits_.disk_reserve_bytes + limits_.fill_chunk_bytes;
}

void Upkeep::want_next(std::uint64_t bytes) {
    const std::uint64_t align = std::max<std::uint64_t>(limits_.align_bytes, 1);
    const std::uint64_t next = std::min(
        limits_.segment_bytes, std::max(limits_.first_segment_bytes, 2 * bytes));
    filler_.want((next + align - 1) / align * align);
}

void Upkeep::segment_rolled(std::uint64_t unused, std::uint64_t new_bytes) {
    segment_bytes_ = segment_bytes_ - unused + new_bytes;
}

void Upkeep::segment_closed(Seq old, std::uint64_t new_bytes) {
    unindexed_.push_back(old);
    want_next(new_bytes);
}

/// Nothing while the share that is filled of the next segment stays well ahead of the share that is used
/// of this one.
nanoseconds Upkeep::fill_due(std::uint64_t used, std::uint64_t capacity) const {
    const double filled = static_cast<double>(filler_.filled()) /
                          static_cast<double>(std::max<std::uint64_t>(filler_.wanted(), 1));
    const double taken =
        static_cast<double>(used) / static_cast<double>(std::max<std::uint64_t>(capacity, 1));
    const bool ahead = filled > 2 * taken;
    return ahead ? last_fill_ + kFillPace : nanoseconds{};
}

nanoseconds Upkeep::tick(nanoseconds now, Time wall, std::uint64_t used, std::uint64_t capacity) {
    now_ = now;
    wall_ = wall;
    poll();
    look_at_disk(now);
    if (job_ != Job::none) return kLookAtDiskEvery;  // its end wakes the caller
    nanoseconds wait = kLookAtDiskEvery;
    const auto due = filler_.due();
    bool fill_comes = false;
    if (due && !disk_tight()) {
        const nanoseconds at = std::max(*due, fill_due(used, capacity));
        if (at <= now) {
            job_ = Job::fill;
            last_fill_ = now;
            background_.start(filler_.step());
            return kFillPace;
        }
        wait = std::min(wait, at - now);
        fill_comes = *due <= now;  // else it rests after a failure
    }
    if (!unindexed_.empty()) {
        start_index();
        return wait;
    }
    // A fill is short of a chunk each time, and a writer may wait for it: none of ours gets in between.
    return fill_comes ? wait : start_scrub(wait);
}

nanoseconds Upkeep::start_scrub(nanoseconds wait) {
    const auto due = scrub_.due();
    if (!due) return wait;
    if (*due > now_) return std::min(wait, *due - now_);
    job_ = Job::scrub;
    background_.start(scrub_.step());
    return wait;
}

void Upkeep::note_damage_below(const Fault& fault) {
    scrub_.note(fault);
    tell_damage_below();
}

void Upkeep::tell_damage_below() {
    for (const Fault& fault : scrub_.take_news()) {
        std::string why(to_text(fault.kind));
        if (!fault.detail.empty()) why += ": " + fault.detail;
        log_.write({Severity::error,
                    "state-engine.journal.damaged_below",
                    {{"segment", StorePaths::segment_name(fault.segment)},
                     {"offset", std::to_string(fault.offset)},
                     {"seq", std::to_string(fault.seq.value)},
                     {"last", std::to_string(std::max(fault.seq, fault.last).value)},
                     {"why", why},
                     {"do",
                      "writes go on; see `statectl journal verify`, then bring back the segment from a "
                      "backup, or give up what is lost with `statectl journal repair`"}}});
    }
}

void Upkeep::start_index() {
    const Seq first = unindexed_.front();
    unindexed_.pop_front();
    job_ = Job::index;
    background_.start([&files = files_, paths = paths_, store = store_, first]() -> Status {
        SE_TRY(index, build_index(files, paths, first, store));
        return write_index(files, paths, index);
    });
}

void Upkeep::poll() {
    if (job_ == Job::none) return;
    const auto outcome = background_.poll();
    if (!outcome) return;
    const Job job = std::exchange(job_, Job::none);
    if (job == Job::fill) filler_.finished(*outcome, now_);
    if (job == Job::scrub) {
        scrub_.finished(*outcome, now_, wall_);
        tell_damage_below();
    }
    if (*outcome) return;
    // None is a failure of the journal: an index regrows from its segment, the others are tried again.
    log_.write({Severity::warning,
                job == Job::fill    ? "state-engine.journal.fill_failed"
                : job == Job::index ? "state-engine.journal.index_failed"
                                    : "state-engine.journal.scrub_failed",
                {{"error", outcome->error().text}}});
}

}  // namespace se
