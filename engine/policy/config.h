#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/policy/policy.h"
#include "engine/policy/principals.h"
#include "journal/journal.h"
#include "projection/projection.h"

namespace se {

/// All settings of the daemon (INTERFACES "Settings"): flag > environment > file > default.
struct Settings {
    std::string data = "./data";            ///< --data, STATE_ENGINE_DATA
    std::string config_path;                ///< --config, STATE_ENGINE_CONFIG_PATH; empty: none
    std::string service_name = "state-engine";  ///< SERVICE_NAME
    std::string log_level = "info";         ///< LOG_LEVEL: debug info warn error

    struct Http {
        std::string host = "127.0.0.1";     ///< http.host
        std::uint16_t port = 3000;          ///< http.port, SERVICE_PORT, PORT; 0: any free one
        bool allow_open = false;            ///< --allow-open: listen beyond loopback without a token
        std::uint64_t body_bytes = 10u << 20;
        std::uint64_t header_bytes = 16u << 10;
        std::uint64_t connections = 1024;
        std::uint64_t streams = 256;
        std::uint64_t pipeline = 128;        ///< requests of one connection under way at once
        std::chrono::milliseconds header_timeout{10'000};
        std::chrono::milliseconds idle_timeout{60'000};
        std::uint64_t page = 1000;           ///< list page
        std::uint64_t page_max = 10'000;
    } http;

    struct Auth {
        std::string default_actor = "local";   ///< auth.default_actor
        std::vector<std::string> default_speaks_for;  ///< patterns of actors that it may name; default none
        std::vector<std::string> default_scopes = {"metrics", "debug", "bit:read"};
        std::string token;                     ///< MCP_AUTH_TOKEN; a secret: principal llm-bot
        std::vector<PrincipalEntry> principals;  ///< auth.principals; tokens as their hashes

        /// There is neither a token nor a principal with one: whoever reaches the door is the default actor.
        bool lets_anybody_in() const { return token.empty() && principals.empty(); }
        /// Who may come in, all taken together. Errc::malformed: parts that do not fit each other.
        Result<Principals> who_may_come_in() const {
            return Principals::make({token, default_actor, default_speaks_for, default_scopes, principals});
        }
    } auth;

    struct Mcp {
        bool full = false;                     ///< mcp.profile: state or full
    } mcp;

    struct Otlp {
        std::string endpoint;                  ///< http:// or https://host[:port][/base]; empty: no spans
        std::string tls_ca;                    ///< file of authorities; empty: the system's
        std::uint64_t queue = 2048;
    } otlp;

    /// What rules fire, told to a file and to a webhook, each by a follower of its own.
    struct Egress {
        std::string file;                      ///< JSON Lines are appended to it; empty: none
        std::string webhook_url;               ///< http:// or https://host[:port][/path]; empty: none
        std::string webhook_token;             ///< a secret: Authorization: Bearer
        std::string webhook_tls_ca;            ///< file of authorities; empty: the system's
        std::string webhook_tls_certificate, webhook_tls_key;  ///< files: ours; empty: we show none
        std::chrono::milliseconds webhook_timeout{10'000};
        // Of every outbound follower (FollowerOptions).
        std::uint64_t in_flight = 256;
        std::uint64_t in_flight_bytes = 8u << 20;
        std::uint64_t attempts = 0;
        std::uint64_t dead_letters = 10'000;
        std::chrono::milliseconds backoff_first{100}, backoff_max{30'000};
        std::uint64_t breaker_failures = 5, breaker_trials = 3;
        std::chrono::milliseconds breaker_open{30'000};
    } egress;

    struct EngineSettings {
        std::uint64_t in_flight_bytes = 64u << 20;
        std::uint64_t queue = 65'536;         ///< proposals waiting; more: unavailable, overloaded
        std::uint64_t group_records = 4'096;  ///< decided into one group at most
        std::uint64_t overlay_bytes = 256u << 20;  ///< while LMDB fails
        std::chrono::milliseconds drain{10'000};
    } engine;

    JournalOptions journal;
    /// What of `journal` nobody has set, and is to be as the last run that wrote had it (journal/run_settings.h).
    struct AsLastRun {
        bool align = false, disk_reserve = false;
    } as_last_run;
    ProjectionOptions projection;
};

/// What one configuration file says: policy (journaled, reloadable) and settings.
struct Config {
    Policy policy;
    Settings settings;
    bool has_policy = false;  ///< the file named allowedKeys or rules
    /// Variables of BitBrat whose value nobody knows, and whose default counts as it does there.
    std::vector<std::string> passed_over = {};
};

/// Reads the YAML text over the defaults. Errors say line, path and remedy; an unknown key names the
/// nearest known one. A file without allowedKeys, or with nothing behind that name, leaves the defaults,
/// `allowedKeys: []` allows nothing; so it is with rules. `keys` are not understood by this version: non-empty
/// ones are an error that says so, since ignoring a permission would allow what it forbids; so is the section
/// checkpoint.
/// Sizes and durations may have a unit (`64MiB`, `10s`); plain numbers are in the base unit.
Result<Config> parse_config(std::string_view yaml, const std::string& name);

/// Applies environment variables over `config`: STATE_ENGINE_<SECTION>_<NAME>, then the names of CONTRACTS
/// 1.7. An empty variable counts as not set.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;
Status apply_environment(Config* config, const Environment& environment);
/// For whoever opens a store without its configuration: what neither that nor `environment` says of how to write
/// stays as the last run had it.
void leave_to_last_run(Settings* settings, const Environment& environment);

/// Sets one setting by its dotted name ("journal.fsync") from text: for environment and flags. Limits
/// that a decision reads (`engine.ttl`, `engine.key_bytes`, …) go to `config->policy.limits`, all others
/// to `config->settings`. An Error says what is right; an unknown name gets the nearest one.
Status set_setting(Config* config, std::string_view dotted_name, std::string_view text);

/// Every setting: dotted name, environment variable, default, meaning: for --help and the docs.
struct SettingInfo {
    std::string name, environment, default_value, meaning;  ///< environment: `A, B`, A before B
};
const std::vector<SettingInfo>& all_settings();

/// What a reload would answer if it were meant: {"status":"accepted","dryRun":true,"policy":<digest>,
/// "changes":[{"name","from","to"},…]}, settings under the names they have in the file. A reload takes the
/// policy and the section `auth`; of a secret, and of a token, only that it changes is told.
std::string reload_preview(const Config& in_force, const Config& next);

/// For /_debug/config: every setting by section, and allowedKeys; a secret that is set shows as
/// "[redacted]", an address that may hold one without its path.
Json redacted(const Config& config);

}  // namespace se
