#include "tests/mcp/fixture_registry.h"

#include <algorithm>

namespace se::mcp::test {
namespace {

using namespace std::chrono_literals;

// One red pixel, and silence.
constexpr std::string_view kPng =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
constexpr std::string_view kWav = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA==";

using Done = std::function<void(ToolOutcome)>;
using Answer = std::function<ToolOutcome(const ToolContextPtr&)>;

Tool tool(std::string name, std::string description, Answer answer) {
    return {.name = std::move(name),
            .title = {},
            .description = std::move(description),
            .run = [answer = std::move(answer)](const ToolContextPtr& context, const Done& done) {
                done(answer(context));
            }};
}

Json parsed(std::string_view text) {
    auto json = parse_json(text);
    SE_ASSERT(json);
    return *std::move(json);
}

Question elicit(std::string key, std::string_view message, std::string_view schema_json) {
    Json params(Json::Object{});
    params.set("message", message);
    params.set("requestedSchema", parsed(schema_json));
    return {.key = std::move(key), .method = "elicitation/create", .params = std::move(params)};
}

Question ask_name() {
    return elicit("user_name", "What is your name?",
                  R"({"type":"object","properties":{"name":{"type":"string"}},"required":["name"]})");
}

Question sample(std::string key, std::string_view text, int tokens) {
    Json content(Json::Object{{"type", "text"}, {"text", text}});
    Json message(Json::Object{{"role", "user"}, {"content", std::move(content)}});
    Json params(Json::Object{{"messages", Json::Array{std::move(message)}}, {"maxTokens", tokens}});
    return {.key = std::move(key), .method = "sampling/createMessage", .params = std::move(params)};
}

Question ask_roots() { return {.key = "client_roots", .method = "roots/list", .params = Json::Object{}}; }

/// `content.name` of what the user filled in, when they did.
const std::string* filled_in(const ToolContextPtr& context, std::string_view key, std::string_view name) {
    const Json* answer = context->answer(key);
    const Json* content = answer == nullptr ? nullptr : answer->find("content");
    const Json* field = content == nullptr ? nullptr : content->find(name);
    return field != nullptr && field->is_string() ? &field->string() : nullptr;
}

std::string sampled_text(const Json& answer) {
    const Json* content = answer.find("content");
    const Json* text = content == nullptr ? nullptr : content->find("text");
    return text != nullptr && text->is_string() ? text->string() : to_text(answer);
}

std::string said_of(std::string_view before, const Json& answer) {
    const Json* action = answer.find("action");
    const Json* content = answer.find("content");
    return std::string(before) + "action=" +
           (action != nullptr && action->is_string() ? action->string() : "none") +
           ", content=" + (content == nullptr ? "{}" : to_text(*content));
}

std::string argument(const ToolContextPtr& context, std::string_view name) {
    const Json* value = context->arguments.find(name);
    return value != nullptr && value->is_string() ? value->string() : "";
}

/// A tool that asks the user once and tells what came back.
Tool form(std::string name, std::string description, std::string message, std::string schema_json) {
    return tool(std::move(name), std::move(description),
                [message = std::move(message), schema = std::move(schema_json)](const ToolContextPtr& context) {
                    const Json* answer = context->answer("form");
                    if (answer == nullptr) return ToolOutcome::ask({elicit("form", message, schema)});
                    return ToolOutcome::text(said_of("Elicitation completed: ", *answer));
                });
}

ResourceContents contents(std::string uri, std::string type, std::string text) {
    return {.uri = std::move(uri), .mime_type = std::move(type), .text = std::move(text)};
}

}  // namespace

FixtureRegistry::FixtureRegistry(Later later) : later_(std::move(later)) {
    registry.name = "mcp-fixture";
    registry.version = "1.0.0";
    registry.resources = this;
    registry.lists_change = true;
    registry.resources_change = true;
    registry.logs = true;
    registry.lists_cache = {.ttl_ms = 1000, .is_public = true};
    registry.templates = {{.uri_template = "test://template/{id}/data",
                           .name = "template",
                           .title = {},
                           .description = "A resource for each id",
                           .mime_type = "application/json"}};
    registry.complete = [](const Caller&, const CompletionQuestion& question) {
        Completion completion;
        for (const std::string_view word : {"paris", "park", "party"}) {
            if (word.starts_with(question.value)) completion.values.emplace_back(word);
        }
        completion.total = completion.values.size();
        return completion;
    };
    add_content_tools();
    add_slow_tools();
    add_asking_tools();
    add_tools_that_ask_again();
    add_change_tools();
    add_prompts();
}

void FixtureRegistry::add_content_tools() {
    auto& tools = registry.tools;
    tools.push_back(tool("test_simple_text", "Says a sentence", [](const ToolContextPtr&) {
        return ToolOutcome::text("This is a simple text response for testing.");
    }));
    const auto blocks = [&](std::string name, std::string description, std::vector<std::string> content) {
        tools.push_back(tool(std::move(name), std::move(description), [content](const ToolContextPtr&) {
            ToolOutcome outcome;
            outcome.content_json = content;
            return outcome;
        }));
    };
    blocks("test_image_content", "Shows a picture", {image_block(kPng, "image/png")});
    blocks("test_audio_content", "Plays a sound", {audio_block(kWav, "audio/wav")});
    blocks("test_embedded_resource", "Brings a resource",
           {resource_block(contents("test://embedded-resource", "text/plain",
                                    "This is an embedded resource content.")
                               .json())});
    blocks("test_multiple_content_types", "Brings a bit of everything",
           {text_block("Multiple content types test:"), image_block(kPng, "image/png"),
            resource_block(contents("test://mixed-content-resource", "application/json",
                                    R"({"test":"data","value":123})")
                               .json())});
    tools.push_back(tool("test_error_handling", "Fails", [](const ToolContextPtr&) {
        return ToolOutcome::fault("This tool intentionally returns an error for testing");
    }));
    Tool schema = tool("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features",
                       [](const ToolContextPtr& context) {
                           return ToolOutcome::text("called with " + to_text(context->arguments));
                       });
    schema.input_schema_json =
        R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",)"
        R"("$defs":{"address":{"$anchor":"addressDef","type":"object",)"
        R"("properties":{"street":{"type":"string"},"city":{"type":"string"}}}},)"
        R"("properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"},)"
        R"("contactMethod":{"type":"string","enum":["phone","email"]},"phone":{"type":"string"},)"
        R"("email":{"type":"string"}},"allOf":[{"anyOf":[{"required":["phone"]},{"required":["email"]}]}],)"
        R"("if":{"properties":{"contactMethod":{"const":"phone"}},"required":["contactMethod"]},)"
        R"("then":{"required":["phone"]},"else":{"required":["email"]},"additionalProperties":false})";
    tools.push_back(std::move(schema));
    Tool mirrored = tool("test_mirrored_header", "Takes an argument that is a header too",
                         [](const ToolContextPtr& context) {
                             return ToolOutcome::text("region " + argument(context, "region"));
                         });
    mirrored.input_schema_json =
        R"({"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},)"
        R"("place":{"type":"object","properties":{"floor":{"type":"integer","x-mcp-header":"Floor"}}}}})";
    tools.push_back(std::move(mirrored));
}

