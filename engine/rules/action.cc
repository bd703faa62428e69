#include "engine/rules/action.h"

#include <algorithm>
#include <array>

#include "engine/intake/proposal.h"
#include "engine/intake/utf8.h"
#include "engine/rules/rule_error.h"
#include "journal/base/json_depth.h"
#include "journal/base/time_text.h"

namespace se {
namespace {

constexpr std::string_view kPublish = "publishEgress";
constexpr std::string_view kMutate = "mutate";
constexpr std::string_view kOurs = "state-engine";
constexpr std::string_view kDefaultType = "state-engine.rule";
constexpr std::array<std::string_view, 8> kConnectors = {"twitch",  "discord", "twilio", "slack",
                                                         "webhook", "api",     "system", "obs"};
/// Lists that an InternalEventV2 has beside its payload.
constexpr std::array<std::string_view, 2> kBesidePayload = {"annotations", "candidates"};

std::string joined(auto const& names) {
    std::string out;
    for (const std::string_view name : names) out += (out.empty() ? "" : ", ") + std::string(name);
    return out;
}

/// What of `json` is not among `known`; empty: nothing.
std::string stranger_in(const Json& json, std::initializer_list<std::string_view> known) {
    for (const auto& [name, value] : json.object())
        if (std::ranges::find(known, name) == known.end()) return name;
    return {};
}

bool is_connector(std::string_view name) {
    return std::ranges::find(kConnectors, name) != kConnectors.end();
}

Result<std::string> text_of(const Json& json, std::string_view name, std::string otherwise) {
    const Json* const found = json.find(name);
    if (found == nullptr) return otherwise;
    if (found->is_string() && !found->string().empty()) return found->string();
    return wrong_rule("/" + std::string(name),
                      std::string(name) + " must be a text that is not empty");
}

Result<bool> flag_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    if (found == nullptr) return false;
    if (found->is_bool()) return found->boolean();
    return wrong_rule("/" + std::string(name), std::string(name) + " must be true or false");
}

Result<Action> publish_action(const Json& json) {
    if (const auto name = stranger_in(json, {"type", "action", "payload", "envelope", "templates",
                                             "connector", "destination"});
        !name.empty())
        return wrong_rule("/" + name,
                          name + " is no member of " + std::string(kPublish) +
                              "; it has payload, envelope, templates, connector, destination");
    const Json* const payload = json.find("payload");
    if (payload == nullptr || !payload->is_object())
        return wrong_rule(payload == nullptr ? "" : "/payload",
                          "publishEgress needs a payload, a map");
    SE_TRY(envelope, flag_of(json, "envelope"));
    SE_TRY(templates, flag_of(json, "templates"));
    Action action{.name = std::string(kPublish), .body = Template::verbatim(*payload)};
    if (templates) {
        auto body = Template::compile(*payload);
        if (!body) return wrong_rule("/payload" + body.error().pointer, body.error().text);
        action.body = std::move(*body);
    }
    if (!envelope) {
        for (const char* name : {"connector", "destination"})
            if (json.find(name) != nullptr)
                return wrong_rule(
                    "/" + std::string(name),
                    std::string(name) + " is for what goes out enveloped: add envelope: true");
        return action;
    }
    action.kind = Action::Kind::event;
    const Json* const type = payload->find("type");
    action.event_type =
        type != nullptr && type->is_string() ? type->string() : std::string(kDefaultType);
    SE_TRY(connector, text_of(json, "connector", "system"));
    if (!is_connector(connector))
        return wrong_rule("/connector",
                          connector + " is no connector; there are " + joined(kConnectors));
    SE_TRY(destination, text_of(json, "destination", connector));
    action.connector = connector;
    action.destination = destination;
    return action;
}

Result<Action> mutate_action(const Json& json) {
    if (const auto name = stranger_in(json, {"type", "action", "key", "op", "value", "ttl",
                                             "metadata", "expectedVersion", "reason"});
        !name.empty())
        return wrong_rule("/" + name,
                          name +
                              " is no member of mutate; it has key, op, value, ttl, metadata, "
                              "expectedVersion, reason");
    const Json* const key = json.find("key");
    if (key == nullptr || !key->is_string() || key->string().empty())
        return wrong_rule(key == nullptr ? "" : "/key",
                          "mutate needs a key, a text that is not empty");
    SE_TRY(op, text_of(json, "op", "set"));
    const auto kind = op_from_text(op);
    if (!kind)
        return wrong_rule("/op", op + " is no op; there are set, delete, increment, push, merge");
    if (*kind != OpKind::remove && json.find("value") == nullptr)
        return wrong_rule("", "mutate needs a value, but for op: delete");
    Json proposal = json;
    proposal.erase("type");
    proposal.erase("action");
    proposal.set("op", op);
    SE_TRY(body, Template::compile(proposal));
    return Action{
        .kind = Action::Kind::mutate, .name = std::string(kMutate), .body = std::move(body)};
}

Result<Action> connector_action(const std::string& name, const Json& json) {
    const std::size_t dot = name.find('.');
    if (dot == std::string::npos || dot + 1 == name.size() || !is_connector(name.substr(0, dot)))
        return wrong_rule(
            "", name +
                    " is no action; there are publishEgress, mutate and <connector>.<what>, "
                    "with a connector of " +
                    joined(kConnectors));
    if (const auto stranger = stranger_in(json, {"type", "action", "args"}); !stranger.empty())
        return wrong_rule("/" + stranger, stranger + " is no member of " + name + "; it has args");
    const Json* const args = json.find("args");
    if (args != nullptr && !args->is_object()) return wrong_rule("/args", "args must be a map");
    auto inner = Template::compile_members(args == nullptr ? Json(Json::Object{}) : *args);
    if (!inner) return wrong_rule("/args" + inner.error().pointer, inner.error().text);
    const std::string connector = name.substr(0, dot);
    return Action{.kind = Action::Kind::event,
                  .name = name,
                  .body = Template::around(Json(Json::Object{{"action", name.substr(dot + 1)}}),
                                           "args", std::move(*inner)),
                  .connector = connector,
                  .destination = connector,
                  .event_type = name};
}

/// The trace id of a W3C traceparent, 00-<32 hex>-…; empty when it is none.
std::string_view trace_id_in(std::string_view trace) {
    constexpr std::size_t kBegin = 3, kSize = 32;
    const bool fits =
        trace.size() > kBegin + kSize && trace[2] == '-' && trace[kBegin + kSize] == '-';
    return fits ? trace.substr(kBegin, kSize) : std::string_view();
}

/// What a message says it is. As the original has it, what JavaScript takes for nothing (no type,
/// an empty one, null, false, 0) is the default, and another scalar is written out. Decider 2 knew
/// texts alone, and took an empty one as it stood.
std::string type_of(const Json& payload, bool as_decider_2) {
    const Json* const type = payload.find("type");
    if (type == nullptr) return std::string(kDefaultType);
    if (type->is_string() && (as_decider_2 || !type->string().empty())) return type->string();
    const bool written =
        (type->is_number() && *type != Json(0)) || (type->is_bool() && type->boolean());
    return written && !as_decider_2 ? to_text(*type) : std::string(kDefaultType);
}

/// That of the message behind all this, or empty.
std::string correlation_of(const FiringFor& firing) {
    if (firing.as_decider_2 || firing.cause.empty()) return {};
    const auto cause = parse_json(firing.cause, kJsonDepthTrusted);
    const Json* const id = cause ? cause->find("correlationId") : nullptr;
    return id != nullptr && id->is_string() ? id->string() : std::string();
}

/// Takes out of a payload what belongs beside it.
Json::Object take_beside(Json& payload) {
    Json::Object taken;
    for (const std::string_view name : kBesidePayload) {
        const Json* const found = payload.find(name);
        if (found == nullptr || !found->is_array()) continue;
        taken.emplace_back(name, *found);
        payload.erase(name);
    }
    return taken;
}

Json event_of(const Action& action, Json payload, const Moment& moment, const FiringFor& firing) {
    const ChangeSeen& seen = moment.seen();
    std::string type = action.event_type;
    Json::Object beside;
    if (action.name == kPublish && !firing.as_decider_2) {
        type = type_of(payload, false);
        beside = take_beside(payload);
    }
    const std::string correlation = correlation_of(firing);
    Json event(Json::Object{
        {"v", "2"},
        {"type", std::move(type)},
        {"correlationId", correlation.empty() ? std::string(firing.id) : correlation},
        {"ingress",
         Json::Object{{"ingressAt", to_text(seen.ts)}, {"source", kOurs}, {"connector", "system"}}},
        {"identity",
         Json::Object{{"external", Json::Object{{"id", seen.actor}, {"platform", kOurs}}}}},
        {"egress",
         Json::Object{{"destination", action.destination}, {"connector", action.connector}}},
        {"payload", std::move(payload)},
        {"routing",
         Json::Object{{"stage", "egress"}, {"slip", Json::Array{}}, {"history", Json::Array{}}}},
    });
    if (const auto trace = trace_id_in(firing.trace); !trace.empty())
        event.set("traceId", Json(trace));
    for (auto& [name, list] : beside) event.set(name, std::move(list));
    return event;
}

}  // namespace

