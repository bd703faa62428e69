// What there is: lists a page at a time, and completion.

#include <algorithm>
#include <charconv>

#include "mcp/base64.h"
#include "mcp/server_state.h"

namespace se::mcp {
namespace {

constexpr std::size_t kCompletionsMax = 100;  // as the protocol says
constexpr std::size_t kSchemaDepthMax = 32;   // of properties that are looked at for headers

/// Where the next page begins. Opaque to the client and read back with care.
std::string cursor_at(std::size_t index) { return to_base64url("at " + std::to_string(index)); }

std::optional<std::size_t> index_of(const Json& params) {
    const Json* cursor = params.find("cursor");
    if (cursor == nullptr) return 0;
    const auto text = cursor->is_string() ? from_base64url(cursor->string()) : std::nullopt;
    if (!text || !text->starts_with("at ")) return std::nullopt;
    std::size_t index = 0;
    const char* end = text->data() + text->size();
    const auto [rest, error] = std::from_chars(text->data() + 3, end, index);
    if (error != std::errc() || rest != end) return std::nullopt;
    return index;
}

void fail_cursor(const Asked& asked) {
    asked.fail(RpcCode::invalid_params, "no such cursor: begin again without one");
}

void append_cache(JsonObject& result, Revision era, const CacheHint& cache) {
    if (era < Revision::v2026_07_28) return;
    result.integer("ttlMs", cache.ttl_ms).text("cacheScope", cache.is_public ? "public" : "private");
}

/// One page of `all`: those that `shown` lets through, each as `append` writes it.
template <class T, class Shown, class Append>
void answer_page(const ServerState& state, const Asked& asked, std::string_view member,
                 const std::vector<T>& all, Shown shown, Append append) {
    const auto first = index_of(asked.params());
    if (!first || *first > all.size()) return fail_cursor(asked);
    AnswerText text = state.answer_to(asked);
    JsonObject& result = text.result();
    std::string& list = result.member(member);
    list += '[';
    std::size_t count = 0, at = *first;
    for (; at < all.size() && count < kListPage; ++at) {
        if (!shown(all[at])) continue;
        if (count++ != 0) list += ',';
        append(list, all[at]);
    }
    list += ']';
    while (at < all.size() && !shown(all[at])) ++at;  // a cursor promises that there is more
    if (at < all.size()) result.text("nextCursor", cursor_at(at));
    append_cache(result, asked.era, state.registry.lists_cache);
    asked.answer(std::move(text));
}

void append_titled(JsonObject& object, Revision era, std::string_view name, std::string_view title,
                   std::string_view description) {
    object.text("name", name);
    if (!title.empty() && era >= Revision::v2025_06_18) object.text("title", title);
    if (!description.empty()) object.text("description", description);
}

void collect_mirrored(const Json& schema, std::vector<std::string>& path,
                      std::vector<Server::MirroredParameter>& out) {
    const Json* properties = schema.find("properties");
    if (properties == nullptr || !properties->is_object() || path.size() >= kSchemaDepthMax) return;
    for (const auto& [name, property] : properties->object()) {
        path.push_back(name);
        if (const std::string* header = text_member(property, "x-mcp-header")) {
            std::string lower = "mcp-param-" + *header;
            for (char& c : lower) {
                if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
            }
            out.push_back({std::move(lower), path});
        }
        collect_mirrored(property, path, out);
        path.pop_back();
    }
}

}  // namespace

bool ServerState::sees(const Caller& caller, std::string_view scope) const {
    return scope.empty() || (registry.has_scope && registry.has_scope(caller, scope));
}

const Tool* ServerState::find_tool(const Asked& asked, std::string_view name) const {
    const auto at = std::ranges::find(registry.tools, name, &Tool::name);
    if (at == registry.tools.end()) return nullptr;
    return registry.offers(*at, asked.caller, asked.legacy_sse()) ? &*at : nullptr;
}

const Prompt* ServerState::find_prompt(const Caller& caller, std::string_view name) const {
    const auto at = std::ranges::find(registry.prompts, name, &Prompt::name);
    return at != registry.prompts.end() && sees(caller, at->scope) ? &*at : nullptr;
}

void ServerState::list_tools(Asked&& asked) {
    answer_page(
        *this, asked, "tools", registry.tools,
        [&](const Tool& tool) { return registry.offers(tool, asked.caller, asked.legacy_sse()); },
        [&](std::string& out, const Tool& tool) {
            JsonObject object(out);
            append_titled(object, asked.era, tool.name, tool.title,
                          tool.describe ? tool.describe(asked.caller) : tool.description);
            object.raw("inputSchema", tool.input_schema_json);
            // A refusal there is no isError (CONTRACTS 1.6): clients that know a schema would hold it against that.
            if (!tool.output_schema_json.empty() && asked.era >= Revision::v2025_06_18 && !asked.legacy_sse())
                object.raw("outputSchema", tool.output_schema_json);
            if (!tool.annotations_json.empty() && asked.era >= Revision::v2025_03_26)
                object.raw("annotations", tool.annotations_json);
            if (asked.legacy_sse() && !tool.scope.empty()) {
                std::string& scopes = object.member("scopes");
                scopes += '[';
                append_json_string(scopes, tool.scope);
                scopes += ']';
            }
            object.close();
        });
}

void ServerState::list_prompts(Asked&& asked) {
    answer_page(
        *this, asked, "prompts", registry.prompts,
        [&](const Prompt& prompt) { return sees(asked.caller, prompt.scope); },
        [&](std::string& out, const Prompt& prompt) {
            JsonObject object(out);
            append_titled(object, asked.era, prompt.name, prompt.title, prompt.description);
            if (!prompt.arguments.empty()) {
                std::string& list = object.member("arguments");
                list += '[';
                for (const PromptArgument& argument : prompt.arguments) {
                    if (list.back() != '[') list += ',';
                    JsonObject one(list);
                    one.text("name", argument.name);
                    if (!argument.description.empty()) one.text("description", argument.description);
                    one.boolean("required", argument.required).close();
                }
                list += ']';
            }
            object.close();
        });
}

void ServerState::list_templates(Asked&& asked) {
    answer_page(
        *this, asked, "resourceTemplates", registry.templates, [](const ResourceTemplate&) { return true; },
        [&](std::string& out, const ResourceTemplate& one) {
            JsonObject object(out);
            object.text("uriTemplate", one.uri_template);
            append_titled(object, asked.era, one.name, one.title, one.description);
            if (!one.mime_type.empty()) object.text("mimeType", one.mime_type);
            object.close();
        });
}

void ServerState::list_resources(Asked&& asked) {
    std::string after;
    if (const Json* cursor = asked.params().find("cursor")) {
        auto text = cursor->is_string() ? from_base64url(cursor->string()) : std::nullopt;
        if (!text) return fail_cursor(asked);
        after = std::move(*text);
    }
    ResourcePage page;
    if (registry.resources != nullptr) {
        auto got = registry.resources->list(asked.caller, after, kListPage);
        if (!got && got.error().code == Errc::malformed) return fail_cursor(asked);
        if (!got) return asked.fail(RpcCode::internal, got.error().text);
        page = std::move(*got);
    } else if (!after.empty()) {
        return fail_cursor(asked);
    }
    AnswerText text = answer_to(asked);
    JsonObject& result = text.result();
    std::string& list = result.member("resources");
    list += '[';
    for (const Resource& resource : page.resources) {
        if (list.back() != '[') list += ',';
        JsonObject object(list);
        object.text("uri", resource.uri);
        append_titled(object, asked.era, resource.name, resource.title, resource.description);
        if (!resource.mime_type.empty()) object.text("mimeType", resource.mime_type);
        if (!resource.annotations_json.empty()) object.raw("annotations", resource.annotations_json);
        object.close();
    }
    list += ']';
    if (!page.next.empty()) result.text("nextCursor", to_base64url(page.next));
    append_cache(result, asked.era, registry.lists_cache);
    asked.answer(std::move(text));
}

void ServerState::complete(Asked&& asked) {
    if (!registry.complete)
        return asked.fail(RpcCode::method_not_found, "this server completes nothing", {},
                          Standing::not_found);
    const Json* ref = asked.params().find("ref");
    const Json* argument = asked.params().find("argument");
    const std::string* type = ref == nullptr ? nullptr : text_member(*ref, "type");
    const std::string* name = argument == nullptr ? nullptr : text_member(*argument, "name");
    const std::string* value = argument == nullptr ? nullptr : text_member(*argument, "value");
    CompletionQuestion question{.others = Json::Object{}};
    const std::string* reference = nullptr;
    if (type != nullptr && *type == "ref/prompt") {
        question.of_prompt = true;
        reference = text_member(*ref, "name");
    } else if (type != nullptr && *type == "ref/resource") {
        reference = text_member(*ref, "uri");
    }
    if (reference == nullptr || name == nullptr || value == nullptr) {
        return asked.fail(RpcCode::invalid_params,
                          "completion needs ref {type: ref/prompt, name} or {type: ref/resource, uri} and "
                          "argument {name, value}");
    }
    if (question.of_prompt && find_prompt(asked.caller, *reference) == nullptr)
        return asked.fail(RpcCode::invalid_params, "Unknown prompt: " + *reference);
    question.reference = *reference;
    question.argument = *name;
    question.value = *value;
    if (const Json* context = asked.params().find("context")) {
        if (const Json* settled = context->find("arguments"); settled != nullptr && settled->is_object())
            question.others = *settled;
    }
    const Completion found = registry.complete(asked.caller, question);
    const std::size_t told = std::min(found.values.size(), kCompletionsMax);
    AnswerText text = answer_to(asked);
    JsonObject completion(text.result().member("completion"));
    std::string& values = completion.member("values");
    values += '[';
    for (std::size_t i = 0; i < told; ++i) {
        if (i != 0) values += ',';
        append_json_string(values, found.values[i]);
    }
    values += ']';
    if (found.total) completion.integer("total", *found.total);
    completion.boolean("hasMore", found.has_more || told < found.values.size()).close();
    asked.answer(std::move(text));
}

const std::vector<Server::MirroredParameter>& ServerState::mirrored_parameters(std::string_view tool) {
    static const std::vector<Server::MirroredParameter> none;
    const auto at = std::ranges::find(registry.tools, tool, &Tool::name);
    if (at == registry.tools.end()) return none;
    const auto [known, fresh] = mirrored.try_emplace(at->name);
    if (fresh && at->input_schema_json.find("x-mcp-header") != std::string::npos) {
        const auto schema = parse_json(at->input_schema_json);
        std::vector<std::string> path;
        if (schema) collect_mirrored(*schema, path, known->second);
    }
    return known->second;
}

}  // namespace se::mcp
