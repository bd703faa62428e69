#include "engine/policy/settings.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>

#include "engine/intake/utf8.h"
#include "engine/policy/units.h"
#include "journal/record.h"

namespace se {
namespace {

constexpr std::uint64_t kHuge = std::uint64_t{1} << 50;
constexpr std::uint64_t kHundredYears = 100ull * 365 * 86'400;
constexpr std::uint64_t kYearMilliseconds = 365ull * 86'400'000;

struct Range {
    std::uint64_t min, max;
};

Error wrong_setting(std::string text) {
    return Error{Errc::malformed, std::move(text)};
}

/// A flag or a variable may be any bytes; what is shown, logged and journaled is JSON.
Error not_utf8() {
    return wrong_setting("must be UTF-8");
}

std::string shown(const Json& value) {
    if (value.is_string()) return value.string();
    if (value.is_array() && value.array().empty()) return "";
    return to_text(value);
}

const Config& defaults() {
    static const Config config;
    return config;
}

/// Puts the table together. `field` leads from a Config to what is set, to read it and to write it.
class Table {
public:
    std::vector<Setting> take() { return std::move(rows_); }

    template <class Field>
    Setting& number(std::string name, Unit unit, Range range, Field field, std::string meaning) {
        const auto get = [field](const Config& config) {
            return static_cast<std::uint64_t>(to_plain(field(config)));
        };
        Setting& row = add(std::move(name), std::move(meaning));
        row.info.default_value = quantity_text(get(defaults()), unit);
        row.get = [get](const Config& config) {
            return Json(static_cast<std::int64_t>(get(config)));
        };
        row.set = [field, unit, range](Config* config, std::string_view text) -> Status {
            SE_TRY(value, parse_quantity(text, unit));
            if (value < range.min || value > range.max) {
                return wrong_setting("must be between " + quantity_text(range.min, unit) + " and " +
                                     quantity_text(range.max, unit));
            }
            assign(field(*config), value);
            return Ok{};
        };
        return row;
    }

    template <class Field>
    Setting& text(std::string name, std::size_t bytes_min, Field field, std::string meaning) {
        Setting& row = add(std::move(name), std::move(meaning));
        row.get = [field](const Config& config) { return Json(field(config)); };
        row.info.default_value = shown(row.get(defaults()));
        row.set = [field, bytes_min](Config* config, std::string_view text) -> Status {
            if (text.size() < bytes_min) return wrong_setting("must not be empty");
            if (!is_utf8(text)) return not_utf8();
            field(*config) = text;
            return Ok{};
        };
        return row;
    }

    template <class Field>
    Setting& list(std::string name, Field field, std::string meaning) {
        Setting& row = add(std::move(name), std::move(meaning));
        row.get = [field](const Config& config) {
            const std::vector<std::string>& texts = field(config);
            return Json(Json::Array(texts.begin(), texts.end()));
        };
        row.info.default_value = shown(row.get(defaults()));
        row.set = [field](Config* config, std::string_view text) -> Status {
            if (!is_utf8(text)) return not_utf8();
            SE_TRY(texts, parse_list(text));
            field(*config) = std::move(texts);
            return Ok{};
        };
        return row;
    }

    /// A choice between words. `field` is anything that holds one of `values`.
    template <class Value, class Field>
    Setting& choice(std::string name, std::vector<std::pair<std::string, Value>> words, Field field,
                    std::string meaning) {
        Setting& row = add(std::move(name), std::move(meaning));
        row.get = [field, words](const Config& config) {
            const auto at = std::ranges::find(words, Value(field(config)),
                                              &std::pair<std::string, Value>::second);
            SE_ASSERT(at != words.end());
            return Json(at->first);
        };
        row.info.default_value = shown(row.get(defaults()));
        row.set = [field, words](Config* config, std::string_view text) -> Status {
            std::string right;
            for (const auto& [word, value] : words) {
                if (word == text) {
                    field(*config) = value;
                    return Ok{};
                }
                right += (right.empty() ? "" : ", ") + word;
            }
            return wrong_setting("must be one of " + right);
        };
        return row;
    }

