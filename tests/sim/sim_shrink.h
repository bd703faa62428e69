#pragma once

#include <cstdint>

#include "tests/sim/sim_run.h"

namespace se::sim {

/// What is left of a life that broke when step after step goes without its fault or its operation,
/// for as long as the same promise breaks.
struct Shrunk {
    RunOptions options;  ///< with these it breaks
    RunReport report;    ///< so
    std::uint64_t lives = 0;
};
Shrunk shrink_quietly(std::uint64_t seed, const RunOptions& options, const RunReport& broken,
                      FileSystem& real, const std::string& cache_directory);

/// The same, told on standard output, with the trace of what is left.
void shrink(std::uint64_t seed, const RunOptions& options, const RunReport& broken,
            FileSystem& real, const std::string& cache_directory);

}  // namespace se::sim
