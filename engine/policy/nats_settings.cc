#include "engine/policy/nats_settings.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/policy/section_table.h"
#include "engine/rules/js_number.h"

namespace se {
namespace {

constexpr std::uint64_t kAckWaitMax = 86'400;

/// NATS_ACK_WAIT_SECONDS as the original reads it: JavaScript's Number, its fraction cut off; what
/// is none, or less than a second, is its default. No more than the setting takes.
Status set_ack_wait(NatsSettings& settings, std::string_view text) {
    const double seconds = std::floor(number_of_text(text));
    settings.ack_wait = NatsSettings{}.ack_wait;
    if (std::isfinite(seconds) && seconds >= 1)
        settings.ack_wait = std::chrono::seconds(
            static_cast<std::int64_t>(std::min(seconds, static_cast<double>(kAckWaitMax))));
    return Ok{};
}

const SectionTable<NatsSettings>& nats_table() {
    using N = NatsSettings;
    using Table = SectionTable<N>;
    using enum Unit;
    static const Table table(
        kNatsSection,
        {
            {"url",
             "",
             "Server of the bus, nats:// or tls://, several with commas. Empty: there is no bus "
             "(docs/nats.md). As it may hold a password it is never shown.",
             Table::text(&N::url),
             {"NATS_URL"}},
            {"prefix",
             "",
             "What all subjects begin with, with its dot; may be empty.",
             Table::text(&N::prefix),
             {"BUS_PREFIX"}},
            {"stream", "BITBRAT",
             "The stream of the bus: used as it is when it is there, else made.",
             Table::text(&N::stream)},
            {"mode", "live",
             "live, or shadow: decides and journals what comes, and publishes nothing.",
             Table::choice(&N::shadow, "live", "shadow")},
            {"takeover", "false",
             "Bind the original's durable and go on where it stopped; else there is one of our "
             "own.",
             Table::choice(&N::takeover)},
            {"ack_wait_seconds",
             "1m",
             "How long the server waits for an answer to a message of our own durable. "
             "NATS_ACK_WAIT_SECONDS is a number of seconds, its fraction cut off, and 60 where it "
             "is none above 0.",
             Table::number(&N::ack_wait, seconds, 2, kAckWaitMax),
             {"NATS_ACK_WAIT_SECONDS"},
             set_ack_wait},
            {"in_flight", "1024", "Messages in hand; more wait at the server.",
             Table::number(&N::in_flight, count, 1, 65'536)},
            {"in_flight_bytes", "8MiB", "Bytes of messages in hand; more wait at the server.",
             Table::number(&N::in_flight_bytes, bytes, 1u << 20, 1u << 30)},
            {"token", "", "Token for the server; never shown.", Table::text(&N::token)},
            {"credentials", "", "File with a JWT and its seed for the server.",
             Table::text(&N::credentials)},
            {"tls_ca", "",
             "File with the authorities that the server's certificate may be of; asks for TLS.",
             Table::text(&N::tls_ca)},
            {"tls_certificate", "", "File with our certificate; asks for TLS.",
             Table::text(&N::tls_certificate)},
            {"tls_key", "", "File with its key.", Table::text(&N::tls_key)},
            {"publish.results", "true", "Whether each decision is published.",
             Table::choice(&N::publish_results)},
            {"publish.changes", "true", "Whether each change of a key is published.",
             Table::choice(&N::publish_changes)},
            {"register", "true",
             "Whether the MCP door is announced at start and after each reconnect.",
             Table::choice(&N::announce)},
            {"external_url",
             "",
             "Under what it is announced. Empty: http://state-engine.bitbrat.local:<port>/sse.",
             Table::text(&N::external_url),
             {"MCP_EXTERNAL_URL"}},
        });
    return table;
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
    return nats_table().infos();
}

bool is_nats_setting(std::string_view dotted_name) {
    return nats_table().has(dotted_name);
}

Status set_nats_setting(NatsSettings* settings, std::string_view dotted_name,
                        std::string_view text) {
    return nats_table().set(settings, dotted_name, text);
}

Status read_nats_section(NatsSettings* settings, const Json& section) {
    return nats_table().read(settings, section);
}

Status apply_nats_environment(NatsSettings* settings, const Environment& environment) {
    return nats_table().apply(settings, environment);
}

}  // namespace se
