#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "journal/base/result.h"

namespace se {

/// A short name for a socket in any folder: a socket's address holds 107 bytes of path, and data folders may
/// be deeper than that. The name is good while this lives.
class UnixAddress {
public:
    static Result<UnixAddress> of(const std::string& directory, const std::string& name) {
        UnixAddress address;
        const std::string plain = directory + "/" + name;
        if (plain.size() < kPathBytesMax) {
            address.path_ = plain;
            return address;
        }
        address.descriptor_ = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (address.descriptor_ < 0) return Error{Errc::io, "cannot open folder " + directory};
        address.path_ = "/proc/self/fd/" + std::to_string(address.descriptor_) + "/" + name;
        return address;
    }
    UnixAddress(UnixAddress&& other) noexcept
        : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
    UnixAddress& operator=(UnixAddress&&) = delete;
    ~UnixAddress() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }

    const std::string& path() const { return path_; }

private:
    static constexpr std::size_t kPathBytesMax = 108;  // sun_path, its NUL included

    UnixAddress() = default;
    std::string path_;
    int descriptor_ = -1;
};

}  // namespace se
