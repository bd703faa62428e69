#include "engine/policy/principals.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "engine/policy/settings.h"
#include "journal/index_file.h"

namespace se {
namespace {

/// More would make every request that brings a token slower than a commit.
constexpr std::size_t kPrincipalsMax = 1024;
constexpr std::size_t kPatternsMax = 1024;
constexpr std::size_t kNameBytesMax = 256;

constexpr auto kPrincipalMembers = std::to_array<std::string_view>(
    {"name", "token_sha256", "actor", "roles", "scopes", "read", "write", "speaks_for"});

Error wrong_principal(std::string text, std::string pointer = {}) {
    return Error{Errc::malformed, std::move(text), std::move(pointer)};
}

bool is_scope(std::string_view text) {
    return !text.empty() && text.size() <= kNameBytesMax && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ':' || c == '.' ||
               c == '_' || c == '-';
    });
}

/// A mutation's id belongs to a principal, but of all that comes by the bus, and of all that is imported, to the door.
/// Who had its name would be told what became of other people's mutations, and would use up their ids.
std::optional<std::string> why_taken(std::string_view name) {
    if (scope_of(name, {}).empty()) return std::nullopt;
    return "'" + std::string(name) + "' owns the ids of all that comes by that door: choose another name";
}

Status check_scopes(const std::vector<std::string>& scopes) {
    for (const std::string& scope : scopes) {
        if (!is_scope(scope))
            return wrong_principal("'" + scope.substr(0, 64) +
                                   "' is no scope: letters a-z, digits, : . _ -");
    }
    return Ok{};
}

/// Reads one entry of the list.
class EntryReader {
public:
    EntryReader(const Json& entry, std::size_t index)
        : entry_(entry), pointer_("/" + std::to_string(index)) {}

    Result<PrincipalEntry> read() && {
        if (!entry_.is_object()) return wrong_principal(" must be a map with a name", "");
        for (const auto& [member, value] : entry_.object()) {
            if (std::ranges::find(kPrincipalMembers, member) != kPrincipalMembers.end()) continue;
            const std::vector<std::string> names(kPrincipalMembers.begin(),
                                                 kPrincipalMembers.end());
            return wrong_principal("." + member + " is not known; the nearest is " +
                                       std::string(nearest_name(member, names)),
                                   member);
        }
        SE_TRY(name, text("name"));
        if (name.empty()) return wrong_principal(".name is missing", "");
        if (name.starts_with("local:") || name.starts_with("system:"))
            return wrong_principal(".name: 'local:' and 'system:' are for those who need no token",
                                   "name");
        if (const auto taken = why_taken(name)) return wrong_principal(".name: " + *taken, "name");
        principal_.name = name;
        SE_TRY(actor, text("actor"));
        principal_.actor = actor.empty() ? std::move(name) : std::move(actor);
        SE_TRY(roles, texts("roles"));
        principal_.roles = std::move(roles);
        SE_TRY(scopes, texts("scopes"));
        if (const Status fine = check_scopes(scopes); !fine)
            return wrong_principal(".scopes: " + fine.error().text, "scopes");
        principal_.scopes = std::move(scopes);
        SE_TRY_OK(patterns("read", &principal_.read));
        SE_TRY_OK(patterns("write", &principal_.write));
        SE_TRY_OK(patterns("speaks_for", &principal_.speaks_for));

        PrincipalEntry made;
        SE_TRY(token, text("token_sha256"));
        if (!token.empty()) {
            made.token = hash_from_hex(token);
            // The text itself is not shown: somebody may have put the token in its place.
            if (!made.token)
                return wrong_principal(
                    ".token_sha256 must be the SHA-256 of the token as 64 digits of lower-case "
                    "hex (`statectl token new` makes both)",
                    "token_sha256");
        }
        made.principal = std::make_shared<const Principal>(std::move(principal_));
        return made;
    }

private:
    Error wrong_principal(std::string text, std::string_view member) const {
        std::string pointer = pointer_;
        if (!member.empty()) pointer.append("/").append(member);
        return se::Error{Errc::malformed, "[" + pointer_.substr(1) + "]" + std::move(text),
                         std::move(pointer)};
    }

    /// Empty: it is not there.
    Result<std::string> text(std::string_view member) const {
        const Json* const value = entry_.find(member);
        if (value == nullptr) return std::string();
        const std::string what = "." + std::string(member);
        if (!value->is_string() || value->string().empty())
            return wrong_principal(what + " must be a text that is not empty", member);
        if (value->string().size() > kNameBytesMax)
            return wrong_principal(
                what + " is longer than " + std::to_string(kNameBytesMax) + " bytes", member);
        return value->string();
    }

