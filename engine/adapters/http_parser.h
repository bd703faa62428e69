#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/api/api.h"

namespace se {

/// Reads one HTTP/1.x request after the other from bytes that come in any pieces. Strict where leniency
/// lets two readers of the same bytes disagree on where a request ends: Content-Length beside
/// Transfer-Encoding, another coding than `chunked`, a second or missing Host, obsolete line ends.
class HttpParser {
public:
    struct Limits {
        std::size_t header_bytes = 16u << 10;  ///< request line, header and trailer lines: else 431
        std::size_t body_bytes = 10u << 20;    ///< else 413
    };
    enum class State : std::uint8_t {
        idle,    ///< nothing of a request has come yet
        header,  ///< part of the header
        body,    ///< all of the header, part of the body
        done,    ///< take() the request
        failed,  ///< problem() says why: nothing behind it can be understood, close after telling
    };

    explicit HttpParser(Limits limits);
    ~HttpParser();

    /// Takes bytes until the request is done or more are needed. Returns how many; the caller shows the
    /// others again, with more behind them. Needs: not done and not failed.
    std::size_t feed(std::string_view bytes);

    State state() const;
    const Problem& problem() const;
    bool wants_continue() const;    ///< "Expect: 100-continue", and the body has not come
    bool keep_alive() const;        ///< of the request that is done
    bool is_http_1_0() const;
    std::size_t body_bytes() const; ///< of the request so far

    /// The request that is done, without its peer; the parser is idle then.
    Request take();

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace se
