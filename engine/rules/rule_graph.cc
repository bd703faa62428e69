#include <algorithm>
#include <optional>

#include "engine/rules/rule_set.h"

namespace se {
namespace {

constexpr std::uint64_t kStepsAtLoad = 1'000;  ///< of a condition that is tried out at load

/// Whether a condition asks for nothing but the key and the value: then it can be tried out at
/// load.
bool asks_only_for_key_and_value(const Json& json) {
    if (json.is_array()) return std::ranges::all_of(json.array(), asks_only_for_key_and_value);
    if (!json.is_object()) return true;
    for (const auto& [name, value] : json.object()) {
        if (name == "var") {
            const Json& path =
                value.is_array() && value.array().size() == 1 ? value.array()[0] : value;
            if (path != Json("key") && path != Json("value")) return false;
        } else if (name == "missing" || name == "missing_some" ||
                   !asks_only_for_key_and_value(value)) {
            return false;
        }
    }
    return true;
}

bool asks_only_for(const Expression& expression, std::string_view key) {
    if (expression.kind == Expression::Kind::compare)
        return expression.is_key ? expression.path == key
                                 : expression.path == "key" || expression.path == "value";
    return std::ranges::all_of(expression.parts,
                               [&](const Expression& part) { return asks_only_for(part, key); });
}

/// A state of one key.
class Written final : public StateAsOf {
public:
    Written(std::string_view key, std::string_view value) : key_(key), value_(value) {}
    Result<std::optional<std::string>> value_of(std::string_view key) override {
        return key == key_ ? std::optional(std::string(value_)) : std::optional<std::string>();
    }

private:
    std::string_view key_, value_;
};

/// Whether a change that sets `key` to `value` cannot match, whatever else there is.
bool never_matches(const Rule& rule, const std::string& key, const Json& value) {
    const std::string text = to_text(value);
    Written written(key, text);
    StateValues state(written);
    const ChangeSeen seen{.key = key, .op = "set", .value = text};
    const Moment moment(seen, state);
    if (const auto* expression = std::get_if<Expression>(&rule.condition))
        return asks_only_for(*expression, key) && !expression->holds(moment);
    const auto& logic = std::get<JsonLogic>(rule.condition);
    if (!asks_only_for_key_and_value(logic.rule())) return false;
    JsRoom room(kStepsAtLoad);
    const auto result = logic.evaluate(room, moment.data());
    return !result || !result->truthy();
}

/// Finds a way round, depth first and without recursion: ten thousand rules may stand in a row.
class CycleSearch {
public:
    explicit CycleSearch(std::size_t rules) : out_(rules), state_(rules, State::unseen) {}

    void add(std::size_t from, std::size_t to) { out_[from].push_back(to); }

    /// One way round, or none.
    std::vector<std::size_t> run() {
        for (std::size_t i = 0; i < out_.size(); ++i) {
            auto way = state_[i] == State::unseen ? from(i) : std::vector<std::size_t>{};
            if (!way.empty()) return way;
        }
        return {};
    }

    /// Until no rule stands in a ring that is not told: what was told is taken out.
    std::vector<std::vector<std::size_t>> run_all() {
        std::vector<std::vector<std::size_t>> ways;
        for (auto way = run(); !way.empty(); way = run()) {
            for (const std::size_t rule : way) out_[rule].clear();
            std::ranges::fill(state_, State::unseen);
            ways.push_back(std::move(way));
        }
        return ways;
    }

private:
    enum class State : std::uint8_t { unseen, open, done };

    std::vector<std::size_t> from(std::size_t start) {
        std::vector<std::size_t> path = {start}, next = {0};
        state_[start] = State::open;
        while (!path.empty()) {
            const std::size_t at = path.back();
            if (next.back() == out_[at].size()) {
                state_[at] = State::done;
                path.pop_back();
                next.pop_back();
                continue;
            }
            const std::size_t to = out_[at][next.back()++];
            if (state_[to] == State::open) {
                path.erase(path.begin(), std::ranges::find(path, to));
                return path;
            }
            if (state_[to] == State::done) continue;
            state_[to] = State::open;
            path.push_back(to);
            next.push_back(0);
        }
        return {};
    }

    std::vector<std::vector<std::size_t>> out_;
    std::vector<State> state_;
};

}  // namespace

std::vector<RuleSet::Edge> RuleSet::edges() const {
    std::vector<Edge> edges;
    for (std::size_t from = 0; from < rules_.size(); ++from) {
        for (const Action& action : rules_[from].actions) {
            const auto target = action.target();
            if (!target) continue;
            if (target->whole) {
                for (const std::uint32_t to : find(target->key)) {
                    const Rule& rule = rules_[to];
                    if (!target->op.empty() && !rule.trigger.takes_op(target->op)) continue;
                    if (target->op == "set" && target->value &&
                        never_matches(rule, target->key, *target->value))
                        continue;
                    edges.push_back({from, to, target->key, true});
                }
                continue;
            }
            for (std::size_t to = 0; to < rules_.size(); ++to) {
                const auto& keys = rules_[to].trigger.keys;
                const bool may =
                    keys.empty() || std::ranges::any_of(keys, [&](std::string_view key) {
                        if (key.ends_with('*')) key.remove_suffix(1);
                        return key.starts_with(target->key) ||
                               std::string_view(target->key).starts_with(key);
                    });
                if (may) edges.push_back({from, to, target->key + "*", false});
            }
        }
    }
    return edges;
}

std::vector<std::vector<std::size_t>> RuleSet::ways_round() const {
    CycleSearch search(rules_.size());
    for (const Edge& edge : edges()) search.add(edge.from, edge.to);
    return search.run_all();
}

Status RuleSet::refuse_cycles() const {
    CycleSearch search(rules_.size());
    const std::vector<Edge> all = edges();
    for (const Edge& edge : all)
        if (edge.certain) search.add(edge.from, edge.to);
    const std::vector<std::size_t> way = search.run();
    if (way.empty()) return Ok{};
    std::string text = "these rules set each other off without end: ";
    for (std::size_t i = 0; i < way.size(); ++i) {
        const std::size_t to = way[(i + 1) % way.size()];
        const auto edge = std::ranges::find_if(all, [&](const Edge& one) {
            return one.certain && one.from == way[i] && one.to == to;
        });
        text += rules_[way[i]].id + " writes " + edge->key + " -> ";
    }
    text += rules_[way.front()].id;
    text += "; take one of the writes away, or let a condition on the value rule it out";
    return Error{Errc::malformed, text, "/" + std::to_string(way.front())};
}

}  // namespace se
