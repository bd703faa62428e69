#include "tools/daemon_tls.h"

#include <string>

namespace se {
namespace {

bool has_tls(const std::string& url) {
    return url.starts_with("https://");
}

Status check_files(const HttpTls::Options& tls) {
    if (const auto made = HttpTls::make(tls); !made) return made.error();
    return Ok{};
}

/// Whoever names a file believes that it is looked at.
Status refuse_files(const std::string& name, const HttpTls::Options& tls) {
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
    const std::string& webhook = settings.egress.webhook_url;
    if (!webhook.empty()) {
        SE_TRY_OK(has_tls(webhook) ? check_files(webhook_tls(settings))
                                   : refuse_files("egress.webhook_url", webhook_tls(settings)));
    }
    return has_tls(settings.otlp.endpoint) ? check_files(collector_tls(settings)) : Ok{};
}

bool passes_over_collector_tls(const Settings& settings) {
    const Settings::Otlp& otlp = settings.otlp;
    return !otlp.tls_ca.empty() && !otlp.endpoint.empty() && !has_tls(otlp.endpoint);
}

}  // namespace se
