#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "journal/base/assert.h"

namespace se {

/// What a caller can do about a failure. The text says what happened, and where.
enum class Errc : std::uint8_t {
    io,           ///< the disk said no: reopen before trusting it again
    no_space,     ///< no room left; nothing was written: free some and go on
    not_found,    ///< no such file, record or entry
    busy,         ///< somebody else holds it: wait or ask them
    corruption,   ///< bytes that were acknowledged are damaged: stop writing
    malformed,    ///< the input is not what it must be: mend it
    too_large,    ///< the input is over a named limit
    unavailable,  ///< not now: retry later
    unsupported,  ///< written by a newer version: use that one
};

struct Error {
    Errc code;
    std::string text;
    std::string pointer = {};  ///< RFC 6901 pointer into the input, when the input is JSON
};

/// A value or an Error. Nobody may ignore one.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const noexcept { return state_.index() == 0; }

    T& operator*() & {
        SE_ASSERT(*this);
        return *std::get_if<0>(&state_);
    }
    const T& operator*() const& {
        SE_ASSERT(*this);
        return *std::get_if<0>(&state_);
    }
    /// By value, so that nothing dangles in `for (auto& name : *files.list(path))`.
    T operator*() && {
        SE_ASSERT(*this);
        return std::move(*std::get_if<0>(&state_));
    }
    T* operator->() { return &**this; }
    const T* operator->() const { return &**this; }

    const Error& error() const& {
        SE_ASSERT(!*this);
        return *std::get_if<1>(&state_);
    }
    Error&& error() && {
        SE_ASSERT(!*this);
        return std::move(*std::get_if<1>(&state_));
    }

private:
    std::variant<T, Error> state_;
};

struct Ok {};
using Status = Result<Ok>;

}  // namespace se

/// `SE_TRY(x, f())` binds x to the value of f(), or returns its Error to our caller.
#define SE_TRY(name, expression)                                 \
    auto name##_result = (expression);                           \
    if (!name##_result) return std::move(name##_result).error(); \
    auto& name = *name##_result

/// The same for a Status, whose value is of no interest.
#define SE_TRY_OK(expression) \
    if (auto se_status = (expression); !se_status) return std::move(se_status).error()
