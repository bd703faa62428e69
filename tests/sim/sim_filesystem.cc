#include "tests/sim/sim_filesystem.h"

#include <algorithm>
#include <utility>

namespace se {
namespace {

constexpr std::string_view kOperationNames[] = {
    "open",           "create",         "list",       "exists",   "read",   "write",
    "sync",           "truncate",       "size",       "rename",   "remove", "remove tree",
    "make directory", "sync directory", "free space", "identity", "lock",   "is locked"};

/// What there is does not do what was asked of it.
Error wrong_kind(std::string_view path, std::string_view what) {
    return {Errc::io, std::string(path) + ": " + std::string(what)};
}

}  // namespace

class SimFileSystem::OpenFile final : public File {
public:
    OpenFile(SimFileSystem& disk, SimNodePtr node, std::string path, bool writable)
        : disk_(disk),
          node_(std::move(node)),
          path_(std::move(path)),
          writable_(writable),
          process_(disk.process_) {}

    Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
        const Call call{Operation::read, path_, offset, into.size()};
        const Fate fate = enter(call);
        if (fate != Fate::goes_well) return disk_.error_of(fate, call);
        const std::string& live = node_->content.live();
        if (offset >= live.size()) return std::size_t{0};
        return live.copy(into.data(), into.size(), offset);
    }

    Status write(std::uint64_t offset, std::string_view bytes) override {
        const Call call{Operation::write, path_, offset, bytes.size()};
        if (!writable_) return wrong_kind(path_, "write: it is open for reading only");
        const Fate fate = enter(call);
        // Of this write, also when it comes to nothing.
        offset += static_cast<std::uint64_t>(std::exchange(disk_.misdirection_, 0));
        if (fate == Fate::finds_itself_dead) return disk_.error_of(fate, call);
        const std::uint64_t size = node_->content.live().size();
        const std::uint64_t growth = std::max(size, offset + bytes.size()) - size;
        if (growth > 0 && disk_.used() + growth > disk_.capacity_)
            return Error{Errc::no_space, path_ + ": write: the disk is full"};
        if (fate == Fate::goes_well) {
            node_->content.write(offset, bytes);
            return Ok{};
        }
        if (disk_.fault_code_ == Errc::io) node_->content.write_torn(offset, bytes, disk_.random_);
        return disk_.error_of(fate, call);
    }

    Status sync() override {
        const Call call{Operation::sync, path_};
        const Fate fate = enter(call);
        if (fate == Fate::goes_well) {
            node_->content.sync();
            return Ok{};
        }
        if (fate == Fate::fails) node_->content.fail_sync(disk_.random_);
        return disk_.error_of(fate, call);
    }

    Status truncate(std::uint64_t size) override {
        const Call call{Operation::truncate, path_, size};
        if (!writable_) return wrong_kind(path_, "truncate: it is open for reading only");
        const Fate fate = enter(call);
        if (disk_.takes_effect(fate)) node_->content.truncate(size);
        if (fate != Fate::goes_well) return disk_.error_of(fate, call);
        return Ok{};
    }

    Result<std::uint64_t> size() const override {
        const Call call{Operation::size, path_};
        const Fate fate = enter(call);
        if (fate != Fate::goes_well) return disk_.error_of(fate, call);
        return node_->content.live().size();
    }

private:
    Fate enter(const Call& call) const {
        if (process_ != disk_.process_) return Fate::finds_itself_dead;
        return disk_.enter(call);
    }

    SimFileSystem& disk_;
    SimNodePtr node_;
    std::string path_;
    bool writable_;
    std::uint64_t process_;
};

/// Its number tells whether the lock on the node is still this one.
class SimFileSystem::Lock final : public FileLock {
public:
    Lock(SimNodePtr node, std::uint64_t number) : node_(std::move(node)), number_(number) {}
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() override {
        if (node_->lock == number_) node_->lock = 0;
    }

private:
    SimNodePtr node_;
    std::uint64_t number_;
};

SimFileSystem::SimFileSystem(std::uint64_t seed) : random_(seed) {}

std::uint64_t SimFileSystem::used() const {
    std::uint64_t sum = 0;
    tree_.for_each_file([&](const SimContent& content) { sum += content.live().size(); });
    return sum;
}

// --- Faults

void SimFileSystem::fail_after(std::uint64_t calls, DiskFault fault, Errc code) {
    SE_ASSERT(code == Errc::io || code == Errc::no_space);
    fails_at_ = calls_ + calls;
    fault_ = fault;
    fault_code_ = code;
    failed_ = false;
}

