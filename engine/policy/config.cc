#include "engine/policy/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "engine/policy/firestore_settings.h"
#include "engine/policy/nats_settings.h"
#include "engine/policy/settings.h"
#include "engine/policy/shown_url.h"
#include "engine/policy/yaml.h"

namespace se {
namespace {

/// Settings sections of the design that this version does not have yet.
constexpr std::array<std::string_view, 1> kLaterSections = {"checkpoint"};
/// Members of a policy, likewise.
constexpr std::array<std::string_view, 1> kLaterPolicy = {"keys"};
constexpr std::string_view kAllowedKeys = "allowedKeys";
constexpr std::string_view kRules = "rules";

bool is_one_of(std::string_view name, auto const& names) {
    return std::ranges::find(names, name) != names.end();
}

bool says_nothing(const Json& value) {
    return value.is_null() || (value.is_array() && value.array().empty()) ||
           (value.is_object() && value.object().empty());
}

/// The names that may stand in the file below `section`; at the top with an empty one.
std::vector<std::string> names_in(std::string_view section) {
    std::vector<std::string> names;
    if (section.empty()) {
        names.emplace_back(kAllowedKeys);
        names.emplace_back(kRules);
        names.insert(names.end(), kLaterPolicy.begin(), kLaterPolicy.end());
        names.insert(names.end(), kLaterSections.begin(), kLaterSections.end());
        names.emplace_back(kNatsSection);
        names.emplace_back(kFirestoreSection);
    }
    for (const Setting& setting : settings_table()) {
        if (setting.source == Setting::Source::not_in_file) continue;
        std::string_view name = setting.info.name;
        const std::size_t dot = name.find('.');
        if (section.empty())
            name = name.substr(0, dot);
        else if (dot == std::string_view::npos || name.substr(0, dot) != section)
            continue;
        else
            name.remove_prefix(dot + 1);
        if (!is_one_of(name, names)) names.emplace_back(name);
    }
    return names;
}

/// "name must be …", or "name[2].scopes: …" for one item of a list.
std::string with_name(std::string_view name, std::string_view wrong) {
    return std::string(name) + (wrong.starts_with('[') ? "" : " ") + std::string(wrong);
}

std::string_view kind_of(const Json& value) {
    switch (value.type()) {
        case Json::Type::null:
            return "nothing";
        case Json::Type::boolean:
            return "true or false";
        case Json::Type::integer:
        case Json::Type::number:
            return "a number";
        case Json::Type::string:
            return "a text";
        case Json::Type::array:
            return "a list";
        case Json::Type::object:
            return "a map";
    }
    SE_ASSERT(false);
}

/// Fills a Config from a file's tree.
class FileReader {
public:
    FileReader(const YamlDocument& document, const std::string& name)
        : document_(document), name_(name) {}

    Result<Config> read() && {
        const Json& root = document_.root;
        if (says_nothing(root)) return std::move(config_);
        if (!root.is_object())
            return at("", "the file must be a map of sections, not " + std::string(kind_of(root)));
        for (const auto& [member, value] : root.object()) SE_TRY_OK(read_member(member, value));
        return std::move(config_);
    }

private:
    Status read_member(const std::string& member, const Json& value) {
        const std::string pointer = "/" + member;
        if (member == kAllowedKeys) return read_allowed_keys(value);
        if (member == kRules) return read_rules(value);
        if (is_one_of(member, kLaterPolicy)) {
            if (says_nothing(value)) return Ok{};
            return at(pointer, member +
                                   ": this version does not understand them, and to pass over " +
                                   "them would allow what they forbid; leave them out");
        }
        // Read by who has a bus, or Firestore (engine/policy/section_table.h); here only whether they
        // can be.
        if (member == kNatsSection || member == kFirestoreSection) {
            NatsSettings bus;
            FirestoreSettings documents;
            const Status read = member == kNatsSection ? read_nats_section(&bus, value)
                                                       : read_firestore_section(&documents, value);
            return read ? Status(Ok{}) : at(pointer + read.error().pointer, read.error().text);
        }
        if (is_one_of(member, kLaterSections)) {
            if (says_nothing(value)) return Ok{};
            return at(pointer, member + ": not in this version; leave the section out");
        }
        if (find_setting(member)) return set(member, pointer, value);

        const std::vector<std::string> names = names_in(member);
        if (names.empty()) return unknown("", member, pointer);
        if (says_nothing(value)) return Ok{};
        if (!value.is_object())
            return at(pointer,
                      member + " must be a map of settings, not " + std::string(kind_of(value)));
        for (const auto& [name, setting] : value.object()) {
            const std::string below = pointer + "/" + name;
            if (!is_one_of(name, names)) return unknown(member, name, below);
            SE_TRY_OK(set(member + "." + name, below, setting));
        }
        return Ok{};
    }

