// propose_mutation: one change, decided, on the disk, and only then answered.

#include <algorithm>
#include <array>

#include "engine/api/gate.h"
#include "engine/policy/policy.h"
#include "journal/base/json_depth.h"
#include "mcp/tools/state_tools.h"
#include "mcp/tools/words.h"

namespace se::mcp {
namespace {

/// Members of the arguments that are members of the proposal. Others are ignored.
constexpr auto kMembers = std::to_array<std::string_view>(
    {"id", "key", "op", "value", "expectedVersion", "ttl", "metadata", "reason", "basis", "ops"});

constexpr std::size_t kClaimBytesMax = 256;
constexpr std::size_t kClaimedRolesMax = 64;

/// As of a header: blanks at either end are not part of it.
std::string without_blanks(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return std::string(text);
}

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// Whom `_meta` says the caller speaks for (CONTRACTS 1.6). What is no identity by its form is passed over: it is
/// not the model that wrote it, and no reason to refuse a change. What a header cannot carry as it is (to a daemon,
/// where this process has no store of its own) is Errc::malformed: a claim means the same at every door.
Result<IdentityClaim> claim_of(const Json& meta, const Limits& limits) {
    IdentityClaim claim;
    const Json* user = meta.find("userId");
    if (user != nullptr && user->is_string() && user->string().size() <= kClaimBytesMax)
        claim.actor = without_blanks(user->string());
    if (has_control(claim.actor))
        return Error{Errc::malformed, "_meta.userId must have no control characters"};
    const Json* roles = meta.find("userRoles");
    if (roles == nullptr || !roles->is_array()) return claim;
    std::size_t bytes = 0;
    for (const Json& role : roles->array()) {
        if (claim.roles.size() == kClaimedRolesMax) break;
        if (!role.is_string() || role.string().size() > kClaimBytesMax) continue;
        std::string name = without_blanks(role.string());
        if (name.empty()) continue;
        if (has_control(name) || name.find(',') != std::string::npos)
            return Error{Errc::malformed, "_meta.userRoles must have no control characters and no commas"};
        bytes += name.size() + 1;
        if (bytes > limits.reason_bytes)
            return Error{Errc::malformed, "_meta.userRoles must be at most " +
                                              std::to_string(limits.reason_bytes) + " bytes together"};
        claim.roles.push_back(std::move(name));
    }
    return claim;
}

/// Whether an argument is one, of those that only add something. On the legacy door it is passed over otherwise: the
/// original does not know it, and does what was asked (CONTRACTS 1.6). What keeps a change from being made is none of
/// them: nobody wants it passed over.
bool is_sound(std::string_view name, const Json& member, const Limits& limits) {
    if (name == "id") return member.is_string() && !member.string().empty();
    if (name == "metadata") return member.is_object();
    if (name != "ttl") return true;
    return member.is_integer() && member.integer() >= 0 &&
           static_cast<std::uint64_t>(member.integer()) <= limits.ttl_seconds;
}

/// Null is absent, but for a value.
Json without_nulls(const Json& op) {
    if (!op.is_object()) return op;
    Json left(Json::Object{});
    for (const auto& [name, member] : op.object())
        if (!member.is_null() || name == "value") left.set(name, member);
    return left;
}

Json proposal_of(const ToolContext& context, const Limits& limits) {
    const Json* list = context.arguments.find("ops");
    const bool single = list == nullptr || list->is_null();
    Json proposal(Json::Object{});
    for (const std::string_view name : kMembers) {
        const Json* member = context.arguments.find(name);
        if (member == nullptr || (member->is_null() && !(single && name == "value"))) continue;
        if (context.legacy_sse && !is_sound(name, *member, limits)) continue;
        proposal.set(std::string(name), *member);
    }
    if (!single && list->is_array()) {
        Json::Array ops;
        for (const Json& op : list->array()) ops.push_back(without_nulls(op));
        proposal.set("ops", std::move(ops));
    }
    return proposal;
}

/// Of a list of ops, `key` can only repeat the first one's: anything else would be a change that is not made.
bool repeats_first_key(const Json& proposal) {
    const Json* key = proposal.find("key");
    const Json* ops = proposal.find("ops");
    if (key == nullptr || ops == nullptr || !ops->is_array() || ops->array().empty()) return true;
    const Json* first = ops->array().front().find("key");
    return first != nullptr && *first == *key;
}

/// The first key that nobody may write; the only one of a single proposal. It need not be a key by its form.
std::optional<std::string> key_outside(const Json& arguments, const std::vector<std::string>& allowed) {
    Policy policy;
    policy.allowed_keys = allowed;
    const auto outside = [&](const Json& of) -> const std::string* {
        const Json* key = of.find("key");
        return key != nullptr && key->is_string() && !policy.allows(key->string()) ? &key->string() : nullptr;
    };
    if (const std::string* key = outside(arguments)) return *key;
    const Json* ops = arguments.find("ops");
    if (ops != nullptr && ops->is_array()) {
        for (const Json& op : ops->array()) {
            if (const std::string* key = outside(op)) return *key;
        }
    }
    return std::nullopt;
}

constexpr std::string_view kOtherKey = "Nothing was written. Choose a key in an allowed namespace and a new id.";
constexpr std::string_view kMendIt = "Nothing was written. Mend what the message names, then propose with a new id.";

/// The reason of `unavailable` in an answer.
std::string reason_in(const std::string& answer_json) {
    const auto answer = parse_json(answer_json, kJsonDepthTrusted);
    const Json* reason = answer ? answer->find("reason") : nullptr;
    return reason != nullptr && reason->is_string() ? reason->string() : std::string();
}

/// A conflict shows what stands there only to whom may read it. What a text quotes has its quotes escaped.
bool shows_current(const Decided& decided) { return decided.json.find(R"("current":)") != std::string::npos; }

/// What to do now, for the model.
std::string advice(const Decided& decided, bool dry_run) {
    const std::string same = "the very same arguments and \"id\": \"" + decided.id + "\"";
    if (decided.status == Answer::Status::pending)
        return "Not changed yet: somebody has to approve it. Do not propose it again; look later with get_state.";
    switch (decided.code) {
        case Code::none:
            return dry_run ? "Nothing was written. To do it, propose the same without dryRun."
                           : "Done, and on the disk. Do not propose it again.";
        case Code::version_conflict:
            if (!shows_current(decided)) {
                return "It is not at the version that you expected; nothing was written. What it holds now is not "
                       "shown to you, so you cannot decide again: tell whoever asked you. Only if your value is "
                       "right whatever stands there, propose without expectedVersion and with a new id.";
            }
            return "Somebody changed it before you; nothing was written. Decide again from `current`, then propose "
                   "with its version as expectedVersion (0 when it is null) and a new id.";
        case Code::basis_conflict:
            return "Something that you reasoned from has changed; nothing was written. Read the keys of your basis "
                   "again, decide again, then propose with their new seqs and a new id.";
        case Code::id_reused:
            return "This id belongs to another change; nothing was written. Take a new id for each intent.";
        case Code::key_not_allowed: return std::string(kOtherKey);
        case Code::actor_not_permitted:
            return "You may not do this, and trying again will not help. Tell whoever asked you.";
        case Code::rate_limited:
            return "Nothing was written. Wait retryAfterMs, then propose " + same + ".";
        case Code::absent:
            return "The key is not there; nothing was written. Set it instead, with a new id.";
        case Code::unavailable:
            return "Nothing was written. " + when_unavailable(reason_in(decided.json), "propose " + same + ".");
        case Code::outcome_unknown:
            return "It may have happened or not. Propose " + same +
                   ": if it has happened you get that answer, and it is never applied twice.";
        default: return std::string(kMendIt);
    }
}

/// On the legacy door the text is a contract, with all that is allowed to anybody (CONTRACTS 1.6).
ToolOutcome not_allowed(StateDoor& door, const ToolContext& context, const std::string& key, std::string structured) {
    return ToolOutcome::not_allowed(
        "Mutation rejected: key '" + key + "' is not in an allowed namespace, so nothing was stored. Allowed keys: " +
            (context.legacy_sse ? joined(door.allowed_keys()) + " (a trailing '*' denotes a prefix)"
                                : writable_keys(door, context.caller)) +
            ".",
        std::move(structured));
}

/// What the original does not look at is no error on its door, but a "no" like others; and of a key it asks whether it
/// is allowed, not whether it is one.
ToolOutcome no_of_legacy(StateDoor& door, const ToolContext& context, ToolOutcome no) {
    const auto outside = key_outside(context.arguments, door.allowed_keys());
    if (!outside) return no;
    return not_allowed(door, context, *outside,
                       refusal(Code::key_not_allowed, "Key not allowed", kOtherKey).structured_json);
}

ToolOutcome outcome_of(StateDoor& door, const Decided& decided, const ToolContext& context, bool dry_run) {
    std::string structured = decided.json;
    structured.pop_back();
    structured += ",\"next\":";
    append_json_string(structured, advice(decided, dry_run));
    structured += '}';
    using Kind = ToolOutcome::Kind;
    switch (decided.code) {
        case Code::none: return object_outcome(Kind::ok, std::move(structured));
        case Code::key_not_allowed:
            return not_allowed(door, context,
                               key_outside(context.arguments, door.allowed_keys()).value_or(std::string()),
                               std::move(structured));
        case Code::malformed:
        case Code::too_large:
            if (context.legacy_sse)
                return no_of_legacy(door, context, object_outcome(Kind::refused, std::move(structured)));
            return object_outcome(Kind::invalid, std::move(structured));
        case Code::unavailable:
        case Code::outcome_unknown: return object_outcome(Kind::fault, std::move(structured));
        default: return object_outcome(Kind::refused, std::move(structured));
    }
}

constexpr std::string_view kExample =
    R"(. Example: {"key":"stream.state","value":"on","reason":"the stream went live"})";

void propose(StateDoor& door, const ToolContextPtr& call, const std::function<void(ToolOutcome)>& done) {
    const ToolContext& context = *call;
    Json proposal = proposal_of(context, door.limits());
    const bool list = proposal.find("ops") != nullptr;
    Arguments needed(proposal);
    if (!list) needed.needed_text("key");
    needed.needed_text("reason");
    if (!needed.problem().empty())
        return done(ToolOutcome::invalid(needed.problem() + std::string(kExample)));
    const auto wrong = [&](const std::string& problem) {
        done(context.legacy_sse ? no_of_legacy(door, context, refusal(Code::malformed, problem, kMendIt))
                                : ToolOutcome::invalid(problem + std::string(kExample)));
    };
    Arguments others(context.arguments);
    if (!repeats_first_key(proposal))
        others.wrong("'key' beside 'ops' must be that of the first op: each op names its own key");
    if (!context.legacy_sse) others.text("id");
    const bool dry_run = others.boolean("dryRun", false);
    if (!others.problem().empty()) return wrong(others.problem());
    const auto claim = claim_of(context.meta, door.limits());
    if (!claim) return wrong(claim.error().text);
    Caller caller = context.caller;
    attribute(*claim, &caller);
    caller.door = "mcp";
    JsonObject(caller.cause).text("type", "mcp").text("tool", "propose_mutation").close();
    if (list) {
        proposal.erase("key");  // the schema asks for one; what counts stands in the list
    } else if (proposal.find("op") == nullptr) {
        proposal.set("op", "set");
    }
    door.propose(std::move(proposal), std::move(caller), dry_run,
                 [&door, call, dry_run, done](const Decided& decided) {
                     done(outcome_of(door, decided, *call, dry_run));
                 });
}

constexpr std::string_view kOpMembers =
    R"("key":{"type":"string","description":"In an allowed namespace; see the description"},)"
    R"("op":{"type":"string","enum":["set","delete","increment","push","merge"],"default":"set",)"
    R"("description":"set replaces the value; delete takes the key away; increment adds value to a number; )"
    R"(push appends value to a list; merge puts the members of value over an object, where null removes one"},)"
    R"("value":{"description":"Any JSON; not for delete"},)"
    R"("expectedVersion":{"type":["integer","null"],"minimum":0,)"
    R"("description":"Change it only if this is its version now; 0: only if it is not there"},)"
    R"("ttl":{"type":["integer","null"],"minimum":0,"description":"Seconds until it is deleted by itself"},)"
    R"("metadata":{"type":"object","description":"Kept beside the value"})";

}  // namespace

