// explain: why a value is what it is.

#include <deque>
#include <set>

#include "engine/intake/proposal.h"
#include "engine/record_rights.h"
#include "journal/base/json_depth.h"
#include "journal/body.h"
#include "mcp/tools/records.h"
#include "mcp/tools/state_tools.h"

namespace se::mcp {
namespace {

/// A change that led to another: as one of the facts that it was based on, or by making a rule fire.
struct Fact {
    std::string key;           ///< empty: whichever made the rule fire
    Seq seq;
    std::size_t depth = 0;
    std::uint64_t led_to = 0;  ///< seq of the other
    std::string rule = {};     ///< empty: a basis
    std::uint64_t action = 0;  ///< of the rule: which of those that the record fired
};

/// One step of the chain, and what led to it.
struct Step {
    std::string json;
    std::string line;  ///< for reading
    std::vector<Fact> facts;
};

std::uint64_t number_of(const Json& json, std::string_view name) {
    const Json* member = json.find(name);
    return member != nullptr && member->is_integer() && member->integer() > 0
               ? static_cast<std::uint64_t>(member->integer())
               : 0;
}

std::string text_of(const Json& json, std::string_view name) {
    const Json* member = json.find(name);
    return member != nullptr && member->is_string() ? member->string() : std::string();
}

/// The key whose change made a record fire its action of that number. The first one where it does not say (it names
/// the key only if it has several; what was erased names nothing any more).
std::string key_that_fired(const RecordView& record, std::uint64_t action) {
    std::string first = record.changes.empty() ? "" : std::string(record.changes.front().key);
    if (record.changes.size() < 2 || !record.erased.empty()) return first;
    const auto body = parse_body(record.body);
    if (!body || body->fired.empty()) return first;
    const auto fired = parse_json(body->fired, kJsonDepthTrusted);
    if (!fired || !fired->is_array()) return first;
    for (const Json& one : fired->array()) {
        const Json* actions = one.find("actions");
        if (actions == nullptr || !actions->is_array()) continue;
        if (action >= actions->array().size()) {
            action -= actions->array().size();
            continue;
        }
        const std::string key = text_of(one, "key");
        return key.empty() ? first : key;
    }
    return first;
}

Step read_step(const RecordView& record, const Fact& fact) {
    Step step;
    step.json = told_change(record, fact.key, true).value_or(withheld(record));
    const auto told = parse_json(step.json, 1000);
    if (!told) return step;
    std::string& line = step.line;
    line = "seq " + std::to_string(fact.seq.value) + ", " + text_of(*told, "at") + ": " + fact.key + " " +
           text_of(*told, "op");
    if (const Json* value = told->find("value")) {
        std::string shown = se::to_text(*value);
        constexpr std::size_t kShown = 200;
        if (shown.size() > kShown) {
            std::size_t cut = kShown;
            while ((static_cast<unsigned char>(shown[cut]) & 0xC0) == 0x80) --cut;
            shown = shown.substr(0, cut) + "…";
        }
        line += " " + shown;
    }
    if (const Json* version = told->find("version")) line += " (version " + se::to_text(*version) + ")";
    line += " by " + text_of(*told, "actor");
    if (const std::string principal = text_of(*told, "principal"); !principal.empty())
        line += " through " + principal;
    if (const std::string reason = text_of(*told, "reason"); !reason.empty()) line += ", because: " + reason;
    const std::string other = std::to_string(fact.led_to);
    if (!fact.rule.empty()) {
        line += " [made the rule " + fact.rule + " fire, and seq " + other + " came of it]";
    } else if (fact.led_to != 0) {
        line += " [what seq " + other + " was based on]";
    }

    const Json* cause = told->find("cause");
    if (cause == nullptr) return step;
    const Fact next{.key = {}, .seq = {}, .depth = fact.depth + 1, .led_to = fact.seq.value};
    if (text_of(*cause, "type") == "rule" && number_of(*cause, "seq") != 0) {
        Fact& fired = step.facts.emplace_back(next);
        fired.seq = Seq{number_of(*cause, "seq")};
        fired.rule = text_of(*cause, "rule");
        fired.action = number_of(*cause, "n");
    }
    const Json* basis = cause->find("basis");
    if (basis == nullptr || !basis->is_array()) return step;
    for (const Json& one : basis->array()) {
        if (const Json* seq = one.find("seq"); seq == nullptr || !seq->is_integer()) continue;
        Fact& based = step.facts.emplace_back(next);
        based.key = text_of(one, "key");
        based.seq = Seq{number_of(one, "seq")};
    }
    return step;
}

/// The record that gave `key` this version, or the newest one. Nothing when there is none.
Result<std::optional<Seq>> find_version(StateDoor& door, const std::string& key, std::uint64_t version) {
    SE_TRY(entry, door.get(key));
    if (!entry) return std::optional<Seq>();
    if (version == 0 || entry->version.value == version) return std::optional(entry->seq);
    Seq before{INT64_MAX};
    for (std::size_t searched = 0; searched < kVersionsSearched;) {
        constexpr std::size_t kSlice = 200;
        SE_TRY(seqs, door.history(key, before, kSlice));
        for (const Seq seq : seqs) {
            bool is_it = false;
            const auto read = door.record(seq, [&](const RecordView& record) {
                for (const auto& change : record.changes)
                    is_it = is_it || (change.key == key && change.version.value == version);
            });
            if (!read && read.error().code != Errc::not_found) return read.error();
            if (is_it) return std::optional(seq);
            before = std::min(before, seq);
        }
        searched += seqs.size();
        if (seqs.size() < kSlice) break;
    }
    return std::optional<Seq>();
}

ToolOutcome explain(StateDoor& door, const ToolContext& context) {
    Arguments arguments(context.arguments);
    const std::string key = arguments.needed_text("key");
    const std::uint64_t version = arguments.integer("version", 0, 0, INT64_MAX);
    if (arguments.problem().empty()) {
        if (const std::string wrong = key_problem(key, door.limits()); !wrong.empty())
            arguments.wrong("'key': " + wrong);
    }
    if (!arguments.problem().empty())
        return ToolOutcome::invalid(arguments.problem() + R"(. Example: {"key":"stream.state"})");
    if (!may_see(context.caller, key)) return not_readable(key);
    const auto as_of = door.refresh();
    if (!as_of) return fault_of(as_of.error());
    const auto found = find_version(door, key, version);
    if (!found) return fault_of(found.error());
    if (!*found) {
        if (version == 0) {
            return refusal(Code::not_found, key + " has never been set.",
                           "There is nothing to explain. If you expected a value, get_state_prefix shows the keys "
                           "there are.");
        }
        return refusal(Code::not_found, key + " has no version " + std::to_string(version) + ".",
                       "get_history lists the versions there are.");
    }

    std::string steps, lines;
    std::deque<Fact> waiting{{.key = key, .seq = **found}};
    std::set<std::pair<std::uint64_t, std::string>> seen;
    std::size_t shown = 0, hidden = 0;
    bool complete = true;
    while (!waiting.empty()) {
        Fact fact = std::move(waiting.front());
        waiting.pop_front();
        const bool by_rule = fact.key.empty();
        if (!by_rule && !seen.emplace(fact.seq.value, fact.key).second) continue;
        if (shown == kCausesShown || fact.depth > kCauseDepth || steps.size() > kBytesShown) {
            complete = false;
            continue;
        }
        if (!by_rule && !may_see(context.caller, fact.key)) {
            ++hidden;
            continue;
        }
        Step step;
        bool may = false, told_already = false;
        const auto read = door.record(fact.seq, [&](const RecordView& record) {
            may = may_read(context.caller, record);
            if (!may) return;
            if (by_rule) {
                fact.key = key_that_fired(record, fact.action);
                told_already = !seen.emplace(fact.seq.value, fact.key).second;
            }
            step = read_step(record, fact);
        });
        if (!read && read.error().code != Errc::not_found) return fault_of(read.error());
        if (!read || !may) {
            ++hidden;
            continue;
        }
        if (told_already) continue;
        if (!steps.empty()) steps += ',';
        steps += step.json;
        lines += step.line + '\n';
        ++shown;
        for (Fact& next : step.facts) waiting.push_back(std::move(next));
    }
    if (hidden != 0) lines += "(" + std::to_string(hidden) + " more that you may not read or that are gone)\n";
    if (!complete) lines += "(the chain is longer: explain what it is based on to go on)\n";

    std::string structured;
    JsonObject object(structured);
    object.text("key", key).raw("chain", '[' + steps + ']').integer("hidden", hidden);
    object.boolean("complete", complete);
    append_as_of(object, *as_of);
    object.close();
    return ToolOutcome::text(lines, std::move(structured));
}

}  // namespace

Tool explain_tool(StateDoor& door) {
    return {
        .name = "explain",
        .title = "Why a value is what it is",
        .description =
            "Tells why a key has its value: the change that made it so (who, when, through whom, for what reason), "
            "then the facts that it was based on, or the change that made a rule act, and what led to those. Use it "
            "when somebody asks \"why?\" or \"who did that?\", or when a value surprises you. `version` asks about "
            "an earlier value.",
        .input_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"key":{"type":"string"},"version":{"type":"integer","minimum":1,)"
            R"("description":"Of an earlier value; else the present one"}},"required":["key"]})",
        .output_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"key":{"type":"string"},"chain":{"type":"array","items":{"type":"object"}},)"
            R"("hidden":{"type":"integer"},"complete":{"type":"boolean"},"asOf":{"type":"object"},)"
            R"("bookmark":{"type":"string"}},)" +
            answer_or_refusal(R"(["key","chain","complete","asOf"])") + "}",
        .annotations_json = std::string(kReads),
        .run = [&door](const ToolContextPtr& context, const auto& done) { done(explain(door, *context)); },
    };
}

}  // namespace se::mcp
