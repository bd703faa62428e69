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
    return Gap{.from = *from, .to = *to, .by = record.epoch, .noted = record.epoch};
}

void Gaps::add(const std::vector<Parked>& quarantine) {
    for (const Parked& parked : quarantine) {
        if (parked.what == Parked::What::lost) {
            add(Gap{.from = parked.from, .to = parked.to, .by = parked.epoch, .noted = {}});
        }
        if (parked.what == Parked::What::header) {
            headers_.push_back({.segment = parked.segment, .by = parked.epoch});
        }
    }
}

void Gaps::add(const Gaps& more) {
    gaps_.insert(gaps_.end(), more.gaps_.begin(), more.gaps_.end());
    headers_.insert(headers_.end(), more.headers_.begin(), more.headers_.end());
}

void Gaps::add(const RecordView& record) {
    if (record.kind != Kind::note) return;
    if (const auto gap = gap_noted_by(record)) gaps_.push_back(*gap);
    if (record.note != kNoteHeader) return;
    const auto body = parse_json(record.body);
    const auto segment = body ? seq_member(*body, "segment") : std::nullopt;
    if (segment && *segment < record.seq) {
        headers_.push_back({.segment = *segment, .by = record.epoch});
    }
}

Seq Gaps::beyond(Seq seq, Epoch of) const {
    for (bool moved = true; moved;) {
        moved = false;
        for (const Gap& gap : gaps_) {
            if (seq < gap.from || seq > gap.to || of >= gap.by) continue;
            seq = gap.to.next();
            moved = true;
        }
    }
    return seq;
}

std::optional<Seq> Gaps::first_within(Seq from, Seq to, Epoch of) const {
    std::optional<Seq> first;
    for (const Gap& gap : gaps_) {
        if (gap.to < from || gap.from > to || of >= gap.by) continue;
        const Seq here = std::max(gap.from, from);
        if (!first || here < *first) first = here;
    }
    return first;
}

void Gaps::forget_around(Seq seq, Epoch of) {
    std::erase_if(gaps_, [&](const Gap& gap) { return gap.from <= seq && seq < gap.to && of >= gap.by; });
}

std::optional<Epoch> Gaps::noted_at(const Gap& gap) const {
    for (const Gap& other : gaps_) {
        if (other.from == gap.from && other.to == gap.to && other.noted) return other.noted;
    }
    return {};
}

bool Gaps::excuse_root(Seq header_first, Epoch header_epoch) const {
    const auto gap_below = [&](Seq first) {
        return std::ranges::any_of(gaps_, [&](const Gap& gap) { return gap.from < first; });
    };
    const bool knew_the_lost = std::ranges::any_of(gaps_, [&](const Gap& gap) {
        if (gap.from >= header_first) return false;
        const auto noted = noted_at(gap);
        return !noted || header_epoch < *noted;
    });
    return knew_the_lost || std::ranges::any_of(headers_, [&](const HeaderAnew& anew) {
               return anew.segment < header_first && header_epoch < anew.by && gap_below(anew.segment);
           });
}

}  // namespace se