    Status read_allowed_keys(const Json& value) {
        if (value.is_null()) return Ok{};
        if (!value.is_array())
            return at("/allowedKeys",
                      "allowedKeys must be a list of patterns ([] allows nothing), not " +
                          std::string(kind_of(value)));
        config_.has_policy = true;
        config_.policy.allowed_keys.clear();
        for (const Json& pattern : value.array()) {
            const std::size_t index = config_.policy.allowed_keys.size();
            if (!pattern.is_string() || pattern.string().empty()) {
                const std::string item = "allowedKeys[" + std::to_string(index) + "]";
                return at("/allowedKeys/" + std::to_string(index),
                          item + " must be a text that is not empty, not " +
                              (pattern.is_string() ? "an empty one"
                                                   : to_text(pattern) + ": put it in quotes"));
            }
            config_.policy.allowed_keys.push_back(pattern.string());
        }
        return Ok{};
    }

    Status read_rules(const Json& value) {
        if (value.is_null()) return Ok{};
        auto rules = RuleSet::compile(value);
        if (!rules) return at("/rules" + rules.error().pointer, "rules" + rule_name(value, rules.error()));
        config_.has_policy = true;
        config_.policy.rules = std::move(*rules);
        return Ok{};
    }

    /// "[2] (on_start): …", as far as there is a rule at that pointer.
    static std::string rule_name(const Json& rules, const Error& error) {
        std::size_t index = 0;
        const char* const begin = error.pointer.data();
        if (!rules.is_array() || error.pointer.empty() ||
            std::from_chars(begin + 1, begin + error.pointer.size(), index).ec != std::errc{})
            return ": " + error.text;
        std::string name = "[" + std::to_string(index) + "]";
        const Json* const id = rules.array()[index].find("id");
        if (id != nullptr && id->is_string()) name += " (" + id->string() + ")";
        const std::size_t below = error.pointer.find('/', 1);
        if (below != std::string::npos) name += error.pointer.substr(below);
        return name + ": " + error.text;
    }

    Status set(const std::string& dotted, const std::string& pointer, const Json& value) {
        const Setting& setting = *find_setting(dotted);
        if (setting.source == Setting::Source::not_in_file)
            return at(pointer, dotted +
                                   " cannot stand in the file: it says where the file is used; "
                                   "set --" +
                                   dotted + " or " + setting.environment.front());
        const bool wants_list = setting.get(config_).is_array();
        if (value.is_null() || value.is_object() || value.is_array() != wants_list) {
            return at(pointer, dotted + " must be " + (wants_list ? "a list" : "a single value") +
                                   ", not " + std::string(kind_of(value)));
        }
        const Status done =
            setting.set(&config_, value.is_string() ? value.string() : to_text(value));
        if (done) return Ok{};
        const Error& error = done.error();
        return at(pointer + error.pointer, with_name(dotted, error.text));
    }

    Error unknown(std::string_view section, const std::string& name, const std::string& pointer) {
        const std::string prefix = section.empty() ? "" : std::string(section) + ".";
        return at(pointer, prefix + name + " is not known; the nearest is " + prefix +
                               std::string(nearest_name(name, names_in(section))));
    }

    Error at(const std::string& pointer, const std::string& text) const {
        return Error{Errc::malformed,
                     name_ + ": line " + std::to_string(document_.line_of(pointer)) + ": " + text,
                     pointer};
    }

