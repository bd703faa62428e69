#include "engine/identity.h"

#include <charconv>

#include "engine/intake/imported.h"
#include "journal/base/json.h"
#include "journal/base/json_depth.h"
#include "journal/body.h"

namespace se {
namespace {

/// "ops[3]: …" names the op of a list that said no.
std::optional<std::size_t> op_named_by(std::string_view message) {
    constexpr std::string_view kBefore = "ops[";
    if (!message.starts_with(kBefore)) return std::nullopt;
    message.remove_prefix(kBefore.size());
    std::size_t index = 0;
    const auto read = std::from_chars(message.data(), message.data() + message.size(), index);
    if (read.ec != std::errc{}) return std::nullopt;
    return index;
}

}  // namespace

Hash16 content_of(const std::string& secret, const Proposal& proposal) {
    return first_half(hmac_sha256(secret, proposal.canonical));
}

bool binds_identity(Code code) {
    switch (code) {
        case Code::malformed:
        case Code::too_large:
        case Code::rate_limited:
        case Code::unavailable:
        case Code::id_reused:
        case Code::outcome_unknown:
        case Code::unauthenticated: return false;
        default: return true;
    }
}

Answer outcome_of(const RecordView& record) {
    Answer answer;
    answer.id = record.id;
    answer.seq = record.seq;
    answer.epoch = record.epoch;
    const std::optional<Imported> past = past_of(record);
    if (record.kind == Kind::accepted || (past && past->accepted)) {
        answer.status = Answer::Status::accepted;
        answer.changes.reserve(record.changes.size());
        for (const RecordView::Change& change : record.changes) {
            answer.changes.push_back({.key = std::string(change.key),
                                      .version = change.version,
                                      .deleted = change.op == "delete" && !past});
        }
        return answer;
    }
    answer.status = Answer::Status::rejected;
    if (past) {
        answer.code = past->code;
        answer.message = past->message;
        return answer;
    }
    answer.code = code_from_text(record.code).value_or(Code::not_found);
    // Erased, or not to be read: the code is in the head and stands without its text.
    if (const auto body = parse_body(record.body)) answer.message = body->message;
    return answer;
}

std::optional<std::string> conflict_key(const RecordView& record) {
    if (record.kind != Kind::rejected) return std::nullopt;
    const bool basis = record.code == to_text(Code::basis_conflict);
    if (!basis && record.code != to_text(Code::version_conflict)) return std::nullopt;
    const auto body = parse_body(record.body);
    if (!body) return std::nullopt;
    if (basis) {
        for (const Body::Basis& fact : body->basis) {
            if (body->message.starts_with("Basis changed: " + fact.key + " is at seq ")) {
                return fact.key;
            }
        }
        return std::nullopt;
    }
    return refused_key(record, *body);
}

std::optional<std::string> refused_key(const RecordView& record, const Body& body) {
    if (const auto index = op_named_by(body.message)) {
        const auto ops = parse_json(body.ops, kJsonDepthTrusted);
        if (!ops || !ops->is_array() || *index >= ops->array().size()) return std::nullopt;
        const Json* key = ops->array()[*index].find("key");
        if (key == nullptr || !key->is_string()) return std::nullopt;
        return key->string();
    }
    if (record.changes.empty()) return std::nullopt;
    return std::string(record.changes[0].key);
}

void view_of(const RecordDraft& draft, Seq seq, Epoch epoch, RecordView* out) {
    out->line = {};
    out->seq = seq;
    out->epoch = epoch;
    out->durable = {};
    out->ts = draft.ts;
    out->kind = draft.kind;
    out->kind_text = to_text(draft.kind);
    out->note = draft.note;
    out->code = draft.code;
    out->id = draft.id;
    out->content = draft.content;
    out->actor = draft.actor;
    out->principal = draft.principal == draft.actor ? std::string_view{} : draft.principal;
    out->door = draft.door;
    out->trace = draft.trace;
    out->decided = draft.decided;
    out->roles = {};  // no fold looks at them
    out->cause = draft.cause;
    out->changes.clear();
    for (const HeadChange& change : draft.changes) {
        out->changes.push_back({.key = change.key, .op = change.op, .version = change.version});
    }
    out->salt = {};
    out->body = draft.body;
    out->erased = {};
    out->unescaped.clear();
}

}  // namespace se
