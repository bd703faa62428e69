#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/filesystem.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_tree.h"

namespace se {

enum class DiskFault {
    hiccup,   ///< one call fails half-way, and the disk goes on as if nothing had happened
    lasting,  ///< that call and every later one fails, until mend(), crash() or power_cut()
};

/// A disk in memory that fails on demand, the same way for the same seed. It must outlive its
/// files, and is for one thread. Relative paths begin at the root; `..` is not for it.
///
/// Three layers, as in a real one: what processes see; what is durable; and between them what was
/// written, created, renamed or removed but not synced. crash() keeps all three. power_cut() keeps
/// what is durable, and of the rest what the seed says.
class SimFileSystem final : public FileSystem {
public:
    enum class Operation {
        open,
        create,  // open in that mode
        list,
        exists,
        read,
        write,
        sync,
        truncate,
        size,
        rename,
        remove,
        remove_tree,
        make_directory,
        sync_directory,
        free_space,
        identity,
        lock,
        is_locked,
    };

    /// One use of the door. `path` is of the file as it was opened.
    struct Call {
        Operation operation;
        std::string_view path;
        std::uint64_t offset = 0;  ///< of a write; the new size for truncate
        std::uint64_t size = 0;    ///< of a write
    };

    explicit SimFileSystem(std::uint64_t seed);

    // --- Faults. Those calls count that may change something: create, write, sync, truncate,
    // rename, remove, remove_tree, make_directory, sync_directory; with count_reads(true) all
    // others too.

    /// Lets `calls` of them succeed; the next one meets the fault. With Errc::io it fails half-way:
    /// any part of its effect may be there. With Errc::no_space nothing was done, and only calls
    /// that need room fail: create, write, rename, make_directory. A fault that is due at another
    /// waits for one of these.
    ///
    /// What a failed sync of a file did not get to the disk is lost, and later syncs know nothing
    /// of it. A failed sync_directory leaves its operations to a later one.
    void fail_after(std::uint64_t calls, DiskFault fault, Errc code = Errc::io);
    void mend();                             ///< no fault (any more)
    bool failed() const { return failed_; }  ///< a call has failed since fail_after() or mend()
    std::uint64_t calls() const { return calls_; }  ///< so far
    void count_reads(bool yes) { reads_count_ = yes; }

    /// Is called before each call that counts. It may call crash() and power_cut(): the call then
    /// finds its process dead. Nothing to call: {}.
    void on_call(std::function<void(const Call&)> hook) { hook_ = std::move(hook); }

    /// The process dies and the next begins: locks are free, files that were open answer Errc::io
    /// for ever, nothing is lost, nothing is synced by it. A fault is over.
    void crash();

    /// The machine restarts: crash(), a new boot id, and of what was not synced each write is kept,
    /// lost or torn at any byte, each directory operation is kept or lost (a rename whole).
    /// Sometimes in the order of a journaling file system, sometimes in none.
    void power_cut();

    /// The page cache lets go of clean pages: after a failed sync that is when the loss shows.
    void evict();

    /// How many bytes fit in all files together.
    void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }

    void flip_bit(const std::string& path, std::uint64_t bit);  ///< in a file that has it

    /// The next write lands `by` bytes off from where it should.
    void misdirect_next_write(std::int64_t by) { misdirection_ = by; }

    // --- For tests to look and to prepare. These are no calls, and do not fail.

    /// What processes see, or would find if the power went now and all unsynced bytes were lost.
    std::optional<std::string> content(const std::string& path) const;
    std::optional<std::string> durable_content(const std::string& path) const;

    /// Makes a file with that content, and its folders; all of it durable.
    void put(const std::string& path, std::string_view content);

    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
    Result<std::vector<std::string>> list(const std::string& directory) override;
    Result<bool> exists(const std::string& path) override;
    Status rename(const std::string& from, const std::string& to) override;
    Status remove(const std::string& path) override;
    Status remove_tree(const std::string& directory) override;
    Status make_directory(const std::string& path) override;
    Status sync_directory(const std::string& path) override;
    Result<std::uint64_t> free_space(const std::string& path) override;
    Result<FileIdentity> identity(const std::string& path) override;
    Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
    Result<bool> is_locked(const std::string& path) override;

private:
    class OpenFile;
    class Lock;

    enum class Fate { goes_well, fails, finds_itself_dead };

    Fate enter(const Call& call);
    Error error_of(Fate fate, const Call& call) const;
    bool takes_effect(Fate fate);

    std::uint64_t used() const;

    SimTree tree_;
    SimRandom random_;
    std::function<void(const Call&)> hook_;

    std::uint64_t calls_ = 0;
    std::optional<std::uint64_t> fails_at_;  // the number of the call that meets the fault
    DiskFault fault_ = DiskFault::hiccup;
    Errc fault_code_ = Errc::io;
    bool failed_ = false;
    bool reads_count_ = false;

    std::uint64_t capacity_ = 1ull << 40;
    std::int64_t misdirection_ = 0;
    std::uint64_t locks_ = 0;
    std::uint64_t process_ = 1;  // number of the process that lives; files and locks belong to one
    std::uint64_t boot_ = 1;
};

}  // namespace se
