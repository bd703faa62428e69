#include "mcp/tools/state_prompts.h"

#include "mcp/tools/words.h"

namespace se::mcp {
namespace {

std::string argument(const ToolContext& context, std::string_view name) {
    const Json* member = context.arguments.find(name);
    return member == nullptr ? std::string() : member->string();
}

void say(const std::function<void(PromptOutcome)>& done, std::string description, const std::string& text) {
    done({.description = std::move(description), .messages = {{.content_json = text_block(text)}}});
}

}  // namespace

std::vector<Prompt> state_prompts(StateDoor& door) {
    std::vector<Prompt> prompts;
    prompts.push_back({
        .name = "change_state",
        .title = "Change something, safely",
        .description = "Walks through a change of shared state: read, decide, propose, confirm",
        .arguments = {{.name = "intent", .description = "What should be different afterwards", .required = true},
                      {.name = "key", .description = "The key, if it is known"}},
        .run =
            [&door](const ToolContextPtr& context, const std::function<void(PromptOutcome)>& done) {
                const std::string key = argument(*context, "key");
                const std::string find =
                    key.empty() ? "Find the key: get_state_prefix shows what there is. It must be in an allowed "
                                  "namespace: " +
                                      writable_keys(door, context->caller) + "."
                                : "The key is " + key + ".";
                say(done, "Change shared state without overwriting anybody",
                    "This should be different afterwards: " + argument(*context, "intent") +
                        "\n\nOthers change this state at the same time. Go about it like this:\n"
                        "1. Read. " + find +
                        " Call get_state and note value, version and seq. Note also the seq of every other key "
                        "that your decision rests on.\n"
                        "2. Decide. If the value is already as it should be, say so and stop. If it surprises you, "
                        "ask explain who made it so and why before you change it.\n"
                        "3. Propose. Call propose_mutation once, with the version you read as expectedVersion (0 if "
                        "the key was null), a reason that a person can follow later, an id of your own for this "
                        "one intent, and a basis of the other keys and seqs that you relied on.\n"
                        "4. Confirm. \"accepted\" means it is done and on the disk: report the new version. On "
                        "version_conflict or basis_conflict go back to 1 and take a new id. On outcome_unknown or a "
                        "lost answer repeat the same call with the same id. Any other refusal: report its message, "
                        "do not work around it.");
            },
    });
    prompts.push_back({
        .name = "catch_up",
        .title = "What have I missed?",
        .description = "Tells what has changed since a bookmark, and why",
        .arguments = {{.name = "since", .description = "The last bookmark you have, EPOCH.SEQ"},
                      {.name = "prefix", .description = "Only keys that begin with this"}},
        .run =
            [](const ToolContextPtr& context, const std::function<void(PromptOutcome)>& done) {
                const std::string since = argument(*context, "since");
                const std::string prefix = argument(*context, "prefix");
                std::string text = "Tell me what has changed";
                if (!prefix.empty()) text += " in the keys that begin with " + prefix;
                text += since.empty() ? ".\n\nI have no bookmark. Read what there is with get_state_prefix (prefix \"" +
                                            prefix + "\") and keep the bookmark of that answer."
                                      : " since the bookmark " + since +
                                            ".\n\nCall changes_since with it" +
                                            (prefix.empty() ? "" : " and the prefix") +
                                            ", again with each new bookmark while `more` is true.";
                text += " If `resync` is true, forget what you knew and read again from the new bookmark on. Sum up "
                        "in a few sentences what is different now; where a change is surprising, ask explain for "
                        "who did it and why. End with the last bookmark, for the next time.";
                say(done, "Catch up on shared state", text);
            },
    });
    return prompts;
}

}  // namespace se::mcp
