// Who asks, and may they come in at all.

#include <algorithm>
#include <cctype>

#include "engine/api/gate.h"
#include "engine/intake/utf8.h"
#include "engine/tracing.h"
#include "journal/base/assert.h"
#include "journal/base/json.h"

namespace se {
namespace {

/// Roles that one claim may name; more: malformed.
constexpr std::size_t kClaimedRolesMax = 64;

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
    // Of 127.* only the address: `127.0.0.1.evil.example` is a name like any other.
    return host == "localhost" || host.ends_with(".localhost") ||
           (host.starts_with("127.") && is_address(host)) || host == "[::1]";
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

std::string_view presented_token(const Request& request, std::string_view query_token) {
    if (const std::string_view token = request.header("x-mcp-token"); !token.empty()) return token;
    if (!query_token.empty()) return query_token;
    std::string_view authorization = request.header("authorization");
    if (authorization.size() > 7 && lower(authorization.substr(0, 7)) == "bearer ") {
        authorization.remove_prefix(7);
        authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
        return authorization;
    }
    return {};
}

Problem not_permitted(std::string message) {
    return {.status = 403, .code = Code::actor_not_permitted, .message = std::move(message)};
}

Principals must(Result<Principals> principals) {
    SE_ASSERT(principals);
    return *std::move(principals);
}

std::string_view without_spaces(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

std::string roles_json(const std::vector<std::string>& roles) {
    std::string out = "[";
    for (const std::string& role : roles) {
        if (out.back() != '[') out += ',';
        append_json_string(out, role);
    }
    return out + ']';
}

}  // namespace

Gate::Gate(const Settings& settings)
    : settings_(settings), principals_(must(settings.auth.who_may_come_in())) {}

void Gate::replace(Principals principals) {
    principals_ = std::move(principals);
    ++generation_;
}

std::optional<Problem> Gate::check_origin(const Request& request) const {
    if (request.peer.kind == Peer::Kind::socket) return std::nullopt;
    // A page cannot hide where it came from (Origin), nor, when it lets its own name resolve to this
    // machine, by what name it called (Host).
    const std::string host = lower(request.header("host"));
    const std::string_view name = without_port(host);
    const std::string origin = lower(request.header("origin"));
    if (!origin.empty()) {
        const std::size_t scheme = origin.find("://");
        const std::string_view from =
            scheme == origin.npos ? std::string_view() : std::string_view(origin).substr(scheme + 3);
        const bool local = is_loopback_name(without_port(from)) && is_loopback_name(name);
        if (from.empty() || (from != host && !local))
            return not_permitted("a page from " + origin.substr(0, 128) + " may not call this engine");
    }
    const bool open = principals_.open() && !settings_.http.allow_open;
    if (open && !host.empty() && !is_loopback_name(name) && !is_address(name))
        return not_permitted("the name '" + std::string(name.substr(0, 128)) +
                             "' is not this machine's loopback; set a token to be called by it");
    return std::nullopt;
}

std::optional<Problem> Gate::identify(const Request& request, std::string_view query_token,
                                      Caller* caller) const {
    if (request.peer.kind == Peer::Kind::socket) {
        caller->rights = Principal::with_all_rights("local:" + request.peer.user);
        caller->door = "socket";
    } else {
        caller->rights = principals_.open()
                             ? principals_.default_principal()
                             : principals_.find(presented_token(request, query_token));
        caller->door = "http";
        if (caller->rights == nullptr) {
            return Problem{.status = 401,
                           .code = Code::unauthenticated,
                           .message = "Unauthorized: send the token as x-mcp-token, ?token= or "
                                      "Authorization: Bearer"};
        }
    }
    caller->principal = caller->rights->name;
    caller->actor = caller->rights->actor;
    caller->roles = caller->rights->roles;
    if (const std::string_view trace = request.header("traceparent"); is_traceparent(trace))
        caller->trace = trace;
    return std::nullopt;
}

std::optional<Problem> read_claim(const Request& request, const Limits& limits,
                                  IdentityClaim* claim) {
    const auto either = [&](std::string_view first, std::string_view second, std::size_t bytes_max,
                            std::string_view* value) -> std::optional<Problem> {
        for (const std::string_view name : {first, second}) {
            *value = without_spaces(request.header(name));
            if (value->empty()) continue;
            if (is_utf8(*value) && value->size() <= bytes_max) return std::nullopt;
            return Problem{.message = std::string(name) + " must be UTF-8 of at most " +
                                      std::to_string(bytes_max) + " bytes",
                           .pointer = std::string(name)};
        }
        return std::nullopt;
    };
    std::string_view actor, roles;
    if (auto problem = either("x-user-id", "x-bitbrat-user-id", limits.actor_bytes, &actor))
        return problem;
    if (auto problem = either("x-roles", "x-bitbrat-roles", limits.reason_bytes, &roles))
        return problem;
    claim->actor = actor;
    while (!roles.empty()) {
        const std::size_t comma = std::min(roles.find(','), roles.size());
        if (const std::string_view role = without_spaces(roles.substr(0, comma)); !role.empty())
            claim->roles.emplace_back(role);
        roles.remove_prefix(std::min(comma + 1, roles.size()));
        if (claim->roles.size() > kClaimedRolesMax)
            return Problem{.message = "at most " + std::to_string(kClaimedRolesMax) + " roles",
                           .pointer = "x-roles"};
    }
    return std::nullopt;
}

void attribute(const IdentityClaim& claim, Caller* caller) {
    if (claim.empty()) return;
    if (!claim.actor.empty() && caller->may_speak_for(claim.actor)) {
        caller->actor = claim.actor;
        caller->roles = claim.roles;
        return;
    }
    if (claim.actor == caller->actor && claim.roles.empty()) return;  // it says what we know
    const std::string before = std::exchange(caller->claim, {});
    JsonObject json(caller->claim);
    if (!claim.actor.empty()) json.text("actor", claim.actor);
    if (!before.empty()) json.raw("before", before);
    if (!claim.roles.empty()) json.raw("roles", roles_json(claim.roles));
    json.close();
}

std::optional<Problem> check_scope(const Caller& caller, std::string_view scope) {
    if (caller.has_scope(scope)) return std::nullopt;
    return not_permitted("'" + caller.principal + "' has no scope '" + std::string(scope) +
                         "': give it one in auth.principals" +
                         (scope == kScopeOperate ? ", or ask at the engine.sock of the data folder" : ""));
}

std::optional<Problem> check_readable(const Caller& caller, std::string_view key) {
    if (caller.may_read(key)) return std::nullopt;
    Problem problem = not_permitted("'" + caller.principal + "' may not read the key '" +
                                    std::string(key) + "'");
    problem.pointer = "key";
    return problem;
}

}  // namespace se
