#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/decide.h"
#include "journal/base/json.h"

namespace se::mcp {

// What an MCP server offers: tools, resources, prompts, completion. Whoever fills a Registry knows no
// transport, no session and no revision of the protocol; Server (mcp/server.h) reads it and speaks
// them. All calls happen on one thread, the engine's.
//
// JSON that goes out as it is, is text here (`…_json`): the order of members is part of what a model
// reads, and nothing is parsed to be printed again.

/// Severities of RFC 5424 that the protocol names, mildest first.
enum class LogLevel : std::uint8_t { debug, info, notice, warning, error, critical, alert, emergency };

/// A question for the client: its user, its model or its roots.
struct Question {
    std::string key;     ///< names the answer; unique within one outcome
    std::string method;  ///< elicitation/create, sampling/createMessage or roots/list
    Json params;         ///< as the protocol says for that method; an object
};

/// Some call: of a tool, of a prompt, or the reading of a resource. It may be kept (it is shared) until the
/// outcome has been told; what is said through it afterwards is dropped.
class ToolContext {
public:
    virtual ~ToolContext() = default;

    Caller caller;     ///< authenticated by the door; claims of `_meta` are in `meta`, believed by nobody yet
    Json arguments;    ///< of the call: an object, empty when the client sent none
    Json meta;         ///< `_meta` of the request: an object. userId, userRoles, traceparent, …
    std::shared_ptr<const Json> client;  ///< capabilities that it declared: an object; null: none
    Json answers;      ///< to the questions of the outcome before: an object, key → result of the client's
    Json state;        ///< what the outcome before asked to be given back, verified; null in the first round
    std::string revision;    ///< of the protocol: "2026-07-28", "2025-11-25", …
    bool legacy_sse = false; ///< came by GET /sse (CONTRACTS 1.6): what the original says, and what it passes
                             ///< over, is binding there

    /// Whether the client declared a capability: "elicitation", "sampling", "roots", or a part, "sampling.tools".
    bool client_can(std::string_view capability) const {
        const Json* at = client.get();
        while (at != nullptr && !capability.empty()) {
            const std::size_t dot = capability.find('.');
            at = at->find(capability.substr(0, dot));
            capability = dot == capability.npos ? "" : capability.substr(dot + 1);
        }
        return at != nullptr;
    }
    /// The client's answer to a question of the outcome before, or null.
    const Json* answer(std::string_view key) const { return answers.find(key); }

    /// Tells how far the call is, if the client asked to hear it. `progress` must rise from call to call.
    virtual void progress(double progress, std::optional<double> total, std::string_view message) = 0;
    /// Says something to the client's log, if it wants that level. `data` is any JSON.
    virtual void log(LogLevel level, std::string_view logger, const Json& data) = 0;
    /// The client has gone or taken the call back: the outcome will reach nobody. A tool may stop early;
    /// whatever it has proposed stands.
    virtual bool cancelled() const = 0;
    virtual void on_cancel(std::function<void()> stop) = 0;
    /// Lets go of the connection that carries this call, where the revision can (2025-11-25): the client
    /// comes back for the outcome with Last-Event-ID. Elsewhere nothing happens.
    virtual void release_connection() = 0;
};
using ToolContextPtr = std::shared_ptr<ToolContext>;

/// How a call ended. The server says it as the revision and the door want it:
///
///                     modern doors                legacy SSE door (CONTRACTS 1.6)
///   ok                result                      result
///   refused           result, isError             result (a gateway there takes isError for a sick server)
///   not_allowed       result, isError             result, isError
///   invalid           result, isError             JSON-RPC error -32603
///   fault             result, isError             JSON-RPC error -32603
///   input_required    2026: result input_required; 2025: the questions as requests, then run() once more
struct ToolOutcome {
    enum class Kind : std::uint8_t {
        ok,
        refused,         ///< a domain "no" that the model can act on: conflict, policy, hold
        not_allowed,     ///< the key is in no allowed namespace
        invalid,         ///< arguments that are not what the schema says
        fault,           ///< we cannot: draining, damaged, …
        input_required,  ///< `questions` first; then the same call again, with `answers` and `state`
    };
    Kind kind = Kind::ok;
    std::vector<std::string> content_json;  ///< content blocks: text_block(), image_block(), …
    std::string structured_json;            ///< an object; empty: none. Shown where the revision has it
    std::vector<Question> questions;        ///< input_required only
    Json state;                             ///< input_required only: comes back in ToolContext::state.
                                            ///< The client can read it and cannot change it

