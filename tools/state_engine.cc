// state-engine: the daemon, and `state-engine mcp`.

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string_view>

#include "journal/base/json.h"
#include "tools/daemon_mcp.h"
#include "tools/daemon_firestore.h"
#include "tools/daemon_nats.h"
#include "tools/daemon_options.h"
#include "tools/daemon_run.h"
#include "tools/daemon_tls.h"
#include "tools/standard_streams.h"

int main(int count, char** arguments) {
    se::fill_closed_streams();
    if (count > 1 && std::string_view(arguments[1]) == "mcp") return se::run_mcp(count - 1, arguments + 1);
    auto parsed = se::parse_options(count, arguments);
    if (parsed.exit_code) return *parsed.exit_code;
    auto config = se::load_config(parsed.options);
    if (!config) {
        std::cerr << "state-engine: " << config.error().text << '\n';
        return 1;
    }
    if (const auto files = se::check_tls(config->settings); !files) {
        std::cerr << "state-engine: " << files.error().text << '\n';
        return 1;
    }
    if (parsed.options.check_config) {
        const std::string refusal = se::refusal_to_listen(config->settings);
        se::Json shown = se::redacted(*config);
        if (const auto nats = se::load_nats_settings(parsed.options)) shown.set("nats", se::redacted(*nats));
        if (const auto documents = se::load_firestore_settings(parsed.options))
            shown.set("firestore", se::redacted(*documents));
        std::cout << se::to_pretty_text(shown) << '\n';
        if (!refusal.empty()) std::cerr << "state-engine: " << refusal << '\n';
        return refusal.empty() ? 0 : 1;
    }
    bool restarts = false;
    int code = 0;
    {
        se::Daemon daemon(std::move(parsed.options), std::move(*config));
        code = daemon.run();
        restarts = daemon.restarts();
    }
    if (code == 0 && restarts) {
        ::execv("/proc/self/exe", arguments);  // comes back only if it cannot
        std::cerr << "state-engine: could not start anew\n";
        return 1;
    }
    return code;
}
