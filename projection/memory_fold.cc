#include "projection/memory_fold.h"

namespace se {

Status MemoryFold::fold(const RecordView& record, const Snapshot* below) {
    if (record.seq <= state_.seq()) return Ok{};
    SE_TRY_OK(state_.fold(record));
    if (record.kind == Kind::accepted) {
        for (const RecordView::Change& change : record.changes) {
            auto found = history_.find(change.key);
            if (found == history_.end())
                found = history_.emplace(change.key, std::vector<Seq>{}).first;
            found->second.push_back(record.seq);
        }
    }
    const std::optional<Identity> identity = identity_of(record);
    if (!identity) return Ok{};
    const Snapshot::Bound bound{identity->content, record.seq};
    std::optional<Snapshot::Bound> owner = find_identity(identity->key);
    if (!owner && below != nullptr) {
        SE_TRY(found, below->find_identity(identity->key));
        owner = found;
    }
    if (!owner)
        bound_.emplace(identity->key, bound);
    else if (owner->content != identity->content)
        bound_.try_emplace(reused_identity(*identity), bound);
    return Ok{};
}

std::optional<Snapshot::Bound> MemoryFold::find_identity(const Hash16& key) const {
    const auto found = bound_.find(key);
    return found == bound_.end() ? std::nullopt : std::optional(found->second);
}

const std::vector<Seq>* MemoryFold::history(std::string_view key) const {
    const auto found = history_.find(key);
    return found == history_.end() ? nullptr : &found->second;
}

}  // namespace se
