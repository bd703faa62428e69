// propose_mutation: one change, decided, on the disk, and only then answered.

#include <algorithm>
#include <array>

#include "engine/api/gate.h"
#include "engine/policy/policy.h"
#include "mcp/tools/state_tools.h"
#include "mcp/tools/words.h"

namespace se::mcp {
namespace {

/// Members of the arguments that are members of the proposal. Others are ignored.
constexpr auto kMembers = std::to_array<std::string_view>(
    {"id", "key", "op", "value", "expectedVersion", "ttl", "metadata", "reason", "basis", "ops"});

constexpr std::size_t kClaimBytesMax = 256;
constexpr std::size_t kClaimedRolesMax = 64;

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
        claim.actor = user->string();
    if (has_control(claim.actor))
        return Error{Errc::malformed, "_meta.userId must have no control characters"};
    const Json* roles = meta.find("userRoles");
    if (roles == nullptr || !roles->is_array()) return claim;
    std::size_t bytes = 0;
    for (const Json& role : roles->array()) {
        if (claim.roles.size() == kClaimedRolesMax) break;
        if (!role.is_string() || role.string().empty() || role.string().size() > kClaimBytesMax) continue;
        if (has_control(role.string()) || role.string().find(',') != std::string::npos)
            return Error{Errc::malformed, "_meta.userRoles must have no control characters and no commas"};
        bytes += role.string().size() + 1;
        if (bytes > limits.reason_bytes)
            return Error{Errc::malformed, "_meta.userRoles must be at most " +
                                              std::to_string(limits.reason_bytes) + " bytes together"};
        claim.roles.push_back(role.string());
    }
    return claim;
}

Json proposal_of(const Json& arguments) {
    Json proposal(Json::Object{});
    for (const std::string_view name : kMembers) {
        if (const Json* member = arguments.find(name)) proposal.set(std::string(name), *member);
    }
    if (proposal.find("ops") != nullptr) {
        proposal.erase("key");  // the schema asks for one; what counts stands in the list
    } else if (proposal.find("op") == nullptr) {
        proposal.set("op", "set");
    }
    return proposal;
}

/// Of a list of ops, `key` can only repeat the first one's: anything else would be a change that is not made.
bool repeats_first_key(const Json& arguments) {
    const Json* key = arguments.find("key");
    const Json* ops = arguments.find("ops");
    if (key == nullptr || ops == nullptr || !ops->is_array() || ops->array().empty()) return true;
    const Json* first = ops->array().front().find("key");
    return first != nullptr && *first == *key;
}

/// The first key that nobody may write; the only one of a single proposal.
std::string key_outside(const Json& arguments, const std::vector<std::string>& allowed) {
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
    return {};
}

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
            return "Somebody changed it before you; nothing was written. Decide again from `current`, then propose "
                   "with its version as expectedVersion (0 when it is null) and a new id.";
        case Code::basis_conflict:
            return "Something that you reasoned from has changed; nothing was written. Read the keys of your basis "
                   "again, decide again, then propose with their new seqs and a new id.";
        case Code::id_reused:
            return "This id belongs to another change; nothing was written. Take a new id for each intent.";
        case Code::key_not_allowed:
            return "Nothing was written. Choose a key in an allowed namespace and a new id.";
        case Code::actor_not_permitted:
            return "You may not do this, and trying again will not help. Tell whoever asked you.";
        case Code::rate_limited:
            return "Nothing was written. Wait retryAfterMs, then propose " + same + ".";
        case Code::absent:
            return "The key is not there; nothing was written. Set it instead, with a new id.";
        case Code::unavailable:
            return "Nothing was written. Wait a moment, then propose " + same + ".";
        case Code::outcome_unknown:
            return "It may have happened or not. Propose " + same +
                   ": if it has happened you get that answer, and it is never applied twice.";
        default: return "Nothing was written. Mend what the message names, then propose with a new id.";
    }
}

ToolOutcome outcome_of(StateDoor& door, const Decided& decided, const Json& arguments, bool dry_run) {
    std::string structured = decided.json;
    structured.pop_back();
    structured += ",\"next\":";
    append_json_string(structured, advice(decided, dry_run));
    structured += '}';
    const std::string text = indented(structured);
    switch (decided.code) {
        case Code::none: return ToolOutcome::text(text, std::move(structured));
        case Code::key_not_allowed: {
            const auto allowed = door.allowed_keys();
            return ToolOutcome::not_allowed("Mutation rejected: key '" + key_outside(arguments, allowed) +
                                                "' is not in an allowed namespace, so nothing was stored. "
                                                "Allowed keys: " +
                                                joined(allowed) + " (a trailing '*' denotes a prefix).",
                                            std::move(structured));
        }
        case Code::malformed:
        case Code::too_large: {
            ToolOutcome outcome = ToolOutcome::invalid(text);
            outcome.structured_json = std::move(structured);
            return outcome;
        }
        case Code::unavailable:
        case Code::outcome_unknown: return ToolOutcome::fault(text, std::move(structured));
        default: return ToolOutcome::refused(text, std::move(structured));
    }
}

void propose(StateDoor& door, const ToolContextPtr& call, std::function<void(ToolOutcome)> done) {
    const ToolContext& context = *call;
    Arguments arguments(context.arguments);
    const bool list = context.arguments.find("ops") != nullptr;
    if (!list) arguments.needed_text("key");
    if (!repeats_first_key(context.arguments))
        arguments.wrong("'key' beside 'ops' must be that of the first op: each op names its own key");
    arguments.needed_text("reason");
    arguments.text("id");
    const bool dry_run = arguments.boolean("dryRun", false);
    if (!arguments.problem().empty()) {
        return done(ToolOutcome::invalid(
            arguments.problem() +
            R"(. Example: {"key":"stream.state","value":"on","reason":"the stream went live"})"));
    }
    const auto claim = claim_of(context.meta, door.limits());
    if (!claim) return done(ToolOutcome::invalid(claim.error().text));
    Caller caller = context.caller;
    attribute(*claim, &caller);
    caller.door = "mcp";
    JsonObject(caller.cause).text("type", "mcp").text("tool", "propose_mutation").close();
    door.propose(proposal_of(context.arguments), std::move(caller), dry_run,
                 [&door, call, dry_run, done = std::move(done)](const Decided& decided) {
                     done(outcome_of(door, decided, call->arguments, dry_run));
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
            R"({"readOnlyHint":false,"destructiveHint":true,"idempotentHint":true,"openWorldHint":false})",
        .run = [&door](const ToolContextPtr& context,
                       std::function<void(ToolOutcome)> done) { propose(door, context, std::move(done)); },
        .describe =
            [&door] {
                return "Changes state, if the rules allow it. Waits for the decision and returns it: "
                       "\"accepted\" means that it is on the disk; \"rejected\" says why, and `next` what to do. "
                       "Read first (get_state) and send the version you saw as expectedVersion, so that you "
                       "never overwrite what you have not seen. Make one id per intent: after a lost answer or "
                       "\"outcome_unknown\" repeat the same call with the same id, it is never applied twice; "
                       "after a conflict decide again from `current` and take a new id. Only keys in the allowed "
                       "namespaces can be written. Allowed keys: " +
                       joined(door.allowed_keys()) + " (a trailing '*' denotes a prefix).";
            },
    };
}

}  // namespace se::mcp
