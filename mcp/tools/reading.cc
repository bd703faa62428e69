// get_state, get_state_prefix and list_prefixes: what is there now.

#include <algorithm>
#include <map>

#include "engine/intake/proposal.h"
#include "mcp/tools/state_tools.h"
#include "mcp/tools/words.h"

namespace se::mcp {
namespace {

// What the structured half shows of an entry, besides the snapshot: its seq, for a basis.
constexpr std::string_view kEntrySchema =
    R"({"type":["object","null"],"properties":{"value":{},"updatedAt":{"type":"string"},)"
    R"("updatedBy":{"type":"string"},"version":{"type":"integer"},"seq":{"type":"integer"},)"
    R"("ttl":{"type":["integer","null"]},"expiresAt":{"type":"string"},"metadata":{"type":"object"}},)"
    R"("required":["value","version","seq"]})";
constexpr std::string_view kAsOfSchema =
    R"("asOf":{"type":"object","properties":{"epoch":{"type":"integer"},"seq":{"type":"integer"}},)"
    R"("required":["epoch","seq"]},"bookmark":{"type":"string"},"stale":{"type":"boolean"},)"
    R"("whyStale":{"type":"string"})";

constexpr std::size_t kEntryBytes = 512;  // most are smaller: room is made once

std::string list_of(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const std::string& text : texts) {
        if (out.back() != '[') out += ',';
        append_json_string(out, text);
    }
    return out + ']';
}

ToolOutcome get_state(StateDoor& door, const ToolContext& context) {
    Arguments arguments(context.arguments);
    const auto keys = arguments.needed_texts("keys", kKeysOfACall);
    if (!arguments.problem().empty())
        return ToolOutcome::invalid(arguments.problem() + R"(. Example: {"keys":["stream.state"]})");
    const auto as_of = door.refresh();
    if (!as_of) return fault_of(as_of.error());
    const Limits limits = door.limits();

    std::string shown, structured, deleted;
    for (std::string* each : {&shown, &structured})
        each->reserve(kEntryBytes * std::min<std::size_t>(keys.size() + 1, 64));
    JsonObject text(shown), object(structured), gone(deleted);
    JsonObject all(object.member("entries"));
    std::vector<std::string> unreadable, no_keys;
    for (const std::string_view key : keys) {
        std::optional<EntryView> entry;
        if (!key_problem(key, limits).empty()) {
            no_keys.emplace_back(key);
        } else if (!may_see(context.caller, key)) {
            unreadable.emplace_back(key);
        } else {
            const auto found = door.get(key);
            if (!found) return fault_of(found.error());
            entry = *found;
        }
        if (!entry || entry->deleted) {
            text.null(key);
            all.null(key);
            if (entry) {
                JsonObject(gone.member(key))
                    .integer("version", entry->version.value)
                    .integer("seq", entry->seq.value)
                    .close();
            }
        } else {
            append_snapshot(text.member(key), *entry);
            append_entry_json(all.member(key), *entry);
        }
        if (shown.size() > kEntriesShownMax * 1024) {
            return ToolOutcome::invalid("these values are more than " +
                                        std::to_string(kEntriesShownMax * 1024) +
                                        " bytes together: ask for fewer keys");
        }
    }
    text.close();
    all.close();
    gone.close();

    if (deleted.size() > 2) object.raw("deleted", deleted);
    if (!unreadable.empty()) object.raw("notReadable", list_of(unreadable));
    append_as_of(object, *as_of);
    object.close();
    ToolOutcome outcome =
        ToolOutcome::of_block(ToolOutcome::Kind::ok, indented_block(shown), std::move(structured));
    // The first block is a contract; whatever else there is to say stands beside it, and not on the legacy door.
    if (context.legacy_sse) return outcome;
    if (!unreadable.empty())
        outcome.content_json.push_back(text_block("You may not read: " + joined(unreadable) +
                                                  ". Null says nothing about these."));
    if (!no_keys.empty())
        outcome.content_json.push_back(text_block("No keys at all, by their form: " + joined(no_keys)));
    if (as_of->stale)
        outcome.content_json.push_back(text_block("This may be old: " + as_of->why_stale));
    return outcome;
}

ToolOutcome get_state_prefix(StateDoor& door, const ToolContext& context) {
    Arguments arguments(context.arguments);
    const std::string prefix = arguments.needed_text("prefix");
    Arguments ours(context.arguments);  // the original has none of these, and passes them over
    std::string after = ours.text("after").value_or("");
    const std::size_t asked = ours.integer("limit", 0, 1, kEntriesShownMax);
    if (!context.legacy_sse) arguments.wrong(ours.problem());
    if (!arguments.problem().empty())
        return ToolOutcome::invalid(arguments.problem() + R"(. Example: {"prefix":"user.fact."})");
    const auto as_of = door.refresh();
    if (!as_of) return fault_of(as_of.error());

    // The original's answer has no pages: what its clients read is all there is.
    const bool whole = context.legacy_sse && asked == 0;
    const std::size_t limit = whole ? SIZE_MAX : asked == 0 ? kEntriesShown : asked;
    const std::size_t bytes_max = whole ? kWholeBytesShown : kBytesShown;
    std::string shown, structured;
    JsonObject text(shown), object(structured);
    JsonObject all(object.member("entries"));
    std::size_t count = 0;
    bool more = false;
    // In slices: a page of large values is cut at its bytes before all of it is in memory.
    for (std::size_t slice = 32; !more;) {
        const auto found = list_seen(door, context.caller, prefix, after, slice);
        if (!found) return fault_of(found.error());
        for (const auto& [key, entry] : *found) {
            if (count == limit || shown.size() > bytes_max) {
                more = true;
                break;
            }
            append_snapshot(text.member(key), entry);
            append_entry_json(all.member(key), entry);
            after = key;
            ++count;
        }
        if (found->size() < slice) break;
        slice = 256;
    }
    if (whole && more) {
        return ToolOutcome::invalid("what is below this prefix is more than " + std::to_string(kWholeBytesShown) +
                                    " bytes: ask with a longer prefix, or for pages with `limit` and `after`");
    }
    text.close();
    all.close();

    if (more) object.text("next", after);
    append_as_of(object, *as_of);
    object.close();
    ToolOutcome outcome =
        ToolOutcome::of_block(ToolOutcome::Kind::ok, indented_block(shown), std::move(structured));
    if (more) {
        outcome.content_json.push_back(
            text_block("There are more. Go on with \"after\": \"" + after + "\"."));
    }
    if (as_of->stale && !context.legacy_sse)
        outcome.content_json.push_back(text_block("This may be old: " + as_of->why_stale));
    return outcome;
}

ToolOutcome list_prefixes(StateDoor& door, const ToolContext& context) {
    Arguments arguments(context.arguments);
    const std::string prefix = arguments.text("prefix").value_or("");
    if (!arguments.problem().empty()) return ToolOutcome::invalid(arguments.problem());
    const auto as_of = door.refresh();
    if (!as_of) return fault_of(as_of.error());

    // Up to and with the first dot behind the prefix; a key without one stands for itself.
    std::map<std::string, std::uint64_t> counts;
    std::string after;
    std::size_t seen = 0;
    bool all = false;
    while (!all && seen < kKeysCounted) {
        constexpr std::size_t kAtOnce = 2048;
        const auto found = keys_seen(door, context.caller, prefix, after, kAtOnce);
        if (!found) return fault_of(found.error());
        for (const std::string& key : *found) {
            const std::size_t dot = key.find('.', prefix.size());
            ++counts[dot == key.npos ? key : key.substr(0, dot + 1)];
        }
        seen += found->size();
        all = found->size() < kAtOnce;
        if (!all) after = found->back();
    }
    std::string structured;
    JsonObject object(structured);
    std::string& list = object.member("prefixes");
    list += '[';
    for (const auto& [name, count] : counts) {
        if (list.back() != '[') list += ',';
        JsonObject(list).text("prefix", name).integer("keys", count).close();
    }
    list += ']';
    object.boolean("complete", all);
    append_as_of(object, *as_of);
    object.close();
    return object_outcome(ToolOutcome::Kind::ok, std::move(structured));
}

}  // namespace

