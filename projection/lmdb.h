#pragma once

#include <sys/types.h>

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "journal/base/ids.h"
#include "journal/base/result.h"

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

/// The only module that knows <lmdb.h>: what the projection needs of LMDB, with its traps closed.
///
/// - Under MDB_WRITEMAP a write into a hole of the file is SIGBUS when the disk is full. So every
/// byte
///   of the map is allocated before LMDB may use it, and the map grows only between transactions.
/// - Growing moves the map. So a writer's own snapshots read through a second, read-only map of
/// fixed
///   size that never moves; a slot in the reader table protects their pages from being used again.
/// - Opening one file twice in a process breaks its locks. So all of a process share one Env a
/// file.
namespace se::lmdb {

enum class Database : std::uint8_t { state, history, ids, ttl, held, pending, buckets, meta };
inline constexpr std::size_t kDatabases = 8;
inline constexpr unsigned kReadersMax = 1024;

struct MapLimits {
    std::uint64_t first = 0;  ///< bytes at first
    std::uint64_t step = 0;   ///< doubled until a step would be more than this, then grown by it
    std::uint64_t max = 0;    ///< never more; readers map this much. At the limit: Errc::no_space
};

/// What readers in the writer's process need to know of a commit at once: saves each a look-up.
struct CommitNote {
    Seq seq;
    Epoch epoch;
};

class Env;

/// Walks one database within a transaction, which must outlive it. Views are valid as long as the
/// transaction (and in a write transaction until its next change).
class Cursor {
public:
    // Each says whether it stands on an item now.
    Result<bool> first();
    Result<bool> next();
    Result<bool> seek(std::string_view at_or_after);
    // In a database with several values a key (history), values ascending:
    Result<bool> last_value_of(std::string_view key);
    Result<bool> last_value_below(std::string_view key, std::string_view bound);
    Result<bool> previous_value();
    Result<bool> seek(std::string_view key, std::string_view at_or_after);  // or at the next key

    std::string_view key() const { return key_; }
    std::string_view value() const { return value_; }

private:
    friend class ReadTxn;
    struct Close {
        void operator()(MDB_cursor* cursor) const;
    };
    Result<bool> move(int operation, std::string_view key = {}, std::string_view value = {});

    std::unique_ptr<MDB_cursor, Close> cursor_;
    std::string_view key_, value_;
};

/// One consistent view of everything, as of one commit. Any thread may use it, one at a time.
class ReadTxn {
public:
    ReadTxn(ReadTxn&& other) noexcept;
    ReadTxn& operator=(ReadTxn&& other) noexcept;
    ~ReadTxn();

    Result<std::optional<std::string_view>> get(Database database, std::string_view key) const;
    Result<std::uint64_t> count(Database database) const;
    Result<Cursor> cursor(Database database) const;
    /// What the writer said of this commit (Env::write), if it is one of this process, and the
    /// newest.
    const std::optional<CommitNote>& note() const { return note_; }

private:
    friend class Env;
    struct Slots {
        MDB_txn* view = nullptr;
        MDB_txn* guard = nullptr;  // writer's process only: holds the place in the reader table
    };
    ReadTxn(std::shared_ptr<Env> env, Slots slots, std::optional<CommitNote> note)
        : env_(std::move(env)), slots_(slots), note_(note) {}

    std::shared_ptr<Env> env_;
    Slots slots_;
    std::optional<CommitNote> note_;
};

/// A write that happens wholly on commit(), or not at all.
class WriteTxn {
public:
    Result<std::optional<std::string_view>> get(Database database, std::string_view key) const;
    Status put(Database database, std::string_view key, std::string_view value);
    /// get(), and stands there: put_here() then needs no search of its own. Nothing may be changed
    /// in this database between the two.
    Result<std::optional<std::string_view>> find(Database database, std::string_view key);
    Status put_here(Database database, std::string_view key, std::string_view value);
    /// False, and nothing changed, when the key is there already.
    Result<bool> put_new(Database database, std::string_view key, std::string_view value);
    /// Behind all that the database holds: fills pages whole.
    Status append(Database database, std::string_view key, std::string_view value);
    /// The same for a key with several values, ascending, 8 bytes each.
    Status append_several(Database database, std::string_view key, std::string_view values);
    Status erase(Database database, std::string_view key);

private:
    friend class Env;
    struct Abort {
        void operator()(MDB_txn* txn) const;
    };
    WriteTxn(Env& env, MDB_txn* txn) : env_(&env), txn_(txn) {}
    Status put_with(Database database, std::string_view key, std::string_view value,
                    unsigned flags);

