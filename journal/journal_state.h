#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/journal.h"
#include "journal/salts.h"
#include "journal/segment_writer.h"
#include "journal/upkeep.h"

namespace se {

inline constexpr std::uint64_t kFramingBytes = 2;  ///< the newlines before and behind a line

enum class CommitsJob : std::uint8_t { none, group, sync, head };

/// The caller's half of the journal. What the disk half does is planned here, before it happens: the
/// position behind a record is known when it is appended.
struct Journal::State {
    Doors doors;
    StorePaths paths;
    std::string store;
    JournalOptions options;
    Upkeep upkeep;
    Salts salts;

    OpenReport report;
    std::vector<RecordDraft> notes;
    Epoch epoch;
    bool closed = false;
    std::string failure;

    Position position;        // behind the last appended record
    Seq written, durable;
    Seq segment;              // the active one, as the group that is being built finds it
    std::uint64_t capacity = 0;  // filled bytes of it
    std::uint64_t used = 0;      // by submitted groups
    std::optional<Seq> rolled_from;

    std::shared_ptr<GroupWrite> building = std::make_shared<GroupWrite>();
    std::shared_ptr<GroupWrite> running = std::make_shared<GroupWrite>();  // belongs to the job while one runs
    std::shared_ptr<SegmentWriter> writer;
    std::unique_ptr<FileLock> head_lock;  // on HEAD, as long as it is exact: see head_is_held()
    CommitsJob commits_job = CommitsJob::none;
    bool moved = false;  // and poll() has not said so yet
    std::chrono::nanoseconds last_commit{};
    std::chrono::nanoseconds last_sync{};

    State(Doors the_doors, StorePaths the_paths, std::string the_store, JournalOptions the_options);

    std::uint64_t group_offset() const;
    bool fits(std::uint64_t bytes) const;
    std::uint64_t header_bytes_max() const;
    std::uint64_t bytes_in_new_segment(std::uint64_t bytes) const;
    bool segment_is_empty() const { return position.seq < segment; }
    bool rolling() const { return rolled_from.has_value(); }
    void begin_roll();

    void run(CommitsJob what, bool here, std::function<Status()> job);
    bool finish(const Status& outcome);
    Status wait_for_commits();
};

}  // namespace se
