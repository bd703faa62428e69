#include "bench/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "journal/base/json.h"

namespace se::bench {
namespace {

std::string shown(double figure, const std::string& unit) {
    if (figure >= 1e6) return fmt::format("{:.2f}M{}", figure / 1e6, unit);
    if (figure >= 1e4) return fmt::format("{:.1f}k{}", figure / 1e3, unit);
    return fmt::format("{:.3g}{}", figure, unit);
}

/// The figure that the bound speaks of: the ratio where there is a yardstick.
double bounded(const Result& result) {
    return median(result.ratios.empty() ? result.figures : result.ratios);
}

bool met(const Result& result, double slack) {
    const double value = bounded(result);
    return result.row.at_most ? value <= *result.row.must * slack : value >= *result.row.must / slack;
}

const char* verdict(const Result& result) {
    if (!result.row.must) return "";
    if (met(result, 1)) return "met";
    return met(result, 2) ? "within half" : "MISSED";
}

}  // namespace

double median(std::vector<double> values) {
    if (values.empty()) return 0;
    std::ranges::sort(values);
    return values[values.size() / 2];
}

std::vector<Result> run_rounds(const std::vector<Row>& rows, unsigned rounds) {
    std::vector<Result> results;
    for (const Row& row : rows) results.push_back({row, {}, {}});
    for (unsigned round = 0; round < rounds; ++round) {
        std::map<std::string, double> of_this_round;
        for (Result& result : results) {
            std::fprintf(stderr, "round %u/%u  %s …\n", round + 1, rounds, result.row.name.c_str());
            const double figure = result.row.measure();
            of_this_round[result.row.name] = figure;
            result.figures.push_back(figure);
            const auto yardstick = of_this_round.find(result.row.yardstick);
            if (yardstick != of_this_round.end() && yardstick->second > 0) {
                result.ratios.push_back(figure / yardstick->second);
            }
        }
    }
    return results;
}

std::string as_table(const std::vector<Result>& results) {
    std::string out = fmt::format("{:<52} {:>12} {:>10}  {:<40} {:>8} {}\n", "row", "median", "ratio",
                                  "to", "must", "");
    for (const Result& result : results) {
        out += fmt::format(
            "{:<52} {:>12} {:>10}  {:<40} {:>8} {}\n", result.row.name,
            shown(median(result.figures), result.row.unit),
            result.ratios.empty() ? "" : fmt::format("{:.3f}", median(result.ratios)),
            result.row.yardstick,
            result.row.must
                ? fmt::format("{}{}", result.row.at_most ? "<=" : ">=", *result.row.must)
                : "",
            verdict(result));
    }
    return out;
}

std::string as_json(const std::vector<Result>& results) {
    Json::Array rows;
    for (const Result& result : results) {
        Json::Array figures, ratios;
        for (const double figure : result.figures) figures.emplace_back(figure);
        for (const double ratio : result.ratios) ratios.emplace_back(ratio);
        Json row(Json::Object{});
        row.set("name", result.row.name);
        row.set("unit", result.row.unit);
        row.set("median", median(result.figures));
        row.set("figures", std::move(figures));
        if (!result.ratios.empty()) {
            row.set("yardstick", result.row.yardstick);
            row.set("ratio", median(result.ratios));
            row.set("ratios", std::move(ratios));
        }
        if (result.row.must) {
            row.set("must", *result.row.must);
            row.set("bound", result.row.at_most ? "at most" : "at least");
            row.set("verdict", verdict(result));
        }
        rows.push_back(std::move(row));
    }
    return to_pretty_text(Json(std::move(rows))) + "\n";
}

}  // namespace se::bench
