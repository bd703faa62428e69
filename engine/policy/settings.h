#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/policy/config.h"
#include "journal/base/json.h"

namespace se {

/// One row of the one table of settings: the file, the environment, flags, --help, docs/settings.md
/// and
/// /_debug/config all come from it.
struct Setting {
    enum class Source : std::uint8_t {
        anywhere,     ///< flag, environment, file
        not_in_file,  ///< what must be known before the file is
    };

    SettingInfo info;
    std::vector<std::string> environment;  ///< the names, the stronger ones first
    Source source = Source::anywhere;
    bool secret = false;
    bool address = false;  ///< shown as shown_url() has it
    std::function<Json(const Config&)> get;
    /// An Error's text goes behind the name: "must be …".
    std::function<Status(Config*, std::string_view text)> set;
    /// Of variables that are BitBrat's, where the original passes over what it does not know.
    std::function<Status(Config*, std::string_view text)> set_as_original;
};

const std::vector<Setting>& settings_table();
const Setting* find_setting(std::string_view dotted_name);  ///< nullptr: no such

/// The candidate with the smallest edit distance to `name`; the first of equals.
std::string_view nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace se
