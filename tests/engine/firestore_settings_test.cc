#include "engine/policy/firestore_settings.h"

#include <doctest/doctest.h>

using namespace se;

namespace {

std::string wrong_with(std::string_view name, std::string_view text) {
    FirestoreSettings settings;
    const Status done = set_firestore_setting(&settings, name, text);
    return done ? "" : done.error().text;
}

}  // namespace

TEST_CASE("Firestore: the defaults that are told are the defaults") {
    FirestoreSettings told;
    for (const SettingInfo& info : firestore_setting_infos()) {
        CAPTURE(info.name);
        CHECK(info.meaning.ends_with('.'));
        CHECK(set_firestore_setting(&told, info.name, info.default_value));
    }
    CHECK(redacted(told) == redacted(FirestoreSettings{}));
    CHECK(redacted(told).object().size() == firestore_setting_infos().size());
    CHECK(!told.on());
}

TEST_CASE("Firestore: set by name, section and environment; a wrong one says what is right") {
    CHECK(wrong_with("firestore.bootstrap", "yes") ==
          "firestore.bootstrap must be one of false, true");
    CHECK(wrong_with("firestore.timeout", "1ms") ==
          "firestore.timeout must be between 100ms and 10m");
    CHECK(wrong_with("firestore.log_lanes", "0") == "firestore.log_lanes must be between 1 and 64");
    CHECK(wrong_with("firestore.database", "") == "firestore.database must not be empty");
    CHECK(wrong_with("firestore.projects", "x") ==
          "firestore.projects is not known; the nearest is firestore.project");

    FirestoreSettings settings;
    const auto section = parse_json(R"({"project":"a","bootstrap":true,"timeout":"5s"})");
    REQUIRE(read_firestore_section(&settings, *section));
    CHECK(settings.project == "a");
    CHECK(settings.bootstrap);
    CHECK(settings.timeout == std::chrono::seconds(5));
    const auto map = read_firestore_section(&settings, *parse_json(R"({"project":{"id":"a"}})"));
    REQUIRE(!map);
    CHECK(map.error().pointer + ": " + map.error().text ==
          "/project: firestore.project must be a single value");
    CHECK(read_firestore_section(&settings, Json()));

    const Environment environment = [](std::string_view name) -> std::optional<std::string> {
        if (name == "GCLOUD_PROJECT") return "older";
        if (name == "GOOGLE_CLOUD_PROJECT") return "newer";
        if (name == "FIRESTORE_EMULATOR_HOST") return "127.0.0.1:8080";
        if (name == "FIRESTORE_DATABASE_ID") return "other";
        return std::nullopt;
    };
    REQUIRE(apply_firestore_environment(&settings, environment));
    CHECK(settings.project == "newer");
    CHECK(settings.emulator == "127.0.0.1:8080");
    CHECK(settings.database == "other");
    CHECK(settings.on());
}

TEST_CASE("Firestore: an emulator alone switches it on, for a project that it takes") {
    FirestoreSettings settings;
    settings.emulator = "127.0.0.1:8080";
    CHECK(settings.on());
    CHECK(settings.project_or_default() == "state-engine");
}
