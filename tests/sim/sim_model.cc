#include "tests/sim/sim_model.h"

#include <algorithm>
#include <utility>

#include "engine/identity.h"
#include "engine/policy/policy.h"
#include "journal/body.h"

namespace se::sim {
namespace {

std::string at(Seq seq) {
    return "seq " + std::to_string(seq.value) + ": ";
}

}  // namespace

std::string Request::reason() const {
    return "request-" + std::to_string(number);
}

std::string Request::text() const {
    std::string out = R"({"reason":")" + reason() + '"';
    if (!id.empty()) out += R"(,"id":")" + id + '"';
    const auto members = [](const RequestOp& op) {
        std::string text = R"("op":")" + op.op + R"(","key":")" + op.key + '"';
        if (op.op != "delete") text += R"(,"value":)" + op.value.text();
        if (op.ttl) text += R"(,"ttl":)" + std::to_string(*op.ttl);
        if (op.expected_version) {
            text += R"(,"expectedVersion":)" + std::to_string(*op.expected_version);
        }
        return text;
    };
    if (ops.size() == 1) {
        out += "," + members(ops[0]);
    } else {
        out += R"(,"ops":[)";
        for (const RequestOp& op : ops) out += (&op == ops.data() ? "{" : ",{") + members(op) + "}";
        out += "]";
    }
    if (!basis.empty()) {
        out += R"(,"basis":[)";
        for (const auto& fact : basis) {
            out += (&fact == basis.data() ? "" : ",");
            out += R"({"key":")" + fact.first + R"(","seq":)" + std::to_string(fact.second.value) +
                   "}";
        }
        out += "]";
    }
    return out + "}";
}

// --- Decisions

Model::Outcome Model::decide(const Request& request, const Slots& state, const PolicyThen& policy,
                             Time now) const {
    Outcome outcome;
    const auto no = [&](Code code) {
        outcome.code = code;
        outcome.changes.clear();
        return outcome;
    };
    const auto stands = [&](const std::string& key) {
        const auto found = state.find(key);
        return found == state.end() ? Slot{} : found->second;
    };
    for (const RequestOp& op : request.ops) {
        const bool allowed = std::ranges::any_of(policy.allowed, [&](const std::string& pattern) {
            return op.key.starts_with(pattern.substr(0, pattern.size() - 1));
        });
        if (!allowed) return no(Code::key_not_allowed);
        const Slot before = stands(op.key);
        Slot& slot = outcome.changes.try_emplace(op.key, before).first->second;
        const auto holds = [&](Value::Kind kind) { return !slot.live || slot.value.kind == kind; };

        if (op.op == "set") {
            slot.value = op.value;
            slot.deadline.reset();
        } else if (op.op == "delete") {
            if (!slot.live) return no(Code::absent);
        } else {
            if (!holds(op.value.kind == Value::Kind::number && op.op == "push" ? Value::Kind::list
                                                                               : op.value.kind)) {
                return no(Code::op_mismatch);
            }
            if (!slot.live) slot.value = {}, slot.deadline.reset();
            if (op.op == "increment") {
                slot.value.number += op.value.number;
            } else if (op.op == "push") {
                slot.value.kind = Value::Kind::list;
                slot.value.list.push_back(op.value.number);
            } else {
                slot.value.kind = Value::Kind::object;
                for (const auto& [name, member] : op.value.object) {
                    if (member) {
                        slot.value.object[name] = member;
                    } else {
                        slot.value.object.erase(name);
                    }
                }
            }
        }
        slot.live = op.op != "delete";
        if (!slot.live) slot.value = {}, slot.deadline.reset();
        if (op.ttl && slot.live) slot.deadline = now + std::chrono::seconds{*op.ttl};
        const std::uint64_t shown = before.live ? before.version : 0;
        if (op.expected_version.value_or(shown) != shown) return no(Code::version_conflict);
    }
    for (const auto& [key, seq] : request.basis) {
        if (stands(key).seq > seq) return no(Code::basis_conflict);
    }
    for (auto& [key, slot] : outcome.changes) slot.version = stands(key).version + 1;  // E3
    return outcome;
}

