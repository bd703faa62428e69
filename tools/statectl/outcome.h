#pragma once

#include <string>
#include <utility>
#include <variant>

#include "journal/base/result.h"

namespace se::statectl {

/// What a script can tell from the exit code (INTERFACES "statectl").
enum Exit : int {
    kOk = 0,
    kError = 1,
    kConflict = 2,
    kDenied = 3,
    kDamage = 4,  ///< damage or a difference was found
    kNotFound = 5,
    kPending = 6,
    kUnavailable = 7,  ///< retry
    kUsage = 64,
};

/// Why a command could not do its work, in words for a person: the thing, the place, the way out.
struct Failure {
    int exit = kError;
    std::string text;

    Failure(int the_exit, std::string the_text) : exit(the_exit), text(std::move(the_text)) {}
    Failure(const Error& error);
};

/// A value or a Failure. SE_TRY works with it, and a Result's Error becomes a Failure on the way.
template <class T>
class [[nodiscard]] Outcome {
public:
    Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Outcome(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}
    Outcome(const Error& error) : state_(std::in_place_index<1>, Failure(error)) {}

    explicit operator bool() const noexcept { return state_.index() == 0; }
    T& operator*() & { return std::get<0>(state_); }
    const T& operator*() const& { return std::get<0>(state_); }
    T&& operator*() && { return std::get<0>(std::move(state_)); }
    T* operator->() { return &std::get<0>(state_); }
    const T* operator->() const { return &std::get<0>(state_); }
    const Failure& error() const& { return std::get<1>(state_); }
    Failure&& error() && { return std::get<1>(std::move(state_)); }

private:
    std::variant<T, Failure> state_;
};

}  // namespace se::statectl
