#pragma once

#include "journal/base/filesystem.h"

namespace se {

/// The disk of this machine. Without state of its own, so any thread may use it.
///
/// A write that fails half-way is Errc::io even when the disk is full: Errc::no_space promises that
/// nothing was written. Quotas (EDQUOT) count as a full disk.
class PosixFileSystem : public FileSystem {
public:
    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
    Result<std::vector<std::string>> list(const std::string& directory) override;
    Result<bool> exists(const std::string& path) override;
    Status rename(const std::string& from, const std::string& to) override;
    Status remove(const std::string& path) override;
    Status remove_tree(const std::string& directory) override;
    Status make_directory(const std::string& path) override;
    Status sync_directory(const std::string& path) override;
    Result<std::uint64_t> free_space(const std::string& path) override;
    Result<FileIdentity> identity(const std::string& path) override;
    Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
    Result<bool> is_locked(const std::string& path) override;
};

}  // namespace se
