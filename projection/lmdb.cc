#include "projection/lmdb.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <thread>

#include "projection/lmdb.internal.h"

namespace se::lmdb {
namespace {

constexpr unsigned kWriterFlags = MDB_WRITEMAP | MDB_NOSYNC | MDB_NORDAHEAD | MDB_NOTLS;
constexpr unsigned kReaderFlags = MDB_RDONLY | MDB_NORDAHEAD | MDB_NOTLS;
constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kLockFileBytes = 128 * kReadersMax;  // a slot has 64 bytes
constexpr std::size_t kIdleMax = 64;
constexpr int kRenewTries = 1000;

/// Every byte of `path` up to `bytes` gets its place on the disk, so that a mapped write never
/// needs one.
int allocate_file(int file, std::uint64_t bytes) {
    int rc = EINTR;
    while (rc == EINTR) rc = posix_fallocate(file, 0, static_cast<off_t>(bytes));
    return rc;
}

/// The reader table is mapped and written as well. Needs: nobody in this process has it open, as
/// closing it here would let go of their locks.
Status allocate_lock_file(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    // A store that may only be read has readers without a table.
    if (file < 0) return errno == EROFS || errno == EACCES ? Status(Ok{}) : outcome(errno, "open");
    struct stat status {};
    int rc = ::fstat(file, &status) == 0 ? 0 : errno;
    const auto bytes = std::max(kLockFileBytes, static_cast<std::uint64_t>(status.st_size));
    if (rc == 0 && static_cast<std::uint64_t>(status.st_blocks) * 512 < bytes)
        rc = allocate_file(file, bytes);
    ::close(file);
    return outcome(rc, "allocate lock.mdb");
}

/// A new file gets its two first pages through write(), which can say no, before anything is
/// mapped.
Status write_first_pages(const std::string& directory, std::uint64_t map_bytes) {
    MDB_env* env = nullptr;
    SE_TRY_OK(outcome(mdb_env_create(&env), "env_create"));
    mdb_env_set_mapsize(env, map_bytes);
    const int rc = mdb_env_open(env, directory.c_str(), MDB_NOLOCK | MDB_NOSYNC, 0600);
    mdb_env_close(env);
    return outcome(rc, "create");
}

/// This process, without a system call: fork() makes it another one.
pid_t this_process() {
    static std::atomic<pid_t> process = [] {
        ::pthread_atfork(nullptr, nullptr, [] { process = ::getpid(); });
        return ::getpid();
    }();
    return process.load(std::memory_order_relaxed);
}

/// What this process has open, by file.
struct Registry {
    using File = std::pair<dev_t, ino_t>;
    struct Opened {
        std::weak_ptr<Env> env;
        pid_t process = 0;
    };
    std::mutex mutex;
    std::map<File, Opened> open;
};
Registry& registry() {
    static Registry* const kOnly = new Registry;  // outlives every static that may close an Env
    return *kOnly;
}

/// Closed under the registry's lock: nobody opens the same file meanwhile.
struct CloseRegistered {
    Registry::File file;
    void operator()(Env* env) const {
        const std::lock_guard lock(registry().mutex);
        const auto found = registry().open.find(file);
        if (found != registry().open.end() && found->second.env.expired())
            registry().open.erase(found);
        delete env;
    }
};

/// Finds what is open, or opens it with `open(file descriptor's status)`.
template <class Open>
Result<std::shared_ptr<Env>> find_or_open(Registry::File file, Open&& open) {
    for (;;) {
        {
            const std::lock_guard lock(registry().mutex);
            const auto found = registry().open.find(file);
            // A child of fork() shares nothing with its parent's, and must never close it.
            const bool known =
                found != registry().open.end() && found->second.process == this_process();
            if (known) {
                if (std::shared_ptr<Env> env = found->second.env.lock()) return env;
            } else {
                SE_TRY(fresh, open());
                std::shared_ptr<Env> env(fresh.release(), CloseRegistered{file});
                registry().open[file] = {env, this_process()};
                return env;
            }
        }
        std::this_thread::yield();  // its last owner is closing it
    }
}

struct OpenFile {
    int descriptor = -1;
    struct stat status {};
    ~OpenFile() {
        if (descriptor >= 0) ::close(descriptor);
    }
    Status open(const std::string& path, int flags) {
        descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
        if (descriptor < 0 || ::fstat(descriptor, &status) != 0) {
            const int rc = errno;
            return Error{errc_of(rc), path + ": " + mdb_strerror(rc)};
        }
        return Ok{};
    }
    Registry::File identity() const { return {status.st_dev, status.st_ino}; }
    std::uint64_t size() const { return static_cast<std::uint64_t>(status.st_size); }
};

/// A file cut short would be SIGBUS for who reads behind its end.
Status check_length(MDB_env* env, std::uint64_t file_bytes) {
    MDB_envinfo info{};
    SE_TRY_OK(outcome(mdb_env_info(env, &info), "env_info"));
    if ((info.me_last_pgno + 1) * kPageBytes > file_bytes)
        return Error{Errc::corruption, "lmdb: data.mdb is shorter than its last page"};
    return Ok{};
}

}  // namespace

Errc errc_of(int rc) {
    switch (rc) {
        case MDB_CORRUPTED:
        case MDB_PAGE_NOTFOUND:
        case MDB_INVALID:
        case MDB_PANIC:
            return Errc::corruption;
        case MDB_VERSION_MISMATCH:
            return Errc::unsupported;
        case MDB_MAP_FULL:
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
            return Errc::no_space;
        case MDB_READERS_FULL:
        case MDB_MAP_RESIZED:
            return Errc::unavailable;
        case MDB_TXN_FULL:
        case MDB_BAD_VALSIZE:
            return Errc::too_large;
        case ENOENT:
            return Errc::not_found;
        default:
            return Errc::io;
    }
}

Status outcome(int rc, const char* call) {
    if (rc == MDB_SUCCESS) return Ok{};
    return Error{errc_of(rc), std::string("lmdb ") + call + ": " + mdb_strerror(rc)};
}

// --- opening -----------------------------------------------------------------------------------

Result<std::shared_ptr<Env>> Env::open_writer(const std::string& directory, MapLimits limits) {
    OpenFile data;
    SE_TRY_OK(data.open(directory + "/data.mdb", O_RDWR | O_CREAT));
    SE_TRY(env, find_or_open(data.identity(), [&]() -> Result<std::unique_ptr<Env>> {
               SE_TRY_OK(allocate_lock_file(directory + "/lock.mdb"));
               if (data.size() == 0) SE_TRY_OK(write_first_pages(directory, limits.first));
               std::unique_ptr<Env> fresh(new Env);
               fresh->process_ = this_process();
               fresh->limits_ = limits;
               fresh->data_file_ = std::exchange(data.descriptor, -1);
               // LMDB cuts or extends the file to the size of its map when it opens it: never cut
               // it.
               fresh->map_bytes_ = std::max(limits.first, data.size()) / kPageBytes * kPageBytes;
               const Status reserved = fresh->reserve();
               // With no room now, reading goes on; every write asks again.
               if (!reserved && (reserved.error().code != Errc::no_space || data.size() == 0))
                   return reserved.error();
               SE_TRY_OK(fresh->open_main(directory));
               if (data.size() > 0) SE_TRY_OK(check_length(fresh->main_, data.size()));
               SE_TRY_OK(fresh->write([&](WriteTxn& txn) { return fresh->open_databases(txn); }));
               // No locks: the guard, which has its place in the reader table, stands for it.
               SE_TRY_OK(fresh->open_view(directory, kReaderFlags | MDB_NOLOCK,
                                          std::max(limits.max, fresh->map_bytes_)));
               return fresh;
           }));
    if (env->main_ == nullptr)
        return Error{Errc::busy, directory + ": this process reads it; it must let go first"};
    return env;
}

Result<std::shared_ptr<Env>> Env::open_reader(const std::string& directory,
                                              std::uint64_t map_bytes) {
    OpenFile data;
    SE_TRY_OK(data.open(directory + "/data.mdb", O_RDONLY));
    return find_or_open(data.identity(), [&]() -> Result<std::unique_ptr<Env>> {
        SE_TRY_OK(allocate_lock_file(directory + "/lock.mdb"));
        std::unique_ptr<Env> fresh(new Env);
        fresh->process_ = this_process();
        fresh->map_bytes_ = map_bytes;
        SE_TRY_OK(fresh->open_view(directory, kReaderFlags, map_bytes));
        return fresh;
    });
}

Status Env::open_main(const std::string& directory) {
    SE_TRY_OK(check(mdb_env_create(&main_), "env_create"));
    SE_TRY_OK(check(mdb_env_set_maxdbs(main_, kDatabases), "set_maxdbs"));
    SE_TRY_OK(check(mdb_env_set_maxreaders(main_, kReadersMax), "set_maxreaders"));
    SE_TRY_OK(check(mdb_env_set_mapsize(main_, map_bytes_), "set_mapsize"));
    return check(mdb_env_open(main_, directory.c_str(), kWriterFlags, 0600), "open");
}

Status Env::open_databases(WriteTxn& txn) {
    for (std::size_t i = 0; i < kDatabases; ++i)
        SE_TRY_OK(check(mdb_dbi_open(txn.txn_.get(), kForms[i].name, kForms[i].flags | MDB_CREATE,
                                     &main_handles_[i]),
                        "dbi_open"));
    return Ok{};
}

Status Env::open_view(const std::string& directory, unsigned flags, std::uint64_t map_bytes) {
    SE_TRY_OK(check(mdb_env_create(&view_), "env_create"));
    SE_TRY_OK(check(mdb_env_set_maxdbs(view_, kDatabases), "set_maxdbs"));
    SE_TRY_OK(check(mdb_env_set_maxreaders(view_, kReadersMax), "set_maxreaders"));
    SE_TRY_OK(check(mdb_env_set_mapsize(view_, map_bytes), "set_mapsize"));
    SE_TRY_OK(check(mdb_env_open(view_, directory.c_str(), flags, 0600), "open"));
    int file = -1;
    struct stat status {};
    SE_TRY_OK(check(mdb_env_get_fd(view_, &file), "get_fd"));
    if (::fstat(file, &status) != 0) return outcome(errno, "fstat");
    SE_TRY_OK(check_length(view_, static_cast<std::uint64_t>(status.st_size)));

    MDB_txn* txn = nullptr;
    SE_TRY_OK(check(mdb_txn_begin(view_, nullptr, MDB_RDONLY, &txn), "txn_begin"));
    for (std::size_t i = 0; i < kDatabases; ++i) {
        const int rc = mdb_dbi_open(txn, kForms[i].name, kForms[i].flags, &view_handles_[i]);
        if (rc == MDB_SUCCESS) continue;
        mdb_txn_abort(txn);
        return Error{Errc::corruption, std::string("lmdb: no database ") + kForms[i].name};
    }
    return check(mdb_txn_commit(txn), "txn_commit");  // keeps the handles
}

Env::~Env() {
    // A child of fork() must not touch what its parent uses.
    if (process_ != this_process()) return;
    for (const ReadTxn::Slots& slots : idle_) {
        mdb_txn_abort(slots.view);
        if (slots.guard != nullptr) mdb_txn_abort(slots.guard);
    }
    if (view_ != nullptr) mdb_env_close(view_);
    if (main_ != nullptr) mdb_env_close(main_);
    if (data_file_ >= 0) ::close(data_file_);
}

Status Env::check(int rc, const char* call) {
    if (rc == MDB_MAP_FULL) map_full_ = true;
    return outcome(rc, call);
}

// --- room --------------------------------------------------------------------------------------

Status Env::allocate(std::uint64_t bytes) {
    const int rc = allocate_file(data_file_, bytes);
    if (rc == 0) return Ok{};
    const Status failed = outcome(rc, "allocate data.mdb");
    // Give back what it got: others may need it more. Nobody reads behind the old end.
    if (main_ != nullptr && ::ftruncate(data_file_, static_cast<off_t>(map_bytes_)) != 0)
        return outcome(errno, "truncate data.mdb");
    return failed;
}

Status Env::reserve() {
    if (lost_) return Error{Errc::io, "lmdb: the map was lost when it grew: reopen"};
    if (reserved_) return Ok{};
    SE_TRY_OK(allocate(map_bytes_));
    reserved_ = true;
    return Ok{};
}

Status Env::grow() {
    const std::uint64_t wanted =
        map_bytes_ + std::min(std::max(map_bytes_, kPageBytes), limits_.step);
    const std::uint64_t next = std::min(wanted, limits_.max) / kPageBytes * kPageBytes;
    if (next <= map_bytes_)
        return Error{Errc::no_space, "lmdb: the map has its largest size, " +
                                         std::to_string(limits_.max) + " bytes"};
    SE_TRY_OK(allocate(next));
    const std::lock_guard lock(mutex_);
    lost_ = true;
    SE_TRY_OK(check(mdb_env_set_mapsize(main_, next), "set_mapsize"));
    lost_ = false;
    map_bytes_ = next;
    return Ok{};
}

std::uint64_t Env::used_bytes() const {
    MDB_envinfo info{};
    return mdb_env_info(view_, &info) == MDB_SUCCESS ? (info.me_last_pgno + 1) * kPageBytes : 0;
}

Status Env::sync() {
    return check(mdb_env_sync(main_, 1), "sync");
}

Result<std::uint64_t> Env::check_readers() {
    MDB_env* const env = main_ != nullptr ? main_ : view_;
    int dead = 0;
    SE_TRY_OK(check(mdb_reader_check(env, &dead), "reader_check"));
    MDB_envinfo info{};
    SE_TRY_OK(check(mdb_env_info(view_, &info), "env_info"));
    std::uint64_t oldest = info.me_last_txnid;
    // LMDB tells it only as text: a title, then "pid thread txnid" lines, "-" for a slot at rest.
    mdb_reader_list(
        env,
        [](const char* line, void* context) {
            std::string_view row = line;
            row = row.substr(0, row.find('\n'));
            const std::string last(row.substr(row.rfind(' ') + 1));
            char* end = nullptr;
            const std::uint64_t txnid = std::strtoull(last.c_str(), &end, 10);
            auto* least = static_cast<std::uint64_t*>(context);
            if (!last.empty() && *end == '\0') *least = std::min(*least, txnid);
            return 0;
        },
        &oldest);
    return info.me_last_txnid - oldest;
}

// --- reading -----------------------------------------------------------------------------------

Status Env::renew(ReadTxn::Slots& slots) {
    const auto start = [](MDB_env* env, MDB_txn*& txn) {
        return txn != nullptr ? mdb_txn_renew(txn) : mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
    };
    if (main_ != nullptr && !lost_) {
        // First the guard: from here on, no page of the newest commit or any later one is used
        // again.
        if (const int rc = start(main_, slots.guard)) return outcome(rc, "guard");
    }
    // LMDB copies the roots of a commit out of a place that the second next commit overwrites. When
    // no newer one has come meanwhile, they are whole.
    for (int tries = 0; tries < kRenewTries; ++tries) {
        if (const int rc = start(view_, slots.view)) return outcome(rc, "txn_begin");
        MDB_envinfo info{};
        SE_TRY_OK(outcome(mdb_env_info(view_, &info), "env_info"));
        if (info.me_last_txnid == mdb_txn_id(slots.view)) return Ok{};
        mdb_txn_reset(slots.view);
    }
    return Error{Errc::unavailable, "lmdb: commits come too fast to read between them"};
}

Result<ReadTxn> Env::read() {
    ReadTxn::Slots slots;
    Status renewed = Ok{};
    std::optional<CommitNote> note;
    {
        const std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            slots = idle_.back();
            idle_.pop_back();
        }
        renewed = renew(slots);
        if (renewed && mdb_txn_id(slots.view) == noted_commit_) note = note_;
    }
    if (renewed) return ReadTxn(shared_from_this(), slots, note);
    if (slots.view != nullptr) mdb_txn_abort(slots.view);
    if (slots.guard != nullptr) mdb_txn_abort(slots.guard);
    return renewed.error();
}

