// Preloaded into the daemon: writes down every call that changes the store (undo_log.h), so that
// what was not synced can be taken back when the process has been killed.
//
// It stands between the daemon and the C library. LMDB's own files are left alone: they are mapped,
// and after an unclean end in another boot nobody believes them.

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "tests/shim/undo_log.h"

namespace se::test {
namespace {

/// The C library's own function behind ours.
template <class Function>
Function* next(const char* name) {
    void* const found = ::dlsym(RTLD_NEXT, name);
    if (found == nullptr) std::abort();
    return reinterpret_cast<Function*>(found);
}

std::string text_of(const char* variable) {
    const char* const text = std::getenv(variable);
    return text == nullptr ? "" : text;
}

class Shim {
public:
    static Shim& instance() {
        static auto* const shim = new Shim;  // never destroyed: exit handlers still write
        return *shim;
    }

    std::mutex& mutex() { return mutex_; }

    /// Whether the path is the store's or its parent, and none of LMDB's or the socket.
    bool watches(std::string_view path) const {
        if (root_.empty()) return false;
        if (path == root_.substr(0, root_.rfind('/'))) return true;  // holds the root's own name
        if (!path.starts_with(root_)) return false;
        std::string_view rest = path.substr(root_.size());
        if (rest.empty()) return true;
        if (rest.front() != '/' || rest == "/engine.sock") return false;
        constexpr std::string_view kProjection = "/projection/";
        if (!rest.starts_with(kProjection)) return true;
        rest.remove_prefix(kProjection.size());
        return rest.empty() || std::isdigit(static_cast<unsigned char>(rest.front())) == 0;
    }

    /// At the chosen call, half of the time before it and half after it.
    void before_call() {
        ++calls_;
        if (die_at_ != 0 && calls_ == die_at_ && calls_ % 2 == 0) die();
    }
    void after_call() {
        if (die_at_ != 0 && calls_ >= die_at_) die();
    }

    std::uint64_t write_down(EntryHead head, std::string_view path = {},
                             std::string_view other = {}, std::string_view saved = {},
                             std::string_view before = {}, std::string_view after = {}) {
        head.path_bytes = static_cast<std::uint32_t>(path.size());
        head.other_bytes = static_cast<std::uint32_t>(other.size());
        head.saved_bytes = static_cast<std::uint32_t>(saved.size());
        head.before_bytes = before.size();
        head.after_bytes = after.size();
        std::string entry(reinterpret_cast<const char*>(&head), sizeof head);
        entry.append(path).append(other).append(saved).append(before).append(after);
        for (std::string_view rest = entry; !rest.empty();) {
            const auto put = ::syscall(SYS_write, log_, rest.data(), rest.size());
            if (put <= 0) std::abort();
            rest.remove_prefix(static_cast<std::size_t>(put));
        }
        return ++entries_;
    }
    std::uint64_t entries() const { return entries_; }

    /// Keeps what a name stands for, if it stands for anything.
    std::string save(const char* path) {
        std::string name = std::to_string(entries_);
        return ::link(path, (log_path_ + ".saved/" + name).c_str()) == 0 ? name : "";
    }

    struct Open {
        std::string path;
        std::uint64_t inode = 0;
        bool directory = false;
    };
    std::map<int, Open> open_files;

    bool loses_this_sync(const Open& file) {
        if (lose_sync_ == 0 || file.path.find("/journal/seg-") == std::string::npos) return false;
        return ++segment_syncs_ % lose_sync_ == 0;
    }
    const std::string& boot_id_path() const { return boot_id_path_; }

private:
    Shim()
        : root_(text_of(kShimRoot)),
          log_path_(text_of(kShimLog)),
          boot_id_path_(text_of(kShimBootId)) {
        die_at_ = std::strtoull(text_of(kShimDieAt).c_str(), nullptr, 10);
        lose_sync_ = std::strtoull(text_of(kShimLoseSync).c_str(), nullptr, 10);
        if (root_.empty()) return;
        log_ = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, log_path_.c_str(),
                                          O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        if (log_ < 0) std::abort();
    }
    [[noreturn]] static void die() {
        ::syscall(SYS_kill, ::getpid(), SIGKILL);
        for (;;) ::pause();
    }

