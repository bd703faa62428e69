#include "engine/egress/breaker.h"

#include <algorithm>

namespace se {

bool Breaker::admits(std::chrono::nanoseconds now) {
    if (state_ == State::closed) return true;
    const bool over = now - since_ >= options_.open;
    if (over && (state_ == State::open || begun_ >= options_.trials)) {
        state_ = State::half_open;
        since_ = now;
        begun_ = succeeded_ = 0;
    }
    return state_ == State::half_open && begun_ < options_.trials;
}

void Breaker::begun() {
    if (state_ == State::half_open) ++begun_;
}

void Breaker::succeeded() {
    if (state_ == State::closed) failures_ = 0;
    if (state_ != State::half_open || ++succeeded_ < options_.trials) return;
    state_ = State::closed;
    failures_ = 0;
}

void Breaker::failed(std::chrono::nanoseconds now) {
    if (state_ == State::open) return;
    if (state_ == State::closed && ++failures_ < options_.failures) return;
    state_ = State::open;
    since_ = now;
}

std::chrono::nanoseconds Breaker::wait(std::chrono::nanoseconds now) const {
    if (state_ != State::open) return {};
    return std::max(std::chrono::nanoseconds{}, since_ + options_.open - now);
}

std::string_view to_text(Breaker::State state) {
    switch (state) {
        case Breaker::State::closed:
            return "closed";
        case Breaker::State::half_open:
            return "half_open";
        case Breaker::State::open:
            break;
    }
    return "open";
}

}  // namespace se
