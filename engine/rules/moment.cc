#include "engine/rules/moment.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "journal/base/json_depth.h"
#include "journal/base/time_text.h"

namespace se {
namespace {

/// No key is longer, so no longer beginning of a path is one: a path that comes from data costs at
/// most so many looks.
constexpr std::size_t kKeyBytesMax = 256;
constexpr std::string_view kState = "state";

constexpr std::array<std::string_view, 11> kNames = {"key",        "value",    "op",    "old",
                                                     "oldVersion", "version",  "actor", "reason",
                                                     "ts",         "metadata", kState};

Json parsed(std::string_view text) {
    auto json = parse_json(text, kJsonDepthTrusted);
    SE_ASSERT(json);  // it is in the journal, or about to be
    return std::move(*json);
}

const Json* member_of(const Json& value, std::string_view name) {
    if (value.is_object()) return value.find(name);
    if (!value.is_array() || name.empty() || (name[0] == '0' && name.size() > 1)) return nullptr;
    std::size_t index = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), index);
    if (read.ec != std::errc{} || read.ptr != name.data() + name.size()) return nullptr;
    return index < value.array().size() ? &value.array()[index] : nullptr;
}

/// The member that a name of the moment stands for, state aside; nothing: absent.
std::optional<Json> member_named(const ChangeSeen& seen, std::string_view name) {
    if (name == "key") return Json(seen.key);
    if (name == "op") return Json(seen.op);
    if (name == "actor") return Json(seen.actor);
    if (name == "reason") return Json(seen.reason);
    if (name == "ts") return Json(to_text(seen.ts));
    if (name == "version") return Json(static_cast<std::int64_t>(seen.version));
    if (name == "oldVersion") return Json(static_cast<std::int64_t>(seen.old_version));
    if (name == "metadata")
        return seen.metadata.empty() ? Json(Json::Object{}) : parsed(seen.metadata);
    if (name == "value" && seen.value) return parsed(*seen.value);
    if (name == "old" && seen.old) return parsed(*seen.old);
    return std::nullopt;
}

}  // namespace

bool is_moment_name(std::string_view name) {
    return std::ranges::find(kNames, name) != kNames.end();
}

const Json* StateValues::find(std::string_view key) {
    if (const auto known = known_.find(key); known != known_.end()) return known->second.get();
    if (failure_) return nullptr;
    auto text = state_.value_of(key);
    if (!text) {
        failure_ = std::move(text).error();
        return nullptr;
    }
    std::unique_ptr<const Json> value;
    if (*text) value = std::make_unique<const Json>(parsed(**text));
    return known_.emplace(std::string(key), std::move(value)).first->second.get();
}

const Json* Moment::root(std::string_view path, std::size_t& taken) const {
    taken = std::min(path.find('.'), path.size());
    const std::string_view name = path.substr(0, taken);
    if (name == kState) {
        if (taken == path.size()) return nullptr;
        const std::size_t before = taken + 1;
        const std::string_view rest = path.substr(before);
        for (std::size_t end = rest.size();; end = rest.rfind('.', end - 1)) {
            if (end == std::string_view::npos || end == 0) return nullptr;
            if (end > kKeyBytesMax) continue;
            if (const Json* value = state_.find(rest.substr(0, end))) {
                taken = before + end;
                return value;
            }
        }
    }
    if (const auto known = made_.find(name); known != made_.end()) return known->second.get();
    std::unique_ptr<const Json> value;
    if (auto member = member_named(seen_, name))
        value = std::make_unique<const Json>(std::move(*member));
    return made_.emplace(std::string(name), std::move(value)).first->second.get();
}

const Json* Moment::look(std::string_view path) const {
    std::size_t taken = 0;
    const Json* found = root(path, taken);
    while (found != nullptr && taken < path.size()) {
        path.remove_prefix(taken + 1);
        taken = std::min(path.find('.'), path.size());
        found = member_of(*found, path.substr(0, taken));
    }
    return found;
}

JsValue Moment::find(std::string_view path, std::size_t& taken) const {
    taken = std::min(path.find('.'), path.size());
    const std::string_view name = path.substr(0, taken);
    // The two that nearly every rule asks for need no tree.
    if (name == "key") return seen_.key;
    if (name == "op") return seen_.op;
    const Json* const found = root(path, taken);
    return found == nullptr ? JsValue() : JsValue(*found);
}

Json Moment::to_json() const {
    Json json = Json(Json::Object{});
    for (const std::string_view name : kNames)
        if (auto member = member_named(seen_, name))
            json.set(std::string(name), std::move(*member));
    return json;
}

}  // namespace se
