#include "engine/adapters/http_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/socket_base.hpp>
#include <ctime>
#include <utility>

#include "journal/base/json.h"

namespace se {
namespace {

using boost::system::error_code;
using std::chrono::steady_clock;
namespace asio = boost::asio;

constexpr std::size_t kStreamPiece = 64u << 10;   // pulled from a stream at once
constexpr int kRoundsATurn = 16;                  // of one connection; then others have a turn
constexpr std::chrono::seconds kLingerMax{2};     // for a client to hang up; then we do

std::string_view reason_of(int status) {
    switch (status) {
        case 200: return "OK";
        case 202: return "Accepted";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 413: return "Content Too Large";
        case 422: return "Unprocessable Content";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 501: return "Not Implemented";
        case 503: return "Service Unavailable";
        case 505: return "HTTP Version Not Supported";
        default: return "Answer";
    }
}

/// Small enough, and trivial enough, for std::function to hold it without memory of its own.
struct ReplyTo {
    HttpServerCore* core;
    std::uint64_t ticket;
    void operator()(Response&& response) const { core->answer(ticket, std::move(response)); }
};

}  // namespace

HttpConnection::HttpConnection(HttpServerCore& core, std::uint32_t id, Socket socket, Peer peer)
    : core_(core),
      id_(id),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      parser_({core.options.header_bytes, core.options.body_bytes}),
      last_read_(steady_clock::now()),
      last_write_(last_read_),
      checked_(last_read_) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
}

void HttpConnection::start() { await_input(); }

void HttpConnection::turn_away(const Problem& problem) {
    refuse(problem);
    pump();
}

// --- what comes in

/// What is kept for the client to read, streams included: theirs grows after they were answered with.
std::size_t HttpConnection::bytes_ahead() const {
    std::size_t bytes = out_left() + ready_bytes_;
    for (const Slot& slot : slots_)
        if (slot.response.stream != nullptr) bytes += slot.response.stream->bytes_held();
    return bytes;
}

bool HttpConnection::may_take_more() const {
    return phase_ == Phase::open && slots_.size() < core_.options.pipeline &&
           waiting_bodies_bytes_ < core_.options.body_bytes &&
           bytes_ahead() < core_.options.answer_bytes_ahead;
}

void HttpConnection::await_input() {
    if (awaiting_input_ || end_of_input_) return;
    // Requests that are here already come first; the others wait in the socket.
    const bool has_requests = !in_.empty() && !hungry_;
    if (phase_ != Phase::lingering && (!may_take_more() || has_requests)) return;
    awaiting_input_ = true;
    socket_.async_wait(asio::socket_base::wait_read, [self = shared_from_this()](error_code error) {
        self->awaiting_input_ = false;
        if (error || self->phase_ == Phase::closed) return;
        self->on_input();
    });
}

void HttpConnection::on_input() {
    std::string& scratch = core_.scratch;
    error_code error;
    const std::size_t size = socket_.read_some(asio::buffer(scratch.data(), scratch.size()), error);
    if (error == asio::error::would_block) return await_input();
    if (error && error != asio::error::eof) return close();
    last_read_ = steady_clock::now();
    if (error == asio::error::eof) {
        end_of_input_ = true;
        const bool endless =
            stream_ != nullptr && slots_.front().response.content_type == "text/event-stream";
        if (phase_ == Phase::lingering || quiet() || endless) return close();
        phase_ = Phase::closing;  // a client may shut its side behind its last request
        return pump();
    }
    core_.stats.bytes_in += size;
    if (phase_ == Phase::lingering) return await_input();

    const std::string_view fresh(scratch.data(), size);
    if (in_.empty()) {
        pumping_ = true;  // answers given at once wait for the pump below
        const std::size_t used = consume(fresh);
        pumping_ = false;
        if (phase_ == Phase::open) in_.assign(fresh.substr(used));
    } else {
        in_.append(fresh);
    }
    // A client alone is answered at once. Where several speak, all are read first: a client that is woken
    // by each answer for itself costs more than the answer.
    if (std::exchange(core_.last_to_speak, id_) == id_) return pump();
    fill();  // what is answered already, while it is in the cache
    core_.mark(id_);
}

