#include "engine/decide.h"

#include <algorithm>
#include <utility>

#include "engine/ops.h"
#include "journal/base/assert.h"
#include "journal/base/canary.h"
#include "journal/base/json_depth.h"
#include "journal/body.h"

namespace se {
namespace {

/// What led to an accepted change: what the door says, and the facts that its author reasoned from.
std::string cause_of(const Proposal& proposal, const Caller& caller) {
    if (proposal.basis.empty()) return caller.cause;
    auto cause = parse_json(caller.cause.empty() ? "{}" : caller.cause, kJsonDepthTrusted);
    SE_ASSERT(cause && cause->is_object());
    Json::Array facts;
    for (const Body::Basis& fact : proposal.basis) {
        const auto seq = static_cast<std::int64_t>(fact.seq.value);
        facts.push_back(Json(Json::Object{{"key", fact.key}, {"seq", seq}}));
    }
    cause->set("basis", std::move(facts));
    return to_text(*cause);
}

/// A key that a proposal touches, on its way through the ops.
struct Touched {
    Version before;  // what the key stood at, a tombstone's included
    bool was_live = false;
    std::optional<std::string> old;  // the value before, where a rule looks at the key
    Decision::Change change;

    /// What a client calls its version: an absent key has none, whatever its tombstone remembers.
    std::uint64_t visible() const { return was_live ? before.value : 0; }
};

/// What the head of a record takes at most, beside its keys; names of members included.
constexpr std::uint64_t kHeadBytes = 128u << 10;
constexpr std::uint64_t kOpBytes = 256;  ///< names of members and numbers of an op

/// The state with the changes of a decision over it.
class StateAfter final : public StateAsOf {
public:
    StateAfter(View& view, const std::vector<Decision::Change>& changes)
        : view_(view), changes_(changes) {}

    Result<std::optional<std::string>> value_of(std::string_view key) override {
        const auto changed = std::ranges::find(changes_, key, &Decision::Change::key);
        if (changed != changes_.end() && !canary(Canary::rules_on_older_state))
            return value(changed->entry);
        SE_TRY(found, view_.get(key));
        return found ? value(*found) : std::nullopt;
    }

private:
    static std::optional<std::string> value(const Entry& entry) {
        return entry.deleted ? std::nullopt : std::optional(entry.value);
    }

    View& view_;
    const std::vector<Decision::Change>& changes_;
};

/// Applies the ops of one proposal, one after the other, to what the view shows.
class Decider {
public:
    Decider(const Proposal& proposal, const Caller& caller, View& view, const Policy& policy,
            Time now)
        : proposal_(proposal), caller_(caller), view_(view), policy_(policy), now_(now) {}

    Result<Decision> run() && {
        check_rights();
        if (decision_.code != Code::none) return std::move(decision_);
        for (std::size_t i = 0; i < proposal_.ops.size(); ++i) {
            SE_TRY_OK(apply(proposal_.ops[i]));
            if (decision_.code == Code::none) continue;
            name_op(i);
            return std::move(decision_);
        }
        SE_TRY_OK(check_basis());
        if (decision_.code != Code::none) return std::move(decision_);
        accept();
        SE_TRY_OK(fire_rules());
        return std::move(decision_);
    }

private:
    void name_op(std::size_t index) {
        if (proposal_.single) return;
        decision_.op_index = index;
        decision_.message.insert(0, "ops[" + std::to_string(index) + "]: ");
    }

