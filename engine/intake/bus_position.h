#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "journal/journal_reader.h"

namespace se {

/// A note: the stream lost its end (`last` is its new one), and what was taken of that (up to `taken`) is
/// history for us alone. `after`: up to there all was settled; `anewBehind`: the lowest `last` of all such notes.
inline constexpr std::string_view kNoteStreamWentBack = "stream_went_back";

/// How far a journal says that a stream was taken. Each record of a message tells its sequence, and
/// up to which sequence all was settled when it was taken ("after"); so after a crash nothing is
/// left out, whatever was under way, and what has its record is not taken again.
struct BusPosition {
    std::uint64_t through = 0;      ///< all up to here is settled
    std::set<std::uint64_t> taken;  ///< and of what lies behind, these
    /// Of batches behind it that are not whole: of their proposals, those that have their record.
    std::map<std::uint64_t, std::vector<bool>> parts;
    /// The lowest end that the stream has gone back to: what comes behind it has a sequence that another had.
    std::uint64_t anew_behind = UINT64_MAX;

    bool operator==(const BusPosition&) const = default;
};

/// How far back it is looked for.
struct BusPositionLimits {
    /// Messages that can be in hand at once: the most that nats.in_flight may be, whatever it was.
    std::size_t in_hand = 65'536;
    /// Bytes of records behind the newest segment that says anything; the last segment may go over it. What
    /// has its record further back is taken again, and known by its id; a refusal that binds none gets a
    /// second record. Only a message that was in hand for as long as all this was written can lead there.
    std::uint64_t bytes = 256u << 20;
};

/// Finds it, a few records at a time: in the newest segment that has a record of this stream, and in those
/// before it, until nothing that may be delivered again can have its record further back. That is so when
/// more messages that are settled by now were met than can be in hand at once: each one whose record comes
/// behind that of a later message was in hand when that one was decided.
///
/// A note that the stream went back may stand further back than that: each record and each note behind it repeats
/// what matters of it (`anewBehind`).
///
/// A stream that was made anew under its name (`created`) is another one. Records of a durable that
/// another took over (`durable` in their cause) are passed by: their order is not the stream's.
class BusPositionSearch {
public:
    BusPositionSearch(FileSystem& files, StorePaths paths, std::string stream, std::string created,
                      BusPositionLimits limits = {});

    /// Looks at `records_max` more, or at fewer where they are large; a position once it is known.
    Result<std::optional<BusPosition>> step(std::size_t records_max);

private:
    /// What records say, as far as they were looked at.
    struct Said {
        bool any = false;
        std::uint64_t after = 0;  ///< up to here all is settled
        /// The stream has lost what came behind this: what older records say of that is of other messages.
        std::uint64_t last = UINT64_MAX;
        std::uint64_t anew_behind = UINT64_MAX;
        std::set<std::uint64_t> taken;                     ///< behind `after`
        std::map<std::uint64_t, std::vector<bool>> parts;  ///< likewise, batches
        std::set<std::uint64_t> passed;                    ///< up to `after`, as many as matter

        void lose_behind(std::uint64_t end);
    };
    Status next_segment();
    void look_at(const RecordView& record);
    void went_back(const RecordView& record);
    void end_segment();
    void pass(Said& said) const;
    bool is_enough() const;
    BusPosition position() const;

    FileSystem& files_;
    const StorePaths paths_;
    const std::string stream_, created_;
    const BusPositionLimits limits_;
    std::optional<JournalReader> reader_;
    std::vector<Seq> segments_;  ///< not looked at yet, the newest last
    std::optional<Seq> begin_, end_;  ///< of the one that is looked at; end: the first seq behind it
    bool reading_ = false;
    Said here_;  ///< in the one that is looked at
    Said said_;  ///< in those behind it
    std::uint64_t looked_back_ = 0;  ///< bytes of records, in older segments than the first that says anything
};

}  // namespace se
