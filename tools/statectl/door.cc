#include "tools/statectl/door.h"

#include <fmt/format.h>

#include "engine/answer.h"
#include "journal/text_cursor.h"

namespace se::statectl {
namespace {

/// The slowest thing that is asked for and answered at once: a rebuild, a write on a slow disk.
constexpr std::chrono::minutes kPatience{10};
constexpr std::chrono::seconds kConnectTimeout{5};

}  // namespace

Outcome<Door> Door::over_url(const Context& context) {
    auto address = HttpClient::address_of_url(context.url);
    if (!address) return Failure(kUsage, "--url: " + address.error().text);
    std::string_view authority = context.url;
    authority.remove_prefix(authority.find("://") + 3);
    authority = authority.substr(0, authority.find('/'));
    const std::size_t port = authority.rfind(':');
    if (port == authority.npos || authority.find(']', port) != authority.npos) {
        return Failure(kUsage, fmt::format("--url {} names no port: say which, as in "
                                           "http://127.0.0.1:3000",
                                           context.url));
    }
    address->token = context.token;
    if (address->https) {
        auto tls = HttpTls::make({.authorities = {"--tls-ca", context.tls_ca}});
        if (!tls) return Failure(kUsage, tls.error().text);
        address->tls = *std::move(tls);
    }
    auto client = HttpClient::connect(*address, kConnectTimeout);
    if (!client) {
        // Who has no TLS, or is not trusted, is not in a minute either.
        const int exit = client.error().code == Errc::malformed ? kError : kUnavailable;
        return Failure(exit,
                       fmt::format("cannot ask the daemon at {}: {}", context.url, client.error().text));
    }
    client->set_timeout(kPatience);
    return Door(std::move(*client), context.url, false);
}

Outcome<std::optional<Door>> Door::at_socket(Context& context) {
    auto address = HttpClient::address_of_socket(context.data);
    auto client = HttpClient::connect(std::move(address), kConnectTimeout);
    // Nobody there, or not yet: the lock decides what that means, not the socket.
    if (!client) return std::optional<Door>();
    client->set_timeout(kPatience);
    return std::optional(Door(std::move(*client), context.paths().socket(), true));
}

Failure Door::away(const Error& error) const {
    return Failure(kUnavailable, fmt::format("{}: {}", name_, error.text));
}

Outcome<Reply> Door::ask(HttpClient::Request request) {
    auto answer = client_.send(request);
    if (!answer) return away(answer.error());
    return Reply{answer->status, std::move(answer->body)};
}

Outcome<Reply> Door::get(const std::string& target) { return ask({.target = target}); }

Outcome<Reply> Door::post(const std::string& target, std::string body,
                          std::string_view content_type) {
    return ask({.method = "POST",
                .target = target,
                .headers = {{"Content-Type", std::string(content_type)}},
                .body = std::move(body)});
}

Outcome<Reply> Door::stream(HttpClient::Request request, std::chrono::milliseconds patience,
                            const std::function<bool(std::string_view)>& take) {
    client_.set_timeout(patience);
    auto answer = client_.stream(request, take);
    client_.set_timeout(kPatience);
    if (!answer) return away(answer.error());
    return Reply{answer->status, std::move(answer->body)};
}

bool of_a_proxy(const Reply& reply) {
    if (reply.status < 502 || reply.status > 504) return false;
    const auto json = parse_json(reply.body);
    return !json || !json->is_object() || json->find("code") == nullptr;
}

Failure failure_of(const Reply& reply) {
    if (of_a_proxy(reply)) {
        return Failure(kUnavailable, fmt::format("something before the daemon answered {}: it did not get "
                                                 "through, or its answer did not",
                                                 reply.status));
    }
    const auto json = parse_json(reply.body);
    if (!json || !json->is_object() || json->find("code") == nullptr)
        return Failure(kError, fmt::format("the daemon answered {} without saying why", reply.status));
    Answer answer{.code = code_from_text(cell(*json, "code")).value_or(Code::malformed),
                  .reason = json->find("reason") == nullptr ? "" : cell(*json, "reason")};
    return Failure(exit_code(answer),
                   fmt::format("{} ({})", cell(*json, "message"), cell(*json, "code")));
}

Outcome<std::string> body_of(Outcome<Reply> reply) {
    if (!reply) return std::move(reply).error();
    if (reply->status != 200) return failure_of(*reply);
    while (reply->body.ends_with('\n')) reply->body.pop_back();
    return std::move(reply->body);
}

Outcome<std::string> damage_at(Door& door) {
    SE_TRY(reply, door.get("/readyz"));
    const auto json = parse_json(reply.body);
    if (!json || !json->is_object() || cell(*json, "status") != "damaged") return std::string();
    return cell(*json, "message");
}

Outcome<std::vector<std::string_view>> objects_in(std::string_view body) {
    std::vector<std::string_view> objects;
    TextCursor cursor(body);
    const auto between = [&] {
        while (cursor.take('\n') || cursor.take(' ')) {
        }
    };
    bool good = cursor.take("{\"entries\":[") || cursor.take('[');
    between();
    while (good && !cursor.take(']')) {
        if (!objects.empty()) {
            good = cursor.take(',');
            between();
        }
        std::string_view object;
        good = good && cursor.object(&object);
        if (good) objects.push_back(object);
        between();
    }
    if (!good) return Failure(kError, "the daemon's answer is not what this version understands");
    return objects;
}

namespace {

/// Its policy is its own.
Outcome<Ok> refuse_config(const Context& context) {
    if (context.config.empty()) return Ok{};
    return Failure(kUsage,
                   "--config is for an embedded engine, and a daemon runs here: edit the file it was "
                   "started with, then `statectl reload`");
}

}  // namespace

Outcome<std::optional<Door>> find_daemon(Context& context) {
    if (!context.url.empty()) {
        SE_TRY_OK(refuse_config(context));
        SE_TRY(door, Door::over_url(context));
        return std::optional(std::move(door));
    }
    const auto locked = context.files.is_locked(context.paths().store_file());
    if (!locked && locked.error().code != Errc::not_found) return locked.error();
    if (!locked || !*locked) return std::optional<Door>();
    SE_TRY(door, Door::at_socket(context));
    if (door) SE_TRY_OK(refuse_config(context));
    return std::move(door);
}

}  // namespace se::statectl
