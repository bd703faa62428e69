#include "engine/rules/firing.h"

#include <algorithm>

namespace se {
namespace {

/// What a warning and the names of an entry take, at most: kept free behind the last actions.
constexpr std::uint64_t kEntryBytes = 1024;
constexpr std::size_t kWarningBytesMax = 256;

std::string cut(std::string text) {
    if (text.size() <= kWarningBytesMax) return text;
    std::size_t end = kWarningBytesMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;
    text.resize(end);
    return text;
}

Result<bool> matches(const Rule& rule, const Moment& moment, JsRoom& room) {
    if (const auto* expression = std::get_if<Expression>(&rule.condition))
        return expression->holds(moment);
    SE_TRY(result, std::get<JsonLogic>(rule.condition).evaluate(room, moment.data()));
    return result.truthy();
}

/// What the rules of one record may still take.
struct Left {
    std::uint64_t bytes, steps;
};

/// Nothing: it did not match.
std::optional<Fired> fire_one(const Rule& rule, const Moment& moment, const FiringFor& firing,
                              const FiringLimits& limits, Left& left) {
    Fired fired{.rule = rule.id};
    const auto failed = [&](const Error& error) {
        left.bytes -= std::min(left.bytes, kEntryBytes);
        fired.actions.clear();
        fired.warning = cut(error.text);
        fired.pointer = cut(error.pointer);
        return std::optional(std::move(fired));
    };
    JsRoom room(std::min(limits.steps, left.steps));
    std::uint64_t bytes = 0;
    const auto resolve = [&]() -> Result<bool> {
        SE_TRY(matched, matches(rule, moment, room));
        if (!matched) return false;
        for (const Action& action : rule.actions) {
            SE_TRY(resolved, action.resolve(moment, firing, room));
            bytes += to_text(resolved).size() + kEntryBytes;
            if (bytes > left.bytes)
                return Error{Errc::too_large,
                             "what it does takes more than the " + std::to_string(limits.bytes) +
                                 " bytes that one record may fire (engine.fired_bytes)"};
            fired.actions.push_back(std::move(resolved));
        }
        return true;
    };
    const auto matched = resolve();
    // One that was asked counts, even if its condition is no JsonLogic.
    left.steps -= std::min(left.steps, std::max<std::uint64_t>(room.steps_spent(), 1));
    if (!matched && room.failed() && left.steps == 0)
        return failed({Errc::too_large, "the rules of one record take no more than " +
                                            std::to_string(limits.record_steps) +
                                            " steps (engine.record_rule_steps)"});
    if (!matched) return failed(matched.error());
    if (!*matched) return std::nullopt;
    left.bytes -= std::max(bytes, fired.actions.empty() ? kEntryBytes : 0);
    return fired;
}

/// Why no rule is asked any more; empty: there is room for one.
std::string used_up(const Left& left, const FiringLimits& limits) {
    if (left.bytes < kEntryBytes)
        return "fires no more than " + std::to_string(limits.bytes) + " bytes (engine.fired_bytes)";
    if (left.steps == 0)
        return "takes no more than " + std::to_string(limits.record_steps) +
               " steps (engine.record_rule_steps)";
    return {};
}

}  // namespace

Result<std::vector<Fired>> fire(const RuleSet& rules, std::span<const ChangeSeen> changes,
                                StateAsOf& state, const FiringFor& firing,
                                const FiringLimits& limits) {
    std::vector<Fired> all;
    StateValues values(state);
    Left left{.bytes = limits.bytes, .steps = limits.record_steps};
    for (const ChangeSeen& change : changes) {
        const Moment moment(change, values);
        for (const Rule* rule : rules.triggered_by(change.key, change.op)) {
            if (const std::string why = used_up(left, limits); !why.empty()) {
                all.push_back(
                    {.rule = rule->id,
                     .warning = "not evaluated, nor any rule behind it: one record " + why});
                return all;
            }
            auto fired = fire_one(*rule, moment, firing, limits, left);
            if (values.failure()) return *values.failure();
            if (!fired) continue;
            if (changes.size() > 1) fired->key = change.key;
            all.push_back(std::move(*fired));
        }
    }
    return all;
}

std::string action_id(const RecordPlace& place, std::string_view rule, std::uint64_t n) {
    std::string id = place.store;
    id += ':';
    append_integer(id, place.epoch.value);
    id += ':';
    append_integer(id, place.seq.value);
    id += ':';
    id += rule;
    id += ':';
    append_integer(id, n);
    return id;
}

std::string fired_text(std::span<const Fired> fired, const RecordPlace& place) {
    if (fired.empty()) return {};
    std::string out = "[";
    std::uint64_t n = 0;
    for (const Fired& one : fired) {
        if (out.size() > 1) out += ',';
        JsonObject entry(out);
        entry.text("rule", one.rule);
        if (!one.key.empty()) entry.text("key", one.key);
        if (!one.warning.empty()) {
            entry.text("warning", one.warning);
            if (!one.pointer.empty()) entry.text("at", one.pointer);
            entry.close();
            continue;
        }
        std::string& list = entry.member("actions");
        list += '[';
        for (const Json& action : one.actions) {
            if (list.back() != '[') list += ',';
            Json whole = action;
            if (!place.store.empty()) whole.set("id", action_id(place, one.rule, n++));
            append_json(list, whole);
        }
        list += ']';
        entry.close();
    }
    out += ']';
    return out;
}

}  // namespace se
