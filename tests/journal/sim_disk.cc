#include "tests/journal/sim_disk.h"

#include <utility>

#include "tests/sim/sim_filesystem.h"

namespace se::test {

struct SimDisk::Real {
    SimFileSystem disk;
};

namespace {

template <class Kind>
void fail(SimFileSystem& disk, void (SimFileSystem::*fail_after)(std::uint64_t, Kind, Errc),
          std::uint64_t calls, bool lasting, Errc code) {
    (disk.*fail_after)(calls, lasting ? Kind::lasting : Kind::hiccup, code);
}

}  // namespace

SimDisk::SimDisk(std::uint64_t seed) : real_(new Real{SimFileSystem(seed)}) {}
SimDisk::~SimDisk() = default;

void SimDisk::fail_after(std::uint64_t calls, Trouble trouble, Errc code) {
    fail(real_->disk, &SimFileSystem::fail_after, calls, trouble == Trouble::lasting, code);
}
void SimDisk::mend() { real_->disk.mend(); }
std::uint64_t SimDisk::calls() const { return real_->disk.calls(); }
void SimDisk::on_call(std::function<void(const Call&)> hook) {
    if (!hook) return real_->disk.on_call({});
    real_->disk.on_call([hook = std::move(hook)](const SimFileSystem::Call& call) {
        hook({.is_write = call.operation == SimFileSystem::Operation::write,
              .is_sync = call.operation == SimFileSystem::Operation::sync,
              .is_rename = call.operation == SimFileSystem::Operation::rename,
              .path = std::string(call.path),
              .offset = call.offset,
              .size = call.size});
    });
}
void SimDisk::crash() { real_->disk.crash(); }
void SimDisk::power_cut() { real_->disk.power_cut(); }
void SimDisk::evict() { real_->disk.evict(); }
void SimDisk::set_capacity(std::uint64_t bytes) { real_->disk.set_capacity(bytes); }
void SimDisk::flip_bit(const std::string& path, std::uint64_t bit) {
    real_->disk.flip_bit(path, bit);
}
std::optional<std::string> SimDisk::content(const std::string& path) const {
    return real_->disk.content(path);
}
std::optional<std::string> SimDisk::durable_content(const std::string& path) const {
    return real_->disk.durable_content(path);
}
void SimDisk::put(const std::string& path, std::string_view content) {
    real_->disk.put(path, content);
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, OpenMode mode) {
    return real_->disk.open(path, mode);
}
Result<std::vector<std::string>> SimDisk::list(const std::string& directory) {
    return real_->disk.list(directory);
}
Result<bool> SimDisk::exists(const std::string& path) { return real_->disk.exists(path); }
Status SimDisk::rename(const std::string& from, const std::string& to) {
    return real_->disk.rename(from, to);
}
Status SimDisk::remove(const std::string& path) { return real_->disk.remove(path); }
Status SimDisk::remove_tree(const std::string& directory) {
    return real_->disk.remove_tree(directory);
}
Status SimDisk::make_directory(const std::string& path) {
    return real_->disk.make_directory(path);
}
Status SimDisk::sync_directory(const std::string& path) {
    return real_->disk.sync_directory(path);
}
Result<std::uint64_t> SimDisk::free_space(const std::string& path) {
    return real_->disk.free_space(path);
}
Result<FileIdentity> SimDisk::identity(const std::string& path) {
    return real_->disk.identity(path);
}
Result<std::unique_ptr<FileLock>> SimDisk::lock(const std::string& path) {
    return real_->disk.lock(path);
}
Result<bool> SimDisk::is_locked(const std::string& path) { return real_->disk.is_locked(path); }

}  // namespace se::test
