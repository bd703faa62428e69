#pragma once

#include "engine/adapters/http_tls.h"
#include "engine/policy/config.h"

namespace se {

/// Whom we trust, and what we show of ourselves, by the settings that name the files.
HttpTls::Options webhook_tls(const Settings& settings);
HttpTls::Options collector_tls(const Settings& settings);

/// Errc::malformed for a file that is missing or not what it must be, and for one that nobody would look
/// at, as its address begins with http://. The text says which setting it is.
Status check_tls(const Settings& settings);

}  // namespace se
