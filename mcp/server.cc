// Messages and the life of a conversation. What the methods do is in server_lists, server_calls and
// server_subscriptions.

#include "mcp/server.h"

#include <algorithm>
#include <array>

#include "engine/tracing.h"
#include "mcp/server_state.h"

namespace se::mcp {
namespace {

constexpr std::string_view kMetaRevision = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view kMetaClient = "io.modelcontextprotocol/clientCapabilities";
constexpr std::string_view kMetaClientInfo = "io.modelcontextprotocol/clientInfo";
constexpr std::string_view kMetaLogLevel = "io.modelcontextprotocol/logLevel";
constexpr std::string_view kMetaServerInfo = "io.modelcontextprotocol/serverInfo";

constexpr std::array<std::pair<Revision, std::string_view>, 5> kRevisions = {{
    {Revision::v2024_11_05, "2024-11-05"},
    {Revision::v2025_03_26, "2025-03-26"},
    {Revision::v2025_06_18, "2025-06-18"},
    {Revision::v2025_11_25, "2025-11-25"},
    {Revision::v2026_07_28, kModernRevision},
}};

constexpr std::array<std::string_view, 8> kLevels = {"debug", "info",     "notice", "warning",
                                                     "error", "critical", "alert",  "emergency"};

std::optional<LogLevel> level_from_text(std::string_view text) {
    const auto at = std::ranges::find(kLevels, text);
    if (at == kLevels.end()) return std::nullopt;
    return static_cast<LogLevel>(at - kLevels.begin());
}

/// Which eras have a method.
enum class In : std::uint8_t { sessions, modern, both };

struct Method {
    std::string_view name;
    In in;
    void (ServerState::*serve)(Asked&&);
};

constexpr auto kMethods = std::to_array<Method>({
    {"initialize", In::sessions, &ServerState::initialize},
    {"ping", In::sessions, &ServerState::ping},
    {"logging/setLevel", In::sessions, &ServerState::set_level},
    {"resources/subscribe", In::sessions, &ServerState::subscribe},
    {"resources/unsubscribe", In::sessions, &ServerState::unsubscribe},
    {"server/discover", In::modern, &ServerState::discover},
    {"subscriptions/listen", In::modern, &ServerState::listen},
    {"tools/list", In::both, &ServerState::list_tools},
    {"tools/call", In::both, &ServerState::call_tool},
    {"resources/list", In::both, &ServerState::list_resources},
    {"resources/templates/list", In::both, &ServerState::list_templates},
    {"resources/read", In::both, &ServerState::read_resource},
    {"prompts/list", In::both, &ServerState::list_prompts},
    {"prompts/get", In::both, &ServerState::get_prompt},
    {"completion/complete", In::both, &ServerState::complete},
});

/// Capabilities of a client that a question to it can need, and their parts.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kCapabilities = {
    {{"elicitation", "form"},
     {"elicitation", "url"},
     {"roots", "listChanged"},
     {"sampling", "context"},
     {"sampling", "tools"}}};

/// Of all that it declared only these are kept: it may be as large as a message, and stays as long as the conversation.
Json known_capabilities(const Json& declared) {
    Json known(Json::Object{});
    for (const auto& [name, part] : kCapabilities) {
        const Json* capability = declared.find(name);
        if (capability == nullptr) continue;
        const Json* before = known.find(name);
        Json kept = before == nullptr ? Json(Json::Object{}) : *before;
        if (capability->find(part) != nullptr) kept.set(std::string(part), Json::Object{});
        known.set(std::string(name), std::move(kept));
    }
    return known;
}

/// The client's own trace, when it sent one with the message.
void take_trace(const RpcMessage& message, Caller* caller) {
    const Json* meta = message.params.find("_meta");
    if (meta == nullptr) return;
    const std::string* trace = text_member(*meta, "traceparent");
    if (trace != nullptr && is_traceparent(*trace)) caller->trace = *trace;
}

}  // namespace

const std::string* text_member(const Json& object, std::string_view name) {
    const Json* member = object.find(name);
    return member != nullptr && member->is_string() ? &member->string() : nullptr;
}

std::string_view to_text(Revision revision) {
    return kRevisions[static_cast<std::size_t>(revision)].second;
}

std::optional<Revision> revision_from_text(std::string_view text) {
    for (const auto& [revision, name] : kRevisions) {
        if (name == text) return revision;
    }
    return std::nullopt;
}

