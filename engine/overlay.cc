#include "engine/overlay.h"

#include <algorithm>

#include "journal/base/assert.h"

namespace se {

void Overlay::put(std::string_view key, Shared entry) {
    auto slot = slots_.lower_bound(key);
    if (slot == slots_.end() || slot->first != key) {
        slot = slots_.emplace_hint(slot, std::string(key), std::vector<Shared>{});
    }
    SE_ASSERT(slot->second.empty() || slot->second.back()->seq < entry->seq);
    slot->second.push_back(std::move(entry));
}

const Overlay::Shared* Overlay::newest(std::string_view key) const {
    const auto slot = slots_.find(key);
    return slot == slots_.end() ? nullptr : &slot->second.back();
}

const Overlay::Shared* Overlay::as_of(std::string_view key, Seq through) const {
    const auto slot = slots_.find(key);
    return slot == slots_.end() ? nullptr : as_of(slot->second, through);
}

const Overlay::Shared* Overlay::as_of(const std::vector<Shared>& entries, Seq through) {
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        if ((*entry)->seq <= through) return &*entry;
    }
    return nullptr;
}

void Overlay::forget(std::string_view key, Seq through) {
    const auto slot = slots_.find(key);
    if (slot == slots_.end()) return;
    auto& entries = slot->second;
    const auto kept =
        std::ranges::find_if(entries, [&](const Shared& entry) { return entry->seq > through; });
    if (kept == entries.end()) {
        slots_.erase(slot);
    } else {
        entries.erase(entries.begin(), kept);
    }
}

Result<std::optional<EntryView>> OverlaidView::view(std::string_view key) const {
    if (!overlay_.empty()) {
        if (const Overlay::Shared* entry = overlay_.as_of(key, through_)) {
            return std::optional<EntryView>(**entry);
        }
    }
    return snapshot_.get(key);
}

Result<std::optional<Entry>> OverlaidView::get(std::string_view key) {
    SE_TRY(found, view(key));
    if (!found) return std::optional<Entry>{};
    return std::optional<Entry>(found->to_entry());
}

Result<std::vector<std::pair<std::string, Entry>>> OverlaidView::list(std::string_view prefix,
                                                                      std::string_view after,
                                                                      std::size_t limit) const {
    std::vector<std::pair<std::string, Entry>> found;
    if (limit == 0) return found;
    const Overlay::Slots& slots = overlay_.slots();
    auto above =
        after.empty() || after < prefix ? slots.lower_bound(prefix) : slots.upper_bound(after);
    const auto take = [&](std::string_view key, const EntryView& entry) {
        if (!entry.deleted) found.emplace_back(std::string(key), entry.to_entry());
        return found.size() < limit;
    };
    // Passes the overlay's keys below `key` (all of them, when there is no such key), and says
    // whether there is still room. What is not yet to be shown counts as not there.
    const auto take_above = [&](const std::string_view* key) {
        for (; above != slots.end() && above->first.starts_with(prefix); ++above) {
            if (key != nullptr && above->first >= *key) break;
            const Overlay::Shared* entry = Overlay::as_of(above->second, through_);
            if (entry != nullptr && !take(above->first, **entry)) return false;
        }
        return true;
    };

    bool room = true;
    SE_TRY_OK(snapshot_.scan(prefix, after, [&](std::string_view key, const EntryView& entry) {
        room = take_above(&key);
        if (!room) return false;
        const bool overlaid = above != slots.end() && above->first == key;
        const Overlay::Shared* newer = overlaid ? Overlay::as_of(above->second, through_) : nullptr;
        if (overlaid) ++above;
        room = newer != nullptr ? take(key, **newer) : take(key, entry);
        return room;
    }));
    if (room) take_above(nullptr);
    return found;
}

}  // namespace se
