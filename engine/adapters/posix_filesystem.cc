#include "engine/adapters/posix_filesystem.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace se {
namespace {

/// The kernel writes at most a little under 2 GiB in one call.
constexpr std::size_t kWriteSizeMax = 1 << 30;

Error failure(const std::string& path, std::string_view doing, int error = errno) {
    Errc code = Errc::io;
    if (error == ENOENT) code = Errc::not_found;
    if (error == ENOSPC || error == EDQUOT) code = Errc::no_space;
    return {code, path + ": " + std::string(doing) + ": " + std::generic_category().message(error)};
}

/// Room is often only given to pages when they are synced, so a sync can find the disk full. Its
/// caller must not take that for "nothing was written".
Error failed_sync(const std::string& path, std::string_view doing) {
    Error error = failure(path, doing);
    error.code = Errc::io;
    return error;
}

/// Makes a call again as long as signals interrupt it. Not for syncs, which must never be retried.
template <class SystemCall>
auto uninterrupted(SystemCall call) {
    auto result = call();
    while (result < 0 && errno == EINTR) result = call();
    return result;
}

/// Owns a file descriptor. What close() says is ignored: only a sync can make anything durable.
class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }

    int get() const { return number_; }

private:
    int number_;
};

Result<Descriptor> open_descriptor(const std::string& path, int flags) {
    constexpr mode_t kOwnerOnly = 0600;
    Descriptor descriptor(
        uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kOwnerOnly); }));
    if (descriptor.get() < 0) return failure(path, "open");
    return descriptor;
}

class PosixFile final : public File {
public:
    PosixFile(std::string path, Descriptor descriptor)
        : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

    Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
        std::size_t done = 0;
        while (done < into.size()) {
            const ssize_t got = uninterrupted([&] {
                return ::pread(descriptor_.get(), into.data() + done, into.size() - done,
                               static_cast<off_t>(offset + done));
            });
            if (got < 0) return failure(place(offset + done), "read");
            if (got == 0) break;
            done += static_cast<std::size_t>(got);
        }
        return done;
    }

    Status write(std::uint64_t offset, std::string_view bytes) override {
        const std::size_t size = bytes.size();
        while (!bytes.empty()) {
            const std::size_t chunk = std::min(bytes.size(), kWriteSizeMax);
            const ssize_t put = uninterrupted([&] {
                return ::pwrite(descriptor_.get(), bytes.data(), chunk, static_cast<off_t>(offset));
            });
            const bool untouched = bytes.size() == size;
            if (put < 0) {
                Error error = failure(place(offset), "write");
                if (!untouched) error.code = Errc::io;
                return error;
            }
            if (static_cast<std::size_t>(put) < chunk)
                return Error{Errc::io, place(offset) + ": write: only " + std::to_string(put) +
                                           " of " + std::to_string(chunk) + " bytes were taken"};
            bytes.remove_prefix(chunk);
            offset += chunk;
        }
        return Ok{};
    }

    Status sync() override {
        if (::fdatasync(descriptor_.get()) < 0) return failed_sync(path_, "sync");
        return Ok{};
    }

    Status truncate(std::uint64_t size) override {
        if (uninterrupted(
                [&] { return ::ftruncate(descriptor_.get(), static_cast<off_t>(size)); }) < 0)
            return failure(path_, "truncate");
        return Ok{};
    }

    Result<std::uint64_t> size() const override {
        struct stat status;
        if (::fstat(descriptor_.get(), &status) < 0) return failure(path_, "size");
        return static_cast<std::uint64_t>(status.st_size);
    }

private:
    std::string place(std::uint64_t offset) const { return path_ + "@" + std::to_string(offset); }

    std::string path_;
    Descriptor descriptor_;
};

/// An open file description owns the lock: closing it lets go, and so does the death of the
/// process. Unlike the older POSIX locks it also excludes our own process and survives closing
/// other descriptors of the same file.
class PosixLock final : public FileLock {
public:
    explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

private:
    Descriptor descriptor_;
};

