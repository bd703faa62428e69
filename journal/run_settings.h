#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "journal/base/filesystem.h"
#include "journal/base/json.h"
#include "journal/journal.h"
#include "journal/paths.h"

namespace se {

/// How a run writes, as far as whoever writes behind it has to do the same: on a disk whose torn writes harm their
/// neighbours, an unpadded group beside acknowledged records puts these at risk. Every run says it in its notes
/// `opened` and `closed`, each setting under its own name, where it is not the default.
struct RunSettings {
    std::uint64_t align_bytes = JournalOptions{}.align_bytes;                ///< member `align`
    std::uint64_t disk_reserve_bytes = JournalOptions{}.disk_reserve_bytes;  ///< member `disk_reserve_bytes`

    bool operator==(const RunSettings&) const = default;
};

RunSettings run_settings_of(const JournalOptions& options);
/// Puts what is not the default into the body of a note. Needs an object.
void tell_run_settings(const RunSettings& settings, Json* body);
/// What the body of such a note says. What is absent, or no such setting could be, is the default.
RunSettings run_settings_in(std::string_view note_body);

/// Those of the run that wrote last, by its newest note that is on the disk, whether a reader may be shown it yet or
/// not: after a power cut HEAD may be from before that run's first records. Nothing: no run has left a note. Needs
/// the store's lock, so that nobody writes meanwhile. After a clean close it reads only the end of the log, else back
/// to that note.
Result<std::optional<RunSettings>> settings_of_last_run(FileSystem& files, const StorePaths& paths);

}  // namespace se