void FixtureRegistry::add_slow_tools() {
    auto& tools = registry.tools;
    const auto slow = [&](std::string name, std::string description,
                          std::function<void(const ToolContextPtr&, Done)> run) {
        tools.push_back({.name = std::move(name),
                         .title = {},
                         .description = std::move(description),
                         .run = std::move(run)});
    };
    slow("test_tool_with_logging", "Logs while it works", [this](const ToolContextPtr& context, const Done& done) {
        context->log(LogLevel::info, "fixture", "Tool execution started");
        later_(50ms, [this, context, done] {
            context->log(LogLevel::info, "fixture", "Tool processing data");
            later_(50ms, [context, done] {
                context->log(LogLevel::info, "fixture", "Tool execution completed");
                done(ToolOutcome::text("Logged three times"));
            });
        });
    });
    slow("test_logging_tool", "Logs at each level", [](const ToolContextPtr& context, const Done& done) {
        for (int level = 0; level < 8; ++level)
            context->log(static_cast<LogLevel>(level), "fixture", "a line of that level");
        done(ToolOutcome::text("Logged"));
    });
    slow("test_tool_with_progress", "Tells its progress", [this](const ToolContextPtr& context, const Done& done) {
        context->progress(0, 100, "begun");
        later_(50ms, [this, context, done] {
            context->progress(50, 100, "half way");
            later_(50ms, [context, done] {
                context->progress(100, 100, "done");
                done(ToolOutcome::text("Progress told"));
            });
        });
    });
    slow("test_reconnection", "Lets go of the connection and answers later",
         [this](const ToolContextPtr& context, const Done& done) {
             context->release_connection();
             later_(100ms, [done] { done(ToolOutcome::text("Answered after the connection was let go of")); });
         });
    slow("wait_for_ever", "Ends only when it is taken back",
         [](const ToolContextPtr& context, const Done& done) {
             context->on_cancel([done] { done(ToolOutcome::text("too late to be heard")); });
         });
}

