#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/sim/sim_random.h"

namespace se::sim {

enum class Misfortune : std::uint8_t {
    call_fails,       ///< one call of the disk, and it goes on; or all from there on
    dies,             ///< between two calls
    dies_with_power,  ///< likewise, and what was not synced is lost, torn or reordered
    killed,
    power_cut,
    clock_jumps,
    disk_full,       ///< or has room again
    cache_fails,     ///< LMDB, before its first write; or works again
    bit_rot,         ///< in what was acknowledged
    bit_rot_beside,  ///< in what can be made anew: HEAD, index files, STAMP, `next`
    write_misdirected,
    second_writer,    ///< somebody starts another one over the same store
    dies_after_roll,  ///< with the power, just when the next segment has its name
};
inline constexpr std::array<std::string_view, 13> kMisfortuneNames = {
    "call_fails",        "dies",          "dies_with_power", "killed",  "power_cut",
    "clock_jumps",       "disk_full",     "cache_fails",     "bit_rot", "bit_rot_beside",
    "write_misdirected", "second_writer", "dies_after_roll"};

enum class Operation : std::uint8_t {
    submit,
    submit_again,
    reload,
    rebuild,
    close,
    dry_run,
    wait,
    idle,
};
inline constexpr std::array<std::string_view, 8> kOperationNames = {
    "submit", "submit_again", "reload", "rebuild", "close", "dry_run", "wait", "idle"};

/// How rough a life is and what happens in it. Faults hide one another, so no two lives are alike.
struct Mix {
    std::array<std::uint64_t, kMisfortuneNames.size()> misfortunes{};  ///< weights
    std::array<std::uint64_t, kOperationNames.size()> operations{};    ///< weights
    std::uint64_t fault_percent = 0;                                   ///< of steps
    bool slow_disk = false;
    bool fsync_never = false;
    bool small_cache = false;   ///< LMDB runs full in the midst of a transaction
    bool small_queues = false;  ///< so that their limits are met
    bool follower = false;      ///< one with a watermark in followers/
    std::uint64_t keys = 7;     ///< that clients use
    bool rules = false;         ///< policies have some
    bool agents = false;        ///< half of the proposals come by MCP
    bool mirror = false;        ///< there are documents in Firestore
    bool bus = false;           ///< mutations come by it, too, and all is told there
    bool repairs_die = false;   ///< those who repair are killed at times, half-way
    bool scrubs = false;        ///< old records are read once more all the time

    static Mix draw(bool of_swarm, SimRandom& random) {
        Mix mix = of_swarm ? swarm(random) : usual(random);
        // What came later is drawn last: the lives that were known before stay as they are.
        mix.rules = random.chance(25);
        mix.agents = random.chance(25);
        return mix;
    }

    /// Whether acknowledged records may be damaged.
    bool loses() const {
        return misfortunes[static_cast<std::size_t>(Misfortune::bit_rot)] != 0 ||
               misfortunes[static_cast<std::size_t>(Misfortune::write_misdirected)] != 0;
    }
    /// Half of the swarm's lives in which no record is lost, which is an eighth of all, have a bus, half
    /// a mirror, of the others an eighth; in a third of those repairs die. Drawn from chances of their own: the
    /// lives without them stay as they are.
    /// A third of all are scrubbed, none of those that life_test.cc lives once more among them.
    void draw_neighbours(std::uint64_t seed) {
        scrubs = SimRandom(seed ^ 0x7363727562343436).chance(33);
        repairs_die = loses() && SimRandom(seed ^ 0x63757473).chance(33);
        bus = !loses() && SimRandom(seed ^ 0x627573).chance(50);
        mirror = SimRandom(seed ^ 0x646F6373).chance(loses() ? 12 : 50);
    }

    static Mix usual(SimRandom& random) {
        Mix mix;
        mix.misfortunes = {6, 6, 6, 2, 2, 2, 2, 2, 1, 1, 1, 1, 4};
        mix.operations = {45, 12, 3, 2, 1, 5, 4, 28};
        mix.fault_percent = random.below(16);
        mix.slow_disk = random.chance(30);
        mix.fsync_never = random.chance(10);
        mix.small_cache = random.chance(15);
        mix.small_queues = random.chance(20);
        mix.follower = random.chance(50);
        return mix;
    }

    /// Every weight is drawn, and many are none.
    static Mix swarm(SimRandom& random) {
        Mix mix = usual(random);
        for (std::uint64_t& weight : mix.misfortunes) {
            weight = random.chance(50) ? 0 : 1 + random.below(8);
        }
        for (std::uint64_t& weight : mix.operations) {
            weight = random.chance(30) ? 0 : 1 + random.below(40);
        }
        mix.operations[0] += 5;  // who asks for nothing sees nothing
        mix.fault_percent = random.below(random.chance(20) ? 60 : 20);
        mix.keys = 1 + random.below(7);
        return mix;
    }

    /// One of them, by weight; `none` when all are 0.
    template <std::size_t N>
    static std::size_t pick(const std::array<std::uint64_t, N>& weights, SimRandom& random) {
        std::uint64_t sum = 0;
        for (const std::uint64_t weight : weights) sum += weight;
        if (sum == 0) return N;
        std::uint64_t at = random.below(sum);
        std::size_t i = 0;
        while (at >= weights[i]) at -= weights[i++];
        return i;
    }
};

}  // namespace se::sim