std::size_t HttpConnection::consume(std::string_view bytes) {
    std::size_t used = 0;
    hungry_ = false;
    while (used < bytes.size() && may_take_more()) {
        if (parser_.state() == HttpParser::State::idle) request_begun_ = last_read_;
        used += parser_.feed(bytes.substr(used));
        const HttpParser::State state = parser_.state();
        count_body();
        if (state == HttpParser::State::done) {
            on_request();
        } else if (state == HttpParser::State::failed) {
            parser_.problem().status == 413 ? on_oversize() : refuse(parser_.problem());
        } else {
            hungry_ = true;
            break;
        }
    }
    return used;
}

void HttpConnection::count_body() {
    const std::size_t bytes =
        parser_.state() == HttpParser::State::body ? parser_.body_bytes() : 0;
    core_.bodies_bytes += bytes;
    core_.bodies_bytes -= std::exchange(body_counted_, bytes);
    if (bytes != 0 && core_.bodies_bytes > core_.options.bodies_bytes) {
        refuse({.status = 503,
                .code = Code::unavailable,
                .message = "too many large requests at once",
                .reason = "overloaded",
                .retry_after_ms = 1000});
    }
}

/// Its request's body counts until it is answered; of a stream that goes on from it, until that has ended.
void HttpConnection::count_body_of(Slot& slot, std::size_t bytes) {
    core_.bodies_bytes += bytes;
    core_.bodies_bytes -= slot.body_bytes;
    waiting_bodies_bytes_ += bytes;
    waiting_bodies_bytes_ -= std::exchange(slot.body_bytes, bytes);
}

void HttpConnection::on_request() {
    const bool keep_alive = parser_.keep_alive();
    const bool http_1_0 = parser_.is_http_1_0();
    hand_over(parser_.take(), keep_alive, http_1_0);
}

/// The body is not taken, but who asks for what is known: the answer is not ours to give.
void HttpConnection::on_oversize() {
    in_.clear();
    const bool http_1_0 = parser_.is_http_1_0();
    Request request = parser_.take();
    request.body.clear();
    request.too_large = parser_.problem().message;
    hand_over(std::move(request), false, http_1_0);
}

void HttpConnection::hand_over(Request&& request, bool keep_alive, bool http_1_0) {
    ++core_.stats.requests;
    request.peer = peer_;
    continue_due_ = false;
    const auto number = static_cast<std::uint32_t>(first_slot_ + slots_.size());
    slots_.push_back(
        {.head = request.method == "HEAD", .keep_alive = keep_alive, .http_1_0 = http_1_0});
    count_body_of(slots_.back(), request.body.size());
    if (!keep_alive) phase_ = Phase::closing;
    core_.handler(std::move(request), ReplyTo{&core_, std::uint64_t{id_} << 32 | number});
}

void HttpConnection::refuse(const Problem& problem) {
    if (phase_ != Phase::open) return;
    slots_.push_back({.ready = true, .keep_alive = false, .response = to_response(problem)});
    ready_bytes_ += slots_.back().response.body.size();
    phase_ = Phase::closing;
    in_.clear();
}

// --- what goes out

void HttpConnection::answer(std::uint32_t number, Response&& response) {
    const std::uint32_t index = number - first_slot_;
    if (index >= slots_.size()) return;
    Slot& slot = slots_[index];
    SE_ASSERT(!slot.ready);
    slot.response = std::move(response);
    slot.ready = true;
    ready_bytes_ += slot.response.body.size();
    const BodyStream* const stream = slot.response.stream.get();
    count_body_of(slot, stream == nullptr ? 0 : std::min(slot.body_bytes, stream->bytes_held()));
    if (pumping_) {
        pump_again_ = true;
    } else if (index == 0) {
        core_.mark(id_);
    }
}

