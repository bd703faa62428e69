#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/api/api.h"
#include "journal/base/json.h"
#include "tests/engine/engine_world.h"

namespace se::test {

/// An Api over the engine of an EngineWorld: requests without sockets.
class ApiWorld {
public:
    using Headers = std::vector<std::pair<std::string, std::string>>;

    ApiWorld() {
        config.settings = world.settings;
        world.open();
        attach();
    }
    ~ApiWorld() { api.attach(nullptr, "the test is over"); }

    EngineWorld world;
    Config config;
    Result<Policy> reloaded = Policy{};
    std::optional<Settings::Auth> reloaded_auth = {};  ///< none: as it is
    std::optional<Api::RepairRange> repaired;
    std::optional<std::chrono::nanoseconds> tick_wanted;  ///< how soon at most, as it was said last
    Api api{{.config = config,
             .clock = world.clock,
             .log = world.log,
             .version = "test",
             .pid = 42,
             .load_config = [this](bool dry_run) { return load_config(dry_run); },
             .extra_metrics = [] { return std::string(); },
             .tick_within = [this](std::chrono::nanoseconds wait) { tick_wanted = wait; },
             .repair =
                 [this](Api::RepairRange range, auto done) {
                     repaired = range;
                     done(std::string("{}"));
                 }}};
    Peer peer{.address = "127.0.0.1"};

    /// To be said after a change of config.settings.auth.
    void authorize() { api.let_in(*config.settings.auth.who_may_come_in()); }

    Result<Config> load_config(bool dry_run) {
        if (!reloaded) return reloaded.error();
        Config next = config;
        next.policy = *reloaded;
        next.settings.auth = reloaded_auth.value_or(config.settings.auth);
        if (!dry_run) config = next;
        return next;
    }

    static Peer operator_peer() { return {.kind = Peer::Kind::socket, .user = "root"}; }

    void attach() {
        world.engine->on_changes([this] { api.changes_applied(); });
        api.attach(world.engine.get());
    }

    /// Not necessarily answered yet.
    std::shared_ptr<std::vector<Response>> begin(const std::string& method, const std::string& target,
                                                 const std::string& body = "",
                                                 Headers headers = {}) {
        auto replies = std::make_shared<std::vector<Response>>();
        if (headers.empty() || headers.front().first != "host")
            headers.insert(headers.begin(), {"host", "localhost:3000"});
        api.handle({.method = method,
                    .target = target,
                    .headers = std::move(headers),
                    .body = body,
                    .peer = peer},
                   [replies](Response&& response) { replies->push_back(std::move(response)); });
        return replies;
    }
    Response ask(const std::string& method, const std::string& target, const std::string& body = "",
                 Headers headers = {}) {
        const auto replies = begin(method, target, body, std::move(headers));
        if (world.engine != nullptr) world.settle();
        REQUIRE(replies->size() == 1);
        return std::move(replies->front());
    }
    Response get(const std::string& target, Headers headers = {}) {
        return ask("GET", target, "", std::move(headers));
    }
    Response post(const std::string& body, Headers headers = {}) {
        return ask("POST", "/v1/mutations", body, std::move(headers));
    }
    Response set(const std::string& key, const std::string& value, const std::string& more = "") {
        return post(EngineWorld::set_text(key, value, more));
    }
};

inline Json json_of(std::string_view text) {
    auto json = parse_json(text);
    REQUIRE_MESSAGE(json, std::string(text));
    return *std::move(json);
}
inline Json json_of(const Response& response) { return json_of(std::string_view(response.body)); }

/// The member at the end of a path of names; null when there is none.
inline Json at(Json json, std::initializer_list<std::string_view> path) {
    for (const std::string_view name : path) {
        const Json* next = json.find(name);
        if (next == nullptr) return nullptr;
        json = Json(*next);
    }
    return json;
}
inline std::string code_of(const Response& response) {
    const Json code = at(json_of(response), {"code"});
    return code.is_string() ? code.string() : "";
}

/// Everything a stream has to say now.
inline std::string pull(const Response& response) {
    REQUIRE(response.stream);
    std::string out;
    std::size_t before = 0;
    do {
        before = out.size();
        response.stream->pull(out, 4096);
    } while (out.size() != before && !response.stream->finished());
    return out;
}

inline std::string header_of(const Response& response, std::string_view name) {
    for (const auto& [have, value] : response.headers) {
        if (have == name) return value;
    }
    return "";
}

}  // namespace se::test
