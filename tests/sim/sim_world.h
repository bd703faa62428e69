#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/engine.h"
#include "journal/repair.h"
#include "projection/state_reader.h"
#include "tests/sim/sim_agents.h"
#include "tests/sim/sim_bus_world.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_filesystem.h"
#include "tests/sim/sim_follower.h"
#include "tests/sim/sim_history.h"
#include "tests/sim/sim_mirror.h"
#include "tests/sim/sim_mix.h"
#include "tests/sim/sim_model.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_runner.h"

namespace se::sim {

/// The real disk under LMDB, told apart from other machines by numbers that follow from the seed.
/// On demand a generation cannot be looked at, so LMDB fails before its first write.
class CacheFiles final : public FileSystem {
public:
    explicit CacheFiles(FileSystem& real) : real_(real) {}

    std::uint64_t boot = 1;
    bool broken = false;

    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
        return real_.open(path, mode);
    }
    Result<std::vector<std::string>> list(const std::string& path) override {
        return real_.list(path);
    }
    Result<bool> exists(const std::string& path) override { return real_.exists(path); }
    Status rename(const std::string& from, const std::string& to) override {
        return real_.rename(from, to);
    }
    Status remove(const std::string& path) override { return real_.remove(path); }
    Status remove_tree(const std::string& path) override { return real_.remove_tree(path); }
    Status make_directory(const std::string& path) override { return real_.make_directory(path); }
    Status sync_directory(const std::string& path) override { return real_.sync_directory(path); }
    Result<std::uint64_t> free_space(const std::string& path) override {
        return real_.free_space(path);
    }
    Result<FileIdentity> identity(const std::string& path) override;
    Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
        return real_.lock(path);
    }
    Result<bool> is_locked(const std::string& path) override { return real_.is_locked(path); }

private:
    FileSystem& real_;
    std::map<std::uint64_t, std::uint64_t> inodes_;
};

/// A life ends here, and nothing is broken: damage to what HEAD no longer vouches for looks torn.
struct Excused {
    std::string_view by;  ///< one of these
};
inline constexpr std::string_view kExcusePowerCut = "J2_power_cut";  ///< the one that DESIGN names
inline constexpr std::string_view kExcuseHeadSync = "failed_head_sync";  ///< the cache forgot it
inline constexpr std::string_view kExcuseHeadRotted = "HEAD_rotted_too";

/// One machine: a disk, clocks, at most one writer, and beside it readers of other processes. It
/// can be made to fail while the writer acts; whoever looks on is not disturbed. check() compares
/// all that can be seen with the model.
class World {
public:
    World(std::uint64_t seed, const Mix& mix, FileSystem& real, std::string cache_directory);
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World();

    SimRandom random;
    SimFileSystem disk;
    SimClock clock;
    SimRunner commits, background;
    Settings settings;
    Model model;
    History history;
    Follower follower;
    std::unique_ptr<Mirror> mirror;  ///< null: nothing is in Firestore
    std::unique_ptr<BusWorld> bus;  ///< null: this life has none
    std::unique_ptr<Engine> engine;
    std::unique_ptr<Agents> agents;  ///< null: nobody comes by MCP
    std::function<void(const std::string&)> trace = [](const std::string&) {};

    // --- Faults: of the next things that the writer does.
    enum class Death : std::uint8_t { no, crash, power_cut };
    void fail_in(std::uint64_t calls, DiskFault fault, Errc code, bool reads);
    void die_in(std::uint64_t calls, Death how);
    /// The machine goes down that many calls after the next segment got its name.
    void die_after_roll(std::uint64_t calls) { dies_after_roll_ = calls; }
    void break_cache(bool broken) { cache_.broken = broken; }
    void mend() { fails_in_.reset(); }
    void heal();

    /// Runs what the writer does under the faults that are due. False: it died on the way.
    bool act(const std::function<void()>& action);
    /// Opens the store, once; false when it did not open.
    bool open(std::optional<Policy> policy);
    /// The process ends, however far it has got.
    void leave();
    void crash();
    void power_cut();
    void evict();  ///< clean pages leave the page cache; needs that no writer runs
    void delete_cache();

    void submit(std::uint64_t number);
    void dry_run(const Request& request);
    void reload(Policy policy);
    void rebuild(bool swap);
    void step_follower(SimRandom& chance);
    void step_mirror(SimRandom& chance);
    bool rebuilding() const { return rebuilding_; }
    bool reloading() const { return reloading_; }
    /// FsyncMode::never: it has an answer, of a record that is not shown yet.
    bool told_early(std::uint64_t number) const;