void Env::release(ReadTxn::Slots slots) {
    if (process_ != this_process()) return;
    mdb_txn_reset(slots.view);
    if (slots.guard != nullptr) mdb_txn_reset(slots.guard);
    {
        const std::lock_guard lock(mutex_);
        if (idle_.size() < kIdleMax) {
            idle_.push_back(slots);
            return;
        }
    }
    mdb_txn_abort(slots.view);
    if (slots.guard != nullptr) mdb_txn_abort(slots.guard);
}

Result<WriteTxn> Env::begin_write() {
    map_full_ = false;
    MDB_txn* raw = nullptr;
    SE_TRY_OK(check(mdb_txn_begin(main_, nullptr, 0, &raw), "txn_begin"));
    return WriteTxn(*this, raw);
}

Status Env::commit(WriteTxn txn, std::optional<CommitNote> note) {
    const std::uint64_t id = mdb_txn_id(txn.txn_.get());
    // mdb_txn_commit frees the handle even when it fails, so we let go of it first.
    SE_TRY_OK(check(mdb_txn_commit(txn.txn_.release()), "commit"));
    const std::lock_guard lock(mutex_);
    noted_commit_ = note ? id : 0;
    note_ = note.value_or(CommitNote{});
    return Ok{};
}

}  // namespace se::lmdb
