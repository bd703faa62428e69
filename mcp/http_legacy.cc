// GET /sse and POST /message, word for word as the clients of CONTRACTS 1.6 know them.

#include <algorithm>

#include "mcp/http_state.h"

namespace se::mcp {
namespace {

void reply_text(const Api::Reply& reply, int status, std::string text) {
    Response response;
    response.status = status;
    response.content_type = "text/html; charset=utf-8";
    response.body = std::move(text);
    reply(std::move(response));
}

/// What is no message, as a JavaScript server shows it.
std::string shown(const Json& json) {
    if (json.is_object()) return "[object Object]";
    if (json.is_string()) return json.string();
    if (!json.is_array()) return se::to_text(json);
    std::string out;
    for (const Json& one : json.array()) {
        if (&one != &json.array().front()) out += ',';
        if (!one.is_null()) out += shown(one);
    }
    return out;
}

/// Answers of all requests go where everything goes: on the one stream.
class LegacyOutlet final : public Outlet {
public:
    explicit LegacyOutlet(std::shared_ptr<EventStream> stream) : stream_(std::move(stream)) {}
    void say(std::string message) override { stream_->push(message); }
    void answer(std::string message, Standing) override { stream_->push_answer(message); }
    void abandon() override {}

private:
    std::shared_ptr<EventStream> stream_;
};

}  // namespace

void HttpDoor::State::get_sse(Visit&& visit) {
    const auto overloaded = [&](std::string text) {
        visit.reply(to_response({.status = 503,
                                 .code = Code::unavailable,
                                 .message = std::move(text),
                                 .reason = draining ? "draining" : "overloaded",
                                 .retry_after_ms = 1000}));
    };
    if (draining) return overloaded("the engine is stopping");
    std::shared_ptr<void> place;
    if (const auto problem = take_place(visit.caller.principal, &place))
        return visit.reply(to_response(*problem));
    auto opened = sessions.open(visit.caller, true);
    if (!opened) return overloaded(opened.error().text);
    const SessionPtr session = std::move(*opened);
    const auto stream = session->streams.at(0);
    stream->push_frame("event: endpoint\ndata: /message?sessionId=" + session->id + "\n\n");
    // The stream is the session: they end together.
    stream->on_disconnect = [weak = weak_from_this(), of = std::weak_ptr(session)] {
        const auto door = weak.lock();
        const auto mine = of.lock();
        if (door != nullptr && mine != nullptr) door->sessions.end(mine);
    };
    bool gap = false;
    const auto connection = stream->connect(std::nullopt, &gap);
    keep(connection, std::move(place));
    Response response = event_response(connection);
    visit.reply(std::move(response));
}

void HttpDoor::State::post_message(Visit&& visit) {
    const auto id = visit.query.find("sessionId");
    if (!id || id->empty()) return reply_text(visit.reply, 400, "sessionId is required");
    const SessionPtr session = sessions.find(*id, visit.caller, true);
    if (session == nullptr) return reply_text(visit.reply, 404, "Session not found");
    if (!visit.request.has_type("application/json")) {
        return reply_text(visit.reply, 400,
                          "Error: Unsupported content-type: " +
                              std::string(visit.request.header("content-type").substr(0, 128)));
    }
    RpcText text = parse_rpc(visit.request.body);
    auto* message = text.batch ? nullptr : std::get_if<RpcMessage>(&text.items.front());
    if (message == nullptr) {
        const auto json = parse_json(visit.request.body, kMessageDepthMax);
        if (!json) return reply_text(visit.reply, 400, "SyntaxError: " + json.error().text);
        return reply_text(visit.reply, 400, "Invalid message: " + shown(*json).substr(0, 256));
    }
    RpcMessage one = std::move(*message);
    reply_text(visit.reply, 202, "Accepted");
    const bool asks = one.kind == RpcMessage::Kind::request;
    host.server.serve(session->conversation, visit.caller, std::move(one),
                      asks ? std::make_shared<LegacyOutlet>(session->streams.at(0)) : nullptr);
}

}  // namespace se::mcp
