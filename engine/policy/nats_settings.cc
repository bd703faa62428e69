#include "engine/policy/nats_settings.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "engine/intake/utf8.h"
#include "engine/policy/settings.h"
#include "engine/policy/units.h"

namespace se {
namespace {

using SetNats = std::function<Status(NatsSettings&, std::string_view)>;

struct NatsRow {
    SettingInfo info;
    std::vector<std::string> environment;
    SetNats set;
};

Error bad(std::string text) {
    return Error{Errc::malformed, std::move(text)};
}

SetNats text_into(std::string NatsSettings::*field) {
    return [field](NatsSettings& settings, std::string_view text) -> Status {
        if (!is_utf8(text)) return bad("must be UTF-8");
        settings.*field = text;
        return Ok{};
    };
}

SetNats choice_into(bool NatsSettings::*field, std::string no, std::string yes) {
    return [=](NatsSettings& settings, std::string_view text) -> Status {
        if (text != no && text != yes) return bad("must be one of " + no + ", " + yes);
        settings.*field = text == yes;
        return Ok{};
    };
}

Result<std::uint64_t> quantity(std::string_view text, Unit unit, std::uint64_t min,
                               std::uint64_t max) {
    SE_TRY(value, parse_quantity(text, unit));
    if (value < min || value > max)
        return bad("must be between " + quantity_text(min, unit) + " and " +
                   quantity_text(max, unit));
    return value;
}

SetNats number_into(std::uint64_t NatsSettings::*field, Unit unit, std::uint64_t min,
                    std::uint64_t max) {
    return [=](NatsSettings& settings, std::string_view text) -> Status {
        SE_TRY(value, quantity(text, unit, min, max));
        settings.*field = value;
        return Ok{};
    };
}

NatsRow nats_row(std::string name, std::string preset, std::string meaning, SetNats set,
                 std::vector<std::string> environment = {}) {
    std::string own = "STATE_ENGINE_";
    for (const char c : name)
        own += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    environment.insert(environment.begin(), std::move(own));
    NatsRow made{{std::move(name), "", std::move(preset), std::move(meaning)},
                 std::move(environment),
                 std::move(set)};
    for (const std::string& variable : made.environment)
        made.info.environment += (made.info.environment.empty() ? "" : ", ") + variable;
    return made;
}

const std::vector<NatsRow>& nats_table() {
    using N = NatsSettings;
    static const std::vector<NatsRow> rows = {
        nats_row(
            "nats.url", "",
            "Server of the bus, nats:// or tls://, several with commas. Empty: there is no bus "
            "(docs/nats.md). "
            "As it may hold a password it is never shown.",
            text_into(&N::url), {"NATS_URL"}),
        nats_row("nats.prefix", "", "What all subjects begin with, with its dot; may be empty.",
                 text_into(&N::prefix), {"BUS_PREFIX"}),
        nats_row("nats.stream", "BITBRAT",
                 "The stream of the bus: used as it is when it is there, else made.",
                 text_into(&N::stream)),
        nats_row("nats.mode", "live",
                 "live, or shadow: decides and journals what comes, and publishes nothing.",
                 choice_into(&N::shadow, "live", "shadow")),
        nats_row(
            "nats.takeover", "false",
            "Bind the original's durable and go on where it stopped; else there is one of our own.",
            choice_into(&N::takeover, "false", "true")),
        nats_row("nats.ack_wait_seconds", "1m",
                 "How long the server waits for an answer to a message of our own durable.",
                 [](N& settings, std::string_view text) -> Status {
                     SE_TRY(value, quantity(text, Unit::seconds, 2, 86'400));
                     settings.ack_wait = std::chrono::seconds(value);
                     return Ok{};
                 },
                 {"NATS_ACK_WAIT_SECONDS"}),
        nats_row("nats.in_flight", "1024", "Messages in hand; more wait at the server.",
                 number_into(&N::in_flight, Unit::count, 1, 65'536)),
        nats_row("nats.in_flight_bytes", "8MiB",
                 "Bytes of messages in hand; more wait at the server.",
                 number_into(&N::in_flight_bytes, Unit::bytes, 1u << 20, 1u << 30)),
        nats_row("nats.token", "", "Token for the server; never shown.", text_into(&N::token)),
        nats_row("nats.credentials", "", "File with a JWT and its seed for the server.",
                 text_into(&N::credentials)),
        nats_row("nats.tls_ca", "",
                 "File with the authorities that the server's certificate may be of; asks for TLS.",
                 text_into(&N::tls_ca)),
        nats_row("nats.tls_certificate", "", "File with our certificate; asks for TLS.",
                 text_into(&N::tls_certificate)),
        nats_row("nats.tls_key", "", "File with its key.", text_into(&N::tls_key)),
        nats_row("nats.publish.results", "true", "Whether each decision is published.",
                 choice_into(&N::publish_results, "false", "true")),
        nats_row("nats.publish.changes", "true", "Whether each change of a key is published.",
                 choice_into(&N::publish_changes, "false", "true")),
        nats_row("nats.register", "true",
                 "Whether the MCP door is announced at start and after each reconnect.",
                 choice_into(&N::announce, "false", "true")),
        nats_row("nats.external_url", "",
                 "Under what it is announced. Empty: http://state-engine.bitbrat.local:<port>/sse.",
                 text_into(&N::external_url), {"MCP_EXTERNAL_URL"}),
    };
    return rows;
}

std::string named_setting(std::string_view name, std::string_view text) {
    return std::string(name) + " " + std::string(text);
}

}  // namespace

std::vector<std::string> NatsSettings::secrets() const {
    std::vector<std::string> found;
    if (!token.empty()) found.push_back(token);
    // user:password@, or token@, of each server.
    for (std::size_t begin = 0; begin < url.size();) {
        const std::size_t end = std::min(url.find(',', begin), url.size());
        const std::string one = url.substr(begin, end - begin);
        const std::size_t scheme = one.find("://"), at = one.rfind('@');
        if (scheme != one.npos && at != one.npos && at > scheme + 3) {
            const std::string user = one.substr(scheme + 3, at - scheme - 3);
            const std::size_t colon = user.find(':');
            found.push_back(colon == user.npos ? user : user.substr(colon + 1));
        }
        begin = end + 1;
    }
    std::erase(found, "");
    return found;
}

Json redacted(const NatsSettings& settings) {
    const auto hidden = [](const std::string& text) {
        return Json(text.empty() ? "" : "[redacted]");
    };
    const auto number = [](auto value) { return Json(static_cast<std::int64_t>(value)); };
    return Json(Json::Object{
        {"url", hidden(settings.url)},
        {"prefix", settings.prefix},
        {"stream", settings.stream},
        {"mode", settings.shadow ? "shadow" : "live"},
        {"takeover", settings.takeover},
        {"ack_wait_seconds", number(settings.ack_wait.count())},
        {"in_flight", number(settings.in_flight)},
        {"in_flight_bytes", number(settings.in_flight_bytes)},
        {"token", hidden(settings.token)},
        {"credentials", settings.credentials},
        {"tls_ca", settings.tls_ca},
        {"tls_certificate", settings.tls_certificate},
        {"tls_key", settings.tls_key},
        {"publish", Json(Json::Object{{"results", settings.publish_results},
                                      {"changes", settings.publish_changes}})},
        {"register", settings.announce},
        {"external_url", settings.external_url},
    });
}

const std::vector<SettingInfo>& nats_setting_infos() {
    static const std::vector<SettingInfo> infos = [] {
        std::vector<SettingInfo> list;
        for (const NatsRow& one : nats_table()) list.push_back(one.info);
        return list;
    }();
    return infos;
}

bool is_nats_setting(std::string_view dotted_name) {
    return dotted_name.starts_with(std::string(kNatsSection) + ".");
}

Status set_nats_setting(NatsSettings* settings, std::string_view dotted_name,
                        std::string_view text) {
    std::vector<std::string> names;
    for (const NatsRow& one : nats_table()) {
        if (one.info.name != dotted_name) {
            names.push_back(one.info.name);
            continue;
        }
        const Status done = one.set(*settings, text);
        if (done) return Ok{};
        return bad(named_setting(dotted_name, done.error().text));
    }
    return bad(std::string(dotted_name) + " is not known; the nearest is " +
               std::string(nearest_name(dotted_name, names)));
}

Status read_nats_section(NatsSettings* settings, const Json& section) {
    if (section.is_null()) return Ok{};
    if (!section.is_object()) return Error{Errc::malformed, "nats must be a map of settings", ""};
    const auto set = [&](const std::string& name, const std::string& pointer,
                         const Json& value) -> Status {
        const std::string dotted = std::string(kNatsSection) + "." + name;
        if (value.is_null() || value.is_object() || value.is_array())
            return Error{Errc::malformed, dotted + " must be a single value", pointer};
        Status done =
            set_nats_setting(settings, dotted, value.is_string() ? value.string() : to_text(value));
        if (done) return Ok{};
        return Error{Errc::malformed, done.error().text, pointer};
    };
    for (const auto& [name, value] : section.object()) {
        const std::string pointer = "/" + name;
        if (name != "publish" || !value.is_object()) {
            SE_TRY_OK(set(name, pointer, value));
            continue;
        }
        for (const auto& [part, inner] : value.object())
            SE_TRY_OK(set(name + "." + part, pointer + "/" + part, inner));
    }
    return Ok{};
}

Status apply_nats_environment(NatsSettings* settings, const Environment& environment) {
    for (const NatsRow& one : nats_table()) {
        for (const std::string& variable : one.environment) {
            const auto text = environment(variable);
            if (!text || text->empty()) continue;
            if (const Status done = one.set(*settings, *text); !done)
                return bad(named_setting(variable, done.error().text));
            break;
        }
    }
    return Ok{};
}

}  // namespace se