    static ToolOutcome text(std::string_view text, std::string structured_json = {}) {
        return said(Kind::ok, text, std::move(structured_json));
    }
    static ToolOutcome refused(std::string_view text, std::string structured_json = {}) {
        return said(Kind::refused, text, std::move(structured_json));
    }
    static ToolOutcome not_allowed(std::string_view text, std::string structured_json = {}) {
        return said(Kind::not_allowed, text, std::move(structured_json));
    }
    static ToolOutcome invalid(std::string_view text) { return said(Kind::invalid, text, {}); }
    static ToolOutcome fault(std::string_view text, std::string structured_json = {}) {
        return said(Kind::fault, text, std::move(structured_json));
    }
    /// With a content block that is there already.
    static ToolOutcome of_block(Kind kind, std::string block_json, std::string structured_json) {
        ToolOutcome outcome;
        outcome.kind = kind;
        outcome.content_json.push_back(std::move(block_json));
        outcome.structured_json = std::move(structured_json);
        return outcome;
    }
    static ToolOutcome ask(std::vector<Question> questions, Json state = {}) {
        ToolOutcome outcome;
        outcome.kind = Kind::input_required;
        outcome.questions = std::move(questions);
        outcome.state = std::move(state);
        return outcome;
    }

private:
    static ToolOutcome said(Kind kind, std::string_view text, std::string structured_json);
};

// Content blocks, as JSON text.
inline std::string text_block(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 2 + 32);
    JsonObject(out).text("type", "text").text("text", text).close();
    return out;
}
inline std::string image_block(std::string_view base64, std::string_view mime_type) {
    std::string out;
    JsonObject(out).text("type", "image").text("data", base64).text("mimeType", mime_type).close();
    return out;
}
inline std::string audio_block(std::string_view base64, std::string_view mime_type) {
    std::string out;
    JsonObject(out).text("type", "audio").text("data", base64).text("mimeType", mime_type).close();
    return out;
}
/// `contents_json` is one of ResourceContents::json().
inline std::string resource_block(std::string_view contents_json) {
    std::string out;
    JsonObject(out).text("type", "resource").raw("resource", contents_json).close();
    return out;
}

inline ToolOutcome ToolOutcome::said(Kind kind, std::string_view text, std::string structured_json) {
    return of_block(kind, text_block(text), std::move(structured_json));
}

/// One tool.
struct Tool {
    std::string name;         ///< unique; letters, digits, `_ - .`, at most 128
    std::string title;        ///< for people; may be empty
    std::string description;  ///< for the model: when to use it, and what then
    std::string input_schema_json = R"({"type":"object"})";  ///< JSON Schema 2020-12
    std::string output_schema_json = {};  ///< of `structured_json`, refusals and faults included, as clients check
                                          ///< those too; empty: none is promised. Not shown at the legacy SSE door
    std::string annotations_json = {};    ///< readOnlyHint, destructiveHint, idempotentHint, openWorldHint
    std::string scope = {};               ///< what a principal needs to see and call it; empty: nothing
    bool legacy_only = false;             ///< to be seen and called at the legacy SSE door, and nowhere else
    /// Tells `done` the outcome exactly once, now or later. Checks the arguments itself (`invalid`); members it
    /// does not know are ignored.
    std::function<void(ToolContextPtr context, std::function<void(ToolOutcome)> done)> run;
    /// Instead of the description, when it depends on what holds at the moment, for this caller (the allowed keys).
    std::function<std::string(const Caller& caller)> describe = {};
};

/// What a resource holds.
struct ResourceContents {
    std::string uri;
    std::string mime_type;
    std::string text;     ///< or, when `is_blob`, bytes as base64
    bool is_blob = false;
    std::string meta_json = {};  ///< `_meta`: an object; may be empty

    std::string json() const {
        std::string out;
        JsonObject object(out);
        object.text("uri", uri);
        if (!mime_type.empty()) object.text("mimeType", mime_type);
        object.text(is_blob ? "blob" : "text", text);
        if (!meta_json.empty()) object.raw("_meta", meta_json);
        object.close();
        return out;
    }
};

/// How long a client may keep an answer, and whether it may show it to others (2026-07-28).
struct CacheHint {
    std::uint64_t ttl_ms = 0;  ///< 0: ask every time
    bool is_public = false;    ///< true only where the answer is the same for every principal
};

struct ResourceOutcome {
    enum class Kind : std::uint8_t { ok, not_found, refused, fault, input_required };
    Kind kind = Kind::ok;
    std::vector<ResourceContents> contents;
    CacheHint cache = {};
    std::string message = {};               ///< not_found, refused, fault
    std::vector<Question> questions = {};   ///< input_required, as in ToolOutcome
    Json state = {};
};

/// A line of resources/list.
struct Resource {
    std::string uri;
    std::string name;
    std::string title = {};
    std::string description = {};
    std::string mime_type = {};
    std::string annotations_json = {};
};
struct ResourcePage {
    std::vector<Resource> resources;
    std::string next;  ///< where the next page begins, in words of the source; empty: this was the last
};

/// A line of resources/templates/list.
struct ResourceTemplate {
    std::string uri_template;  ///< RFC 6570
    std::string name;
    std::string title = {};
    std::string description = {};
    std::string mime_type = {};
};

