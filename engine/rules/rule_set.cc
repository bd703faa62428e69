#include "engine/rules/rule_set.h"

#include <algorithm>

#include "engine/intake/proposal.h"
#include "engine/rules/rule_error.h"

namespace se {
namespace {

constexpr std::string_view kDefaultRules = R"([{"id":"on_stream_start",
"when":{"and":[{"==":[{"var":"key"},"stream.state"]},{"==":[{"var":"value"},"on"]}]},
"actions":[{"type":"publishEgress","templates":true,"payload":{"type":"system.stream.online",
"message":"Stream detected online","annotations":[{"id":"state-engine","kind":"intent",
"label":"stream.online","source":"state-engine","createdAt":"{ ts }"}]}}]}])";

std::uint8_t bit_of(OpKind kind) {
    return static_cast<std::uint8_t>(1u << static_cast<unsigned>(kind));
}

bool is_var_key(const Json& json) {
    const Json* const path =
        json.is_object() && json.object().size() == 1 ? json.find("var") : nullptr;
    if (path == nullptr) return false;
    if (path->is_array()) return path->array().size() == 1 && path->array()[0] == Json("key");
    return *path == Json("key");
}

/// Whether an operation yields true or false and nothing else: behind it an `and` goes on only if
/// it is true.
bool yields_boolean(const Json& json) {
    static constexpr std::string_view kOperations[] = {
        "==", "===", "!=", "!==", ">", ">=", "<", "<=", "!", "!!", "in", "all", "none", "some"};
    if (json.is_bool()) return true;
    if (!json.is_object() || json.object().size() != 1) return false;
    return std::ranges::find(kOperations, json.object().front().first) != std::end(kOperations);
}

/// Compiles one rule of the list.
class RuleReader {
public:
    explicit RuleReader(const Json& json) : json_(json) {}

    Result<Rule> read() && {
        if (!json_.is_object()) return wrong_rule("", "a rule must be a map");
        SE_TRY(id, read_id());
        const bool first = has("actions"), second = has("do"), third = has("then");
        if (first + second + third != 1)
            return wrong_rule(
                "",
                "a rule has exactly one of `actions` (with `when`), `do` (with `on`) and `then` "
                "(with `when: {key, op}`)");
        SE_TRY_OK(only_known(first ? "actions" : second ? "do" : "then"));
        auto rule = first ? logical() : second ? expressed() : equated();
        if (!rule) return rule;
        rule->id = std::move(id);
        SE_TRY(actions, read_actions(first ? "actions" : second ? "do" : "then"));
        rule->actions = std::move(actions);
        return rule;
    }

private:
    bool has(std::string_view name) const { return json_.find(name) != nullptr; }

    Result<std::string> read_id() const {
        const Json* const id = json_.find("id");
        if (id == nullptr) return wrong_rule("", "a rule needs an id");
        if (!id->is_string() || id->string().empty() || id->string().size() > kRuleIdBytesMax)
            return wrong_rule("/id", "a rule's id must be a text of 1 to " +
                                         std::to_string(kRuleIdBytesMax) + " bytes");
        const auto control = [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        };
        if (std::ranges::any_of(id->string(), control))
            return wrong_rule("/id", "a rule's id must not hold control characters");
        return id->string();
    }

    Status only_known(std::string_view actions) const {
        for (const auto& [name, value] : json_.object()) {
            const bool condition = actions == "do" ? name == "on" : name == "when";
            const bool more = actions == "then" && name == "if";
            if (name == "id" || name == "description" || name == actions || condition || more)
                continue;
            return wrong_rule("/" + name, name + " is no member of a rule with `" +
                                              std::string(actions) + "`; it has id, " +
                                              (actions == "do"     ? "on"
                                               : actions == "then" ? "when, if"
                                                                   : "when") +
                                              ", " + std::string(actions) + " and description");
        }
        return Ok{};
    }

    Result<Rule> logical() const {
        const Json* const when = json_.find("when");
        if (when == nullptr)
            return wrong_rule("", "a rule with `actions` needs `when`, a JsonLogic rule");
        auto logic = JsonLogic::compile(*when);
        if (!logic) return wrong_rule("/when" + logic.error().pointer, logic.error().text);
        return Rule{.trigger = {.keys = keys_required_by(*when)}, .condition = std::move(*logic)};
    }

