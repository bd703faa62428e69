#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "journal/base/ids.h"

namespace se {

/// What a file in followers/ says: up to which record of which store its follower's peer has
/// acknowledged everything (X3). One line of JSON:
///   {"store":"<uuid>","epoch":…,"seq":…,"crc":"hhhhhhhh"}
/// `crc` is the CRC-32C of all bytes before `,"crc":"`. It may be absent; where it stands it must
/// hold. Without it a flipped bit in a digit would pass over messages, or prove damage that is not
/// there (J4).
struct FollowerMark {
    std::string store;
    Epoch epoch;
    Seq seq;  ///< 0: nothing yet

    bool operator==(const FollowerMark&) const = default;
};

std::string encode_follower_mark(const FollowerMark& mark);  ///< with a newline
/// Nothing when it says nothing sensible.
std::optional<FollowerMark> parse_follower_mark(std::string_view text);

}  // namespace se