    Result<std::vector<std::string>> texts(std::string_view member) const {
        std::vector<std::string> all;
        const Json* const value = entry_.find(member);
        if (value == nullptr) return all;
        const std::string what = "." + std::string(member);
        if (!value->is_array()) return wrong_principal(what + " must be a list of texts", member);
        if (value->array().size() > kPatternsMax)
            return wrong_principal(
                what + " has more than " + std::to_string(kPatternsMax) + " texts", member);
        for (const Json& item : value->array()) {
            if (!item.is_string() || item.string().empty() ||
                item.string().size() > kNameBytesMax) {
                return wrong_principal(what + "[" + std::to_string(all.size()) +
                                           "] must be a text that is not empty, of at most " +
                                           std::to_string(kNameBytesMax) + " bytes" +
                                           (item.is_string() ? "" : ": put it in quotes"),
                                       member);
            }
            all.push_back(item.string());
        }
        return all;
    }

    Status patterns(std::string_view member, Patterns* out) const {
        if (entry_.find(member) == nullptr) return Ok{};  // as it stands by default
        SE_TRY(list, texts(member));
        auto made = Patterns::from(std::move(list));
        if (!made)
            return wrong_principal("." + std::string(member) + ": " + made.error().text, member);
        *out = std::move(*made);
        return Ok{};
    }

    const Json& entry_;
    std::string pointer_;
    Principal principal_;
};

}  // namespace

// --- patterns

Patterns Patterns::everything() {
    Patterns patterns;
    patterns.all_ = true;
    patterns.prefixes_ = {""};
    patterns.texts_ = {"*"};
    return patterns;
}

Result<Patterns> Patterns::from(std::vector<std::string> texts) {
    Patterns patterns;
    for (const std::string& text : texts) {
        if (text.empty()) return wrong_principal("a pattern must not be empty");
        const std::size_t star = text.find('*');
        if (star == text.npos) {
            patterns.names_.push_back(text);
        } else if (star + 1 == text.size()) {
            patterns.prefixes_.push_back(text.substr(0, star));
        } else {
            return wrong_principal("'" + text.substr(0, 64) +
                                   "': a * may only stand at the end of a pattern");
        }
    }
    patterns.texts_ = std::move(texts);
    // Sorted, whatever begins with another follows it, with nothing but the like between them.
    std::ranges::sort(patterns.prefixes_);
    std::vector<std::string> shortest;
    for (std::string& prefix : patterns.prefixes_)
        if (shortest.empty() || !prefix.starts_with(shortest.back()))
            shortest.push_back(std::move(prefix));
    patterns.prefixes_ = std::move(shortest);
    patterns.all_ = !patterns.prefixes_.empty() && patterns.prefixes_[0].empty();

    std::vector<std::string> names = std::exchange(patterns.names_, {});
    std::ranges::sort(names);
    std::erase_if(names, [&](const std::string& name) { return patterns.matches(name); });
    const auto repeated = std::ranges::unique(names);
    names.erase(repeated.begin(), repeated.end());
    patterns.names_ = std::move(names);
    return patterns;
}

bool Patterns::matches(std::string_view text) const {
    if (all_) return true;
    // None begins with another, so only the last one that is not behind `text` can be its
    // beginning.
    const auto prefix = std::ranges::upper_bound(prefixes_, text, std::less<>());
    if (prefix != prefixes_.begin() && text.starts_with(*std::prev(prefix))) return true;
    return std::ranges::binary_search(names_, text, std::less<>());
}

std::vector<Patterns::Range> Patterns::within(std::string_view prefix) const {
    std::vector<Range> ranges;
    for (const std::string& mine : prefixes_) {
        if (prefix.starts_with(mine)) return {{std::string(prefix), false}};
        if (mine.starts_with(prefix)) ranges.push_back({mine, false});
    }
    for (const std::string& name : names_)
        if (name.starts_with(prefix)) ranges.push_back({name, true});
    std::ranges::sort(ranges, {}, &Range::text);
    return ranges;
}

// --- principals

bool Principal::has_scope(std::string_view scope) const {
    return all_scopes || std::ranges::find(scopes, scope) != scopes.end();
}

PrincipalPtr Principal::with_all_rights(std::string name) {
    Principal principal;
    principal.actor = name;
    principal.name = std::move(name);
    principal.all_scopes = true;
    principal.speaks_for = Patterns::everything();
    return std::make_shared<const Principal>(std::move(principal));
}

