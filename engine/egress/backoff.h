#pragma once

#include <chrono>

#include "journal/base/random.h"

namespace se {

/// How long to wait before the next attempt: doubled each time up to a limit, and drawn from the
/// upper half of that, so that those who failed together do not come back together.
class Backoff {
public:
    struct Options {
        std::chrono::nanoseconds first = std::chrono::milliseconds(100);
        std::chrono::nanoseconds max = std::chrono::seconds(30);
    };
    Backoff(Options options, Random& random)
        : options_(options), random_(random), next_(options.first) {}

    std::chrono::nanoseconds next();
    void reset() { next_ = options_.first; }

private:
    Options options_;
    Random& random_;
    std::chrono::nanoseconds next_;
};

}  // namespace se
