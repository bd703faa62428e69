#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/filesystem.h"
#include "journal/base/ids.h"
#include "journal/base/result.h"
#include "journal/paths.h"
#include "journal/record.h"

namespace se {

/// quarantine/: bytes that a cut or a repair took out of a segment. Kept for ever. A file is there whole
/// or not at all, and its name says what a note about it needs:
///
///   torn-<segment>-<offset>-<epoch>-e<next>.bin              a torn tail, cut off by an open
///   lost-<segment>-<offset>-<epoch>-e<next>-<from>-<to>.bin  from..to were given up by an operator
///   header-<segment>-<offset>-<epoch>-e<next>.bin            an unreadable header, written anew
///   stray-<segment>-<offset>-<epoch>-e<next>.bin             bytes between records that are all there
///
/// segment and next have 16 digits. `epoch` is higher than any that was seen before, so no name comes
/// twice and no epoch is used again, even if nothing but the quarantine remembers it. `next` is the seq
/// that the log was to go on with (an open that cuts a torn tail besides goes on below it). The note about
/// this file is in the run of notes and configs that begins with the first later epoch, since every open
/// appends its notes before anything else.
struct Parked {
    enum class What : std::uint8_t { torn, lost, header, stray };

    What what = What::torn;
    Seq segment;
    std::uint64_t offset = 0;
    Epoch epoch;
    Seq next;
    Seq from, to;  ///< What::lost only

    bool operator==(const Parked&) const = default;
};
std::string parked_name(const Parked& parked);
std::optional<Parked> parked_from_name(std::string_view name);

/// All of them, in the order of their epochs.
Result<std::vector<Parked>> list_quarantine(FileSystem& files, const StorePaths& paths);

/// Bytes `offset`.. of `segment` up to its last byte that is no newline, but not beyond `to`.
Result<std::string> used_bytes(const File& segment, std::uint64_t offset,
                               std::uint64_t to = UINT64_MAX);
/// Keeps `bytes`: written, synced, named, folder synced.
Status park(FileSystem& files, const StorePaths& paths, const Parked& parked,
            std::string_view bytes);
/// Overwrites with newlines, and syncs.
Status blank(File& segment, std::uint64_t offset, std::uint64_t bytes);

inline constexpr std::string_view kNoteTorn = "torn_tail_cut";
inline constexpr std::string_view kNoteRepaired = "repaired";
inline constexpr std::string_view kNoteHeader = "header_rewritten";
inline constexpr std::string_view kNoteStray = "stray_bytes_cut";

/// Names of the quarantine files that a record is the note of; empty for any other record.
std::vector<std::string> files_noted_by(const RecordView& record);
/// Whether `parked` has its note in the log. Reads from the last segment on that an earlier epoch began, no
/// further than the run of notes. `segments` are all there are.
Result<bool> has_note(FileSystem& files, const StorePaths& paths, const std::vector<Seq>& segments,
                      const Parked& parked);
/// The notes that tell of `parked`, ready to append but for their ts. Files that gave up one range
/// together become one note.
Result<std::vector<RecordDraft>> notes_about(FileSystem& files, const StorePaths& paths,
                                             const std::vector<Parked>& parked);

}  // namespace se
