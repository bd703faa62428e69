#pragma once

#include <unordered_map>
#include <vector>

#include "engine/api/target.h"
#include "mcp/http_door.h"
#include "mcp/sessions.h"

namespace se::mcp {

// Inside the door: what its parts share. Nobody else includes this but tests.

/// One HTTP request that was let in.
struct Visit {
    Request request;
    Query query;
    Caller caller;
    Api::Reply reply;
};

struct HttpDoor::State : std::enable_shared_from_this<HttpDoor::State> {
    explicit State(HttpDoor::Host the_host)
        : host(std::move(the_host)), sessions(host.server, host.clock, host.random, host.streams) {}

    HttpDoor::Host host;
    Sessions sessions;
    bool draining = false;
    std::vector<std::weak_ptr<EventConnection>> connections;
    std::unordered_map<std::string, std::size_t> long_streams;  ///< by principal
    std::size_t long_streams_all = 0;
    std::chrono::nanoseconds keep_alive_due{0};

    // http_door.cc
    void handle(Request&& request, Api::Reply reply);
    void post(Visit&& visit);
    void post_modern(Visit&& visit, RpcMessage&& message);
    void post_to_session(Visit&& visit, RpcText&& text);
    void get(Visit&& visit);
    void remove(Visit&& visit);
    /// A place for a stream that may stay open for long, taken until it is let go of; or why there is none.
    std::optional<Problem> take_place(const std::string& principal, std::shared_ptr<void>* place);
    /// From now on it is kept alive.
    void keep(const std::shared_ptr<EventConnection>& connection, std::shared_ptr<void> place = {});

    // http_legacy.cc
    void get_sse(Visit&& visit);
    void post_message(Visit&& visit);
};

/// An outlet for a modern request.
struct OutletWishes {
    bool stream = false;            ///< a stream even if there is only an answer: the client named it first
    bool says_session_id = false;   ///< of a session that begins
    std::shared_ptr<void> place = {};  ///< of a stream that may be long
};
OutletPtr modern_outlet(Api::Reply reply, HttpDoor::State& door, OutletWishes wishes);
/// One for a request of a session.
OutletPtr session_outlet(Api::Reply reply, HttpDoor::State& door, const SessionPtr& session,
                         const OutletWishes& wishes);
/// Those for the requests of one batch: all are answered on one stream, which ends behind the last answer.
std::vector<OutletPtr> batch_outlets(Api::Reply reply, HttpDoor::State& door, const SessionPtr& session,
                                     std::size_t count);

// http_headers.cc: what a modern request says twice.
/// The error if headers and message do not say the same.
std::optional<RpcError> compare_headers(const Request& request, const RpcMessage& message, Server& server);
bool accepts(const Request& request, std::string_view type);
/// Whether a stream is named before JSON.
bool prefers_stream(const Request& request);

Response event_response(std::shared_ptr<BodyStream> stream);
void reply_rpc_error(const Api::Reply& reply, int status, std::string_view id_json, const RpcError& error);

}  // namespace se::mcp
