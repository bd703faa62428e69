#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace se::sim {

/// A promise that does not hold: its name (J2, P4, …) and what was seen instead.
struct Broken {
    std::string invariant;
    std::string what;
};

/// What the checker knows by name. One that waits is of something that is not built yet.
struct Invariant {
    std::string_view name;
    std::string_view promise;
    std::string_view waits_for;  ///< empty: it is checked
};
std::span<const Invariant> invariants();

/// What lives were made of: how often each fault was injected, each operation done, each invariant
/// checked.
class Tally {
public:
    std::map<std::string_view, std::uint64_t> faults, operations, checks;  ///< by literals
    std::map<std::string_view, std::uint64_t>
        excuses;  ///< lives that ended in what no promise covers
    std::map<std::string_view, std::uint64_t> rules;  ///< lives that had some, and what came of it

    void add(const Tally& more);
    /// {"faults":{…},"operations":{…},"checks":{…},"excuses":{…},"rules":{…},
    /// "waiting":{…}}
    std::string to_json() const;
};

/// Where must() counts. One life at a time, in one thread.
Tally& tally();

[[noreturn]] void broken(std::string_view invariant, std::string what);

/// Throws Broken unless `holds`, and counts the check. `what` is text, or makes it: only when it is
/// needed.
template <class What>
void must(bool holds, std::string_view invariant, What&& what) {
    ++tally().checks[invariant];
    if (holds) [[likely]]
        return;
    if constexpr (requires { what(); }) {
        broken(invariant, what());
    } else {
        broken(invariant, std::string(what));
    }
}

}  // namespace se::sim