void SimFileSystem::mend() {
    fails_at_.reset();
    failed_ = false;
}

SimFileSystem::Fate SimFileSystem::enter(const Call& call) {
    using enum Operation;
    static constexpr Operation kChanging[] = {
        create, write, sync, truncate, rename, remove, remove_tree, make_directory, sync_directory};
    static constexpr Operation kNeedRoom[] = {create, write, rename, make_directory};
    const auto is_in = [&](std::span<const Operation> set) {
        return std::ranges::find(set, call.operation) != set.end();
    };
    if (!reads_count_ && !is_in(kChanging)) return Fate::goes_well;

    const std::uint64_t process = process_;
    if (hook_) hook_(call);
    if (process != process_) return Fate::finds_itself_dead;
    const bool due = fails_at_ && calls_ >= *fails_at_;
    ++calls_;
    if (!due || (fault_code_ == Errc::no_space && !is_in(kNeedRoom))) return Fate::goes_well;
    failed_ = true;
    if (fault_ == DiskFault::hiccup) fails_at_.reset();
    return Fate::fails;
}

Error SimFileSystem::error_of(Fate fate, const Call& call) const {
    const bool dead = fate == Fate::finds_itself_dead;
    return {dead ? Errc::io : fault_code_,
            std::string(call.path) + ": " +
                std::string(kOperationNames[static_cast<std::size_t>(call.operation)]) +
                (dead ? ": the process is dead" : ": simulated failure")};
}

/// Whether a call does its work. One that fails may have done it all the same.
bool SimFileSystem::takes_effect(Fate fate) {
    if (fate == Fate::fails) return fault_code_ == Errc::io && random_.chance(50);
    return fate == Fate::goes_well;
}

void SimFileSystem::crash() {
    ++process_;
    fails_at_.reset();
}

void SimFileSystem::power_cut() {
    crash();
    ++boot_;
    tree_.cut_power(random_);
}

void SimFileSystem::evict() {
    tree_.for_each_file([](SimContent& content) { content.evict(); });
}

void SimFileSystem::flip_bit(const std::string& path, std::uint64_t bit) {
    const auto node = tree_.find(path);
    SE_ASSERT(node && !(*node)->is_directory);
    (*node)->content.flip_bit(bit);
}

// --- The door

Result<std::unique_ptr<File>> SimFileSystem::open(const std::string& path, OpenMode mode) {
    const Call call{mode == OpenMode::create ? Operation::create : Operation::open, path};
    const Fate fate = enter(call);
    if (fate == Fate::finds_itself_dead) return error_of(fate, call);
    auto node = tree_.find(path);
    if (!node && node.error().code == Errc::not_found && mode == OpenMode::create) {
        SE_TRY(place, tree_.find_place(path));
        if (takes_effect(fate)) {
            node = tree_.make_node(false);
            tree_.move(*node, {}, place);
        }
    }
    if (fate == Fate::fails) return error_of(fate, call);
    if (!node) return std::move(node).error();
    if ((*node)->is_directory) return wrong_kind(path, "open: it is a directory");
    return std::unique_ptr<File>(
        std::make_unique<OpenFile>(*this, *node, path, mode != OpenMode::read));
}

Result<std::vector<std::string>> SimFileSystem::list(const std::string& directory) {
    const Call call{Operation::list, directory};
    if (const Fate fate = enter(call); fate != Fate::goes_well) return error_of(fate, call);
    SE_TRY(node, tree_.find_directory(directory));
    std::vector<std::string> names;
    for (const auto& [name, entry] : node->entries) names.push_back(name);
    return names;
}

Result<bool> SimFileSystem::exists(const std::string& path) {
    const Call call{Operation::exists, path};
    if (const Fate fate = enter(call); fate != Fate::goes_well) return error_of(fate, call);
    return static_cast<bool>(tree_.find(path));
}

Status SimFileSystem::rename(const std::string& from, const std::string& to) {
    const Call call{Operation::rename, from};
    const Fate fate = enter(call);
    if (fate == Fate::finds_itself_dead) return error_of(fate, call);
    SE_TRY(node, tree_.find(from));
    SE_TRY(from_place, tree_.find_place(from));
    SE_TRY(to_place, tree_.find_place(to));
    const auto target = tree_.find(to);
    if (target && *target != node && ((*target)->is_directory || node->is_directory))
        return wrong_kind(from, "rename to " + to + ": only a file can take the place of a file");
    if (takes_effect(fate) && from_place != to_place) tree_.move(node, from_place, to_place);
    if (fate == Fate::fails) return error_of(fate, call);
    return Ok{};
}

