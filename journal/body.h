#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/clock.h"
#include "journal/base/ids.h"
#include "journal/base/result.h"

namespace se {

/// The body of an `accepted` (or `rejected`) record: what a person may ask to have erased. As JSON,
/// in this order, absent when empty:
///
///   {"reason":"…","metadata":{…},"values":[…],"entries":[{"ttl":…,"expiresAt":"…","metadata":{…}}],
///    "args":[…],"ops":[…],"ttl":…,"expectedVersion":…,"basis":[{"key":…,"seq":…}],"ts":"…",
///    "claim":{…},"fired":[…],"message":"…","found":…}
///
/// - `values[i]` is the post-image of `changes[i]` in the head: the whole value, never a
/// difference;
///   null for a delete.
/// - What else an entry holds follows from the default rule: ttl = `ttl`, deadline = record ts +
/// ttl,
///   metadata = `metadata`, reason = `reason`. Where the outcome differs for any change (ttl,
///   deadline and metadata kept by increment, push or merge; members given per op), `entries` says
///   it for every change, in full, and the default rule does not apply.
/// - The proposal can be had back from the record: one op: `changes[0].op`, `args[0]` if present
/// else
///   `values[0]`. Several: `ops`, the client's list in canonical form; an op without "value" took
///   its value from `values` of its key.
/// - A rejected record has no `values`; a single op's value is `args[0]`, `changes[0]` has key and
/// op.
///   `found` is the version that stood (absent when it does not matter), `message` the refusal's
///   text.
struct Body {
    struct EntryMembers {
        std::uint64_t ttl = 0;  ///< seconds; 0: none
        std::optional<Time> expires_at;
        std::string metadata;  ///< JSON object, or empty

        bool operator==(const EntryMembers&) const = default;
    };
    struct Basis {
        std::string key;
        Seq seq;

        bool operator==(const Basis&) const = default;
    };

    std::string reason;
    std::string metadata;               ///< JSON object as the client sent it, or empty
    std::vector<std::string> values;    ///< JSON texts
    std::vector<EntryMembers> entries;  ///< empty: the default rule; else one a change
    std::vector<std::string> args;      ///< JSON texts
    std::string ops;                    ///< JSON array, or empty
    std::optional<std::uint64_t> ttl;   ///< as the client sent it, seconds
    std::optional<std::uint64_t> expected_version;
    std::vector<Basis> basis;
    std::string ts;     ///< the client's own time text, kept, never used
    std::string claim;  ///< JSON object: identity claimed and not believed
    std::string fired;  ///< JSON array, or empty
    std::string message;
    std::optional<std::uint64_t> found;

    bool operator==(const Body&) const = default;
};

void encode_body(std::string& out, const Body& body);

/// The other way. Unknown members are skipped. Errc::corruption when it is not of that form.
Result<Body> parse_body(std::string_view json);

/// When what was written at `ts` expires. A deadline past the year 9999 is the last moment of it.
Time deadline(Time ts, std::uint64_t ttl_seconds);

/// What the projection needs of a body and nothing else, as views into it: for the hot fold.
struct PostImage {
    std::string_view value;  ///< JSON text
    std::uint64_t ttl = 0;   ///< seconds; 0: none
    std::optional<Time> expires_at;
    std::string_view metadata;  ///< JSON object, or empty
};
struct PostImages {
    std::string reason;  ///< plain text
    std::vector<PostImage> changes;
};
/// Resolves the default rule. `ts` is the record's. Needs as many values as the head has changes.
/// Reuses `out`'s memory.
Status parse_post_images(std::string_view body_json, Time ts, std::size_t changes, PostImages* out);

}  // namespace se
