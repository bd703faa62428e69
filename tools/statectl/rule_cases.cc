// rules test: cases in YAML, each a state, a mutation, and what must follow.

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "engine/derived.h"
#include "engine/policy/yaml.h"
#include "journal/base/json_depth.h"
#include "journal/base/time_text.h"
#include "tools/statectl/rule_commands.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

struct CasesOptions {
    std::string file, policy;
};

/// The state that a case is given.
class GivenView final : public View {
public:
    Result<std::optional<Entry>> get(std::string_view key) override {
        const auto found = entries_.find(key);
        return found == entries_.end() ? std::nullopt : std::optional(found->second);
    }
    void put(const std::string& key, const Json& value) {
        Entry entry;
        entry.version = Version{1};
        entry.seq = Seq{1};
        entry.value = to_text(value);
        entries_.insert_or_assign(key, std::move(entry));
    }

private:
    std::map<std::string, Entry, std::less<>> entries_;
};

/// What followed, in the form that a case speaks of it.
struct Followed {
    std::string rejection;
    Json::Array fired, egress, derived, warnings;
};

void take_fired(const Json& list, Followed* out) {
    for (const Json& one : list.array()) {
        const Json& rule = *one.find("rule");
        if (const Json* warning = one.find("warning")) {
            out->warnings.push_back(Json(Json::Object{{"rule", rule}, {"warning", *warning}}));
            continue;
        }
        out->fired.push_back(rule);
        for (const Json& action : one.find("actions")->array()) {
            if (action.find("payload") == nullptr) continue;
            Json shown = action;
            shown.set("rule", rule);
            out->egress.push_back(std::move(shown));
        }
    }
}

/// Every member that is wanted is there and fits; a list fits item by item. What is not mentioned
/// is free.
bool fits(const Json& wanted, const Json& found) {
    if (wanted.is_object() && found.is_object()) {
        return std::ranges::all_of(wanted.object(), [&](const Json::Member& member) {
            const Json* const there = found.find(member.first);
            return there != nullptr && fits(member.second, *there);
        });
    }
    if (wanted.is_array() && found.is_array()) {
        return std::ranges::equal(wanted.array(), found.array(), fits);
    }
    return wanted == found;
}

class Case {
public:
    Case(const Json& json, const Policy& policy, Time now)
        : json_(json), policy_(policy), now_(now) {}

    /// What is not as it must be; empty: all is.
    Outcome<std::vector<std::string>> run() {
        for (const auto& [name, value] : json_.object())
            if (name != "name" && name != "given" && name != "when" && name != "then" &&
                name != "actor")
                return usage(name +
                             " is no member of a case; it has name, given, when, actor and then");
        SE_TRY(followed, follow());
        const Json* const then = json_.find("then");
        const Json nothing(Json::Object{});
        const Json& wanted = then == nullptr || then->is_null() ? nothing : *then;
        if (!wanted.is_object()) return usage("`then` must be a map");
        for (const auto& [name, value] : wanted.object())
            if (name != "rejection" && name != "fired" && name != "egress" && name != "derived" &&
                name != "warnings")
                return usage(name +
                             " is nothing that follows; there are rejection, fired, egress, "
                             "derived, warnings");
        std::vector<std::string> trouble;
        const Json* const rejection = wanted.find("rejection");
        const std::string code =
            rejection != nullptr && rejection->is_string() ? rejection->string() : "";
        if (code != followed.rejection)
            trouble.push_back(
                "it is " +
                (followed.rejection.empty() ? "accepted" : "rejected: " + followed.rejection) +
                ", and must be " + (code.empty() ? "accepted" : "rejected: " + code));
        compare(wanted, "egress", followed.egress, true, &trouble);
        compare(wanted, "derived", followed.derived, true, &trouble);
        compare(wanted, "warnings", followed.warnings, true, &trouble);
        compare(wanted, "fired", followed.fired, false, &trouble);
        return trouble;
    }

    std::string name(std::size_t index) const {
        const Json* const name = json_.find("name");
        return name != nullptr && name->is_string() ? name->string()
                                                    : "case " + std::to_string(index + 1);
    }

private:
    static Failure usage(const std::string& text) { return Failure(kUsage, text); }

    Outcome<Followed> follow() const {
        GivenView view;
        if (const Json* given = json_.find("given"); given != nullptr && !given->is_null()) {
            if (!given->is_object()) return usage("`given` must be a map of keys and values");
            for (const auto& [key, value] : given->object()) view.put(key, value);
        }
        const Json* const when = json_.find("when");
        if (when == nullptr || !when->is_object()) return usage("a case needs `when`, a mutation");
        Json proposal = *when;
        if (proposal.find("reason") == nullptr) proposal.set("reason", "test");
        if (proposal.find("op") == nullptr && proposal.find("ops") == nullptr)
            proposal.set("op", "set");
        const Json* const actor = json_.find("actor");
        Caller caller{.principal = "test", .actor = "test", .door = "test"};
        if (actor != nullptr && actor->is_string()) caller.actor = actor->string();

        Followed followed;
        const ParsedProposal parsed = proposal_of_json(std::move(proposal), policy_.limits);
        if (!parsed.proposal) {
            followed.rejection = to_text(parsed.refusal.code);
            return followed;
        }
        SE_TRY(decision, decide(*parsed.proposal, caller, view, policy_, now_));
        if (!decision.accepted) {
            followed.rejection = to_text(decision.code);
            return followed;
        }
        if (decision.fired.empty()) return followed;
        take_fired(*parse_json(fired_text(decision.fired, {}), kJsonDepthTrusted), &followed);
        const std::string derived = preview_derived(decision, view, policy_, "", now_).json;
        if (derived.empty()) return followed;
        const Json list = *parse_json(derived, kJsonDepthTrusted);
        for (const Json& one : list.array()) {
            Json shown = *one.find("proposal");
            for (const char* name : {"rule", "depth", "status", "version", "code", "message"})
                if (const Json* value = one.find(name)) shown.set(name, *value);
            followed.derived.push_back(std::move(shown));
            if (const Json* fired = one.find("fired")) take_fired(*fired, &followed);
        }
        return followed;
    }

