// Calls: of a tool, of a prompt, the reading of a resource. All three may take time, report, ask the client and
// be taken back.

#include <algorithm>

#include "mcp/server_state.h"

namespace se::mcp {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info",     "notice", "warning",
                                            "error", "critical", "alert",  "emergency"};

/// What a client must have declared to be asked.
std::string capability_for(const Question& question) {
    if (question.method == "sampling/createMessage")
        return question.params.find("tools") != nullptr ? "sampling.tools" : "sampling";
    if (question.method == "elicitation/create") {
        const std::string* mode = text_member(question.params, "mode");
        return mode != nullptr && *mode == "url" ? "elicitation.url" : "elicitation";
    }
    SE_ASSERT(question.method == "roots/list");
    return "roots";
}

void set_path(Json& object, std::string_view path) {
    const std::size_t dot = path.find('.');
    const std::string name(path.substr(0, dot));
    const Json* there = object.find(name);
    Json inner = there == nullptr ? Json(Json::Object{}) : *there;
    if (dot != path.npos) set_path(inner, path.substr(dot + 1));
    object.set(name, std::move(inner));
}

std::string text_of(const ToolOutcome& outcome) {
    if (outcome.content_json.empty()) return "the tool failed";
    const auto block = parse_json(outcome.content_json.front());
    const std::string* text = block ? text_member(*block, "text") : nullptr;
    return text == nullptr ? "the tool failed" : *text;
}

std::string data_of(std::string_view uri) {
    std::string data;
    JsonObject(data).text("uri", uri).close();
    return data;
}

}  // namespace

// --- one call

void RunningCall::progress(double progress, std::optional<double> total, std::string_view message) {
    if (over || progress_token.empty() || (has_told_ && progress <= told_)) return;
    told_ = progress;
    has_told_ = true;
    std::string params;
    JsonObject object(params);
    object.raw("progressToken", progress_token).number("progress", progress);
    if (total) object.number("total", *total);
    if (!message.empty() && era >= Revision::v2025_03_26) object.text("message", message);
    object.close();
    outlet->say(rpc_notification("notifications/progress", params));
}

void RunningCall::log(LogLevel level, std::string_view logger, const Json& data) {
    if (over || !log_from || level < *log_from) return;
    std::string params;
    JsonObject object(params);
    object.text("level", kLevelNames[static_cast<std::size_t>(level)]);
    if (!logger.empty()) object.text("logger", logger);
    object.raw("data", se::to_text(data)).close();
    outlet->say(rpc_notification("notifications/message", params));
}

void RunningCall::on_cancel(std::function<void()> stop) {
    if (!over && stops_.size() < kStopsOfACall) stops_.push_back(std::move(stop));
}

void RunningCall::begin() {
    begin_round();
    // A modern client takes a call back by leaving. Most calls are over by now, and within a turn nobody can leave.
    if (over || era < Revision::v2026_07_28) return;
    outlet->on_gone = [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->cancel();
    };
}

void RunningCall::begin_round() {
    ++rounds;
    run(shared_from_this());
}

void RunningCall::close() {
    over = true;
    outlet->on_gone = [] {};
    stops_.clear();
    run = nullptr;
    const auto keep = shared_from_this();
    if (const auto whole = conversation.lock()) {
        whole->calls_.erase(id_json);
        std::erase_if(whole->waiting_, [&](const auto& one) { return one.second.call.lock() == keep; });
    }
}

void RunningCall::answer(AnswerText&& text) {
    if (over) return;
    close();
    outlet->answer(std::move(text).finish(), Standing::ok);
}

void RunningCall::fail(RpcError error, Standing standing) {
    if (over) return;
    close();
    outlet->answer(rpc_error(id_json, error), standing);
}

void RunningCall::cancel() {
    if (over) return;
    taken_back = true;
    const auto stops = std::move(stops_);
    close();
    for (const auto& stop : stops) stop();
    outlet->abandon();
}

