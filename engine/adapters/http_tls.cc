#include "engine/adapters/http_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "journal/base/assert.h"

namespace se {
namespace {

constexpr int kAlerts = SSL_AD_REASON_OFFSET, kAlertsEnd = kAlerts + 256;  // a peer's last words

/// " (why)", of the last thing that OpenSSL could not do; it holds nothing of a file.
std::string tls_reason() {
    const char* const text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return text == nullptr ? "" : " (" + std::string(text) + ")";
}

/// OpenSSL says of a missing file that there is no certificate in it.
Status can_be_read(const HttpTls::File& file) {
    if (std::FILE* const in = std::fopen(file.path.c_str(), "re")) {
        std::fclose(in);
        return Ok{};
    }
    return Error{Errc::malformed,
                 file.name + ": " + file.path + " cannot be read: " + std::strerror(errno)};
}

/// Whether a server's last words may be about the certificate that we showed, or did not show.
bool is_of_certificates(int alert) {
    switch (alert) {
        case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:  // all that TLS 1.2 has for a missing one
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            return true;
        default:
            return false;
    }
}

/// Only who asks for our certificate says how it may be signed.
bool asks_for_certificates(ssl_st& session) {
    return SSL_get_sigalgs(&session, -1, nullptr, nullptr, nullptr, nullptr, nullptr) > 0;
}

Error not_in_it(const HttpTls::File& file, const std::string& what) {
    return {Errc::malformed, file.name + ": " + file.path + " holds no " + what + tls_reason()};
}

}  // namespace

void HttpTls::FreeSession::operator()(ssl_st* session) const { SSL_free(session); }
void HttpTls::FreeContext::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Result<std::shared_ptr<const HttpTls>> HttpTls::make(Options options) {
    ERR_clear_error();
    std::unique_ptr<ssl_ctx_st, FreeContext> context(SSL_CTX_new(TLS_client_method()));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1)
        return Error{Errc::unavailable, "TLS cannot be had here" + tls_reason()};
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    // Else a key with a passphrase would have it asked for at the terminal.
    SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return -1; });
    const std::shared_ptr<const HttpTls> tls(new HttpTls(std::move(options), std::move(context)));
    SE_TRY_OK(tls->read_authorities());
    SE_TRY_OK(tls->read_certificate());
    return tls;
}

Status HttpTls::read_authorities() const {
    const File& file = options_.authorities;
    if (file.path.empty()) {
        if (SSL_CTX_set_default_verify_paths(context_.get()) == 1) return Ok{};
        return Error{Errc::unavailable, "the system's authorities cannot be had" + tls_reason()};
    }
    SE_TRY_OK(can_be_read(file));
    if (SSL_CTX_load_verify_file(context_.get(), file.path.c_str()) == 1) return Ok{};
    return not_in_it(file, "certificate of an authority in PEM");
}