Tool get_state_tool(StateDoor& door) {
    return {
        .name = "get_state",
        .title = "Read keys",
        .description =
            "Reads the current values and versions of the keys you name, all as of one moment. Use it whenever "
            "you know the keys, and always before you change one: `version` is the expectedVersion to propose "
            "with, `seq` is what a basis names. A key that is not there is null (its expectedVersion is 0). To "
            "find keys use get_state_prefix; for what a value used to be get_history; for why it is what it is "
            "explain.",
        .input_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"keys":{"type":"array","items":{"type":"string"},"maxItems":1024,)"
            R"("description":"Exact keys, such as stream.state"}},"required":["keys"]})",
        .output_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"entries":{"type":"object","additionalProperties":)" + std::string(kEntrySchema) +
            R"(},"deleted":{"type":"object","additionalProperties":{"type":"object","properties":)"
            R"({"version":{"type":"integer"},"seq":{"type":"integer"}}}},)"
            R"("notReadable":{"type":"array","items":{"type":"string"}},)" +
            std::string(kAsOfSchema) + "}," + answer_or_refusal(R"(["entries","asOf","bookmark"])") + "}",
        .annotations_json = std::string(kReads),
        .run = [&door](const ToolContextPtr& context, const auto& done) { done(get_state(door, *context)); },
    };
}