Code Model::decide_at(const Request& request, Seq seq) const {
    SE_ASSERT(seq == last());
    return decide(request, slots_, policy_now(), last_ts_).code;
}

// --- Records

void Model::take(const RecordView& record) {
    must(record.seq == last().next(), "J1",
         at(record.seq) + "shown behind " + std::to_string(last().value));
    const bool opens = record.note == "opened";
    must(epochs_.empty() ? opens
                         : record.epoch == epochs_.back() ||
                               ((opens || is_lost(last())) && record.epoch > epochs_.back()),
         "J1", at(record.seq) + "epoch " + std::to_string(record.epoch.value));
    must(record.ts >= last_ts_, "J1", at(record.seq) + "its ts goes back");
    must(record.durable < record.seq, "J3", at(record.seq) + "says itself to be durable");
    last_ts_ = record.ts;
    tree_.append(leaf_hash(record));
    if (record.seq <= adopted_through_) {
        adopt(record);
        lines_.emplace_back(record.line);
        epochs_.push_back(record.epoch);
        return;
    }
    must(static_cast<bool>(fold_.fold(record)), "P2", at(record.seq) + "cannot be folded");
    check_turn(record);

    if (record.kind == Kind::config) {
        check_policy(record);
    } else if (record.door == kDerivedDoor) {
        take_derived(record);
    } else if (record.kind == Kind::accepted || record.kind == Kind::rejected) {
        record.door == "ttl" ? take_expiry(record) : take_decision(record);
    } else {
        must(record.kind == Kind::note, "J1", at(record.seq) + "of a kind that nobody wrote");
        must(record.note != "repaired" || lost_any_, "J4",
             at(record.seq) + "nobody repaired anything");
    }
    lines_.emplace_back(record.line);
    epochs_.push_back(record.epoch);
}

void Model::check_policy(const RecordView& record) {
    const auto json = parse_json(record.body);
    must(static_cast<bool>(json), "E1", at(record.seq) + "a config that is no JSON");
    const auto policy = Policy::from_json(*json);
    must(static_cast<bool>(policy), "E1", at(record.seq) + "a config that is none");
    PolicyThen& then = policies_[record.seq];
    then = {.allowed = policy->allowed_keys,
            .rules = {},
            .derived_depth = policy->limits.derived_depth,
            .derived_count = policy->limits.derived_count};
    for (const Json& rule : policy->rules->source().array()) {
        if (auto known = SimRule::from_id(rule.find("id")->string()))
            then.rules.push_back(*std::move(known));
    }
}

const Model::PolicyThen& Model::policy_now() const {
    static const PolicyThen kNone;
    return policies_.empty() ? kNone : policies_.rbegin()->second;
}

// --- What is lost

Seq Model::last_kept() const {
    Seq seq = last();
    while (seq > Seq{} && is_lost(seq)) seq = Seq{seq.value - 1};
    return seq;
}

void Model::lose(Seq from, Seq to, Seq through) {
    while (last() < to) {
        lines_.emplace_back(kUnseen);
        epochs_.push_back(epochs_.empty() ? Epoch{} : epochs_.back());
    }
    lost_any_ = true;
    adopted_through_ = std::max(adopted_through_, through);
    for (Seq seq = from; seq <= to; seq = seq.next()) lines_[seq.value - 1].clear();
    unsettled_ = true;
    settle();
}

void Model::settle() {
    if (!std::exchange(unsettled_, false)) return;
    fold_ = {};
    slots_.clear();
    history_.clear();
    changes_.clear();
    bound_.clear();
    policies_.clear();
    due_.clear();
    due_unknown_ = true;  // what waited may have been fired by what is gone
    last_ts_ = {};        // nobody can know the time of a record that is gone
    RecordView record;
    for (const std::string& line : lines_) {
        if (line.empty() || line == kUnseen) continue;
        SE_ASSERT(parse_record(line, &record));
        last_ts_ = record.ts;
        adopt(record);
    }
    // Whose record is lost may ask again, and so may those whose id it had taken.
    for (Request& request : requests) {
        if (request.final && !bound_.contains({request.principal, request.id})) {
            request.final.reset();
            request.told_first = false;
        }
    }
}

