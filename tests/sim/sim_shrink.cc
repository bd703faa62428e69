#include "tests/sim/sim_shrink.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace se::sim {
namespace {

constexpr std::uint64_t kLivesMax = 2'000;

std::string list(const std::set<std::uint64_t>& steps) {
    std::string text;
    for (const std::uint64_t step : steps) text += (text.empty() ? "" : " ") + std::to_string(step);
    return text.empty() ? "none" : text;
}

}  // namespace

Shrunk shrink_quietly(std::uint64_t seed, const RunOptions& options, const RunReport& broken,
                      FileSystem& real, const std::string& cache_directory) {
    Shrunk best{.options = options, .report = broken};
    best.options.trace = false;
    best.options.keep.clear();
    const auto breaks = [&](const RunOptions& tried) {
        ++best.lives;
        RunReport report = run(seed, tried, real, cache_directory);
        if (!report.broken || report.broken->invariant != broken.broken->invariant) return false;
        best.options = tried;
        best.report = std::move(report);
        return true;
    };
    // What comes behind it has no part in it.
    if (!broken.at_rest) best.options.steps = broken.step + 1;
    if (!breaks(RunOptions(best.options))) best.options.steps = options.steps;

    // Ever smaller pieces, until not one step can go.
    const auto drop = [&](std::set<std::uint64_t> RunReport::* had,
                          std::set<std::uint64_t> RunOptions::* without) {
        for (std::size_t piece = std::max<std::size_t>((best.report.*had).size() / 2, 1);;
             piece /= 2) {
            const std::vector<std::uint64_t> steps((best.report.*had).begin(),
                                                   (best.report.*had).end());
            for (std::size_t begin = 0; begin < steps.size() && best.lives < kLivesMax;
                 begin += piece) {
                RunOptions tried = best.options;
                for (std::size_t i = begin; i < std::min(begin + piece, steps.size()); ++i) {
                    (tried.*without).insert(steps[i]);
                }
                breaks(tried);
            }
            if (piece <= 1) return;
        }
    };
    drop(&RunReport::faults, &RunOptions::without_faults);
    drop(&RunReport::operations, &RunOptions::without_operations);
    drop(&RunReport::faults, &RunOptions::without_faults);
    return best;
}

void shrink(std::uint64_t seed, const RunOptions& options, const RunReport& broken,
            FileSystem& real, const std::string& cache_directory) {
    const Shrunk least = shrink_quietly(seed, options, broken, real, cache_directory);
    std::printf("shrunk in %llu lives, to faults at steps: %s; operations at steps: %s\n",
                static_cast<unsigned long long>(least.lives), list(least.report.faults).c_str(),
                list(least.report.operations).c_str());
    std::printf("broken %s: %s\n", least.report.broken->invariant.c_str(),
                least.report.broken->what.c_str());
    std::fflush(stdout);
    RunOptions told = least.options;
    told.trace = true;
    static_cast<void>(run(seed, told, real, cache_directory));
}

}  // namespace se::sim
