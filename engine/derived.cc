#include "engine/derived.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "journal/base/canary.h"
#include "journal/base/json_depth.h"
#include "journal/body.h"

namespace se {
namespace {

constexpr std::string_view kRuleCause = "rule";
constexpr std::string_view kMutateType = "mutate";

Error corrupt(const RecordView& record, const std::string& what) {
    return Error{Errc::corruption,
                 "the record at seq " + std::to_string(record.seq.value) + ": " + what};
}

std::uint64_t number(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    return found != nullptr && found->is_integer() && found->integer() > 0
               ? static_cast<std::uint64_t>(found->integer())
               : 0;
}

std::string text(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    return found != nullptr && found->is_string() ? found->string() : std::string();
}

/// A state with entries put over it that no journal has.
class SupposedView final : public View {
public:
    explicit SupposedView(View& below) : below_(below) {}

    Result<std::optional<Entry>> get(std::string_view key) override {
        const auto found = changed_.find(key);
        if (found != changed_.end()) return std::optional(found->second);
        return below_.get(key);
    }
    void suppose(const std::vector<Decision::Change>& changes) {
        for (const Decision::Change& change : changes)
            changed_.insert_or_assign(change.key, change.entry);
    }

private:
    View& below_;
    std::map<std::string, Entry, std::less<>> changed_;
};

/// Says of one derived mutation what would become of it; nothing: it would be no more than a
/// rejection.
std::optional<Decision> judge(const Derived& next, const std::string& over, View& view,
                              const Policy& policy, Time now, JsonObject& object) {
    const auto no = [&object](Code code, const std::string& message) {
        object.text("status", "rejected").text("code", to_text(code)).text("message", message);
        return std::nullopt;
    };
    if (!over.empty()) return no(Code::depth_limit, over);
    const ParsedProposal parsed = next.parsed(policy.limits);
    if (!parsed.proposal) return no(parsed.refusal.code, parsed.refusal.message);
    auto decision = decide(*parsed.proposal, next.caller(), view, policy, now);
    if (!decision) return no(Code::unavailable, decision.error().text);
    if (!decision->accepted) return no(decision->code, decision->message);
    object.text("status", "accepted").integer("version", decision->changes[0].entry.version.value);
    if (!decision->fired.empty()) object.raw("fired", fired_text(decision->fired, {}));
    return std::move(*decision);
}

}  // namespace

std::string Derived::cause(bool end) const {
    std::string out;
    JsonObject object(out);
    object.text("type", kRuleCause).text("rule", rule).integer("epoch", epoch.value);
    object.integer("seq", seq.value).integer("n", n).integer("depth", depth);
    if (!correlation_id.empty()) object.text("correlationId", correlation_id);
    if (end) object.boolean("end", true);
    object.close();
    return out;
}

Caller Derived::caller() const {
    Caller caller;
    caller.principal = kDerivedPrincipal;
    caller.actor = "rule:" + rule;
    caller.door = kDerivedDoor;
    caller.trace = trace;
    caller.cause = cause();
    return caller;
}

ParsedProposal Derived::parsed(const Limits& limits) const {
    Json whole = proposal;
    if (whole.find("reason") == nullptr) whole.set("reason", "rule " + rule);
    ParsedProposal parsed = proposal_of_json(std::move(whole), limits);
    // Ours may be longer than those of clients.
    if (parsed.proposal) parsed.proposal->id = id;
    parsed.refusal.id = id;
    return parsed;
}

PendingDerived::Over PendingDerived::over_limit(const Limits& limits) const {
    if (count_ >= limits.derived_count) {
        return {"more than " + std::to_string(limits.derived_count) +
                    " mutations derived from one proposal (engine.derived_count); " +
                    std::to_string(waiting_.size() - 1) + " that waited behind it are given up",
                true};
    }
    if (next().depth > limits.derived_depth) {
        return {"more than " + std::to_string(limits.derived_depth) +
                " mutations derived one from the other (engine.derived_depth): the rules may be "
                "going round"};
    }
    return {};
}

void PendingDerived::begin(std::span<const Fired> fired, const RecordPlace& place,
                           const std::string& trace) {
    SE_ASSERT(waiting_.empty() || canary(Canary::derived_on_newer_state));
    count_ = 0;
    add(fired, place, 1, trace);
}

void PendingDerived::advance(std::span<const Fired> fired, const RecordPlace& place) {
    SE_ASSERT(!waiting_.empty());
    const Derived done = std::move(waiting_.front());
    waiting_.pop_front();
    ++count_;
    add(fired, place, done.depth + 1, done.trace);
}

void PendingDerived::add(std::span<const Fired> fired, const RecordPlace& place,
                         std::uint64_t depth, const std::string& trace) {
    std::uint64_t n = 0;
    for (const Fired& one : fired) {
        for (const Json& action : one.actions) {
            const std::uint64_t at = n++;
            if (*action.find("type") != Json(kMutateType)) continue;
            waiting_.push_back({.epoch = place.epoch,
                                .seq = place.seq,
                                .n = at,
                                .rule = one.rule,
                                .id = action_id(place, one.rule, at),
                                .proposal = *action.find("proposal"),
                                .depth = depth,
                                .trace = trace,
                                .correlation_id = text(action, "correlationId")});
        }
    }
}

Status PendingDerived::follow(const RecordView& record) {
    if (record.kind != Kind::accepted && record.kind != Kind::rejected) return Ok{};
    std::uint64_t depth = 1;
    if (is_root(record)) {
        waiting_.clear();
        count_ = 0;
    } else {
        const auto cause = parse_json(record.cause, kJsonDepthTrusted);
        if (!cause) return corrupt(record, "its cause is no JSON: " + cause.error().text);
        depth = number(*cause, "depth") + 1;
        ++count_;
        // What fired it may have been given up by a repair: then it is not known here.
        const auto it = std::ranges::find_if(waiting_, [&](const Derived& one) {
            return one.seq.value == number(*cause, "seq") && one.n == number(*cause, "n");
        });
        if (it != waiting_.end()) waiting_.erase(it);
        if (cause->find("end") != nullptr) waiting_.clear();
    }
    // An erased record does not tell any more what it fired.
    if (record.kind != Kind::accepted || !record.erased.empty()) return Ok{};
    SE_TRY(body, parse_body(record.body));
    if (body.fired.empty()) return Ok{};
    const auto list = parse_json(body.fired, kJsonDepthTrusted);
    if (!list || !list->is_array()) return corrupt(record, "`fired` is no list");
    std::uint64_t n = 0;
    for (const Json& one : list->array()) {
        const Json* const actions = one.find("actions");
        if (actions == nullptr || !actions->is_array()) continue;
        for (const Json& action : actions->array()) {
            const std::uint64_t at = n++;
            const Json* const proposal = action.find("proposal");
            if (text(action, "type") != kMutateType || proposal == nullptr) continue;
            waiting_.push_back({.epoch = record.epoch,
                                .seq = record.seq,
                                .n = at,
                                .rule = text(one, "rule"),
                                .id = text(action, "id"),
                                .proposal = *proposal,
                                .depth = depth,
                                .trace = std::string(record.trace),
                                .correlation_id = text(action, "correlationId")});
        }
    }
    return Ok{};
}

DerivedPreview preview_derived(const Decision& decision, View& view, const Policy& policy,
                               const std::string& trace, Time now) {
    DerivedPreview preview;
    SupposedView supposed(view);
    supposed.suppose(decision.changes);
    PendingDerived pending;
    RecordPlace place{.seq = Seq{1}};  // only told apart from each other
    pending.begin(decision.fired, place, trace);
    while (!pending.empty()) {
        const Derived& next = pending.next();
        preview.json += preview.json.empty() ? '[' : ',';
        JsonObject object(preview.json);
        object.text("rule", next.rule)
            .integer("depth", next.depth)
            .raw("proposal", to_text(next.proposal));
        const auto over = pending.over_limit(policy.limits);
        auto made = judge(next, over.message, supposed, policy, now, object);
        object.close();
        place.seq = place.seq.next();
        pending.advance(made ? std::span<const Fired>(made->fired) : std::span<const Fired>(),
                        place);
        if (over.end) pending.clear();
        if (!made) continue;
        supposed.suppose(made->changes);
        for (Decision::Change& change : made->changes) preview.changes.push_back(std::move(change));
    }
    if (!preview.json.empty()) preview.json += ']';
    return preview;
}

bool is_root(const RecordView& record) {
    return (record.kind == Kind::accepted || record.kind == Kind::rejected) &&
           record.door != kDerivedDoor;
}

}  // namespace se