/// Believes it: what it was decided on is not to be had.
void Model::adopt(const RecordView& record) {
    must(static_cast<bool>(fold_.fold(record)), "P2", at(record.seq) + "cannot be folded");
    believe(record);
}

void Model::believe(const RecordView& record) {
    if (record.kind == Kind::config) return check_policy(record);
    if (record.door != "ttl" && record.code != to_text(Code::id_reused) &&
        (record.kind == Kind::accepted || record.kind == Kind::rejected)) {
        bound_.emplace(std::pair{std::string(record.principal_or_actor()), std::string(record.id)},
                       record.seq);
    }
    if (record.kind != Kind::accepted) return;
    for (const RecordView::Change& change : record.changes) {
        const std::string key(change.key);
        const Entry* entry = fold_.find(key);
        SE_ASSERT(entry != nullptr);
        Slot& slot = slots_[key];
        slot = Slot{.live = !entry->deleted,
                    .version = entry->version.value,
                    .seq = record.seq,
                    .value = entry->deleted ? Value{} : Value::from_text(entry->value),
                    .deadline = entry->expires_at};
        history_[key].push_back(*entry);
        changes_.emplace_back(record.seq, key);
    }
}

bool Model::knows(const RecordView& record) const {
    const std::string& line = lines_.at(record.seq.value - 1);
    return line == kUnseen || line == record.line;
}

void Model::recognize(const RecordView& record) {
    if (record.seq <= last()) {
        must(!is_lost(record.seq), "J4", at(record.seq) + "was given up, and is shown");
        if (lines_[record.seq.value - 1] == kUnseen) {
            lines_[record.seq.value - 1] = record.line;
            epochs_[record.seq.value - 1] = record.epoch;
            unsettled_ = true;
        }
    }
    must(record.seq <= last() && record.line == lines_[record.seq.value - 1], "J2",
         at(record.seq) + "is not what was shown before: " + std::string(record.line));
}

std::uint64_t Model::digest() const {
    std::uint64_t sum = 14695981039346656037u;  // FNV-1a
    for (const std::string& line : lines_) {
        for (const char c : line) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211u;
    }
    return sum;
}

void Model::take_decision(const RecordView& record) {
    if (record.code == to_text(Code::id_reused)) {
        const auto owner =
            bound_.find({std::string(record.principal_or_actor()), std::string(record.id)});
        must(owner != bound_.end(), "E2", at(record.seq) + "nobody owns the id that is reused");
        return;
    }
    const auto body = parse_body(record.body);
    must(static_cast<bool>(body), "J1", at(record.seq) + "its body cannot be read");
    must(body->reason.starts_with("request-"), "E2", at(record.seq) + "nobody asked for this");
    const Request& request = requests.at(std::stoul(body->reason.substr(8)));
    must(request.id == record.id && request.principal == record.principal_or_actor(), "E2",
         at(record.seq) + "an id or principal that is not of " + body->reason);
    must(bound_.emplace(std::pair{request.principal, request.id}, record.seq).second, "E2",
         at(record.seq) + "the id " + request.id + " has had an effect before");

    const Outcome outcome = decide(request, slots_, policy_now(), record.ts);
    must(to_text(outcome.code) == record.code, "E4",
         at(record.seq) + request.text() + " should be '" + std::string(to_text(outcome.code)) +
             "', is '" + std::string(record.code) + "'");
    if (record.kind == Kind::accepted) apply(record, outcome.changes, 1);
}