    /// What the caller may not touch is told by the keys alone, before the state is looked at: else a
    /// conflict on one key, or a basis, would tell of keys that it may not read.
    void check_rights() {
        if (caller_.rights == nullptr || caller_.exempt) return;
        const Principal& rights = *caller_.rights;
        if (rights.write.matches_all() && rights.read.matches_all()) return;
        const auto no = [this](Code code, const std::string& key, std::string message) {
            decision_.code = code;
            decision_.key = key;
            decision_.message = std::move(message);
        };
        for (std::size_t i = 0; i < proposal_.ops.size(); ++i) {
            const std::string& key = proposal_.ops[i].key;
            if (!policy_.allows(key)) {
                no(Code::key_not_allowed, key, "Key not allowed");
            } else if (!rights.may_write(key)) {
                no(Code::actor_not_permitted, key, "'" + rights.name + "' may not write " + key);
            } else {
                continue;
            }
            return name_op(i);
        }
        for (const Body::Basis& fact : proposal_.basis) {
            if (rights.may_read(fact.key)) continue;
            return no(Code::actor_not_permitted, fact.key,
                      "'" + rights.name + "' may not read " + fact.key +
                          ", so it cannot stand in a basis");
        }
    }

    Status apply(const Op& op) {
        if (!caller_.exempt && !policy_.allows(op.key))
            return refuse(Code::key_not_allowed, op.key, "Key not allowed");
        SE_TRY(touched, touch(op.key));
        Entry& entry = touched->change.entry;
        std::optional<std::string_view> current;
        if (!entry.deleted) current = entry.value;
        SE_TRY(outcome, apply_op(op, current, policy_.limits));
        if (outcome.code != Code::none) {
            // The text may quote what stands.
            if (!caller_.may_read(op.key))
                outcome.message = std::string(to_text(op.kind)) + " does not go with what " + op.key + " holds";
            return refuse(outcome.code, op.key, outcome.message);
        }

        const std::uint64_t found = touched->visible();
        if (op.expected_version.value_or(found) != found) {
            decision_.found = found;
            return refuse(Code::version_conflict, op.key,
                          "Version mismatch: expected " + std::to_string(*op.expected_version) +
                              ", found " + std::to_string(found));
        }
        if (caller_.imported && touched->before != Version{}) {
            decision_.found = found;
            return refuse(Code::version_conflict, op.key,
                          touched->was_live
                              ? "Version mismatch: expected 0, found " + std::to_string(found)
                              : "the key was deleted here at version " +
                                    std::to_string(touched->before.value));
        }
        touched->change.op = op.kind;
        change(op, std::move(outcome.value), entry);
        return Ok{};
    }

    /// The key as the ops before have left it.
    Result<Touched*> touch(const std::string& key) {
        for (Touched& touched : touched_)
            if (touched.change.key == key) return &touched;
        SE_TRY(found, view_.get(key));
        Touched& touched = touched_.emplace_back();
        touched.change.key = key;
        if (found) {
            touched.before = found->version;
            touched.was_live = !found->deleted;
            if (touched.was_live && policy_.rules->looks_at(key)) touched.old = found->value;
            touched.change.entry = std::move(*found);
        } else {
            touched.change.entry.deleted = true;
        }
        return &touched;
    }

    void change(const Op& op, std::string value, Entry& entry) const {
        if (op.kind == OpKind::remove) {
            entry = Entry{};
            entry.deleted = true;
            return;
        }
        // A set starts anew, and so does an op on what was absent: there is nothing to keep.
        if (op.kind == OpKind::set || entry.deleted) entry = Entry{};
        entry.value = std::move(value);
        if (op.ttl) {
            entry.ttl = *op.ttl;
            entry.expires_at.reset();
            if (entry.ttl != 0) entry.expires_at = deadline(now_, entry.ttl);
        }
        const std::string& metadata = op.metadata.empty() ? proposal_.metadata : op.metadata;
        if (!metadata.empty()) entry.metadata = metadata;
    }

    Status check_basis() {
        for (const Body::Basis& fact : proposal_.basis) {
            SE_TRY(standing, view_.get(fact.key));
            if (!standing || standing->seq <= fact.seq) continue;
            decision_.found = standing->deleted ? 0 : standing->version.value;
            return refuse(Code::basis_conflict, fact.key,
                          "Basis changed: " + fact.key + " is at seq " +
                              std::to_string(standing->seq.value) + ", the basis is seq " +
                              std::to_string(fact.seq.value));
        }
        return Ok{};
    }

