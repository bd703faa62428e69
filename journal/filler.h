#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "journal/base/filesystem.h"
#include "journal/base/result.h"
#include "journal/paths.h"

namespace se {

/// Fills `next`, the coming segment, with newlines: a chunk a job, each synced, so that a writer's sync
/// never waits for more than one chunk of ours. Of what a dead writer left the room is used, and nothing
/// it says is believed.
///
/// A full disk is no failure of the journal: the filler rests and tries again. After any other error it
/// begins anew with another file, since nobody knows what this one holds.
class Filler {
public:
    static constexpr std::chrono::nanoseconds kRestAfterFailure = std::chrono::seconds{1};

    Filler(FileSystem& files, std::string path, std::uint64_t chunk_bytes);

    /// `next` is to hold at least this much.
    void want(std::uint64_t bytes);
    std::uint64_t wanted() const { return wanted_; }
    std::uint64_t filled() const { return filled_; }
    bool ready() const { return wanted_ > 0 && filled_ >= wanted_; }
    bool starved() const { return starved_; }  ///< the last attempt met a full disk
    /// When the next step may begin; nothing when there is nothing to do.
    std::optional<std::chrono::nanoseconds> due() const;

    /// One step as a job; finished() takes its outcome.
    std::function<Status()> step();
    void finished(const Status& outcome, std::chrono::nanoseconds now);

    /// Hands `next` over; wanted() is 0 then. Needs ready().
    std::unique_ptr<File> take();

    /// Makes all of it in one go: for the first segment of a store.
    Status fill_now();

private:
    struct Work;  // belongs to the job that runs

    std::shared_ptr<Work> work_;
    std::uint64_t chunk_bytes_;
    std::uint64_t wanted_ = 0;
    std::uint64_t filled_ = 0;
    bool starved_ = false;
    std::chrono::nanoseconds rest_until_{};
};

}  // namespace se