    Result<MDB_cursor*> cursor(Database database);

    Env* env_;
    std::unique_ptr<MDB_txn, Abort> txn_;
    std::array<MDB_cursor*, kDatabases> cursors_{};  // end with the transaction
    bool found_ = false;                             // by the last find()
};

/// The files data.mdb and lock.mdb in one directory. Safe for one writing thread and any number of
/// reading ones.
class Env : public std::enable_shared_from_this<Env> {
public:
    /// Makes the files and databases when absent. Errc::busy when this process already reads it
    /// without being able to write; Errc::corruption when it is no such file, or shorter than it
    /// says.
    static Result<std::shared_ptr<Env>> open_writer(const std::string& directory, MapLimits limits);
    /// Errc::not_found when absent. Writes nothing but its slot in lock.mdb.
    static Result<std::shared_ptr<Env>> open_reader(const std::string& directory,
                                                    std::uint64_t map_bytes);
    ~Env();
    Env(const Env&) = delete;
    Env& operator=(const Env&) = delete;

    /// About 100 ns: transactions are reused.
    Result<ReadTxn> read();

    /// Runs `body(WriteTxn&)` and commits. When the map is full it is grown and all is done again,
    /// so `body` may run several times and must start anew each time. An Error changes nothing.
    template <std::invocable<WriteTxn&> Body>
    Status write(Body&& body, std::optional<CommitNote> note = {}) {
        for (;;) {
            SE_TRY_OK(reserve());
            Status done = write_once(body, note);
            if (done || !std::exchange(map_full_, false)) return done;
            SE_TRY_OK(grow());
        }
    }

    Status sync();

    /// Frees the slots of dead readers; then how many commits the oldest living one is behind.
    Result<std::uint64_t> check_readers();
    std::uint64_t map_bytes() const { return map_bytes_; }
    std::uint64_t used_bytes() const;

private:
    friend class ReadTxn;
    friend class WriteTxn;
    using Handles = std::array<unsigned, kDatabases>;
    Env() = default;

    template <class Body>
    Status write_once(Body&& body, std::optional<CommitNote> note) {
        SE_TRY(txn, begin_write());
        SE_TRY_OK(body(txn));
        return commit(std::move(txn), note);
    }
    Result<WriteTxn> begin_write();
    Status commit(WriteTxn txn, std::optional<CommitNote> note);
    Status reserve();
    Status grow();
    Status allocate(std::uint64_t bytes);
    Status renew(ReadTxn::Slots& slots);
    void release(ReadTxn::Slots slots);
    Status open_main(const std::string& directory);
    Status open_databases(WriteTxn& txn);
    Status open_view(const std::string& directory, unsigned flags, std::uint64_t map_bytes);
    Status check(int rc, const char* call);

    MDB_env* main_ = nullptr;  // writes; absent in a process that only reads
    MDB_env* view_ = nullptr;  // reads
    Handles main_handles_{}, view_handles_{};
    MapLimits limits_;
    int data_file_ = -1;
    pid_t process_ = 0;
    std::uint64_t map_bytes_ = 0;
    bool reserved_ = false;  // every byte of the map is allocated
    bool map_full_ = false;  // why the last write failed
    bool lost_ = false;      // the map could not be moved: no more writes

    std::mutex mutex_;  // of what follows, and: no guard is renewed while the map moves
    std::vector<ReadTxn::Slots> idle_;
    std::uint64_t noted_commit_ = 0;
    CommitNote note_{};
};

}  // namespace se::lmdb