    void accept() {
        decision_.accepted = true;
        const std::string cause = cause_of(proposal_, caller_);
        for (Touched& touched : touched_) {
            Entry& entry = touched.change.entry;
            entry.version =
                caller_.imported ? caller_.imported->version : touched.before.next();
            entry.seq = Seq{};
            if (!entry.deleted) {
                entry.updated_at = now_;
                entry.updated_by = caller_.actor;
                entry.id = proposal_.id;
                entry.reason = proposal_.reason;
                entry.cause = cause;
            }
            decision_.changes.push_back(std::move(touched.change));
        }
    }

    Status fire_rules() {
        const RuleSet& rules = *policy_.rules;
        if (caller_.imported) return Ok{};
        if (std::ranges::none_of(decision_.changes, [&](const Decision::Change& change) {
                return rules.looks_at(change.key);
            }))
            return Ok{};
        std::vector<ChangeSeen> seen;
        std::uint64_t bytes = record_bytes_of_proposal();
        for (std::size_t i = 0; i < decision_.changes.size(); ++i) {
            const Decision::Change& change = decision_.changes[i];
            const Touched& touched = touched_[i];
            bytes += change.key.size() + change.entry.value.size() + change.entry.metadata.size();
            seen.push_back({.key = change.key,
                            .op = to_text(change.op),
                            .value = change.entry.deleted ? std::nullopt
                                                          : std::optional<std::string_view>(change.entry.value),
                            .old = touched.old,
                            .version = change.entry.version.value,
                            .old_version = touched.visible(),
                            .actor = caller_.actor,
                            .reason = proposal_.reason,
                            .metadata = change.entry.metadata,
                            .ts = now_});
        }
        // What rules fire must never be what makes a record too long.
        const std::uint64_t room = bytes < kRecordBytesMax ? kRecordBytesMax - bytes : 0;
        StateAfter state(view_, decision_.changes);
        SE_TRY(fired, fire(rules, seen, state,
                           {.id = proposal_.id,
                            .trace = caller_.trace,
                            .cause = caller_.cause,
                            .as_decider_2 = policy_.decider < 3},
                           {.steps = policy_.limits.rule_steps,
                            .record_steps = policy_.limits.record_rule_steps,
                            .bytes = std::min(policy_.limits.fired_bytes, room)}));
        decision_.fired = std::move(fired);
        return Ok{};
    }

    /// What a record takes at most but for its post-images and what fired. Of nothing that the record does not
    /// keep: a replay must come to the same.
    std::uint64_t record_bytes_of_proposal() const {
        std::uint64_t bytes = kHeadBytes + json_string_bytes_max(proposal_.reason) + proposal_.metadata.size() +
                              caller_.claim.size();
        for (const Op& op : proposal_.ops)
            bytes += kOpBytes + op.key.size() + op.value_text.size() + op.metadata.size();
        for (const Body::Basis& fact : proposal_.basis) bytes += kOpBytes + 2 * fact.key.size();
        return bytes;
    }

    Status refuse(Code code, const std::string& key, std::string message) {
        decision_.code = code;
        decision_.key = key;
        decision_.message = std::move(message);
        return Ok{};
    }

