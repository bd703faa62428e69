#include "mcp/tools/state_registry.h"

#include <algorithm>

#include "mcp/tools/state_prompts.h"
#include "mcp/tools/state_tools.h"

namespace se::mcp {
namespace {

constexpr std::uint64_t kListsKept_ms = 60'000;

constexpr std::string_view kInstructions =
    "This server keeps shared state: keys with JSON values, each with a version. Others read and change it at the "
    "same time as you. Read with get_state or get_state_prefix; change with propose_mutation, which decides and "
    "answers once the change is on the disk. Send the version you read as expectedVersion and one id of your own "
    "per intent. After a conflict read `current`, decide again, take a new id; after a lost answer repeat the same "
    "call with the same id. To learn what you have missed call changes_since with your last bookmark; to learn why "
    "a value is what it is, explain. Never repeat an accepted proposal.";

}  // namespace

std::optional<Profile> profile_from_text(std::string_view text) {
    if (text == "state") return Profile::state;
    if (text == "full") return Profile::full;
    return std::nullopt;
}

StateRegistry::StateRegistry(StateDoor& door, Options options)
    : platform_(std::move(options.platform)), resources_(door) {
    registry_.title = "State engine";
    registry_.version = std::move(options.version);
    registry_.description = "State engine for managing application state";
    registry_.instructions = kInstructions;

    registry_.tools = {get_state_tool(door),    get_state_prefix_tool(door), propose_mutation_tool(door),
                       get_history_tool(door),  changes_since_tool(door),    explain_tool(door)};
    if (options.profile == Profile::full) registry_.tools.push_back(list_prefixes_tool(door));
    for (Tool& tool : platform_tools(platform_, [this](const ToolContext& call) { return names_for(call); })) {
        tool.legacy_only = options.profile != Profile::full;
        registry_.tools.push_back(std::move(tool));
    }

    registry_.prompts = state_prompts(door);
    registry_.resources = &resources_;
    registry_.templates = {
        {.uri_template = std::string(kStateTemplate),
         .name = "state",
         .title = "One key",
         .description = "The entry of a key: value, version, seq, who changed it last. Subscribe to hear of changes",
         .mime_type = "application/json"},
        {.uri_template = std::string(kLogTemplate),
         .name = "state-log",
         .title = "The journal from a seq on",
         .description = "Records as they stand in the journal, one a line, from fromSeq on; _meta.next goes on",
         .mime_type = "application/x-ndjson"}};
    registry_.complete = [&door](const Caller& caller, const CompletionQuestion& question) -> Completion {
        const bool of_state = !question.of_prompt && question.reference == kStateTemplate;
        if ((of_state || question.of_prompt) && (question.argument == "key" || question.argument == "prefix"))
            return complete_key(door, caller, question.value);
        return {};
    };
    registry_.has_scope = [](const Caller& caller, std::string_view scope) { return caller.has_scope(scope); };
    registry_.lists_change = true;
    registry_.resources_change = true;
    registry_.lists_cache = {.ttl_ms = kListsKept_ms};
    resources_.announce_to(&registry_.announce);
}

std::vector<std::string> StateRegistry::names_for(const ToolContext& call) const {
    std::vector<std::string> names;
    for (const Tool& tool : registry_.tools)
        if (registry_.offers(tool, call.caller, call.legacy_sse)) names.push_back(tool.name);
    return names;
}

std::unique_ptr<StateRegistry> make_state_registry(StateDoor& door, StateRegistry::Options options) {
    return std::make_unique<StateRegistry>(door, std::move(options));
}

}  // namespace se::mcp
