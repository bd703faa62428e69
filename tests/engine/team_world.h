#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/policy/config.h"
#include "engine/policy/principals.h"
#include "journal/base/hash.h"
#include "journal/body.h"
#include "tests/engine/api_world.h"

// An Api that several principals come to, each with rights of its own.
namespace se::test {

inline Patterns patterns(std::vector<std::string> texts) {
    auto made = Patterns::from(std::move(texts));
    REQUIRE_MESSAGE(made, made.error().text);
    return *std::move(made);
}

inline std::string hash_of(std::string_view token) {
    return to_hex(sha256(token));
}

/// An entry of the list as the file has it; the token is the name turned round.
inline std::string entry(const std::string& name, const std::string& more) {
    const std::string token(name.rbegin(), name.rend());
    return R"({"name":")" + name + R"(","token_sha256":")" + hash_of(token) + "\"" + more + "}";
}

inline ApiWorld::Headers as(const std::string& name) {
    return {{"x-mcp-token", std::string(name.rbegin(), name.rend())}};
}

inline std::vector<PrincipalEntry> entries(const std::string& list) {
    auto read = parse_principals(json_of(list));
    REQUIRE_MESSAGE(read, read.error().text);
    return *std::move(read);
}

inline std::string error_of(const std::string& list) {
    const auto read = parse_principals(json_of(list));
    REQUIRE_FALSE(read);
    return read.error().text;
}

/// admin may do everything, user reads and writes user.*, reader reads user.* and one more, blind
/// writes only.
inline const std::string kTeam =
    "[" + entry("admin", R"(,"scopes":["metrics","debug","operate"])") + "," +
    entry("user", R"(,"read":["user.*"],"write":["user.*"],"actor":"mod:ann",)"
                  R"("roles":["moderator"])") +
    "," + entry("reader", R"(,"read":["user.*","pub"],"write":[])") + "," +
    entry("blind", R"(,"read":[])") + "," +
    entry("voice", R"(,"speaks_for":["guest:*"],"roles":["voice"])") + "]";

struct TeamWorld : ApiWorld {
    TeamWorld() {
        config.settings.auth.principals = entries(kTeam);
        authorize();
    }
    Response put(const std::string& who, const std::string& key, const std::string& value,
                 const std::string& more = "") {
        return post(EngineWorld::set_text(key, value, more), as(who));
    }
    std::vector<std::string> listed(const Response& response) {
        std::vector<std::string> keys;
        const Json json = json_of(response);
        const Json::Array entries = at(json, {"entries"}).array();
        for (const Json& one : entries) keys.push_back(at(one, {"key"}).string());
        return keys;
    }
    Body last_body() {
        std::string text;
        world.each_record([&](const RecordView& record) { text = record.body; });
        const auto body = parse_body(text);
        REQUIRE(body);
        return *body;
    }
};

}  // namespace se::test
