#include "engine/policy/config.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "engine/policy/firestore_settings.h"
#include "engine/policy/nats_settings.h"
#include "engine/policy/settings.h"
#include "engine/policy/shown_url.h"

using namespace se;

namespace {

Config config_of(std::string_view yaml) {
    auto config = parse_config(yaml, "c.yaml");
    REQUIRE_MESSAGE(config, config.error().text);
    return std::move(*config);
}

Environment environment(std::map<std::string, std::string, std::less<>> variables) {
    return [variables](std::string_view name) -> std::optional<std::string> {
        const auto at = variables.find(name);
        return at == variables.end() ? std::nullopt : std::optional(at->second);
    };
}

Json value_of(const Config& config, std::string_view name) {
    const Setting* setting = find_setting(name);
    REQUIRE(setting);
    return setting->get(config);
}

/// A text that the setting takes and that is not its default.
std::string other_value(const Setting& setting) {
    for (const char* text : {"record", "never", "debug", "true", "7s", "5MiB", "300MiB", "77",
                             "9", "4KiB", "other", "8KiB", "100", "2GiB", R"([{"name":"a"}])", "full", "http://127.0.0.1:4318"}) {
        Config config;
        if (setting.set(&config, text) && setting.get(config) != setting.get(Config{})) return text;
    }
    FAIL(setting.info.name);
    return "";
}

}  // namespace

TEST_CASE("a file that says nothing is the default") {
    for (const char* yaml :
         {"", "# remark\n", "{}", "http:\n", "http: {}\nkeys: []\nrules:\nnats: {}\n",
          "allowedKeys:\n", "allowedKeys: null\nrules: null\n"}) {
        CAPTURE(yaml);
        const Config config = config_of(yaml);
        CHECK(config.policy == Policy{});
        CHECK(!config.has_policy);
        CHECK(redacted(config) == redacted(Config{}));
    }
}

TEST_CASE("allowedKeys absent is the default, empty allows nothing") {
    const Config some = config_of("allowedKeys:\n  - stream.state\n  - \"user.fact.*\"\n");
    CHECK(some.policy.allowed_keys == std::vector<std::string>{"stream.state", "user.fact.*"});
    CHECK(some.has_policy);
    const Config none = config_of("allowedKeys: []");
    CHECK(none.policy.allowed_keys.empty());
    CHECK(none.has_policy);
    CHECK(!none.policy.allows("stream.state"));
    const Config other = config_of("http: {port: 1}");
    CHECK(other.policy.allows("stream.state"));
    CHECK(!other.has_policy);
}

