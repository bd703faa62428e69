#include "journal/scrub.h"

#include <algorithm>
#include <utility>

#include "journal/verify.h"

namespace se {
namespace {

using std::chrono::nanoseconds;

/// Seqs tell whether two faults are one place: whoever reads from the middle of it meets it at another line.
bool same_place(const Fault& one, const Fault& other) {
    return one.seq <= std::max(other.seq, other.last) && other.seq <= std::max(one.seq, one.last);
}

std::uint64_t chunk_bytes(const Scrub::Limits& limits) {
    return std::clamp(limits.bytes_per_second, Scrub::kChunkBytesLeast, Scrub::kChunkBytes);
}

}  // namespace

struct Scrub::Work {
    FileSystem& files;
    const StorePaths paths;
    const std::string store;
    const std::uint64_t chunk_bytes;

    std::optional<SteppedVerify> pass = {};
    int failures = 0;  // to read what comes next

    // Of the last step.
    std::uint64_t read = 0;
    bool ended = false;  // the pass did
    std::vector<Fault> found = {};

    Status step();
    Status read_on();
};

Status Scrub::Work::step() {
    read = 0;
    ended = false;
    if (!pass) {
        SE_TRY(begun, SteppedVerify::begin(files, paths, store));
        pass.emplace(std::move(begun));
        failures = 0;
    }
    if (!pass->at_end()) SE_TRY_OK(read_on());
    if (pass->at_end()) {
        found = pass->finish();
        pass.reset();
        ended = true;
    }
    return Ok{};
}

Status Scrub::Work::read_on() {
    const auto got = pass->read(chunk_bytes);
    if (got) {
        failures = 0;
        read = *got;
        return Ok{};
    }
    // What fails once may read well a moment later. What goes on failing must not keep the pass from what lies
    // behind it.
    if (++failures < kTries) return got.error();
    failures = 0;
    pass->pass_over(chunk_bytes, "it cannot be read: " + got.error().text);
    return got.error();
}

Scrub::Scrub(FileSystem& files, StorePaths paths, std::string store, Limits limits)
    : limits_(limits),
      work_(new Work{.files = files,
                     .paths = std::move(paths),
                     .store = std::move(store),
                     .chunk_bytes = chunk_bytes(limits)}) {}

void Scrub::begin(nanoseconds now) { due_ = now + std::min(limits_.every, kFirstRest); }

std::optional<nanoseconds> Scrub::due() const {
    if (limits_.bytes_per_second == 0) return {};
    return due_;
}

std::function<Status()> Scrub::step() {
    if (!work_->pass) ++passes_;
    return [work = work_] { return work->step(); };
}

void Scrub::finished(const Status& outcome, nanoseconds now, Time wall) {
    if (!outcome) {
        due_ = now + kRestAfterFailure;
        return;
    }
    bytes_ += work_->read;
    // No more is read before the time is over that what was read may take.
    constexpr std::uint64_t kSecond = 1'000'000'000;
    const std::uint64_t pause = work_->read * kSecond / limits_.bytes_per_second;
    due_ = now + nanoseconds(static_cast<nanoseconds::rep>(pause));
    if (!work_->ended) return;
    take(std::exchange(work_->found, {}));
    last_pass_ = wall;
    due_ = std::max(due_, now + limits_.every);
}

bool Scrub::known(const Fault& fault) const {
    return std::ranges::any_of(places_,
                               [&](const Place& place) { return same_place(place.fault, fault); });
}

void Scrub::note(const Fault& fault) {
    if (known(fault) || places_.size() >= kPlacesMax) return;
    places_.push_back({fault, passes_});
    news_.push_back(fault);
}

/// What a whole pass has found takes the place of what was known, but for what was met since it began: it may
/// have been past that by then.
void Scrub::take(std::vector<Fault> found) {
    if (found.size() > kPlacesMax) found.resize(kPlacesMax);
    for (const Fault& fault : found) {
        if (!known(fault)) news_.push_back(fault);
    }
    std::erase_if(places_, [&](const Place& place) {
        const bool older = place.pass < passes_;
        return older || std::ranges::any_of(found, [&](const Fault& fault) {
                   return same_place(place.fault, fault);
               });
    });
    // Those of this pass come first, and are the last to be left out.
    std::vector<Place> now;
    for (Fault& fault : found) now.push_back({std::move(fault), 0});
    for (Place& place : places_) {
        if (now.size() < kPlacesMax) now.push_back(std::move(place));
    }
    places_ = std::move(now);
}

std::vector<Fault> Scrub::places() const {
    std::vector<Fault> faults;
    for (const Place& place : places_) faults.push_back(place.fault);
    return faults;
}

std::vector<Fault> Scrub::take_news() { return std::exchange(news_, {}); }

}  // namespace se
