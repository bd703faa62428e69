#include "engine/effects.h"

#include <cstring>

namespace se {
namespace {

constexpr std::uint64_t kPlacesFirst = 1024;
constexpr unsigned kSeqBits = 48;
constexpr std::uint64_t kSeqMask = (std::uint64_t{1} << kSeqBits) - 1;

}  // namespace

std::optional<Seq> Effects::bind(const Identity& identity, Seq seq) {
    SE_ASSERT(seq.value != 0 && seq.value <= kSeqMask);
    if ((taken_ + 1) * 8 > places_.size() * 7) grow();
    const Hash16 hash = reused_identity(identity);  // over all three of it, whoever owns the id
    Place wanted;
    std::uint16_t more = 0;
    std::memcpy(&wanted.name, hash.data(), sizeof wanted.name);
    std::memcpy(&more, hash.data() + sizeof wanted.name, sizeof more);
    wanted.rest = std::uint64_t{more} << kSeqBits | seq.value;
    Place& place = find(places_, wanted);
    if (place.rest != 0) return Seq{place.rest & kSeqMask};
    place = wanted;
    ++taken_;
    return std::nullopt;
}

/// The place of the same identity, or the free one where it belongs. There always is a free one.
Effects::Place& Effects::find(std::vector<Place>& places, const Place& wanted) {
    std::size_t at = wanted.name % places.size();
    for (;; at = at + 1 == places.size() ? 0 : at + 1) {
        Place& place = places[at];
        const bool same =
            place.name == wanted.name && place.rest >> kSeqBits == wanted.rest >> kSeqBits;
        if (place.rest == 0 || same) return place;
    }
}

void Effects::grow() {
    std::vector<Place> larger(places_.empty() ? kPlacesFirst : places_.size() + places_.size() / 2);
    for (const Place& place : places_)
        if (place.rest != 0) find(larger, place) = place;
    places_.swap(larger);
}

}  // namespace se