Tool get_state_prefix_tool(StateDoor& door) {
    return {
        .name = "get_state_prefix",
        .title = "Read all keys with a prefix",
        .description =
            "Reads every key that begins with a prefix, ordered by key, all as of one moment. Use it to find out "
            "what is known about something, such as \"user.fact.u1.\"; when you know the exact keys get_state is "
            "cheaper. An empty prefix means everything. A long list ends early and says where to go on.",
        .input_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"prefix":{"type":"string","description":"What the keys begin with"},)"
            R"("after":{"type":"string","description":"Go on behind this key: what an answer before told"},)"
            R"("limit":{"type":"integer","minimum":1,"maximum":10000,"default":1000}},)"
            R"("required":["prefix"]})",
        .output_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"entries":{"type":"object","additionalProperties":)" + std::string(kEntrySchema) +
            R"(},"next":{"type":"string"},)" + std::string(kAsOfSchema) + "}," +
            answer_or_refusal(R"(["entries","asOf","bookmark"])") + "}",
        .annotations_json = std::string(kReads),
        .run = [&door](const ToolContextPtr& context,
                       const auto& done) { done(get_state_prefix(door, *context)); },
    };
}

Tool list_prefixes_tool(StateDoor& door) {
    return {
        .name = "list_prefixes",
        .title = "How the keys are arranged",
        .description =
            "Counts keys by the part of their name up to the next dot. Use it to get to know a state that is too "
            "large to read: start without a prefix, then go down into what looks interesting.",
        .input_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"prefix":{"type":"string","description":"Look below this one, such as \"user.\""}}})",
        .output_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"prefixes":{"type":"array","items":{"type":"object","properties":)"
            R"({"prefix":{"type":"string"},"keys":{"type":"integer"}},"required":["prefix","keys"]}},)"
            R"("complete":{"type":"boolean"},)" +
            std::string(kAsOfSchema) + "}," + answer_or_refusal(R"(["prefixes","complete","asOf"])") + "}",
        .annotations_json = std::string(kReads),
        .run = [&door](const ToolContextPtr& context,
                       const auto& done) { done(list_prefixes(door, *context)); },
    };
}

}  // namespace se::mcp
