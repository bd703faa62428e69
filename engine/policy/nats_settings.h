#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/policy/config.h"

namespace se {

/// The section `nats` of the settings (docs/nats.md). It has a table of its own: nothing but the
/// daemon's bus reads it, and so nothing else is compiled anew when it grows.
struct NatsSettings {
    std::string url;  ///< empty: there is no bus. May hold a password
    std::string prefix;
    std::string stream = "BITBRAT";
    bool shadow = false;
    bool takeover = false;
    std::chrono::seconds ack_wait{60};
    std::uint64_t in_flight = 1024;
    std::uint64_t in_flight_bytes = 8u << 20;
    std::string token;                                          ///< a secret
    std::string credentials, tls_ca, tls_certificate, tls_key;  ///< files
    bool publish_results = true, publish_changes = true, announce = true;
    std::string external_url;

    /// What must not be logged.
    std::vector<std::string> secrets() const;
};

/// The section as it is in force; what may hold a secret shows as "[redacted]" where it is set.
Json redacted(const NatsSettings& settings);

/// For --help and the documents, as all_settings() has the others.
const std::vector<SettingInfo>& nats_setting_infos();

inline constexpr std::string_view kNatsSection = "nats";
/// Whether it belongs to this table: "nats.…".
bool is_nats_setting(std::string_view dotted_name);
/// An unknown name gets the nearest one; an Error says what is right.
Status set_nats_setting(NatsSettings* settings, std::string_view dotted_name,
                        std::string_view text);
/// The section of a file, the texts of `publish` below it too. An Error's pointer is within it.
Status read_nats_section(NatsSettings* settings, const Json& section);
Status apply_nats_environment(NatsSettings* settings, const Environment& environment);

}  // namespace se
