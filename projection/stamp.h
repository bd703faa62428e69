#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "journal/base/filesystem.h"
#include "journal/base/ids.h"
#include "journal/base/result.h"
#include "journal/paths.h"

namespace se {

/// The file projection/STAMP says which generation of LMDB counts, and what it takes to believe it.
/// LMDB without syncs survives a killed process, not a power cut; whether there was one, it cannot
/// tell itself. One line, framed as a record is, replaced atomically and synced:
///   {"format":"state-engine-stamp/1","generation":…,"epoch":…,"boot":…,"mount":…,"device":…,"inode":…,
///    "state":"dirty"|"clean","crc":"hhhhhhhh"}
struct Stamp {
    std::uint64_t generation = 0;  ///< its folder is projection/<generation>/
    Epoch epoch;                   ///< of the run that wrote it
    FileIdentity identity;         ///< of data.mdb, where and when it was written
    bool clean = false;            ///< synced, and not written to since

    bool operator==(const Stamp&) const = default;
};

std::string encode_stamp(const Stamp& stamp);
Result<Stamp> decode_stamp(std::string_view text);

std::string stamp_path(const StorePaths& paths);
Status write_stamp(FileSystem& files, const StorePaths& paths, const Stamp& stamp);

/// Why what STAMP names is not to be trusted, nothing if it is: trusted if clean; or if boot,
/// device and inode are equal and either the mount is too or `living_writer` (who holds HEAD,
/// and is named there) is who wrote the stamp, since mount ids differ between namespaces.
std::optional<std::string> why_not_trusted(const Stamp& stamp, const FileIdentity& now,
                                           std::optional<Epoch> living_writer);

}  // namespace se
