#include "engine/adapters/http_client.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "engine/adapters/posix_unix_address.h"
#include "engine/policy/shown_url.h"

namespace se {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kHeaderBytesMax = 64u << 10;
constexpr std::size_t kTlsPiece = 64u << 10;  ///< of what is sent, so much is there twice for a moment

Error errno_error(Errc code, const std::string& what) {
    return {code, what + ": " + std::strerror(errno)};
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

Result<int> connect_unix(const HttpClient::Address& address) {
    const std::string where = address.socket_folder + "/" + address.socket_name;
    SE_TRY(place, UnixAddress::of(address.socket_folder, address.socket_name));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, place.path().data(), place.path().size());
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return errno_error(Errc::io, "socket");
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        const Error error = errno_error(Errc::unavailable, "cannot reach " + where);
        ::close(descriptor);
        return error;
    }
    return descriptor;
}

/// False when the time was over first; zero: for ever.
Result<bool> ready_within(milliseconds limit, int descriptor, short events) {
    pollfd one{.fd = descriptor, .events = events, .revents = 0};
    int ready = 0;
    do {
        ready = ::poll(&one, 1, limit.count() == 0 ? -1 : static_cast<int>(limit.count()));
    } while (ready < 0 && errno == EINTR);
    if (ready < 0) return errno_error(Errc::io, "poll");
    return ready > 0;
}

Error no_answer_within(milliseconds limit) {
    return {Errc::unavailable, "no answer within " + std::to_string(limit.count()) + " ms"};
}

/// What is left of a wait that may take several; zero: it is for ever.
class Patience {
public:
    explicit Patience(milliseconds limit) : limit_(limit) {}
    bool over() const { return limit_.count() != 0 && gone() >= limit_; }
    milliseconds left() const {
        return limit_.count() == 0 ? limit_ : std::max(limit_ - gone(), milliseconds(1));
    }

private:
    milliseconds gone() const {
        return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin_);
    }

    const milliseconds limit_;
    const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// The kernel itself waits two minutes for an address that swallows packets. False: not within `limit`.
Result<bool> connect_within(milliseconds limit, int descriptor, const addrinfo& to) {
    const auto failed = [](int code) { return Error{Errc::unavailable, std::strerror(code)}; };
    if (::connect(descriptor, to.ai_addr, to.ai_addrlen) == 0) return true;
    if (errno != EINPROGRESS && errno != EINTR) return failed(errno);
    SE_TRY(ready, ready_within(limit, descriptor, POLLOUT));
    if (!ready) return false;
    int code = 0;
    socklen_t size = sizeof code;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) != 0) return failed(errno);
    if (code != 0) return failed(code);
    return true;
}

Result<int> connect_tcp(const HttpClient::Address& address, milliseconds timeout) {
    const std::string where = address.host_and_port();
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int failed =
        ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
    if (failed != 0) {
        return Error{Errc::unavailable, "cannot find " + where + ": " + ::gai_strerror(failed)};
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> keep(list, ::freeaddrinfo);
    Error error{Errc::unavailable, "cannot reach " + where};
    const Patience patience(timeout);
    std::ptrdiff_t untried = 0;
    for (const addrinfo* one = list; one != nullptr; one = one->ai_next) ++untried;
    for (const addrinfo* one = list; one != nullptr && !patience.over(); one = one->ai_next) {
        const int descriptor =
            ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        // Of several addresses one that swallows packets leaves the others their time.
        const milliseconds share = patience.left() / untried--;
        if (descriptor < 0) continue;
        const auto connected =
            connect_within(timeout.count() == 0 ? share : std::max(share, milliseconds(1)),
                           descriptor, *one);
        if (connected && *connected) {
            const int on = 1;
            ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
            return descriptor;
        }
        error.text = "cannot reach " + where + ": " +
                     (connected ? no_answer_within(timeout).text : connected.error().text);
        ::close(descriptor);
    }
    return error;
}

/// What would end its line of a request, and begin another.
bool ends_line(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos;
}

}  // namespace

std::string_view HttpAnswer::header(std::string_view lower_name) const {
    for (const auto& [name, value] : headers) {
        if (name == lower_name) return value;
    }
    return {};
}

