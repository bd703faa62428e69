#include "engine/group.h"

#include <algorithm>

namespace se {

const std::string& Waiting::id() const {
    static const std::string none;
    if (const auto* proposal = std::get_if<Proposal>(&what)) return proposal->id;
    if (const auto* refusal = std::get_if<Refusal>(&what)) return refusal->id;
    return none;
}

Status Item::view(Epoch epoch, RecordView* out) const {
    if (!line.empty()) return parse_record(line, out);
    view_of(draft, seq, epoch, out);
    return Ok{};
}

const Item* Groups::find(Seq seq) const {
    const auto group = std::ranges::lower_bound(waiting, seq, {}, &Group::last);
    if (group == waiting.end()) return nullptr;
    const auto item = std::ranges::lower_bound(group->items, seq, {}, &Item::seq);
    return item == group->items.end() || item->seq != seq ? nullptr : &*item;
}

}  // namespace se
