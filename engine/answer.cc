#include "engine/answer.h"

#include <array>

#include "journal/base/assert.h"
#include "journal/base/json.h"

namespace se {
namespace {

/// All that depends on a code alone.
struct Meaning {
    Code code;
    std::string_view text;
    int http;
    int exit;
};

// Exit codes: 1 error, 2 conflict, 3 denied, 5 not found, 6 pending, 7 unavailable: retry.
constexpr std::array<Meaning, 20> kMeanings = {{
    {Code::none, "", 200, 0},
    {Code::malformed, "malformed", 400, 1},
    {Code::too_large, "too_large", 413, 1},
    {Code::key_not_allowed, "key_not_allowed", 403, 3},
    {Code::actor_not_permitted, "actor_not_permitted", 403, 3},
    {Code::rate_limited, "rate_limited", 429, 7},
    {Code::op_mismatch, "op_mismatch", 422, 1},
    {Code::absent, "absent", 422, 5},
    {Code::value_invalid, "value_invalid", 422, 1},
    {Code::version_conflict, "version_conflict", 409, 2},
    {Code::basis_conflict, "basis_conflict", 409, 2},
    {Code::id_reused, "id_reused", 409, 2},
    {Code::depth_limit, "depth_limit", 422, 1},
    {Code::approval_required, "approval_required", 403, 3},
    {Code::not_approver, "not_approver", 403, 3},
    {Code::lapsed, "lapsed", 409, 2},
    {Code::unauthenticated, "unauthenticated", 401, 3},
    {Code::not_found, "not_found", 404, 5},
    {Code::unavailable, "unavailable", 503, 7},
    {Code::outcome_unknown, "outcome_unknown", 503, 7},
}};

const Meaning& meaning(Code code) {
    const Meaning& found = kMeanings[static_cast<std::size_t>(code)];
    SE_ASSERT(found.code == code);
    return found;
}

std::string_view status_text(Answer::Status status) {
    switch (status) {
        case Answer::Status::accepted:
            return "accepted";
        case Answer::Status::rejected:
            return "rejected";
        case Answer::Status::pending:
            return "pending";
    }
    SE_ASSERT(false);
}

void append_changes(std::string& out, const std::vector<Answer::Change>& changes) {
    out += '[';
    for (const Answer::Change& change : changes) {
        if (&change != changes.data()) out += ',';
        JsonObject object(out);
        object.text("key", change.key).integer("version", change.version.value);
        if (change.deleted) object.boolean("deleted", true);
        object.close();
    }
    out += ']';
}

void append_texts(std::string& out, const std::vector<std::string>& json_texts) {
    out += '[';
    for (const std::string& json : json_texts) {
        if (&json != json_texts.data()) out += ',';
        out += json;
    }
    out += ']';
}

}  // namespace

std::string_view to_text(Code code) {
    return meaning(code).text;
}

std::optional<Code> code_from_text(std::string_view text) {
    for (const Meaning& known : kMeanings)
        if (known.text == text) return known.code;
    return std::nullopt;
}

std::string_view reason_of(Errc failure) {
    switch (failure) {
        case Errc::unavailable: return "draining";
        case Errc::no_space: return "disk_full";
        case Errc::corruption: return "damaged";
        case Errc::busy: return "overloaded";
        default: return "";
    }
}

void append_answer_json(std::string& out, const Answer& answer) {
    JsonObject object(out);
    object.text("id", answer.id).text("status", status_text(answer.status));
    object.boolean("duplicate", answer.duplicate);
    if (answer.dry_run) object.boolean("dryRun", true);
    object.integer("seq", answer.seq.value).integer("epoch", answer.epoch.value);
    append_changes(object.member("changes"), answer.changes);
    if (answer.changes.size() == 1) {
        object.text("key", answer.changes[0].key);
        object.integer("version", answer.changes[0].version.value);
    }
    if (answer.code != Code::none) object.text("code", to_text(answer.code));
    if (!answer.message.empty()) object.text("message", answer.message);
    if (!answer.reason.empty()) object.text("reason", answer.reason);
    // Empty: the whole of it (RFC 6901).
    if (!answer.pointer.empty() || answer.code == Code::malformed) object.text("pointer", answer.pointer);
    if (answer.current) object.raw("current", *answer.current);
    if (answer.tombstone) object.raw("tombstone", *answer.tombstone);
    if (!answer.entries.empty()) append_texts(object.member("entries"), answer.entries);
    if (!answer.fired.empty()) object.raw("fired", answer.fired);
    if (!answer.derived.empty()) object.raw("derived", answer.derived);
    if (answer.retry_after_ms) object.integer("retryAfterMs", *answer.retry_after_ms);
    if (answer.in_doubt) object.boolean("inDoubt", true);
    object.close();
}

int http_status(const Answer& answer) {
    switch (answer.status) {
        case Answer::Status::accepted:
            return 200;
        case Answer::Status::pending:
            return 202;
        case Answer::Status::rejected:
            break;
    }
    return meaning(answer.code).http;
}

int exit_code(const Answer& answer) {
    switch (answer.status) {
        case Answer::Status::accepted:
            return 0;
        case Answer::Status::pending:
            return 6;
        case Answer::Status::rejected:
            break;
    }
    // Retrying does not mend damage: a script must not wait for it.
    if (answer.code == Code::unavailable && answer.reason == "damaged") return 4;
    return meaning(answer.code).exit;
}

}  // namespace se
