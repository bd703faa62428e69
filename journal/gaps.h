#pragma once

#include <optional>
#include <vector>

#include "journal/base/ids.h"
#include "journal/quarantine.h"
#include "journal/record.h"

namespace se {

/// Seqs that an operator gave up (`repair --accept-loss`): the one kind of gap that J1 allows.
struct Gap {
    Seq from, to;
    std::optional<Epoch> noted;  ///< epoch of the `repaired` note; nothing: only its quarantine file says so
};

/// The gap that a `repaired` note tells of; nothing for any other record.
std::optional<Gap> gap_noted_by(const RecordView& record);

/// All gaps that are believed: those with a note in good lines, and those whose quarantine files still
/// wait for theirs.
class Gaps {
public:
    void add(const Gap& gap) { gaps_.push_back(gap); }
    void add(const std::vector<Parked>& quarantine);

    /// The first seq from `seq` on that was not given up.
    Seq beyond(Seq seq) const;
    /// Whether all of from..to-1 was given up.
    bool cover(Seq from, Seq to) const { return beyond(from) >= to; }

    /// A header's root that differs from the one recomputed is believed if the header was written
    /// before seqs below it were given up: it knew their leaves, and we do not.
    bool excuse_root(Seq header_first, Epoch header_epoch) const;

private:
    std::optional<Epoch> noted_at(const Gap& gap) const;

    std::vector<Gap> gaps_;
};

}  // namespace se
