// changes_since: what happened behind a bookmark, and the proof that nothing was missed.

#include "journal/base/canary.h"
#include "journal/base/json_depth.h"
#include "mcp/tools/state_tools.h"
#include "mcp/tools/words.h"

namespace se::mcp {
namespace {

/// The event, without keys of its basis that the caller may not see, and with its place.
std::string shown(const ChangeEvent& event, const Caller& caller) {
    std::string text = event.text;
    if (!caller.reads_everything() && text.find("\"basis\"") != text.npos) {
        if (auto json = parse_json(text, kJsonDepthTrusted)) {
            Json cause = json->find("cause") == nullptr ? Json() : *json->find("cause");
            if (const Json* basis = cause.find("basis"); basis != nullptr && basis->is_array()) {
                Json::Array left = basis->array();
                std::erase_if(left, [&](const Json& fact) {
                    const Json* key = fact.find("key");
                    return key == nullptr || !key->is_string() || !may_see(caller, key->string());
                });
                cause.set("basis", std::move(left));
                json->set("cause", std::move(cause));
                text = se::to_text(*json);
            }
        }
    }
    text.pop_back();
    text += ",\"epoch\":";
    append_integer(text, event.epoch.value);
    text += ",\"seq\":";
    append_integer(text, event.seq.value);
    text += '}';
    return text;
}

ToolOutcome changes_since(StateDoor& door, const ToolContext& context) {
    Arguments arguments(context.arguments);
    const auto since = arguments.text("since");
    const std::string prefix = arguments.text("prefix").value_or("");
    const std::size_t limit = arguments.integer("limit", kChangesShown, 1, kChangesShownMax);
    std::optional<Cursor> from;
    if (since) {
        from = cursor_from_text(*since);
        if (!from)
            arguments.wrong("'since' must be a bookmark as an answer told it, EPOCH.SEQ, not \"" +
                            since->substr(0, 64) + "\"");
    }
    if (!arguments.problem().empty()) return ToolOutcome::invalid(arguments.problem());
    const auto as_of = door.refresh();
    if (!as_of) return fault_of(as_of.error());

    Cursor cursor = from.value_or(Cursor{as_of->epoch, as_of->seq});
    std::string list = "[";
    bool resync = false, more = false;
    if (from) {
        const auto is_void = door.is_void(&cursor);
        if (!is_void) return fault_of(is_void.error());
        resync = *is_void;
    }
    std::size_t records = limit;
    // A prefix may pass by much of what there is: on until something is found, or a turn's worth is read.
    constexpr int kSlices = 16;
    for (int slice = 0; from && !resync && slice < kSlices; ++slice) {
        const auto changes = door.changes_since(&cursor, prefix, records);
        if (!changes) return fault_of(changes.error());
        for (const auto& event : changes->events) {
            if (!may_see(context.caller, event->key)) continue;
            if (list.back() != '[') list += ',';
            list += shown(*event, context.caller);
        }
        resync = changes->resync;
        more = changes->more;
        if (resync || !more || list.size() > 1) break;
    }
    list += ']';
    if (canary(Canary::bookmark_of_now)) cursor = {as_of->epoch, as_of->seq};

    std::string structured;
    JsonObject object(structured);
    object.raw("changes", list).text("bookmark", to_text(cursor)).boolean("more", more);
    object.boolean("resync", resync);
    if (resync) {
        object.text("next", "Your bookmark belongs to a past that did not last, or to another store: forget what "
                            "you were told behind this new bookmark, read again what you need with get_state, "
                            "then go on from here.");
    } else if (more) {
        object.text("next", "There is more already: call again with this bookmark.");
    } else {
        object.text("next", from ? "That is all there is: between your bookmark and this one you have missed "
                                   "nothing. Keep this bookmark for the next time."
                                 : "Keep this bookmark; call again with it to hear what has changed since now.");
    }
    if (as_of->stale) object.boolean("stale", true).text("whyStale", as_of->why_stale);
    object.close();
    return object_outcome(ToolOutcome::Kind::ok, std::move(structured));
}

}  // namespace

Tool changes_since_tool(StateDoor& door) {
    return {
        .name = "changes_since",
        .title = "What has changed since",
        .description =
            "Lists every change since a bookmark, in order, and gives the next bookmark. Use it to catch up after "
            "a pause, a lost connection or a lost subscription: with `more` false and `resync` false nothing "
            "between the two bookmarks is missing. Without `since` it only tells the bookmark of now; get_state "
            "and get_state_prefix tell one too, for exactly the moment they were read.",
        .input_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"since":{"type":"string","description":"A bookmark, EPOCH.SEQ","pattern":"^[0-9]+\\.[0-9]+$"},)"
            R"("prefix":{"type":"string","description":"Only keys that begin with this"},)"
            R"("limit":{"type":"integer","minimum":1,"maximum":1000,"default":100}}})",
        .output_schema_json =
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":)"
            R"({"changes":{"type":"array","items":{"type":"object","properties":{"key":{"type":"string"},)"
            R"("entry":{"type":["object","null"]},"previousVersion":{"type":"integer"},)"
            R"("cause":{"type":["object","null"]},"id":{"type":"string"},"epoch":{"type":"integer"},)"
            R"("seq":{"type":"integer"}},"required":["key","entry","epoch","seq"]}},)"
            R"("bookmark":{"type":"string"},"more":{"type":"boolean"},"resync":{"type":"boolean"},)"
            R"("next":{"type":"string"}},)" +
            answer_or_refusal(R"(["changes","bookmark","more","resync"])") + "}",
        .annotations_json = std::string(kReads),
        .run = [&door](const ToolContextPtr& context,
                       const auto& done) { done(changes_since(door, *context)); },
    };
}

}  // namespace se::mcp
