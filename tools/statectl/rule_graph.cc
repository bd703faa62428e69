// rules graph: keys → rules → keys and actions, as Mermaid or DOT, and the ways round that data
// could make.

#include <map>
#include <set>

#include "tools/statectl/commands.h"
#include "tools/statectl/embedded.h"
#include "tools/statectl/journal_search.h"
#include "tools/statectl/output.h"
#include "tools/statectl/rule_commands.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

struct GraphOptions {
    std::string file, format = "mermaid";
};

/// Names, each with a number of its own, in the order in which they were met.
class Numbers {
public:
    std::size_t of(const std::string& name) {
        const auto [at, fresh] = numbers_.emplace(name, names_.size());
        if (fresh) names_.push_back(name);
        return at->second;
    }
    const std::vector<std::string>& names() const { return names_; }

private:
    std::map<std::string, std::size_t> numbers_;
    std::vector<std::string> names_;
};

struct Arrow {
    std::string from, to;
    bool dashed = false;  ///< only data decides whether it is there

    auto operator<=>(const Arrow&) const = default;
};

/// All there is to draw. A key is written k<n>, a rule r<n>, what goes out o<n>.
struct Drawing {
    Numbers keys, outs;
    std::vector<std::string> rules;
    std::vector<Arrow> arrows;
};

std::string out_name(const Action& action) {
    return action.kind == Action::Kind::event && action.event_type != action.name
               ? action.name + " " + action.event_type
               : action.name;
}

Drawing draw(const RuleSet& rules) {
    Drawing drawing;
    std::set<Arrow> drawn;
    const auto arrow = [&](std::string from, std::string to, bool dashed = false) {
        const Arrow one{std::move(from), std::move(to), dashed};
        if (drawn.insert(one).second) drawing.arrows.push_back(one);
    };
    const auto key = [&](const std::string& name) {
        return "k" + std::to_string(drawing.keys.of(name));
    };
    for (const Rule& rule : rules.rules()) {
        const std::string self = "r" + std::to_string(drawing.rules.size());
        drawing.rules.push_back(rule.id);
        if (rule.trigger.keys.empty()) arrow(key("*"), self);
        for (const std::string& name : rule.trigger.keys) arrow(key(name), self);
        for (const Action& action : rule.actions) {
            if (const auto target = action.target())
                arrow(self, key(target->whole ? target->key : target->key + "*"), !target->whole);
            else
                arrow(self, "o" + std::to_string(drawing.outs.of(out_name(action))));
        }
    }
    // A key that is written, and looked at under another name: a prefix, or any key.
    for (const RuleSet::Edge& edge : rules.edges()) {
        const auto& looked_at = rules.rules()[edge.to].trigger.keys;
        if (std::ranges::find(looked_at, edge.key) == looked_at.end())
            arrow(key(edge.key), "r" + std::to_string(edge.to), !edge.certain);
    }
    return drawing;
}

std::string quoted(const std::string& text, bool mermaid) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"')
            out += mermaid ? "#quot;" : "\\\"";
        else if (c == '\\' && !mermaid)
            out += "\\\\";
        else
            out += c;
    }
    return out + "\"";
}

std::string as_mermaid(const Drawing& drawing) {
    std::string out = "flowchart LR\n";
    const auto nodes = [&](char letter, const std::vector<std::string>& names, const char* open,
                           const char* close) {
        for (std::size_t i = 0; i < names.size(); ++i)
            out += "    " + std::string(1, letter) + std::to_string(i) + open +
                   quoted(names[i], true) + close + "\n";
    };
    nodes('k', drawing.keys.names(), "[", "]");
    nodes('r', drawing.rules, "([", "])");
    nodes('o', drawing.outs.names(), "[/", "/]");
    for (const Arrow& arrow : drawing.arrows)
        out += "    " + arrow.from + (arrow.dashed ? " -.-> " : " --> ") + arrow.to + "\n";
    return out;
}

std::string as_dot(const Drawing& drawing) {
    std::string out = "digraph rules {\n    rankdir=LR;\n";
    const auto nodes = [&](char letter, const std::vector<std::string>& names, const char* shape) {
        for (std::size_t i = 0; i < names.size(); ++i)
            out += "    " + std::string(1, letter) + std::to_string(i) +
                   " [label=" + quoted(names[i], false) + ", shape=" + shape + "];\n";
    };
    nodes('k', drawing.keys.names(), "box");
    nodes('r', drawing.rules, "ellipse");
    nodes('o', drawing.outs.names(), "parallelogram");
    for (const Arrow& arrow : drawing.arrows)
        out += "    " + arrow.from + " -> " + arrow.to + (arrow.dashed ? " [style=dashed]" : "") +
               ";\n";
    return out + "}\n";
}

Outcome<int> graph(Context& context, const GraphOptions& options) {
    SE_TRY(policy, policy_for_rules(context, options.file));
    const Drawing drawing = draw(*policy.rules);
    print(options.format == "dot" ? as_dot(drawing) : as_mermaid(drawing));
    // What is certain to go round is refused at load: here only what data may make.
    for (const std::vector<std::size_t>& way : policy.rules->ways_round()) {
        std::string text = "these rules may set each other off, if data leads them: ";
        for (const std::size_t rule : way) text += policy.rules->rules()[rule].id + " -> ";
        complain(text + policy.rules->rules()[way.front()].id +
                 "; engine.derived_depth stops them");
    }
    return kOk;
}

}  // namespace

Outcome<Policy> policy_for_rules(Context& context, const std::string& file) {
    if (!file.empty()) context.config = file;
    SE_TRY(given, policy_of_config(context));
    if (given) return std::move(*given);
    SE_TRY_OK(context.need_store());
    SE_TRY(journaled, policy_in_force(context));
    return journaled.value_or(Policy{});
}

void add_rule_graph(CommandLine& line, CLI::App* rules) {
    auto options = std::make_shared<GraphOptions>();
    CLI::App* command = line.add(
        rules, "graph", "Draw which keys set off which rules, and what these do",
        "  statectl rules graph policy.yaml > rules.mmd\n"
        "  statectl rules graph --format dot | dot -Tsvg > rules.svg\n"
        "Without FILE: the policy that the store's journal has. A dashed arrow is there if data "
        "makes it.\nWays round that data could make are named on stderr; those that are certain "
        "are an error.");
    command->add_option("FILE", options->file, "A policy file");
    command->add_option("--format", options->format, "mermaid or dot")
        ->check(CLI::IsMember({"mermaid", "dot"}));
    line.on(command, options, graph);
}

}  // namespace se::statectl
