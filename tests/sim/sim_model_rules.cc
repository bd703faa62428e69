// What must follow from a change: the model's own idea of rules and of derived mutations.

#include <algorithm>

#include "journal/body.h"
#include "tests/sim/sim_model.h"

namespace se::sim {
namespace {

constexpr std::string_view kRulesPrincipal = "system:rules";

std::string behind(Seq seq) {
    return "seq " + std::to_string(seq.value) + ": ";
}

std::string told_due(const Due& due) {
    return due.id + " (" + due.op.op + " of " + due.op.key + ")";
}

Json json_integer(std::uint64_t value) {
    return Json(static_cast<std::int64_t>(value));
}

}  // namespace

/// While something that a rule derived waits, nothing else has its turn, but for the notes of an
/// open: not the next proposal, no expiry, no other policy, no clean close.
void Model::check_turn(const RecordView& record) {
    if (epochs_.empty() || record.epoch != epochs_.back()) opening_ = true;
    opening_ &= record.kind == Kind::note && record.note != "closed";
    if (opening_ || record.door == kDerivedDoor) return;
    must(due_.empty(), "E4.derived", [&] {
        return behind(record.seq) + std::string(record.kind_text) + " " + std::string(record.note) +
               std::string(record.id) + " comes before " + told_due(due_.front());
    });
    if (record.kind != Kind::accepted && record.kind != Kind::rejected) return;
    derived_ = 0;
    due_unknown_ = false;
}

void Model::take_derived(const RecordView& record) {
    if (due_unknown_) return believe(record);
    must(!due_.empty(), "E4.derived", [&] {
        return behind(record.seq) + std::string(record.id) +
               ": nothing is left that a rule derived";
    });
    const Due due = due_.front();
    must(record.id == due.id && record.principal_or_actor() == kRulesPrincipal &&
             record.actor == "rule:" + due.rule,
         "E4.derived", [&] {
             return behind(record.seq) + std::string(record.id) + ", next is " + told_due(due);
         });
    must(bound_.emplace(std::pair{std::string(kRulesPrincipal), due.id}, record.seq).second, "E2",
         [&] { return behind(record.seq) + due.id + " has had an effect before"; });
    due_.pop_front();
    ++tally().rules[record.epoch == due.epoch ? "derived" : "derived_after_a_death"];

    const PolicyThen& policy = policy_now();
    const bool end = derived_ >= policy.derived_count;
    const bool too_deep = due.depth > policy.derived_depth;
    ++derived_;
    Json cause(Json::Object{{"type", "rule"},
                            {"rule", due.rule},
                            {"epoch", json_integer(due.epoch.value)},
                            {"seq", json_integer(due.seq.value)},
                            {"n", json_integer(due.n)},
                            {"depth", json_integer(due.depth)}});
    if (end) cause.set("end", Json(true));
    const auto said = parse_json(record.cause);
    must(said && *said == cause, "E4.derived", [&] {
        return behind(record.seq) + "its cause is " + std::string(record.cause) + ", should be " +
               to_text(cause);
    });
    Outcome outcome;
    if (end || too_deep) {
        outcome.code = Code::depth_limit;
    } else {
        Request request;
        request.ops.push_back(due.op);
        outcome = decide(request, slots_, policy, record.ts);
    }
    must(to_text(outcome.code) == record.code, "E4", [&] {
        return behind(record.seq) + told_due(due) + " should be '" +
               std::string(to_text(outcome.code)) + "', is '" + std::string(record.code) + "'";
    });
    if (end) {
        due_.clear();
        ++tally().rules["given_up"];
    }
    if (outcome.code != Code::none) {
        ++tally().rules["derived_refused"];
        return;
    }
    const auto body = parse_body(record.body);
    must(body && body->reason == due.reason, "E4.derived",
         [&] { return behind(record.seq) + told_due(due) + " has another reason"; });
    apply(record, outcome.changes, due.depth + 1);
}

Model::Slots Model::of_these(const Slots& changes) const {
    Slots found;
    for (const auto& [key, slot] : changes) {
        const auto stands = slots_.find(key);
        found.emplace(key, stands == slots_.end() ? Slot{} : stands->second);
    }
    return found;
}

/// What fired stands in the record, each action resolved on the state as of that very record.
void Model::check_fired(const RecordView& record, const Slots& before, std::uint64_t depth) {
    std::vector<Change> changes;
    for (const RecordView::Change& change : record.changes) {
        const std::string key(change.key);
        const Slot& old = before.at(key);
        const Slot& now = slots_.at(key);
        changes.push_back({.key = key,
                           .op = std::string(change.op),
                           .value = now.live ? std::optional(now.value) : std::nullopt,
                           .old = old.live ? std::optional(old.value) : std::nullopt,
                           .version = now.version,
                           .old_version = old.live ? old.version : 0});
    }
    const auto state = [this](const std::string& key) -> std::optional<Value> {
        const auto found = slots_.find(key);
        if (found == slots_.end() || !found->second.live) return std::nullopt;
        return found->second.value;
    };
    const Firing firing =
        fire(policy_now().rules, changes, state,
             {.store = store, .epoch = record.epoch, .seq = record.seq, .depth = depth});
    const auto body = parse_body(record.body);
    must(static_cast<bool>(body), "J1", behind(record.seq) + "its body cannot be read");
    Json fired(Json::Array{});
    if (!body->fired.empty()) {
        auto list = parse_json(body->fired);
        must(list && list->is_array(), "J1", behind(record.seq) + "`fired` is no list");
        fired = *std::move(list);
    }
    // Why a rule failed is the engine's to say; that it did, and that nothing came of it, is ours.
    std::size_t warnings = 0;
    for (Json& one : fired.array()) {
        const Json* const warning = one.find("warning");
        if (warning == nullptr) continue;
        warnings += warning->is_string() && !warning->string().empty() ? 1 : 0;
        one.erase("warning");
        one.erase("at");
    }
    must(fired == firing.fired && warnings == firing.warnings, "E4.rules", [&] {
        return behind(record.seq) + "fired " + body->fired + ", should be " + to_text(firing.fired);
    });
    if (!firing.fired.array().empty()) {
        tally().rules["fired"] += firing.fired.array().size();
        if (warnings > 0) tally().rules["warnings"] += warnings;
    }
    due_.insert(due_.end(), firing.due.begin(), firing.due.end());
}

}  // namespace se::sim
