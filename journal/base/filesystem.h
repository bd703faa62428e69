#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/result.h"

namespace se {

/// An open file. Offsets and sizes are bytes. One thread at a time may write or sync a file; reads
/// may run beside that from any thread.
class File {
public:
    virtual ~File() = default;

    /// Reads up to `into.size()` bytes at `offset`; fewer only at the end of the file.
    virtual Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const = 0;

    /// Writes all of `bytes` at `offset`, growing the file if need be. A short write is a failure, and
    /// a failure promises nothing: any part of the range may have been written.
    virtual Status write(std::uint64_t offset, std::string_view bytes) = 0;

    /// Makes all that was written to this file durable (fdatasync). After a failure nobody knows what
    /// the disk holds, and a second call may say yes about pages that were dropped: never retry.
    virtual Status sync() = 0;

    virtual Status truncate(std::uint64_t size) = 0;
    virtual Result<std::uint64_t> size() const = 0;
};

/// Held as long as it lives; the kernel lets go of it when the process dies.
class FileLock {
public:
    virtual ~FileLock() = default;
};

/// What tells one place in one boot of one machine from another. Compared, never interpreted.
struct FileIdentity {
    std::string boot;
    std::string mount;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    bool operator==(const FileIdentity&) const = default;
};

enum class OpenMode : std::uint8_t {
    read,    ///< must exist
    update,  ///< read and write; must exist
    create,  ///< read and write; made when absent, kept as it is when present. 0600
};

/// All the disk the engine needs. PosixFileSystem is the real one; SimFileSystem (tests/sim) can fail
/// any call, tear any write and lose everything that was not synced. Paths are as the operating
/// system takes them. A missing file or folder is Errc::not_found, a full disk Errc::no_space.
class FileSystem {
public:
    virtual ~FileSystem() = default;

    virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;

    /// Names (not paths) of all that lies in `directory`, sorted by byte order.
    virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
    virtual Result<bool> exists(const std::string& path) = 0;

    /// Atomic within one file system; durable only after `sync_directory` of both folders.
    virtual Status rename(const std::string& from, const std::string& to) = 0;
    virtual Status remove(const std::string& path) = 0;           ///< a file
    virtual Status remove_tree(const std::string& directory) = 0;  ///< a folder and all in it
    virtual Status make_directory(const std::string& path) = 0;    ///< 0700; fine when it exists
    virtual Status sync_directory(const std::string& path) = 0;

    virtual Result<std::uint64_t> free_space(const std::string& path) = 0;
    virtual Result<FileIdentity> identity(const std::string& path) = 0;

    /// Takes an exclusive lock on an existing file (F_OFD_SETLK). Errc::busy when another holds it.
    virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
    /// Whether somebody holds it (F_OFD_GETLK); takes nothing.
    virtual Result<bool> is_locked(const std::string& path) = 0;
};

/// All of a file. Errc::too_large past `size_max`.
Result<std::string> read_file(FileSystem& files, const std::string& path,
                              std::uint64_t size_max = 1ull << 30);

/// Replaces `directory`/`name` so that a crash leaves the old or the new content, whole: written
/// aside, synced, renamed, directory synced.
Status replace_file(FileSystem& files, const std::string& directory, const std::string& name,
                    std::string_view content);

}  // namespace se