Json to_json(const Principal& principal) {
    Json shown = Json(Json::Object{{"name", principal.name}});
    const auto list = [&](std::string member, const std::vector<std::string>& texts) {
        shown.set(std::move(member), Json(Json::Array(texts.begin(), texts.end())));
    };
    if (principal.actor != principal.name) shown.set("actor", Json(principal.actor));
    if (!principal.roles.empty()) list("roles", principal.roles);
    if (!principal.scopes.empty()) list("scopes", principal.scopes);
    list("read", principal.read.texts());
    list("write", principal.write.texts());
    if (!principal.speaks_for.texts().empty()) list("speaks_for", principal.speaks_for.texts());
    return shown;
}

Result<std::vector<PrincipalEntry>> parse_principals(const Json& list) {
    if (!list.is_array()) return wrong_principal("must be a list of principals");
    if (list.array().size() > kPrincipalsMax)
        return wrong_principal("has more than " + std::to_string(kPrincipalsMax) + " entries");
    std::vector<PrincipalEntry> entries;
    for (const Json& item : list.array()) {
        const std::size_t index = entries.size();
        SE_TRY(entry, EntryReader(item, index).read());
        const std::string place = "[" + std::to_string(index) + "]";
        for (std::size_t i = 0; i < index; ++i) {
            const PrincipalEntry& other = entries[i];
            if (other.principal->name == entry.principal->name) {
                return wrong_principal(place + ".name: there is a principal '" +
                                           other.principal->name + "' already, at [" +
                                           std::to_string(i) + "]",
                                       "/" + std::to_string(index) + "/name");
            }
            if (entry.token && entry.token == other.token) {
                return wrong_principal(place + ".token_sha256 is that of '" +
                                           other.principal->name +
                                           "' too: a token names one principal",
                                       "/" + std::to_string(index) + "/token_sha256");
            }
        }
        entries.push_back(std::move(entry));
    }
    return entries;
}

Result<Principals> Principals::make(const Options& options) {
    Principals made;
    if (const auto taken = why_taken(options.default_actor))
        return wrong_principal("auth.default_actor: " + *taken);
    Principal unnamed;
    unnamed.scopes = options.default_scopes;
    if (const Status fine = check_scopes(unnamed.scopes); !fine)
        return wrong_principal("auth.default_scopes: " + fine.error().text);
    auto speaks_for = Patterns::from(options.default_speaks_for);
    if (!speaks_for) return wrong_principal("auth.default_speaks_for: " + speaks_for.error().text);
    unnamed.speaks_for = std::move(*speaks_for);
    const auto named = [&](std::string_view name) {
        Principal principal = unnamed;
        principal.name = principal.actor = name;
        return std::make_shared<const Principal>(std::move(principal));
    };
    made.default_ = named(options.default_actor);

    PrincipalPtr behind_token;
    for (const PrincipalEntry& entry : options.entries) {
        const bool is_token_principal = entry.principal->name == kTokenPrincipal;
        if (!entry.token && !(is_token_principal && !options.token.empty())) {
            return wrong_principal("auth.principals: '" + entry.principal->name +
                                   "' has no token_sha256, so nobody could ever be it" +
                                   (is_token_principal ? " (or set auth.token)" : ""));
        }
        if (is_token_principal) behind_token = entry.principal;
        if (entry.token) made.keys_.push_back({*entry.token, entry.principal});
        made.all_.push_back(entry.principal);
    }
    if (options.token.empty()) return made;
    if (behind_token == nullptr) {
        behind_token = named(kTokenPrincipal);
        made.all_.push_back(behind_token);
    }
    const Hash token = sha256(options.token);
    for (const Key& key : made.keys_) {
        if (key.token == token && key.principal != behind_token) {
            return wrong_principal("auth.token is the token of '" + key.principal->name +
                                   "' too: a token names one principal");
        }
    }
    made.keys_.push_back({token, std::move(behind_token)});
    return made;
}

PrincipalPtr Principals::find(std::string_view token) const {
    const Hash asked = sha256(token);
    const auto bytes = [](const Hash& hash) {
        return std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size());
    };
    // All of them are looked at, so that the time says neither whether nor which.
    const Key* found = nullptr;
    for (const Key& key : keys_)
        if (equal_in_constant_time(bytes(key.token), bytes(asked))) found = &key;
    return found == nullptr || token.empty() ? nullptr : found->principal;
}

bool Principals::operator==(const Principals& other) const {
    return *default_ == *other.default_ &&
           std::ranges::equal(keys_, other.keys_, [](const Key& a, const Key& b) {
               return a.token == b.token && *a.principal == *b.principal;
           });
}

}  // namespace se