// --- what every answer says

std::string ServerState::capabilities(bool legacy_sse) const {
    std::string out;
    JsonObject all(out);
    const bool lists_change = registry.lists_change && !legacy_sse;
    const std::string_view changes = lists_change ? R"({"listChanged":true})" : "{}";
    all.raw("tools", changes);
    std::string resources;
    JsonObject of_resources(resources);
    if (lists_change) of_resources.boolean("listChanged", true);
    if (registry.resources_change) of_resources.boolean("subscribe", true);
    of_resources.close();
    all.raw("resources", resources).raw("prompts", changes);
    if (registry.complete) all.raw("completions", "{}");
    if (registry.logs) all.raw("logging", "{}");
    all.close();
    return out;
}

std::string ServerState::server_info(Revision era) const {
    std::string out;
    JsonObject info(out);
    info.text("name", registry.name);
    if (!registry.title.empty() && era >= Revision::v2025_06_18) info.text("title", registry.title);
    info.text("version", registry.version);
    if (!registry.description.empty() && era >= Revision::v2025_11_25)
        info.text("description", registry.description);
    info.close();
    return out;
}

namespace {

/// For a message whose result has members of so many bytes.
std::string with_room(std::size_t member_bytes) {
    constexpr std::size_t kAroundBytes = 256;  // envelope, resultType and _meta
    std::string text;
    text.reserve(member_bytes + kAroundBytes);
    return text;
}

}  // namespace

AnswerText::AnswerText(const Registry& registry, Revision era, std::string_view id_json, std::size_t bytes,
                       std::string_view result_type)
    : registry_(registry),
      era_(era),
      text_(with_room(bytes)),
      message_(text_),
      result_(begin_rpc_result(message_, id_json)) {
    if (modern()) result_.text("resultType", result_type);
}

std::string AnswerText::finish(std::string_view listen_id_json) && {
    if (modern()) {
        JsonObject meta(result_.member("_meta"));
        if (!listen_id_json.empty()) meta.raw(kMetaSubscription, listen_id_json);
        JsonObject(meta.member(kMetaServerInfo))
            .text("name", registry_.name)
            .text("version", registry_.version)
            .close();
        meta.close();
    }
    result_.close();
    message_.close();
    return std::move(text_);
}

// --- messages

void ServerState::dispatch(Asked&& asked) {
    take_trace(asked.message, &asked.caller);
    for (const Method& method : kMethods) {
        if (method.name != asked.message.method) continue;
        if (method.in != In::both && (method.in == In::modern) != asked.modern()) break;
        return (this->*method.serve)(std::move(asked));
    }
    // The legacy door says what its clients have always read.
    std::string text = "Method not found";
    if (!asked.legacy_sse()) text += ": " + asked.message.method;
    asked.fail(RpcCode::method_not_found, std::move(text), {}, Standing::not_found);
}

void ServerState::serve_modern(const Caller& caller, RpcMessage message, OutletPtr outlet) {
    SE_ASSERT(message.kind == RpcMessage::Kind::request);
    Asked asked{.caller = caller,
                .message = std::move(message),
                .outlet = std::move(outlet),
                .era = Revision::v2026_07_28};
    const auto refuse = [&](std::string text) {
        asked.fail(RpcCode::invalid_params, std::move(text), {}, Standing::bad_request);
    };
    const Json* meta = asked.params().find("_meta");
    if (meta == nullptr || !meta->is_object())
        return refuse("params._meta is missing: every request says its " + std::string(kMetaRevision) +
                      " and " + std::string(kMetaClient));
    const std::string* revision = text_member(*meta, kMetaRevision);
    if (revision == nullptr) return refuse("_meta has no " + std::string(kMetaRevision));
    if (*revision != kModernRevision) {
        std::string data;
        JsonObject(data)
            .raw("supported", "[\"" + std::string(kModernRevision) + "\"]")
            .text("requested", *revision)
            .close();
        return asked.fail(RpcCode::unsupported_version, "Unsupported protocol version", data,
                          Standing::bad_request);
    }
    const Json* client = meta->find(kMetaClient);
    if (client == nullptr || !client->is_object())
        return refuse("_meta has no " + std::string(kMetaClient));
    if (const Json* info = meta->find(kMetaClientInfo); info != nullptr && !info->is_object())
        return refuse(std::string(kMetaClientInfo) + " is an object");
    if (const Json* level = meta->find(kMetaLogLevel)) {
        asked.log_from = level->is_string() ? level_from_text(level->string()) : std::nullopt;
        if (!asked.log_from) return refuse(std::string(kMetaLogLevel) + " is no level");
    }
    asked.client = std::make_shared<const Json>(*client);
    dispatch(std::move(asked));
}