std::string HttpClient::Address::host_and_port() const {
    const bool v6 = host.find(':') != host.npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HttpClient::Address> HttpClient::address_of_url(std::string_view url) {
    const std::string shown = "'" + shown_url(url) + "'";
    constexpr std::string_view kPlain = "http://", kTls = "https://";
    Address address;
    address.https = url.starts_with(kTls);
    if (!address.https && !url.starts_with(kPlain)) {
        return Error{Errc::malformed,
                     shown + " is no address: http://host:port or https://host:port"};
    }
    address.port = address.https ? 443 : 80;
    url.remove_prefix(address.https ? kTls.size() : kPlain.size());
    url = url.substr(0, url.find('/'));
    if (url.find_first_of("@?#") != url.npos) {
        return Error{Errc::malformed, shown + " must be http://host:port or https://host:port, "
                                              "without a user, ? or #"};
    }
    const std::size_t bracket = url.find(']');
    const std::size_t colon = url.find(':', bracket == url.npos ? 0 : bracket);
    std::string_view host = url.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    address.host = host;
    if (colon != url.npos) {
        const std::string_view port = url.substr(colon + 1);
        const auto [end, bad] = std::from_chars(port.data(), port.data() + port.size(), address.port);
        if (bad != std::errc() || end != port.data() + port.size() || address.port == 0)
            return Error{Errc::malformed, shown + " has no valid port"};
    }
    if (address.host.empty()) return Error{Errc::malformed, shown + " names no host"};
    return address;
}

HttpClient::Address HttpClient::address_of_socket(const std::string& data_folder) {
    return {.socket_folder = data_folder, .socket_name = "engine.sock"};
}

Result<HttpClient> HttpClient::connect(Address address, std::chrono::milliseconds timeout) {
    const auto descriptor =
        address.socket_name.empty() ? connect_tcp(address, timeout) : connect_unix(address);
    if (!descriptor) return descriptor.error();
    HttpClient client(std::move(address), *descriptor, timeout);
    if (client.address_.https) SE_TRY_OK(client.begin_tls());
    return client;
}

Status HttpClient::begin_tls() {
    if (address_.tls == nullptr) {
        SE_TRY(of_system, HttpTls::make({}));
        address_.tls = std::move(of_system);
    }
    Status done = shake_hands();
    if (done) return done;
    const Errc code = done.error().code == Errc::malformed ? Errc::malformed : Errc::unavailable;
    return Error{code, "no TLS with " + address_.host_and_port() + ": " + done.error().text};
}

Status HttpClient::shake_hands() {
    SE_TRY(end, TlsEnd::make(address_.tls, address_.host));
    tls_ = std::make_unique<TlsEnd>(std::move(end));
    const Patience patience(timeout_);
    for (;;) {
        const auto done = tls_->shake_hands();
        const Status sent = send_by_tls();  // when it failed, too: it tells the server why
        if (!done) return Error{Errc::malformed, done.error().text};
        SE_TRY_OK(sent);
        if (*done) return Ok{};
        if (patience.over()) return no_answer_within(timeout_);
        SE_TRY_OK(carry(patience.left()));
    }
}

HttpClient::HttpClient(HttpClient&& other) noexcept
    : address_(std::move(other.address_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      timeout_(other.timeout_),
      buffer_(std::move(other.buffer_)),
      begin_(std::exchange(other.begin_, 0)),
      no_body_(other.no_body_),
      tls_(std::move(other.tls_)) {}

HttpClient& HttpClient::operator=(HttpClient&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(timeout_, other.timeout_);
    std::swap(buffer_, other.buffer_);
    std::swap(begin_, other.begin_);
    std::swap(no_body_, other.no_body_);
    std::swap(tls_, other.tls_);
    return *this;
}

HttpClient::~HttpClient() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

Result<HttpAnswer> HttpClient::send(const Request& request) {
    SE_TRY_OK(write(request));
    return read();
}

Result<HttpAnswer> HttpClient::post(std::string target, std::string body, std::string content_type) {
    return send({.method = "POST",
                 .target = std::move(target),
                 .headers = {{"Content-Type", std::move(content_type)}},
                 .body = std::move(body)});
}

Result<HttpAnswer> HttpClient::stream(const Request& request, const Piece& piece) {
    SE_TRY_OK(write(request));
    return read_answer(&piece);
}

Status HttpClient::write(const Request& request) {
    if (ends_line(request.method) || ends_line(request.target) || ends_line(address_.token) ||
        std::ranges::any_of(request.headers, [](const auto& header) {
            return ends_line(header.first) || ends_line(header.second);
        }))
        return Error{Errc::malformed, "a request line or header cannot hold a line break"};
    std::string text = request.method + " " + request.target + " HTTP/1.1\r\nHost: ";
    text += address_.socket_name.empty() ? address_.host_and_port() : "localhost";
    text += "\r\n";
    if (!address_.token.empty()) text += "Authorization: Bearer " + address_.token + "\r\n";
    for (const auto& [name, value] : request.headers) text += name + ": " + value + "\r\n";
    if (!request.body.empty() || request.method == "POST")
        text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    text += "\r\n";
    text += request.body;
    no_body_ = request.method == "HEAD";
    return write_raw(text);
}

Status HttpClient::write_raw(std::string_view bytes) {
    if (tls_ == nullptr) return send_bytes(bytes);
    while (!bytes.empty()) {
        const std::string_view piece = bytes.substr(0, kTlsPiece);
        SE_TRY(taken, tls_->write(piece));
        if (taken) bytes.remove_prefix(piece.size());
        SE_TRY_OK(taken ? send_by_tls() : carry(timeout_));
    }
    return Ok{};
}

Status HttpClient::send_by_tls() {
    Status sent = send_bytes(tls_->outgoing());
    if (sent || sent.error().code != Errc::io) return sent;
    // It may have said why before it hung up.
    std::string bytes;
    if (const auto more = receive(bytes, milliseconds(1)); more && *more) {
        tls_->arrived(bytes);
        if (const auto heard = tls_->read(buffer_); !heard) return heard.error();
    }
    return Error{Errc::io, tls_->broken(sent.error().text)};
}

Status HttpClient::send_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            SE_TRY(ready, ready_within(timeout_, descriptor_, POLLOUT));
            if (!ready) return no_answer_within(timeout_);
        } else if (errno != EINTR) {
            return errno_error(Errc::io, "the server hung up while being asked");
        }
    }
    return Ok{};
}

