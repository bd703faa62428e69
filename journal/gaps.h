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
    Epoch by;                    ///< what a later epoch wrote there is none of it: it came after a restore
    std::optional<Epoch> noted;  ///< epoch of the `repaired` note; nothing: only its quarantine file says so
};

/// The gap that a `repaired` note tells of; nothing for any other record.
std::optional<Gap> gap_noted_by(const RecordView& record);

/// A segment whose unreadable header was written anew, by an epoch above all that came before.
struct HeaderAnew {
    Seq segment;
    Epoch by;
};

/// All gaps that are believed: those with a note in good lines, and those whose quarantine files still
/// wait for theirs. Likewise the headers written anew.
class Gaps {
public:
    void add(const Gap& gap) { gaps_.push_back(gap); }
    void add(const std::vector<Parked>& quarantine);
    void add(const Gaps& more);
    /// What a record tells, if it is a note of a repair.
    void add(const RecordView& record);

    /// The first seq from `seq` on that was not given up; with an epoch, as far as its records are concerned.
    Seq beyond(Seq seq, Epoch of = {}) const;
    bool hold(Seq seq, Epoch of) const { return beyond(seq, of) != seq; }
    /// The first of that epoch's records from..to that was given up.
    std::optional<Seq> first_within(Seq from, Seq to, Epoch of) const;
    /// Whether all of from..to-1 was given up.
    bool cover(Seq from, Seq to, Epoch of = {}) const { return beyond(from, of) >= to; }
    /// A run of that epoch has gone on to `seq`. A gap that was given up before it, and that `seq` lies within,
    /// is of a history that a restore took back: it is forgotten.
    void forget_around(Seq seq, Epoch of);

    /// A header's root that differs from the one recomputed is believed if the header was written
    /// before seqs below it were given up: it knew their leaves, and we do not. A header written anew
    /// above such a gap does not know them either, so those behind it that are older than it are believed
    /// too.
    bool excuse_root(Seq header_first, Epoch header_epoch) const;

private:
    std::optional<Epoch> noted_at(const Gap& gap) const;

    std::vector<Gap> gaps_;
    std::vector<HeaderAnew> headers_;
};

}  // namespace se
