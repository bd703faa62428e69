#include "tests/sim/sim_clients.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace se::sim {

Policy Clients::some_policy(SimRandom& random) const {
    Policy policy;
    policy.allowed_keys = {"a*", "b*", "c*", "d*"};
    if (random.chance(50)) policy.allowed_keys.push_back("e*");
    policy.limits.expiries_per_step = 1 + random.below(3);
    if (!mix_.rules) return policy;
    policy.limits.derived_depth = 1 + random.below(4);
    policy.limits.derived_count = 2 + random.below(8);
    policy.rules = RuleSet::none();
    if (random.chance(10)) return policy;
    auto rules = RuleSet::compile(*parse_json(rules_json(some_rules(random, mix_.keys))));
    SE_ASSERT(rules);
    policy.rules = *std::move(rules);
    return policy;
}

Value Clients::some_value(SimRandom& random, Value::Kind kind, bool patch) const {
    Value value;
    value.kind = kind;
    const auto number = [&random] { return static_cast<std::int64_t>(random.below(200)) - 100; };
    value.number = kind == Value::Kind::number ? number() : 0;
    for (std::uint64_t i = random.below(4); i > 0 && kind != Value::Kind::number; --i) {
        if (kind == Value::Kind::list) {
            value.list.push_back(number());
        } else {
            const std::string name(1, static_cast<char>('a' + random.below(5)));
            value.object[name] =
                patch && random.chance(30) ? std::nullopt : std::optional(number());
        }
    }
    return value;
}

RequestOp Clients::some_op(SimRandom& random) const {
    using enum Value::Kind;
    RequestOp op;
    op.key = kKeys[random.below(std::min<std::uint64_t>(mix_.keys, std::size(kKeys)))];
    switch (random.below(7)) {
        case 0:
        case 1:
            op.op = "set";
            op.value = some_value(random, static_cast<Value::Kind>(random.below(3)), false);
            break;
        case 2:
            op.op = "delete";
            break;
        case 3:
        case 4:
            op.op = "increment";
            op.value = some_value(random, number, false);
            break;
        case 5:
            op.op = "push";
            op.value = some_value(random, number, false);
            break;
        default:
            op.op = "merge";
            op.value = some_value(random, object, true);
    }
    if (op.op != "delete" && random.chance(15)) op.ttl = 1 + random.below(20);
    if (random.chance(25)) op.expected_version = version_of(random, op.key);
    return op;
}

/// Right, or wrong by a little, or out of date by the time it is decided.
std::uint64_t Clients::version_of(SimRandom& random, const std::string& key) const {
    const Entry* entry = model_.as_of(key, model_.last());
    const std::uint64_t version = entry == nullptr || entry->deleted ? 0 : entry->version.value;
    return random.chance(75) ? version : version + random.below(2);
}

Request Clients::some_request(SimRandom& random, std::string id) const {
    Request request;
    request.number = model_.requests.size();
    request.principal = random.chance(50) ? "alice" : "bob";
    request.id = std::move(id);
    for (std::uint64_t i = random.chance(25) ? 1 + random.below(4) : 1; i > 0; --i) {
        request.ops.push_back(some_op(random));
    }
    if (random.chance(15)) {
        const RequestOp about = some_op(random);
        const Entry* entry = model_.as_of(about.key, model_.last());
        const Seq seq = entry == nullptr ? Seq{} : entry->seq;
        request.basis.emplace_back(about.key, random.chance(80) ? seq : Seq{seq.value / 2});
    }
    return request;
}

}  // namespace se::sim