    template <class Field>
    Setting& yes_no(std::string name, Field field, std::string meaning) {
        Setting& row = choice<bool>(std::move(name), {{"true", true}, {"false", false}}, field,
                                    std::move(meaning));
        row.get = [field](const Config& config) { return Json(field(config)); };
        return row;
    }

    /// A list of maps. It shows without its hashes: what is guessed against them must not come from
    /// here.
    void principals(std::string name, std::string meaning) {
        Setting& row = add(std::move(name), std::move(meaning));
        row.get = [](const Config& config) {
            Json::Array shown;
            for (const PrincipalEntry& entry : config.settings.auth.principals)
                shown.push_back(to_json(*entry.principal));
            return Json(std::move(shown));
        };
        row.set = [](Config* config, std::string_view text) -> Status {
            if (!is_utf8(text)) return not_utf8();
            const auto json = parse_json(text);
            if (!json) return wrong_setting("must be a list of principals: " + json.error().text);
            SE_TRY(entries, parse_principals(*json));
            config->settings.auth.principals = std::move(entries);
            return Ok{};
        };
    }

private:
    Setting& add(std::string name, std::string meaning) {
        Setting& row = rows_.emplace_back();
        std::string variable = "STATE_ENGINE_";
        for (const char c : name)
            variable += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
        row.environment.push_back(std::move(variable));
        row.info.name = std::move(name);
        row.info.meaning = std::move(meaning);
        return row;
    }

    template <class T>
    static auto to_plain(const T& value) {
        if constexpr (std::is_integral_v<T>)
            return value;
        else
            return value.count();
    }

    template <class T>
    static void assign(T& field, std::uint64_t value) {
        if constexpr (std::is_integral_v<T>)
            field = static_cast<T>(value);
        else
            field = T(static_cast<typename T::rep>(value));
    }

    /// `a, b` or, for texts with commas in them, a JSON list.
    static Result<std::vector<std::string>> parse_list(std::string_view text) {
        const Error malformed = wrong_setting("must be a list of texts, none of them empty");
        std::vector<std::string> texts;
        if (text.starts_with('[')) {
            const auto json = parse_json(text);
            if (!json || !json->is_array()) return malformed;
            for (const Json& item : json->array()) {
                if (!item.is_string() || item.string().empty()) return malformed;
                texts.push_back(item.string());
            }
            return texts;
        }
        for (std::size_t at = 0; !text.empty() && at <= text.size();) {
            const std::size_t comma = std::min(text.find(',', at), text.size());
            std::string_view item = text.substr(at, comma - at);
            while (item.starts_with(' ')) item.remove_prefix(1);
            while (item.ends_with(' ')) item.remove_suffix(1);
            if (item.empty()) return malformed;
            texts.emplace_back(item);
            at = comma + 1;
        }
        return texts;
    }

