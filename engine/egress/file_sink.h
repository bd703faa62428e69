#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/egress/sink.h"
#include "journal/base/filesystem.h"

namespace se {

/// A file that messages are appended to, one line of JSON each:
///   {"id":"…","epoch":…,"seq":…,"ts":"…","type":"…","trace":"…","payload":<the message>}
/// (`trace` only where there is one). It is synced before it acknowledges, all that waits at once.
/// The file is opened for each such write, so that it may be moved away at any time.
///
/// What a death leaves unfinished at its end is cut at the next open, if it began as a line of ours
/// does; behind anything else a new line is begun. A power cut may tear lines that were not
/// acknowledged: such a line is no JSON, and its message comes again.
class FileSink final : public Sink {
public:
    FileSink(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

    void deliver(std::uint64_t ticket, const Message& message) override;
    /// Writes and syncs what was handed over; waits for that.
    std::vector<Delivery> poll() override;

private:
    Status write_lines();
    Result<std::uint64_t> end_of(File& file);

    FileSystem& files_;
    const std::string path_;
    std::vector<std::uint64_t> tickets_;
    std::string lines_;      ///< of those, not written yet
    std::uint64_t end_ = 0;  ///< of our last write, if that was acknowledged; 0: not known
};

}  // namespace se
