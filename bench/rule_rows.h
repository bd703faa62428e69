#pragma once

#include <string>
#include <vector>

#include "bench/rows.h"

namespace se::bench {

/// Rules: a decision with few and with many loaded, and one evaluation in process. Beside that one
/// json-logic-js in node, where `oracle` is a folder that holds it (tests/rules/differential.sh
/// --install); empty: without.
void add_rule_rows(std::vector<Row>& rows, const std::string& oracle, double scale);

}  // namespace se::bench