/// The resources of a server, all of them.
class ResourceSource {
public:
    virtual ~ResourceSource() = default;
    /// About `limit` of those that the caller may read, in a fixed order, from `after` on (the `next` of the page
    /// before; empty: from the start; it comes from the client: Errc::malformed when it is none).
    virtual Result<ResourcePage> list(const Caller& caller, std::string_view after, std::size_t limit) = 0;
    /// Tells `done` once. What may not be read is `not_found`, as what is not there.
    virtual void read(ToolContextPtr context, std::string uri, std::function<void(ResourceOutcome)> done) = 0;
    /// Whether the caller would find it in its list, if it is there.
    virtual bool may_list(const Caller& caller, std::string_view uri) = 0;
    /// Whether the caller may hear of changes of it: of resources that are not there yet, too.
    virtual bool may_subscribe(const Caller& caller, std::string_view uri) = 0;
    /// Of this URI somebody wants to hear from now on, and nobody did before; or nobody does any more.
    virtual void subscribed(std::string_view /*uri*/) {}
    virtual void unsubscribed(std::string_view /*uri*/) {}
};

struct PromptArgument {
    std::string name;
    std::string description = {};
    bool required = false;
};
struct PromptMessage {
    bool from_user = true;
    std::string content_json;  ///< one content block
};
struct PromptOutcome {
    enum class Kind : std::uint8_t { ok, invalid, fault, input_required };
    Kind kind = Kind::ok;
    std::string description = {};
    std::vector<PromptMessage> messages = {};
    std::string message = {};               ///< invalid, fault
    std::vector<Question> questions = {};   ///< input_required, as in ToolOutcome
    Json state = {};
};
struct Prompt {
    std::string name;
    std::string title = {};
    std::string description = {};
    std::vector<PromptArgument> arguments = {};
    std::string scope = {};  ///< as for a tool
    /// The required arguments are there and all arguments are strings: the server has seen to it.
    std::function<void(ToolContextPtr context, std::function<void(PromptOutcome)> done)> run;
};

/// completion/complete: what could stand in an argument of a prompt or of a resource template.
struct CompletionQuestion {
    bool of_prompt = false;  ///< else of a resource template
    std::string reference;   ///< name of the prompt, or the template
    std::string argument;    ///< its name
    std::string value;       ///< what is typed so far
    Json others;             ///< arguments that are settled already: an object of strings
};
struct Completion {
    std::vector<std::string> values;  ///< at most 100 are told
    std::optional<std::uint64_t> total = {};
    bool has_more = false;
};

/// What the server is told about changes. The server sets them; whoever fills the registry calls them.
struct Announcements {
    std::function<void()> tools_changed = [] {};
    std::function<void()> prompts_changed = [] {};
    /// These have come or gone: whoever may read one of them hears once that the list is another. Nobody else
    /// does: that there is something new tells of it, too.
    std::function<void(const std::vector<std::string>& uris)> resources_changed =
        [](const std::vector<std::string>&) {};
    /// Whoever subscribed to `uri` hears of it. `meta_json` is the notification's `_meta`, an object: for state
    /// {"epoch":…,"seq":…,"version":…,"mutationId":…}. Cheap when nobody has subscribed.
    std::function<void(std::string_view uri, std::string_view meta_json)> resource_updated =
        [](std::string_view, std::string_view) {};
    /// Everything may have changed (a feed was lost, news were dropped): as if every list and every subscribed
    /// resource had.
    std::function<void()> resync = [] {};
};

/// All that a server offers. Lists keep their order; tools and prompts that a caller has no scope for are
/// neither listed nor found.
struct Registry {
    std::string name = "state-engine";
    std::string title = {};
    std::string version = {};
    std::string description = {};
    std::string instructions = {};  ///< for the model, about the server as a whole

    std::vector<Tool> tools = {};
    std::vector<Prompt> prompts = {};
    std::vector<ResourceTemplate> templates = {};
    ResourceSource* resources = nullptr;  ///< outlives the registry; null: no resources
    std::function<Completion(const Caller& caller, const CompletionQuestion& question)> complete = {};

    /// Whether a caller has a scope that a tool or prompt names. Unset: no caller has any.
    std::function<bool(const Caller& caller, std::string_view scope)> has_scope = {};
    /// Whether a caller finds this tool in its list, and can call it.
    bool offers(const Tool& tool, const Caller& caller, bool legacy_sse) const {
        if (tool.legacy_only && !legacy_sse) return false;
        return tool.scope.empty() || (has_scope && has_scope(caller, tool.scope));
    }

    bool lists_change = false;       ///< announcements of changed lists will come
    bool resources_change = false;   ///< announcements of updated resources will come
    bool logs = false;               ///< tools use ToolContext::log
    CacheHint lists_cache = {};
    Announcements announce = {};
};

}  // namespace se::mcp