bool HttpClient::readable() const {
    if (read_ahead()) return true;
    pollfd one{.fd = descriptor_, .events = POLLIN, .revents = 0};
    return ::poll(&one, 1, 0) > 0;
}

Result<bool> HttpClient::receive(std::string& into, milliseconds limit) {
    SE_TRY(ready, ready_within(limit, descriptor_, POLLIN));
    if (!ready) return no_answer_within(timeout_);
    constexpr std::size_t kPiece = 16u << 10;
    const std::size_t have = into.size();
    into.resize(have + kPiece);
    ssize_t got = 0;
    do {
        got = ::recv(descriptor_, into.data() + have, kPiece, 0);
    } while (got < 0 && errno == EINTR);
    into.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0) return errno_error(Errc::io, "the server hung up");
    return got > 0;
}

Result<bool> HttpClient::fill() {
    if (begin_ == buffer_.size()) {
        buffer_.clear();
        begin_ = 0;
    }
    return tls_ == nullptr ? receive(buffer_, timeout_) : fill_by_tls();
}

Result<bool> HttpClient::fill_by_tls() {
    for (;;) {
        SE_TRY(some, tls_->read(buffer_));
        if (some) return true;
        if (tls_->ended()) return false;
        SE_TRY_OK(carry(timeout_));
    }
}

Status HttpClient::carry(milliseconds limit) {
    SE_TRY_OK(send_by_tls());
    std::string bytes;
    auto more = receive(bytes, limit);
    if (!more && more.error().code == Errc::io)
        return Error{Errc::io, tls_->broken(std::move(more).error().text)};
    SE_TRY(some, std::move(more));
    // Whoever cuts the wire ends it like this; who speaks TLS ends it otherwise.
    if (!some) return Error{Errc::io, tls_->broken("the server hung up")};
    tls_->arrived(bytes);
    return Ok{};
}

Error HttpClient::hung_up() const {
    return {Errc::io, "the server hung up in the middle of an answer"};
}

