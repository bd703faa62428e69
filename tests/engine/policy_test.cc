#include "engine/policy/policy.h"

#include <doctest/doctest.h>

using namespace se;

TEST_CASE("a trailing star is a prefix, all else is the key itself") {
    struct Row {
        const char* pattern;
        const char* key;
        bool allowed;
    };
    const Row rows[] = {
        {"stream.state", "stream.state", true},
        {"stream.state", "stream.states", false},
        {"stream.state", "stream.stat", false},
        {"stream.state", "Stream.state", false},
        {"user.fact.*", "user.fact.1", true},
        {"user.fact.*", "user.fact.", true},
        {"user.fact.*", "user.fact", false},
        {"user.fact.*", "user.factor", false},
        {"user*", "user", true},
        {"user*", "users.x", true},
        {"*", "anything", true},
        {"a*b", "a*b", true},
        {"a*b", "axb", false},
        {"a.*.*", "a.*.x", true},
        {"a.*.*", "a.b.x", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.pattern);
        CAPTURE(row.key);
        Policy policy;
        policy.allowed_keys = {"other", row.pattern};
        CHECK(policy.allows(row.key) == row.allowed);
    }
}

TEST_CASE("without a file the keys of BitBrat are allowed, an empty list allows nothing") {
    Policy policy;
    for (const char* key : {"stream.state", "stream.title", "stream.category", "obs.scene",
                            "user.disposition.twitch:123", "user.fact.user-123.band"})
        CHECK(policy.allows(key));
    for (const char* key : {"forbidden.key", "stream.stat", "user.name", ""})
        CHECK(!policy.allows(key));
    policy.allowed_keys.clear();
    for (const char* key : {"stream.state", "*", ""}) CHECK(!policy.allows(key));
}

TEST_CASE("a policy comes back from its config record") {
    Policy policy;
    policy.allowed_keys = {"a", "b.*", "ü"};
    policy.limits.value_bytes = 900u << 10;
    policy.limits.ttl_enforce = false;
    const auto back = Policy::from_json(policy.to_json());
    REQUIRE(back);
    CHECK(*back == policy);
    CHECK(back->digest() == policy.digest());
    CHECK(to_text(Policy{}.to_json())
              .starts_with(
                  R"({"allowedKeys":["stream.state","stream.title","stream.category","obs.scene",)"
                  R"("user.disposition.*","user.fact.*"],"decider":3,"limits":{)"));
    REQUIRE(policy.to_json().find("rules") != nullptr);
    CHECK(policy.to_json().find("rules")->array()[0].find("id")->string() == "on_stream_start");
}

TEST_CASE("rules that decider 2 journaled stay its own, and are not those that are loaded now") {
    const Policy now;
    Json journaled = now.to_json();
    journaled.set("decider", 2);
    const auto before = Policy::from_json(journaled);
    REQUIRE(before);
    CHECK(before->decider == 2);
    CHECK(before->to_json() == journaled);
    CHECK(*before != now);
    CHECK(before->digest() != now.digest());
    CHECK(Policy::from_json(now.to_json())->decider == 3);
}

TEST_CASE("a policy without rules is journaled as it was before there were any") {
    Policy policy;
    policy.rules = RuleSet::none();
    const Json json = policy.to_json();
    CHECK(*json.find("decider") == Json(1));
    CHECK(json.find("rules") == nullptr);
    CHECK(json.find("limits")->object().size() == 13);
    // A limit younger than stores: policies that do not set it are what they were.
    CHECK(json.find("limits")->find("record_rule_steps") == nullptr);
    // The digest that records of the first version name.
    CHECK(policy.digest() == "cce4d10425306f81");
    CHECK(*Policy::from_json(json) == policy);
}

TEST_CASE("every limit that a decision reads changes the digest and survives the journal") {
    const Json limits = Limits{}.to_json();
    CHECK(limits.object().size() == 18);
    const std::string before = Policy{}.digest();
    CHECK(before.size() == 16);
    for (const auto& [name, value] : limits.object()) {
        CAPTURE(name);
        Json changed = limits;
        changed.set(name, value.is_bool() ? Json(!value.boolean()) : Json(value.integer() + 1));
        Json policy = Policy{}.to_json();
        policy.set("limits", changed);
        const auto read = Policy::from_json(policy);
        REQUIRE(read);
        CHECK(read->limits.to_json() == changed);
        CHECK(read->digest() != before);
    }
    Policy other;
    other.allowed_keys.pop_back();
    CHECK(other.digest() != before);
}

TEST_CASE("what a config record lacks is the default, what it has wrong is named") {
    Policy without_rules;
    without_rules.rules = RuleSet::none();
    CHECK(*Policy::from_json(Json(Json::Object{})) == without_rules);
    struct Row {
        const char* json;
        Errc code;
        const char* pointer;
    };
    const Row rows[] = {
        {"[]", Errc::malformed, ""},
        {R"({"allowedKeys":"a"})", Errc::malformed, "/allowedKeys"},
        {R"({"allowedKeys":["a",1]})", Errc::malformed, "/allowedKeys/1"},
        {R"({"allowedKeys":[""]})", Errc::malformed, "/allowedKeys/0"},
        {R"({"decider":"1"})", Errc::malformed, "/decider"},
        {R"({"decider":4})", Errc::unsupported, "/decider"},
        {R"({"rules":[{"id":"a","do":[]}]})", Errc::malformed, "/rules/0"},
        {R"({"limits":[]})", Errc::malformed, "/limits"},
        {R"({"limits":{"key_bytes":-1}})", Errc::malformed, "/limits/key_bytes"},
        {R"({"limits":{"ops":1.5}})", Errc::malformed, "/limits/ops"},
        {R"({"limits":{"ttl_enforce":1}})", Errc::malformed, "/limits/ttl_enforce"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.json);
        const auto policy = Policy::from_json(*parse_json(row.json));
        REQUIRE(!policy);
        CHECK(policy.error().code == row.code);
        CHECK(policy.error().pointer == row.pointer);
    }
}
