#include "engine/adapters/http_client.h"

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

constexpr std::size_t kHeaderBytesMax = 64u << 10;

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

Result<int> connect_tcp(const HttpClient::Address& address) {
    const std::string where = address.host + ":" + std::to_string(address.port);
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
    for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
        const int descriptor = ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, 0);
        if (descriptor < 0) continue;
        if (::connect(descriptor, one->ai_addr, one->ai_addrlen) == 0) {
            const int on = 1;
            ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return descriptor;
        }
        error = errno_error(Errc::unavailable, "cannot reach " + where);
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

Result<HttpClient::Address> HttpClient::address_of_url(std::string_view url) {
    const std::string shown = "'" + shown_url(url) + "'";
    constexpr std::string_view kScheme = "http://";
    if (!url.starts_with(kScheme)) {
        return Error{Errc::malformed, shown + " is no address: http://host:port"};
    }
    url.remove_prefix(kScheme.size());
    url = url.substr(0, url.find('/'));
    if (url.find_first_of("@?#") != url.npos)
        return Error{Errc::malformed, shown + " must be http://host:port, without a user, ? or #"};
    Address address;
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
        address.socket_name.empty() ? connect_tcp(address) : connect_unix(address);
    if (!descriptor) return descriptor.error();
    return HttpClient(std::move(address), *descriptor, timeout);
}

HttpClient::HttpClient(HttpClient&& other) noexcept
    : address_(std::move(other.address_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      timeout_(other.timeout_),
      buffer_(std::move(other.buffer_)),
      begin_(std::exchange(other.begin_, 0)),
      no_body_(other.no_body_) {}

HttpClient& HttpClient::operator=(HttpClient&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(timeout_, other.timeout_);
    std::swap(buffer_, other.buffer_);
    std::swap(begin_, other.begin_);
    std::swap(no_body_, other.no_body_);
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
    if (address_.socket_name.empty()) {
        const bool v6 = address_.host.find(':') != std::string::npos;
        text += (v6 ? "[" + address_.host + "]" : address_.host) + ":" + std::to_string(address_.port);
    } else {
        text += "localhost";
    }
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
    while (!bytes.empty()) {
        const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            SE_TRY_OK(wait(POLLOUT));
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

Status HttpClient::wait(short events) {
    pollfd one{.fd = descriptor_, .events = events, .revents = 0};
    const int limit = timeout_.count() == 0 ? -1 : static_cast<int>(timeout_.count());
    int ready = 0;
    do {
        ready = ::poll(&one, 1, limit);
    } while (ready < 0 && errno == EINTR);
    if (ready > 0) return Ok{};
    if (ready < 0) return errno_error(Errc::io, "poll");
    return Error{Errc::unavailable,
                 "no answer within " + std::to_string(timeout_.count()) + " ms"};
}

Result<bool> HttpClient::fill() {
    if (begin_ == buffer_.size()) {
        buffer_.clear();
        begin_ = 0;
    }
    SE_TRY_OK(wait(POLLIN));
    constexpr std::size_t kPiece = 16u << 10;
    const std::size_t have = buffer_.size();
    buffer_.resize(have + kPiece);
    ssize_t got = 0;
    do {
        got = ::recv(descriptor_, buffer_.data() + have, kPiece, 0);
    } while (got < 0 && errno == EINTR);
    buffer_.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0) return errno_error(Errc::io, "the server hung up");
    return got > 0;
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
