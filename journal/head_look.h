#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "journal/head.h"

namespace se {

/// From HEAD's start to the end of its second slot: one read.
inline constexpr std::size_t kHeadBytes = kHeadBlockBytes + kHeadSlotBytes;

/// The slot that counts in HEAD's first kHeadBytes bytes, or in as many as there are.
std::optional<Head> best_head(std::string_view bytes);

/// HEAD for who looks at it again and again: read each time, made sense of only when a byte of its
/// slots has changed.
class HeadLook {
public:
    /// Reads HEAD. False: it says what it said at the last look. As read_head() else.
    Result<bool> look(FileSystem& files, const std::string& path);
    const std::optional<Head>& head() const { return head_; }

private:
    std::array<char, kHeadBytes> bytes_{};
    std::size_t size_ = 0;
    bool looked_ = false;
    std::optional<Head> head_;
};

}  // namespace se