/// The call of a request, or nothing: then it is answered. Takes `_meta` out of its params, and all that
/// is not needed to answer it.
RunningCallPtr ServerState::start(Asked& asked, std::string name, Json arguments) {
    auto call = std::make_shared<RunningCall>();
    call->server = weak_from_this();
    call->conversation = asked.conversation;
    call->outlet = asked.outlet;
    call->era = asked.era;
    call->id_json = asked.message.id_json;
    call->method = std::move(asked.message.method);
    call->name = std::move(name);
    call->caller = std::move(asked.caller);
    call->arguments = std::move(arguments);
    call->client = std::move(asked.client);
    call->answers = Json::Object{};
    call->revision = to_text(asked.era);
    call->legacy_sse = asked.legacy_sse();
    if (registry.logs) call->log_from = asked.log_from;
    Json* meta = member_of(asked.message.params, "_meta");
    call->meta = meta != nullptr && meta->is_object() ? std::move(*meta) : Json(Json::Object{});
    if (const Json* token = call->meta.find("progressToken");
        token != nullptr && (token->is_string() || token->is_integer()))
        call->progress_token = se::to_text(*token);

    if (asked.modern()) {
        if (const Json* answers = asked.params().find("inputResponses")) {
            const bool sound = answers->is_object() &&
                               std::ranges::all_of(answers->object(),
                                                   [](const auto& one) { return one.second.is_object(); });
            if (!sound) {
                asked.fail(RpcCode::invalid_params, "inputResponses is an object of results, one for each "
                                                    "of the inputRequests");
                return nullptr;
            }
            call->answers = *answers;
        }
        if (const Json* state = asked.params().find("requestState")) {
            const RequestStates::Call bound{.principal = call->caller.principal,
                                            .method = call->method,
                                            .name = call->name,
                                            .arguments = call->arguments};
            auto told = state->is_string() ? states.redeem(bound, state->string())
                                           : Error{Errc::malformed, "requestState is a string"};
            if (!told) {
                asked.fail(RpcCode::invalid_params, told.error().text);
                return nullptr;
            }
            call->state = std::move(*told);
        }
        return call;
    }
    auto& calls = asked.conversation->calls_;
    if (calls.contains(call->id_json)) {
        asked.fail(RpcCode::invalid_request, "this id is in use: a request has its own");
        return nullptr;
    }
    if (calls.size() >= kCallsInFlight) {
        asked.fail(RpcCode::internal, "all " + std::to_string(kCallsInFlight) +
                                          " calls of this conversation are taken: await an answer first",
                   R"({"reason":"overloaded"})");
        return nullptr;
    }
    calls.emplace(call->id_json, call);
    return call;
}

// --- tools

void ServerState::call_tool(Asked&& asked) {
    const std::string* name = text_member(asked.params(), "name");
    if (name == nullptr) return asked.fail(RpcCode::invalid_params, "tools/call needs the name of a tool");
    const Tool* tool = find_tool(asked, *name);
    if (tool == nullptr) {
        if (asked.legacy_sse()) return asked.fail(RpcCode::internal, "Tool not found: " + *name);
        return asked.fail(RpcCode::invalid_params, "Unknown tool: " + *name);
    }
    Json* given = member_of(asked.message.params, "arguments");
    if (given != nullptr && !given->is_object())
        return asked.fail(RpcCode::invalid_params, "arguments is an object");
    const RunningCallPtr call =
        start(asked, tool->name, given == nullptr ? Json(Json::Object{}) : std::move(*given));
    if (call == nullptr) return;
    call->run = [run = tool->run](const RunningCallPtr& self) {
        run(self, [self, round = self->rounds](ToolOutcome outcome) {
            const auto state = self->server.lock();
            if (state == nullptr || self->over || self->rounds != round || self->questions_open != 0) return;
            state->finish_tool(self, std::move(outcome));
        });
    };
    call->begin();
}

void ServerState::finish_tool(const RunningCallPtr& call, ToolOutcome&& outcome) {
    using Kind = ToolOutcome::Kind;
    if (outcome.kind == Kind::input_required)
        return ask(call, std::move(outcome.questions), outcome.state);
    bool is_error = outcome.kind != Kind::ok;
    if (call->legacy_sse) {
        if (outcome.kind == Kind::invalid || outcome.kind == Kind::fault)
            return call->fail({RpcCode::internal, text_of(outcome), {}});
        is_error = outcome.kind == Kind::not_allowed;
    }
    std::size_t bytes = outcome.structured_json.size();
    for (const std::string& block : outcome.content_json) bytes += block.size() + 1;
    AnswerText text(registry, call->era, call->id_json, bytes);
    JsonObject& result = text.result();
    std::string& content = result.member("content");
    content += '[';
    for (const std::string& block : outcome.content_json) {
        if (content.back() != '[') content += ',';
        content += block;
    }
    content += ']';
    if (!outcome.structured_json.empty() && call->era >= Revision::v2025_06_18)
        result.raw("structuredContent", outcome.structured_json);
    if (is_error) result.boolean("isError", true);
    call->answer(std::move(text));
}

// --- prompts

