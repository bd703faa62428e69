#include "projection/fold.h"

#include <algorithm>
#include <array>

#include "journal/index_file.h"

namespace se {
namespace {

/// Refusals that pass, or that never took shape: the same id may come again and be decided then.
constexpr std::array<std::string_view, 5> kBindsNoId = {"malformed", "too_large", "rate_limited",
                                                        "unavailable", "id_reused"};

EntryView tombstone(const RecordView::Change& change, Seq seq) {
    EntryView entry;
    entry.deleted = true;
    entry.version = change.version;
    entry.seq = seq;
    return entry;
}

}  // namespace

Status Folder::fold(const RecordView& record, const Apply& apply) {
    if (record.kind != Kind::accepted) return Ok{};
    if (!record.erased.empty()) {
        // What was erased is gone; that there was a change, and which version it made, is not.
        for (const RecordView::Change& change : record.changes)
            SE_TRY_OK(apply(change.key, tombstone(change, record.seq)));
        return Ok{};
    }
    SE_TRY_OK(parse_post_images(record.body, record.ts, record.changes.size(), &images_));
    for (std::size_t i = 0; i < record.changes.size(); ++i) {
        const RecordView::Change& change = record.changes[i];
        if (change.op == "delete") {
            SE_TRY_OK(apply(change.key, tombstone(change, record.seq)));
            continue;
        }
        const PostImage& image = images_.changes[i];
        EntryView entry;
        entry.version = change.version;
        entry.seq = record.seq;
        entry.updated_at = record.ts;
        entry.value = image.value;
        entry.updated_by = record.actor;
        entry.id = record.id;
        entry.ttl = image.ttl;
        entry.expires_at = image.expires_at;
        entry.reason = images_.reason;
        entry.metadata = image.metadata;
        entry.cause = record.cause;
        SE_TRY_OK(apply(change.key, entry));
    }
    return Ok{};
}

std::optional<Identity> identity_of(const RecordView& record) {
    if (record.kind != Kind::accepted && record.kind != Kind::rejected &&
        record.kind != Kind::event)
        return std::nullopt;
    if (record.id.empty() || record.content.empty()) return std::nullopt;
    if (record.kind == Kind::rejected &&
        std::ranges::find(kBindsNoId, record.code) != kBindsNoId.end())
        return std::nullopt;
    const std::optional<Hash16> content = hash16_from_hex(record.content);
    if (!content) return std::nullopt;
    return Identity{identity_hash(scope_of(record.door, record.principal_or_actor()), record.id),
                    *content};
}

Hash16 reused_identity(const Identity& identity) {
    Sha256 hash;
    for (const Hash16& part : {identity.key, identity.content})
        hash.add({reinterpret_cast<const char*>(part.data()), part.size()});
    return first_half(hash.finish());
}

Status MemoryState::fold(const RecordView& record) {
    if (record.seq <= seq_) return Ok{};  // replay is always safe
    SE_TRY_OK(folder_.fold(record, [&](std::string_view key, const EntryView& entry) -> Status {
        const auto found = entries_.find(key);
        if (found != entries_.end())
            found->second = entry.to_entry();
        else
            entries_.emplace(key, entry.to_entry());
        return Ok{};
    }));
    seq_ = record.seq;
    epoch_ = record.epoch;
    return Ok{};
}

const Entry* MemoryState::find(std::string_view key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace se
