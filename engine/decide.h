#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/answer.h"
#include "engine/intake/imported.h"
#include "engine/intake/proposal.h"
#include "engine/policy/policy.h"
#include "engine/policy/principals.h"
#include "engine/rules/firing.h"
#include "journal/record.h"
#include "projection/entry.h"

namespace se {

/// State as a decision sees it: exactly as of the last record, durable or not (E4). A refused read is an
/// Error, never "absent".
class View {
public:
    virtual ~View() = default;
    /// Tombstones too.
    virtual Result<std::optional<Entry>> get(std::string_view key) = 0;
};

/// Who asks, as the door authenticated it.
struct Caller {
    std::string principal;
    std::string actor;               ///< whom a mutation is attributed to
    std::vector<std::string> roles;
    std::string door;                ///< http, socket, embedded, import, ttl, …
    std::string trace;               ///< W3C trace context, or empty
    std::string claim;               ///< JSON object: identity claimed and not believed; or empty
    std::string cause;               ///< JSON object, or empty
    bool exempt = false;             ///< expiry: no policy, no rate
    std::optional<Imported> imported = {};  ///< what another engine had decided
    /// What it may do. Null: the engine itself and whoever holds the store in their hands; all keys, no
    /// scopes. Every door that lets others in sets it.
    PrincipalPtr rights = {};

    bool may_read(std::string_view key) const { return rights == nullptr || rights->may_read(key); }
    bool may_write(std::string_view key) const { return rights == nullptr || rights->may_write(key); }
    bool reads_everything() const { return rights == nullptr || rights->read.matches_all(); }
    bool has_scope(std::string_view scope) const { return rights != nullptr && rights->has_scope(scope); }
    bool may_speak_for(std::string_view named) const {
        return rights != nullptr && rights->may_speak_for(named);
    }
};

/// Who stands for what an import says, for `importer` who has it in hand.
Caller caller_of_import(ParsedImport& parsed, Caller importer);

struct Decision {
    struct Change {
        std::string key;
        OpKind op = OpKind::set;  ///< the last op on the key
        Entry entry;              ///< what it becomes; seq is filled in when the record gets one
    };
    bool accepted = false;
    std::vector<Change> changes;   ///< in order of first mention; accepted only
    Code code = Code::none;
    std::string message;           ///< texts of CONTRACTS 1.1 where it has one
    std::optional<std::size_t> op_index;  ///< which op of a list said no; the message says so too
    std::string key;               ///< the key that said no
    std::optional<std::uint64_t> found;   ///< the version that stood, for a conflict: 0 when absent
    std::vector<Fired> fired;      ///< the rules that matched, or failed; accepted only
};

/// A caller whose rights are narrowed is first asked for all it names: each key allowed, each key one that it
/// may write, each key of the basis one that it may read (`actor_not_permitted`). Then
/// DESIGN 4, in this order: key allowed → op applies → value valid → expected version, for one op after
/// the other; then the basis. The first "no" wins. Reads nothing but its arguments, so today's answer is
/// also the answer in a replay next year (E1). `now` is the record's ts.
///
/// - Several ops on one key are one change: each sees what those before it made, the version rises by
///   one, and every expectedVersion speaks of the version before the proposal.
/// - set replaces everything that is held of a key. Increment, push and merge keep ttl, deadline and
///   metadata unless given (ttl 0 takes the deadline away, `{}` the metadata).
/// - What a delete leaves is an entry with `deleted` and a version, all else empty.
/// - With an accepted basis, `cause` is the caller's with a member `basis`.
/// - A deadline is recorded whether it is enforced or not.
/// - An imported entry is taken only of a key that was never here: it begins at the version that it had
///   (E3 holds from there on), and fires no rules: the other engine has fired its own.
/// - The policy's rules see the state as of the record, its own changes included. They block nothing.
Result<Decision> decide(const Proposal& proposal, const Caller& caller, View& view, const Policy& policy,
                        Time now);

/// The record of a decision (journal/body.h says what goes where). A rejected one keeps the whole
/// proposal, the message and the version found. `place` names what fired: where the record will stand.
RecordDraft to_draft(const Proposal& proposal, const Caller& caller, const Decision& decision,
                     const std::string& content, const std::string& decided, Time now,
                     const RecordPlace& place = {});

}  // namespace se
