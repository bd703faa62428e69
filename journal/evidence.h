#pragma once

#include <optional>
#include <string>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/base/ids.h"
#include "journal/erasures.h"
#include "journal/gaps.h"
#include "journal/paths.h"

namespace se {

/// Proof from outside the segments that history reached some point (J4). It only proves damage; it never
/// extends history.
struct Evidence {
    Epoch epoch;
    Seq seq;
    std::string source;  ///< "HEAD", "projection", "follower x"
};

/// The watermarks in followers/ (X3): how far others have seen this store's history. A file that says
/// nothing sensible proves nothing.
Result<std::vector<Evidence>> read_follower_watermarks(FileSystem& files, const StorePaths& paths,
                                                       const std::string& store);

/// Where each epoch begins in the good lines.
class EpochStarts {
public:
    /// Every good line, in order; or only one of each epoch, if that is its first.
    void saw(Epoch epoch, Seq seq);
    /// Whether a later epoch began at or before that place: then (epoch, seq) is of a history that was
    /// cut or given up, and proves nothing (J4). A record that is still to be seen there landed beside its
    /// place, in a run that died before anybody knew of it.
    bool void_at(Epoch epoch, Seq seq) const;
    /// The first seq that is void for that epoch, if any is.
    std::optional<Seq> void_from(Epoch epoch) const;
    Epoch highest() const { return starts_.empty() ? Epoch{} : starts_.back().epoch; }
    /// Whether a good record of it, found behind lines that reach `next`, stands behind its place: it is of
    /// their history, and they had passed its seq. No writer does that: it, or what stood where it is now,
    /// landed there. Of epochs before the first one seen nothing can be said.
    bool had_passed(Epoch epoch, Seq seq, Seq next) const {
        return seq < next && !starts_.empty() && epoch >= starts_.front().epoch &&
               epoch <= highest() && !void_at(epoch, seq);
    }

private:
    struct Start {
        Epoch epoch;
        Seq seq;
    };
    std::vector<Start> starts_;
};

/// Everything that the lines at and behind a bad place say.
struct Behind {
    std::optional<Evidence> best;  ///< the highest `durable` that counts
    Epoch epoch_highest;
    Gaps repaired;                 ///< from notes
    Erasures erasures;             ///< likewise
    std::optional<Seq> resumes;    ///< seq of the first good line that is not below `expected`, nor void
    Epoch resumes_epoch;           ///< of that line
    /// Of a good line that stands behind its place. Where it stands, or where it was read before, something
    /// else stood: `expected` may have been acknowledged, whatever else is known (J4).
    std::optional<Seq> displaced;
};

/// Reads all lines from `offset` in `segments[index]` on, through all later segments. `gaps`: what is known
/// of them so far.
Result<Behind> look_behind(FileSystem& files, const StorePaths& paths,
                           const std::vector<Seq>& segments, std::size_t index,
                           std::uint64_t offset, Seq expected, const EpochStarts& starts,
                           const Gaps& gaps);

/// Whether the segment is there and begins with anything else than its header.
Result<bool> has_bad_header(FileSystem& files, const StorePaths& paths, Seq first);

/// Whether the segment holds nothing but its header line (good, bad or absent) and blanks: as the
/// highest one, with the evidence below its first seq, it is an unfinished roll. A bad line that is longer
/// than a header can be may have been a record, too.
Result<bool> holds_no_record(FileSystem& files, const StorePaths& paths, Seq first);

}  // namespace se
