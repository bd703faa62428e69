#pragma once

#include <string>
#include <utility>

#include "journal/base/result.h"

namespace se {

/// What is wrong with a rule, and where in it.
inline Error wrong_rule(std::string pointer, std::string text) {
    return Error{Errc::malformed, std::move(text), std::move(pointer)};
}

}  // namespace se
