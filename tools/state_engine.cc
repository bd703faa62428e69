// state-engine: the daemon.

#include <cstdio>
#include <iostream>

#include "journal/base/json.h"
#include "tools/daemon_options.h"
#include "tools/daemon_run.h"

int main(int count, char** arguments) {
    auto parsed = se::parse_options(count, arguments);
    if (parsed.exit_code) return *parsed.exit_code;
    auto config = se::load_config(parsed.options);
    if (!config) {
        std::cerr << "state-engine: " << config.error().text << '\n';
        return 1;
    }
    if (parsed.options.check_config) {
        const std::string refusal = se::refusal_to_listen(config->settings);
        std::cout << se::to_pretty_text(se::redacted(*config)) << '\n';
        if (!refusal.empty()) std::cerr << "state-engine: " << refusal << '\n';
        return refusal.empty() ? 0 : 1;
    }
    return se::Daemon(std::move(parsed.options), std::move(*config)).run();
}
