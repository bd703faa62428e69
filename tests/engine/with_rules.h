#pragma once

#include <doctest/doctest.h>

#include <string>

#include "engine/policy/config.h"

namespace se::test {

/// Every key may be written; `rules` as they stand in a file.
inline Policy with_rules(const std::string& rules) {
    const auto config = parse_config("allowedKeys: ['*']\nrules:\n" + rules, "test.yaml");
    REQUIRE_MESSAGE(config, config.error().text);
    return config->policy;
}

}  // namespace se::test
