#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "projection/bulk.h"
#include "projection/generation.h"
#include "projection/projection.h"
#include "projection/stamp.h"

namespace se {

/// What Projection keeps, and what Rebuild does to it when it swaps.
struct Projection::State {
    ProjectionPlace place;
    StoreInfo store;
    ProjectionOptions options;
    Log& log;

    std::optional<Stamp> stamp;  // as it is on disk
    std::string why_not_trusted;
    std::optional<Epoch> run;
    bool writing = false;  // STAMP says so: dirty, of this process
    std::optional<BulkFold> bulk;
    Position start{};  // of the log

    mutable std::mutex mutex;  // of `current`, which readers of other threads take
    std::shared_ptr<Generation> current;

    /// A number that no generation had before.
    Result<std::uint64_t> next_number() const;
    Status write_stamp(const Generation& generation, bool clean);
    /// STAMP names `generation` from now on; all others are removed.
    Status adopt(std::shared_ptr<Generation> generation);
    void set_current(std::shared_ptr<Generation> generation);
    void remove_others();
    std::string directory_of(std::uint64_t number) const;
};

}  // namespace se
