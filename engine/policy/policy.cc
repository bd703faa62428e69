#include "engine/policy/policy.h"

#include <algorithm>

#include "journal/base/hash.h"

namespace se {
namespace {

constexpr int kDeciderOfRules = 2;  // the first one that knew any

}  // namespace

bool Policy::allows(std::string_view key) const {
    return std::ranges::any_of(allowed_keys, [&](std::string_view pattern) {
        if (!pattern.ends_with('*')) return pattern == key;
        pattern.remove_suffix(1);
        return key.starts_with(pattern);
    });
}

Json Policy::to_json() const {
    Json::Array keys(allowed_keys.begin(), allowed_keys.end());
    Json shown_limits = limits.to_json();
    if (rules->empty()) {
        for (const char* name : {"rule_steps", "fired_bytes", "derived_depth", "derived_count"})
            shown_limits.erase(name);
    }
    // Younger than policies that stores hold: those, and their digests, are as they were without it.
    if (rules->empty() || limits.record_rule_steps == Limits{}.record_rule_steps)
        shown_limits.erase("record_rule_steps");
    Json json(Json::Object{{"allowedKeys", std::move(keys)},
                           {"decider", rules->empty() ? 1 : decider},
                           {"limits", std::move(shown_limits)}});
    if (!rules->empty()) json.set("rules", rules->source());
    return json;
}

Result<Policy> Policy::from_json(const Json& json) {
    if (!json.is_object()) return Error{Errc::malformed, "a policy must be an object"};
    Policy policy;
    policy.rules = RuleSet::none();
    if (const Json* needed = json.find("decider")) {
        if (!needed->is_integer())
            return Error{Errc::malformed, "decider must be a whole number", "/decider"};
        if (needed->integer() > kDeciderVersion) {
            return Error{Errc::unsupported,
                         "the policy in force needs decider " + std::to_string(needed->integer()) +
                             ", this program has " + std::to_string(kDeciderVersion),
                         "/decider"};
        }
        policy.decider = needed->integer() == kDeciderVersion ? kDeciderVersion : kDeciderOfRules;
    }

    if (const Json* keys = json.find("allowedKeys")) {
        if (!keys->is_array())
            return Error{Errc::malformed, "allowedKeys must be a list", "/allowedKeys"};
        policy.allowed_keys.clear();
        for (const Json& key : keys->array()) {
            if (key.is_string() && !key.string().empty()) {
                policy.allowed_keys.push_back(key.string());
                continue;
            }
            return Error{Errc::malformed, "a pattern must be a text that is not empty",
                         "/allowedKeys/" + std::to_string(policy.allowed_keys.size())};
        }
    }
    if (const Json* limits = json.find("limits")) {
        auto read = Limits::from_json(*limits);
        if (!read) {
            Error error = std::move(read).error();
            error.pointer.insert(0, "/limits");
            return error;
        }
        policy.limits = *read;
    }
    if (const Json* rules = json.find("rules")) {
        auto compiled = RuleSet::compile(*rules);
        if (!compiled) {
            Error error = std::move(compiled).error();
            error.pointer.insert(0, "/rules");
            return error;
        }
        policy.rules = std::move(*compiled);
    }
    return policy;
}

std::string Policy::digest() const {
    constexpr std::size_t kDigits = 16;
    return to_hex(sha256(to_text(to_json()))).substr(0, kDigits);
}

}  // namespace se
