#include "engine/egress/backoff.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace se {

std::chrono::nanoseconds Backoff::next() {
    const std::chrono::nanoseconds whole = std::min(next_, options_.max);
    next_ = std::min(2 * whole, options_.max);
    const auto half = static_cast<std::uint64_t>(whole.count() / 2);
    std::uint64_t drawn = 0;
    random_.fill(std::as_writable_bytes(std::span(&drawn, 1)));
    return whole -
           std::chrono::nanoseconds(static_cast<std::int64_t>(half == 0 ? 0 : drawn % half));
}

}  // namespace se
