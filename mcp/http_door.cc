// POST, GET and DELETE /mcp, for both eras.

#include "mcp/http_door.h"

#include <algorithm>

#include "mcp/http_state.h"

namespace se::mcp {
namespace {

Problem overloaded(std::string message) {
    return {.status = 503,
            .code = Code::unavailable,
            .message = std::move(message),
            .reason = "overloaded",
            .retry_after_ms = 1000};
}

Problem going_down() {
    return {.status = 503,
            .code = Code::unavailable,
            .message = "the engine is stopping",
            .reason = "draining",
            .retry_after_ms = 1000};
}

Problem not_taken(std::string message, int status) {
    return {.status = status, .code = Code::malformed, .message = std::move(message)};
}

Response wrong_method(std::string_view path, std::string allowed) {
    Response response = to_response(not_taken(std::string(path) + " takes " + allowed, 405));
    response.headers.emplace_back("Allow", std::move(allowed));
    return response;
}

RpcError unsupported(std::string_view requested) {
    std::string data;
    JsonObject(data)
        .raw("supported", "[\"" + std::string(kModernRevision) + "\"]")
        .text("requested", requested)
        .close();
    return {RpcCode::unsupported_version, "Unsupported protocol version", std::move(data)};
}

RpcMessage* only_message(RpcText& text) {
    return text.batch ? nullptr : std::get_if<RpcMessage>(&text.items.front());
}

bool is_request(const RpcMessage& message) { return message.kind == RpcMessage::Kind::request; }

Response accepted() {
    Response response;
    response.status = 202;
    return response;
}

}  // namespace

HttpDoor::HttpDoor(Host host) : state_(std::make_shared<State>(std::move(host))) {}
HttpDoor::~HttpDoor() { state_->sessions.end_all(); }

bool HttpDoor::serves(std::string_view target) {
    const std::string_view path = path_of(target);
    return path == "/mcp" || path == "/sse" || path == "/message";
}

void HttpDoor::handle(Request&& request, Api::Reply reply) {
    state_->handle(std::move(request), std::move(reply));
}

void HttpDoor::State::handle(Request&& request, Api::Reply reply) {
    const std::string path(path_of(request.target));
    const bool modern_path = path == "/mcp";
    Visit visit{.reply = std::move(reply)};
    if (const auto problem = host.admit(request, &visit.caller)) {
        if (modern_path || problem->status != 401) return visit.reply(to_response(*problem));
        Response response;
        response.status = 401;
        response.content_type = "text/html; charset=utf-8";
        response.body = "Unauthorized";
        return visit.reply(std::move(response));
    }
    auto query = Query::parse(query_of(request.target));
    if (!query) return visit.reply(to_response(not_taken(query.error().text, 400)));
    if (!request.too_large.empty()) {
        return visit.reply(to_response(
            {.status = 413, .code = Code::too_large, .message = std::move(request.too_large)}));
    }
    visit.query = std::move(*query);
    visit.request = std::move(request);
    const std::string& method = visit.request.method;
    if (path == "/sse") {
        if (method != "GET") return visit.reply(wrong_method(path, "GET"));
        return get_sse(std::move(visit));
    }
    if (path == "/message") {
        if (method != "POST") return visit.reply(wrong_method(path, "POST"));
        return post_message(std::move(visit));
    }
    if (method == "POST") return post(std::move(visit));
    if (method == "GET") return get(std::move(visit));
    if (method == "DELETE") return remove(std::move(visit));
    visit.reply(wrong_method(path, "POST, GET, DELETE"));
}

// --- POST

void HttpDoor::State::post(Visit&& visit) {
    const Request& request = visit.request;
    if (!request.has_type("application/json"))
        return visit.reply(to_response(not_taken("Content-Type is application/json", 415)));
    if (!accepts(request, "application/json") || !accepts(request, "text/event-stream")) {
        return visit.reply(to_response(
            not_taken("Accept names application/json and text/event-stream: an answer may be either", 406)));
    }
    if (draining) return visit.reply(to_response(going_down()));
    RpcText text = parse_rpc(request.body);
    if (!text.batch) {
        if (const auto* fault = std::get_if<RpcFault>(&text.items.front()))
            return reply_rpc_error(visit.reply, 400, fault->id_json, fault->error);
    }
    const std::string_view version = request.header("mcp-protocol-version");
    const auto revision = revision_from_text(version);
    RpcMessage* message = only_message(text);
    const bool names_modern = message != nullptr && Server::is_modern(*message);
    if (names_modern || version == kModernRevision) {
        if (message == nullptr) {
            return reply_rpc_error(visit.reply, 400, "null",
                                   {RpcCode::invalid_request, "one message at a time, no batch", {}});
        }
        return post_modern(std::move(visit), std::move(*message));
    }
    if (!version.empty() && !revision) {
        const std::string id = message != nullptr && is_request(*message) ? message->id_json : "null";
        return reply_rpc_error(visit.reply, 400, id, unsupported(version));
    }
    post_to_session(std::move(visit), std::move(text));
}

void HttpDoor::State::post_modern(Visit&& visit, RpcMessage&& message) {
    if (message.kind == RpcMessage::Kind::notification) return visit.reply(accepted());
    if (!is_request(message)) {
        return reply_rpc_error(visit.reply, 400, "null",
                               {RpcCode::invalid_request, "a client sends no answers here", {}});
    }
    const std::string_view version = visit.request.header("mcp-protocol-version");
    const Json* named = Server::named_revision(message);
    std::optional<RpcError> error;
    if (version.empty()) {
        error = {RpcCode::header_mismatch, "Header mismatch: MCP-Protocol-Version is missing", {}};
    } else if (named != nullptr && named->is_string() && named->string() != version) {
        error = {RpcCode::header_mismatch,
                 "Header mismatch: MCP-Protocol-Version does not say what the message says", {}};
    } else if (version == kModernRevision) {
        error = compare_headers(visit.request, message, host.server);
    }
    if (error) return reply_rpc_error(visit.reply, 400, message.id_json, *error);
    std::shared_ptr<void> place;
    if (message.method == "subscriptions/listen") {
        if (const auto problem = take_place(visit.caller.principal, &place))
            return visit.reply(to_response(*problem));
    }
    OutletWishes wishes{.stream = prefers_stream(visit.request), .place = std::move(place)};
    host.server.serve_modern(visit.caller, std::move(message),
                             modern_outlet(std::move(visit.reply), *this, std::move(wishes)));
}

void HttpDoor::State::post_to_session(Visit&& visit, RpcText&& text) {
    const std::string_view id = visit.request.header("mcp-session-id");
    const RpcMessage* message = only_message(text);
    const auto refuse = [&](int status, std::string why) {
        const std::string to = message != nullptr && is_request(*message) ? message->id_json : "null";
        reply_rpc_error(visit.reply, status, to, {RpcCode::invalid_request, std::move(why), {}});
    };
    SessionPtr session;
    bool is_new = false;
    if (id.empty()) {
        if (message == nullptr || message->method != "initialize" || !is_request(*message)) {
            return refuse(400, "Mcp-Session-Id is missing: begin with initialize, or name " +
                                   std::string(kModernRevision) + " in _meta");
        }
        auto opened = sessions.open(visit.caller, false);
        if (!opened) return visit.reply(to_response(overloaded(opened.error().text)));
        session = std::move(*opened);
        is_new = true;
    } else {
        session = sessions.find(id, visit.caller, false);
        if (session == nullptr) return refuse(404, "Session not found: begin again with initialize");
    }

    if (!text.batch) {
        RpcMessage one = std::get<RpcMessage>(std::move(text.items.front()));
        if (!is_request(one)) {
            host.server.serve(session->conversation, visit.caller, std::move(one), nullptr);
            return visit.reply(accepted());
        }
        host.server.serve(session->conversation, visit.caller, std::move(one),
                          session_outlet(std::move(visit.reply), *this, session,
                                         {.stream = prefers_stream(visit.request),
                                          .says_session_id = is_new}));
        if (!session->conversation->revision()) sessions.end(session);
        return;
    }
    // Arrays came with one revision and went with the next.
    if (session->conversation->revision().value_or(kNewestWithSessions) > Revision::v2025_03_26)
        return refuse(400, "one message at a time: this revision has no batches");
    std::size_t requests = 0;
    for (const RpcItem& item : text.items) {
        const auto* one = std::get_if<RpcMessage>(&item);
        requests += one == nullptr || is_request(*one);
    }
    std::vector<OutletPtr> outlets;
    if (requests == 0) {
        visit.reply(accepted());
    } else {
        outlets = batch_outlets(std::move(visit.reply), *this, session, requests);
    }
    std::size_t next = 0;
    for (RpcItem& item : text.items) {
        if (const auto* fault = std::get_if<RpcFault>(&item)) {
            outlets[next++]->answer(rpc_error(fault->id_json, fault->error), Standing::ok);
            continue;
        }
        RpcMessage one = std::get<RpcMessage>(std::move(item));
        const bool asks = is_request(one);
        host.server.serve(session->conversation, visit.caller, std::move(one),
                          asks ? outlets[next++] : nullptr);
    }
}

// --- GET, DELETE

void HttpDoor::State::get(Visit&& visit) {
    const Request& request = visit.request;
    if (request.header("mcp-protocol-version") == kModernRevision)
        return visit.reply(wrong_method("/mcp", "POST"));
    if (!accepts(request, "text/event-stream"))
        return visit.reply(to_response(not_taken("Accept names text/event-stream", 406)));
    if (draining) return visit.reply(to_response(going_down()));
    const std::string_view id = request.header("mcp-session-id");
    const auto refuse = [&](int status, std::string why) {
        reply_rpc_error(visit.reply, status, "null", {RpcCode::invalid_request, std::move(why), {}});
    };
    if (id.empty()) return refuse(400, "Mcp-Session-Id is missing");
    const SessionPtr session = sessions.find(id, visit.caller, false);
    if (session == nullptr) return refuse(404, "Session not found: begin again with initialize");
    std::shared_ptr<void> place;
    if (const auto problem = take_place(visit.caller.principal, &place))
        return visit.reply(to_response(*problem));

    const std::string_view last = request.header("last-event-id");
    auto [stream, seen] = session->find_event(last);
    const bool unknown = stream == nullptr && !last.empty();
    std::optional<std::uint64_t> after;
    if (stream != nullptr) after = seen;
    if (stream == nullptr) stream = session->streams.at(0);
    bool gap = false;
    const auto connection = stream->connect(after, &gap);
    keep(connection, std::move(place));
    visit.reply(event_response(connection));
    // What was lost in between is told as changed, all of it: the client reads again what it follows.
    if (gap || unknown) host.server.resync(session->conversation);
}

void HttpDoor::State::remove(Visit&& visit) {
    const std::string_view id = visit.request.header("mcp-session-id");
    if (visit.request.header("mcp-protocol-version") == kModernRevision)
        return visit.reply(wrong_method("/mcp", "POST"));
    const SessionPtr session = id.empty() ? nullptr : sessions.find(id, visit.caller, false);
    if (session == nullptr) {
        return reply_rpc_error(visit.reply, id.empty() ? 400 : 404, "null",
                               {RpcCode::invalid_request,
                                id.empty() ? "Mcp-Session-Id is missing" : "Session not found", {}});
    }
    sessions.end(session);
    visit.reply(Response{});
}

// --- streams and timers

std::optional<Problem> HttpDoor::State::take_place(const std::string& principal,
                                                   std::shared_ptr<void>* place) {
    const std::size_t of_one = std::max<std::size_t>(host.streams / 2, 1);
    const auto mine = long_streams.find(principal);
    if (mine != long_streams.end() && mine->second >= of_one)
        return overloaded("all " + std::to_string(of_one) + " streams of " + principal +
                          " are taken (half of http.streams)");
    if (long_streams_all >= host.streams)
        return overloaded("all " + std::to_string(host.streams) + " streams are taken (http.streams)");
    ++long_streams[principal];
    ++long_streams_all;
    *place = std::shared_ptr<void>(nullptr, [weak = weak_from_this(), principal](void*) {
        const auto door = weak.lock();
        if (door == nullptr) return;
        --door->long_streams_all;
        const auto found = door->long_streams.find(principal);
        if (--found->second == 0) door->long_streams.erase(found);
    });
    return std::nullopt;
}

void HttpDoor::State::keep(const std::shared_ptr<EventConnection>& connection, std::shared_ptr<void> place) {
    connection->held = std::move(place);
    std::erase_if(connections, [](const auto& weak) { return weak.expired(); });
    connections.push_back(connection);
    host.tick_within(kKeepAlive);
}

std::chrono::nanoseconds HttpDoor::tick() {
    State& state = *state_;
    const auto now = state.host.clock.monotonic();
    std::erase_if(state.connections, [](const auto& weak) { return weak.expired(); });
    if (now >= state.keep_alive_due) {
        state.keep_alive_due = now + kKeepAlive;
        const auto all = state.connections;
        for (const auto& weak : all) {
            if (const auto connection = weak.lock()) connection->keep_alive();
        }
    }
    std::chrono::nanoseconds next = std::min(state.sessions.tick(), state.host.server.tick());
    if (!state.connections.empty()) next = std::min(next, state.keep_alive_due - now);
    return next;
}

void HttpDoor::end_all() {
    state_->host.server.drain();
    state_->sessions.end_all();
}

void HttpDoor::drain() {
    state_->draining = true;
    end_all();
}

std::string HttpDoor::metrics() const {
    std::string out;
    const auto gauge = [&](std::string_view name, std::string_view help, std::size_t value) {
        out += "# HELP " + std::string(name) + ' ' + std::string(help) + "\n# TYPE " + std::string(name) +
               " gauge\n" + std::string(name) + ' ' + std::to_string(value) + '\n';
    };
    gauge("state_engine_mcp_sessions", "Sessions of MCP clients.", state_->sessions.size());
    gauge("state_engine_mcp_streams", "Open streams of MCP clients that may last.", state_->long_streams_all);
    gauge("state_engine_mcp_listens", "Open subscriptions of modern MCP clients.",
          state_->host.server.listens());
    return out;
}

}  // namespace se::mcp
