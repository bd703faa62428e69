#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/base/ids.h"
#include "journal/paths.h"
#include "journal/record.h"
#include "journal/segment.h"

namespace se {

/// Where some records lie, so that a reader gets to any of them without reading its whole segment:
/// from index files where there are good ones, else from what was read before. Remembered places
/// prove nothing: a stale one is noticed and costs time, never truth.
class Marks {
public:
    struct Mark {
        Seq seq;
        std::uint64_t offset =
            0;  ///< of the line's first byte; 0: the segment's start, header included
    };

    Marks(FileSystem& files, const StorePaths& paths) : files_(files), paths_(paths) {}

    /// A record of `segment` was read there. Kept if there is none close before it.
    void saw(Seq segment, Seq seq, std::uint64_t offset);

    /// The last known place at or before `seq` in its segment, looked at just now. `rolled`: the
    /// segment may have an index file.
    Result<Mark> before(Seq segment, Seq seq, bool rolled);

private:
    using Places = std::map<Seq, std::uint64_t>;

    Places& places_of(Seq segment);
    Result<bool> holds(Seq segment, const Mark& mark);

    FileSystem& files_;
    const StorePaths& paths_;
    std::map<Seq, Places> segments_;
};

/// Reads the good lines of a file from `offset` on, whatever lies between them. `visit(frame,
/// line)` returns false to stop.
template <class Visit>
Status each_good_line(const File& file, std::uint64_t offset, Visit visit) {
    LineReader lines(file, offset);
    for (;;) {
        SE_TRY(line, lines.next());
        if (!line) return Ok{};
        const auto frame = read_frame(line->text);
        if (frame && !visit(*frame, *line)) return Ok{};
    }
}

}  // namespace se