void ServerState::get_prompt(Asked&& asked) {
    const std::string* name = text_member(asked.params(), "name");
    if (name == nullptr) return asked.fail(RpcCode::invalid_params, "prompts/get needs the name of a prompt");
    const Prompt* prompt = find_prompt(asked.caller, *name);
    if (prompt == nullptr) return asked.fail(RpcCode::invalid_params, "Unknown prompt: " + *name);
    const Json* given = asked.params().find("arguments");
    const bool sound = given == nullptr ||
                       (given->is_object() && std::ranges::all_of(given->object(), [](const auto& one) {
                            return one.second.is_string();
                        }));
    if (!sound) return asked.fail(RpcCode::invalid_params, "arguments is an object of strings");
    Json arguments = given == nullptr ? Json(Json::Object{}) : *given;
    for (const PromptArgument& argument : prompt->arguments) {
        if (argument.required && arguments.find(argument.name) == nullptr)
            return asked.fail(RpcCode::invalid_params, "the argument " + argument.name + " is missing");
    }
    const RunningCallPtr call = start(asked, prompt->name, std::move(arguments));
    if (call == nullptr) return;
    call->run = [run = prompt->run](const RunningCallPtr& self) {
        run(self, [self, round = self->rounds](PromptOutcome outcome) {
            const auto state = self->server.lock();
            if (state == nullptr || self->over || self->rounds != round || self->questions_open != 0) return;
            state->finish_prompt(self, std::move(outcome));
        });
    };
    call->begin();
}

void ServerState::finish_prompt(const RunningCallPtr& call, PromptOutcome&& outcome) {
    using Kind = PromptOutcome::Kind;
    switch (outcome.kind) {
        case Kind::input_required: return ask(call, std::move(outcome.questions), outcome.state);
        case Kind::invalid: return call->fail({RpcCode::invalid_params, outcome.message, {}});
        case Kind::fault: return call->fail({RpcCode::internal, outcome.message, {}});
        case Kind::ok: break;
    }
    AnswerText text(registry, call->era, call->id_json);
    JsonObject& result = text.result();
    if (!outcome.description.empty()) result.text("description", outcome.description);
    std::string& messages = result.member("messages");
    messages += '[';
    for (const PromptMessage& message : outcome.messages) {
        if (messages.back() != '[') messages += ',';
        JsonObject(messages)
            .text("role", message.from_user ? "user" : "assistant")
            .raw("content", message.content_json)
            .close();
    }
    messages += ']';
    call->answer(std::move(text));
}

// --- resources

void ServerState::read_resource(Asked&& asked) {
    const std::string* uri = text_member(asked.params(), "uri");
    if (uri == nullptr || uri->size() > kUriBytesMax)
        return asked.fail(RpcCode::invalid_params,
                          "uri is a string of at most " + std::to_string(kUriBytesMax) + " bytes");
    const RunningCallPtr call = start(asked, *uri, Json::Object{});
    if (call == nullptr) return;
    if (registry.resources == nullptr)
        return finish_resource(call, {.kind = ResourceOutcome::Kind::not_found, .contents = {}});
    call->run = [source = registry.resources](const RunningCallPtr& self) {
        source->read(self, self->name, [self, round = self->rounds](ResourceOutcome outcome) {
            const auto state = self->server.lock();
            if (state == nullptr || self->over || self->rounds != round || self->questions_open != 0) return;
            state->finish_resource(self, std::move(outcome));
        });
    };
    call->begin();
}

void ServerState::finish_resource(const RunningCallPtr& call, ResourceOutcome&& outcome) {
    using Kind = ResourceOutcome::Kind;
    const bool modern = call->era >= Revision::v2026_07_28;
    switch (outcome.kind) {
        case Kind::input_required: return ask(call, std::move(outcome.questions), outcome.state);
        case Kind::not_found:
            return call->fail({modern ? RpcCode::invalid_params : RpcCode::resource_not_found,
                               outcome.message.empty() ? "Resource not found" : outcome.message,
                               data_of(call->name)});
        case Kind::refused: return call->fail({RpcCode::invalid_params, outcome.message, data_of(call->name)});
        case Kind::fault: return call->fail({RpcCode::internal, outcome.message, data_of(call->name)});
        case Kind::ok: break;
    }
    AnswerText text(registry, call->era, call->id_json);
    JsonObject& result = text.result();
    std::string& contents = result.member("contents");
    contents += '[';
    for (const ResourceContents& one : outcome.contents) {
        if (contents.back() != '[') contents += ',';
        contents += one.json();
    }
    contents += ']';
    if (modern) {
        result.integer("ttlMs", outcome.cache.ttl_ms)
            .text("cacheScope", outcome.cache.is_public ? "public" : "private");
    }
    call->answer(std::move(text));
}

// --- questions for the client

void ServerState::fault(const RunningCallPtr& call, std::string_view text) {
    if (call->method == "tools/call") return finish_tool(call, ToolOutcome::fault(text));
    call->fail({RpcCode::internal, std::string(text), {}});
}

