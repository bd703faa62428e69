#include "engine/engine_meters.h"

namespace se {
namespace {

/// Counts into every bucket whose upper bound is not below `value`.
template <std::size_t N>
void observe(const std::array<double, N>& bounds, std::array<std::uint64_t, N>& counts,
             double value) {
    for (std::size_t i = N; i > 0 && value <= bounds[i - 1]; --i) ++counts[i - 1];
}

}  // namespace

void EngineMeters::rejected(Code code) {
    ++stats_.rejected;
    ++by_code_[static_cast<std::size_t>(code)];
}

void EngineMeters::refused(Code code) {
    ++stats_.refused;
    ++refused_by_code_[static_cast<std::size_t>(code)];
}

void EngineMeters::group(std::size_t records) {
    ++stats_.groups;
    stats_.grouped_records += records;
    observe(kGroupBounds, group_size_, static_cast<double>(records));
}

void EngineMeters::synced(std::chrono::nanoseconds took) {
    const double seconds = std::chrono::duration<double>(took).count();
    stats_.sync_seconds_sum += seconds;
    observe(kSyncBounds, sync_seconds_, seconds);
}

EngineStats EngineMeters::stats() const {
    EngineStats stats = stats_;
    for (std::size_t i = 0; i < by_code_.size(); ++i) {
        const auto code = static_cast<Code>(i);
        if (by_code_[i] != 0) stats.rejected_by_code.emplace_back(code, by_code_[i]);
        if (refused_by_code_[i] != 0) stats.refused_by_code.emplace_back(code, refused_by_code_[i]);
    }
    for (std::size_t i = 0; i < kGroupBounds.size(); ++i) {
        stats.group_size.emplace_back(kGroupBounds[i], group_size_[i]);
    }
    for (std::size_t i = 0; i < kSyncBounds.size(); ++i) {
        stats.sync_seconds.emplace_back(kSyncBounds[i], sync_seconds_[i]);
    }
    return stats;
}

}  // namespace se
