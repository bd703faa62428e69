#include "tests/sim/sim_rules.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <set>

#include "journal/base/assert.h"

namespace se::sim {
namespace {

using RuleKind = SimRule::Kind;

constexpr std::string_view kRuleNames[SimRule::kKinds] = {
    "copy", "count", "log", "look", "positive", "fork", "gone", "loop", "twice", "bad"};
constexpr std::string_view kWasPositive = "was positive";

std::string_view name_of_rule(RuleKind kind) {
    return kRuleNames[static_cast<std::size_t>(kind)];
}

Json json_or_null(const std::optional<Value>& value) {
    if (!value) return Json();
    auto json = parse_json(value->text());
    SE_ASSERT(json);
    return *std::move(json);
}

Json whole(std::uint64_t value) {
    return Json(static_cast<std::int64_t>(value));
}

Value value_that_is(std::int64_t value) {
    Value made;
    made.number = value;
    return made;
}

bool sets_off(const SimRule& rule, const Change& change) {
    if (change.key != rule.from) return false;
    switch (rule.kind) {
        case RuleKind::copy:
            return change.op == "set";
        case RuleKind::log:
            return change.op != "delete";
        case RuleKind::positive:
            return change.value && change.value->kind == Value::Kind::number &&
                   change.value->number > 0;
        case RuleKind::fork:
            return change.op == "increment" || change.op == "merge";
        case RuleKind::gone:
            return change.op == "delete";
        default:
            return true;
    }
}

/// The mutations that it asks for, in order.
std::vector<RequestOp> mutations_of(const SimRule& rule, const Change& change,
                                    const StateThen& state) {
    const auto increment = [](const std::string& key, std::int64_t by) {
        return RequestOp{.op = "increment", .key = key, .value = value_that_is(by)};
    };
    switch (rule.kind) {
        case RuleKind::copy: {
            RequestOp op{.op = "set", .key = rule.to, .value = *change.value};
            if (rule.ttl > 0) op.ttl = rule.ttl;
            return {op};
        }
        case RuleKind::count:
            return {increment(rule.to, 1)};
        case RuleKind::log:
            return {{.op = "push",
                     .key = rule.to,
                     .value = value_that_is(static_cast<std::int64_t>(change.version))}};
        case RuleKind::look:
            return {{.op = "set", .key = rule.to, .value = state(rule.other).value_or(Value{})}};
        case RuleKind::positive:
            return {increment(rule.to, -1)};
        case RuleKind::fork:
            return {increment(rule.to, 1), increment(rule.other, 1)};
        case RuleKind::gone:
            return {{.op = "set",
                     .key = rule.to,
                     .value = value_that_is(static_cast<std::int64_t>(change.old_version)),
                     .expected_version = 0}};
        case RuleKind::loop:
            return {increment(rule.from, 1)};
        case RuleKind::twice:
            return {increment(rule.from, 1), increment(rule.from, 1)};
        case RuleKind::bad:
            return {};
    }
    SE_ASSERT(false);
}

Json proposal_that(const SimRule& rule, const RequestOp& op) {
    Json proposal(Json::Object{{"key", op.key}, {"op", op.op}, {"value", json_or_null(op.value)}});
    if (op.ttl) proposal.set("ttl", whole(*op.ttl));
    if (op.expected_version) proposal.set("expectedVersion", whole(*op.expected_version));
    if (rule.kind == RuleKind::positive) proposal.set("reason", Json(kWasPositive));
    return proposal;
}

/// What log publishes.
Json seen_by(const SimRule& rule, const Change& change, const StateThen& state) {
    return Json(Json::Object{{"type", "sim.seen"},
                             {"key", change.key},
                             {"op", change.op},
                             {"value", json_or_null(change.value)},
                             {"old", json_or_null(change.old)},
                             {"version", whole(change.version)},
                             {"text", change.key + " is " + std::to_string(change.version)},
                             {"other", json_or_null(state(rule.other))}});
}

}  // namespace

// --- As text

std::string SimRule::id() const {
    std::string text(name_of_rule(kind));
    for (const std::string& part : {from, to, other, std::to_string(ttl)}) text += ":" + part;
    return text;
}

std::optional<SimRule> SimRule::from_id(std::string_view id) {
    std::vector<std::string> parts(1);
    for (const char c : id) {
        if (c == ':') {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    const auto* const name = std::ranges::find(kRuleNames, parts[0]);
    if (parts.size() != 5 || name == std::end(kRuleNames)) return std::nullopt;
    SimRule rule{.kind = static_cast<RuleKind>(name - std::begin(kRuleNames)),
                 .from = parts[1],
                 .to = parts[2],
                 .other = parts[3]};
    std::from_chars(parts[4].data(), parts[4].data() + parts[4].size(), rule.ttl);
    return rule;
}

std::string SimRule::json() const {
    const std::string begin = R"({"id":")" + id() + R"(",)";
    const auto third = [&](const std::string& more, const std::string& then) {
        return begin + R"("when":{"key":")" + from + '"' + more + R"(},"then":[)" + then + "]}";
    };
    const auto mutate = [](const std::string& args) {
        return R"({"action":"mutate","args":{)" + args + "}}";
    };
    const auto increments = [&](const std::string& key) {
        return mutate(R"("op":"increment","value":1,"key":")" + key + '"');
    };
    switch (kind) {
        case RuleKind::copy: {
            const std::string keep = ttl > 0 ? R"(,"ttl":)" + std::to_string(ttl) : "";
            return third(R"(,"op":"set")",
                         mutate(R"("key":")" + to + R"(","value":"{ value }")" + keep));
        }
        case RuleKind::count:
            return third("", increments(to));
        case RuleKind::log:
            return begin + R"("when":{"and":[{"==":[{"var":"key"},")" + from +
                   R"("]},{"!=":[{"var":"op"},"delete"]}]},"actions":[)" +
                   R"({"type":"mutate","op":"push","value":{"var":"version"},"key":")" + to +
                   R"("},{"type":"publishEgress","templates":true,"payload":{"type":"sim.seen",)" +
                   R"("key":"{ key }","op":"{ op }","value":"{ value }","old":"{ old }",)" +
                   R"("version":"{ version }","text":"{ key } is { version }","other":"{ state.)" +
                   other + R"( }"}}]})";
        case RuleKind::look: {
            const std::string var = R"({"var":"state.)" + other + R"("})";
            return begin + R"("when":{"==":[{"var":"key"},")" + from +
                   R"("]},"actions":[{"type":"mutate","key":")" + to +
                   R"(","value":{"if":[{"==":[)" + var + ",null]},0," + var + "]}}]}";
        }
        case RuleKind::positive:
            return begin + R"("on":")" + from + R"( > 0","do":[)" +
                   mutate(R"("op":"increment","value":-1,"reason":")" + std::string(kWasPositive) +
                          R"(","key":")" + to + '"') +
                   "]}";
        case RuleKind::fork:
            return third(R"(,"op":["increment","merge"])",
                         increments(to) + "," + increments(other));
        case RuleKind::gone:
            return third(
                R"(,"op":"delete")",
                mutate(R"("value":"{ oldVersion }","expectedVersion":0,"key":")" + to + '"'));
        case RuleKind::loop:
            return third("", increments("{ key }"));
        case RuleKind::twice:
            return third("", increments("{ key }") + "," + increments("{ key }"));
        case RuleKind::bad:
            return third("", mutate(R"("key":"{ value }","value":1)"));
    }
    SE_ASSERT(false);
}