void HttpConnection::pump() {
    if (pumping_) {
        pump_again_ = true;
        return;
    }
    const auto self = shared_from_this();  // closing forgets us
    pumping_ = true;
    for (int round = 0; phase_ != Phase::closed; ++round) {
        if (round == kRoundsATurn) {
            core_.mark(id_);
            break;
        }
        pump_again_ = false;
        const std::size_t requests = slots_.size() + first_slot_;
        if (!in_.empty()) {
            const std::size_t used = consume(in_);
            in_.erase(0, std::min(used, in_.size()));
        }
        const bool had_output = out_left() != 0;  // once it is sent, there is room for more
        const bool filled = fill();
        if (parser_.wants_continue() && !continue_due_ && slots_.empty()) {
            continue_due_ = true;  // said once
            out_ += "HTTP/1.1 100 Continue\r\n\r\n";
        }
        const bool all_sent = send();
        if (phase_ == Phase::closed || !all_sent) break;
        if (phase_ == Phase::closing && slots_.empty()) {
            linger();
            break;
        }
        if (!filled && !had_output && !pump_again_ && requests == slots_.size() + first_slot_) {
            break;
        }
    }
    pumping_ = false;
    if (phase_ != Phase::closed) await_input();
}

bool HttpConnection::fill() {
    bool filled = false;
    while (!slots_.empty() && slots_.front().ready &&
           out_left() < core_.options.answer_bytes_ahead) {
        if (stream_ == nullptr) {
            append_response(slots_.front());
            filled = true;
        }
        if (stream_ != nullptr) {
            const std::size_t before = out_.size();
            const bool over = pull_stream();
            filled = filled || out_.size() != before;
            if (!over) break;
        }
        count_body_of(slots_.front(), 0);
        slots_.pop_front();
        ++first_slot_;
        if (close_behind_) {
            phase_ = Phase::closing;
            forget_slots();
        }
    }
    return filled;
}

void HttpConnection::append_response(Slot& slot) {
    Response& response = slot.response;
    ready_bytes_ -= response.body.size();
    const bool endless = response.stream != nullptr && slot.http_1_0;
    close_behind_ = !slot.keep_alive || endless ||
                    (core_.stopping && slots_.size() == 1 && in_.empty());

    out_.reserve(out_.size() + response.body.size() + 256);
    out_ += "HTTP/1.1 ";
    append_integer(out_, std::uint64_t(response.status));
    out_ += ' ';
    out_ += reason_of(response.status);
    out_ += core_.date(std::time(nullptr));
    if (response.status != 304) {
        out_ += "Content-Type: ";
        out_ += response.content_type;
        if (response.stream == nullptr) {
            out_ += "\r\nContent-Length: ";
            append_integer(out_, std::uint64_t{response.body.size()});
        } else if (!slot.http_1_0) {
            out_ += "\r\nTransfer-Encoding: chunked";
        }
        out_ += "\r\n";
    }
    for (const auto& [name, value] : response.headers) {
        out_ += name;
        out_ += ": ";
        out_ += value;
        out_ += "\r\n";
    }
    if (close_behind_) {
        out_ += "Connection: close\r\n";
    } else if (slot.http_1_0) {
        out_ += "Connection: keep-alive\r\n";
    }
    out_ += "\r\n";
    if (slot.head) return;
    out_ += response.body;
    if (response.stream != nullptr) {
        stream_ = response.stream;
        stream_chunked_ = !slot.http_1_0;
        stream_->wake = [core = &core_, id = std::uint64_t{id_}] {
            core->mark(static_cast<std::uint32_t>(id));
        };
    }
}