TEST_CASE("a file sets what it names and nothing else") {
    const Config config = config_of(
        "allowedKeys: [a]\n"
        "http:\n  host: 0.0.0.0\n  port: 8080\n  allow_open: true\n  idle_timeout: 90s\n"
        "auth:\n  default_speaks_for: [\"bot:*\", 'a,b']\n  token: on\n"
        "engine:\n  ttl: record\n  key_bytes: 100\n  in_flight_bytes: 16MiB\n  ttl_seconds: 7d\n"
        "journal: {fsync: never, segment_bytes: 8388608, head_sync_idle: 250, align: 4096}\n"
        "projection: {map_bytes_first: 4MiB}\n"
        "log_level: debug\n");
    const Settings& settings = config.settings;
    CHECK(settings.http.host == "0.0.0.0");
    CHECK(settings.http.port == 8080);
    CHECK(settings.http.allow_open);
    CHECK(settings.http.idle_timeout == std::chrono::seconds(90));
    CHECK(settings.auth.default_speaks_for == std::vector<std::string>{"bot:*", "a,b"});
    CHECK(settings.auth.token == "on");
    CHECK(!config.policy.limits.ttl_enforce);
    CHECK(config.policy.limits.key_bytes == 100);
    CHECK(config.policy.limits.ttl_seconds == 604'800);
    CHECK(settings.engine.in_flight_bytes == 16u << 20);
    CHECK(settings.journal.fsync == FsyncMode::never);
    CHECK(settings.journal.segment_bytes == 8u << 20);
    CHECK(settings.journal.head_sync_idle == std::chrono::milliseconds(250));
    CHECK(settings.journal.align_bytes == 4096);
    CHECK(settings.projection.map_bytes_first == 4u << 20);
    CHECK(settings.log_level == "debug");
    CHECK(settings.http.body_bytes == 10u << 20);
    CHECK(settings.engine.queue == 65'536);
}

TEST_CASE("what is wrong in a file is said with line, name and remedy") {
    struct Row {
        const char* yaml;
        const char* says;
    };
    const Row rows[] = {
        {"a: [", "c.yaml: line "},
        {"[1]", "c.yaml: line 1: the file must be a map of sections, not a list"},
        {"just text", "line 1: the file must be a map of sections, not a text"},
        {"http:\n  prot: 1\n", "line 2: http.prot is not known; the nearest is http.port"},
        {"http:\n  port: 1\n  bodybytes: 1\n",
         "line 3: http.bodybytes is not known; the nearest is http.body_bytes"},
        {"htpp: {port: 1}\n", "line 1: htpp is not known; the nearest is http"},
        {"\nallowedkeys: []\n", "line 2: allowedkeys is not known; the nearest is allowedKeys"},
        {"allowed_keys: []\n", "the nearest is allowedKeys"},
        {"rule: []\n", "the nearest is rules"},
        {"http: {port: 1, port: 2}\n", "line 1: port is there twice"},
        {"allowedKeys: stream.*\n",
         "line 1: allowedKeys must be a list of patterns ([] allows nothing), not a text"},
        {"allowedKeys: {}\n",
         "line 1: allowedKeys must be a list of patterns ([] allows nothing), not a map"},
        {"allowedKeys:\n - a\n - 017\n",
         "line 3: allowedKeys[1] must be a text that is not empty, not 17: put it in quotes"},
        {"allowedKeys: ['']\n", "line 1: allowedKeys[0] must be a text that is not empty"},
        {"keys:\n - pattern: a\n", "line 1: keys: this version does not understand them"},
        {"allowedKeys: []\nrules:\n - id: a\n",
         "line 3: rules[0] (a): a rule has exactly one of `actions`"},
        {"nats: {urls: x}\n", "line 1: nats.urls is not known; the nearest is nats.url"},
        {"nats:\n  takeover: maybe\n",
         "line 2: nats.takeover must be one of false, true"},
        {"firestore: {projekt: 1}\n",
         "line 1: firestore.projekt is not known; the nearest is firestore.project"},
        {"firestore:\n  database: ''\n", "line 2: firestore.database must not be empty"},
        {"firestore:\n  bootstrap: maybe\n",
         "line 2: firestore.bootstrap must be one of false, true"},
        {"checkpoint: on\n", "line 1: checkpoint: not in this version"},
        {"http: 3000\n", "line 1: http must be a map of settings, not a number"},
        {"http:\n  port: on\n", "line 2: http.port must be a whole number"},
        {"http:\n  port: 65536\n", "line 2: http.port must be between 0 and 65535"},
        {"http:\n  port:\n", "line 2: http.port must be a single value, not nothing"},
        {"http:\n  port: [1]\n", "line 2: http.port must be a single value, not a list"},
        {"http:\n  host: {}\n", "line 2: http.host must be a single value, not a map"},
        {"http:\n  host: ''\n", "line 2: http.host must not be empty"},
        {"http:\n  body_bytes: 64MB\n", "line 2: http.body_bytes must be a size: 512, 64KiB"},
        {"http:\n  body_bytes: 1.5\n", "line 2: http.body_bytes must be a size"},
        {"http:\n  allow_open: yes\n", "line 2: http.allow_open must be one of true, false"},
        {"engine:\n  drain: soon\n", "line 2: engine.drain must be a duration: 250ms"},
        {"engine:\n  ttl: maybe\n", "line 2: engine.ttl must be one of enforce, record"},
        {"engine:\n  key_bytes: 257\n", "line 2: engine.key_bytes must be between 1 and 256"},
        {"journal:\n  fsync: always\n", "line 2: journal.fsync must be one of group, never"},
        {"log_level: loud\n", "line 1: log_level must be one of debug, info, warn, error"},
        {"auth:\n  default_speaks_for: bot\n",
         "line 2: auth.default_speaks_for must be a list, not a text"},
        {"auth:\n  default_speaks_for: ['']\n",
         "line 2: auth.default_speaks_for must be a list of texts"},
        {"data: /tmp\n", "line 1: data cannot stand in the file"},
        {"config: x\n", "line 1: config cannot stand in the file"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.yaml);
        const auto config = parse_config(row.yaml, "c.yaml");
        REQUIRE(!config);
        CAPTURE(config.error().text);
        CHECK(config.error().code == Errc::malformed);
        CHECK(config.error().text.starts_with("c.yaml: line "));
        CHECK(config.error().text.find(row.says) != std::string::npos);
    }
}

TEST_CASE("every setting can be set by the file, the environment and by name, alike") {
    CHECK(settings_table().size() + nats_setting_infos().size() + firestore_setting_infos().size() ==
          all_settings().size());
    std::set<std::string> names, variables;
    for (const Setting& setting : settings_table()) {
        const std::string& name = setting.info.name;
        CAPTURE(name);
        CHECK(names.insert(name).second);
        for (const std::string& variable : setting.environment)
            CHECK(variables.insert(variable).second);
        CHECK(!setting.info.meaning.empty());
        CHECK(setting.info.meaning.ends_with('.'));

        const std::string text = other_value(setting);
        Config by_name;
        REQUIRE(set_setting(&by_name, name, text));
        const Json value = setting.get(by_name);

        for (const std::string& variable : setting.environment) {
            Config by_environment;
            REQUIRE(apply_environment(&by_environment, environment({{variable, text}})));
            CHECK(setting.get(by_environment) == value);
            CHECK(redacted(by_environment) == redacted(by_name));
            CHECK(by_environment.policy == by_name.policy);
        }
        // One setting changes one thing.
        for (const Setting& other : settings_table())
            CHECK((other.get(by_name) != other.get(Config{})) == (other.info.name == name));

        if (setting.source == Setting::Source::not_in_file) continue;
        const std::size_t dot = name.find('.');
        const bool bare = value.is_array() && !text.starts_with('[');
        const std::string shown = bare ? "[" + text + "]" : text;
        const Config by_file =
            config_of(dot == std::string::npos ? name + ": " + shown
                                               : name.substr(0, dot) + ": {" +
                                                     name.substr(dot + 1) + ": " + shown + "}");
        CHECK(setting.get(by_file) == value);
    }
}

TEST_CASE("the default that is told is the default that is") {
    for (const Setting& setting : settings_table()) {
        CAPTURE(setting.info.name);
        Config config;
        if (setting.info.default_value.empty()) {
            const Json value = setting.get(config);
            CHECK((value == Json("") || value == Json(Json::Array{})));
            continue;
        }
        REQUIRE(set_setting(&config, setting.info.name, setting.info.default_value));
        CHECK(redacted(config) == redacted(Config{}));
        CHECK(config.policy == Policy{});
    }
}

TEST_CASE("every limit that a decision reads is a setting") {
    std::set<std::string> settable;
    for (const Setting& setting : settings_table()) {
        Config config;
        REQUIRE(set_setting(&config, setting.info.name, other_value(setting)));
        const Json changed = config.policy.limits.to_json();
        const Json limits = Limits{}.to_json();
        for (const auto& [name, value] : limits.object()) {
            if (*changed.find(name) == value) continue;
            settable.insert(name);
            CHECK((setting.info.name == "engine." + name || setting.info.name == "engine.ttl"));
        }
    }
    CHECK(settable.size() == Limits{}.to_json().object().size());
}

TEST_CASE("the environment wins over the file, our own names over the others") {
    Config config = config_of("http: {port: 1}\nlog_level: debug\n");
    REQUIRE(apply_environment(&config, environment({})));
    CHECK(config.settings.http.port == 1);
    REQUIRE(apply_environment(&config, environment({{"PORT", "2"}})));
    CHECK(config.settings.http.port == 2);
    REQUIRE(apply_environment(&config, environment({{"PORT", "2"}, {"SERVICE_PORT", "3"}})));
    CHECK(config.settings.http.port == 3);
    REQUIRE(apply_environment(
        &config,
        environment({{"PORT", "2"}, {"SERVICE_PORT", "3"}, {"STATE_ENGINE_HTTP_PORT", "4"}})));
    CHECK(config.settings.http.port == 4);
    // Empty is how a compose file says "not set".
    REQUIRE(apply_environment(&config, environment({{"PORT", "5"}, {"SERVICE_PORT", ""}})));
    CHECK(config.settings.http.port == 5);
    CHECK(config.settings.log_level == "debug");
}

TEST_CASE("what neither a file nor the environment says of how to write is left to the last run") {
    Settings settings;
    CHECK_FALSE(settings.as_last_run.align);
    leave_to_last_run(&settings, [](std::string_view name) -> std::optional<std::string> {
        if (name == "STATE_ENGINE_JOURNAL_ALIGN") return "0";
        if (name == "STATE_ENGINE_JOURNAL_DISK_RESERVE_BYTES") return "";  // counts as not set
        return std::nullopt;
    });
    CHECK_FALSE(settings.as_last_run.align);
    CHECK(settings.as_last_run.disk_reserve);
}

TEST_CASE("LOG_LEVEL is read as the original reads it; our own name, the file and flags are strict") {
    const std::pair<const char*, const char*> rows[] = {
        {"INFO", "info"}, {"DEBUG", "debug"},   {"Warn", "warn"},     {"warning", "warn"},
        {"WARNING", "warn"}, {"error", "error"}, {"verbose", "info"}, {" debug", "info"}};
    for (const auto& [text, level] : rows) {
        CAPTURE(text);
        Config config = config_of("log_level: error\n");
        REQUIRE(apply_environment(&config, environment({{"LOG_LEVEL", text}})));
        CHECK(config.settings.log_level == level);
        const bool known = std::string_view(text) != "verbose" && std::string_view(text) != " debug";
        CHECK(config.passed_over == (known ? std::vector<std::string>{}
                                           : std::vector<std::string>{"LOG_LEVEL"}));
    }
    Config config;
    CHECK(!apply_environment(&config, environment({{"STATE_ENGINE_LOG_LEVEL", "INFO"}})));
    CHECK(!set_setting(&config, "log_level", "INFO"));
    CHECK(!parse_config("log_level: INFO\n", "c.yaml"));
    // What our own name says leaves nothing to pass over.
    REQUIRE(apply_environment(
        &config, environment({{"STATE_ENGINE_LOG_LEVEL", "warn"}, {"LOG_LEVEL", "verbose"}})));
    CHECK(config.settings.log_level == "warn");
    CHECK(config.passed_over.empty());
}

TEST_CASE("the variables of CONTRACTS 1.7 lead where they say") {
    struct Row {
        const char* variable;
        const char* name;
    };
    const Row rows[] = {{"SERVICE_NAME", "service_name"},
                        {"LOG_LEVEL", "log_level"},
                        {"MCP_AUTH_TOKEN", "auth.token"},
                        {"SERVICE_PORT", "http.port"},
                        {"PORT", "http.port"},
                        {"STATE_ENGINE_DATA", "data"},
                        {"STATE_ENGINE_CONFIG_PATH", "config"},
                        {"STATE_ENGINE_JOURNAL_FSYNC", "journal.fsync"}};
    for (const Row& row : rows) {
        CAPTURE(row.variable);
        const std::string text = other_value(*find_setting(row.name));
        Config config;
        REQUIRE(apply_environment(&config, environment({{row.variable, text}})));
        CHECK(value_of(config, row.name) != value_of(Config{}, row.name));
    }
}

TEST_CASE("a bad variable or name is named") {
    Config config;
    const Status bad = apply_environment(&config, environment({{"PORT", "http"}}));
    REQUIRE(!bad);
    CHECK(bad.error().text == "PORT must be a whole number");
    const Status unknown = set_setting(&config, "journal.fsnyc", "group");
    REQUIRE(!unknown);
    CHECK(unknown.error().text == "journal.fsnyc is not known; the nearest is journal.fsync");
    const Status value = set_setting(&config, "journal.fsync", "x");
    REQUIRE(!value);
    CHECK(value.error().text == "journal.fsync must be one of group, never");
}

TEST_CASE("a list in the environment is parted by commas or is JSON") {
    const auto read = [](std::string_view text) {
        Config config;
        const Status done = set_setting(&config, "auth.default_speaks_for", text);
        return done ? config.settings.auth.default_speaks_for : std::vector<std::string>{"bad"};
    };
    using Strings = std::vector<std::string>;
    CHECK(read("a") == Strings{"a"});
    CHECK(read("a, b:*") == Strings{"a", "b:*"});
    CHECK(read(R"(["a,b","c"])") == Strings{"a,b", "c"});
    CHECK(read("[]") == Strings{});
    for (const char* bad : {"a,,b", ",", " ", "[1]", "[\"\"]", "[", "a,"})
        CHECK(read(bad) == Strings{"bad"});
}

TEST_CASE("a variable that is no UTF-8 is refused: settings are shown and journaled as JSON") {
    Config config;
    for (const char* name : {"auth.default_actor", "auth.default_speaks_for", "auth.token",
                             "service_name", "data"}) {
        CAPTURE(name);
        const Status set = set_setting(&config, name, "a\xff");
        REQUIRE(!set);
        CHECK(set.error().text.find("UTF-8") != std::string::npos);
        CHECK(set_setting(&config, name, "\xc3\xa9"));
    }
}

TEST_CASE("of an address that may hold a secret, scheme, host and port are shown") {
    const std::pair<const char*, const char*> rows[] = {
        {"", ""},
        {"http://hooks.example/services/T0/s3cret", "http://hooks.example"},
        {"http://[::1]:8080/s3cret?s3cret", "http://[::1]:8080"},
        {"http://hooks.example?s3cret", "http://hooks.example"},
        {"http://user:s3cret@hooks.example/", "http://…"},
        {"http://user:s3/cret@hooks.example/", "http://…"},
        {"hooks.example/s3cret", "hooks.example"},
        {"user:s3cret@hooks.example", "…"},
    };
    for (const auto& [url, shown] : rows) {
        CAPTURE(url);
        CHECK(shown_url(url) == shown);
        Config config;
        config.settings.egress.webhook_url = config.settings.otlp.endpoint = url;
        const Json all = redacted(config);
        CHECK(to_text(all).find("s3cret") == std::string::npos);
        CHECK(*all.find("egress")->find("webhook_url") == Json(shown));
        CHECK(*all.find("otlp")->find("endpoint") == Json(shown));
    }
}

TEST_CASE("a secret is never shown, all else is") {
    Config config;
    config.settings.auth.token = "hush-hush";
    config.policy.allowed_keys = {"a"};
    const Json shown = redacted(config);
    CHECK(to_text(shown).find("hush-hush") == std::string::npos);
    CHECK(*shown.find("auth")->find("token") == Json("[redacted]"));
    CHECK(*redacted(Config{}).find("auth")->find("token") == Json(""));
    CHECK(*shown.find("http")->find("port") == Json(3000));
    CHECK(*shown.find("http")->find("allow_open") == Json(false));
    CHECK(*shown.find("engine")->find("ttl") == Json("enforce"));
    CHECK(*shown.find("data") == Json("./data"));
    CHECK(to_text(*shown.find("allowedKeys")) == R"(["a"])");
    for (const SettingInfo& info : all_settings()) {
        // Shown by who has a bus, or Firestore.
        if (is_nats_setting(info.name) || is_firestore_setting(info.name)) continue;
        const std::size_t dot = info.name.find('.');
        const Json* section =
            dot == std::string::npos ? &shown : shown.find(info.name.substr(0, dot));
        REQUIRE(section);
        CHECK(section->find(info.name.substr(dot + 1)));
    }
}
