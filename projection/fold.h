#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "journal/body.h"
#include "journal/record.h"
#include "projection/entry.h"

namespace se {

/// What one record does to the state: the one place that says so. Projector, regrow, replay,
/// readers in other processes and audits all fold through here (P2).
class Folder {
public:
    using Apply = std::function<Status(std::string_view key, const EntryView& entry)>;

    /// Calls `apply` for each change of an accepted record, in order; for all other kinds for
    /// nothing. The views die with the call.
    Status fold(const RecordView& record, const Apply& apply);

private:
    PostImages images_;  // memory reused from record to record
};

/// The identity that a record binds for ever, if it binds one: accepted, rejected and event records
/// with an id and a content do, except refusals that pass (DESIGN 4: malformed, too_large, rate_limited,
/// unavailable, id_reused).
struct Identity {
    Hash16 key;  ///< identity_hash(scope, id)
    Hash16 content;
};
std::optional<Identity> identity_of(const RecordView& record);

/// The first content owns an id. A later content under the same id (NATS applies those) is an
/// identity of its own, found under this key: E2 holds for it as well.
Hash16 reused_identity(const Identity& identity);

/// A state in memory: the slow and obvious one.
class MemoryState {
public:
    Status fold(const RecordView& record);
    const Entry* find(std::string_view key) const;  ///< tombstones too
    const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }
    Seq seq() const { return seq_; }
    Epoch epoch() const { return epoch_; }

private:
    Folder folder_;
    std::map<std::string, Entry, std::less<>> entries_;
    Seq seq_;
    Epoch epoch_;
};

}  // namespace se
