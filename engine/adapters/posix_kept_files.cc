#include "engine/adapters/posix_kept_files.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace se {
namespace {

/// All that can make a path name another file, or none, as far as its folder can tell.
constexpr std::uint32_t kChangesOfNames = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                          IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR;

constexpr std::size_t kSmallBytes = 1024;  // less than a page

Error kept_failure(const std::string& path, std::string_view doing, int error) {
    return {error == ENOENT ? Errc::not_found : Errc::io,
            path + ": " + std::string(doing) + ": " + std::generic_category().message(error)};
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

/// One open file; closed when nobody reads it any more.
class KeptFiles::Kept {
public:
    Kept(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
    ~Kept() { ::close(descriptor_); }
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;

    /// How it is now; nothing else of it can change while we hold it.
    Status look(struct stat* status) const {
        if (::fstat(descriptor_, status) != 0) return kept_failure(path_, "size", errno);
        return Ok{};
    }
    bool is(const struct stat& other) const {
        struct stat own {};
        return ::fstat(descriptor_, &own) == 0 && own.st_dev == other.st_dev &&
               own.st_ino == other.st_ino;
    }

    Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const {
        std::size_t done = 0;
        while (done < into.size()) {
            SE_TRY(got, read_some(offset + done, into.subspan(done)));
            if (got == 0) break;
            done += got;
        }
        return done;
    }
    /// One call. Within a page it is all there is.
    Result<std::size_t> read_some(std::uint64_t offset, std::span<char> into) const {
        ssize_t got = -1;
        do {
            got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
        } while (got < 0 && errno == EINTR);
        if (got < 0) return kept_failure(path_, "read", errno);
        return static_cast<std::size_t>(got);
    }

    Result<bool> is_locked() const {
        struct flock range = {};
        range.l_type = F_WRLCK;
        range.l_whence = SEEK_SET;
        while (::fcntl(descriptor_, F_OFD_GETLK, &range) < 0)
            if (errno != EINTR) return kept_failure(path_, "is locked", errno);
        return range.l_type != F_UNLCK;
    }

    const std::string& path() const { return path_; }

private:
    std::string path_;
    int descriptor_;
};

namespace {

Error kept_read_only(const std::string& path) {
    return {Errc::io, path + ": opened for reading only"};
}

}  // namespace

KeptFiles::KeptFiles(Clock& clock, std::vector<std::string> paths, Notices notices)
    : clock_(clock) {
    if (notices == Notices::from_the_kernel) inotify_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    for (std::string& path : paths) {
        const bool first = places_.empty();
        places_[std::move(path)].leads = first;
    }
}

KeptFiles::~KeptFiles() {
    if (inotify_ >= 0) ::close(inotify_);
}

/// Whatever there is to hear, everything is asked by its path again: names change seldom.
void KeptFiles::take_notices() {
    if (inotify_ < 0) return;
    alignas(inotify_event) std::array<char, 4096> events;
    bool heard = false;
    for (;;) {
        const ssize_t got = ::read(inotify_, events.data(), events.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        heard = true;
    }
    if (!heard) return;
    for (auto& [path, place] : places_) {
        // A folder of that name may be another one by now; the same one keeps its number.
        place.watch = -1;
        place.kept.reset();
    }
}

/// Once a look, and again when the same is asked of a path twice.
void KeptFiles::hear(Place& place, Asks what, std::chrono::nanoseconds now) {
    const bool of_lock = what == Asks::lock;
    bool& heard = of_lock ? place.heard_for_lock : place.heard;
    const bool begins = place.leads && !of_lock;
    if (begins || !heard || now - heard_ >= kOneLook) {
        heard_ = now;
        take_notices();
        for (auto& [path, each] : places_) each.heard = each.heard_for_lock = true;
    }
    heard = false;
}

/// Before the path is asked: what changes in between is heard of later.
void KeptFiles::watch(const std::string& path, Place& place) {
    if (inotify_ < 0) return;
    place.watch = ::inotify_add_watch(inotify_, folder_of(path).c_str(), kChangesOfNames);
}

Result<std::shared_ptr<const KeptFiles::Kept>> KeptFiles::named(const std::string& path,
                                                                Place& place, Asks what) {
    const auto now = clock_.monotonic();
    hear(place, what, now);
    if (place.kept && place.watch >= 0 && now - place.asked < kAskPathAfter) return place.kept;
    watch(path, place);
    place.asked = now;
    if (place.kept) {
        struct stat status {};
        if (::stat(path.c_str(), &status) == 0 && place.kept->is(status)) return place.kept;
        place.kept.reset();
    }
    int descriptor = -1;
    do {
        descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) return kept_failure(path, "open", errno);
    auto opened = std::make_shared<const Kept>(path, descriptor);
    struct stat status {};
    SE_TRY_OK(opened->look(&status));
    if (S_ISDIR(status.st_mode)) return kept_failure(path, "open", EISDIR);
    place.kept = std::move(opened);
    return place.kept;
}

Result<std::unique_ptr<File>> KeptFiles::open(const std::string& path, OpenMode mode) {
    const auto found = mode == OpenMode::read ? places_.find(path) : places_.end();
    if (found == places_.end()) return PosixFileSystem::open(path, mode);

    class Look final : public File {
    public:
        explicit Look(std::shared_ptr<const Kept> kept) : kept_(std::move(kept)) {}
        Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
            const std::string seen = std::exchange(seen_, {});
            if (offset >= seen.size()) return kept_->read(offset, into);
            return seen.copy(into.data(), into.size(), offset);
        }
        Status write(std::uint64_t, std::string_view) override { return kept_read_only(kept_->path()); }
        Status sync() override { return kept_read_only(kept_->path()); }
        Status truncate(std::uint64_t) override { return kept_read_only(kept_->path()); }
        Result<std::uint64_t> size() const override {
            // Whoever asks wants to read it all next, and of a small file that is one call for both.
            std::array<char, kSmallBytes> all;
            SE_TRY(got, kept_->read_some(0, all));
            if (got < all.size()) {
                seen_.assign(all.data(), got);
                return std::uint64_t{got};
            }
            struct stat status {};
            SE_TRY_OK(kept_->look(&status));
            return static_cast<std::uint64_t>(status.st_size);
        }

    private:
        std::shared_ptr<const Kept> kept_;
        mutable std::string seen_;  // by size(), for the read behind it
    };
    SE_TRY(kept, named(path, found->second, Asks::content));
    return std::unique_ptr<File>(std::make_unique<Look>(std::move(kept)));
}

Result<bool> KeptFiles::is_locked(const std::string& path) {
    const auto found = places_.find(path);
    if (found == places_.end()) return PosixFileSystem::is_locked(path);
    SE_TRY(kept, named(path, found->second, Asks::lock));
    return kept->is_locked();
}

}  // namespace se
