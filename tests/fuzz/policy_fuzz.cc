// The configuration file, and single settings: input that begins with `set ` is `set NAME VALUE`.

#include "engine/policy/config.h"
#include "engine/policy/core_schema.h"
#include "engine/policy/settings.h"
#include "engine/policy/units.h"
#include "engine/policy/yaml.h"
#include "tests/fuzz/fuzzing.h"

namespace se::fuzz {
namespace {

/// What a setting shows, it also takes.
void check_settings(const Config& config) {
    for (const Setting& setting : settings_table()) {
        const Json shown = setting.get(config);
        Config other = config;
        const Status set = set_setting(&other, setting.info.name,
                                       shown.is_string() ? shown.string() : to_text(shown));
        SE_ASSERT(set);
        SE_ASSERT(setting.get(other) == shown);
    }
    const std::string text = to_text(redacted(config));
    SE_ASSERT(parse_json(text));
}

void check_policy(const Policy& policy) {
    const auto again = Policy::from_json(policy.to_json());
    SE_ASSERT(again);
    SE_ASSERT(*again == policy && again->digest() == policy.digest());
    policy.allows("user.fact.x");
}

void check_file(std::string_view text) {
    const auto config = parse_config(text, "file");
    if (!config) {
        SE_ASSERT(config.error().code == Errc::malformed);
        SE_ASSERT(config.error().text.starts_with("file: line "));
        return;
    }
    check_settings(*config);
    check_policy(config->policy);
}

void check_yaml(std::string_view text) {
    const auto document = parse_yaml(text);
    if (!document) {
        SE_ASSERT(document.error().text.starts_with("line "));
        return;
    }
    // Nothing that YAML can say is beyond what JSON can: it goes into the journal as JSON.
    const std::string canonical = to_text(document->root);
    const auto again = parse_json(canonical, 1000);
    SE_ASSERT(again);
    SE_ASSERT(*again == document->root);
}

void check_words(std::string_view text) {
    const auto scalar = resolve_plain_scalar(text);
    if (scalar) SE_ASSERT(!scalar->is_array() && !scalar->is_object());
    for (const Unit unit : {Unit::count, Unit::bytes, Unit::milliseconds, Unit::seconds}) {
        const auto value = parse_quantity(text, unit);
        if (!value) continue;
        const auto again = parse_quantity(quantity_text(*value, unit), unit);
        SE_ASSERT(again);
        SE_ASSERT(*again == *value);
    }
}

void check_set(std::string_view words) {
    const std::size_t blank = words.find(' ');
    const std::string_view name = words.substr(0, blank);
    const std::string_view value = blank == words.npos ? "" : words.substr(blank + 1);
    check_words(value);
    Config config;
    if (set_setting(&config, name, value)) check_settings(config);
}

}  // namespace
}  // namespace se::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = se::fuzz::text_of(data, size);
    if (text.starts_with("set ")) {
        se::fuzz::check_set(text.substr(4));
    } else {
        se::fuzz::check_yaml(text);
        se::fuzz::check_file(text);
    }
    return 0;
}
