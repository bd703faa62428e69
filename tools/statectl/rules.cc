// rules eval: what a JsonLogic rule makes of its data, without any store.

#include "engine/rules/json_logic.h"
#include "journal/base/json_depth.h"
#include "tools/statectl/commands.h"
#include "tools/statectl/line_source.h"
#include "tools/statectl/output.h"
#include "tools/statectl/rule_commands.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

struct EvalOptions {
    std::string rule, data;
    bool batch = false;
};

Outcome<int> eval_batch(Context& context) {
    SE_TRY(lines, LineSource::open(context, "-"));
    for (;;) {
        SE_TRY(line, lines->next());
        if (!line) return kOk;
        if (line->too_long)
            print(R"({"error":"the line is longer than )" +
                  std::to_string(LineSource::kLineBytesMax) + " bytes\"}\n");
        else
            print(json_logic_line(line->text).text + "\n");
    }
}

Outcome<Json> json_argument(const char* name, const std::string& text) {
    auto json = parse_json(text, kJsonDepthTrusted);  // the rule has a limit of its own
    if (json) return std::move(*json);
    return Failure(kUsage, std::string(name) + ": " + json.error().text +
                               ". It is JSON, in one argument: '{\"var\":\"key\"}'");
}

Outcome<int> eval(Context& context, const EvalOptions& options) {
    if (options.batch) {
        if (options.rule.empty()) return eval_batch(context);
        return Failure(kUsage, "--batch reads rules and data from stdin: leave RULE and DATA out");
    }
    if (options.rule.empty())
        return Failure(kUsage, "say a RULE, and the DATA it sees; or --batch for lines on stdin");
    SE_TRY(rule, json_argument("RULE", options.rule));
    std::optional<Json> data;
    if (!options.data.empty()) {
        SE_TRY(given, json_argument("DATA", options.data));
        data = std::move(given);
    }
    const JsonLogicLine line = json_logic_line(rule, data ? JsValue(*data) : JsValue());
    print(line.text + "\n");
    if (!line.failed) return kOk;
    complain("the rule failed at " + (line.pointer.empty() ? "its top" : line.pointer));
    return kError;
}

}  // namespace

void add_rules(CommandLine& line) {
    CLI::App* rules = line.add(&line.app, "rules", "Try rules out",
                               "  statectl rules eval '{\"==\":[{\"var\":\"key\"},\"stream.state\"]}' "
                               "'{\"key\":\"stream.state\"}'");
    rules->require_subcommand(1);
    auto options = std::make_shared<EvalOptions>();
    CLI::App* command = line.add(
        rules, "eval", "Show what a JsonLogic rule yields, as json-logic-js 2.0.5 would",
        "  statectl rules eval '{\"var\":\"value\"}' '{\"value\":\"on\"}'\n"
        "  statectl rules eval --batch < cases.jsonl\n"
        "Lines of a batch are {\"rule\":...,\"data\":...}. The answer is {\"result\":...} or "
        "{\"error\":\"...\"}, a line each;\na result that JSON lacks is {\"$js\":\"undefined\"}, NaN, "
        "Infinity or -Infinity.");
    command->add_option("RULE", options->rule, "The rule, as JSON");
    command->add_option("DATA", options->data, "What var sees, as JSON; without it: undefined");
    command->add_flag("--batch", options->batch, "Read {\"rule\":...,\"data\":...} lines from stdin");
    line.on(command, options, eval);
    add_rule_cases(line, rules);
    add_rule_graph(line, rules);
}

}  // namespace se::statectl
