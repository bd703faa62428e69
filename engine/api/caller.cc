// Who asks, and may they come in at all.

#include <algorithm>
#include <cctype>

#include "engine/api/core.h"
#include "journal/base/hash.h"
#include "journal/base/json.h"

namespace se {
namespace {

/// The principal behind MCP_AUTH_TOKEN (CONTRACTS 1.6: its clients are BitBrat's bots).
constexpr std::string_view kTokenPrincipal = "llm-bot";

/// `host[:port]` without its port; brackets of an IPv6 literal stay.
std::string_view without_port(std::string_view authority) {
    const std::size_t colon = authority.rfind(':');
    if (colon == authority.npos || authority.find(']', colon) != authority.npos) return authority;
    return authority.substr(0, colon);
}

bool is_address(std::string_view host) {
    if (host.starts_with('[')) return true;
    return !host.empty() &&
           std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

bool is_loopback_name(std::string_view host) {
    return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") ||
           host == "[::1]";
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

std::string_view presented_token(const Request& request, const Query& query) {
    if (const std::string_view token = request.header("x-mcp-token"); !token.empty()) return token;
    if (const auto token = query.find("token"); token && !token->empty()) return *token;
    std::string_view authorization = request.header("authorization");
    if (authorization.size() > 7 && lower(authorization.substr(0, 7)) == "bearer ") {
        authorization.remove_prefix(7);
        authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
        return authorization;
    }
    return {};
}

bool matches(std::string_view pattern, std::string_view actor) {
    if (pattern.ends_with('*')) return actor.starts_with(pattern.substr(0, pattern.size() - 1));
    return actor == pattern;
}

Problem foreign(std::string message) {
    return {.status = 403, .code = Code::actor_not_permitted, .message = std::move(message)};
}

}  // namespace

bool is_traceparent(std::string_view text) {
    if (text.size() < 55) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (i == 2 || i == 35 || i == 52) {
            if (c != '-') return false;
        } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) && i < 55) {
            return false;
        }
    }
    return text.size() == 55 && text.substr(0, 2) != "ff";
}

std::optional<Problem> check_origin(const ApiCore& core, const Request& request) {
    if (request.peer.kind == Peer::Kind::socket) return std::nullopt;
    // A page in a browser can make its reader's machine send requests here. It cannot hide where the page
    // came from (Origin), nor, when it lets its own name resolve to this machine, by what name it
    // called (Host).
    const std::string host = lower(request.header("host"));
    const std::string_view name = without_port(host);
    const std::string origin = lower(request.header("origin"));
    if (!origin.empty()) {
        const std::size_t scheme = origin.find("://");
        const std::string_view from =
            scheme == origin.npos ? std::string_view() : std::string_view(origin).substr(scheme + 3);
        const bool local = is_loopback_name(without_port(from)) && is_loopback_name(name);
        if (from.empty() || (from != host && !local))
            return foreign("a page from " + origin.substr(0, 128) + " may not call this engine");
    }
    const bool open = core.settings().auth.token.empty() && !core.settings().http.allow_open;
    if (open && !host.empty() && !is_loopback_name(name) && !is_address(name))
        return foreign("the name '" + std::string(name.substr(0, 128)) +
                       "' is not this machine's loopback; set a token to be called by it");
    return std::nullopt;
}

std::optional<Problem> authenticate(const ApiCore& core, const Request& request, const Query& query,
                                    Caller* caller) {
    const Settings::Auth& auth = core.settings().auth;
    if (request.peer.kind == Peer::Kind::socket) {
        caller->principal = "local:" + request.peer.user;
        caller->door = "socket";
    } else {
        caller->door = "http";
        if (auth.token.empty()) {
            caller->principal = auth.default_actor;
        } else if (equal_in_constant_time(presented_token(request, query), auth.token)) {
            caller->principal = kTokenPrincipal;
        } else {
            return Problem{.status = 401,
                           .code = Code::unauthenticated,
                           .message = "Unauthorized: send the token as x-mcp-token, ?token= or "
                                      "Authorization: Bearer"};
        }
    }
    caller->actor = caller->principal;
    if (const std::string_view trace = request.header("traceparent"); is_traceparent(trace))
        caller->trace = trace;
    return std::nullopt;
}

void attribute(const ApiCore& core, std::string_view claimed, Caller* caller) {
    if (claimed.empty() || claimed == caller->principal) return;
    const auto& patterns = core.settings().auth.default_speaks_for;
    const bool believed =
        caller->door == "socket" ||
        std::ranges::any_of(patterns, [&](const auto& pattern) { return matches(pattern, claimed); });
    if (believed) {
        caller->actor = claimed;
        return;
    }
    JsonObject claim(caller->claim);
    claim.text("actor", claimed).close();
}

}  // namespace se
