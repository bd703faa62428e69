#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "journal/base/filesystem.h"
#include "journal/base/ids.h"
#include "journal/base/result.h"
#include "journal/head.h"
#include "journal/paths.h"

namespace se {

/// What one job puts on disk: planned by the Journal, carried out by the SegmentWriter.
struct GroupWrite {
    /// The group opens a new segment.
    struct Roll {
        Seq first;                         ///< of the new segment
        std::string header;                ///< its first line, newline included
        std::unique_ptr<File> next;        ///< the file `next`: filled and synced
        std::uint64_t old_end = 0;         ///< offset behind the last line of the old segment
    };

    std::optional<Roll> roll;
    std::uint64_t offset = 0;  ///< in the (new) segment
    std::string bytes;
    Seq last;                  ///< of its last record
    std::uint64_t end = 0;     ///< offset behind that record's newline; padding may follow

    void clear();
};

/// Puts the header into a filled file `next` and gives it its name: the last steps of a roll (DESIGN
/// 3.1), and all of them for the first segment of a store.
Status name_segment(FileSystem& files, const StorePaths& paths, File& next, Seq first,
                    std::string_view header);

/// The disk half of the journal: the active segment and HEAD. All of it belongs to the job that runs.
///
/// J5: each call assumes the worst first. Once one has failed, every later one does.
class SegmentWriter {
public:
    /// `head` is what the disk has synced.
    SegmentWriter(FileSystem& files, StorePaths paths, HeadFile head_file,
                  std::unique_ptr<File> active, Head head);

    /// Rolls if the group says so, then writes it; with `sync` also syncs it and overwrites HEAD.
    Status commit(GroupWrite& group, bool sync);
    /// Syncs what was written, and overwrites HEAD.
    Status sync();
    Status sync_head();

    Seq written() const { return written_.durable; }
    Seq durable() const { return durable_; }
    bool head_synced() const { return head_synced_; }

private:
    template <class Step>
    Status guarded(Step step);
    Status sync_active();
    Status roll(GroupWrite::Roll& roll);
    Status check_end(std::uint64_t end) const;

    FileSystem& files_;
    StorePaths paths_;
    HeadFile head_file_;
    std::unique_ptr<File> active_;
    Head written_;  // what HEAD has to say once all that was written is synced
    Seq durable_;
    bool head_synced_ = true;
    bool poisoned_ = false;
};

}  // namespace se
