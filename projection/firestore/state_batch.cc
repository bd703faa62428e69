#include "projection/firestore/state_batch.h"

#include "projection/firestore/documents.h"

namespace se::firestore {
namespace {

std::uint64_t weight(std::string_view key, const EntryView& entry) {
    // Names, numbers and the frame of a document are about this much.
    return 2 * key.size() + entry.value.size() + entry.metadata.size() + entry.reason.size() + 400;
}

}  // namespace

Result<bool> StateBatch::add(const RecordView& record) {
    std::vector<std::pair<std::string, Entry>> changes;
    SE_TRY_OK(folder_.fold(record, [&](std::string_view key, const EntryView& entry) -> Status {
        changes.emplace_back(key, entry.to_entry());
        return Ok{};
    }));
    std::uint64_t documents = entries_.size(), bytes = bytes_;
    for (const auto& [key, entry] : changes) {
        const auto held = entries_.find(key);
        if (held == entries_.end())
            ++documents;
        else
            bytes -= weight(key, held->second);
        bytes += weight(key, entry);
    }
    if (records_ > 0 && (documents > limits_.documents || bytes > limits_.bytes)) return false;
    for (auto& [key, entry] : changes) entries_[std::move(key)] = std::move(entry);
    bytes_ = bytes;
    ++records_;
    through_ = record.seq;
    return true;
}

Result<std::optional<Write>> write_of(std::string_view key, const EntryView& entry,
                                      std::string* why_not) {
    Write write{.path = state_path(key), .fields = std::nullopt};
    if (entry.deleted) return std::optional(std::move(write));
    SE_TRY(fields, state_fields(entry));
    *why_not = why_not_storable(write.path, fields);
    if (!why_not->empty()) return std::optional<Write>();
    write.fields = std::move(fields);
    return std::optional(std::move(write));
}

}  // namespace se::firestore
