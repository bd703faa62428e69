#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "journal/base/result.h"

namespace se {

/// Decodes %XX. Errc::malformed for a cut or foreign escape, for what is no UTF-8 then, and for NUL. A `+` is a
/// plus: keys may hold one and never hold a blank, so this reads what every client means.
Result<std::string> percent_decode(std::string_view text);
/// The other way, for everything but unreserved characters (RFC 3986).
std::string percent_encode(std::string_view text);

// Both parts of a request's target: the path as it is encoded, also of the absolute form that a proxy sends (RFC 9112
// 3.2.2), and what stands behind the question mark.
std::string_view path_of(std::string_view target);
std::string_view query_of(std::string_view target);

/// Parameters of a request, in order, decoded.
class Query {
public:
    /// `text` is what stands behind the question mark.
    static Result<Query> parse(std::string_view text);

    /// The value of `name`; nothing when absent. Of several the last.
    std::optional<std::string_view> find(std::string_view name) const;
    std::vector<std::string> all(std::string_view name) const;

    /// Errc::malformed, with the nearest of `known`, for a parameter that is none of them. `token` always is.
    Status only(std::initializer_list<std::string_view> known) const;

    // Each `fallback` when absent, Errc::malformed with the name as pointer when not understood.
    Result<std::uint64_t> integer(std::string_view name, std::uint64_t fallback, std::uint64_t min,
                                  std::uint64_t max) const;
    Result<bool> boolean(std::string_view name, bool fallback) const;  ///< true false 1 0, or bare
    /// Milliseconds as a plain number, or with a unit: 500ms 2s 1m.
    Result<std::chrono::milliseconds> duration(std::string_view name,
                                               std::chrono::milliseconds fallback,
                                               std::chrono::milliseconds max) const;

private:
    std::vector<std::pair<std::string, std::string>> parameters_;
};

/// The one of `candidates` with the fewest edits away from `text`; empty when all are far off.
std::string_view nearest(std::string_view text, const std::vector<std::string_view>& candidates);

}  // namespace se
