#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace se::sim {

/// The few kinds of value that the simulated clients use.
struct Value {
    enum class Kind : std::uint8_t { number, list, object };
    Kind kind = Kind::number;
    std::int64_t number = 0;
    std::vector<std::int64_t> list;
    std::map<std::string, std::optional<std::int64_t>> object;  ///< null only in a patch

    std::string text() const;  ///< canonical
    static Value from_text(std::string_view text);
    bool operator==(const Value&) const = default;
};

/// The keys of all that clients and rules do, in the order in which rules may write on.
inline constexpr std::string_view kKeys[] = {"a", "b", "b.1", "b.2", "c", "d", "e"};

struct RequestOp {
    std::string op;  ///< set delete increment push merge
    std::string key;
    Value value;  ///< not for delete
    std::optional<std::uint64_t> ttl;
    std::optional<std::uint64_t> expected_version;
};

}  // namespace se::sim
