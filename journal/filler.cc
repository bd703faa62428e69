#include "journal/filler.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "journal/base/assert.h"

namespace se {

struct Filler::Work {
    FileSystem& files;
    const std::string path;

    std::unique_ptr<File> file;
    std::uint64_t size = 0;    // of the file
    std::uint64_t filled = 0;  // blank, and synced but for the last step
    bool anew = false;         // the file there is of no use

    Status open();
    Status fill(std::uint64_t wanted, std::uint64_t chunk_bytes);
    Status step(std::uint64_t wanted, std::uint64_t chunk_bytes);
};

Status Filler::Work::open() {
    if (std::exchange(anew, false)) {
        const Status removed = files.remove(path);
        if (!removed && removed.error().code != Errc::not_found) return removed;
    }
    SE_TRY(opened, files.open(path, OpenMode::create));
    SE_TRY(there, opened->size());
    file = std::move(opened);
    size = there;
    filled = 0;
    return Ok{};
}

/// One chunk more. What a dead writer left there is written again, however blank it looks: when its sync
/// failed, the kernel shows what the disk never got, and our sync would not know (as J3).
Status Filler::Work::fill(std::uint64_t wanted, std::uint64_t chunk_bytes) {
    if (file == nullptr) SE_TRY_OK(open());
    if (filled < wanted) {
        const std::uint64_t bytes = std::min(chunk_bytes, wanted - filled);
        SE_TRY_OK(file->write(filled, std::string(static_cast<std::size_t>(bytes), '\n')));
        filled += bytes;
        size = std::max(size, filled);
    }
    if (filled < wanted || size == filled) return Ok{};
    SE_TRY_OK(file->truncate(filled));
    size = filled;
    return Ok{};
}

Status Filler::Work::step(std::uint64_t wanted, std::uint64_t chunk_bytes) {
    const std::uint64_t before = filled;
    Status done = fill(wanted, chunk_bytes);
    if (!done && done.error().code == Errc::no_space) {
        filled = before;  // the file is as good as it was
        return done;
    }
    if (done) done = file->sync();
    if (!done) {
        file.reset();
        filled = 0;
        anew = true;
    }
    return done;
}

Filler::Filler(FileSystem& files, std::string path, std::uint64_t chunk_bytes)
    : work_(new Work{.files = files, .path = std::move(path), .file = nullptr}),
      chunk_bytes_(std::max<std::uint64_t>(chunk_bytes, 1)) {}

void Filler::want(std::uint64_t bytes) { wanted_ = std::max(wanted_, bytes); }

std::optional<std::chrono::nanoseconds> Filler::due() const {
    if (wanted_ == 0 || ready()) return {};
    return rest_until_;
}

std::function<Status()> Filler::step() {
    return [work = work_, wanted = wanted_, chunk = chunk_bytes_] {
        return work->step(wanted, chunk);
    };
}

void Filler::finished(const Status& outcome, std::chrono::nanoseconds now) {
    filled_ = work_->filled;
    starved_ = !outcome && outcome.error().code == Errc::no_space;
    rest_until_ = outcome ? std::chrono::nanoseconds{} : now + kRestAfterFailure;
}

std::unique_ptr<File> Filler::take() {
    SE_ASSERT(ready());
    work_->filled = filled_ = wanted_ = 0;
    return std::move(work_->file);
}

Status Filler::fill_now() {
    while (!ready()) {
        SE_TRY_OK(work_->step(wanted_, wanted_));
        filled_ = work_->filled;
    }
    return Ok{};
}

}  // namespace se
