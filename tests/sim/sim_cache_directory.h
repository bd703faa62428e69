#pragma once

#include <filesystem>
#include <string>

#include "journal/base/filesystem.h"
#include "tests/adapters/temporary_directory.h"

namespace se::sim {

/// Where LMDB's files of a simulated life go: memory, where the machine has some, and gone with the
/// object.
class CacheDirectory {
public:
    explicit CacheDirectory(FileSystem& real) : real_(real) {
        const std::filesystem::path memory = "/dev/shm";
        const std::filesystem::path name = std::filesystem::path(unique_.path()).filename();
        path_ = std::filesystem::is_directory(memory) ? (memory / name).string() + "-lmdb"
                                                      : unique_.path() + "/lmdb";
    }
    CacheDirectory(const CacheDirectory&) = delete;
    CacheDirectory& operator=(const CacheDirectory&) = delete;
    ~CacheDirectory() { static_cast<void>(real_.remove_tree(path_)); }

    const std::string& path() const { return path_; }

private:
    FileSystem& real_;
    const TemporaryDirectory unique_;
    std::string path_;
};

}  // namespace se::sim
