#include "tools/daemon_tls.h"

#include <string>

namespace se {
namespace {

Status check_tls_of(const std::string& name, const std::string& url, const HttpTls::Options& tls) {
    if (url.empty()) return Ok{};
    if (url.starts_with("https://")) {
        if (const auto made = HttpTls::make(tls); !made) return made.error();
        return Ok{};
    }
    for (const HttpTls::File* file : {&tls.authorities, &tls.certificate, &tls.key}) {
        if (!file->path.empty())
            return Error{Errc::malformed, file->name + " is for an address with TLS, and " + name +
                                              " does not begin with https://"};
    }
    return Ok{};
}

}  // namespace

HttpTls::Options webhook_tls(const Settings& settings) {
    const Settings::Egress& egress = settings.egress;
    return {.authorities = {"egress.webhook_tls_ca", egress.webhook_tls_ca},
            .certificate = {"egress.webhook_tls_certificate", egress.webhook_tls_certificate},
            .key = {"egress.webhook_tls_key", egress.webhook_tls_key}};
}

HttpTls::Options collector_tls(const Settings& settings) {
    return {.authorities = {"otlp.tls_ca", settings.otlp.tls_ca}};
}

Status check_tls(const Settings& settings) {
    SE_TRY_OK(check_tls_of("egress.webhook_url", settings.egress.webhook_url, webhook_tls(settings)));
    return check_tls_of("otlp.endpoint", settings.otlp.endpoint, collector_tls(settings));
}

}  // namespace se
