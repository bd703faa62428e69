#include "tests/sim/sim_content.h"

#include <algorithm>

namespace se {
namespace {

constexpr std::size_t kSectorSize = 512;

void put(std::string& content, std::uint64_t offset, std::string_view bytes) {
    if (bytes.empty()) return;
    const std::uint64_t end = offset + bytes.size();
    if (content.size() < end) content.resize(end, '\0');
    std::ranges::copy(bytes, content.begin() + static_cast<std::ptrdiff_t>(offset));
}

/// Calls `keep(offset, bytes)` for the pieces of a write that get to where they should. A torn
/// write leaves each byte of its range old or new: the ways to do so differ in what they let a test
/// find.
template <class Keep>
void tear(std::uint64_t offset, std::string_view bytes, SimRandom& random, Keep keep) {
    const auto pieces = [&](std::size_t unit) {
        // Up to the next border of such a unit on disk, then unit by unit.
        std::size_t size = unit - offset % unit;
        for (std::size_t at = 0; at < bytes.size(); at += size, size = unit)
            if (random.chance(50)) keep(offset + at, bytes.substr(at, size));
    };
    switch (random.below(8)) {
        case 0:
        case 1:
        case 2:
            return keep(offset, bytes);
        case 3:
        case 4:
            return;
        case 5:
            return keep(offset, bytes.substr(0, random.below(bytes.size() + 1)));
        case 6:
            return pieces(kSectorSize);
        default:
            return pieces(1);
    }
}

}  // namespace

void SimContent::write(std::uint64_t offset, std::string_view bytes) {
    put(live_, offset, bytes);
    unsynced_.push_back({offset, std::string(bytes)});
}

void SimContent::write_torn(std::uint64_t offset, std::string_view bytes, SimRandom& random) {
    tear(offset, bytes, random,
         [&](std::uint64_t at, std::string_view piece) { write(at, piece); });
}

void SimContent::truncate(std::uint64_t size) {
    live_.resize(size, '\0');
    unsynced_.push_back({size, {}, true});
}

void SimContent::sync() {
    apply_unsynced(durable_);
    unsynced_.clear();
}

void SimContent::fail_sync(SimRandom& random) {
    for (const Change& change : unsynced_) {
        if (change.truncates) {
            if (random.chance(50)) durable_.resize(change.offset, '\0');
            continue;
        }
        // The new size of a file may get to the disk before the bytes that it was grown for.
        const std::uint64_t end = change.offset + change.bytes.size();
        if (durable_.size() < end && random.chance(25)) durable_.resize(end, '\0');
        tear(change.offset, change.bytes, random,
             [&](std::uint64_t at, std::string_view piece) { put(durable_, at, piece); });
    }
    unsynced_.clear();
}

void SimContent::evict() {
    live_ = durable_;
    apply_unsynced(live_);
}

void SimContent::cut_power(SimRandom& random) {
    fail_sync(random);
    live_ = durable_;
}

void SimContent::apply_unsynced(std::string& content) const {
    for (const Change& change : unsynced_) {
        if (change.truncates)
            content.resize(change.offset, '\0');
        else
            put(content, change.offset, change.bytes);
    }
}

void SimContent::flip_bit(std::uint64_t bit) {
    SE_ASSERT(bit / 8 < live_.size());
    for (std::string* content : {&live_, &durable_}) {
        if (bit / 8 >= content->size()) continue;
        char& byte = (*content)[bit / 8];
        byte = static_cast<char>(byte ^ (1 << (bit % 8)));
    }
}

}  // namespace se