void FixtureRegistry::add_asking_tools() {
    auto& tools = registry.tools;
    Tool sampling = tool("test_sampling", "Asks the client's model", [](const ToolContextPtr& context) {
        const Json* answer = context->answer("text");
        if (answer == nullptr) return ToolOutcome::ask({sample("text", argument(context, "prompt"), 100)});
        return ToolOutcome::text("LLM response: " + sampled_text(*answer));
    });
    sampling.input_schema_json =
        R"({"type":"object","properties":{"prompt":{"type":"string"}},"required":["prompt"]})";
    tools.push_back(std::move(sampling));

    Tool elicitation = tool("test_elicitation", "Asks the client's user", [](const ToolContextPtr& context) {
        const Json* answer = context->answer("user");
        if (answer == nullptr) {
            return ToolOutcome::ask({elicit(
                "user", argument(context, "message"),
                R"({"type":"object","properties":{)"
                R"("username":{"type":"string","description":"User's response"},)"
                R"("email":{"type":"string","description":"User's email address"}},)"
                R"("required":["username","email"]})")});
        }
        return ToolOutcome::text(said_of("User response: ", *answer));
    });
    elicitation.input_schema_json =
        R"({"type":"object","properties":{"message":{"type":"string"}},"required":["message"]})";
    tools.push_back(std::move(elicitation));

    tools.push_back(form("test_elicitation_sep1034_defaults", "Asks with defaults", "Please review the defaults",
                         R"({"type":"object","properties":{"name":{"type":"string","default":"John Doe"},)"
                         R"("age":{"type":"integer","default":30},"score":{"type":"number","default":95.5},)"
                         R"("status":{"type":"string","enum":["active","inactive","pending"],"default":"active"},)"
                         R"("verified":{"type":"boolean","default":true}},"required":[]})"));
    tools.push_back(
        form("test_elicitation_sep1330_enums", "Asks with every kind of choice", "Please choose",
             R"({"type":"object","properties":{)"
             R"("untitledSingle":{"type":"string","enum":["option1","option2","option3"]},)"
             R"("titledSingle":{"type":"string","oneOf":[{"const":"value1","title":"First Option"},)"
             R"({"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]},)"
             R"("legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],)"
             R"("enumNames":["Option One","Option Two","Option Three"]},)"
             R"("untitledMulti":{"type":"array","items":{"type":"string","enum":["option1","option2","option3"]}},)"
             R"("titledMulti":{"type":"array","items":{"anyOf":[{"const":"value1","title":"First Choice"},)"
             R"({"const":"value2","title":"Second Choice"},{"const":"value3","title":"Third Choice"}]}}},)"
             R"("required":[]})"));
    tools.push_back(form("test_streaming_elicitation", "Asks while it streams", "Is that right?",
                         R"({"type":"object","properties":{"ok":{"type":"boolean"}}})"));
    tools.push_back(tool("test_missing_capability", "Needs a client that samples",
                         [](const ToolContextPtr& context) {
                             if (context->answer("any") == nullptr)
                                 return ToolOutcome::ask({sample("any", "Say anything", 10)});
                             return ToolOutcome::text("The client samples");
                         }));
}

