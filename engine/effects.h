#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "projection/fold.h"

namespace se {

/// Which identities have had their effect, and at which seq: E2 says that none has a second one.
///
/// Nothing is ever taken out. An open table of 16 bytes a place, never more than 7/8 full and grown
/// by half: 18 to 28 bytes an id, and for the moment in which it grows two and a half times its
/// size.
///
/// An identity is known by 80 bits of a hash over scope, id and content. Among a thousand million
/// identities the chance that any two are taken for one is below one in a million.
class Effects {
public:
    /// The seq of the effect that it had before, if it has had one; else this is it. Needs a seq
    /// from 1 on, below 2^48.
    std::optional<Seq> bind(const Identity& identity, Seq seq);

private:
    struct Place {
        std::uint64_t name = 0;  // 64 bits of the hash
        std::uint64_t rest = 0;  // 16 more ‖ 48 of seq; 0: nobody's
    };

    void grow();
    static Place& find(std::vector<Place>& places, const Place& wanted);

    std::vector<Place> places_;
    std::uint64_t taken_ = 0;
};

}  // namespace se
