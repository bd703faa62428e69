#pragma once

#include "engine/adapters/http_tls.h"
#include "engine/policy/config.h"

namespace se {

/// Whom we trust, and what we show of ourselves, by the settings that name the files.
HttpTls::Options webhook_tls(const Settings& settings);
HttpTls::Options collector_tls(const Settings& settings);

/// Errc::malformed for a file that is missing or not what it must be, and for one of a webhook that nobody
/// would look at, as its address begins with http://. The text says which setting it is. For the start: a
/// reload takes none of these settings, and must not fail for a file that is just being renewed.
Status check_tls(const Settings& settings);

/// Nobody looks at `otlp.tls_ca`. OpenTelemetry allows that: one environment may be that of many programs.
bool passes_over_collector_tls(const Settings& settings);

}  // namespace se