    Result<Rule> expressed() const {
        const Json* const on = json_.find("on");
        if (on == nullptr || !on->is_string())
            return wrong_rule(
                on == nullptr ? "" : "/on",
                "a rule with `do` needs `on`, a text such as \"stream.state == 'on'\"");
        auto expression = parse_expression(on->string());
        if (!expression) return wrong_rule("/on", "on: " + expression.error().text);
        Rule rule{.condition = std::move(*expression)};
        std::get<Expression>(rule.condition).collect_keys(&rule.trigger.keys);
        std::ranges::sort(rule.trigger.keys);
        rule.trigger.keys.erase(std::ranges::unique(rule.trigger.keys).begin(),
                                rule.trigger.keys.end());
        return rule;
    }

    Result<Rule> equated() const {
        const Json* const when = json_.find("when");
        if (when == nullptr || !when->is_object())
            return wrong_rule(when == nullptr ? "" : "/when",
                              "a rule with `then` needs `when`, a map of key and op");
        Rule rule{.condition = Expression{}};
        for (const auto& [name, value] : when->object()) {
            SE_TRY(texts, texts_of(value, "/when/" + name));
            if (name == "key") {
                rule.trigger.keys = std::move(texts);
                continue;
            }
            if (name != "op")
                return wrong_rule("/when/" + name, "`when` has key and op, and no " + name);
            for (const std::string& text : texts) {
                const auto kind = op_from_text(text);
                if (!kind)
                    return wrong_rule(
                        "/when/op",
                        text + " is no op; there are set, delete, increment, push, merge");
                rule.trigger.ops |= bit_of(*kind);
            }
        }
        const Json* const also = json_.find("if");
        if (also == nullptr) return rule;
        if (!also->is_object()) return wrong_rule("/if", "`if` must be a map, or a JsonLogic rule");
        if (also->object().size() == 1 && is_json_logic_operation(also->object().front().first)) {
            auto logic = JsonLogic::compile(*also);
            if (!logic) return wrong_rule("/if" + logic.error().pointer, logic.error().text);
            rule.condition = std::move(*logic);
            return rule;
        }
        SE_TRY(condition, equalities(*also));
        rule.condition = std::move(condition);
        return rule;
    }

    static Result<std::vector<std::string>> texts_of(const Json& json, const std::string& pointer) {
        std::vector<std::string> texts;
        const Json::Array alone = json.is_array() ? json.array() : Json::Array{json};
        for (const Json& item : alone) {
            if (!item.is_string() || item.string().empty())
                return wrong_rule(pointer, "it must be a text, or a list of texts");
            texts.push_back(item.string());
        }
        if (texts.empty()) return wrong_rule(pointer, "an empty list would never match");
        return texts;
    }

    static Result<Expression> equalities(const Json& also) {
        Expression all;
        const auto add = [&all](std::string path, const Json& literal) {
            all.parts.push_back(
                {.kind = Expression::Kind::compare, .path = std::move(path), .literal = literal});
        };
        for (const auto& [name, value] : also.object()) {
            const std::string first = name.substr(0, name.find('.'));
            if (!is_moment_name(first))
                return wrong_rule(
                    "/if/" + name,
                    name +
                        " is nothing that a rule sees; there are key, value, op, old, "
                        "oldVersion, version, actor, reason, ts, metadata, state");
            if (name != "state") {
                add(name, value);
                continue;
            }
            if (!value.is_object())
                return wrong_rule("/if/state", "state must be a map of paths and values");
            for (const auto& [path, literal] : value.object()) add("state." + path, literal);
        }
        return all;
    }

    Result<std::vector<Action>> read_actions(const std::string& name) const {
        const Json& list = *json_.find(name);
        if (!list.is_array() || list.array().empty() || list.array().size() > kActionsMax)
            return wrong_rule("/" + name, name + " must be a list of 1 to " +
                                              std::to_string(kActionsMax) + " actions");
        std::vector<Action> actions;
        for (const Json& item : list.array()) {
            auto action = compile_action(item, name == "actions");
            if (!action)
                return wrong_rule(
                    "/" + name + "/" + std::to_string(actions.size()) + action.error().pointer,
                    action.error().text);
            actions.push_back(std::move(*action));
        }
        return actions;
    }

    const Json& json_;
};

}  // namespace

bool Trigger::takes_op(std::string_view op) const {
    if (ops == 0) return true;
    const auto kind = op_from_text(op);
    return kind && (ops & bit_of(*kind)) != 0;
}

