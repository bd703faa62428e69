#include "engine/limits.h"

#include <array>
#include <utility>

namespace se {
namespace {

struct Member {
    std::string_view name;
    std::uint64_t Limits::*value;
};

constexpr std::array<Member, 17> kLimitMembers = {{
    {"key_bytes", &Limits::key_bytes},
    {"id_bytes", &Limits::id_bytes},
    {"actor_bytes", &Limits::actor_bytes},
    {"reason_bytes", &Limits::reason_bytes},
    {"metadata_bytes", &Limits::metadata_bytes},
    {"value_bytes", &Limits::value_bytes},
    {"ops", &Limits::ops},
    {"json_depth", &Limits::json_depth},
    {"basis", &Limits::basis},
    {"ttl_seconds", &Limits::ttl_seconds},
    {"expiries_per_step", &Limits::expiries_per_step},
    {"refusals_journaled_per_minute", &Limits::refusals_journaled_per_minute},
    {"rule_steps", &Limits::rule_steps},
    {"record_rule_steps", &Limits::record_rule_steps},
    {"fired_bytes", &Limits::fired_bytes},
    {"derived_depth", &Limits::derived_depth},
    {"derived_count", &Limits::derived_count},
}};
// A limit that a decision reads and that no `config` record names would make replays differ.
static_assert(sizeof(Limits) == (kLimitMembers.size() + 1) * sizeof(std::uint64_t),
              "every limit is in kLimitMembers");

Error wrong_limit(std::string_view name, std::string_view what) {
    return Error{Errc::malformed, std::string(name) + " " + std::string(what),
                 "/" + std::string(name)};
}

}  // namespace

Json Limits::to_json() const {
    Json::Object object;
    for (const Member& member : kLimitMembers)
        object.emplace_back(member.name, static_cast<std::int64_t>(this->*member.value));
    object.emplace_back("ttl_enforce", ttl_enforce);
    return Json(std::move(object));
}

Result<Limits> Limits::from_json(const Json& json) {
    if (!json.is_object()) return Error{Errc::malformed, "limits must be an object"};
    Limits limits;
    for (const Member& member : kLimitMembers) {
        const Json* value = json.find(member.name);
        if (!value) continue;
        if (!value->is_integer() || value->integer() < 0)
            return wrong_limit(member.name, "must be a whole number");
        limits.*member.value = static_cast<std::uint64_t>(value->integer());
    }
    if (const Json* value = json.find("ttl_enforce")) {
        if (!value->is_bool()) return wrong_limit("ttl_enforce", "must be true or false");
        limits.ttl_enforce = value->boolean();
    }
    return limits;
}

}  // namespace se