    const YamlDocument& document_;
    const std::string& name_;
    Config config_;
};

}  // namespace

Result<Config> parse_config(std::string_view yaml, const std::string& name) {
    auto document = parse_yaml(yaml);
    if (!document) {
        Error error = std::move(document).error();
        error.text = name + ": " + error.text;
        return error;
    }
    return FileReader(*document, name).read();
}

Status apply_environment(Config* config, const Environment& environment) {
    for (const Setting& setting : settings_table()) {
        for (const std::string& variable : setting.environment) {
            const std::optional<std::string> text = environment(variable);
            if (!text || text->empty()) continue;
            const bool own = variable == setting.environment.front();
            const Status done = own || !setting.set_as_original
                                    ? setting.set(config, *text)
                                    : setting.set_as_original(config, *text);
            if (!done) return Error{Errc::malformed, with_name(variable, done.error().text)};
            break;
        }
    }
    return Ok{};
}

void leave_to_last_run(Settings* settings, const Environment& environment) {
    const auto unset = [&](std::string_view name) {
        return std::ranges::none_of(find_setting(name)->environment, [&](const std::string& variable) {
            const std::optional<std::string> text = environment(variable);
            return text && !text->empty();
        });
    };
    settings->as_last_run = {.align = unset("journal.align"),
                             .disk_reserve = unset("journal.disk_reserve_bytes")};
}

Status set_setting(Config* config, std::string_view dotted_name, std::string_view text) {
    if (const Setting* setting = find_setting(dotted_name)) {
        const Status done = setting->set(config, text);
        if (done) return Ok{};
        return Error{Errc::malformed, with_name(dotted_name, done.error().text)};
    }
    std::vector<std::string> names;
    for (const SettingInfo& info : all_settings()) names.push_back(info.name);
    return Error{Errc::malformed, std::string(dotted_name) + " is not known; the nearest is " +
                                      std::string(nearest_name(dotted_name, names))};
}

const std::vector<SettingInfo>& all_settings() {
    static const std::vector<SettingInfo> infos = [] {
        std::vector<SettingInfo> list;
        for (const Setting& setting : settings_table()) list.push_back(setting.info);
        for (const auto* more : {&nats_setting_infos(), &firestore_setting_infos()})
            list.insert(list.end(), more->begin(), more->end());
        return list;
    }();
    return infos;
}

Json redacted(const Config& config) {
    Json shown = Json(Json::Object{});
    for (const Setting& setting : settings_table()) {
        Json value = setting.get(config);
        if (setting.secret && value != Json("")) value = Json("[redacted]");
        if (setting.address) value = Json(shown_url(value.string()));
        const std::string& name = setting.info.name;
        const std::size_t dot = name.find('.');
        if (dot == std::string::npos) {
            shown.set(name, std::move(value));
            continue;
        }
        const Json* known = shown.find(name.substr(0, dot));
        Json section = known ? *known : Json(Json::Object{});
        section.set(name.substr(dot + 1), std::move(value));
        shown.set(name.substr(0, dot), std::move(section));
    }
    shown.set(std::string(kAllowedKeys),
              Json::Array(config.policy.allowed_keys.begin(), config.policy.allowed_keys.end()));
    shown.set(std::string(kRules), config.policy.rules->source());
    return shown;
}

std::string reload_preview(const Config& in_force, const Config& next) {
    Config before, after;
    before.policy = in_force.policy;
    before.settings.auth = in_force.settings.auth;
    after.policy = next.policy;
    after.settings.auth = next.settings.auth;
    std::string text, changes = "[";
    const auto tell = [&](const std::string& name, const Json& from, const Json& to) {
        if (changes.back() != '[') changes += ',';
        JsonObject(changes)
            .text("name", name)
            .raw("from", to_text(from))
            .raw("to", to_text(to))
            .close();
    };
    const auto compare = [&](const std::string& name, const Json& from, const Json& to) {
        if (from != to) tell(name, from, to);
    };
    const auto keys = [](const Policy& policy) {
        return Json(Json::Array(policy.allowed_keys.begin(), policy.allowed_keys.end()));
    };
    compare(std::string(kAllowedKeys), keys(before.policy), keys(after.policy));
    compare(std::string(kRules), before.policy.rules->source(), after.policy.rules->source());
    for (const Setting& setting : settings_table()) {
        const Json from = setting.get(before), to = setting.get(after);
        if (!setting.secret) {
            compare(setting.info.name, from, to);
        } else if (from != to) {
            const auto hidden = [](const Json& value) {
                return value == Json("") ? value : Json("[redacted]");
            };
            tell(setting.info.name, hidden(from), hidden(to));
        }
    }
    for (const PrincipalEntry& entry : after.settings.auth.principals) {
        const auto same = [&](const PrincipalEntry& old) {
            return old.principal->name == entry.principal->name;
        };
        const auto& old_ones = before.settings.auth.principals;
        const auto old = std::ranges::find_if(old_ones, same);
        if (old != old_ones.end() && old->token != entry.token) {
            const auto shown = [](const PrincipalEntry& one) {
                return one.token ? Json("[redacted]") : Json();
            };
            tell("auth.principals." + entry.principal->name + ".token_sha256", shown(*old),
                 shown(entry));
        }
    }
    JsonObject(text)
        .text("status", "accepted")
        .boolean("dryRun", true)
        .text("policy", next.policy.digest())
        .raw("changes", changes + "]")
        .close();
    return text;
}

}  // namespace se