Status SimFileSystem::remove(const std::string& path) {
    const Call call{Operation::remove, path};
    const Fate fate = enter(call);
    if (fate == Fate::finds_itself_dead) return error_of(fate, call);
    SE_TRY(node, tree_.find(path));
    if (node->is_directory) return wrong_kind(path, "remove: it is a directory");
    if (takes_effect(fate)) tree_.move(node, *tree_.find_place(path), {});
    if (fate == Fate::fails) return error_of(fate, call);
    return Ok{};
}

Status SimFileSystem::remove_tree(const std::string& directory) {
    const Call call{Operation::remove_tree, directory};
    const Fate fate = enter(call);
    if (fate == Fate::finds_itself_dead) return error_of(fate, call);
    SE_TRY(node, tree_.find(directory));
    SE_TRY(place, tree_.find_place(directory));
    std::uint64_t limit = fate == Fate::goes_well ? ~0ull : random_.below(8);
    tree_.remove_all(node, place, limit);
    if (fate == Fate::fails) return error_of(fate, call);
    return Ok{};
}

Status SimFileSystem::make_directory(const std::string& path) {
    const Call call{Operation::make_directory, path};
    const Fate fate = enter(call);
    if (fate == Fate::finds_itself_dead) return error_of(fate, call);
    if (const auto node = tree_.find(path)) {
        if (!(*node)->is_directory) return wrong_kind(path, "make directory: a file is there");
    } else {
        SE_TRY(place, tree_.find_place(path));
        if (takes_effect(fate)) tree_.move(tree_.make_node(true), {}, place);
    }
    if (fate == Fate::fails) return error_of(fate, call);
    return Ok{};
}

Result<std::uint64_t> SimFileSystem::free_space(const std::string& path) {
    const Call call{Operation::free_space, path};
    if (const Fate fate = enter(call); fate != Fate::goes_well) return error_of(fate, call);
    SE_TRY(node, tree_.find(path));
    static_cast<void>(node);  // all files share one space; but the path must lead somewhere
    return capacity_ - std::min(capacity_, used());
}

Result<FileIdentity> SimFileSystem::identity(const std::string& path) {
    const Call call{Operation::identity, path};
    if (const Fate fate = enter(call); fate != Fate::goes_well) return error_of(fate, call);
    SE_TRY(node, tree_.find(path));
    return FileIdentity{"sim-boot-" + std::to_string(boot_), "sim-mount", 1, node->inode};
}

Result<std::unique_ptr<FileLock>> SimFileSystem::lock(const std::string& path) {
    const Call call{Operation::lock, path};
    if (const Fate fate = enter(call); fate != Fate::goes_well) return error_of(fate, call);
    SE_TRY(node, tree_.find(path));
    if (node->is_directory) return wrong_kind(path, "lock: it is a directory");
    if (node->lock != 0 && node->lock_process == process_)
        return Error{Errc::busy, path + ": lock: somebody else holds it"};
    node->lock = ++locks_;
    node->lock_process = process_;
    return std::unique_ptr<FileLock>(std::make_unique<Lock>(node, node->lock));
}

Result<bool> SimFileSystem::is_locked(const std::string& path) {
    const Call call{Operation::is_locked, path};
    if (const Fate fate = enter(call); fate != Fate::goes_well) return error_of(fate, call);
    SE_TRY(node, tree_.find(path));
    return node->lock != 0 && node->lock_process == process_;
}

Status SimFileSystem::sync_directory(const std::string& path) {
    const Call call{Operation::sync_directory, path};
    const Fate fate = enter(call);
    if (fate != Fate::goes_well) return error_of(fate, call);
    SE_TRY(directory, tree_.find_directory(path));
    tree_.sync(directory);
    return Ok{};
}

// --- For tests

std::optional<std::string> SimFileSystem::content(const std::string& path) const {
    const auto node = tree_.find(path);
    if (!node || (*node)->is_directory) return std::nullopt;
    return (*node)->content.live();
}

std::optional<std::string> SimFileSystem::durable_content(const std::string& path) const {
    const SimNodePtr node = tree_.find_durable(path);
    if (!node || node->is_directory) return std::nullopt;
    return node->content.durable();
}

void SimFileSystem::put(const std::string& path, std::string_view content) {
    const SimNodePtr node = tree_.put(path);
    SE_ASSERT(!node->is_directory);
    node->content.truncate(0);
    node->content.write(0, content);
    node->content.sync();
}

}  // namespace se
