#include "bench/rule_rows.h"

#include <fmt/format.h>
#include <stdio.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>

#include "bench/store.h"
#include "engine/decide.h"
#include "engine/rules/json_logic.h"

namespace se::bench {
namespace {

// bench/json_logic.mjs has the same two.
constexpr std::string_view kRule =
    R"({"and":[{"==":[{"var":"key"},"stream.state"]},{"==":[{"var":"value"},"on"]}]})";
constexpr std::string_view kData = R"({"key":"stream.state","value":"on"})";

Json json_of(std::string_view text) {
    auto json = parse_json(text);
    if (!json) give_up(json.error().text);
    return std::move(*json);
}

/// Microseconds of one.
double evaluations(std::uint64_t count) {
    const auto logic = JsonLogic::compile(json_of(kRule));
    if (!logic) give_up(logic.error().text);
    const Json data = json_of(kData);
    std::uint64_t matched = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < count; ++i) {
        JsRoom room(logic->steps_max());
        const auto result = logic->evaluate(room, data);
        if (result && result->truthy()) ++matched;
    }
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    if (matched != count) give_up("the rule did not match");
    return took.count() / static_cast<double>(count);
}

double evaluations_in_node(const std::string& oracle, std::uint64_t count) {
    const std::string command = fmt::format("node bench/json_logic.mjs '{}' {}", oracle, count);
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
    std::array<char, 64> said{};
    if (pipe == nullptr || std::fgets(said.data(), said.size(), pipe.get()) == nullptr)
        give_up("node said nothing: " + command);
    return std::strtod(said.data(), nullptr);
}

/// Nothing is there yet.
class EmptyView final : public View {
public:
    se::Result<std::optional<Entry>> get(std::string_view) override {
        return std::optional<Entry>();
    }
};

/// Microseconds of a decision that fires one rule of `rules`.
double decisions(std::size_t rules, std::uint64_t count) {
    Json::Array list;
    for (std::size_t i = 0; i < rules; ++i) {
        const std::string key = fmt::format("some.key.{}", i);
        list.push_back(json_of(fmt::format(
            R"({{"id":"r{}","when":{{"and":[{{"==":[{{"var":"key"}},"{}"]}},{{"==":[{{"var":"value"}},"on"]}}]}},)"
            R"("actions":[{{"type":"publishEgress","payload":{{"type":"t"}}}}]}})",
            i, key)));
    }
    Policy policy;
    policy.allowed_keys = {"*"};
    auto compiled = RuleSet::compile(Json(std::move(list)));
    if (!compiled) give_up(compiled.error().text);
    policy.rules = std::move(*compiled);
    const ParsedProposal parsed = parse_proposal(
        R"({"op":"set","key":"some.key.0","value":"on","reason":"bench"})", policy.limits);
    const Caller caller{.principal = "bench", .actor = "bench", .door = "http"};
    EmptyView view;
    std::uint64_t fired = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto decision = decide(*parsed.proposal, caller, view, policy, Time{});
        if (decision) fired += decision->fired.size();
    }
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    if (fired != count) give_up("not one rule fired each time");
    return took.count() / static_cast<double>(count);
}

}  // namespace

void add_rule_rows(std::vector<Row>& rows, const std::string& oracle, double scale) {
    const auto count = static_cast<std::uint64_t>(1'000'000 * scale);
    const std::string node = "one rule evaluated by json-logic-js in node";
    if (!oracle.empty())
        rows.push_back({node, "us", [=] { return evaluations_in_node(oracle, count); }});
    rows.push_back({"one rule evaluated, in process", "us", [=] { return evaluations(count); }});
    rows.push_back({"  the same, held against its bound", "us", [=] { return evaluations(count); },
                    "", 2.0, true});
    if (!oracle.empty()) rows[rows.size() - 2].yardstick = node;
    const std::string one = "a decision that fires a rule, 1 loaded";
    rows.push_back({one, "us", [=] { return decisions(1, count / 5); }});
    rows.push_back({"a decision that fires a rule, 5,000 loaded", "us",
                    [=] { return decisions(5'000, count / 5); }, one, 1.2, true});
}

}  // namespace se::bench
