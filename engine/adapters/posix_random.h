#pragma once

#include <sys/random.h>

#include <cerrno>

#include "journal/base/assert.h"
#include "journal/base/random.h"

namespace se {

/// The kernel's randomness. Safe to use from any thread.
class PosixRandom final : public Random {
public:
    void fill(std::span<std::byte> bytes) override {
        while (!bytes.empty()) {
            const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
            // Nothing but a signal can stop it, and going on with bytes that anybody could guess
            // would be worse than stopping.
            SE_ASSERT(got >= 0 || errno == EINTR);
            if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
        }
    }
};

}  // namespace se
