#include "engine/replay.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/identity.h"
#include "journal/base/json_depth.h"
#include "journal/body.h"
#include "journal/body_ops.h"

namespace se {
namespace {

constexpr std::string_view kExpiryDoor = "ttl";

/// Codes that say nothing of the state: what never took shape, what passed, and what was said to
/// somebody.
constexpr std::array<Code, 7> kNotDecided = {
    Code::malformed, Code::too_large,       Code::rate_limited,       Code::unavailable,
    Code::id_reused, Code::unauthenticated, Code::actor_not_permitted};

class MemoryView final : public View {
public:
    explicit MemoryView(const MemoryState& state) : state_(state) {}
    Result<std::optional<Entry>> get(std::string_view key) override {
        const Entry* const found = state_.find(key);
        return found == nullptr ? std::nullopt : std::optional(*found);
    }

private:
    const MemoryState& state_;
};

/// What the door checked is not checked again: it may have been under the limits of a moment
/// before.
Limits without_limits(Limits limits) {
    constexpr std::uint64_t kAny = std::uint64_t{1} << 40;
    for (std::uint64_t Limits::* member :
         {&Limits::key_bytes, &Limits::id_bytes, &Limits::actor_bytes, &Limits::reason_bytes,
          &Limits::metadata_bytes, &Limits::value_bytes, &Limits::ops, &Limits::json_depth,
          &Limits::basis, &Limits::ttl_seconds})
        limits.*member = kAny;
    return limits;
}

/// The proposal that a record tells of.
Result<Proposal> proposal_of(const RecordView& record, const Body& body, const Limits& limits) {
    Json json(Json::Object{{"reason", body.reason}});
    if (!body.metadata.empty()) {
        SE_TRY(metadata, parse_json(body.metadata, kJsonDepthTrusted));
        json.set("metadata", std::move(metadata));
    }
    Json::Array basis;
    for (const Body::Basis& fact : body.basis)
        basis.push_back(Json(
            Json::Object{{"key", fact.key}, {"seq", static_cast<std::int64_t>(fact.seq.value)}}));
    if (!basis.empty()) json.set("basis", std::move(basis));
    if (!body.ts.empty()) json.set("ts", body.ts);
    if (!body.ops.empty()) {
        SE_TRY(ops, ops_of(record, body));
        json.set("ops", std::move(ops));
    } else {
        if (record.changes.size() != 1) return Error{Errc::corruption, "one op and not one change"};
        const std::string_view op = record.changes[0].op;
        json.set("op", Json(op));
        json.set("key", Json(record.changes[0].key));
        const std::string* argument = !body.args.empty() ? &body.args[0] : nullptr;
        if (argument == nullptr && !body.values.empty()) argument = &body.values[0];
        if (argument != nullptr && op != "delete") {
            SE_TRY(value, parse_json(*argument, kJsonDepthTrusted));
            json.set("value", std::move(value));
        }
        if (body.ttl) json.set("ttl", static_cast<std::int64_t>(*body.ttl));
        if (body.expected_version)
            json.set("expectedVersion", static_cast<std::int64_t>(*body.expected_version));
    }
    ParsedProposal parsed = proposal_of_json(std::move(json), without_limits(limits));
    if (!parsed.proposal)
        return Error{Errc::corruption,
                     "its proposal cannot be had back: " + parsed.refusal.message};
    parsed.proposal->id = record.id;
    return std::move(*parsed.proposal);
}

Result<Caller> caller_of(const RecordView& record, const Body& body) {
    Caller caller;
    caller.principal = record.principal_or_actor();
    caller.actor = record.actor;
    caller.door = record.door;
    caller.trace = record.trace;
    caller.claim = body.claim;
    caller.exempt = record.door == kExpiryDoor;
    caller.cause = record.cause;
    caller.imported = entry_of_cause(record.door, record.cause);
    if (record.kind != Kind::accepted || body.basis.empty()) return caller;
    SE_TRY(cause, parse_json(record.cause, kJsonDepthTrusted));
    cause.erase("basis");  // the decision adds it
    caller.cause = cause.object().empty() ? "" : to_text(cause);
    return caller;
}

/// All of a record that its decision says.
std::string shown(std::string_view kind, std::string_view code, std::string_view cause,
                  std::string_view changes, std::string_view body) {
    std::string out;
    JsonObject object(out);
    object.text("kind", kind);
    if (!code.empty()) object.text("code", code);
    if (!cause.empty()) object.raw("cause", cause);
    object.raw("changes", changes).raw("body", body).close();
    return out;
}

template <class Changes>
std::string changes_text(const Changes& changes) {
    std::string out = "[";
    for (const auto& change : changes) {
        if (out.size() > 1) out += ',';
        JsonObject object(out);
        object.text("key", change.key).text("op", change.op);
        if (change.version != Version{}) object.integer("version", change.version.value);
        object.close();
    }
    return out + "]";
}

std::string shown(const RecordView& record) {
    return shown(record.kind_text, record.code, record.cause, changes_text(record.changes),
                 record.body);
}

std::string shown(const RecordDraft& draft) {
    return shown(to_text(draft.kind), draft.code, draft.cause, changes_text(draft.changes),
                 draft.body);
}

/// What another policy is asked for: yes or no, why not, and what fired.
std::string outcome(std::string_view kind, std::string_view code, const std::string& fired) {
    std::string out;
    JsonObject object(out);
    object.text("decision", kind);
    if (!code.empty()) object.text("code", code);
    if (!fired.empty()) object.raw("fired", fired);
    object.close();
    return out;
}

/// Who may not read a key is not told what it holds: of such a text the code is all that can be
/// decided again.
bool hides_what_stands(const RecordView& record, const Body& body) {
    return record.kind == Kind::rejected &&
           body.message.find(" does not go with what ") != std::string::npos;
}

}  // namespace

Result<std::optional<Replay::Difference>> Replay::next(const RecordView& record) {
    if (record.seq != expected_ || !record.erased.empty()) {
        return Error{Errc::not_found, "what stood at seq " + std::to_string(expected_.value) +
                                          " is gone: nothing from there on can be decided again"};
    }
    expected_ = record.seq.next();
    ++counts_.records;
    if (record.kind == Kind::config) return take_config(record);
    std::optional<Difference> second = second_effect(record);
    if (record.kind != Kind::accepted && record.kind != Kind::rejected) {
        SE_TRY_OK(state_.fold(record));
        return second;
    }
    SE_TRY(difference, take_decision(record));
    SE_TRY_OK(pending_.follow(record));
    SE_TRY_OK(state_.fold(record));
    if (second) return second;  // it should not be there at all, however well it was decided
    return std::move(difference);
}

/// What should have been answered with the first outcome instead.
std::optional<Replay::Difference> Replay::second_effect(const RecordView& record) {
    const std::optional<Identity> identity = other_ ? std::nullopt : identity_of(record);
    if (!identity) return std::nullopt;
    const std::optional<Seq> first = effects_.bind(*identity, record.seq);
    if (!first) return std::nullopt;
    std::string answer;
    JsonObject(answer).boolean("duplicate", true).integer("seq", first->value).close();
    return Difference{record.seq,
                      "its identity had its effect before, at seq " + std::to_string(first->value),
                      shown(record), std::move(answer)};
}

Result<std::optional<Replay::Difference>> Replay::take_config(const RecordView& record) {
    SE_TRY_OK(state_.fold(record));
    SE_TRY(body, parse_json(record.body, kJsonDepthTrusted));
    SE_TRY(policy, Policy::from_json(body));
    policy_ = std::move(policy);
    if (other_ || policy_.digest() == record.decided) return std::optional<Difference>();
    return std::optional(Difference{record.seq, "the policy has another digest",
                                    "\"" + std::string(record.decided) + "\"",
                                    "\"" + policy_.digest() + "\""});
}

Result<std::optional<Replay::Difference>> Replay::take_decision(const RecordView& record) {
    const auto different = [&](std::string what, std::string recomputed) {
        return std::optional(
            Difference{record.seq, std::move(what), shown(record), std::move(recomputed)});
    };
    const bool derived = !is_root(record);
    if (derived && other_) return std::optional<Difference>();
    if (!derived && !pending_.empty() && !other_)
        return different("before it should stand what rule " + pending_.next().rule + " derived",
                         to_text(pending_.next().proposal));
    if (derived && pending_.empty()) return different("nothing was waiting to be derived", "null");
    const Code code = code_from_text(record.code).value_or(Code::none);
    SE_TRY(body, parse_body(record.body));
    const Policy& policy = other_ ? *other_ : policy_;

    Proposal proposal;
    SE_TRY(caller, caller_of(record, body));
    if (derived) {
        ++counts_.derived;
        const Derived& next = pending_.next();
        const auto over = pending_.over_limit(policy.limits);
        ParsedProposal parsed = next.parsed(policy.limits);
        if (record.id != next.id || record.cause != next.cause(over.end))
            return different("another derived mutation was the next", to_text(next.proposal));
        const Code refused = !over.message.empty() ? Code::depth_limit : parsed.refusal.code;
        const std::string& message = !over.message.empty() ? over.message : parsed.refusal.message;
        if (!over.message.empty() || !parsed.proposal) {
            if (code == refused && body.message == message) return std::optional<Difference>();
            return different("the derived mutation is refused",
                             outcome("rejected", to_text(refused), ""));
        }
        proposal = std::move(*parsed.proposal);
        caller = next.caller();
    }
    if (std::ranges::find(kNotDecided, code) != kNotDecided.end())
        return std::optional<Difference>();
    if (!derived) {
        SE_TRY(told, proposal_of(record, body, policy.limits));
        proposal = std::move(told);
    }
    MemoryView view(state_);
    SE_TRY(decision, decide(proposal, caller, view, policy, record.ts));
    ++counts_.decided;
    counts_.fired += decision.fired.size();
    const RecordPlace place{store_, record.epoch, record.seq};
    if (other_) {
        const std::string before = outcome(record.kind_text, record.code, body.fired);
        const std::string now = outcome(decision.accepted ? "accepted" : "rejected",
                                        to_text(decision.code), fired_text(decision.fired, place));
        if (before == now) return std::optional<Difference>();
        return std::optional(
            Difference{record.seq, "the other policy decides or fires otherwise", before, now});
    }
    if (hides_what_stands(record, body) && !decision.accepted && decision.code == code)
        return std::optional<Difference>();
    const RecordDraft draft = to_draft(proposal, caller, decision, std::string(record.content),
                                       std::string(record.decided), record.ts, place);
    std::string recomputed = shown(draft);
    if (policy_.digest() != record.decided)
        return different("it names another policy", std::move(recomputed));
    if (recomputed == shown(record)) return std::optional<Difference>();
    // A caller with rights of its own was told of a key before the state was looked at (Decider::check_rights),
    // which no record says: that no caller may write the key that was named is all there is to see.
    const auto key = code == Code::key_not_allowed ? refused_key(record, body) : std::nullopt;
    if (key && !decision.accepted && !policy.allows(*key)) return std::optional<Difference>();
    return different("it is decided otherwise", std::move(recomputed));
}

}  // namespace se
