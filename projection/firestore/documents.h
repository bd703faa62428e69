#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "journal/record.h"
#include "projection/entry.h"
#include "projection/firestore/value.h"

namespace se::firestore {

inline constexpr std::string_view kStateCollection = "state";
inline constexpr std::string_view kLogCollection = "mutation_log";
inline constexpr std::string_view kWatermarkPath = "state_engine/watermark";

inline constexpr std::size_t kDocumentBytesMax = 1u << 20;  ///< Firestore's; more is never sent
inline constexpr std::size_t kDocumentIdBytesMax = 1'500;

/// Not empty, at most 1,500 bytes, no `/`, not `.`, `..` or `__…__`.
bool is_legal_id(std::string_view id);
/// Of a mutation: its own id if that is legal and does not begin with `~`, else `~` and the hex
/// SHA-256 of it. Without one: of "<epoch>.<seq>".
std::string log_id(const RecordView& record);
std::string state_path(std::string_view key);

/// How Firestore counts a document against its limit.
std::size_t document_bytes(std::string_view path, const Fields& fields);
/// Why Firestore would not take it, as far as we can know before sending; empty: nothing speaks
/// against it.
std::string why_not_storable(std::string_view path, const Fields& fields);

/// StateSnapshot as CONTRACTS 1.1 has it: {value, updatedAt, updatedBy, version, ttl, metadata},
/// and of ours `seq` (of the record that made it so) and, when there is a deadline, `expiresAt` as
/// a timestamp, for Firestore's own TTL policies. Needs a live entry.
Result<Fields> state_fields(const EntryView& entry);

/// MutationLogEntry as there: {id, op, key, value, actor, reason, expectedVersion?, ts, ttl?,
/// metadata?, committedAt, status, error?, resultingVersion?}, and of ours `seq`, `epoch`, and
/// where there is one `code`, `principal`, `cause`, `erased`; of several ops `ops` and `changes`
/// instead of op, key and value. Nothing for records that are no decision about a proposal.
std::optional<std::string> log_path(const RecordView& record);
Result<Fields> log_fields(const RecordView& record);

/// How far the documents are the fold of our journal, and whose they are (P6).
struct Mark {
    std::string store;
    Epoch epoch;      ///< of the run that wrote it
    std::string run;  ///< writer id of that run's `opened` note
    Seq seq;
    /// A bootstrap is going on: the state documents are as of this seq or later, none later than
    /// `until`; the log is complete up to `seq`. Seq 0: the state documents are still being
    /// written.
    std::optional<Seq> bootstrap;
    Seq until = {};

    bool operator==(const Mark&) const = default;
};
/// `commit` makes it differ from the one before; 0: it need not.
Fields mark_fields(const Mark& mark, std::uint64_t commit = 0);
/// Nothing when it is not one of ours.
std::optional<Mark> mark_of(const Fields& fields);

}  // namespace se::firestore