    std::vector<Setting> rows_;
};

/// LOG_LEVEL as the original reads it: in any case, and what it does not know is `info`.
Status set_log_level(Config* config, std::string_view text) {
    constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warn", "error"};
    std::string level(text);
    for (char& c : level)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (level == "warning") level = "warn";
    if (std::ranges::find(kLevels, level) == kLevels.end()) {
        config->passed_over.emplace_back("LOG_LEVEL");
        level = "info";
    }
    config->settings.log_level = level;
    return Ok{};
}

// A field: from a Config, const or not, to the member.
#define SE_FIELD(path)          \
    [](auto& config) -> auto& { \
        return config.path;     \
    }

void add_start(Table& table) {
    Setting& data = table.text("data", 1, SE_FIELD(settings.data), "The store's folder.");
    data.source = Setting::Source::not_in_file;
    Setting& path = table.text("config", 0, SE_FIELD(settings.config_path),
                               "This file. A named file that is missing is an error.");
    path.source = Setting::Source::not_in_file;
    path.environment = {"STATE_ENGINE_CONFIG_PATH"};
    table
        .text("service_name", 1, SE_FIELD(settings.service_name),
              "Who we are, in logs and answers.")
        .environment.push_back("SERVICE_NAME");
    Setting& level = table.choice<std::string>(
        "log_level",
        {{"debug", "debug"}, {"info", "info"}, {"warn", "warn"}, {"error", "error"}},
        SE_FIELD(settings.log_level),
        "The least that is logged: debug, info, warn, error. LOG_LEVEL is taken in any case, and "
        "is info where it is none of them.");
    level.environment.push_back("LOG_LEVEL");
    level.set_as_original = set_log_level;
}

void add_http(Table& table) {
    using enum Unit;
    table.text("http.host", 1, SE_FIELD(settings.http.host), "Address to listen on.");
    Setting& port = table.number("http.port", count, {0, 65'535}, SE_FIELD(settings.http.port),
                                 "Port to listen on; 0: any free one.");
    port.environment.insert(port.environment.end(), {"SERVICE_PORT", "PORT"});
    table.yes_no("http.allow_open", SE_FIELD(settings.http.allow_open),
                 "Listen beyond loopback although no token is set.");
    table.number("http.body_bytes", bytes, {1024, kHuge}, SE_FIELD(settings.http.body_bytes),
                 "Largest request body; more: 413.");
    table.number("http.header_bytes", bytes, {1024, 1u << 20}, SE_FIELD(settings.http.header_bytes),
                 "Largest request header; more: 431.");
    table.number("http.connections", count, {1, 1'000'000}, SE_FIELD(settings.http.connections),
                 "Connections at once; more: 503, closed.");
    table.number(
        "http.streams", count, {0, 1'000'000}, SE_FIELD(settings.http.streams),
        "Change feeds at once, and MCP streams at once; of one principal half of them; more: 503.");
    table.number("http.pipeline", count, {1, 65'536}, SE_FIELD(settings.http.pipeline),
                 "Requests of one connection under way at once; more wait in its socket.");
    table.number("http.header_timeout", milliseconds, {1, kYearMilliseconds},
                 SE_FIELD(settings.http.header_timeout),
                 "How long a header may take; longer: 408, closed.");
    table.number("http.idle_timeout", milliseconds, {1, kYearMilliseconds},
                 SE_FIELD(settings.http.idle_timeout),
                 "How long a connection may idle; then closed.");
    table.number("http.page", count, {1, 1'000'000}, SE_FIELD(settings.http.page),
                 "Entries in a list that names no limit.");
    table.number("http.page_max", count, {1, 1'000'000}, SE_FIELD(settings.http.page_max),
                 "Entries in a list at most.");
}

void add_auth(Table& table) {
    table.text("auth.default_actor", 1, SE_FIELD(settings.auth.default_actor),
               "Who a caller without a token is, where none is needed.");
    table.list("auth.default_speaks_for", SE_FIELD(settings.auth.default_speaks_for),
               "Patterns of actors that such a caller and llm-bot may name.");
    table.list("auth.default_scopes", SE_FIELD(settings.auth.default_scopes),
               "What they may do beside reading and writing keys.");
    Setting& token = table.text("auth.token", 0, SE_FIELD(settings.auth.token),
                                "The bearer token of principal llm-bot.");
    token.secret = true;
    token.environment.push_back("MCP_AUTH_TOKEN");
    table.principals(
        "auth.principals",
        "Who else may come in, with hashed tokens (see docs/http.md). With neither a token "
        "nor principals, none is needed.");
}

void add_mcp(Table& table) {
    table.choice<bool>(
        "mcp.profile", {{"state", false}, {"full", true}}, SE_FIELD(settings.mcp.full),
        "What language models are offered. state: the tools of the state. full: list_prefixes "
        "and, by their scopes, the platform tools too. The legacy SSE door has those in either.");
}

void add_otlp(Table& table) {
    Setting& endpoint = table.text("otlp.endpoint", 0, SE_FIELD(settings.otlp.endpoint),
                                   "Collector that spans are sent to (OTLP/HTTP, JSON): "
                                   "http://host:port or https://host:port. Empty: none are made.");
    endpoint.environment.push_back("OTEL_EXPORTER_OTLP_ENDPOINT");
    endpoint.address = true;
    table
        .text("otlp.tls_ca", 0, SE_FIELD(settings.otlp.tls_ca),
              "File with the authorities that its certificate may be of; for https://, else passed "
              "over. Empty: those that the system trusts.")
        .environment.push_back("OTEL_EXPORTER_OTLP_CERTIFICATE");
    table.number("otlp.queue", Unit::count, {1, 1u << 20}, SE_FIELD(settings.otlp.queue),
                 "Spans waiting to be sent; more are dropped and counted.");
}

void add_egress(Table& table) {
    using enum Unit;
    table.text("egress.file", 0, SE_FIELD(settings.egress.file),
               "What rules fire is appended to this file, a line of JSON each. Empty: it is not.");
    table
        .text("egress.webhook_url", 0, SE_FIELD(settings.egress.webhook_url),
              "What rules fire is posted to this address: http:// or https://host:port/path. Empty: "
              "it is not. As its path may be a secret, only its host and port are shown.")
        .address = true;
    table
        .text("egress.webhook_token", 0, SE_FIELD(settings.egress.webhook_token),
              "The bearer token sent with it.")
        .secret = true;
    table.text("egress.webhook_tls_ca", 0, SE_FIELD(settings.egress.webhook_tls_ca),
               "File with the authorities that its certificate may be of; for https://. Empty: those "
               "that the system trusts.");
    table.text("egress.webhook_tls_certificate", 0,
               SE_FIELD(settings.egress.webhook_tls_certificate),
               "File with our certificate; for https://.");
    table.text("egress.webhook_tls_key", 0, SE_FIELD(settings.egress.webhook_tls_key),
               "File with its key.");
    table.number(
        "egress.webhook_timeout", milliseconds, {1, 3'600'000},
        SE_FIELD(settings.egress.webhook_timeout),
        "How long one message may take, from connecting to its answer; longer: an outage.");
    table.number(
        "egress.in_flight", count, {1, 65'536}, SE_FIELD(settings.egress.in_flight),
        "Messages that one outbound follower has read and not settled; more wait in the journal.");
    table.number("egress.in_flight_bytes", bytes, {4096, 1u << 30},
                 SE_FIELD(settings.egress.in_flight_bytes),
                 "Likewise their bytes; the messages of one record may go over it.");
    table.number("egress.attempts", count, {0, 1'000'000}, SE_FIELD(settings.egress.attempts),
                 "Attempts with one message in outages, then it is a dead letter; 0: for ever.");
    table.number(
        "egress.dead_letters", count, {1, 100'000}, SE_FIELD(settings.egress.dead_letters),
        "Dead letters of one follower; with so many it stops until some are retried or dropped.");
    table.number("egress.backoff_first", milliseconds, {1, 3'600'000},
                 SE_FIELD(settings.egress.backoff_first),
                 "Pause after an outage; doubled each time, up to backoff_max.");
    table.number("egress.backoff_max", milliseconds, {1, 3'600'000},
                 SE_FIELD(settings.egress.backoff_max), "The longest pause after an outage.");
    table.number("egress.breaker_failures", count, {1, 1'000'000},
                 SE_FIELD(settings.egress.breaker_failures),
                 "Outages in a row that open the circuit breaker.");
    table.number("egress.breaker_open", milliseconds, {1, 3'600'000},
                 SE_FIELD(settings.egress.breaker_open), "How long nothing is tried then.");
    table.number("egress.breaker_trials", count, {1, 1'000},
                 SE_FIELD(settings.egress.breaker_trials),
                 "Messages that must get through after that.");
}

void add_engine(Table& table) {
    using enum Unit;
    table.choice<bool>("engine.ttl", {{"enforce", true}, {"record", false}},
                       SE_FIELD(policy.limits.ttl_enforce),
                       "enforce: what is past its deadline is deleted. record: it stays.");
    table.number("engine.in_flight_bytes", bytes, {1u << 20, kHuge},
                 SE_FIELD(settings.engine.in_flight_bytes),
                 "Proposals waiting or in flight; more: unavailable, overloaded.");
    table.number("engine.queue", count, {1, 1u << 24}, SE_FIELD(settings.engine.queue),
                 "Proposals waiting; more: unavailable, overloaded.");
    table.number("engine.group_records", count, {1, 1u << 20},
                 SE_FIELD(settings.engine.group_records),
                 "Decisions in one group; more wait for the next.");
    table.number("engine.overlay_bytes", bytes, {1u << 20, kHuge},
                 SE_FIELD(settings.engine.overlay_bytes),
                 "State kept in memory while LMDB fails; more: unavailable.");
    table.number("engine.drain", milliseconds, {0, kYearMilliseconds},
                 SE_FIELD(settings.engine.drain), "How long SIGTERM waits for answers to go out.");
}

/// What a decision reads, and so is journaled with the policy.
void add_limits(Table& table) {
    using enum Unit;
    table.number("engine.key_bytes", bytes, {1, 256}, SE_FIELD(policy.limits.key_bytes),
                 "A key; longer: too_large.");
    table.number("engine.id_bytes", bytes, {36, 4096}, SE_FIELD(policy.limits.id_bytes),
                 "An id; longer: too_large.");
    table.number("engine.actor_bytes", bytes, {1, 4096}, SE_FIELD(policy.limits.actor_bytes),
                 "An actor; longer: too_large.");
    table.number("engine.reason_bytes", bytes, {1, 64u << 10}, SE_FIELD(policy.limits.reason_bytes),
                 "A reason; longer: too_large.");
    table.number("engine.metadata_bytes", bytes, {2, 256u << 10},
                 SE_FIELD(policy.limits.metadata_bytes), "Metadata, canonical; longer: too_large.");
    table.number(
        "engine.value_bytes", bytes, {1, kRecordBytesMax - (512u << 10)},
        SE_FIELD(policy.limits.value_bytes),
        "A value, canonical; longer: too_large, and value_invalid for what an op would make.");
    table.number("engine.ops", count, {1, 4096}, SE_FIELD(policy.limits.ops),
                 "Ops in one proposal; more: too_large.");
    table.number("engine.json_depth", count, {3, 512}, SE_FIELD(policy.limits.json_depth),
                 "Levels of a proposal's JSON; more: malformed.");
    table.number("engine.basis", count, {0, 4096}, SE_FIELD(policy.limits.basis),
                 "Facts in one basis; more: too_large.");
    table.number("engine.ttl_seconds", seconds, {1, kHundredYears},
                 SE_FIELD(policy.limits.ttl_seconds), "A ttl; longer: malformed.");
    table.number("engine.expiries_per_step", count, {1, 1u << 20},
                 SE_FIELD(policy.limits.expiries_per_step),
                 "Expiries at once; more wait for the next step.");
    table.number("engine.refusals_journaled_per_minute", count, {0, 1u << 20},
                 SE_FIELD(policy.limits.refusals_journaled_per_minute),
                 "Refusals that bind no id, for each principal; more are only counted.");
    table.number("engine.rule_steps", count, {100, 1'000'000}, SE_FIELD(policy.limits.rule_steps),
                 "Steps of one rule; more: it fails, which is a warning in the record.");
    table.number("engine.record_rule_steps", count, {100, 100'000'000},
                 SE_FIELD(policy.limits.record_rule_steps),
                 "Steps of all rules of one record; those over it are a warning.");
    table.number("engine.fired_bytes", bytes, {4096, 512u << 10},
                 SE_FIELD(policy.limits.fired_bytes),
                 "What the rules of one record may fire; those over it are a warning.");
    table.number("engine.derived_depth", count, {1, 64}, SE_FIELD(policy.limits.derived_depth),
                 "Mutations derived from derived ones, one behind the other; deeper: depth_limit.");
    table.number(
        "engine.derived_count", count, {1, 4096}, SE_FIELD(policy.limits.derived_count),
        "Mutations derived from one proposal; the next: depth_limit, and the rest is given up.");
}

void add_storage(Table& table) {
    using enum Unit;
    table.choice<FsyncMode>(
        "journal.fsync", {{"group", FsyncMode::group}, {"never", FsyncMode::never}},
        SE_FIELD(settings.journal.fsync),
        "group: an answer waits for its sync. never: it does not, and may be lost.");
    table.number("journal.segment_bytes", bytes, {4u << 20, 1u << 30},
                 SE_FIELD(settings.journal.segment_bytes), "A segment's size.");
    table.number("journal.first_segment_bytes", bytes, {4u << 20, 1u << 30},
                 SE_FIELD(settings.journal.first_segment_bytes),
                 "The first segment's size; each next one doubles up to segment_bytes.");
    table.number("journal.fill_chunk_bytes", bytes, {4096, 64u << 20},
                 SE_FIELD(settings.journal.fill_chunk_bytes),
                 "Space is filled ahead in such pieces.");
    table.number("journal.group_bytes_max", bytes, {kRecordBytesMax, 1u << 30},
                 SE_FIELD(settings.journal.group_bytes_max),
                 "One write; more waits for the next group.");
    table.number("journal.disk_reserve_bytes", bytes, {0, kHuge},
                 SE_FIELD(settings.journal.disk_reserve_bytes),
                 "Less free space than this: writes are refused, reads go on.");
    table.number("journal.align", bytes, {0, 1u << 20}, SE_FIELD(settings.journal.align_bytes),
                 "Pads groups to this, for disks whose torn writes harm their neighbours; 0: not.");
    table.number("journal.head_sync_idle", milliseconds, {1, 3'600'000},
                 SE_FIELD(settings.journal.head_sync_idle),
                 "HEAD is synced after so long without writes.");
    table.number("journal.sync_interval", milliseconds, {1, 3'600'000},
                 SE_FIELD(settings.journal.sync_interval), "With fsync never: how often it syncs.");
    table.number("journal.scrub_bytes_per_second", bytes, {0, kHuge},
                 SE_FIELD(settings.journal.scrub_bytes_per_second),
                 "Old records are read once more at this pace, to find damage; 0: not.");
    table.number("journal.scrub_every", milliseconds, {1, kYearMilliseconds},
                 SE_FIELD(settings.journal.scrub_every),
                 "Rest between two times of reading all of them.");
    table.number("projection.map_bytes_first", bytes, {1u << 20, kHuge},
                 SE_FIELD(settings.projection.map_bytes_first), "LMDB's map at first.");
    table.number("projection.map_step_bytes", bytes, {1u << 20, kHuge},
                 SE_FIELD(settings.projection.map_step_bytes), "It doubles, by this at most.");
    table.number("projection.map_bytes_max", bytes, {1u << 20, kHuge},
                 SE_FIELD(settings.projection.map_bytes_max),
                 "Its size at most; more: unavailable.");
}

#undef SE_FIELD

std::vector<Setting> make_table() {
    Table table;
    add_start(table);
    add_http(table);
    add_auth(table);
    add_mcp(table);
    add_otlp(table);
    add_egress(table);
    add_engine(table);
    add_limits(table);
    add_storage(table);
    std::vector<Setting> rows = table.take();
    for (Setting& row : rows)
        for (const std::string& name : row.environment)
            row.info.environment += (row.info.environment.empty() ? "" : ", ") + name;
    return rows;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

}  // namespace

const std::vector<Setting>& settings_table() {
    static const std::vector<Setting> table = make_table();
    return table;
}

const Setting* find_setting(std::string_view dotted_name) {
    for (const Setting& row : settings_table())
        if (row.info.name == dotted_name) return &row;
    return nullptr;
}

std::string_view nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
    // Nobody mistypes a name of ours into a much longer one; the work is bounded by this.
    name = name.substr(0, 64);
    const auto at = std::ranges::min_element(candidates, {}, [&](const std::string& candidate) {
        return edit_distance(name, candidate);
    });
    return at == candidates.end() ? std::string_view() : *at;
}

}  // namespace se
