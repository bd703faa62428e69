#pragma once

#include <cstdint>
#include <string>

namespace se::test {

/// What the preloaded shim writes down of each call that changes the store, before it happens, and
/// what a power cut is made from afterwards. A file of entries, one behind the other:
///
///   EntryHead · path · other path · saved name · bytes before · bytes after
///
/// It lies outside the store and is never synced: it only has to outlive the process. An entry that
/// is cut off belongs to a call that never happened.
enum class EntryKind : std::uint32_t {
    write,           ///< of inode at offset; bytes before as far as there were any
    truncate,        ///< of inode to offset; bytes before are those behind it
    sync,            ///< inode: all entries up to `covers` are on the disk
    create,          ///< path, now inode
    rename,          ///< path to other; what `other` was is kept as `saved`
    remove,          ///< path; kept as `saved`
    make_directory,  ///< path
    sync_directory,  ///< path: all entries about names in it up to `covers` are on the disk
};

struct EntryHead {
    EntryKind kind = EntryKind::write;
    std::uint32_t path_bytes = 0, other_bytes = 0, saved_bytes = 0;
    std::uint64_t inode = 0;
    std::uint64_t offset = 0;
    std::uint64_t size_before = 0;  ///< of the file
    std::uint64_t before_bytes = 0, after_bytes = 0;
    std::uint64_t covers = 0;  ///< index of the last entry that a sync covers, plus one
};

// What the shim reads from its environment.
inline constexpr const char* kShimRoot =
    "SE_SHIM_ROOT";  ///< the store's folder, as the daemon names it
inline constexpr const char* kShimLog = "SE_SHIM_LOG";  ///< the entries; <log>.saved/ holds files
/// Kills the process at that call, before or after it.
inline constexpr const char* kShimDieAt = "SE_SHIM_DIE_AT";
/// A planted bug: each n-th sync of a segment says yes and does nothing.
inline constexpr const char* kShimLoseSync = "SE_SHIM_LOSE_SYNC";
/// Stands for /proc/sys/kernel/random/boot_id: after a power cut the machine has started anew.
inline constexpr const char* kShimBootId = "SE_SHIM_BOOT_ID";

}  // namespace se::test
