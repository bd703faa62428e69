// Where HTTP requests are answered: as JSON when there is only the answer, as a stream when there is more.

#include "mcp/http_state.h"

namespace se::mcp {
namespace {

int status_of(Standing standing) {
    switch (standing) {
        case Standing::ok: return 200;
        case Standing::bad_request: return 400;
        case Standing::not_found: return 404;
    }
    return 200;
}

Response json_response(int status, std::string body) {
    Response response;
    response.status = status;
    response.body = std::move(body);
    return response;
}

/// A modern request: closing its stream takes it back, and nobody comes back to it.
class ModernOutlet final : public Outlet, public std::enable_shared_from_this<ModernOutlet> {
public:
    ModernOutlet(Api::Reply reply, HttpDoor::State& door, OutletWishes wishes)
        : reply_(std::move(reply)), door_(door.weak_from_this()), wishes_(std::move(wishes)) {}

    void say(std::string message) override {
        if (stream_ == nullptr) begin();
        stream_->push(message);
    }
    void answer(std::string message, Standing standing) override {
        // A stream has no status to say what is wrong.
        if (stream_ == nullptr && wishes_.stream && standing == Standing::ok) begin();
        if (stream_ != nullptr) return stream_->finish(message);
        reply_(json_response(status_of(standing), std::move(message)));
    }
    void abandon() override {
        if (stream_ == nullptr) begin();
        stream_->finish();
    }

private:
    void begin() {
        stream_ = std::make_shared<EventStream>("");
        stream_->on_disconnect = [weak = weak_from_this()] {
            const auto self = weak.lock();  // the server has let go of what is answered
            if (self != nullptr && !self->stream_->finished()) std::exchange(self->on_gone, [] {})();
        };
        bool gap = false;
        auto connection = stream_->connect(std::nullopt, &gap);
        if (const auto door = door_.lock()) door->keep(connection, std::move(wishes_.place));
        reply_(event_response(std::move(connection)));
    }

    Api::Reply reply_;
    std::weak_ptr<HttpDoor::State> door_;
    OutletWishes wishes_;
    std::shared_ptr<EventStream> stream_;
};

/// What the requests of one POST to a session share.
struct SessionReply {
    Api::Reply reply;
    std::weak_ptr<HttpDoor::State> door;
    std::weak_ptr<Session> session;
    Revision revision = Revision::v2025_03_26;
    bool stream_wanted = false;
    bool says_session_id = false;
    std::size_t open = 1;  ///< requests that are not answered
    std::shared_ptr<EventStream> stream = {};

    void begin() {
        const auto whole = session.lock();
        if (whole == nullptr) {  // it has ended, and what is said now reaches nobody
            stream = std::make_shared<EventStream>("");
        } else {
            stream = whole->open_stream();
            whole->trim();
        }
        // An id to come back with, before anything can be lost. Older clients would try to read it.
        if (revision >= Revision::v2025_11_25) {
            stream->push_frame("id: " + stream->name() + '-' + std::to_string(stream->next_number()) +
                               "\nretry: " + std::to_string(kReconnectWait.count()) + "\ndata: \n\n");
        }
        stream->on_disconnect = [weak = session] {
            if (const auto mine = weak.lock()) mine->trim();
        };
        bool gap = false;
        auto connection = stream->connect(std::nullopt, &gap);
        if (const auto mine = door.lock()) mine->keep(connection);
        reply(event_response(std::move(connection)));
    }
};

class SessionOutlet final : public Outlet {
public:
    explicit SessionOutlet(std::shared_ptr<SessionReply> shared, bool of_batch)
        : shared_(std::move(shared)), of_batch_(of_batch) {}

    void say(std::string message) override {
        if (shared_->stream == nullptr) shared_->begin();
        shared_->stream->push(message);
    }
    void answer(std::string message, Standing standing) override {
        --shared_->open;
        const auto session = shared_->session.lock();
        const bool began = session != nullptr && session->conversation->revision().has_value();
        // The answer that begins a session carries its id in a header, so it comes as JSON.
        const bool streams = of_batch_ || (shared_->stream_wanted && !shared_->says_session_id && began);
        if (shared_->stream == nullptr && streams) shared_->begin();
        if (shared_->stream != nullptr) {
            return shared_->open == 0 ? shared_->stream->finish(message)
                                      : shared_->stream->push_answer(message);
        }
        // Only what kept a session from beginning is a bad request here; all else is an answer.
        Response response = json_response(began ? 200 : status_of(standing), std::move(message));
        if (shared_->says_session_id && began)
            response.headers.emplace_back("Mcp-Session-Id", session->id);
        shared_->reply(std::move(response));
    }
    void abandon() override {
        --shared_->open;
        if (shared_->stream == nullptr) shared_->begin();
        if (shared_->open == 0) shared_->stream->finish();
    }
    void release() override {
        // Before 2025-11-25 nothing tells a client to come back.
        if (shared_->revision < Revision::v2025_11_25) return;
        if (shared_->stream == nullptr) shared_->begin();
        shared_->stream->release();
    }

private:
    std::shared_ptr<SessionReply> shared_;
    const bool of_batch_;
};

}  // namespace

Response event_response(std::shared_ptr<BodyStream> stream) {
    Response response;
    response.content_type = "text/event-stream";
    response.headers = {{"Cache-Control", "no-cache, no-transform"}, {"X-Accel-Buffering", "no"}};
    response.stream = std::move(stream);
    return response;
}

void reply_rpc_error(const Api::Reply& reply, int status, std::string_view id_json, const RpcError& error) {
    reply(json_response(status, rpc_error(id_json, error)));
}

OutletPtr modern_outlet(Api::Reply reply, HttpDoor::State& door, OutletWishes wishes) {
    return std::make_shared<ModernOutlet>(std::move(reply), door, std::move(wishes));
}

OutletPtr session_outlet(Api::Reply reply, HttpDoor::State& door, const SessionPtr& session,
                         const OutletWishes& wishes) {
    auto shared = std::make_shared<SessionReply>(
        SessionReply{.reply = std::move(reply),
                     .door = door.weak_from_this(),
                     .session = session,
                     .revision = session->conversation->revision().value_or(Revision::v2025_03_26),
                     .stream_wanted = wishes.stream,
                     .says_session_id = wishes.says_session_id});
    return std::make_shared<SessionOutlet>(std::move(shared), false);
}

std::vector<OutletPtr> batch_outlets(Api::Reply reply, HttpDoor::State& door, const SessionPtr& session,
                                     std::size_t count) {
    const auto shared = std::make_shared<SessionReply>(
        SessionReply{.reply = std::move(reply),
                     .door = door.weak_from_this(),
                     .session = session,
                     .revision = session->conversation->revision().value_or(Revision::v2025_03_26),
                     .open = count});
    std::vector<OutletPtr> outlets;
    for (std::size_t i = 0; i < count; ++i) outlets.push_back(std::make_shared<SessionOutlet>(shared, true));
    return outlets;
}

}  // namespace se::mcp
