#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/adapters/http_loop_state.h"
#include "engine/adapters/http_parser.h"
#include "engine/adapters/http_server.h"

namespace se {

class HttpConnection;

/// Inside engine/adapters: what the connections of a server share.
struct HttpServerCore : std::enable_shared_from_this<HttpServerCore> {
    using Instant = std::chrono::steady_clock::time_point;

    HttpServerCore(HttpLoop& the_loop, HttpServer::Options the_options, HttpServer::Handler the_handler,
                   Log& the_log)
        : loop(the_loop), options(the_options), handler(std::move(the_handler)), log(the_log) {}

    HttpLoop& loop;
    const HttpServer::Options options;
    const HttpServer::Handler handler;
    Log& log;
    HttpServer::Stats stats;
    bool stopping = false;
    std::size_t bodies_bytes = 0;  ///< being received, or of requests that wait for their answer

    std::unordered_map<std::uint32_t, std::shared_ptr<HttpConnection>> connections;
    std::uint32_t next_id = 0;
    std::uint32_t last_to_speak = 0;   ///< whose bytes were read last
    std::vector<std::uint32_t> dirty;  ///< have something to write
    bool in_batch = false;
    bool flush_posted = false;
    std::string scratch = std::string(64u << 10, '\0');  ///< every read goes here first

    /// The connection has something to write: at the end of the batch, or else of the turn.
    void mark(std::uint32_t id);
    void flush();
    void answer(std::uint64_t ticket, Response&& response);
    const std::string& date(std::int64_t unix_seconds);

private:
    std::int64_t date_second_ = -1;
    std::string date_;
};

/// One client. Bytes come in, become requests, wait in `slots_` for their answers, and leave in order.
class HttpConnection final : public std::enable_shared_from_this<HttpConnection> {
public:
    using Socket = boost::asio::generic::stream_protocol::socket;

    HttpConnection(HttpServerCore& core, std::uint32_t id, Socket socket, Peer peer);

    void start();
    /// Says `problem` and hangs up: for one too many.
    void turn_away(const Problem& problem);
    void answer(std::uint32_t number, Response&& response);
    /// Moves everything that can move: requests out of what was read, answers into the socket.
    void pump();
    /// Closes what has been waited for too long.
    void check_time(HttpServerCore::Instant now);
    bool quiet() const { return slots_.empty() && out_left() == 0; }
    void close();

    bool dirty = false;  ///< the server's: is in its list

private:
    struct Slot {
        bool ready = false;
        bool head = false;
        bool keep_alive = true;
        bool http_1_0 = false;
        std::size_t body_bytes = 0;  ///< of its request, and counted
        Response response;
    };
    enum class Phase : std::uint8_t {
        open,
        closing,    ///< takes no more requests; closes once all is answered
        lingering,  ///< all is said and the write side shut; reads until the client has hung up
        closed,
    };

    std::size_t out_left() const { return out_.size() - out_begin_; }
    std::size_t bytes_ahead() const;
    bool may_take_more() const;
    void await_input();
    void on_input();
    std::size_t consume(std::string_view bytes);
    void on_request();
    void on_oversize();
    void hand_over(Request&& request, bool keep_alive, bool http_1_0);
    void refuse(const Problem& problem);
    bool fill();
    void append_response(Slot& slot);
    bool pull_stream();
    bool send();
    void linger();
    void count_body();
    void count_body_of(Slot& slot, std::size_t bytes);
    void forget_slots();

    HttpServerCore& core_;
    const std::uint32_t id_;
    Socket socket_;
    const Peer peer_;
    HttpParser parser_;
    Phase phase_ = Phase::open;

    std::string in_;            // read, and not understood or not wanted yet
    bool hungry_ = false;       // it is part of a request, of which more is needed
    bool awaiting_input_ = false;
    bool end_of_input_ = false;
    bool continue_due_ = false;
    std::size_t body_counted_ = 0;

    std::deque<Slot> slots_;    // requests that wait for their turn, oldest first
    std::uint32_t first_slot_ = 0;
    std::size_t ready_bytes_ = 0;
    std::size_t waiting_bodies_bytes_ = 0;
    std::shared_ptr<BodyStream> stream_;  // of the oldest, begun
    bool stream_chunked_ = true;
    bool close_behind_ = false; // the oldest is the last that is answered

    std::string out_;           // to be written
    std::size_t out_begin_ = 0;
    bool awaiting_room_ = false;
    bool pumping_ = false, pump_again_ = false;

    HttpServerCore::Instant last_read_, request_begun_, last_write_, lingering_since_, checked_;
};

}  // namespace se
