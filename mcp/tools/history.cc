// get_history: what a key used to be, and who made it so.

#include <algorithm>

#include "engine/intake/proposal.h"
#include "engine/record_rights.h"
#include "mcp/tools/records.h"
#include "mcp/tools/state_tools.h"

namespace se::mcp {
namespace {

ToolOutcome get_history(StateDoor& door, const ToolContext& context) {
    Arguments arguments(context.arguments);
    const std::string key = arguments.needed_text("key");
    const std::size_t limit = arguments.integer("limit", kHistoryShown, 1, kHistoryShownMax);
    const std::uint64_t before = arguments.integer("before", INT64_MAX, 1, INT64_MAX);
    const bool with_values = arguments.boolean("values", true);
    if (arguments.problem().empty()) {
        if (const std::string wrong = key_problem(key, door.limits()); !wrong.empty())
            arguments.wrong("'key': " + wrong);
    }
    if (!arguments.problem().empty())
        return ToolOutcome::invalid(arguments.problem() + R"(. Example: {"key":"stream.state"})");
    if (!may_see(context.caller, key)) return not_readable(key);
    const auto as_of = door.refresh();
    if (!as_of) return fault_of(as_of.error());
    auto seqs = door.history(key, Seq{before}, limit);
    if (!seqs) return fault_of(seqs.error());
    std::ranges::sort(*seqs, std::greater<>());

    std::string structured;
    JsonObject object(structured);
    object.text("key", key);
    std::string& list = object.member("changes");
    list += '[';
    Seq last;
    bool cut = false;
    for (const Seq seq : *seqs) {
        if (structured.size() > kBytesShown) {
            cut = true;
            break;
        }
        const auto read = door.record(seq, [&](const RecordView& record) {
            // Another key in the same record, or in its basis, may be none of the caller's business.
            auto told = may_read(context.caller, record) ? told_change(record, key, with_values)
                                                        : std::optional(withheld(record));
            if (!told) return;
            if (structured.back() != '[') structured += ',';
            structured += *told;
        });
        if (!read && read.error().code != Errc::not_found) return fault_of(read.error());
        last = seq;
    }
    list += ']';
    if (cut || seqs->size() == limit) object.integer("before", last.value);
    append_as_of(object, *as_of);
    object.close();
    return object_outcome(ToolOutcome::Kind::ok, std::move(structured));
}

}  // namespace

Tool get_history_tool(StateDoor& door) {
    return {
        .name = "get_history",
        .title = "What a key used to be",
        .description =
            "Lists the changes of one key, the newest first: value, version, time, actor, reason. Use it to see "
            "how something developed, to find an earlier value, or to check what came of a proposal (by its id). "
            "For the causes of one value use explain. `before` in the answer is where to go on.",
        .input_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"key":{"type":"string"},)"
            R"("limit":{"type":"integer","minimum":1,"maximum":500,"default":20},)"
            R"("before":{"type":"integer","minimum":1,"description":"Only changes before this seq"},)"
            R"("values":{"type":"boolean","default":true,"description":"false leaves the values out"}},)"
            R"("required":["key"]})",
        .output_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"key":{"type":"string"},"changes":{"type":"array","items":{"type":"object","properties":)"
            R"({"seq":{"type":"integer"},"epoch":{"type":"integer"},"at":{"type":"string"},"value":{},)"
            R"("version":{"type":"integer"},"op":{"type":"string"},"actor":{"type":"string"},)"
            R"("reason":{"type":"string"},"id":{"type":"string"}},"required":["seq","epoch"]}},)"
            R"("before":{"type":"integer"},"asOf":{"type":"object"},"bookmark":{"type":"string"}},)" +
            answer_or_refusal(R"(["key","changes","asOf"])") + "}",
        .annotations_json = std::string(kReads),
        .run = [&door](const ToolContextPtr& context,
                       const auto& done) { done(get_history(door, *context)); },
    };
}

}  // namespace se::mcp