    const Proposal& proposal_;
    const Caller& caller_;
    View& view_;
    const Policy& policy_;
    const Time now_;
    std::vector<Touched> touched_;  // in order of first mention
    Decision decision_;
};

/// Each key once, in order of first mention, with the last op on it.
std::vector<HeadChange> changes_of_rejected(const Proposal& proposal) {
    std::vector<HeadChange> changes;
    for (const Op& op : proposal.ops) {
        auto at = std::ranges::find(changes, op.key, &HeadChange::key);
        if (at == changes.end()) at = changes.insert(at, {op.key, "", Version{}});
        at->op = to_text(op.kind);
    }
    return changes;
}

/// The client's list, without the values that `values` says anyway.
std::string ops_of_accepted(const Proposal& proposal, const Decision& decision) {
    auto list = parse_json(proposal.ops_text, kJsonDepthTrusted);
    SE_ASSERT(list && list->is_array() && list->array().size() == proposal.ops.size());
    for (std::size_t i = 0; i < proposal.ops.size(); ++i) {
        const Op& op = proposal.ops[i];
        const auto change = std::ranges::find(decision.changes, op.key, &Decision::Change::key);
        SE_ASSERT(change != decision.changes.end());
        const bool told = op.kind == OpKind::remove || op.value_text == change->entry.value;
        if (told) list->array()[i].erase("value");
    }
    return to_text(*list);
}

/// `entries`, unless the default rule gives the same.
std::vector<Body::EntryMembers> entries_of(const Decision& decision, const Body& body, Time now) {
    Body::EntryMembers by_default;
    by_default.ttl = body.ttl.value_or(0);
    if (by_default.ttl != 0) by_default.expires_at = deadline(now, by_default.ttl);
    by_default.metadata = body.metadata;

    std::vector<Body::EntryMembers> entries;
    bool differs = false;
    for (const Decision::Change& change : decision.changes) {
        const Entry& entry = change.entry;
        entries.push_back({entry.ttl, entry.expires_at, entry.metadata});
        differs |= !entry.deleted && entries.back() != by_default;
    }
    if (!differs) entries.clear();
    return entries;
}

}  // namespace

Caller caller_of_import(ParsedImport& parsed, Caller importer) {
    SE_ASSERT(parsed.proposal);
    auto cause = parse_json(parsed.cause);
    SE_ASSERT(cause && cause->is_object());
    if (!parsed.principal.empty()) {
        cause->set("by", importer.principal);  // the record's principal is whose id it is
        importer.principal = importer.actor = parsed.principal;
    }
    if (!parsed.proposal->actor.empty()) importer.actor = parsed.proposal->actor;
    importer.door = parsed.door;
    importer.cause = to_text(*cause);
    importer.imported = std::move(parsed.imported);
    return importer;
}

Result<Decision> decide(const Proposal& proposal, const Caller& caller, View& view,
                        const Policy& policy, Time now) {
    return Decider(proposal, caller, view, policy, now).run();
}

RecordDraft to_draft(const Proposal& proposal, const Caller& caller, const Decision& decision,
                     const std::string& content, const std::string& decided, Time now,
                     const RecordPlace& place) {
    RecordDraft draft;
    draft.ts = now;
    draft.kind = decision.accepted ? Kind::accepted : Kind::rejected;
    draft.code = to_text(decision.code);
    draft.id = proposal.id;
    draft.content = content;
    draft.actor = caller.actor;
    draft.principal = caller.principal;
    draft.door = caller.door;
    draft.roles = caller.roles;
    draft.cause = decision.accepted ? cause_of(proposal, caller) : caller.cause;
    draft.trace = caller.trace;
    draft.decided = decided;

    Body body;
    body.reason = proposal.reason;
    body.metadata = proposal.metadata;
    body.basis = proposal.basis;
    body.ts = proposal.ts;
    body.claim = caller.claim;
    if (proposal.single) {
        body.ttl = proposal.ops[0].ttl;
        body.expected_version = proposal.ops[0].expected_version;
    }
    const std::string& argument = proposal.ops[0].value_text;
    if (decision.accepted) {
        for (const Decision::Change& change : decision.changes) {
            draft.changes.push_back(
                {change.key, std::string(to_text(change.op)), change.entry.version});
            body.values.push_back(change.entry.deleted ? "null" : change.entry.value);
        }
        body.entries = entries_of(decision, body, now);
        if (!proposal.single)
            body.ops = ops_of_accepted(proposal, decision);
        else if (!argument.empty() && argument != body.values[0])
            body.args.push_back(argument);
        body.fired = fired_text(decision.fired, place);
    } else {
        draft.changes = changes_of_rejected(proposal);
        if (!proposal.single)
            body.ops = proposal.ops_text;
        else if (!argument.empty())
            body.args.push_back(argument);
        body.message = decision.message;
        body.found = decision.found;
    }
    draft.body.clear();
    encode_body(draft.body, body);
    return draft;
}

}  // namespace se
