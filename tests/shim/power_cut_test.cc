// The real daemon under power cuts: what was not synced is lost, and nothing that was acknowledged.

#include <doctest/doctest.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/daemon/storm.h"
#include "tests/places.h"
#include "tests/shim/power_cut.h"
#include "tests/shim/undo_log.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// A store, its daemon under the shim, and its clients, over many power cuts.
class World {
public:
    World(std::uint64_t seed, std::uint64_t lose_sync)
        : chance_(seed),
          lose_sync_(lose_sync),
          daemon_({.data = data(), .arguments = {"--set", "journal.segment_bytes=4MiB"}}) {}

    /// One life and its end. Empty, or what should not have been.
    std::string round() {
        begin_log(log());
        // A machine that has started anew.
        write_text(boot(), "boot-" + std::to_string(chance_()) + "\n");
        // A third is killed by the shim, between two calls or inside a group; small numbers hit the
        // opening.
        const bool by_shim = chance_() % 3 == 0;
        set_environment(by_shim ? 1 + chance_() % (chance_() % 2 == 0 ? 60 : 2000) : 0);
        if (daemon_.start_unless_killed()) {
            storm_.begin(daemon_);
            const int enough = static_cast<int>(chance_() % 1500);
            const auto until = std::chrono::steady_clock::now() + 300ms;
            while (storm_.answers() < enough && std::chrono::steady_clock::now() < until)
                std::this_thread::sleep_for(200us);
            if (chance_() % 16 == 0) {
                daemon_.signal(SIGTERM);  // and the power goes right behind a clean end
                daemon_.wait();
            } else {
                daemon_.kill_hard();
            }
            if (std::string trouble = storm_.end(); !trouble.empty()) return excuse(trouble);
        }
        const PowerCut cut = cut_power(data(), log(), chance_);
        story_ += "\n" + std::to_string(storm_.acknowledged()) + " acknowledged, of " +
                  std::to_string(cut.writes_unsynced) + " writes " +
                  std::to_string(cut.writes_lost) + " lost, names lost:" + cut.story;
        lost_.writes_unsynced += cut.writes_unsynced;
        lost_.writes_lost += cut.writes_lost;
        lost_.writes_torn += cut.writes_torn;
        lost_.names_lost += cut.names_lost;
        return "";
    }

    /// A last life without cuts: everything open is settled, everything acknowledged is there.
    std::string settle() {
        begin_log(log());
        write_text(boot(), "boot-" + std::to_string(chance_()) + "\n");
        set_environment(0);
        daemon_.start();
        for (std::string trouble : {storm_.settle(daemon_), Storm::check_state(daemon_)})
            if (!trouble.empty()) return trouble;
        daemon_.stop();
        return storm_.check(data());
    }

    /// Where somebody wants to look at it: SE_STORM_KEEP names a folder.
    std::string kept(std::string trouble) const {
        const char* const folder = std::getenv("SE_STORM_KEEP");
        if (folder != nullptr && !trouble.empty())
            std::filesystem::copy(folder_.path(), folder, std::filesystem::copy_options::recursive);
        return trouble.empty() ? trouble : trouble + story_;
    }

    std::size_t acknowledged() const { return storm_.acknowledged(); }
    const PowerCut& lost() const { return lost_; }

private:
    std::string data() const { return folder_.path() + "/data"; }
    std::string log() const { return folder_.path() + "/undo"; }
    std::string boot() const { return folder_.path() + "/boot_id"; }

    /// A daemon that was told to end says so to whoever still asks.
    static std::string excuse(const std::string& trouble) {
        return trouble.find("draining") == trouble.npos ? trouble : "";
    }

    void set_environment(std::uint64_t die_at) {
        std::vector<std::string> environment = {"LD_PRELOAD=" + bin_dir() + "/libse_power_shim.so",
                                                std::string(kShimRoot) + "=" + data(),
                                                std::string(kShimLog) + "=" + log(),
                                                std::string(kShimBootId) + "=" + boot()};
        if (die_at != 0) environment.push_back(kShimDieAt + ("=" + std::to_string(die_at)));
        if (lose_sync_ != 0)
            environment.push_back(kShimLoseSync + ("=" + std::to_string(lose_sync_)));
        daemon_.set_environment(std::move(environment));
    }

    TemporaryDirectory folder_;
    std::mt19937_64 chance_;
    const std::uint64_t lose_sync_;
    DaemonProcess daemon_;
    Storm storm_{12};
    PowerCut lost_;
    std::string story_;
};

constexpr std::uint64_t kRoundsOfAStore = 10;  // then a new one: its history is read in full

TEST_CASE("nothing acknowledged is lost by power cuts") {
    const std::uint64_t rounds = number_of("SE_SHIM_ROUNDS", 20);
    const std::uint64_t seed = number_of("SE_STORM_SEED", 20261121);
    std::size_t acknowledged = 0;
    PowerCut lost;
    for (std::uint64_t done = 0; done < rounds;) {
        CAPTURE(seed);
        CAPTURE(done);
        World world(seed + done, 0);
        for (std::uint64_t i = 0; i < kRoundsOfAStore && done < rounds; ++i, ++done) {
            CAPTURE(i);
            REQUIRE(world.kept(world.round()) == "");
        }
        REQUIRE(world.kept(world.settle()) == "");
        acknowledged += world.acknowledged();
        lost.writes_unsynced += world.lost().writes_unsynced;
        lost.writes_lost += world.lost().writes_lost;
        lost.writes_torn += world.lost().writes_torn;
        lost.names_lost += world.lost().names_lost;
    }
    std::printf(
        "%zu power cuts: %zu acknowledged; of %zu unsynced writes %zu lost and %zu torn, %zu names "
        "lost\n",
        std::size_t{rounds}, acknowledged, lost.writes_unsynced, lost.writes_lost, lost.writes_torn,
        lost.names_lost);
    CHECK(acknowledged > 0);
    CHECK(lost.writes_lost > 0);
}

TEST_CASE("a sync that is left out is found out by power cuts") {
    const std::uint64_t seed = number_of("SE_STORM_SEED", 20261121);
    const std::uint64_t stores = number_of("SE_SHIM_PLANTED_STORES", 4);
    constexpr int kRoundsMax = 25;
    std::uint64_t caught = 0, rounds = 0;
    for (std::uint64_t store = 0; store < stores; ++store) {
        World world(seed + 1'000'000 + store, 1 + store % 2);  // every sync, every second
        std::string trouble;
        for (int i = 0; i < kRoundsMax && trouble.empty(); ++i, ++rounds) {
            trouble = world.round();
            if (trouble.empty()) trouble = world.settle();
        }
        caught += !trouble.empty();
    }
    std::printf("syncs left out: found out in %zu of %zu stores, within %zu power cuts\n",
                std::size_t{caught}, std::size_t{stores}, std::size_t{rounds});
    CHECK(caught > 0);  // a daemon that syncs little may be lucky for long
}

}  // namespace
}  // namespace se::test
