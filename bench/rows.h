#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace se::bench {

/// One figure. `measure` does the work once and returns it; it is called once a round.
struct Row {
    std::string name;
    std::string unit;               ///< "/s", "s", "us", "MB", "x"
    std::function<double()> measure;
    std::string yardstick = {};     ///< name of the row beside which this one is read; empty: none
    std::optional<double> must = {};  ///< PERFORMANCE's bound on the ratio row / yardstick (or on the figure)
    bool at_most = false;           ///< the bound is an upper one
};

struct Result {
    Row row;
    std::vector<double> figures;    ///< one a round
    std::vector<double> ratios;     ///< to the yardstick of the same round
};

double median(std::vector<double> values);

/// Measures all rows in turn, `rounds` times over, so that a machine whose speed drifts drifts for all.
std::vector<Result> run_rounds(const std::vector<Row>& rows, unsigned rounds);

std::string as_table(const std::vector<Result>& results);
std::string as_json(const std::vector<Result>& results);

}  // namespace se::bench