    // --- Damage (sim_damage.cc)

    /// Something rots in what was acknowledged; needs that no writer runs. Then somebody opens,
    /// hears of it by name, repairs, and life goes on. False: it died on the way, or there was
    /// nothing.
    bool suffer_bit_rot(SimRandom& chance);
    /// Something rots that can be made anew.
    void rot_beside(SimRandom& chance);
    /// The next write into a segment lands elsewhere, and nobody is told.
    void misdirect_a_write(SimRandom& chance);
    bool wounded() const { return wound_.has_value(); }
    /// Needs that no writer runs: opens, repairs what verify names, and forgets what is lost.
    bool mend_wound(SimRandom& chance);
    /// Somebody starts another writer over the same store.
    void start_second_writer();

    /// All that can be seen now, against the model.
    void check();
    /// J5: of a failed journal nobody hears anything, and its disk is left alone.
    void check_failed(const std::function<void()>& action);
    /// P1, P2 at any moment: what another process would find in LMDB now.
    void check_cache();
    /// E1: the state grown anew from the journal is the same, to the last byte.
    Hash state_root();
    void check_state_reader();
    /// Reads the whole journal once more: what was shown before must still be there.
    void check_history();

private:
    struct Wound {
        Seq from, to;                  ///< seqs that may be lost
        Seq decided_on;                ///< what was decided up to here may rest on what is lost
        bool named = true;             ///< it must be noticed
        std::string_view excuse = {};  ///< why it may look torn: HEAD does not vouch for it
        bool rolled = false;           ///< it is in a segment of which HEAD was synced since
    };

    void note_call(const SimFileSystem::Call& call);
    void misdirect(const SimFileSystem::Call& call);
    void look_on();
    void follow();
    void follow_on();
    void follow_wounded();
    void excuse_wound(std::string_view excuse);
    bool meets_wound(const std::optional<Fault>& fault) const;
    void check_answers();
    bool check_answer(std::uint64_t number, const Answer& answer);
    void check_feed();
    void check_limits();
    void check_scrub();
    void check_reads(Seq as_of);
    void check_lmdb(const Snapshot& snapshot);
    void check_left_behind();
    void check_cut();
    void check_head();
    void acknowledge(Seq seq);
    void forget_early_answers();
    Result<std::unique_ptr<Projection>> projection_left();
    Status open_engine(std::optional<Policy> policy, bool* alive);
    void open_wounded();
    void repair_all();
    void repair_first(const std::vector<Fault>& faults, const std::vector<Evidence>& evidence);
    bool carried_out(const RepairPlan& plan);
    void open_unfinished();
    std::vector<Evidence> projection_evidence();
    void expect_history();
    void lose(Seq from, Seq to);

    FileSystem& real_;
    CacheFiles cache_;
    const std::string cache_directory_;
    NoLog log_;
    SimRandom looks_;  // for those who look on, so that they do not change what happens
    const bool repairs_die_;
    SimRandom cuts_;  // for repairs that do
    bool rebuilding_ = false;
    bool reloading_ = false;

    std::optional<std::uint64_t> fails_in_;
    DiskFault fault_ = DiskFault::hiccup;
    Errc fault_code_ = Errc::io;
    bool fault_in_reads_ = false;
    std::uint64_t dies_in_ = 0;
    Death death_ = Death::no;
    std::optional<std::uint64_t> dies_after_roll_;
    bool dead_ = false;
    bool head_may_lag_ = false;     // some of it was lost, and no writer has opened since
    std::optional<Broken> broken_;  // by something seen from within a call

    bool head_rotted_ = false;
    bool evicted_ = false;  // likewise, and the kernel does not tell readers
    std::optional<JournalReader> follower_;
    std::optional<StateReader> state_reader_;
    Seq state_seen_;
    std::vector<std::pair<std::uint64_t, Answer>> answers_;
    // FsyncMode::never: answered and not yet shown. A killed process keeps them, a power cut need
    // not.
    std::vector<std::pair<std::uint64_t, Answer>> early_;
    std::map<std::string, Seq> newest_seqs_;  // P3, by key
    std::optional<Wound> wound_;
    bool misdirecting_ = false;
    std::uint64_t misdirect_seed_ = 0;
    std::uint64_t journal_calls_ = 0;  // that change a segment or HEAD
    Seq acknowledged_;
    Epoch epoch_;  // of the newest writer
    std::optional<Cursor> feed_cursor_;
    std::size_t feed_told_ = 0;
};

}  // namespace se::sim
