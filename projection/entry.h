#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "journal/base/clock.h"
#include "journal/base/ids.h"
#include "journal/base/result.h"

namespace se {

/// What is held about one key: an entry, or, when `deleted`, a tombstone (version and seq only).
/// Texts are plain; `value`, `metadata` and `cause` are canonical JSON, the latter two empty when
/// there is none.
struct Entry {
    bool deleted = false;
    Version version;
    Seq seq;          ///< of the record that made it so
    Time updated_at;  ///< that record's ts
    std::string value;
    std::string updated_by;  ///< its actor
    std::string id;          ///< of the mutation
    std::uint64_t ttl = 0;   ///< seconds; 0: none
    std::optional<Time> expires_at;
    std::string reason;
    std::string
        metadata;  ///< as the client sent it; what is shown adds `source`: see append_entry_json
    std::string cause;

    bool operator==(const Entry&) const = default;
};

/// The same as views into somebody's memory (an LMDB page, valid as long as its transaction).
struct EntryView {
    bool deleted = false;
    Version version;
    Seq seq;
    Time updated_at;
    std::string_view value, updated_by, id, reason, metadata, cause;
    std::uint64_t ttl = 0;
    std::optional<Time> expires_at;

    EntryView() = default;
    EntryView(const Entry& entry);
    Entry to_entry() const;
};

/// Binary, little-endian, drawn in entry.cc and docs/formats.md. The same entry always gives the
/// same bytes: state roots are taken over them.
void encode_entry(std::string& out, const EntryView& entry);
Result<EntryView> decode_entry(std::string_view bytes);

/// What every door shows (INTERFACES "Entry"):
/// {"key","value","version","seq","updatedAt","updatedBy", "ttl","expiresAt"?,"metadata"}; ttl null
/// when there is none; metadata is {"source": <reason>} with the client's members over it, in byte
/// order. Needs !deleted.
void append_entry_json(std::string& out, std::string_view key, const EntryView& entry);
/// The same without "key": for where the key is the name that the object stands behind.
void append_entry_json(std::string& out, const EntryView& entry);

/// `{"source":<reason>, ...metadata}` in byte order of the names.
std::string shown_metadata(std::string_view reason, std::string_view metadata);
void append_shown_metadata(std::string& out, std::string_view reason, std::string_view metadata);

}  // namespace se