Status HttpTls::read_certificate() const {
    const auto& [authorities, certificate, key] = options_;
    if (certificate.path.empty() != key.path.empty())
        return Error{Errc::malformed, certificate.name + " and " + key.name + " are needed together"};
    if (certificate.path.empty()) return Ok{};
    SE_TRY_OK(can_be_read(certificate));
    SE_TRY_OK(can_be_read(key));
    SSL_CTX* const context = context_.get();
    if (SSL_CTX_use_certificate_chain_file(context, certificate.path.c_str()) != 1)
        return not_in_it(certificate, "certificate in PEM");
    if (SSL_CTX_use_PrivateKey_file(context, key.path.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return not_in_it(key, "key in PEM, without a passphrase, of " + certificate.name);
    return Ok{};
}

Result<HttpTls::Session> HttpTls::session(std::string_view host) const {
    Session session(SSL_new(context_.get()));
    if (!session) return Error{Errc::unavailable, "no TLS connection can be made" + tls_reason()};
    if (host.ends_with('.')) host.remove_suffix(1);  // for the resolver; no certificate has it
    std::string name(host);
    // OpenSSL takes no name for any name.
    if (name.empty()) return Error{Errc::malformed, "an address without a host"};
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(session.get());
    bool told = X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str()) == 1;
    if (!told) {  // a name, which a server of several is told, too
        X509_VERIFY_PARAM_set_hostflags(
            wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        told = X509_VERIFY_PARAM_set1_host(wanted, name.data(), name.size()) == 1 &&
               SSL_ctrl(session.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                        name.data()) == 1;
    }
    ERR_clear_error();
    if (!told) return Error{Errc::malformed, "a host that no certificate can have"};
    SSL_set_connect_state(session.get());
    return session;
}

std::string HttpTls::trouble(ssl_st& session, unsigned long error, std::string said) const {
    if (const long verdict = SSL_get_verify_result(&session); verdict != X509_V_OK)
        return not_trusted(verdict);
    if (const char* const text = error == 0 ? nullptr : ERR_reason_error_string(error)) said = text;
    const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    switch (reason) {
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_PACKET_LENGTH_TOO_LONG:
        case SSL_R_HTTP_REQUEST:
            return "the server has no TLS at that port (" + said +
                   "); the address of one without it begins with http://";
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            return "the server has no TLS 1.2 or later (" + said + ")";
        default:
            break;
    }
    // In TLS 1.3 a server takes or refuses our certificate when we have long gone on. Some only hang up.
    const bool its_word = reason >= kAlerts && reason < kAlertsEnd;
    if (!its_word && error != 0 && reason != SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return "TLS failed (" + said + ")";
    if (its_word) said = "the server broke off (" + said + ")";
    if (its_word ? !is_of_certificates(reason) : !asks_for_certificates(session)) return said;
    if (options_.certificate.name.empty())
        return said + "; if it asks for certificates: it is shown none";
    return said + "; if it asks for certificates, " + options_.certificate.name + " and " +
           options_.key.name + " must be what it trusts";
}

std::string HttpTls::not_trusted(long verdict) const {
    const std::string why = " (" + std::string(X509_verify_cert_error_string(verdict)) + ")";
    switch (verdict) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return "the server's certificate is of another host" + why +
                   "; the address must name a host that stands in it";
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "the server's certificate, or its authority's, is not valid now" + why +
                   "; it needs another one, or a clock is wrong";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        case X509_V_ERR_CERT_UNTRUSTED:
            break;
        default:
            return "the server's certificate cannot be trusted" + why;
    }
    std::string text = "the server's certificate is of no authority that is trusted" + why + "; ";
    const File& file = options_.authorities;
    if (!file.path.empty()) return text + file.name + " (" + file.path + ") must hold its authority";
    text += "the system's are in force";
    return file.name.empty() ? text : text + ": " + file.name + " can name a file with its authority";
}

Result<TlsEnd> TlsEnd::make(std::shared_ptr<const HttpTls> tls, std::string_view host) {
    SE_TRY(session, tls->session(host));
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const out = BIO_new(BIO_s_mem());
    SSL_set_bio(session.get(), in, out);  // which has them from now on
    if (in == nullptr || out == nullptr)
        return Error{Errc::unavailable, "no TLS connection can be made" + tls_reason()};
    return TlsEnd(std::move(tls), std::move(session));
}

Result<bool> TlsEnd::shake_hands() {
    ERR_clear_error();
    return outcome(SSL_do_handshake(session_.get()));
}

Result<bool> TlsEnd::write(std::string_view bytes) {
    ERR_clear_error();
    return outcome(SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size())));
}

Result<bool> TlsEnd::read(std::string& into) {
    constexpr std::size_t kRecord = 16u << 10;  // the most that one of TLS holds
    bool some = false;
    for (;;) {
        const std::size_t had = into.size();
        into.resize(had + kRecord);
        ERR_clear_error();
        const int got = SSL_read(session_.get(), into.data() + had, static_cast<int>(kRecord));
        into.resize(had + static_cast<std::size_t>(got > 0 ? got : 0));
        if (got <= 0) {
            SE_TRY_OK(outcome(got));
            return some;
        }
        some = heard_ = true;
    }
}

std::string TlsEnd::broken(std::string said) const {
    return heard_ ? said : tls_->trouble(*session_, 0, std::move(said));
}

Result<bool> TlsEnd::outcome(int returned) {
    if (returned > 0) return true;
    switch (SSL_get_error(session_.get(), returned)) {
        case SSL_ERROR_ZERO_RETURN:
            ended_ = true;
            return false;
        case SSL_ERROR_WANT_READ:
            return false;
        default:
            break;
    }
    const unsigned long error = ERR_get_error();
    ERR_clear_error();
    return Error{Errc::io, tls_->trouble(*session_, error, "the server hung up")};
}

std::string TlsEnd::outgoing() {
    BIO* const out = SSL_get_wbio(session_.get());
    std::string bytes(BIO_ctrl_pending(out), '\0');
    if (bytes.empty()) return bytes;
    const int got = BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    SE_ASSERT(got == static_cast<int>(bytes.size()));
    return bytes;
}

void TlsEnd::arrived(std::string_view bytes) {
    const int taken = BIO_write(SSL_get_rbio(session_.get()), bytes.data(),
                                static_cast<int>(bytes.size()));
    SE_ASSERT(taken == static_cast<int>(bytes.size()));
}

}  // namespace se
