#include "tools/daemon_options.h"

#include "tools/daemon_egress.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "engine/adapters/http_client.h"
#include "engine/adapters/http_server.h"
#include "engine/adapters/posix_filesystem.h"
#include "tools/daemon_firestore.h"
#include "tools/daemon_nats.h"
#include "tools/daemon_surroundings.h"

namespace se {
namespace {

constexpr std::size_t kConfigBytesMax = 4u << 20;

constexpr const char* kWhat =
    "state-engine: keeps state as the fold of an append-only journal, decides proposals to change it,\n"
    "and serves both over HTTP and over <data>/engine.sock.";

std::string teach() {
    std::string text = R"(Examples:
  state-engine
      Serves 127.0.0.1:3000 with its data in ./data and the built-in policy.
  state-engine --data /var/lib/state-engine --config /etc/state-engine.yaml
      The same with a store and a policy of its own. SIGHUP, or `statectl reload`, reads the policy
      again; a file with a mistake changes nothing.
  state-engine --config state-engine.yaml --check-config
      Says what would be in force, secrets hidden, or what is wrong, and exits with 0 or 1.
  state-engine --set http.idle_timeout=30s --set journal.segment_bytes=16MiB
      Any setting by its name. So does STATE_ENGINE_HTTP_IDLE_TIMEOUT=30s, or the file:
          allowedKeys: [stream.state, "user.fact.*"]
          http: { idle_timeout: 30s }
  MCP_AUTH_TOKEN=secret state-engine --host 0.0.0.0
      Listens for other machines, which need the token. Without one it takes --allow-open.

  state-engine mcp --help
      The same state for a language model's host, over standard input and output.

  curl -s 127.0.0.1:3000/v1/mutations -d '{"op":"set","key":"stream.state","value":"on","reason":"hi"}'
  curl -s 127.0.0.1:3000/v1/state/stream.state
  curl -sN 127.0.0.1:3000/v1/changes

Exit codes: 0 stopped as asked, 1 error, 7 another process holds the store, 64 usage.

Settings (flag > environment > file > default), each as --set name=value:
)";
    for (const SettingInfo& setting : all_settings()) {
        text += "  " + setting.name + " = " +
                (setting.default_value.empty() ? "(none)" : setting.default_value) + "\n      " +
                setting.meaning + "\n      " + setting.environment + "\n";
    }
    return text;
}

}  // namespace

/// The file that is named, by flag or environment; empty: none.
static std::string named_file(const DaemonOptions& options) {
    if (!options.config_path.empty()) return options.config_path;
    return environment("STATE_ENGINE_CONFIG_PATH").value_or("");
}

Result<std::string> config_text(const DaemonOptions& options) {
    const std::string path = named_file(options);
    if (path.empty()) return std::string();
    PosixFileSystem files;
    auto text = read_file(files, path, kConfigBytesMax);
    if (!text) return Error{text.error().code, "the configuration file: " + text.error().text};
    return text;
}

ParsedOptions parse_options(int count, char** arguments) {
    ParsedOptions parsed;
    auto& settings = parsed.options.settings;
    CLI::App app(kWhat, "state-engine");
    app.footer(teach);
    app.set_version_flag("--version", std::string("state-engine ") + SE_VERSION);

    const auto setting = [&](const char* flag, const char* name, const char* meaning) {
        app.add_option_function<std::string>(
            flag, [&settings, name](const std::string& text) { settings.emplace_back(name, text); },
            meaning);
    };
    setting("--data", "data", "The store's folder; made when absent");
    app.add_option("--config", parsed.options.config_path, "File with policy and settings (YAML)");
    setting("--host", "http.host", "Address to listen on");
    setting("--port", "http.port", "Port to listen on; 0: any free one");
    setting("--fsync", "journal.fsync",
            "group: an answer means that it is on disk. never: that it was written; a power cut "
            "may lose about a second");
    setting("--log-level", "log_level", "debug, info, warn or error");
    app.add_flag_callback(
        "--firestore-bootstrap",
        [&settings] { settings.emplace_back("firestore.bootstrap", "true"); },
        "Make a Firestore project that is empty or not ours the documents of this store");
    app.add_flag_callback(
        "--allow-open", [&settings] { settings.emplace_back("http.allow_open", "true"); },
        "Listen beyond loopback although no token is set");
    std::vector<std::string> pairs;
    app.add_option("--set", pairs, "Any setting: name=value; may be repeated")->allow_extra_args(false);
    app.add_flag("--check-config", parsed.options.check_config,
                 "Say what would be in force, and exit");
    try {
        app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        parsed.exit_code = code == 0 ? 0 : 64;
        return parsed;
    }
    for (const std::string& pair : pairs) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos) {
            std::cerr << "state-engine: --set takes name=value, not '" << pair << "'\n";
            parsed.exit_code = 64;
            return parsed;
        }
        settings.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
    return parsed;
}

Result<Config> load_config(const DaemonOptions& options) {
    const std::string path = named_file(options);
    Config config;
    if (!path.empty()) {
        SE_TRY(text, config_text(options));
        SE_TRY(parsed, parse_config(text, path));
        config = std::move(parsed);
    }
    SE_TRY_OK(apply_environment(&config, environment));
    for (const auto& [name, text] : options.settings)
        if (!is_nats_setting(name) && !is_firestore_setting(name))
            SE_TRY_OK(set_setting(&config, name, text));
    config.settings.config_path = path;
    if (const auto principals = config.settings.auth.who_may_come_in(); !principals)
        return principals.error();
    if (const std::string& endpoint = config.settings.otlp.endpoint; !endpoint.empty()) {
        if (const auto address = HttpClient::address_of_url(endpoint); !address)
            return Error{Errc::malformed, "otlp.endpoint: " + address.error().text};
    }
    SE_TRY_OK(check_egress(config.settings));
    if (const auto nats = load_nats_settings(options); !nats) return nats.error();
    SE_TRY(documents, load_firestore_settings(options));
    leave_room_for_documents(documents, &config.policy.limits);
    return config;
}

std::string refusal_to_listen(const Settings& settings) {
    if (HttpServer::is_loopback(settings.http.host)) return {};
    if (!settings.auth.lets_anybody_in() || settings.http.allow_open) return {};
    return "listening on " + settings.http.host +
           " lets every machine that reaches it change the state: set MCP_AUTH_TOKEN or "
           "auth.principals, or say --allow-open if that is meant";
}

}  // namespace se
