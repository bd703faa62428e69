#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "journal/base/filesystem.h"
#include "tests/sim/sim_model.h"

namespace se::sim {

struct RunOptions {
    std::uint64_t steps = 300;
    bool trace = false;  ///< one line an event, on standard error
    bool swarm = false;  ///< every weight drawn, many of them none
    std::set<std::uint64_t> without_faults, without_operations;  ///< steps that go without
    /// Is given what to call at a moment that only a planted bug has (journal/base/canary.h).
    std::function<void(std::function<void()>)> moments = {};
    std::string keep;  ///< where the simulated disk of a broken life goes; empty: nowhere
};

struct RunReport {
    std::uint64_t step = 0;  ///< the last one
    std::uint64_t records = 0, opens = 0, deaths = 0, failures = 0;
    std::uint64_t digest = 0;                    ///< of every byte of every record
    std::string_view excused = {};               ///< why it ended in what no promise covers
    bool at_rest = false;                        ///< the faults had stopped when it ended
    std::set<std::uint64_t> faults, operations;  ///< steps that had one
    std::optional<Broken> broken;
};

/// A store's life from one seed: clients, faults, crashes; then the faults stop, and all must come
/// to rest. LMDB's files go into `cache_directory`, on `real`. Same seed and steps, same life.
RunReport run(std::uint64_t seed, const RunOptions& options, FileSystem& real,
              const std::string& cache_directory);

}  // namespace se::sim