void ServerState::ask(const RunningCallPtr& call, std::vector<Question>&& questions, const Json& state) {
    Json missing(Json::Object{});
    std::string names;
    for (const Question& question : questions) {
        const std::string capability = capability_for(question);
        if (call->client_can(capability)) continue;
        set_path(missing, capability);
        names += (names.empty() ? "" : ", ") + capability;
    }
    const bool modern = call->era >= Revision::v2026_07_28;
    if (!names.empty()) {
        if (!modern) return fault(call, "the client cannot be asked: it did not declare " + names);
        std::string data;
        JsonObject(data).raw("requiredCapabilities", se::to_text(missing)).close();
        return call->fail({RpcCode::missing_capability, "the client did not declare " + names, data},
                          Standing::bad_request);
    }
    if (modern) return ask_modern(call, questions, state);

    const ConversationPtr whole = call->conversation.lock();
    if (whole == nullptr) return;
    if (call->rounds >= kRoundsOfQuestions || questions.empty())
        return fault(call, "the call asks and asks: it has had its " + std::to_string(kRoundsOfQuestions) +
                               " rounds");
    const bool known = std::ranges::any_of(conversations,
                                           [&](const auto& one) { return one.lock() == whole; });
    if (!known) conversations.push_back(whole);
    call->state = state;
    call->answers = Json::Object{};
    call->questions_open = questions.size();
    const auto until = clock.monotonic() + kAnswerWait;
    std::vector<std::string> messages;
    for (Question& question : questions) {
        const std::string id = "\"ask-" + std::to_string(++whole->next_question_) + '"';
        whole->waiting_[id] = {.call = call, .key = question.key, .method = question.method, .until = until};
        messages.push_back(rpc_request(id, question.method, se::to_text(question.params)));
    }
    for (std::string& message : messages) {
        if (!call->over) call->outlet->say(std::move(message));
    }
}

void ServerState::ask_modern(const RunningCallPtr& call, const std::vector<Question>& questions,
                             const Json& state) {
    SE_ASSERT(!questions.empty() || !state.is_null());
    AnswerText text(registry, call->era, call->id_json, 0, "input_required");
    JsonObject& result = text.result();
    if (!questions.empty()) {
        JsonObject requests(result.member("inputRequests"));
        for (const Question& question : questions) {
            std::string& one = requests.member(question.key);
            JsonObject(one)
                .text("method", question.method)
                .raw("params", se::to_text(question.params))
                .close();
        }
        requests.close();
    }
    if (!state.is_null()) {
        const RequestStates::Call bound{.principal = call->caller.principal,
                                        .method = call->method,
                                        .name = call->name,
                                        .arguments = call->arguments};
        const auto issued = states.issue(bound, state);
        if (!issued) return fault(call, issued.error().text);
        result.text("requestState", *issued);
    }
    call->answer(std::move(text));
}

void ServerState::take_answer(const ConversationPtr& conversation, RpcMessage&& message) {
    const auto found = conversation->waiting_.find(message.id_json);
    if (found == conversation->waiting_.end()) return;  // late, or never asked
    const Conversation::Waiting waiting = found->second;
    conversation->waiting_.erase(found);
    const RunningCallPtr call = waiting.call.lock();
    if (call == nullptr || call->over) return;
    if (message.kind == RpcMessage::Kind::error) {
        call->questions_open = 0;
        return fault(call, "the client answered " + waiting.method + " with an error: " + message.error_text);
    }
    call->answers.set(waiting.key, std::move(message.result));
    if (--call->questions_open == 0) call->begin_round();
}

std::chrono::nanoseconds ServerState::check_answers(std::chrono::nanoseconds now) {
    std::erase_if(conversations, [](const auto& weak) {
        const auto whole = weak.lock();
        return whole == nullptr || whole->waiting_.empty();
    });
    std::chrono::nanoseconds next = kAnswerWait;
    const auto all = conversations;
    for (const auto& weak : all) {
        const auto whole = weak.lock();
        if (whole == nullptr) continue;
        std::vector<std::pair<RunningCallPtr, std::string>> late;
        for (const auto& [id, waiting] : whole->waiting_) {
            if (waiting.until > now) {
                next = std::min(next, waiting.until - now);
            } else if (auto call = waiting.call.lock()) {
                late.emplace_back(std::move(call), waiting.method);
            }
        }
        for (const auto& [call, method] : late) {
            if (call->over) continue;
            call->questions_open = 0;
            fault(call, "the client did not answer " + method + " within " +
                            std::to_string(kAnswerWait.count()) + " minutes");
        }
    }
    return next;
}

}  // namespace se::mcp