bool HttpConnection::pull_stream() {
    if (out_left() >= kStreamPiece) return false;
    // The size stands before the piece and is known behind it.
    constexpr std::string_view kNoSize = "00000000\r\n";
    const std::size_t begin = out_.size();
    if (stream_chunked_) out_ += kNoSize;
    const std::size_t body = out_.size();
    stream_->pull(out_, kStreamPiece);
    std::size_t size = out_.size() - body;
    if (size == 0) {
        out_.resize(begin);
    } else if (stream_chunked_) {
        for (std::size_t digit = 8; digit-- > 0; size >>= 4)
            out_[begin + digit] = "0123456789abcdef"[size & 15];
        out_ += "\r\n";
    }
    if (!stream_->finished()) return false;
    if (stream_chunked_) out_ += "0\r\n\r\n";
    stream_->wake = [] {};
    stream_.reset();
    return true;
}

bool HttpConnection::send() {
    if (awaiting_room_) return false;
    while (out_left() != 0) {
        error_code error;
        const std::size_t sent =
            socket_.write_some(asio::buffer(out_.data() + out_begin_, out_left()), error);
        if (error == asio::error::would_block) {
            awaiting_room_ = true;
            last_write_ = steady_clock::now();
            socket_.async_wait(asio::socket_base::wait_write,
                               [self = shared_from_this()](error_code failed) {
                                   self->awaiting_room_ = false;
                                   if (failed || self->phase_ == Phase::closed) return;
                                   self->pump();
                               });
            return false;
        }
        if (error) {
            close();
            return false;
        }
        last_write_ = steady_clock::now();
        core_.stats.bytes_out += sent;
        out_begin_ += sent;
    }
    out_.clear();
    out_begin_ = 0;
    if (out_.capacity() > core_.options.answer_bytes_ahead) out_.shrink_to_fit();
    return true;
}

// --- the end

void HttpConnection::linger() {
    // Closing with bytes unread would send a reset, which may overtake what we said.
    if (end_of_input_) return close();
    error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
    phase_ = Phase::lingering;
    lingering_since_ = steady_clock::now();
}

void HttpConnection::check_time(HttpServerCore::Instant now) {
    const HttpServer::Options& options = core_.options;
    if (!may_take_more()) request_begun_ += now - checked_;  // what we do not read yet is not late
    checked_ = now;
    if (phase_ == Phase::lingering) {
        if (now - lingering_since_ > kLingerMax) close();
        return;
    }
    if (awaiting_room_) {  // since last_write_
        if (now - last_write_ > options.write_timeout) {
            ++core_.stats.timeouts;
            close();
        }
        return;
    }
    if (out_left() != 0) return;  // it is our turn, not the client's
    const HttpParser::State state = parser_.state();
    const bool slow_header =
        state == HttpParser::State::header && now - request_begun_ > options.header_timeout;
    const bool slow_body = state == HttpParser::State::body &&
                           (now - last_read_ > options.idle_timeout ||
                            now - request_begun_ > options.body_timeout);
    if (phase_ == Phase::open && may_take_more() && (slow_header || slow_body)) {
        ++core_.stats.timeouts;
        turn_away({.status = 408,
                   .code = Code::malformed,
                   .message = slow_header ? "the header took too long" : "the body took too long"});
    } else if (slots_.empty() && state == HttpParser::State::idle &&
               now - std::max(last_read_, last_write_) > options.idle_timeout) {
        close();
    }
}

void HttpConnection::forget_slots() {
    for (Slot& slot : slots_) count_body_of(slot, 0);
    slots_.clear();
}

void HttpConnection::close() {
    if (phase_ == Phase::closed) return;
    phase_ = Phase::closed;
    if (stream_ != nullptr) stream_->wake = [] {};
    stream_.reset();
    forget_slots();
    core_.bodies_bytes -= std::exchange(body_counted_, 0);
    error_code ignored;
    socket_.close(ignored);
    core_.connections.erase(id_);
}

}  // namespace se