Result<Json> Action::resolve(const Moment& moment, const FiringFor& firing, JsRoom& room) const {
    SE_TRY(resolved, body.resolve(moment, room));
    Json out(Json::Object{{"type", name}});
    if (kind == Kind::mutate) {
        const Json* const key = resolved.find("key");
        if (key == nullptr || !key->is_string())
            return Error{Errc::malformed, "the key to be written is no text: " +
                                              (key == nullptr ? "" : std::string(utf8_prefix(to_text(*key), 80)))};
        out.set("proposal", std::move(resolved));
        if (std::string correlation = correlation_of(firing); !correlation.empty())
            out.set("correlationId", std::move(correlation));
        return out;
    }
    if (kind == Kind::event) resolved = event_of(*this, std::move(resolved), moment, firing);
    out.set("header", type_of(resolved, firing.as_decider_2));
    out.set("payload", std::move(resolved));
    return out;
}

std::optional<Action::Target> Action::target() const {
    if (kind != Kind::mutate) return std::nullopt;
    Target target;
    if (const Json* whole = body.constant()) {
        target.key = whole->find("key")->string();
        target.op = whole->find("op")->string();
        if (const Json* value = whole->find("value")) target.value = *value;
        return target;
    }
    const Template& key = *body.member("key");
    const Json* const fixed = key.constant();
    target.whole = fixed != nullptr;
    target.key = key.text_before_hole();
    const Json* const op = body.member("op")->constant();
    target.op = op == nullptr ? "" : op->string();
    const Template* const value = body.member("value");
    if (value != nullptr && value->constant() != nullptr) target.value = *value->constant();
    return target;
}

