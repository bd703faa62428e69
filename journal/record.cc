#include "journal/record.h"

#include <array>
#include <cstring>
#include <utility>

#include "journal/base/assert.h"
#include "journal/base/crc32c.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "journal/text_cursor.h"

namespace se {
namespace {

constexpr char kCrcMember[] = ",\"crc\":\"";
constexpr std::string_view kSaltMember = ",\"salt\":\"";
constexpr std::string_view kBodyMember = "\",\"body\":";
constexpr std::string_view kErasedMember = ",\"erased\":\"";
constexpr std::size_t kHashHexDigits = 64;
constexpr std::size_t kErasedBytes = kErasedMember.size() + kHashHexDigits + 1;
constexpr std::size_t kTimeDigits = 24;
constexpr char kKindNote[] = "\",\"kind\":\"note\"";

constexpr std::array<std::string_view, 8> kKinds = {"accepted", "rejected",   "held", "vote",
                                                    "config",   "checkpoint", "note", "event"};

constexpr std::array<std::string_view, 21> kMembers = {
    "seq",   "epoch",   "durable", "ts",        "kind", "note",   "code",
    "id",    "content", "actor",   "principal", "door", "roles",  "cause",
    "trace", "changes", "decided", "salt",      "body", "erased", "crc"};

Error not_a_record(std::string_view what) {
    return Error{Errc::corruption, "not a record: " + std::string(what)};
}

bool take_frame(TextCursor& cursor, Seq* seq, Epoch* epoch, Seq* durable) {
    return cursor.take("{\"seq\":") && cursor.integer(&seq->value) && cursor.take(",\"epoch\":") &&
           cursor.integer(&epoch->value) && cursor.take(",\"durable\":") &&
           cursor.integer(&durable->value) && cursor.take(",\"ts\":\"");
}

/// Splits what follows the head: everything before the crc's comma belongs to one of the three.
struct Tail {
    std::string_view salt, body, erased;
};
bool is_hex(std::string_view digits) {
    bool all = true;  // no early way out: none is ever taken
    for (const char c : digits) all &= (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    return all;
}
bool split_tail(std::string_view tail, Tail* out) {
    if (tail.starts_with(kErasedMember)) {
        if (tail.size() != kErasedBytes || tail.back() != '"') return false;
        out->erased = tail.substr(kErasedMember.size(), kHashHexDigits);
        return is_hex(out->erased);
    }
    const std::size_t body_at = kSaltMember.size() + kSaltHexDigits + kBodyMember.size();
    if (!tail.starts_with(kSaltMember) || tail.size() < body_at + 2) return false;
    out->salt = tail.substr(kSaltMember.size(), kSaltHexDigits);
    if (tail.substr(kSaltMember.size() + kSaltHexDigits, kBodyMember.size()) != kBodyMember) {
        return false;
    }
    out->body = tail.substr(body_at);
    return is_hex(out->salt) && out->body.front() == '{' && out->body.back() == '}';
}

bool at_tail(const TextCursor& cursor) {
    return cursor.sees(kSaltMember) || cursor.sees(kErasedMember);
}

Hash body_hash(const Tail& tail) {
    // split_tail has seen that these are hex digits.
    if (!tail.erased.empty()) return *hash_from_hex(tail.erased);
    return Sha256{}.add(tail.salt).add(tail.body).finish();
}

Hash hash_leaf(std::string_view head, const Hash& body) {
    return Sha256{}.add(std::string_view("\0", 1)).add(head).add(body).finish();
}

/// A string member of a record on its way into a view.
bool take_text(TextCursor& cursor, std::string_view* text, RecordView* out) {
    bool escaped = false;
    if (!cursor.string(text, &escaped)) return false;
    if (escaped) [[unlikely]] {
        out->unescaped.push_back(std::make_unique<std::string>(TextCursor::unescape(*text)));
        *text = *out->unescaped.back();
    }
    return true;
}

bool take_changes(TextCursor& cursor, RecordView* out) {
    if (!cursor.take('[')) return false;
    do {
        RecordView::Change& change = out->changes.emplace_back();
        if (!cursor.take("{\"key\":") || !take_text(cursor, &change.key, out) ||
            !cursor.take(",\"op\":") || !take_text(cursor, &change.op, out)) {
            return false;
        }
        if (cursor.take(",\"version\":") && !cursor.integer(&change.version.value)) return false;
        if (!cursor.take('}')) return false;
    } while (cursor.take(','));
    return cursor.take(']');
}

bool is_known(std::string_view member) {
    for (const std::string_view known : kMembers) {
        if (member == known) return true;
    }
    return false;
}

/// Members of a later minor version: part of the head, and nothing to us.
bool pass_unknown_members(TextCursor& cursor) {
    while (!at_tail(cursor)) {
        std::string_view name, value;
        bool escaped = false;
        if (!cursor.take(',') || !cursor.string(&name, &escaped) || is_known(name) ||
            !cursor.take(':') || !cursor.value(&value)) {
            return false;
        }
    }
    return true;
}

void clear(RecordView* out) {
    out->note = out->code = out->id = out->content = out->actor = out->principal = {};
    out->door = out->trace = out->decided = out->roles = out->cause = {};
    out->changes.clear();
    out->unescaped.clear();
}

}  // namespace

std::string_view to_text(Kind kind) {
    return kind == Kind::unknown ? "unknown" : kKinds[static_cast<std::size_t>(kind)];
}

Kind kind_from_text(std::string_view text) {
    for (std::size_t i = 0; i < kKinds.size(); ++i) {
        if (text == kKinds[i]) return static_cast<Kind>(i);
    }
    return Kind::unknown;
}

void append_crc_tail(std::string& line, std::size_t line_begin) {
    const std::uint32_t crc = crc32c(std::string_view(line).substr(line_begin));
    line += kCrcMember;
    append_hex32(line, crc);
    line += "\"}";
}

bool crc_tail_holds(std::string_view line) {
    if (line.size() < kCrcTailBytes) return false;
    const std::size_t covered = line.size() - kCrcTailBytes;
    // The tail as it should be, compared whole: digits are as good as random, and each branch on
    // one of them would be guessed wrong half of the time.
    char tail[kCrcTailBytes + 1] = ",\"crc\":\"hhhhhhhh\"}";
    const std::uint32_t crc = crc32c(line.substr(0, covered));
    for (unsigned i = 0; i < 8; ++i) {
        tail[sizeof kCrcMember - 1 + i] = "0123456789abcdef"[(crc >> (28 - 4 * i)) & 0xf];
    }
    return std::memcmp(line.data() + covered, tail, kCrcTailBytes) == 0;
}

Hash encode_record(std::string& out, const RecordDraft& draft, Seq seq, Epoch epoch, Seq durable,
                   std::string_view salt_hex) {
    SE_ASSERT(draft.kind != Kind::unknown);
    SE_ASSERT(salt_hex.size() == kSaltHexDigits && is_hex(salt_hex));
    SE_ASSERT(draft.body.starts_with('{') && draft.body.ends_with('}'));
    const std::size_t begin = out.size();
    const auto integer = [&out]<std::size_t N>(const char(&member)[N], std::uint64_t value) {
        out.append(member, N - 1);
        append_integer(out, value);
    };
    const auto text = [&out]<std::size_t N>(const char(&member)[N], std::string_view value) {
        if (value.empty()) return;
        out.append(member, N - 1);
        append_json_string(out, value);
    };
    integer("{\"seq\":", seq.value);
    integer(",\"epoch\":", epoch.value);
    integer(",\"durable\":", durable.value);
    out += ",\"ts\":\"";
    append_time(out, draft.ts);
    out += '"';
    text(",\"kind\":", to_text(draft.kind));
    text(",\"note\":", draft.note);
    text(",\"code\":", draft.code);
    text(",\"id\":", draft.id);
    text(",\"content\":", draft.content);
    text(",\"actor\":", draft.actor);
    if (draft.principal != draft.actor) text(",\"principal\":", draft.principal);
    text(",\"door\":", draft.door);
    if (!draft.roles.empty()) {
        out += ",\"roles\":";
        char before = '[';
        for (const std::string& role : draft.roles) {
            out += std::exchange(before, ',');
            append_json_string(out, role);
        }
        out += ']';
    }
    if (!draft.cause.empty()) out.append(",\"cause\":").append(draft.cause);
    text(",\"trace\":", draft.trace);
    if (!draft.changes.empty()) {
        out += ",\"changes\":";
        char before = '[';
        for (const HeadChange& change : draft.changes) {
            out += std::exchange(before, ',');
            out += "{\"key\":";
            append_json_string(out, change.key);
            out += ",\"op\":";
            append_json_string(out, change.op);
            if (change.version != Version{}) integer(",\"version\":", change.version.value);
            out += '}';
        }
        out += ']';
    }
    text(",\"decided\":", draft.decided);

    const Tail tail{.salt = salt_hex, .body = draft.body, .erased = {}};
    const Hash leaf = hash_leaf(std::string_view(out).substr(begin), body_hash(tail));
    out.append(kSaltMember).append(salt_hex).append(kBodyMember).append(draft.body);
    append_crc_tail(out, begin);
    return leaf;
}

std::optional<Frame> read_frame(std::string_view line) {
    TextCursor cursor(line);
    Frame frame{};
    if (!take_frame(cursor, &frame.seq, &frame.epoch, &frame.durable)) return {};
    const std::string_view rest = line.substr(cursor.position());
    frame.is_note = rest.size() >= kTimeDigits + sizeof kKindNote - 1 &&
                    std::memcmp(rest.data() + kTimeDigits, kKindNote, sizeof kKindNote - 1) == 0;
    if (!crc_tail_holds(line)) return {};
    // A body ends in a brace, so nearly always one byte tells.
    const std::string_view covered = line.substr(0, line.size() - kCrcTailBytes);
    frame.is_erased = covered.ends_with('"') && covered.size() > kErasedBytes &&
                      covered.substr(covered.size() - kErasedBytes).starts_with(kErasedMember);
    return frame;
}

Status parse_record(std::string_view line, RecordView* out) {
    clear(out);
    out->line = line;
    if (line.size() < kCrcTailBytes) return not_a_record("too short");
    const std::string_view covered = line.substr(0, line.size() - kCrcTailBytes);
    if (!line.substr(covered.size()).starts_with(kCrcMember) || !line.ends_with("\"}")) {
        return not_a_record("no crc at its end");
    }
    TextCursor cursor(covered);
    if (!take_frame(cursor, &out->seq, &out->epoch, &out->durable))
        return not_a_record("its start");
    if (!cursor.time(&out->ts) || !cursor.take('"')) return not_a_record("ts");
    if (!cursor.take(",\"kind\":") || !take_text(cursor, &out->kind_text, out)) {
        return not_a_record("kind");
    }
    out->kind = kind_from_text(out->kind_text);

    const auto text = [&]<std::size_t N>(const char(&member)[N], std::string_view* value) {
        return !cursor.take(member) || take_text(cursor, value, out);
    };
    if (!text(",\"note\":", &out->note)) return not_a_record("note");
    if (!text(",\"code\":", &out->code)) return not_a_record("code");
    if (!text(",\"id\":", &out->id)) return not_a_record("id");
    if (!text(",\"content\":", &out->content)) return not_a_record("content");
    if (!text(",\"actor\":", &out->actor)) return not_a_record("actor");
    if (!text(",\"principal\":", &out->principal)) return not_a_record("principal");
    if (!text(",\"door\":", &out->door)) return not_a_record("door");
    if (cursor.take(",\"roles\":") && !cursor.array(&out->roles)) return not_a_record("roles");
    if (cursor.take(",\"cause\":") && !cursor.object(&out->cause)) return not_a_record("cause");
    if (!text(",\"trace\":", &out->trace)) return not_a_record("trace");
    if (cursor.take(",\"changes\":") && !take_changes(cursor, out)) return not_a_record("changes");
    if (!text(",\"decided\":", &out->decided)) return not_a_record("decided");
    if (!pass_unknown_members(cursor)) return not_a_record("a member in the wrong place");

    Tail tail;
    if (!split_tail(covered.substr(cursor.position()), &tail)) return not_a_record("salt and body");
    out->salt = tail.salt;
    out->body = tail.body;
    out->erased = tail.erased;
    return Ok{};
}

Hash leaf_hash(const RecordView& record) {
    const std::string_view mark = record.erased.empty() ? record.salt : record.erased;
    const std::size_t member = record.erased.empty() ? kSaltMember.size() : kErasedMember.size();
    SE_ASSERT(!mark.empty());
    const auto head = static_cast<std::size_t>(mark.data() - record.line.data()) - member;
    const Tail tail{.salt = record.salt, .body = record.body, .erased = record.erased};
    return hash_leaf(record.line.substr(0, head), body_hash(tail));
}

Result<Hash> leaf_hash(std::string_view line) {
    if (line.size() < kCrcTailBytes) return not_a_record("too short");
    const std::string_view covered = line.substr(0, line.size() - kCrcTailBytes);
    TextCursor cursor(covered);
    if (!cursor.take('{')) return not_a_record("its start");
    // Member by member: a `cause` may hold a member named salt of its own.
    std::string_view name, value;
    bool escaped = false;
    if (!cursor.string(&name, &escaped) || !cursor.take(':') || !cursor.value(&value)) {
        return not_a_record("its start");
    }
    while (!at_tail(cursor)) {
        if (!cursor.take(',') || !cursor.string(&name, &escaped) || !cursor.take(':') ||
            !cursor.value(&value)) {
            return not_a_record("its head");
        }
    }
    Tail tail;
    if (!split_tail(covered.substr(cursor.position()), &tail)) return not_a_record("salt and body");
    return hash_leaf(covered.substr(0, cursor.position()), body_hash(tail));
}

}  // namespace se