void ServerState::serve(const ConversationPtr& conversation, const Caller& caller, RpcMessage message,
                        OutletPtr outlet) {
    if (conversation->ended_) return;
    switch (message.kind) {
        case RpcMessage::Kind::notification: return take_notice(conversation, message);
        case RpcMessage::Kind::result:
        case RpcMessage::Kind::error: return take_answer(conversation, std::move(message));
        case RpcMessage::Kind::request: break;
    }
    Asked asked{.caller = caller,
                .message = std::move(message),
                .outlet = std::move(outlet),
                .era = conversation->revision_.value_or(kNewestWithSessions),
                .conversation = conversation,
                .client = conversation->client_,
                .log_from = conversation->log_from_};
    const std::string& method = asked.message.method;
    // The legacy door never asked for a handshake; its clients may know no better.
    if (!conversation->revision_ && !conversation->legacy_sse_ && method != "initialize" && method != "ping")
        return asked.fail(RpcCode::invalid_request,
                          "begin with initialize, or name " + std::string(kModernRevision) + " in _meta", {},
                          Standing::bad_request);
    dispatch(std::move(asked));
}

void ServerState::initialize(Asked&& asked) {
    Conversation& conversation = *asked.conversation;
    const std::string* wanted = text_member(asked.params(), "protocolVersion");
    const Json* client = asked.params().find("capabilities");
    if (wanted == nullptr || (client != nullptr && !client->is_object()))
        return asked.fail(RpcCode::invalid_params, "initialize says protocolVersion and capabilities", {},
                          Standing::bad_request);
    if (conversation.revision_ && !conversation.legacy_sse_)
        return asked.fail(RpcCode::invalid_request, "this conversation has begun already", {},
                          Standing::bad_request);
    // What we do not speak is answered with the newest that we do; the client goes or stays.
    const auto revision = revision_from_text(*wanted);
    conversation.revision_ =
        revision && *revision <= kNewestWithSessions ? *revision : kNewestWithSessions;
    if (client != nullptr) conversation.client_ = std::make_shared<const Json>(known_capabilities(*client));
    asked.era = *conversation.revision_;

    AnswerText text = answer_to(asked);
    JsonObject& result = text.result();
    result.text("protocolVersion", to_text(asked.era))
        .raw("capabilities", capabilities(asked.legacy_sse()))
        .raw("serverInfo", server_info(asked.era));
    if (!registry.instructions.empty()) result.text("instructions", registry.instructions);
    asked.answer(std::move(text));
}

void ServerState::discover(Asked&& asked) {
    AnswerText text = answer_to(asked);
    JsonObject& result = text.result();
    result.raw("supportedVersions", "[\"" + std::string(kModernRevision) + "\"]")
        .raw("capabilities", capabilities(false));
    if (!registry.instructions.empty()) result.text("instructions", registry.instructions);
    result.integer("ttlMs", registry.lists_cache.ttl_ms)
        .text("cacheScope", registry.lists_cache.is_public ? "public" : "private");
    asked.answer(std::move(text));
}

void ServerState::ping(Asked&& asked) { asked.answer(answer_to(asked)); }

void ServerState::set_level(Asked&& asked) {
    if (!registry.logs)
        return asked.fail(RpcCode::method_not_found, "this server does not log to its clients", {},
                          Standing::not_found);
    const std::string* text = text_member(asked.params(), "level");
    const auto level = text == nullptr ? std::nullopt : level_from_text(*text);
    if (!level) {
        return asked.fail(RpcCode::invalid_params,
                          "level is one of debug, info, notice, warning, error, critical, alert, emergency");
    }
    asked.conversation->log_from_ = *level;
    asked.answer(answer_to(asked));
}

