#include "engine/intake/imported.h"

#include <algorithm>
#include <ranges>

#include "journal/base/hash.h"
#include "journal/base/json_depth.h"

namespace se {
namespace {

constexpr std::string_view kImportIdPrefix = "firestore:";
constexpr std::string_view kBusScope = "nats";
constexpr std::string_view kPastDoor = "import";  ///< whichever it was: its document does not say

std::string text_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    return found != nullptr && found->is_string() ? found->string() : std::string();
}

ParsedImport refused(std::string message, std::string pointer = {}) {
    ParsedImport parsed;
    parsed.refusal = {.code = Code::malformed,
                      .message = std::move(message),
                      .pointer = std::move(pointer),
                      .id = {},
                      .key = {}};
    return parsed;
}

/// The original said no in two ways that hold for ever (CONTRACTS 1.1).
Code code_of_error(std::string_view error) {
    if (error == "Key not allowed") return Code::key_not_allowed;
    return error.starts_with("Version mismatch: expected ") ? Code::version_conflict : Code::none;
}

std::optional<Version> version_in(const Json& json) {
    const Json* const found = json.find("version");
    if (found == nullptr) return Version{};
    if (!found->is_integer() || found->integer() < 1) return std::nullopt;
    return Version{static_cast<std::uint64_t>(found->integer())};
}

/// Fills in what became of it; false: `status` is none.
bool read_outcome(const Json& json, Imported* imported) {
    const std::string status = text_of(json, "status");
    imported->what = Imported::What::mutation;
    imported->accepted = status == "accepted";
    if (imported->accepted) return true;
    imported->message = text_of(json, "error");
    const std::string code = text_of(json, "code");
    imported->code =
        code.empty() ? code_of_error(imported->message) : code_from_text(code).value_or(Code::none);
    return status == "rejected";
}

/// Of several ops the document says which versions they made, of each key one; of one `version` does. What it says
/// of other keys is nothing that this mutation can have done.
void read_changes(const Json& json, const Proposal& proposal, Imported* imported) {
    if (proposal.single) {
        const Op& op = proposal.ops[0];
        imported->changes.push_back({op.key, std::string(to_text(op.kind)), imported->version});
        return;
    }
    const Json* const changes = json.find("changes");
    if (changes == nullptr || !changes->is_array()) return;
    for (const Json& change : changes->array()) {
        const std::string key = text_of(change, "key");
        const auto op = std::ranges::find(std::views::reverse(proposal.ops), key, &Op::key);
        const bool told = std::ranges::count(imported->changes, key, &HeadChange::key) != 0;
        if (op == proposal.ops.rend() || told) continue;
        imported->changes.push_back(
            {key, std::string(to_text(op->kind)), version_in(change).value_or(Version{})});
    }
}

std::string cause_of(const Json& json, const Imported& imported) {
    std::string cause;
    JsonObject object(cause);
    object.text("type", "import");
    for (const char* const name : {"from", "document", "at", "status"})
        if (const std::string text = text_of(json, name); !text.empty()) object.text(name, text);
    if (imported.code != Code::none) object.text("code", to_text(imported.code));
    if (imported.version != Version{}) object.integer("version", imported.version.value);
    object.close();
    return cause;
}

}  // namespace

ParsedImport parse_import(std::string_view text, const Limits& limits) {
    auto json = parse_json(text, kJsonDepthTrusted);
    if (!json) return refused(json.error().text, json.error().pointer);
    const Json* const inner = json->find("proposal");
    if (inner == nullptr || !inner->is_object())
        return refused("proposal must be an object", "/proposal");
    const auto version = version_in(*json);
    if (!version) return refused("version must be a whole number from 1 on", "/version");

    ParsedImport parsed;
    Imported& imported = parsed.imported;
    imported.version = *version;
    const bool is_entry = json->find("status") == nullptr;
    if (is_entry && *version == Version{}) return refused("an entry needs its version", "/version");
    if (!is_entry && !read_outcome(*json, &imported))
        return refused("status must be accepted or rejected", "/status");
    parsed.cause = cause_of(*json, imported);

    ParsedProposal made = proposal_of_json(*inner, limits);
    parsed.refusal = std::move(made.refusal);
    if (!made.proposal) return parsed;
    Proposal& proposal = *made.proposal;
    parsed.door = kImportDoor;
    if (!is_entry) read_changes(*json, proposal, &imported);
    const bool binds = imported.accepted || (imported.code != Code::none);
    if (is_entry) {
        if (!proposal.single || proposal.ops[0].kind != OpKind::set)
            return refused("an entry is a set", "/proposal/op");
        const std::string all = text_of(*json, "document") + "\n" + to_text(*json);
        proposal.id = std::string(kImportIdPrefix) + to_hex(sha256(all)).substr(0, 32);
    } else if (proposal.id.empty()) {
        return refused("a mutation of the past has an id", "/proposal/id");
    } else if (binds) {
        const std::string principal = text_of(*json, "principal");
        if (principal.size() > limits.actor_bytes)
            return refused("a principal has at most " + std::to_string(limits.actor_bytes) + " bytes", "/principal");
        parsed.principal = principal.empty() ? std::string(kBusScope) : principal;
        // Of a principal the scope is its name, whatever the door; only NATS and this one are
        // scopes by themselves.
        parsed.door = parsed.principal == kBusScope ? kBusScope : kPastDoor;
    } else {
        const std::string all = proposal.id + "\n" + to_text(*json);
        proposal.id = std::string(kImportIdPrefix) + to_hex(sha256(all)).substr(0, 32);
    }
    parsed.proposal = std::move(made.proposal);
    return parsed;
}

RecordDraft draft_of_past(const Proposal& proposal, const Imported& imported) {
    RecordDraft draft;
    draft.kind = Kind::event;
    draft.id = proposal.id;
    draft.changes = imported.changes;
    Body body;
    body.reason = proposal.reason;
    body.metadata = proposal.metadata;
    body.basis = proposal.basis;
    body.ts = proposal.ts;
    body.message = imported.message;
    if (proposal.single) {
        const Op& op = proposal.ops[0];
        body.ttl = op.ttl;
        body.expected_version = op.expected_version;
        if (!op.value_text.empty()) body.args.push_back(op.value_text);
    } else {
        body.ops = proposal.ops_text;
    }
    draft.body.clear();
    encode_body(draft.body, body);
    return draft;
}

std::optional<Imported> past_of(const RecordView& record) {
    if (record.kind != Kind::event || record.cause.empty()) return std::nullopt;
    const auto cause = parse_json(record.cause, kJsonDepthTrusted);
    if (!cause || text_of(*cause, "type") != "import") return std::nullopt;
    Imported imported;
    if (!read_outcome(*cause, &imported)) return std::nullopt;
    imported.version = version_in(*cause).value_or(Version{});
    // Erased: the code stands without its text.
    if (const auto body = parse_body(record.body); body && !imported.accepted)
        imported.message = body->message;
    return imported;
}

std::optional<Imported> entry_of_cause(std::string_view door, std::string_view cause) {
    if (door != kImportDoor || cause.empty()) return std::nullopt;
    const auto json = parse_json(cause, kJsonDepthTrusted);
    if (!json || text_of(*json, "type") != "import") return std::nullopt;
    const auto version = version_in(*json);
    if (!version || *version == Version{}) return std::nullopt;
    Imported imported;
    imported.version = *version;
    return imported;
}

}  // namespace se