void FixtureRegistry::add_tools_that_ask_again() {
    auto& tools = registry.tools;
    tools.push_back(tool("test_input_required_result_elicitation", "Asks for a name",
                         [](const ToolContextPtr& context) {
                             const std::string* name = filled_in(context, "user_name", "name");
                             if (name == nullptr) return ToolOutcome::ask({ask_name()});
                             return ToolOutcome::text("Hello, " + *name + "!");
                         }));
    tools.push_back(tool("test_input_required_result_sampling", "Asks the model", [](const ToolContextPtr& context) {
        const Json* answer = context->answer("capital_question");
        if (answer == nullptr)
            return ToolOutcome::ask({sample("capital_question", "What is the capital of France?", 100)});
        return ToolOutcome::text("The model says: " + sampled_text(*answer));
    }));
    tools.push_back(tool("test_input_required_result_list_roots", "Asks for roots", [](const ToolContextPtr& context) {
        const Json* answer = context->answer("client_roots");
        if (answer == nullptr) return ToolOutcome::ask({ask_roots()});
        return ToolOutcome::text("The roots are " + to_text(*answer));
    }));
    const auto confirm = [](const ToolContextPtr& context) {
        if (context->state.is_null() || context->answer("confirm") == nullptr) {
            return ToolOutcome::ask(
                {elicit("confirm", "Please confirm",
                        R"({"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]})")},
                "waiting for a yes");
        }
        return ToolOutcome::text("state-ok: " + context->state.string());
    };
    tools.push_back(tool("test_input_required_result_request_state", "Remembers by the client", confirm));
    tools.push_back(tool("test_input_required_result_tampered_state", "Trusts nobody", confirm));
    tools.push_back(tool(
        "test_input_required_result_multiple_inputs", "Asks three things at once", [](const ToolContextPtr& context) {
            const bool all = context->answer("user_name") != nullptr && context->answer("greeting") != nullptr &&
                             context->answer("client_roots") != nullptr && !context->state.is_null();
            if (!all) {
                return ToolOutcome::ask({ask_name(), sample("greeting", "Generate a greeting", 50), ask_roots()},
                                        "three questions");
            }
            return ToolOutcome::text("All three answered");
        }));
    tools.push_back(tool("test_input_required_result_multi_round", "Asks twice", [](const ToolContextPtr& context) {
        if (context->state.is_null() || !context->state.is_object()) {
            return ToolOutcome::ask(
                {elicit("step1", "Step 1: What is your name?",
                        R"({"type":"object","properties":{"name":{"type":"string"}},"required":["name"]})")},
                Json::Object{{"step", 1}});
        }
        const Json* name = context->state.find("name");
        if (name == nullptr) {
            const std::string* told = filled_in(context, "step1", "name");
            return ToolOutcome::ask(
                {elicit("step2", "Step 2: What is your favorite color?",
                        R"({"type":"object","properties":{"color":{"type":"string"}},"required":["color"]})")},
                Json::Object{{"step", 2}, {"name", told == nullptr ? "nobody" : *told}});
        }
        const std::string* color = filled_in(context, "step2", "color");
        return ToolOutcome::text(name->string() + " likes " + (color == nullptr ? "no color" : *color));
    }));
    tools.push_back(tool("test_input_required_result_capabilities", "Asks what the client can answer",
                         [](const ToolContextPtr& context) {
                             std::vector<Question> questions;
                             if (context->client_can("elicitation")) questions.push_back(ask_name());
                             if (context->client_can("sampling"))
                                 questions.push_back(sample("greeting", "Generate a greeting", 50));
                             if (context->client_can("roots")) questions.push_back(ask_roots());
                             const bool answered = !context->answers.object().empty();
                             if (questions.empty() || answered) return ToolOutcome::text("Nothing to ask");
                             return ToolOutcome::ask(std::move(questions));
                         }));
}

void FixtureRegistry::add_change_tools() {
    registry.tools.push_back(
        tool("test_trigger_tool_change", "Changes the list of tools", [this](const ToolContextPtr&) {
            const auto extra = std::ranges::find(registry.tools, "test_now_and_then", &Tool::name);
            if (extra != registry.tools.end()) {
                registry.tools.erase(extra);
            } else {
                registry.tools.push_back(tool("test_now_and_then", "Is not always here", [](const ToolContextPtr&) {
                    return ToolOutcome::text("here");
                }));
            }
            registry.announce.tools_changed();
            return ToolOutcome::text("The tools have changed");
        }));
    registry.tools.push_back(
        tool("test_trigger_prompt_change", "Changes the list of prompts", [this](const ToolContextPtr&) {
            registry.announce.prompts_changed();
            return ToolOutcome::text("The prompts have changed");
        }));
    registry.tools.push_back(
        tool("test_trigger_update", "Updates test://watched-resource", [this](const ToolContextPtr&) {
            registry.announce.resource_updated("test://watched-resource", R"({"version":2})");
            return ToolOutcome::text("The resource is updated");
        }));
}

