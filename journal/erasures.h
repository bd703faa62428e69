#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "journal/base/ids.h"
#include "journal/record.h"
#include "journal/segment.h"

namespace se {

/// Tells in its body, `{"seqs":[…]}`, which records were erased. It is durable before the first byte of any of
/// them is touched.
inline constexpr std::string_view kNoteErased = "erased";

/// The fault that an erased record is which no later record names.
Fault unnamed_erasure(Seq seq, Seq segment, std::uint64_t offset);

/// Which records were erased, and which were to be: an erased record is believed only if a later one names it
/// (J7). Else whoever can compute a crc could take a value away, and nothing would show it.
class Erasures {
public:
    /// What a record tells, in any order: that it was erased, or, as an `erased` note, that others before it
    /// were. Its place is for unnamed() alone.
    void add(const RecordView& record, Seq segment = {}, std::uint64_t offset = 0);
    void add(const Erasures& more);

    /// Whether a note names that record; only notes up to the seq `last` count.
    bool name(Seq erased, Seq last = Seq{UINT64_MAX}) const;
    /// The first erased record that no note added so far names. A verdict only once all is added that lies
    /// behind it.
    std::optional<Fault> unnamed() const;

private:
    struct Place {
        Seq segment;
        std::uint64_t offset = 0;
    };
    std::map<Seq, Seq> named_by_;    // by the first note that does
    std::map<Seq, Place> unnamed_;
};

}  // namespace se
