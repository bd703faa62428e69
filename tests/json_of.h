#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

#include "journal/base/json.h"
#include "journal/base/json_depth.h"

namespace se::test {

/// What a test knows to be JSON.
inline Json json_of(std::string_view text) {
    auto json = parse_json(text, kJsonDepthTrusted);
    REQUIRE_MESSAGE(json, std::string(text));
    return *std::move(json);
}

}  // namespace se::test
