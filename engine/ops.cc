#include "engine/ops.h"

#include <cmath>
#include <utility>

#include "journal/base/assert.h"

namespace se {
namespace {

/// Stored values were taken under the limits of their time; reading them back knows none.
constexpr std::size_t kStoredDepth = 1024;

Result<Json> parse_stored(std::string_view value) {
    auto json = parse_json(value, kStoredDepth);
    if (json) return json;
    return Error{Errc::corruption, "a stored value is no JSON: " + json.error().text};
}

/// Of canonical JSON, whose first byte tells.
std::string_view kind_of(std::string_view canonical) {
    switch (canonical.empty() ? '\0' : canonical.front()) {
        case '{':
            return "an object";
        case '[':
            return "a list";
        case '"':
            return "a text";
        case 't':
        case 'f':
            return "a boolean";
        case 'n':
            return "null";
        default:
            return "a number";
    }
}

OpOutcome refuse(Code code, std::string message) {
    OpOutcome outcome;
    outcome.code = code;
    outcome.message = std::move(message);
    return outcome;
}

OpOutcome mismatch(const Op& op, std::string_view wants, std::string_view current) {
    return refuse(Code::op_mismatch, std::string(to_text(op.kind)) + " needs " +
                                         std::string(wants) + ", " + op.key + " holds " +
                                         std::string(kind_of(current)));
}

OpOutcome value_of(std::string text) {
    OpOutcome outcome;
    outcome.value = std::move(text);
    return outcome;
}

OpOutcome add(const Op& op, const Json& current) {
    const Json& amount = *op.value;
    if (current.is_integer() && amount.is_integer()) {
        std::int64_t sum = 0;
        if (!__builtin_add_overflow(current.integer(), amount.integer(), &sum))
            return value_of(to_text(Json(sum)));
        return refuse(Code::value_invalid, "increment overflows a 64-bit integer: " +
                                               to_text(current) + " and " + to_text(amount));
    }
    const double sum = current.number() + amount.number();
    if (std::isfinite(sum)) return value_of(to_text(Json(sum)));
    return refuse(Code::value_invalid, "increment leaves the range of numbers: " +
                                           to_text(current) + " and " + to_text(amount));
}

Result<OpOutcome> increment(const Op& op, std::optional<std::string_view> current) {
    SE_TRY(number, parse_stored(current.value_or("0")));
    if (!number.is_number()) return mismatch(op, "a number", *current);
    return add(op, number);
}

/// Text is enough: canonical lists differ in nothing but their items.
OpOutcome push(const Op& op, std::optional<std::string_view> current) {
    const std::string_view list = current.value_or("[]");
    if (!list.starts_with('[')) return mismatch(op, "a list", list);
    std::string text;
    text.reserve(list.size() + op.value_text.size() + 1);
    text += list.substr(0, list.size() - 1);
    if (list != "[]") text += ',';
    text += op.value_text;
    text += ']';
    return value_of(std::move(text));
}

Result<OpOutcome> merge(const Op& op, std::optional<std::string_view> current) {
    SE_TRY(target, parse_stored(current.value_or("{}")));
    if (!target.is_object()) return mismatch(op, "an object", *current);
    merge_patch(target, *op.value);
    return value_of(to_text(target));
}

Result<OpOutcome> apply_unlimited(const Op& op, std::optional<std::string_view> current) {
    switch (op.kind) {
        case OpKind::set:
            return value_of(op.value_text);
        case OpKind::remove:
            if (!current)
                return refuse(Code::absent, "Nothing to delete: " + op.key + " is absent");
            return value_of("");
        case OpKind::increment:
            return increment(op, current);
        case OpKind::push:
            return push(op, current);
        case OpKind::merge:
            return merge(op, current);
    }
    SE_ASSERT(false);
}

}  // namespace

Result<OpOutcome> apply_op(const Op& op, std::optional<std::string_view> current,
                           const Limits& limits) {
    auto outcome = apply_unlimited(op, current);
    if (outcome && outcome->value.size() > limits.value_bytes) {
        return refuse(Code::value_invalid, op.key + " would be " +
                                               std::to_string(outcome->value.size()) +
                                               " bytes; the limit engine.value_bytes is " +
                                               std::to_string(limits.value_bytes));
    }
    return outcome;
}

void merge_patch(Json& target, const Json& patch) {
    if (!patch.is_object()) {
        target = patch;
        return;
    }
    // Both are in byte order: one walk over the two. Member by member into a sorted list would take
    // the square of their number, which is for the client to choose.
    Json::Object old;
    if (target.is_object()) old = std::move(target.object());
    Json::Object merged;
    merged.reserve(old.size() + patch.object().size());
    auto at = old.begin();
    for (const auto& [name, value] : patch.object()) {
        while (at != old.end() && at->first < name) merged.push_back(std::move(*at++));
        Json member;
        if (at != old.end() && at->first == name) member = std::move((at++)->second);
        if (value.is_null()) continue;
        merge_patch(member, value);
        merged.emplace_back(name, std::move(member));
    }
    while (at != old.end()) merged.push_back(std::move(*at++));
    target = Json(std::move(merged));
}

}  // namespace se
