#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "journal/base/result.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX and SSL, which nobody else needs to see
struct ssl_st;

namespace se {

/// Whom we trust when we speak TLS to somebody, and who we say we are. Of every connection it holds,
/// and nothing turns it off: TLS 1.2 or later, and a certificate of the peer that is of a trusted
/// authority, valid now, and of the host that was asked for.
///
/// Its files are read once, by make(): another one has what they say then. Of the system's authorities
/// those in its folder of certificates are looked for at each verification. Any thread.
class HttpTls {
public:
    /// A file in PEM, and what names it: a setting, a flag. An empty path: there is none.
    struct File {
        std::string name = {};
        std::string path = {};
    };
    struct Options {
        File authorities = {};            ///< none: those that the system trusts
        File certificate = {}, key = {};  ///< ours; none: we show none. Both or neither
    };
    /// Errc::malformed for a file that is missing or not what it must be. The text has what names
    /// it and its path, and nothing of what is in it.
    static Result<std::shared_ptr<const HttpTls>> make(Options options);

    struct FreeSession {
        void operator()(ssl_st* session) const;
    };
    using Session = std::unique_ptr<ssl_st, FreeSession>;
    /// One connection to `host`, a name or an address, over whatever will carry it.
    Result<Session> session(std::string_view host) const;

    /// What went wrong with a session, and what can be done about it. `error` is OpenSSL's; where it
    /// is none, 0, `said` tells what happened to what carries it.
    std::string trouble(ssl_st& session, unsigned long error, std::string said) const;

private:
    struct FreeContext {
        void operator()(ssl_ctx_st* context) const;
    };
    HttpTls(Options options, std::unique_ptr<ssl_ctx_st, FreeContext> context)
        : options_(std::move(options)), context_(std::move(context)) {}

    Status read_authorities() const;
    Status read_certificate() const;
    std::string not_trusted(long verdict) const;

    const Options options_;
    const std::unique_ptr<ssl_ctx_st, FreeContext> context_;
};

/// Our end of one TLS connection. It knows no socket: whoever has it carries outgoing() to the peer
/// and gives it what comes from there. An Error is the end of it; outgoing() then tells the peer.
/// OpenSSL would write to a socket without MSG_NOSIGNAL, and a peer that has hung up would end the program.
class TlsEnd {
public:
    static Result<TlsEnd> make(std::shared_ptr<const HttpTls> tls, std::string_view host);

    /// True once each side has what it needs; false: it goes on when something has arrived.
    Result<bool> shake_hands();
    /// False: none of `bytes` was taken, and the same are to be written when something has arrived.
    Result<bool> write(std::string_view bytes);
    /// Appends all that can be had of what has arrived. False: that is nothing yet, or ended().
    Result<bool> read(std::string& into);
    bool ended() const { return ended_; }  ///< by the peer, in due form: nothing was cut off

    std::string outgoing();  ///< what has to go to the peer; each byte once
    void arrived(std::string_view bytes);
    /// What it means that `said` happened to what carries it, before ended().
    std::string broken(std::string said) const;

private:
    TlsEnd(std::shared_ptr<const HttpTls> tls, HttpTls::Session session)
        : tls_(std::move(tls)), session_(std::move(session)) {}
    Result<bool> outcome(int returned);

    std::shared_ptr<const HttpTls> tls_;
    HttpTls::Session session_;
    bool ended_ = false;
    bool heard_ = false;  // the peer has answered: it takes us as we are
};

}  // namespace se
