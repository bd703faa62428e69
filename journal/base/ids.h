#pragma once

#include <compare>
#include <cstdint>

namespace se {

/// A position in some order. Two ordinals of different orders do not mix.
template <class Tag>
struct Ordinal {
    std::uint64_t value = 0;

    constexpr auto operator<=>(const Ordinal&) const = default;
    constexpr Ordinal next() const { return {value + 1}; }
};

using Seq = Ordinal<struct SeqTag>;          ///< place in the journal, from 1; the only order there is
using Epoch = Ordinal<struct EpochTag>;      ///< number of the writer's run; (epoch, seq) is never reused
using Version = Ordinal<struct VersionTag>;  ///< how often one key has changed; never reset

}  // namespace se