struct flock whole_file() {
    struct flock range = {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    return range;
}

Result<std::string> boot_id() {
    const std::string path = "/proc/sys/kernel/random/boot_id";
    SE_TRY(descriptor, open_descriptor(path, O_RDONLY));
    char text[64];
    const ssize_t got = uninterrupted([&] { return ::read(descriptor.get(), text, sizeof text); });
    if (got < 0) return failure(path, "read");
    std::string id(text, static_cast<std::size_t>(got));
    id.erase(std::min(id.size(), id.find_last_not_of('\n') + 1));
    // An empty one would make any two boots look the same.
    if (id.empty()) return Error{Errc::io, path + ": empty"};
    return id;
}

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path, OpenMode mode) {
    int flags = O_RDONLY;
    if (mode == OpenMode::update) flags = O_RDWR;
    if (mode == OpenMode::create) flags = O_RDWR | O_CREAT;
    SE_TRY(descriptor, open_descriptor(path, flags));
    struct stat status;
    if (::fstat(descriptor.get(), &status) < 0) return failure(path, "open");
    if (S_ISDIR(status.st_mode)) return failure(path, "open", EISDIR);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(path, std::move(descriptor)));
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& directory) {
    struct Close {
        void operator()(DIR* stream) const { ::closedir(stream); }
    };
    const std::unique_ptr<DIR, Close> stream(::opendir(directory.c_str()));
    if (!stream) return failure(directory, "list");
    std::vector<std::string> names;
    while (true) {
        errno = 0;  // the only way to tell the end from a failure
        const dirent* entry = ::readdir(stream.get());
        if (entry == nullptr) break;
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return failure(directory, "list");
    std::ranges::sort(names);
    return names;
}

Result<bool> PosixFileSystem::exists(const std::string& path) {
    struct stat status;
    if (::stat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return failure(path, "exists");
}

Status PosixFileSystem::rename(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) < 0) return failure(from, "rename to " + to);
    return Ok{};
}

Status PosixFileSystem::remove(const std::string& path) {
    if (::unlink(path.c_str()) < 0) return failure(path, "remove");
    return Ok{};
}

Status PosixFileSystem::remove_tree(const std::string& directory) {
    std::error_code error;
    const auto removed = std::filesystem::remove_all(directory, error);
    if (error) return failure(directory, "remove tree", error.value());
    if (removed == 0) return failure(directory, "remove tree", ENOENT);
    return Ok{};
}

Status PosixFileSystem::make_directory(const std::string& path) {
    constexpr mode_t kOwnerOnly = 0700;
    if (::mkdir(path.c_str(), kOwnerOnly) == 0) return Ok{};
    const int error = errno;
    struct stat status;
    if (error == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
        return Ok{};
    return failure(path, "make directory", error);
}

Status PosixFileSystem::sync_directory(const std::string& path) {
    SE_TRY(descriptor, open_descriptor(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(descriptor.get()) < 0) return failed_sync(path, "sync directory");
    return Ok{};
}

Result<std::uint64_t> PosixFileSystem::free_space(const std::string& path) {
    struct statvfs status;
    if (uninterrupted([&] { return ::statvfs(path.c_str(), &status); }) < 0)
        return failure(path, "free space");
    return std::uint64_t{status.f_bavail} * status.f_frsize;
}

Result<FileIdentity> PosixFileSystem::identity(const std::string& path) {
    SE_TRY(boot, boot_id());
    struct statx status;
    if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_MNT_ID, &status) < 0)
        return failure(path, "identity");
    // Kernels before 5.8 do not tell the mount.
    const bool tells_mount = (status.stx_mask & STATX_MNT_ID) != 0;
    return FileIdentity{.boot = boot,
                        .mount = tells_mount ? std::to_string(status.stx_mnt_id) : "",
                        .device = makedev(status.stx_dev_major, status.stx_dev_minor),
                        .inode = status.stx_ino};
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::lock(const std::string& path) {
    SE_TRY(descriptor, open_descriptor(path, O_RDWR));
    struct flock range = whole_file();
    if (uninterrupted([&] { return ::fcntl(descriptor.get(), F_OFD_SETLK, &range); }) < 0) {
        if (errno == EAGAIN || errno == EACCES)
            return Error{Errc::busy, path + ": lock: somebody else holds it"};
        return failure(path, "lock");
    }
    return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(descriptor)));
}

Result<bool> PosixFileSystem::is_locked(const std::string& path) {
    SE_TRY(descriptor, open_descriptor(path, O_RDONLY));
    struct flock range = whole_file();
    if (uninterrupted([&] { return ::fcntl(descriptor.get(), F_OFD_GETLK, &range); }) < 0)
        return failure(path, "is locked");
    return range.l_type != F_UNLCK;
}

}  // namespace se