void ServerState::take_notice(const ConversationPtr& conversation, const RpcMessage& message) {
    if (message.method != "notifications/cancelled") return;
    const Json* id = message.params.find("requestId");
    if (id == nullptr) return;
    const auto call = conversation->calls_.find(se::to_text(*id));
    if (call != conversation->calls_.end()) RunningCallPtr(call->second)->cancel();
}

ConversationPtr ServerState::open(const Caller& caller, bool legacy_sse,
                                  std::function<void(std::string)> tell) {
    auto conversation = std::make_shared<Conversation>();
    conversation->legacy_sse_ = legacy_sse;
    conversation->subscription_ = ++next_subscription;
    // The clients of the legacy door know nothing of lists that change: on their one stream stands what they
    // asked for.
    subscriptions[conversation->subscription_] = {.caller = caller,
                                                  .tools = !legacy_sse,
                                                  .prompts = !legacy_sse,
                                                  .resources = !legacy_sse,
                                                  .uris = {},
                                                  .id_json = {},
                                                  .tell = std::move(tell),
                                                  .outlet = nullptr};
    return conversation;
}

void ServerState::resync(const ConversationPtr& conversation) { resync(conversation->subscription_); }

void ServerState::end(const ConversationPtr& conversation) {
    if (std::exchange(conversation->ended_, true)) return;
    close_subscription(conversation->subscription_);
    conversation->waiting_.clear();
    const auto calls = std::move(conversation->calls_);
    conversation->calls_.clear();
    for (const auto& [id, call] : calls) call->cancel();
}

// --- the door of it

Server::Server(Registry& registry, Clock& clock, Random& random)
    : state_(std::make_shared<ServerState>(registry, clock, random)) {
    ServerState* state = state_.get();
    registry.announce = {
        .tools_changed =
            [state] {
                state->mirrored.clear();
                state->lists_changed(&Subscription::tools, "notifications/tools/list_changed");
            },
        .prompts_changed =
            [state] { state->lists_changed(&Subscription::prompts, "notifications/prompts/list_changed"); },
        .resources_changed =
            [state](const std::vector<std::string>& uris) {
                state->lists_changed(&Subscription::resources, "notifications/resources/list_changed",
                                     [&](const Caller& caller) {
                                         return std::ranges::any_of(uris, [&](const std::string& uri) {
                                             return state->registry.resources->may_list(caller, uri);
                                         });
                                     });
            },
        .resource_updated = [state](std::string_view uri,
                                    std::string_view meta) { state->resource_updated(uri, meta); },
        .resync =
            [state] {
                state->lists_changed(&Subscription::tools, "notifications/tools/list_changed");
                state->lists_changed(&Subscription::prompts, "notifications/prompts/list_changed");
                state->lists_changed(&Subscription::resources, "notifications/resources/list_changed");
                std::vector<std::uint64_t> numbers;
                for (const auto& [number, subscription] : state->subscriptions) numbers.push_back(number);
                for (const std::uint64_t number : numbers) state->resync(number);
            },
    };
}

Server::~Server() { state_->registry.announce = {}; }

const Json* Server::named_revision(const RpcMessage& message) {
    const Json* meta = message.params.find("_meta");
    return meta == nullptr ? nullptr : meta->find(kMetaRevision);
}
bool Server::is_modern(const RpcMessage& message) { return named_revision(message) != nullptr; }

void Server::serve_modern(const Caller& caller, RpcMessage message, OutletPtr outlet) {
    state_->serve_modern(caller, std::move(message), std::move(outlet));
}
ConversationPtr Server::open(const Caller& caller, bool legacy_sse, std::function<void(std::string)> tell) {
    return state_->open(caller, legacy_sse, std::move(tell));
}
void Server::serve(const ConversationPtr& conversation, const Caller& caller, RpcMessage message,
                   OutletPtr outlet) {
    state_->serve(conversation, caller, std::move(message), std::move(outlet));
}
void Server::resync(const ConversationPtr& conversation) {
    state_->resync(conversation);
}
void Server::end(const ConversationPtr& conversation) { state_->end(conversation); }
const std::vector<Server::MirroredParameter>& Server::mirrored_parameters(std::string_view tool) {
    return state_->mirrored_parameters(tool);
}
std::chrono::nanoseconds Server::tick() { return state_->check_answers(state_->clock.monotonic()); }
void Server::drain() { state_->drain(); }
std::size_t Server::listens() const { return state_->listens(); }

}  // namespace se::mcp
