#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/adapters/http_tls.h"
#include "journal/base/result.h"

namespace se {

struct HttpAnswer {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
    std::string body;

    std::string_view header(std::string_view lower_name) const;  ///< empty when absent
};

/// A connection to one server, blocking, for tools, tests and benchmarks. Errc::unavailable when it cannot be reached (by
/// TLS, where that is asked for) or does not answer in time, Errc::io when it hung up in the middle (what was asked may have happened
/// or not: ask again with the same id), Errc::malformed when what came is no HTTP, and of connect() when
/// who answers has no TLS or is not trusted: that will not be otherwise in a minute. After an Error the
/// connection is gone; connect again.
class HttpClient {
public:
    struct Address {
        std::string host;            ///< TCP; a name or an address
        std::uint16_t port = 80;
        std::string socket_folder;   ///< or a Unix socket: the folder it is in, and its name
        std::string socket_name;
        std::string token;           ///< sent as Authorization: Bearer; empty: none
        bool https = false;
        std::shared_ptr<const HttpTls> tls = {};  ///< for https; null: what HttpTls::make({}) makes

        std::string host_and_port() const;  ///< of TCP, as a url and the header Host have it
    };
    /// "http://host[:port]" or "https://host[:port]", whatever path is behind it; Errc::malformed for
    /// anything else (no user), whose text quotes nothing that may be a secret.
    static Result<Address> address_of_url(std::string_view url);
    static Address address_of_socket(const std::string& data_folder);  ///< <data>/engine.sock

    struct Request {
        std::string method = "GET";
        std::string target = "/";  ///< encoded
        std::vector<std::pair<std::string, std::string>> headers = {};
        std::string body = {};
    };

    /// Over TCP, once the name is found, it takes no longer than `timeout` (zero: for ever), and TLS's handshake
    /// no longer than that again.
    static Result<HttpClient> connect(Address address,
                                      std::chrono::milliseconds timeout = std::chrono::seconds(10));
    HttpClient(HttpClient&& other) noexcept;
    HttpClient& operator=(HttpClient&& other) noexcept;
    ~HttpClient();

    /// How long one wait for bytes may take; zero: for ever.
    void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

    /// One request, one answer.
    Result<HttpAnswer> send(const Request& request);
    Result<HttpAnswer> get(std::string target) { return send({.target = std::move(target)}); }
    Result<HttpAnswer> post(std::string target, std::string body,
                            std::string content_type = "application/json");

    /// Shows the body piece by piece as it comes (server-sent events, lines) until it ends or `piece` says false,
    /// which closes the connection. An answer other than 200 comes back whole instead.
    Result<HttpAnswer> stream(const Request& request,
                              const std::function<bool(std::string_view piece)>& piece);

    // Pipelining: several write(), then as many read(), in the same order. Errc::malformed, with nothing sent, for a
    // target or header with a line break or NUL in it.
    Status write(const Request& request);
    Result<HttpAnswer> read() { return read_answer(nullptr); }
    /// Bytes of a next answer are here already: the descriptor need not become readable for it.
    bool read_ahead() const { return begin_ < buffer_.size(); }
    /// There is something to read now, the end of the connection included. Does not wait.
    bool readable() const;

    // For tests of the wire.
    Status write_raw(std::string_view bytes);
    Result<std::string> read_raw_to_end();  ///< until the server hangs up
    void shut_write();
    int descriptor() const { return descriptor_; }

private:
    using Piece = std::function<bool(std::string_view)>;

    HttpClient(Address address, int descriptor, std::chrono::milliseconds timeout)
        : address_(std::move(address)), descriptor_(descriptor), timeout_(timeout) {}

    Result<HttpAnswer> read_answer(const Piece* piece);
    Result<bool> read_body(HttpAnswer& answer, const Piece* piece);
    Result<bool> read_chunks(HttpAnswer& answer, const Piece* piece);
    Result<bool> take_body(HttpAnswer& answer, const Piece* piece, std::size_t size);
    Result<std::string> read_line();
    Result<bool> fill();  ///< reads more; false at the end of the stream
    Result<bool> fill_by_tls();
    Status begin_tls();
    Status shake_hands();
    Status carry(std::chrono::milliseconds limit);  ///< between TLS and the socket, until something has arrived
    Status send_bytes(std::string_view bytes);
    Status send_by_tls();  ///< what TLS has for the server
    Result<bool> receive(std::string& into, std::chrono::milliseconds limit);
    Error hung_up() const;

    Address address_;
    int descriptor_ = -1;
    std::chrono::milliseconds timeout_;
    std::string buffer_;
    std::size_t begin_ = 0;  // of what has not been used
    bool no_body_ = false;   // the answer to a HEAD
    std::unique_ptr<TlsEnd> tls_;  // null: the socket's bytes are those of HTTP
};

}  // namespace se
