#include "engine/adapters/http_server.h"

#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <ctime>
#include <utility>

#include "engine/adapters/http_connection.h"
#include "engine/adapters/posix_unix_address.h"

namespace se {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;
using boost::system::error_code;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSweep{100};        // how often timeouts are looked at
constexpr std::chrono::milliseconds kAcceptAgain{100};  // after accept failed: no descriptors left
constexpr int kBodyTime = 10;  // idle_timeouts for a body, however steadily it comes
constexpr std::size_t kTurnedAwayMax = 64;  // connections over the limit that are told so; more: hung up

std::string user_name(uid_t uid) {
    std::array<char, 4096> memory{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, memory.data(), memory.size(), &found) == 0 && found != nullptr)
        return found->pw_name;
    return std::to_string(uid);
}

Error io_error(const std::string& what, const error_code& error) {
    const bool taken = error == asio::error::address_in_use;
    return {taken ? Errc::busy : Errc::io, what + ": " + error.message()};
}

Result<tcp::endpoint> resolve(asio::io_context& context, const std::string& host,
                              std::uint16_t port) {
    error_code error;
    const auto address = asio::ip::make_address(host, error);
    if (!error) return tcp::endpoint(address, port);
    tcp::resolver resolver(context);
    const auto found = resolver.resolve(host, std::to_string(port), error);
    if (error || found.empty()) return io_error("host '" + host + "'", error);
    return found.begin()->endpoint();
}

}  // namespace

// --- what connections share

void HttpServerCore::mark(std::uint32_t id) {
    const auto found = connections.find(id);
    if (found == connections.end() || found->second->dirty) return;
    found->second->dirty = true;
    dirty.push_back(id);
    if (in_batch || flush_posted) return;
    flush_posted = true;
    loop.post([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self == nullptr) return;
        self->flush_posted = false;
        self->flush();
    });
}

void HttpServerCore::flush() {
    // What is marked meanwhile gets its own turn: a stream that always has more must not keep us here.
    std::vector<std::uint32_t> now = std::exchange(dirty, {});
    for (const std::uint32_t id : now) {
        const auto found = connections.find(id);
        if (found == connections.end()) continue;
        const auto connection = found->second;
        connection->dirty = false;
        connection->pump();
    }
}

void HttpServerCore::answer(std::uint64_t ticket, Response&& response) {
    const auto found = connections.find(static_cast<std::uint32_t>(ticket >> 32));
    if (found == connections.end()) return;  // hung up meanwhile
    found->second->answer(static_cast<std::uint32_t>(ticket), std::move(response));
}