    static void compare(const Json& wanted, const char* name, const Json::Array& found,
                        bool must_be_named, std::vector<std::string>* trouble) {
        const Json* const list = wanted.find(name);
        if (list == nullptr && !must_be_named) return;
        const Json named = list == nullptr || list->is_null() ? Json(Json::Array{}) : *list;
        if (fits(named, Json(found))) return;
        trouble->push_back(std::string(name) + " is " + to_text(Json(found)) + ", and must be " +
                           to_text(named));
    }

    const Json& json_;
    const Policy& policy_;
    const Time now_;
};

Outcome<std::string> text_of_file(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    if (!file) return Failure(kError, path + ": it cannot be read");
    return std::move(text).str();
}

Outcome<int> test(Context& context, const CasesOptions& options) {
    SE_TRY(text, text_of_file(options.file));
    const auto document = parse_yaml(text);
    if (!document) return Failure(kError, options.file + ": " + document.error().text);
    const Json* const cases = document->root.find("cases");
    if (cases == nullptr || !cases->is_array() || cases->array().empty())
        return Failure(kError, options.file + ": `cases` must be a list with at least one case");
    std::string file = options.policy;
    if (const Json* policy = document->root.find("policy");
        file.empty() && policy != nullptr && policy->is_string()) {
        const std::size_t slash = options.file.rfind('/');
        const bool beside = slash != std::string::npos && !policy->string().starts_with('/');
        file = (beside ? options.file.substr(0, slash + 1) : "") + policy->string();
    }
    SE_TRY(policy, policy_for_rules(context, file));

    Items items(context.form(), {"", "CASE", "TROUBLE"}, [](const Json& item) {
        const Json& trouble = *item.find("trouble");
        std::string told;
        for (const Json& one : trouble.array()) told += (told.empty() ? "" : "; ") + one.string();
        return Cells{trouble.array().empty() ? "ok" : "FAILED", cell(item, "case"), told};
    });
    std::size_t failed = 0;
    for (std::size_t i = 0; i < cases->array().size(); ++i) {
        const Json& json = cases->array()[i];
        const std::string place = options.file + ": line " +
                                  std::to_string(document->line_of("/cases/" + std::to_string(i))) +
                                  ": ";
        if (!json.is_object()) return Failure(kError, place + "a case must be a map");
        Case one(json, policy, context.clock.wall());
        auto trouble = one.run();
        if (!trouble) return Failure(kError, place + trouble.error().text);
        failed += trouble->empty() ? 0 : 1;
        std::string line;
        Json::Array texts(trouble->begin(), trouble->end());
        JsonObject(line)
            .text("case", one.name(i))
            .boolean("ok", trouble->empty())
            .raw("trouble", to_text(Json(std::move(texts))))
            .close();
        items.add(line);
    }
    items.finish();
    if (failed == 0) return kOk;
    complain(std::to_string(failed) + " of " + std::to_string(cases->array().size()) +
             " cases failed");
    return kDamage;
}

}  // namespace

void add_rule_cases(CommandLine& line, CLI::App* rules) {
    auto options = std::make_shared<CasesOptions>();
    CLI::App* command = line.add(
        rules, "test", "Run cases: given a state, when a mutation, then what must follow",
        "  statectl rules test cases.yaml\n"
        "  statectl rules test cases.yaml --policy policy.yaml\n"
        "The file:\n"
        "  policy: policy.yaml             # beside this file; else --policy, or what the store "
        "has\n"
        "  cases:\n"
        "    - name: the scene before is remembered\n"
        "      given: { obs.connected: true, scene.name: BRB }\n"
        "      when: { key: scene.name, value: Live }\n"
        "      then:\n"
        "        egress: [ { type: obs.setScene, payload: { payload: { args: { name: Live } } } } "
        "]\n"
        "        derived: [ { key: scene.last, value: BRB } ]\n"
        "    - { when: { key: forbidden, value: 1 }, then: { rejection: key_not_allowed } }\n"
        "Of what is named all must follow, in that order, and nothing else; members that are not "
        "named are free.\n"
        "Exit code 4 when a case fails.");
    command->add_option("FILE", options->file, "Cases, as YAML")->required();
    command->add_option("--policy", options->policy, "The policy file to test");
    line.on(command, options, test);
}

}  // namespace se::statectl