    std::mutex mutex_;
    const std::string root_, log_path_, boot_id_path_;
    int log_ = -1;
    std::uint64_t entries_ = 0, calls_ = 0, die_at_ = 0, lose_sync_ = 0, segment_syncs_ = 0;
};

std::uint64_t inode_of(int file) {
    struct stat status = {};
    return ::fstat(file, &status) == 0 ? status.st_ino : 0;
}
std::uint64_t size_of(int file) {
    struct stat status = {};
    return ::fstat(file, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::string bytes_of(int file, std::uint64_t offset, std::uint64_t size) {
    std::string bytes(size, '\0');
    const ssize_t got = ::pread(file, bytes.data(), size, static_cast<off_t>(offset));
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return bytes;
}

/// The entry of a descriptor that the shim watches, or nullptr.
Shim::Open* watched(int file) {
    auto& files = Shim::instance().open_files;
    const auto found = files.find(file);
    return found == files.end() ? nullptr : &found->second;
}

int open_file(const char* path, int flags, mode_t mode) {
    static auto* const real = next<int(const char*, int, ...)>("open");
    Shim& shim = Shim::instance();
    if (!shim.boot_id_path().empty() && std::string_view(path) == "/proc/sys/kernel/random/boot_id")
        return real(shim.boot_id_path().c_str(), flags, mode);
    if (!shim.watches(path)) return real(path, flags, mode);
    const std::scoped_lock lock(shim.mutex());
    const bool creates = (flags & O_CREAT) != 0 && ::access(path, F_OK) != 0;
    if (creates) shim.before_call();
    const int file = real(path, flags, mode);
    if (file < 0) return file;
    const std::uint64_t inode = inode_of(file);
    if (creates) {
        shim.write_down({.kind = EntryKind::create, .inode = inode}, path);
        shim.after_call();
    }
    shim.open_files[file] = {path, inode, (flags & O_DIRECTORY) != 0};
    return file;
}

int sync_file(int file, const char* name) {
    auto* const real = next<int(int)>(name);
    Shim& shim = Shim::instance();
    EntryHead head{.kind = EntryKind::sync};
    std::string path;
    {
        const std::scoped_lock lock(shim.mutex());
        const Shim::Open* const open = watched(file);
        if (open == nullptr) return real(file);
        shim.before_call();
        if (shim.loses_this_sync(*open)) return 0;
        if (open->directory) {
            head.kind = EntryKind::sync_directory;
            path = open->path;
        }
        head.inode = open->inode;
        head.covers = shim.entries();  // what is written while it runs, it need not take
    }
    const int result = real(file);
    const int error = errno;
    const std::scoped_lock lock(shim.mutex());
    if (result == 0) shim.write_down(head, path);
    shim.after_call();
    errno = error;
    return result;
}

}  // namespace
}  // namespace se::test

using se::test::EntryHead;
using se::test::EntryKind;
using se::test::Shim;

// The names are the C library's.
extern "C" {

__attribute__((visibility("default"))) int open(const char* path, int flags, ...) {
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list more;
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    return se::test::open_file(path, flags, mode);
}

__attribute__((visibility("default"))) int close(int file) {
    static auto* const real = se::test::next<int(int)>("close");
    Shim& shim = Shim::instance();
    const std::scoped_lock lock(shim.mutex());
    shim.open_files.erase(file);
    return real(file);
}

__attribute__((visibility("default"))) ssize_t pwrite(int file, const void* bytes, size_t size,
                                                      off_t offset) {
    static auto* const real = se::test::next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
    Shim& shim = Shim::instance();
    const std::scoped_lock lock(shim.mutex());
    const Shim::Open* const open = se::test::watched(file);
    if (open == nullptr) return real(file, bytes, size, offset);
    shim.before_call();
    const auto at = static_cast<std::uint64_t>(offset);
    shim.write_down({.kind = EntryKind::write,
                     .inode = open->inode,
                     .offset = at,
                     .size_before = se::test::size_of(file)},
                    {}, {}, {}, se::test::bytes_of(file, at, size),
                    {static_cast<const char*>(bytes), size});
    const ssize_t result = real(file, bytes, size, offset);
    shim.after_call();
    return result;
}

__attribute__((visibility("default"))) int ftruncate(int file, off_t size) noexcept {
    static auto* const real = se::test::next<int(int, off_t)>("ftruncate");
    Shim& shim = Shim::instance();
    const std::scoped_lock lock(shim.mutex());
    const Shim::Open* const open = se::test::watched(file);
    if (open == nullptr) return real(file, size);
    shim.before_call();
    const auto at = static_cast<std::uint64_t>(size);
    const std::uint64_t before = se::test::size_of(file);
    shim.write_down(
        {.kind = EntryKind::truncate, .inode = open->inode, .offset = at, .size_before = before},
        {}, {}, {}, before > at ? se::test::bytes_of(file, at, before - at) : "");
    const int result = real(file, size);
    shim.after_call();
    return result;
}

__attribute__((visibility("default"))) int fdatasync(int file) {
    return se::test::sync_file(file, "fdatasync");
}
__attribute__((visibility("default"))) int fsync(int file) {
    return se::test::sync_file(file, "fsync");
}

__attribute__((visibility("default"))) int rename(const char* from, const char* to) noexcept {
    static auto* const real = se::test::next<int(const char*, const char*)>("rename");
    Shim& shim = Shim::instance();
    if (!shim.watches(to)) return real(from, to);
    const std::scoped_lock lock(shim.mutex());
    shim.before_call();
    shim.write_down({.kind = EntryKind::rename}, from, to, shim.save(to));
    const int result = real(from, to);
    shim.after_call();
    return result;
}

__attribute__((visibility("default"))) int unlink(const char* path) noexcept {
    static auto* const real = se::test::next<int(const char*)>("unlink");
    Shim& shim = Shim::instance();
    if (!shim.watches(path)) return real(path);
    const std::scoped_lock lock(shim.mutex());
    shim.before_call();
    shim.write_down({.kind = EntryKind::remove}, path, {}, shim.save(path));
    const int result = real(path);
    shim.after_call();
    return result;
}

__attribute__((visibility("default"))) int mkdir(const char* path, mode_t mode) noexcept {
    static auto* const real = se::test::next<int(const char*, mode_t)>("mkdir");
    Shim& shim = Shim::instance();
    if (!shim.watches(path) || ::access(path, F_OK) == 0) return real(path, mode);
    const std::scoped_lock lock(shim.mutex());
    shim.before_call();
    shim.write_down({.kind = EntryKind::make_directory}, path);
    const int result = real(path, mode);
    shim.after_call();
    return result;
}

}  // extern "C"
