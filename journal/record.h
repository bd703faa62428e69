#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/clock.h"
#include "journal/base/hash.h"
#include "journal/base/ids.h"
#include "journal/base/result.h"

namespace se {

/// One journaled fact is one line:
///
///   {"seq":7,"epoch":1763690400,"durable":6,"ts":"2026-11-21T02:00:00.000Z","kind":"accepted",
///    "note":…,"code":…,"id":…,"content":"<32 hex>","actor":…,"principal":…,"door":…,"roles":[…],
///    "cause":{…},"trace":…,"changes":[{"key":…,"op":"set","version":42}],"decided":"<16 hex>",
///    "salt":"<32 hex>","body":{…},"crc":"hhhhhhhh"}
///
/// Members come in exactly this order; one that equals its default is absent (note: only for kind
/// note; code: only for rejected; principal: same as actor; the rest: empty). `salt` and `body` may
/// be replaced by `"erased":"<64 hex>"`. The head is all bytes before `,"salt":"` (or
/// `,"erased":"`): no string can hold that text, since quotes inside strings are escaped. The line
/// ends in exactly
/// `,"crc":"hhhhhhhh"}`: CRC-32C of all bytes before that comma. On disk: newline, line, newline.
/// A reader takes unknown members after `decided` and before `salt` as part of the head and ignores
/// them; unknown kinds are kept and fold to nothing.

enum class Kind : std::uint8_t {
    accepted,
    rejected,
    held,
    vote,
    config,
    checkpoint,
    note,
    event,
    unknown,  ///< written by a later minor version
};
std::string_view to_text(Kind kind);
Kind kind_from_text(std::string_view text);

/// One key that a record changes; `version` is 0 where nothing was changed (rejected, held).
struct HeadChange {
    std::string key;
    std::string
        op;  ///< set, delete, increment, push, merge; for several ops on one key the last one
    Version version;
};

/// A record on its way into the journal: what the decider says. The journal adds seq, epoch,
/// durable, salt and crc. Texts are plain, not JSON, unless said.
struct RecordDraft {
    Time ts;
    Kind kind = Kind::note;
    std::string note;  ///< opened, closed, torn_tail_cut, repaired, imported, …: kind note only
    std::string code;  ///< why not: kind rejected only
    std::string id;
    std::string content;  ///< 32 hex digits; see Identity in DESIGN 4
    std::string actor;
    std::string principal;
    std::string door;
    std::vector<std::string> roles;
    std::string cause;  ///< JSON object, or empty
    std::string trace;
    std::vector<HeadChange> changes;
    std::string decided;      ///< digest of the config in force
    std::string body = "{}";  ///< JSON object
};

inline constexpr std::size_t kRecordBytesMax =
    2u << 20;                                     ///< a longer line is refused before it is written
inline constexpr std::size_t kCrcTailBytes = 18;  ///< `,"crc":"hhhhhhhh"}`
inline constexpr std::size_t kSaltHexDigits = 32;

/// Appends the line (without newlines) to `out` and returns its leaf hash (DESIGN J7):
/// sha256(0x00 ‖ head bytes ‖ sha256(salt ‖ body bytes)), salt as the bytes of its hex digits, body
/// as its bytes, braces included.
Hash encode_record(std::string& out, const RecordDraft& draft, Seq seq, Epoch epoch, Seq durable,
                   std::string_view salt_hex);

/// A parsed line. Views point into the line, or into `unescaped` for strings that held escapes;
/// both must outlive it. Raw members are JSON text.
struct RecordView {
    struct Change {
        std::string_view key;
        std::string_view op;
        Version version;
    };

    std::string_view line;  ///< all of it, crc included
    Seq seq;
    Epoch epoch;
    Seq durable;
    Time ts;
    Kind kind = Kind::unknown;
    std::string_view kind_text;
    std::string_view note, code, id, content, actor, principal, door, trace, decided;
    std::string_view roles;  ///< raw JSON array, or empty
    std::string_view cause;  ///< raw JSON object, or empty
    std::vector<Change> changes;
    std::string_view salt;    ///< empty when erased
    std::string_view body;    ///< raw JSON object; empty when erased
    std::string_view erased;  ///< 64 hex digits, or empty
    std::vector<std::unique_ptr<std::string>> unescaped;

    std::string_view principal_or_actor() const { return principal.empty() ? actor : principal; }
};

/// The cheap half of reading: what framing, order and evidence need. Checks the crc.
struct Frame {
    Seq seq;
    Epoch epoch;
    Seq durable;
    bool is_note = false;  ///< of kind note: perhaps one that accounts for a gap
    bool is_erased = false;  ///< it has `erased` in the place of salt and body
};
/// Nothing unless `line` starts as a record does and its crc is right.
std::optional<Frame> read_frame(std::string_view line);

/// The whole line, strictly in the form drawn above. Errc::corruption names what is wrong. Does not
/// check the crc again, and of the body only that it stands in braces: parse_body looks inside.
/// Reuses `out`'s memory.
Status parse_record(std::string_view line, RecordView* out);

/// The leaf of a line (see encode_record), an erased one included. Needs a line that read_frame
/// took.
Result<Hash> leaf_hash(std::string_view line);
Hash leaf_hash(const RecordView& record);  ///< the same of a parsed line

}  // namespace se