Result<Action> compile_action(const Json& json, bool in_actions) {
    const std::string_view naming = in_actions ? "type" : "action";
    if (!json.is_object()) return wrong_rule("", "an action must be a map");
    const Json* const named = json.find(naming);
    if (named == nullptr || !named->is_string())
        return wrong_rule("", "an action needs `" + std::string(naming) +
                                  "`: publishEgress, mutate, or obs.setScene "
                                  "and its kind");
    const std::string& name = named->string();
    const bool ours = name == kPublish || name == kMutate;
    // In `do` and `then` all parameters stand in args.
    Json flat = json;
    if (ours && !in_actions) {
        if (const auto stranger = stranger_in(json, {"action", "args"}); !stranger.empty())
            return wrong_rule("/" + stranger, stranger + " must stand in args");
        const Json* const args = json.find("args");
        if (args == nullptr || !args->is_object())
            return wrong_rule("", name + " needs args, a map");
        flat = *args;
        for (const char* taken : {"type", "action"})
            if (flat.find(taken) != nullptr)
                return wrong_rule("/args/" + std::string(taken),
                                  std::string(taken) + " does not belong here");
    }
    auto action = name == kPublish  ? publish_action(flat)
                  : name == kMutate ? mutate_action(flat)
                                    : connector_action(name, flat);
    if (!action && ours && !in_actions) {
        Error error = std::move(action).error();
        if (!error.pointer.empty()) error.pointer.insert(0, "/args");
        return error;
    }
    return action;
}

}  // namespace se