std::string rules_json(const std::vector<SimRule>& rules) {
    std::string text = "[";
    for (const SimRule& rule : rules) text += (text.size() > 1 ? "," : "") + rule.json();
    return text + "]";
}

std::vector<SimRule> some_rules(SimRandom& random, std::uint64_t keys) {
    static const std::string kWhole[] = {"a", "b", "c", "d", "e"};  // no dots: one key, no member
    std::vector<SimRule> rules;
    std::set<std::string> ids;
    for (std::uint64_t left = 1 + random.below(4); left > 0; --left) {
        SimRule rule;
        rule.kind = static_cast<RuleKind>(random.below(SimRule::kKinds));
        // From a key to a later one: so that no rules go round by keys that are known at load.
        const std::uint64_t last = std::size(kKeys) - 1;
        const std::uint64_t from = random.below(std::min(keys, last));
        const auto later = [&] { return std::string(kKeys[from + 1 + random.below(last - from)]); };
        rule.from = kKeys[from];
        rule.to = later();
        rule.other =
            rule.kind == RuleKind::fork ? later() : kWhole[random.below(std::size(kWhole))];
        if (rule.kind == RuleKind::copy && random.chance(30)) rule.ttl = 1 + random.below(10);
        if (ids.insert(rule.id()).second) rules.push_back(std::move(rule));
    }
    return rules;
}

// --- What follows

Firing fire(const std::vector<SimRule>& rules, const std::vector<Change>& changes,
            const StateThen& state, const FiringPlace& place) {
    Firing firing;
    Json::Array all;
    std::uint64_t n = 0;
    for (const Change& change : changes) {
        for (const SimRule& rule : rules) {
            if (!sets_off(rule, change)) continue;
            Json entry(Json::Object{{"rule", rule.id()}});
            if (changes.size() > 1) entry.set("key", Json(change.key));
            if (rule.kind == RuleKind::bad) {
                ++firing.warnings;
                all.push_back(std::move(entry));
                continue;
            }
            Json::Array actions;
            const auto next_id = [&] {
                return place.store + ":" + std::to_string(place.epoch.value) + ":" +
                       std::to_string(place.seq.value) + ":" + rule.id() + ":" + std::to_string(n);
            };
            for (RequestOp& op : mutations_of(rule, change, state)) {
                actions.emplace_back(Json::Object{
                    {"type", "mutate"}, {"id", next_id()}, {"proposal", proposal_that(rule, op)}});
                firing.due.push_back({.seq = place.seq,
                                      .epoch = place.epoch,
                                      .n = n,
                                      .depth = place.depth,
                                      .rule = rule.id(),
                                      .id = next_id(),
                                      .reason = rule.kind == RuleKind::positive
                                                    ? std::string(kWasPositive)
                                                    : "rule " + rule.id(),
                                      .op = std::move(op)});
                ++n;
            }
            if (rule.kind == RuleKind::log) {
                actions.emplace_back(Json::Object{{"type", "publishEgress"},
                                                  {"id", next_id()},
                                                  {"header", "sim.seen"},
                                                  {"payload", seen_by(rule, change, state)}});
                ++n;
            }
            entry.set("actions", Json(std::move(actions)));
            all.push_back(std::move(entry));
        }
    }
    firing.fired = Json(std::move(all));
    return firing;
}

}  // namespace se::sim
