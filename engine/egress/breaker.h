#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace se {

/// Circuit breaker (CONTRACTS 3): so many failures in a row open it; after a while it is half open
/// and lets a few trials through; they all succeed and it closes, one fails and it is open again.
/// Time is handed in: any clock that never goes back.
class Breaker {
public:
    struct Options {
        std::uint64_t failures = 5;                                ///< in a row, then it opens
        std::chrono::nanoseconds open = std::chrono::seconds(30);  ///< so long nothing is tried
        std::uint64_t trials = 3;                                  ///< that must succeed, half open
    };
    enum class State : std::uint8_t { closed, half_open, open };

    explicit Breaker(Options options) : options_(options) {}

    /// Whether one more request may begin now. Who begins one says so by begun(), and later how it
    /// ended. Trials that never end are forgotten after another `open`.
    bool admits(std::chrono::nanoseconds now);
    void begun();
    void succeeded();
    void failed(std::chrono::nanoseconds now);

    State state() const { return state_; }
    /// How long nothing will be admitted; zero unless it is open.
    std::chrono::nanoseconds wait(std::chrono::nanoseconds now) const;

private:
    Options options_;
    State state_ = State::closed;
    std::chrono::nanoseconds since_{};         ///< it is open, or half open
    std::uint64_t failures_ = 0;               ///< in a row, closed
    std::uint64_t begun_ = 0, succeeded_ = 0;  ///< trials, half open
};

std::string_view to_text(Breaker::State state);  ///< closed, half_open, open

}  // namespace se
