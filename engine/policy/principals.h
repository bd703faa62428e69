#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/hash.h"
#include "journal/base/json.h"

namespace se {

/// Names, and beginnings of names, made ready for questions: one search each, however long the list.
/// A trailing `*` stands for any rest, `*` alone for everything; anything else is the name itself.
class Patterns {
public:
    Patterns() = default;  ///< matches nothing
    static Patterns everything();
    /// Errc::malformed for an empty pattern and for a `*` that does not stand at the end.
    static Result<Patterns> from(std::vector<std::string> texts);

    bool matches(std::string_view text) const;
    bool matches_all() const { return all_; }
    const std::vector<std::string>& texts() const { return texts_; }  ///< as they were given

    /// A part of all names: those that begin with `text`, or `text` alone.
    struct Range {
        std::string text;
        bool alone = false;
        bool operator==(const Range&) const = default;
    };
    /// All names with `prefix` that match, in order and without overlap: what a list goes through, so that
    /// it neither shows nor spends time on what may not be read.
    std::vector<Range> within(std::string_view prefix) const;

    bool operator==(const Patterns& other) const { return texts_ == other.texts_; }

private:
    bool all_ = false;
    std::vector<std::string> names_;     // sorted; none that a prefix covers
    std::vector<std::string> prefixes_;  // sorted; none begins with another
    std::vector<std::string> texts_;
};

/// Scopes of the doors themselves; tools have more of their own. A scope is a word: [a-z0-9:._-].
inline constexpr std::string_view kScopeMetrics = "metrics";  ///< GET /metrics
inline constexpr std::string_view kScopeDebug = "debug";      ///< GET /_debug/config
inline constexpr std::string_view kScopeOperate = "operate";  ///< /v1/operator/…

/// Whoever has been authenticated, and what it may do. Never changed once made: it is shared, and who still
/// holds one after a reload knows what held when it asked.
struct Principal {
    std::string name;
    std::string actor;                ///< whom its mutations are attributed to
    std::vector<std::string> roles;   ///< of the actor
    std::vector<std::string> scopes;  ///< what it may do beside reading and writing keys
    bool all_scopes = false;          ///< the operator
    Patterns read = Patterns::everything();
    Patterns write = Patterns::everything();  ///< within what the policy allows
    Patterns speaks_for;              ///< actors whom it may name in place of its own

    bool may_read(std::string_view key) const { return read.matches(key); }
    bool may_write(std::string_view key) const { return write.matches(key); }
    bool has_scope(std::string_view scope) const;
    bool may_speak_for(std::string_view actor_named) const { return speaks_for.matches(actor_named); }

    /// May do everything, and speak for everybody: the operator at the socket, and at the files themselves.
    static std::shared_ptr<const Principal> with_all_rights(std::string name);
    bool operator==(const Principal&) const = default;
};
using PrincipalPtr = std::shared_ptr<const Principal>;

/// An entry of `auth.principals`.
struct PrincipalEntry {
    PrincipalPtr principal;
    std::optional<Hash> token;  ///< SHA-256 of its token; only the one behind auth.token may be without
    bool operator==(const PrincipalEntry& other) const {
        return token == other.token && *principal == *other.principal;
    }
};

/// Reads the list `auth.principals` of the file. An Error's text goes behind "auth.principals"; its pointer
/// is within the list. An unknown member names the nearest; two entries with one name or one token are wrong, and so
/// is a name that others than those with a token have: `local:…`, `system:…`, and the doors that own their ids.
Result<std::vector<PrincipalEntry>> parse_principals(const Json& list);
/// Without anything that helps to find a token: for the record, and for /_debug/config.
Json to_json(const Principal& principal);

/// The principal behind auth.token (MCP_AUTH_TOKEN; CONTRACTS 1.6: its clients are BitBrat's bots).
inline constexpr std::string_view kTokenPrincipal = "llm-bot";

/// What the settings say about who may come in; put together once and then only asked.
class Principals {
public:
    struct Options {
        std::string token;          ///< auth.token; empty: none
        std::string default_actor = "local";
        std::vector<std::string> default_speaks_for, default_scopes;
        std::vector<PrincipalEntry> entries;
    };
    /// Errc::malformed: a pattern or scope that is none, the token of two principals, an entry without one, a default
    /// actor that is the scope of a door's ids (scope_of()).
    static Result<Principals> make(const Options& options);

    /// No token is asked for: who comes over loopback is the default actor.
    bool open() const { return keys_.empty(); }
    const PrincipalPtr& default_principal() const { return default_; }  ///< of an open loopback
    /// Whose token it is; null: nobody's. Takes the same time for every token of one length.
    PrincipalPtr find(std::string_view token) const;
    /// All with a token, in the order of the file, the one behind auth.token last unless the file names it.
    const std::vector<PrincipalPtr>& all() const { return all_; }

    /// Whether the same principals come in with the same tokens.
    bool operator==(const Principals& other) const;

private:
    struct Key {
        Hash token;
        PrincipalPtr principal;
    };
    std::vector<Key> keys_;
    std::vector<PrincipalPtr> all_;
    PrincipalPtr default_;
};

}  // namespace se
