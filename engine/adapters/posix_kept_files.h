#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/adapters/posix_filesystem.h"
#include "journal/base/clock.h"

namespace se {

/// The disk, for a process that looks at the same few files over and over: those stay open, so that
/// a look costs a read and not a walk along a path. Only open(…, read) and is_locked() of `paths`
/// differ from PosixFileSystem's, and only in their cost: a kept file counts as long as its path
/// names it. What says that it does:
///   - inotify watches the folders that the files lie in: a file that is renamed, replaced, linked
///   or
///     removed there, and a folder that is itself moved, are known before the call that did it
///     returns. Asking costs one read that finds nothing. Who looks at all of `paths` in turn asks
///     once: opening the first of them begins a look, and what was heard then counts once for opening
///     each of the others and once for the lock of each, and no longer than kOneLook.
///   - Folders further up, and mounts, are not watched: the path is asked by stat() each
///     kAskPathAfter. Until then answers are those of the store that was there: whole and true, at
///     its new place.
///   - Without inotify (the user has too many) the path is asked each time.
/// The inode of a kept file cannot be another file's, so device and inode are enough to tell.
/// Of a small one the first read behind size() is as of that size(): one call does for both.
/// Not thread safe.
class KeptFiles final : public PosixFileSystem {
public:
    static constexpr auto kAskPathAfter = std::chrono::milliseconds(100);

    static constexpr auto kOneLook = std::chrono::milliseconds(1);

    enum class Notices : std::uint8_t { from_the_kernel, never };
    KeptFiles(Clock& clock, std::vector<std::string> paths,
              Notices notices = Notices::from_the_kernel);
    ~KeptFiles() override;
    KeptFiles(const KeptFiles&) = delete;
    KeptFiles& operator=(const KeptFiles&) = delete;

    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
    Result<bool> is_locked(const std::string& path) override;

private:
    class Kept;
    struct Place {
        std::shared_ptr<const Kept> kept{};
        std::chrono::nanoseconds asked{};  // when the path was last seen to name it
        int watch = -1;                    // of its folder
        bool leads = false;                // a look begins with it
        bool heard = false;                // in this look, and not opened yet
        bool heard_for_lock = false;       // likewise, and its lock not asked for yet
    };
    enum class Asks : std::uint8_t { content, lock };

    /// The open file that `path` names now.
    Result<std::shared_ptr<const Kept>> named(const std::string& path, Place& place, Asks what);
    void take_notices();
    void hear(Place& place, Asks what, std::chrono::nanoseconds now);
    void watch(const std::string& path, Place& place);

    Clock& clock_;
    std::map<std::string, Place, std::less<>> places_;
    int inotify_ = -1;
    std::chrono::nanoseconds heard_{};  // when the kernel was last asked for notices
};

}  // namespace se