std::vector<std::string> keys_required_by(const Json& when) {
    if (!when.is_object() || when.object().size() != 1) return {};
    const auto& [name, arguments] = when.object().front();
    if (!arguments.is_array()) return {};
    const Json::Array& list = arguments.array();
    if (name == "==" || name == "===") {
        if (list.size() != 2) return {};
        const Json& other = is_var_key(list[0]) ? list[1] : list[0];
        const bool of_key = is_var_key(list[0]) || is_var_key(list[1]);
        // A number is == to its text: only a text can be looked up.
        if (of_key && other.is_string() && !other.string().ends_with('*')) return {other.string()};
        return {};
    }
    if (name == "in") {
        if (list.size() != 2 || !is_var_key(list[0]) || !list[1].is_array()) return {};
        std::vector<std::string> keys;
        for (const Json& key : list[1].array()) {
            if (!key.is_string() || key.string().ends_with('*')) return {};
            keys.push_back(key.string());
        }
        return keys;
    }
    if (name == "or") {
        std::vector<std::string> keys;
        for (const Json& part : list) {
            auto some = keys_required_by(part);
            if (some.empty() || !yields_boolean(part)) return {};
            keys.insert(keys.end(), some.begin(), some.end());
        }
        return keys;
    }
    if (name != "and") return {};
    for (const Json& part : list) {
        auto keys = keys_required_by(part);
        if (!keys.empty()) return keys;
        // What is not true might end the `and` with an empty list, and that matches.
        if (!yields_boolean(part)) return {};
    }
    return {};
}

Result<std::shared_ptr<const RuleSet>> RuleSet::compile(const Json& list) {
    if (!list.is_array()) return wrong_rule("", "rules must be a list");
    if (list.array().size() > kRulesMax)
        return wrong_rule("", "there are " + std::to_string(list.array().size()) +
                                  " rules, at most " + std::to_string(kRulesMax) + " are taken");
    std::shared_ptr<RuleSet> set(new RuleSet);
    set->source_ = list;
    std::unordered_map<std::string, std::size_t> known;
    for (const Json& json : list.array()) {
        const std::size_t at = set->rules_.size();
        auto rule = RuleReader(json).read();
        if (!rule)
            return wrong_rule("/" + std::to_string(at) + rule.error().pointer, rule.error().text);
        const auto [first, fresh] = known.emplace(rule->id, at);
        if (!fresh)
            return wrong_rule("/" + std::to_string(at) + "/id",
                              rule->id + " is there twice, first as rules[" +
                                  std::to_string(first->second) + "]");
        set->rules_.push_back(std::move(*rule));
    }
    set->index();
    SE_TRY_OK(set->refuse_cycles());
    return std::shared_ptr<const RuleSet>(std::move(set));
}

std::shared_ptr<const RuleSet> RuleSet::none() {
    static const std::shared_ptr<const RuleSet> set(new RuleSet);
    return set;
}

std::shared_ptr<const RuleSet> RuleSet::defaults() {
    static const std::shared_ptr<const RuleSet> set = *compile(*parse_json(kDefaultRules));
    return set;
}

void RuleSet::index() {
    for (std::uint32_t i = 0; i < rules_.size(); ++i) {
        const std::vector<std::string>& keys = rules_[i].trigger.keys;
        if (keys.empty()) always_.push_back(i);
        for (const std::string& key : keys) {
            const bool prefix = key.ends_with('*');
            auto& found = prefix ? by_prefix_[key.substr(0, key.size() - 1)] : by_key_[key];
            if (found.empty() || found.back() != i) found.push_back(i);
            if (prefix) prefix_sizes_.push_back(key.size() - 1);
        }
    }
    std::ranges::sort(prefix_sizes_);
    prefix_sizes_.erase(std::ranges::unique(prefix_sizes_).begin(), prefix_sizes_.end());
}

bool RuleSet::looks_at(std::string_view key) const {
    if (!always_.empty() || by_key_.contains(key)) return true;
    return std::ranges::any_of(prefix_sizes_, [&](std::size_t size) {
        return size <= key.size() && by_prefix_.contains(key.substr(0, size));
    });
}

std::vector<std::uint32_t> RuleSet::find(std::string_view key) const {
    std::vector<std::uint32_t> found = always_;
    const auto add = [&found](const Index& index, std::string_view name) {
        const auto at = index.find(name);
        if (at != index.end()) found.insert(found.end(), at->second.begin(), at->second.end());
    };
    add(by_key_, key);
    for (const std::size_t size : prefix_sizes_)
        if (size <= key.size()) add(by_prefix_, key.substr(0, size));
    std::ranges::sort(found);
    found.erase(std::ranges::unique(found).begin(), found.end());
    return found;
}

std::vector<const Rule*> RuleSet::triggered_by(std::string_view key, std::string_view op) const {
    std::vector<const Rule*> triggered;
    for (const std::uint32_t i : find(key))
        if (rules_[i].trigger.takes_op(op)) triggered.push_back(&rules_[i]);
    return triggered;
}

}  // namespace se