const std::string& HttpServerCore::date(std::int64_t unix_seconds) {
    if (unix_seconds != date_second_) {
        date_second_ = unix_seconds;
        std::tm parts{};
        const std::time_t seconds = unix_seconds;
        ::gmtime_r(&seconds, &parts);
        std::array<char, 64> text{};
        const std::size_t size = std::strftime(text.data(), text.size(),
                                               "\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
        date_.assign(text.data(), size);
    }
    return date_;
}

// --- the server

struct HttpServer::State : HttpServerCore {
    State(HttpLoop& the_loop, Options the_options, Handler the_handler, Log& the_log)
        : HttpServerCore(the_loop, the_options, std::move(the_handler), the_log),
          tcp_door(context()),
          local_door(context()),
          sweep(context()),
          tcp_again(context()),
          local_again(context()) {}

    asio::io_context& context() { return loop.state().context; }
    std::shared_ptr<State> me() { return std::static_pointer_cast<State>(shared_from_this()); }

    void add(HttpConnection::Socket socket, Peer peer) {
        ++stats.accepted;
        // However many come by TCP, those who are turned away included: the operator comes in.
        const std::size_t limit = peer.kind == Peer::Kind::tcp
                                      ? options.connections
                                      : options.connections + kTurnedAwayMax + options.socket_reserve;
        const bool one_too_many = connections.size() >= limit;
        if (one_too_many) {
            ++stats.refused;
            if (connections.size() >= limit + kTurnedAwayMax) return;
        }
        const std::uint32_t id = next_id++;
        auto connection =
            std::make_shared<HttpConnection>(*this, id, std::move(socket), std::move(peer));
        connections[id] = connection;
        if (one_too_many) {
            connection->turn_away({.status = 503,
                                   .code = Code::unavailable,
                                   .message = "all " + std::to_string(limit) +
                                              " connections are taken",
                                   .reason = "overloaded",
                                   .retry_after_ms = 1000});
        } else {
            connection->start();
        }
    }

    void accept_tcp() {
        tcp_door.async_accept([self = me()](error_code error, tcp::socket socket) {
            if (error == asio::error::operation_aborted || self->stopping) return;
            if (error) return self->accept_later(self->tcp_again, error, [self] { self->accept_tcp(); });
            error_code ignored;
            socket.set_option(tcp::no_delay(true), ignored);
            const auto remote = socket.remote_endpoint(ignored);
            const auto address = remote.address();
            self->add(HttpConnection::Socket(std::move(socket)),
                      {.kind = Peer::Kind::tcp,
                       .address = address.to_string(),
                       .loopback = address.is_loopback()});
            self->accept_tcp();
        });
    }

    void accept_local() {
        local_door.async_accept(
            [self = me()](error_code error, stream_protocol::socket socket) {
                if (error == asio::error::operation_aborted || self->stopping) return;
                if (error) return self->accept_later(self->local_again, error, [self] { self->accept_local(); });
                ucred peer{};
                socklen_t size = sizeof peer;
                const bool known = ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED,
                                                &peer, &size) == 0;
                // The file's mode keeps others out already, unless somebody changes it.
                if (known && (peer.uid == ::geteuid() || peer.uid == 0)) {
                    self->add(HttpConnection::Socket(std::move(socket)),
                              {.kind = Peer::Kind::socket, .user = user_name(peer.uid)});
                }
                self->accept_local();
            });
    }

    void accept_later(asio::steady_timer& timer, const error_code& error, std::function<void()> again) {
        if (error == asio::error::connection_aborted) return again();
        log.write({Severity::error, "state-engine.http.accept_error", {{"error", error.message()}}});
        timer.expires_after(kAcceptAgain);
        timer.async_wait([self = me(), again = std::move(again)](error_code failed) {
            if (!failed && !self->stopping) again();
        });
    }

    void check_times() {
        sweep.expires_after(kSweep);
        sweep.async_wait([self = me()](error_code error) {
            if (error) return;
            std::vector<std::shared_ptr<HttpConnection>> all;
            all.reserve(self->connections.size());
            for (const auto& [id, connection] : self->connections) all.push_back(connection);
            const auto now = steady_clock::now();
            for (const auto& connection : all) connection->check_time(now);
            self->check_times();
        });
    }

    tcp::acceptor tcp_door;
    stream_protocol::acceptor local_door;
    asio::steady_timer sweep;
    asio::steady_timer tcp_again, local_again;  ///< one a door: to set one anew takes back its wait
    std::string socket_path;
    bool serves_tcp = false, serves_local = false, sweeps = false;
};

HttpServer::Options HttpServer::from(const Settings::Http& settings) {
    Options options;
    options.header_bytes = settings.header_bytes;
    options.body_bytes = settings.body_bytes;
    options.bodies_bytes = std::max<std::size_t>(options.bodies_bytes, 2 * settings.body_bytes);
    options.connections = settings.connections;
    options.pipeline = settings.pipeline;
    options.header_timeout = settings.header_timeout;
    options.idle_timeout = settings.idle_timeout;
    options.body_timeout = kBodyTime * settings.idle_timeout;
    options.write_timeout = std::min(options.write_timeout, settings.idle_timeout);
    return options;
}

HttpServer::HttpServer(HttpLoop& loop, Options options, Handler handler, Log& log)
    : state_(std::make_shared<State>(loop, options, std::move(handler), log)) {}

