#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "journal/journal_reader.h"
#include "journal/run_settings.h"

namespace se {

/// JournalReader::next(), passing damage by; `on_fault` hears of it.
Result<const RecordView*> next_good(JournalReader& reader,
                                    const std::function<void(const Fault&)>& on_fault);

/// A record copied out of the journal. `view` points into `line`.
struct FoundRecord {
    std::unique_ptr<std::string> line;
    RecordView view;
};

/// The newest record that `wanted` likes: whole segments are searched, the newest first. Damage is
/// passed by.
Result<std::optional<FoundRecord>> find_newest(
    FileSystem& files, const StorePaths& paths,
    const std::function<bool(const RecordView&)>& wanted);

/// Who opened the store last, by its newest `opened` note.
struct Opener {
    std::uint64_t pid = 0;  ///< 0: the note does not say
    std::string host, program;
    std::string fsync;  ///< group or never
    RunSettings settings;
    Time since;
    Epoch epoch;
};
Result<std::optional<Opener>> last_opener(FileSystem& files, const StorePaths& paths);
/// "pid 4711 on host a (statectl 0.1.0), since 2026-…"
std::string describe(const std::optional<Opener>& opener);

}  // namespace se
