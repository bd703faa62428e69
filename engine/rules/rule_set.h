#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "engine/rules/action.h"
#include "engine/rules/expression.h"
#include "engine/rules/json_logic.h"

namespace se {

inline constexpr std::size_t kRulesMax = 10'000;  ///< in one policy; more: it is not loaded
inline constexpr std::size_t kActionsMax = 64;    ///< of one rule; likewise
inline constexpr std::size_t kRuleIdBytesMax = 128;

/// Which changes a rule looks at.
struct Trigger {
    std::vector<std::string>
        keys;  ///< a trailing `*` is a prefix, all else the key itself; empty: every key
    std::uint8_t ops = 0;  ///< a bit for each OpKind; 0: every op

    bool takes_op(std::string_view op) const;
};

/// One rule in the form that all three dialects are compiled into.
struct Rule {
    std::string id;
    Trigger trigger;
    std::variant<JsonLogic, Expression> condition;
    std::vector<Action> actions;
};

/// The rules of a policy, compiled once. The dialect of each is told by the member it has:
/// `actions` (with `when`, JsonLogic), `do` (with `on`, an expression), `then` (with `when: {key,
/// op}` and `if`).
class RuleSet {
public:
    /// Errc::malformed, with a pointer into the list: what is wrong and what would be right. Rules
    /// that would set each other off without end are refused, and the way round is named.
    static Result<std::shared_ptr<const RuleSet>> compile(const Json& list);
    static std::shared_ptr<const RuleSet> none();
    /// CONTRACTS 1.3: on_stream_start.
    static std::shared_ptr<const RuleSet> defaults();

    bool empty() const { return rules_.empty(); }
    const std::vector<Rule>& rules() const { return rules_; }
    const Json& source() const { return source_; }  ///< as it was loaded

    /// Whether any rule looks at that key.
    bool looks_at(std::string_view key) const;
    /// The rules whose trigger takes that change, in the order of the list. Costs what it finds,
    /// not what there is.
    std::vector<const Rule*> triggered_by(std::string_view key, std::string_view op) const;

    /// Rule `from` writes what rule `to` looks at.
    struct Edge {
        std::size_t from, to;
        std::string key;  ///< that is written, or as much of it as is known
        bool certain;     ///< the key is known; else only how it begins
    };
    std::vector<Edge> edges() const;
    /// Rings of rules that set each other off if data leads them. Not every ring there is: each
    /// rule is told once.
    std::vector<std::vector<std::size_t>> ways_round() const;

private:
    RuleSet() = default;
    void index();
    /// Indices of the rules that look at the key, ascending.
    std::vector<std::uint32_t> find(std::string_view key) const;
    Status refuse_cycles() const;

    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    using Index =
        std::unordered_map<std::string, std::vector<std::uint32_t>, TextHash, std::equal_to<>>;

    Json source_ = Json(Json::Array{});
    std::vector<Rule> rules_;
    Index by_key_, by_prefix_;
    std::vector<std::size_t> prefix_sizes_;  ///< that there are, ascending
    std::vector<std::uint32_t> always_;
};
using RuleSetPtr = std::shared_ptr<const RuleSet>;

/// The keys without which a JsonLogic `when` cannot match; empty: it may match any.
std::vector<std::string> keys_required_by(const Json& when);

}  // namespace se
