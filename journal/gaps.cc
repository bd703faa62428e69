#include "journal/gaps.h"

#include <algorithm>

#include "journal/base/json.h"

namespace se {
namespace {

std::optional<Seq> seq_member(const Json& body, std::string_view name) {
    const Json* const value = body.find(name);
    if (value == nullptr || !value->is_integer() || value->integer() <= 0) return {};
    return Seq{static_cast<std::uint64_t>(value->integer())};
}

}  // namespace

std::optional<Gap> gap_noted_by(const RecordView& record) {
    if (record.kind != Kind::note || record.note != kNoteRepaired) return {};
    const auto body = parse_json(record.body);
    if (!body) return {};
    const auto from = seq_member(*body, "from");
    const auto to = seq_member(*body, "to");
    // A note only tells of what lies before it.
    if (!from || !to || *from > *to || *to >= record.seq) return {};
    return Gap{.from = *from, .to = *to, .noted = record.epoch};
}

void Gaps::add(const std::vector<Parked>& quarantine) {
    for (const Parked& parked : quarantine) {
        if (parked.what == Parked::What::lost) add(Gap{.from = parked.from, .to = parked.to, .noted = {}});
    }
}

Seq Gaps::beyond(Seq seq) const {
    for (bool moved = true; moved;) {
        moved = false;
        for (const Gap& gap : gaps_) {
            if (seq < gap.from || seq > gap.to) continue;
            seq = gap.to.next();
            moved = true;
        }
    }
    return seq;
}

std::optional<Epoch> Gaps::noted_at(const Gap& gap) const {
    for (const Gap& other : gaps_) {
        if (other.from == gap.from && other.to == gap.to && other.noted) return other.noted;
    }
    return {};
}

bool Gaps::excuse_root(Seq header_first, Epoch header_epoch) const {
    return std::any_of(gaps_.begin(), gaps_.end(), [&](const Gap& gap) {
        if (gap.from >= header_first) return false;
        const auto noted = noted_at(gap);
        return !noted || header_epoch < *noted;
    });
}

}  // namespace se
