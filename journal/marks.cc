#include "journal/marks.h"

#include <iterator>

#include "journal/index_file.h"

namespace se {
namespace {

/// Records between two marks, at least: what a seek reads at most, or nearly.
constexpr std::uint64_t kMarkEvery = 64;
/// Segments that marks are kept of. Past that, those of the lowest are forgotten.
constexpr std::size_t kMarkedSegmentsMax = 256;

}  // namespace

Marks::Places& Marks::places_of(Seq segment) {
    Places& places = segments_[segment];
    if (segments_.size() > kMarkedSegmentsMax) {
        const auto lowest = segments_.begin();
        segments_.erase(lowest->first == segment ? std::next(lowest) : lowest);
    }
    return places;
}

void Marks::saw(Seq segment, Seq seq, std::uint64_t offset) {
    Places& places = places_of(segment);
    const auto behind = places.upper_bound(seq);
    if (behind != places.begin() && seq.value - std::prev(behind)->first.value < kMarkEvery) return;
    places.emplace_hint(behind, seq, offset);
}

Result<Marks::Mark> Marks::before(Seq segment, Seq seq, bool rolled) {
    Places& places = places_of(segment);
    if (places.empty() && rolled) {
        if (const auto index = read_index(files_, paths_, segment)) {
            for (const IndexEntry& entry : index->entries) saw(segment, entry.seq, entry.offset);
        }
    }
    const auto behind = places.upper_bound(seq);
    if (behind != places.begin()) {
        const Mark mark{.seq = std::prev(behind)->first, .offset = std::prev(behind)->second};
        SE_TRY(good, holds(segment, mark));
        if (good) return mark;
        segments_.erase(segment);
    }
    return Mark{.seq = segment, .offset = 0};
}

Result<bool> Marks::holds(Seq segment, const Mark& mark) {
    auto file = files_.open(paths_.segment(segment), OpenMode::read);
    if (!file && file.error().code == Errc::not_found) return false;
    if (!file) return file.error();
    LineReader lines(**file, mark.offset);
    SE_TRY(line, lines.next());
    if (!line || line->offset != mark.offset) return false;
    const auto frame = read_frame(line->text);
    return frame && frame->seq == mark.seq;
}

}  // namespace se
