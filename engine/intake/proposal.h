#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/answer.h"
#include "engine/limits.h"
#include "journal/base/ids.h"
#include "journal/base/json.h"
#include "journal/body.h"

namespace se {

enum class OpKind : std::uint8_t { set, remove, increment, push, merge };
std::string_view to_text(OpKind kind);  ///< set delete increment push merge
std::optional<OpKind> op_from_text(std::string_view text);

struct Op {
    OpKind kind = OpKind::set;
    std::string key;
    std::optional<Json> value;           ///< nothing for delete
    std::string value_text;              ///< canonical; empty when there is none
    std::optional<std::uint64_t> ttl;    ///< seconds; 0 means none, as CONTRACTS 1.1
    std::string metadata;                ///< canonical JSON object of this op, or empty
    std::optional<std::uint64_t> expected_version;
};

/// A request to change state: canonical, with shape and limits already checked.
struct Proposal {
    std::string id;            ///< empty: the door makes one
    bool single = true;        ///< one op at the top level; false: an `ops` list
    std::vector<Op> ops;       ///< at least one
    std::string reason;
    std::string actor;         ///< as claimed; empty: none
    std::string metadata;      ///< canonical JSON object, or empty
    std::vector<Body::Basis> basis;
    std::string ts;            ///< the client's own; kept, never used
    std::string canonical;     ///< canonical text of all that the client sent except id: what content hashes
    std::string ops_text;      ///< canonical JSON of `ops` as sent (the batch form's as ops); empty when single
};

/// A proposal that never took shape.
struct Refusal {
    Code code = Code::malformed;  ///< malformed or too_large
    std::string message;          ///< names the member, what is wrong, and what is right
    std::string pointer;          ///< RFC 6901
    std::string id;               ///< if one could be read, cut to `id_bytes`
    std::string key;              ///< of a single op; likewise, cut to `key_bytes`
    /// What was sent, for the record that says no: the text as it came, of a tree its canonical text. Readable, cut to
    /// kOriginalBytes. Of a request never more than its body. Empty: it is not here.
    std::string original;
};

/// Of what was wanted and never took shape, in the record that says no; more is cut.
inline constexpr std::size_t kOriginalBytes = 64u << 10;

struct ParsedProposal {
    std::optional<Proposal> proposal;
    Refusal refusal;  ///< meaningful when there is no proposal
};

/// Reads a proposal (INTERFACES "Proposal"). Needs no engine; pure.
///
/// - `op`, `key` and `reason` are required, and so is `value` but for delete, where it is passed over.
///   Null is a legal value to set or push; increment wants a number, merge an object.
/// - `expectedVersion: null` and `ttl: null` are absent (CONTRACTS 1.1), ttl 0 is none. No other member
///   may be null.
/// - `ops` stands instead of `op key value ttl expectedVersion`: together they are malformed. `metadata`
///   beside `ops` is that of each op that has none of its own.
/// - The batch form of CONTRACTS 1.1 is a list of ops: `mutations` for ops, `type` for op (`append` is
///   push), `amount` or `value`. Without an `id` its `correlationId` is one, so that a redelivery is
///   known; without an `actor` it is its `source`; without a `reason` one is made that names the source.
/// - Unknown members are ignored but belong to the content.
///
/// Too long or too many is `too_large`; all else that is wrong, a ttl over its limit or JSON too deep
/// included, is `malformed`. At a limit the message says its name and value.
ParsedProposal parse_proposal(std::string_view json, const Limits& limits);
/// The same of a tree. Not an overload: a text would fit both, a JSON string being one.
ParsedProposal proposal_of_json(Json json, const Limits& limits);

/// The key grammar: 1 to `key_bytes` bytes of UTF-8, no control characters (C0, C1, DEL), white
/// space (Unicode) or `/`, not `.` or `..`, not `__…__`. Empty when fine, else what is wrong.
std::string key_problem(std::string_view key, const Limits& limits);

}  // namespace se
