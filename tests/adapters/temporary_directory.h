#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "journal/base/assert.h"

namespace se {

/// An empty folder that is gone with its object.
class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string path = (std::filesystem::temp_directory_path() / "se-test-XXXXXX").string();
        SE_ASSERT(::mkdtemp(path.data()) != nullptr);
        path_ = path;
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace se
