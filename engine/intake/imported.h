#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/answer.h"
#include "engine/intake/proposal.h"
#include "journal/record.h"

namespace se {

/// The door of what is taken over from another engine; all of it is one scope of identities, as all
/// of NATS is: whoever imports it again finds it known.
inline constexpr std::string_view kImportDoor = "firestore";

/// What another engine had decided, beside the proposal that it decided.
struct Imported {
    enum class What : std::uint8_t {
        entry,     ///< what it holds of a key: `version` is where our counting of it begins
        mutation,  ///< a decision of its log: only known from now on, it changes nothing
    };
    What what = What::entry;
    Version version;                  ///< of the entry; or that the mutation made, 0: none
    bool accepted = true;             ///< the mutation
    Code code = Code::none;           ///< why it was not
    std::string message;              ///< likewise, in the other's words
    std::vector<HeadChange> changes;  ///< of the mutation, with the versions that it made
};

/// One line of an import:
///
///   {"from":"projects/p/databases/(default)","document":"state/obs.scene","at":"<updatedAt>",
///    "version":41,"proposal":{"op":"set",…}}
///   {"from":…,"document":"mutation_log/<id>","at":"<committedAt>","status":"accepted"|"rejected",
///    "version"?:…,"changes"?:[…],"error"?:…,"code"?:…,"principal"?:…,"proposal":{as its client
///    sent it}}
struct ParsedImport {
    std::optional<Proposal> proposal;
    Imported imported;
    std::string door,
        principal;      ///< the mutation's, as it came to the other engine; empty: whoever imports
    std::string cause;  ///< {"type":"import","from","document","at",…}
    Refusal refusal;    ///< meaningful when there is no proposal
};

/// Reads one. Pure.
///
/// - An entry's proposal is a `set`; its id is made from all that it says.
/// - A mutation keeps its id and, in the scope that it came to (`principal`, else NATS), its
/// identity:
///   who sends it again is told what became of it. Only what was accepted, or refused for its key
///   or version, is known in this way; the other engine also refused for reasons that passed
///   (CONTRACTS 1.2), and such a one may come again: it is journaled under an id of this door.
ParsedImport parse_import(std::string_view json, const Limits& limits);

/// The record of a mutation of the past, of kind `event`: it binds its identity and folds to
/// nothing.
RecordDraft draft_of_past(const Proposal& proposal, const Imported& imported);

/// Whether such a record tells of a mutation of the past, and what became of it.
std::optional<Imported> past_of(const RecordView& record);

/// Where an imported entry's counting begins, as the cause of its record says; nothing for any
/// other.
std::optional<Imported> entry_of_cause(std::string_view door, std::string_view cause);

}  // namespace se