HttpServer::~HttpServer() {
    stop_serving();
    state_->sweep.cancel();
    while (!state_->connections.empty()) {
        const auto connection = state_->connections.begin()->second;
        connection->close();
    }
}

Status HttpServer::bind(const std::string& host, std::uint16_t port) {
    SE_TRY(endpoint, resolve(state_->context(), host, port));
    const std::string where = host + ":" + std::to_string(port);
    auto& door = state_->tcp_door;
    error_code error;
    door.open(endpoint.protocol(), error);
    if (!error) door.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) door.bind(endpoint, error);
    if (!error) door.listen(asio::socket_base::max_listen_connections, error);
    if (error) return io_error("cannot listen on " + where, error);
    return Ok{};
}

std::uint16_t HttpServer::port() const {
    error_code error;
    const auto endpoint = state_->tcp_door.local_endpoint(error);
    return error ? std::uint16_t{0} : endpoint.port();
}

Status HttpServer::bind_socket(const std::string& directory, const std::string& name) {
    const std::string path = directory + "/" + name;
    ::unlink(path.c_str());
    SE_TRY(address, UnixAddress::of(directory, name));
    auto& door = state_->local_door;
    error_code error;
    door.open(stream_protocol(), error);
    if (!error) door.bind(stream_protocol::endpoint(address.path()), error);
    // Nobody can connect before listen(), so nobody finds it with another mode.
    if (!error && ::chmod(path.c_str(), 0600) != 0) error.assign(errno, boost::system::system_category());
    if (!error) door.listen(asio::socket_base::max_listen_connections, error);
    if (error) return io_error("cannot listen on " + path, error);
    state_->socket_path = path;
    return Ok{};
}

void HttpServer::serve() {
    if (state_->tcp_door.is_open() && !std::exchange(state_->serves_tcp, true)) state_->accept_tcp();
    if (state_->local_door.is_open() && !std::exchange(state_->serves_local, true))
        state_->accept_local();
    if (!std::exchange(state_->sweeps, true)) state_->check_times();
}

void HttpServer::stop_serving() {
    if (state_->stopping) return;
    state_->stopping = true;
    error_code ignored;
    state_->tcp_door.close(ignored);
    state_->local_door.close(ignored);
    state_->tcp_again.cancel();
    state_->local_again.cancel();
    if (!state_->socket_path.empty()) ::unlink(state_->socket_path.c_str());
}

void HttpServer::batch(const std::function<void()>& work) {
    state_->in_batch = true;
    work();
    state_->in_batch = false;
    state_->flush();
}

bool HttpServer::quiet() const {
    return std::ranges::all_of(state_->connections,
                               [](const auto& item) { return item.second->quiet(); });
}

const HttpServer::Stats& HttpServer::stats() const {
    state_->stats.connections = state_->connections.size();
    return state_->stats;
}

std::string HttpServer::metrics() const {
    const Stats& now = stats();
    std::string out;
    const auto add = [&](const std::string& name, const char* type, const char* help,
                         std::uint64_t value) {
        const std::string full = "state_engine_http_" + name;
        out += "# HELP " + full + " " + help + "\n# TYPE " + full + " " + type + "\n" + full + " " +
               std::to_string(value) + "\n";
    };
    add("connections", "gauge", "Connections that are open.", now.connections);
    add("connections_accepted_total", "counter", "Connections taken.", now.accepted);
    add("connections_refused_total", "counter", "Connections over the limit.", now.refused);
    add("requests_total", "counter", "Requests read.", now.requests);
    add("received_bytes_total", "counter", "Bytes read from clients.", now.bytes_in);
    add("sent_bytes_total", "counter", "Bytes written to clients.", now.bytes_out);
    add("timeouts_total", "counter", "Requests and answers cut for taking too long.", now.timeouts);
    return out;
}

bool HttpServer::is_loopback(const std::string& host) {
    if (host == "localhost") return true;
    error_code error;
    const auto address = asio::ip::make_address(host, error);
    return !error && address.is_loopback();
}

}  // namespace se