void Model::take_expiry(const RecordView& record) {
    must(record.kind == Kind::accepted && record.changes.size() == 1, "E2",
         at(record.seq) + "an expiry that is no delete");
    const std::string key(record.changes[0].key);
    Slot slot = slots_[key];
    must(slot.live && slot.deadline && *slot.deadline <= record.ts, "E4",
         at(record.seq) + key + " is not due");
    slot = Slot{.live = false, .version = slot.version + 1, .seq = {}, .value = {}, .deadline = {}};
    apply(record, {{key, slot}}, 1);
}

/// `depth`: of the mutations that follow from it.
void Model::apply(const RecordView& record, const Slots& changes, std::uint64_t depth) {
    const Slots before = of_these(changes);
    must(record.changes.size() == changes.size(), "J1",
         at(record.seq) + "a proposal took effect in part");
    for (const RecordView::Change& change : record.changes) {
        const std::string key(change.key);
        const auto found = changes.find(key);
        must(found != changes.end(), "E4", at(record.seq) + "changes " + key);
        Slot slot = found->second;
        slot.seq = record.seq;
        must(change.version.value == slot.version, "E3",
             at(record.seq) + key + " has version " + std::to_string(change.version.value) +
                 ", should have " + std::to_string(slot.version));
        const Entry* entry = fold_.find(key);
        must(entry != nullptr && entry->deleted != slot.live && entry->version == change.version &&
                 entry->seq == record.seq && entry->value == (slot.live ? slot.value.text() : "") &&
                 entry->expires_at == slot.deadline,
             "E4",
             at(record.seq) + key + " should be " + (slot.live ? slot.value.text() : "deleted") +
                 ", is " + (entry == nullptr ? "absent" : entry->value));
        slots_[key] = slot;
        history_[key].push_back(*entry);
        changes_.emplace_back(record.seq, key);
    }
    check_fired(record, before, depth);
}

// --- Answers

void Model::check_answer(const Request& request, const Answer& answer) const {
    const std::string name = request.reason() + " (" + request.id + "): ";
    must(answer.seq <= last(), "J2",
         name + "answered with seq " + std::to_string(answer.seq.value) + ", the journal shows " +
             std::to_string(last().value));
    RecordView record;
    must(static_cast<bool>(parse_record(lines_[answer.seq.value - 1], &record)), "J2", name);
    const Answer told = outcome_of(record);
    const auto same = [](const Answer::Change& a, const Answer::Change& b) {
        return a.key == b.key && a.version == b.version && a.deleted == b.deleted;
    };
    must(record.id == request.id && record.principal_or_actor() == request.principal &&
             told.status == answer.status && told.code == answer.code &&
             told.epoch == answer.epoch && std::ranges::equal(told.changes, answer.changes, same),
         "J2", name + "the answer is not what its record says: " + std::string(record.line));
    must(!request.final ||
             (request.final->code == answer.code && request.final->status == answer.status),
         "E2", name + "had another answer before");
    if (answer.code == Code::id_reused) return;
    const auto body = parse_body(record.body);
    must(body && body->reason == request.reason(), "E2",
         name + "got the answer of another proposal");
    must(!request.final || request.final->seq == answer.seq, "E2",
         name + "has another seq than before");
}

// --- State

const Entry* Model::as_of(std::string_view key, Seq seq) const {
    const auto entries = history_.find(key);
    if (entries == history_.end()) return nullptr;
    const auto behind = std::ranges::upper_bound(entries->second, seq, {}, &Entry::seq);
    return behind == entries->second.begin() ? nullptr : &*std::prev(behind);
}

std::map<std::string, Entry> Model::state_at(Seq seq) const {
    std::map<std::string, Entry> state;
    for (const auto& [key, entries] : history_) {
        if (const Entry* entry = as_of(key, seq)) state.emplace(key, *entry);
    }
    return state;
}

std::optional<std::string> Model::overdue(Time now) const {
    for (const auto& [key, slot] : slots_) {
        if (slot.deadline && *slot.deadline <= now) return key;
    }
    return std::nullopt;
}

}  // namespace se::sim
