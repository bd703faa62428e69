#include "journal/erasures.h"

#include <algorithm>

#include "journal/base/json.h"

namespace se {

Fault unnamed_erasure(Seq seq, Seq segment, std::uint64_t offset) {
    return {.kind = FaultKind::unnamed_erasure,
            .segment = segment,
            .offset = offset,
            .seq = seq,
            .detail = "it says that it was erased, and no later record names it",
            .last = seq};
}

void Erasures::add(const RecordView& record, Seq segment, std::uint64_t offset) {
    if (!record.erased.empty()) {
        if (!name(record.seq)) unnamed_.try_emplace(record.seq, Place{segment, offset});
        return;
    }
    if (record.kind != Kind::note || record.note != kNoteErased) return;
    const auto body = parse_json(record.body);
    const Json* const seqs = body ? body->find("seqs") : nullptr;
    if (seqs == nullptr || !seqs->is_array()) return;
    for (const Json& one : seqs->array()) {
        if (!one.is_integer() || one.integer() <= 0) continue;
        const Seq seq{static_cast<std::uint64_t>(one.integer())};
        if (seq >= record.seq) continue;  // a note only tells of what lies before it
        Seq& by = named_by_.try_emplace(seq, record.seq).first->second;
        by = std::min(by, record.seq);
        unnamed_.erase(seq);
    }
}

void Erasures::add(const Erasures& more) {
    for (const auto& [seq, note] : more.named_by_) {
        Seq& by = named_by_.try_emplace(seq, note).first->second;
        by = std::min(by, note);
        unnamed_.erase(seq);
    }
    for (const auto& [seq, place] : more.unnamed_) {
        if (!name(seq)) unnamed_.try_emplace(seq, place);
    }
}

bool Erasures::name(Seq erased, Seq last) const {
    const auto found = named_by_.find(erased);
    return found != named_by_.end() && found->second <= last;
}

std::optional<Fault> Erasures::unnamed() const {
    if (unnamed_.empty()) return {};
    const auto& [seq, place] = *unnamed_.begin();
    return unnamed_erasure(seq, place.segment, place.offset);
}

}  // namespace se
