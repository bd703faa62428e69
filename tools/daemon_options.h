#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/policy/config.h"

namespace se {

/// What the command line of the daemon said, before file and environment are heard.
struct DaemonOptions {
    std::vector<std::pair<std::string, std::string>> settings;  ///< dotted name, text; in order
    std::string config_path;
    bool check_config = false;
};

/// Reads the command line. When the program is to end now (--help, a mistake), `exit_code` says how, and all has
/// been printed.
struct ParsedOptions {
    DaemonOptions options;
    std::optional<int> exit_code;
};
ParsedOptions parse_options(int count, char** arguments);

/// Flag > environment > file > default. May be asked again later, for what a reload finds.
Result<Config> load_config(const DaemonOptions& options);
/// The text of the file; empty: none is named.
Result<std::string> config_text(const DaemonOptions& options);

/// Listening where others can reach it, without a token and without --allow-open, is refused: why, or empty.
std::string refusal_to_listen(const Settings& settings);

}  // namespace se