Tool propose_mutation_tool(StateDoor& door) {
    return {
        .name = "propose_mutation",
        .title = "Change state",
        .description = {},
        .input_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{)" +
            std::string(kOpMembers) +
            R"(,"reason":{"type":"string","description":"Why, in a sentence; kept for ever"},)"
            R"("id":{"type":"string","description":"Yours for this one intent; retry with it, never reuse it"},)"
            R"("basis":{"type":"array","items":{"type":"object","properties":{"key":{"type":"string"},)"
            R"("seq":{"type":"integer"}},"required":["key","seq"]},)"
            R"("description":"What you reasoned from: refused if any of it has changed since that seq"},)"
            R"("ops":{"type":"array","items":{"type":"object","properties":{)" +
            std::string(kOpMembers) +
            R"(},"required":["key","op"]},"description":"Instead of key, op and value: several changes that )"
            R"(happen together or not at all; key is then that of the first"},)"
            R"("dryRun":{"type":"boolean","default":false,"description":"Only say what would happen"}},)"
            R"("required":["key","reason"]})",
        .output_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"id":{"type":"string"},"status":{"type":"string","enum":["accepted","rejected","pending"]},)"
            R"("duplicate":{"type":"boolean"},"dryRun":{"type":"boolean"},"seq":{"type":"integer"},)"
            R"("epoch":{"type":"integer"},"changes":{"type":"array","items":{"type":"object","properties":)"
            R"({"key":{"type":"string"},"version":{"type":"integer"},"deleted":{"type":"boolean"}}}},)"
            R"("key":{"type":"string"},"version":{"type":"integer"},"code":{"type":"string"},)"
            R"("message":{"type":"string"},"current":{"type":["object","null"]},)"
            R"("retryAfterMs":{"type":"integer"},"next":{"type":"string"}},)"
            R"("required":["id","status","next"]})",
        .annotations_json =
            R"({"readOnlyHint":false,"destructiveHint":true,"idempotentHint":false,"openWorldHint":false})",
        .run = [&door](const ToolContextPtr& context,
                       const std::function<void(ToolOutcome)>& done) { propose(door, context, done); },
        .describe =
            [&door](const Caller& caller) {
                return "Changes state, if the rules allow it. Waits for the decision and returns it: "
                       "\"accepted\" means that it is on the disk; \"rejected\" says why, and `next` what to do. "
                       "Read first (get_state) and send the version you saw as expectedVersion, so that you "
                       "never overwrite what you have not seen. Make one id per intent: after a lost answer or "
                       "\"outcome_unknown\" repeat the same call with the same id, it is never applied twice; "
                       "after a conflict decide again from `current` and take a new id. Only keys in the allowed "
                       "namespaces can be written. Allowed keys: " +
                       writable_keys(door, caller) + ".";
            },
    };
}

}  // namespace se::mcp
