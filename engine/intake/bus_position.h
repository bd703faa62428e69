#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "journal/journal_reader.h"

namespace se {

/// A note: the stream lost its end (`last` is its new one), and what was taken of that (up to `taken`) is
/// history for us alone. `after`: up to there all was settled.
inline constexpr std::string_view kNoteStreamWentBack = "stream_went_back";

/// How far a journal says that a stream was taken. Each record of a message tells its sequence, and
/// up to which sequence all was settled when it was taken ("after"); so after a crash nothing is
/// left out, whatever was under way, and what has its record is not taken again.
struct BusPosition {
    std::uint64_t through = 0;      ///< all up to here is settled
    std::set<std::uint64_t> taken;  ///< and of what lies behind, these

    bool operator==(const BusPosition&) const = default;
};

/// Finds it, a few records at a time: in the newest segment that has a record of this stream. A
/// stream that was made anew under its name (`created`) is another one. Records of a durable that
/// another took over (`durable` in their cause) are passed by: their order is not the stream's.
class BusPositionSearch {
public:
    BusPositionSearch(FileSystem& files, StorePaths paths, std::string stream, std::string created);

    /// Looks at `records_max` more; a position once it is known.
    Result<std::optional<BusPosition>> step(std::size_t records_max);

private:
    Status next_segment();
    void look_at(const RecordView& record);
    void went_back(const RecordView& record);

    FileSystem& files_;
    const StorePaths paths_;
    const std::string stream_, created_;
    std::optional<JournalReader> reader_;
    std::vector<Seq> segments_;  ///< not looked at yet, the newest last
    std::optional<Seq> begin_, end_;  ///< of the one that is looked at; end: the first seq behind it
    bool reading_ = false;
    bool found_ = false;
    std::uint64_t after_ = 0;
    std::set<std::uint64_t> taken_;
};

}  // namespace se
