#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/api.h"
#include "engine/policy/principals.h"

namespace se {

/// Who comes in, at every door of the daemon: /v1, /mcp, the socket. On the engine's thread.
class Gate {
public:
    /// `settings` outlives it. Their principals must fit each other: who loaded them has seen to that.
    explicit Gate(const Settings& settings);

    /// A page in a browser can make its reader's machine send requests here. Nothing when Origin and Host say
    /// that none did, else why the door stays shut. To be asked first, of every request.
    std::optional<Problem> check_origin(const Request& request) const;

    /// Fills in who asks: principal, rights, actor, roles, door, trace; or 401. The token is the header
    /// x-mcp-token, else `query_token`, else Authorization: Bearer (CONTRACTS 1.6). The peer of the socket is
    /// the operator.
    std::optional<Problem> identify(const Request& request, std::string_view query_token,
                                    Caller* caller) const;

    /// From now on these come in. What goes on for longer than a request (a stream, a session) was let in
    /// by the ones before: whoever keeps such looks at generation() and ends it when that has moved.
    void replace(Principals principals);
    std::uint64_t generation() const { return generation_; }
    const Principals& principals() const { return principals_; }

private:
    const Settings& settings_;
    Principals principals_;
    std::uint64_t generation_ = 0;
};

/// Whom a request says it speaks for: a proposal's `actor`, `_meta.userId` and `_meta.userRoles`, headers.
struct IdentityClaim {
    std::string actor;
    std::vector<std::string> roles;
    bool empty() const { return actor.empty() && roles.empty(); }
};

/// What the headers claim: x-user-id or x-bitbrat-user-id, x-roles or x-bitbrat-roles (with commas between). 400 for what
/// is no UTF-8 or too long: it would be journaled.
std::optional<Problem> read_claim(const Request& request, const Limits& limits, IdentityClaim* claim);

/// Decides whom a mutation is attributed to. A claim is believed, actor and roles, from a principal that may
/// speak for that actor. Else it changes nothing and is recorded (`claim` in the record's body). Of several
/// the last believed one counts, and all that were not believed are recorded.
void attribute(const IdentityClaim& claim, Caller* caller);

/// May the caller look at metrics, settings, operate? Nothing, or 403 that names the scope.
std::optional<Problem> check_scope(const Caller& caller, std::string_view scope);
/// Which keys a caller may read is told by their names alone, never by whether there is one: nothing, or 403.
std::optional<Problem> check_readable(const Caller& caller, std::string_view key);

}  // namespace se