void FixtureRegistry::add_prompts() {
    using Prompted = std::function<PromptOutcome(const ToolContextPtr&)>;
    const auto prompt = [this](std::string name, std::string description, std::vector<PromptArgument> arguments,
                               Prompted answer) {
        registry.prompts.push_back(
            {.name = std::move(name),
             .title = {},
             .description = std::move(description),
             .arguments = std::move(arguments),
             .run = [answer = std::move(answer)](const ToolContextPtr& context,
                                                 const std::function<void(PromptOutcome)>& done) {
                 done(answer(context));
             }});
    };
    const auto says = [](std::vector<std::string> blocks) {
        PromptOutcome outcome;
        for (std::string& block : blocks) outcome.messages.push_back({.content_json = std::move(block)});
        return outcome;
    };
    prompt("test_simple_prompt", "A sentence", {}, [says](const ToolContextPtr&) {
        return says({text_block("This is a simple prompt for testing.")});
    });
    prompt("test_prompt_with_arguments", "A sentence with arguments",
           {{.name = "arg1", .description = "First test argument", .required = true},
            {.name = "arg2", .description = "Second test argument", .required = true}},
           [says](const ToolContextPtr& context) {
               return says({text_block("Prompt with arguments: arg1='" + argument(context, "arg1") + "', arg2='" +
                                       argument(context, "arg2") + "'")});
           });
    prompt("test_prompt_with_embedded_resource", "A resource and a sentence",
           {{.name = "resourceUri", .description = "URI of the resource to embed", .required = true}},
           [says](const ToolContextPtr& context) {
               return says({resource_block(contents(argument(context, "resourceUri"), "text/plain",
                                                    "Embedded resource content for testing.")
                                               .json()),
                            text_block("Please process the embedded resource above.")});
           });
    prompt("test_prompt_with_image", "A picture and a sentence", {}, [says](const ToolContextPtr&) {
        return says({image_block(kPng, "image/png"), text_block("Please analyze the image above.")});
    });
    prompt("test_input_required_result_prompt", "A prompt that asks", {}, [says](const ToolContextPtr& context) {
        const std::string* told = filled_in(context, "user_context", "context");
        if (told != nullptr) return says({text_block("In the context of " + *told)});
        PromptOutcome outcome{.kind = PromptOutcome::Kind::input_required};
        outcome.questions.push_back(
            elicit("user_context", "What context should the prompt use?",
                   R"({"type":"object","properties":{"context":{"type":"string"}},"required":["context"]})"));
        return outcome;
    });
}

Result<ResourcePage> FixtureRegistry::list(const Caller&, std::string_view after, std::size_t) {
    if (!after.empty()) return Error{Errc::malformed, "there is one page"};
    ResourcePage page;
    page.resources = {{.uri = "test://static-text",
                       .name = "static-text",
                       .description = "A text",
                       .mime_type = "text/plain"},
                      {.uri = "test://static-binary",
                       .name = "static-binary",
                       .description = "A picture",
                       .mime_type = "image/png"},
                      {.uri = "test://watched-resource",
                       .name = "watched-resource",
                       .description = "A text that changes",
                       .mime_type = "text/plain"}};
    return page;
}

void FixtureRegistry::read(ToolContextPtr, std::string uri, std::function<void(ResourceOutcome)> done) {
    ResourceOutcome outcome{.cache = {.ttl_ms = 1000, .is_public = true}};
    constexpr std::string_view kTemplate = "test://template/";
    if (uri == "test://static-text") {
        outcome.contents.push_back(
            contents(uri, "text/plain", "This is the content of the static text resource."));
    } else if (uri == "test://static-binary") {
        outcome.contents.push_back(
            {.uri = uri, .mime_type = "image/png", .text = std::string(kPng), .is_blob = true});
    } else if (uri == "test://watched-resource") {
        outcome.contents.push_back(contents(uri, "text/plain", "It changes."));
    } else if (uri.starts_with(kTemplate) && uri.ends_with("/data")) {
        const std::string id = uri.substr(kTemplate.size(), uri.size() - kTemplate.size() - 5);
        std::string text;
        JsonObject(text).text("id", id).boolean("templateTest", true).text("data", "Data for ID: " + id).close();
        outcome.contents.push_back(contents(uri, "application/json", text));
    } else {
        outcome.kind = ResourceOutcome::Kind::not_found;
    }
    done(std::move(outcome));
}

bool FixtureRegistry::may_list(const Caller&, std::string_view) { return true; }

bool FixtureRegistry::may_subscribe(const Caller&, std::string_view uri) {
    return uri.starts_with("test://") && uri != "test://secret";
}

}  // namespace se::mcp::test
