#include <doctest/doctest.h>

#include "engine/policy/nats_settings.h"

using namespace se;

namespace {

std::string trouble(std::string_view name, std::string_view text) {
    NatsSettings settings;
    const Status done = set_nats_setting(&settings, name, text);
    return done ? "" : done.error().text;
}

std::string section(std::string_view json) {
    NatsSettings settings;
    const Status read = read_nats_section(&settings, *parse_json(json));
    return read ? to_text(redacted(settings)) : read.error().pointer + ": " + read.error().text;
}

}  // namespace

TEST_CASE("the defaults that are told are the defaults") {
    NatsSettings told;
    for (const SettingInfo& info : nats_setting_infos()) {
        CAPTURE(info.name);
        CHECK(set_nats_setting(&told, info.name, info.default_value));
    }
    CHECK(redacted(told) == redacted(NatsSettings{}));
    CHECK(nats_setting_infos().size() == 17);
}

TEST_CASE(
    "every setting is set by name, section and environment, and a wrong one says what is right") {
    CHECK(trouble("nats.mode", "dark") == "nats.mode must be one of live, shadow");
    CHECK(trouble("nats.in_flight", "0") == "nats.in_flight must be between 1 and 65536");
    CHECK(trouble("nats.urls", "x") == "nats.urls is not known; the nearest is nats.url");
    CHECK(trouble("nats.ack_wait_seconds", "30") == "");
    CHECK(section("{}") == to_text(redacted(NatsSettings{})));
    CHECK(section(R"({"publish":{"results":"x"}})") ==
          "/publish/results: nats.publish.results must be one of false, true");
    CHECK(section(R"({"publish":{"result":true}})").find("the nearest is nats.publish.results") !=
          std::string::npos);
    CHECK(section("[]") == ": nats must be a map of settings");
    CHECK(section(R"({"url":["a"]})") == "/url: nats.url must be a single value");

    NatsSettings settings;
    REQUIRE(read_nats_section(&settings, *parse_json(R"({"prefix":"a.","publish":{"changes":false},
                                                         "ack_wait_seconds":30,"takeover":true})")));
    CHECK(settings.prefix == "a.");
    CHECK(!settings.publish_changes);
    CHECK(settings.takeover);
    CHECK(settings.ack_wait == std::chrono::seconds(30));
    const Environment environment = [](std::string_view name) -> std::optional<std::string> {
        if (name == "BUS_PREFIX") return "b.";
        if (name == "NATS_URL") return "nats://a:1";
        if (name == "STATE_ENGINE_NATS_URL") return "nats://b:2";
        return std::nullopt;
    };
    REQUIRE(apply_nats_environment(&settings, environment));
    CHECK(settings.prefix == "b.");
    CHECK(settings.url == "nats://b:2");  // our own name is the stronger one
}

TEST_CASE("NATS_ACK_WAIT_SECONDS is read as the original reads it; the setting itself is strict") {
    const auto wait = [](const char* variable, const char* text) {
        NatsSettings settings;
        settings.ack_wait = std::chrono::seconds(7);  // of a file
        const Environment environment =
            [&](std::string_view name) -> std::optional<std::string> {
            return name == variable ? std::optional<std::string>(text) : std::nullopt;
        };
        const Status applied = apply_nats_environment(&settings, environment);
        return applied ? std::to_string(settings.ack_wait.count()) : applied.error().text;
    };
    const std::pair<const char*, const char*> rows[] = {
        {"90", "90"},    {"1", "1"},      {"2.9", "2"},       {" 30 ", "30"},   {"1e2", "100"},
        {"0x10", "16"},  {"0", "60"},     {"0.9", "60"},      {"-5", "60"},     {"soon", "60"},
        {"90s", "60"},   {"NaN", "60"},   {"Infinity", "60"}, {"1e300", "86400"}, {"", "7"}};
    for (const auto& [text, seconds] : rows) {
        CAPTURE(text);
        CHECK(wait("NATS_ACK_WAIT_SECONDS", text) == seconds);
    }
    CHECK(wait("STATE_ENGINE_NATS_ACK_WAIT_SECONDS", "90s") == "90");
    CHECK(wait("STATE_ENGINE_NATS_ACK_WAIT_SECONDS", "1") ==
          "STATE_ENGINE_NATS_ACK_WAIT_SECONDS must be between 2s and 1d");
    CHECK(wait("STATE_ENGINE_NATS_ACK_WAIT_SECONDS", "soon").find("must be a duration") !=
          std::string::npos);
    CHECK(trouble("nats.ack_wait_seconds", "1") != "");
    CHECK(section(R"({"ack_wait_seconds":"soon"})").find("must be a duration") != std::string::npos);
}

TEST_CASE("what may be a secret is neither shown nor logged") {
    NatsSettings settings;
    settings.url = "nats://user:secret1@a:4222,tls://secret2@b:4222,nats://c:4222";
    settings.token = "secret3";
    CHECK(settings.secrets() == std::vector<std::string>{"secret3", "secret1", "secret2"});
    CHECK(to_text(redacted(settings)).find("secret") == std::string::npos);
}