Result<std::string> HttpClient::read_line() {
    std::size_t looked = begin_;
    for (;;) {
        const std::size_t end = buffer_.find('\n', looked);
        if (end != std::string::npos) {
            std::string line = buffer_.substr(begin_, end - begin_);
            begin_ = end + 1;
            if (line.ends_with('\r')) line.pop_back();
            return line;
        }
        const std::size_t left = buffer_.size() - begin_;
        if (left > kHeaderBytesMax) return Error{Errc::malformed, "an endless header came"};
        SE_TRY(more, fill());
        if (!more) return hung_up();
        looked = begin_ + left;
    }
}

Result<HttpAnswer> HttpClient::read_answer(const Piece* piece) {
    HttpAnswer answer;
    do {  // 100 Continue is followed by the answer itself
        SE_TRY(line, read_line());
        const std::size_t blank = line.find(' ');
        if (!line.starts_with("HTTP/1.") || blank == line.npos || line.size() < blank + 4)
            return Error{Errc::malformed, "no HTTP came: " + line.substr(0, 64)};
        std::from_chars(line.data() + blank + 1, line.data() + blank + 4, answer.status);
        answer.headers.clear();
        for (;;) {
            SE_TRY(field, read_line());
            if (field.empty()) break;
            const std::size_t colon = field.find(':');
            if (colon == field.npos || answer.headers.size() > 100)
                return Error{Errc::malformed, "no HTTP header: " + field.substr(0, 64)};
            std::size_t value = field.find_first_not_of(" \t", colon + 1);
            if (value == field.npos) value = field.size();
            answer.headers.emplace_back(lower(field.substr(0, colon)), field.substr(value));
        }
    } while (answer.status >= 100 && answer.status < 200);
    if (answer.status != 200) piece = nullptr;
    if (no_body_ || answer.status == 204 || answer.status == 304) return answer;
    SE_TRY(over, read_body(answer, piece));
    if (!over) {  // in the middle of a body nothing else can be asked here
        ::close(std::exchange(descriptor_, -1));
    }
    return answer;
}

Result<bool> HttpClient::read_body(HttpAnswer& answer, const Piece* piece) {
    if (lower(answer.header("transfer-encoding")) == "chunked") return read_chunks(answer, piece);
    const std::string_view length = answer.header("content-length");
    if (!length.empty()) {
        std::size_t size = 0;
        const auto [end, bad] = std::from_chars(length.data(), length.data() + length.size(), size);
        if (bad != std::errc() || end != length.data() + length.size())
            return Error{Errc::malformed, "no Content-Length: " + std::string(length)};
        return take_body(answer, piece, size);
    }
    for (;;) {  // until the server hangs up
        SE_TRY(go_on, take_body(answer, piece, buffer_.size() - begin_));
        if (!go_on) return false;
        SE_TRY(more, fill());
        if (!more) return true;
    }
}

Result<bool> HttpClient::read_chunks(HttpAnswer& answer, const Piece* piece) {
    for (;;) {
        SE_TRY(line, read_line());
        std::size_t size = 0;
        const auto [end, bad] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
        if (bad != std::errc() || end == line.data())
            return Error{Errc::malformed, "no chunk: " + line.substr(0, 64)};
        if (size == 0) {
            for (;;) {
                SE_TRY(trailer, read_line());
                if (trailer.empty()) return true;
            }
        }
        SE_TRY(go_on, take_body(answer, piece, size));
        if (!go_on) return false;
        SE_TRY(nothing, read_line());
        if (!nothing.empty()) return Error{Errc::malformed, "a chunk is longer than it says"};
    }
}

Result<bool> HttpClient::take_body(HttpAnswer& answer, const Piece* piece, std::size_t size) {
    while (size > 0) {
        if (begin_ == buffer_.size()) {
            SE_TRY(more, fill());
            if (!more) return hung_up();
        }
        const std::size_t some = std::min(size, buffer_.size() - begin_);
        const std::string_view bytes(buffer_.data() + begin_, some);
        if (piece == nullptr) {
            answer.body += bytes;
        } else if (!(*piece)(bytes)) {
            return false;
        }
        begin_ += some;
        size -= some;
    }
    return true;
}

Result<std::string> HttpClient::read_raw_to_end() {
    for (;;) {
        SE_TRY(more, fill());
        if (!more) break;
    }
    std::string all = buffer_.substr(begin_);
    begin_ = buffer_.size();
    return all;
}

void HttpClient::shut_write() { ::shutdown(descriptor_, SHUT_WR); }

}  // namespace se
