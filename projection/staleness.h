#pragma once

#include <optional>
#include <string>

#include "journal/base/filesystem.h"
#include "journal/journal_reader.h"
#include "journal/paths.h"
#include "projection/stamp.h"

namespace se {

/// The end of what a reader shows.
struct ShownEnd {
    Cursor last;            ///< the newest record; seq 0: none
    bool closed = false;    ///< it is the note of a clean close
    bool of_lmdb = false;   ///< all that LMDB has, as STAMP names it, was read
};

/// Why acknowledged records behind `shown` are or may be missing; nothing when all are there. After a
/// power cut HEAD may be behind what was acknowledged, until a writer has opened (J6): one that holds
/// HEAD (`look.writing`), not one that is opening yet. Every reader of files asks this, whether it shows
/// the state or the records: `stamp` is what projection/STAMP says, which alone tells in which boot the
/// last run wrote.
Result<std::optional<std::string>> why_stale(FileSystem& files, const StorePaths& paths,
                                             const JournalReader::Look& look, const ShownEnd& shown,
                                             const std::optional<Stamp>& stamp);

struct Stale {
    Seq as_of;  ///< the newest record that is shown
    std::string why;
};

/// The same for who reads the journal alone, to its end: looks at its newest record and at STAMP. To be asked
/// before the reading: a writer that opens in between makes more of it, never less. Damage at the newest
/// record is not told of here, since whoever reads meets it. Moves the reader.
Result<std::optional<Stale>> stale_journal(FileSystem& files, const StorePaths& paths,
                                           JournalReader& journal);

/// The note that a writer leaves last when it is done.
bool is_clean_close(const RecordView& record);

}  // namespace se
