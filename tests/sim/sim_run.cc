#include "tests/sim/sim_run.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "journal/verify.h"
#include "tests/sim/sim_clients.h"
#include "tests/sim/sim_world.h"

namespace se::sim {
namespace {

using namespace std::chrono_literals;

/// In the end, at 10 ms each: so many in which nothing gets nearer are too many.
constexpr int kRoundsInVain = 2'000;

/// How long it may take depends on how much is left; that it goes on is what counts.
class Patience {
public:
    /// `nearer` grows with what is done, and not for ever.
    bool left(std::uint64_t nearer) {
        rounds_ = nearer > reached_ ? 0 : rounds_ + 1;
        reached_ = std::max(reached_, nearer);
        return rounds_ < kRoundsInVain;
    }

private:
    int rounds_ = 0;
    std::uint64_t reached_ = 0;
};

/// The simulated disk as it is now, onto the real one.
void keep_tree(SimFileSystem& disk, const std::string& from, FileSystem& real,
               const std::string& to) {
    SE_ASSERT(real.make_directory(to));
    const auto names = disk.list(from);
    for (std::size_t i = 0; names && i < names->size(); ++i) {
        const std::string path = from + "/" + (*names)[i];
        const std::string copy = to + "/" + (*names)[i];
        const auto content = disk.content(path);
        if (!content) {
            keep_tree(disk, path, real, copy);
            continue;
        }
        auto file = real.open(copy, OpenMode::create);
        SE_ASSERT(file && (*file)->truncate(0) && (*file)->write(0, *content));
    }
}

class Life {
public:
    Life(std::uint64_t seed, const RunOptions& options, FileSystem& real,
         const std::string& cache_directory, RunReport& report)
        : seed_(seed),
          options_(options),
          random_(seed ^ 0x6C696665),
          mix_(draw_mix(options.swarm)),
          world_(seed, mix_, real, cache_directory),
          clients_(mix_, world_.model),
          report_(report) {
        if (mix_.rules) ++tally().rules["lives"];
        if (options.moments) options.moments([this] { world_.check_cache(); });
        if (!options.trace) return;
        world_.trace = [&report](const std::string& event) {
            std::fprintf(stderr, "%6llu  %s\n", static_cast<unsigned long long>(report.step),
                         event.c_str());
        };
    }

    void live(std::uint64_t steps) {
        for (; report_.step < steps; ++report_.step) {
            // Each step has chances of its own: to leave one out does not change the others.
            random_ = SimRandom(seed_ * 1'000'003 + report_.step);
            random_.next();
            SimRandom of_fault = random_.fork();
            if (random_.chance(mix_.fault_percent) &&
                !options_.without_faults.contains(report_.step)) {
                report_.faults.insert(report_.step);
                misfortune(of_fault);
            }
            if (world_.engine == nullptr) {
                begin_process();
                continue;
            }
            if (world_.wounded() && random_.chance(40)) {
                end_process();
                continue;
            }
            if (world_.act([this] { something(); })) {
                world_.check();
                if (std::exchange(closed_, false)) {
                    world_.leave();
                } else if (world_.engine->state() == EngineState::failed) {
                    live_on_failed();
                }
            } else {
                closed_ = false;
                ++report_.deaths;
            }
        }
    }

    /// The faults are over: everything is answered, everything agrees, and all is closed cleanly.
    void come_to_rest() {
        report_.at_rest = true;
        random_ = SimRandom(seed_ ^ 0x72657374);
        world_.trace("faults stop");
        world_.heal();
        if (world_.bus != nullptr) world_.bus->heal();
        if (mix_.small_cache) {
            world_.trace("LMDB gets room");
            world_.settings.projection.map_bytes_max = 1u << 30;
            world_.leave();
        }
        if (world_.wounded()) {
            world_.leave();
            world_.mend_wound(random_);
        }
        for (Patience patience;; ++report_.step) {
            must(patience.left(answered()), "liveness",
                 [&] { return "it does not come to rest: " + waits_for(); });
            world_.clock.advance(10ms);
            if (world_.engine == nullptr) {
                must(world_.open(std::nullopt), "liveness",
                     "the store does not open on a good disk");
            }
            if (world_.engine->state() == EngineState::failed) {
                // A failure from before that shows only now.
                world_.leave();
                continue;
            }
            bool all = true;
            for (const Request& request : world_.model.requests) {
                if (request.final) continue;
                all = false;
                if (request.under_way > 0 || request.by_bus || world_.told_early(request.number))
                    continue;
                world_.submit(request.number);
            }
            go_on();
            world_.check();
            if (all && world_.engine->idle() && !world_.rebuilding() &&
                (world_.bus == nullptr || world_.bus->is_dry()))
                break;
        }
        world_.history.check();
        world_.clock.advance(std::chrono::hours{24 * 3});  // every ttl, and every jump of the clock
        for (Patience patience; const auto overdue = world_.model.overdue(world_.clock.wall());
             ++report_.step) {
            must(patience.left(world_.model.changes().size()), "liveness",
                 [&] { return *overdue + " is due and does not expire"; });
            world_.clock.advance(10ms);
            go_on();
            world_.check();
        }
        project_all();
        for (int i = 0; i < 200; ++i) world_.check();  // the feed gets there too
        if (mix_.follower) {
            must(world_.follower.catch_up(world_.model), "liveness",
                 "a follower does not reach the head");
        }
        if (world_.mirror) {
            tell_of_the_run();
            must(world_.mirror->catch_up(*world_.engine, world_.model), "liveness", [this] {
                return "Firestore's documents do not reach the head: " + world_.mirror->how_it_is();
            });
        }
        if (world_.bus != nullptr) {
            must(world_.bus->catch_up(*world_.engine, world_.model, world_.history), "liveness",
                 "not all is told on the bus");
        }
        close_cleanly();
    }

    void tell() {
        report_.records = world_.model.last().value;
        report_.digest = world_.model.digest();
    }

    void keep(FileSystem& real, const std::string& directory) {
        keep_tree(world_.disk, world_.settings.data, real, directory);
    }

private:
    Mix draw_mix(bool of_swarm) {
        Mix mix = Mix::draw(of_swarm, random_);
        mix.draw_neighbours(seed_);
        return mix;
    }

    // --- Faults

    void misfortune(SimRandom& chance) {
        const auto soon = [&] { return chance.below(chance.chance(50) ? 12 : 60); };
        const std::size_t which = Mix::pick(mix_.misfortunes, chance);
        if (which == kMisfortuneNames.size()) return;
        // Together with damage a power cut mostly ends what can be checked: now and then is enough.
        const bool power = which == static_cast<std::size_t>(Misfortune::dies_with_power) ||
                           which == static_cast<std::size_t>(Misfortune::dies_after_roll) ||
                           which == static_cast<std::size_t>(Misfortune::power_cut);
        if (power && world_.wounded() && chance.chance(80)) return;
        const auto count = [&] { ++tally().faults[kMisfortuneNames[which]]; };
        switch (static_cast<Misfortune>(which)) {
            case Misfortune::call_fails: {
                const bool once = chance.chance(80);
                const Errc code = chance.chance(70) ? Errc::io : Errc::no_space;
                world_.trace("a call will fail");
                ++tally().faults[once ? "call_fails" : "all_calls_fail"];
                return world_.fail_in(soon(), once ? DiskFault::hiccup : DiskFault::lasting, code,
                                      chance.chance(30));
            }
            case Misfortune::dies:
                count();
                return world_.die_in(soon(), World::Death::crash);
            case Misfortune::dies_with_power:
                count();
                return world_.die_in(soon(), World::Death::power_cut);
            case Misfortune::dies_after_roll:
                // Not yet counted: it may be dead before a segment is full.
                return world_.die_after_roll(1 + chance.below(4));
            case Misfortune::killed:
                count();
                world_.trace("killed");
                ++report_.deaths;
                return world_.crash();
            case Misfortune::power_cut:
                count();
                world_.trace("power cut");
                ++report_.deaths;
                return world_.power_cut();
            case Misfortune::clock_jumps: {
                count();
                const auto jump =
                    std::chrono::seconds{chance.below(chance.chance(20) ? 100'000 : 100)};
                world_.trace("the clock jumps");
                return world_.clock.jump(chance.chance(50) ? jump : -jump);
            }
            case Misfortune::disk_full: {
                count();
                disk_full_ = !disk_full_;
                world_.trace(disk_full_ ? "the disk is full" : "the disk has room again");
                const std::uint64_t used = kCapacity - *world_.disk.free_space("");
                return world_.disk.set_capacity(disk_full_ ? used + chance.below(6'000)
                                                           : kCapacity);
            }
            case Misfortune::cache_fails:
                count();
                cache_broken_ = !cache_broken_;
                world_.trace(cache_broken_ ? "LMDB fails" : "LMDB works again");
                return world_.break_cache(cache_broken_);
            case Misfortune::bit_rot:
                if (world_.wounded()) return;
                world_.check();
                world_.crash();
                if (world_.suffer_bit_rot(chance) && chance.chance(10)) world_.power_cut();
                return;
            case Misfortune::bit_rot_beside:
                if (world_.wounded()) return;
                world_.check();
                world_.crash();
                return world_.rot_beside(chance);
            case Misfortune::write_misdirected:
                if (world_.wounded() || world_.engine == nullptr) return;
                return world_.misdirect_a_write(chance);
            case Misfortune::second_writer:
                return world_.start_second_writer();
        }
    }

    void begin_process() {
        ++report_.opens;
        world_.clock.advance(std::chrono::milliseconds{random_.below(3'000)});
        if (world_.wounded()) {
            disk_full_ = cache_broken_ = false;
            world_.mend_wound(random_);
            return;
        }
        if (random_.chance(50)) world_.mend();
        world_.check();  // readers serve what is there
        if (random_.chance(40)) world_.check_state_reader();
        if (random_.chance(10)) {
            world_.trace("somebody deletes projection/");
            world_.delete_cache();
        }
        std::optional<Policy> policy;
        if (world_.model.last() == Seq{} || random_.chance(20))
            policy = clients_.some_policy(random_);
        if (world_.open(std::move(policy)) || random_.chance(50)) return;
        // Somebody looks after it.
        disk_full_ = cache_broken_ = false;
        world_.heal();
    }

    /// J5: reads go on, nothing is written, and whoever runs it starts it anew.
    void live_on_failed() {
        ++report_.failures;
        world_.trace("the journal failed: " + world_.engine->why_not_ready());
        if (random_.chance(50)) {
            bool alive = true;
            world_.check_failed([&] {
                alive = world_.act([this] {
                    submit_some();
                    world_.engine->step();
                });
            });
            if (!alive) return;
            world_.check();
        }
        if (random_.chance(50)) {
            bool alive = true;
            world_.check_failed(
                [&] { alive = world_.act([this] { static_cast<void>(world_.engine->close()); }); });
            if (!alive) return;
            world_.check();
        }
        world_.leave();
        // Some of what could be read a moment ago never got to the disk.
        if (random_.chance(50)) world_.evict();
    }

    // --- What happens

    void something() {
        if (!options_.without_operations.contains(report_.step)) {
            report_.operations.insert(report_.step);
            operation();
        }
        if (!closed_) go_on();
    }

    void operation() {
        const std::size_t which = Mix::pick(mix_.operations, random_);
        ++tally().operations[kOperationNames[which]];
        switch (static_cast<Operation>(which)) {
            case Operation::submit:
                return submit_some();
            case Operation::submit_again:
                return submit_again();
            case Operation::reload: {
                Policy policy = clients_.some_policy(random_);
                world_.trace("reload");
                return world_.reload(std::move(policy));
            }
            case Operation::rebuild:
                if (world_.rebuilding() || world_.engine->state() != EngineState::ready) return;
                world_.trace("rebuild");
                return world_.rebuild(random_.chance(50));
            case Operation::close: {
                world_.trace("close");
                const Status closed = world_.engine->close();
                world_.trace(closed ? "closed" : "does not close: " + closed.error().text);
                closed_ = true;
                return;
            }
            case Operation::dry_run:
                if (!world_.wounded()) world_.dry_run(clients_.some_request(random_, ""));
                return;
            case Operation::wait:
                return world_.clock.advance(std::chrono::milliseconds{random_.below(4'000)});
            case Operation::idle:
                return;
        }
    }

    /// However it ends.
    void end_process() {
        ++report_.deaths;
        switch (random_.below(12)) {
            case 0:
            case 1:
            case 2:
                if (!world_.act([this] { static_cast<void>(world_.engine->close()); })) return;
                return world_.leave();
            case 3:
                return world_.power_cut();
            default:
                return world_.crash();
        }
    }

    /// One turn of the writer's loop: jobs end in any order, at any time.
    void go_on() {
        world_.clock.advance(std::chrono::microseconds{random_.below(20'000)});
        if (random_.chance(mix_.slow_disk ? 30 : 75)) world_.commits.run();
        if (random_.chance(mix_.slow_disk ? 30 : 75)) world_.background.run();
        if (world_.bus != nullptr) {
            if (!report_.at_rest) publish_some(world_.bus->chance());
            world_.bus->turn(*world_.engine);
        }
        world_.engine->step();
        if (random_.chance(30)) world_.engine->step();
        if (world_.bus != nullptr) world_.bus->settle();
        if (mix_.follower && random_.chance(50)) world_.step_follower(random_);
        if (world_.mirror && random_.chance(50)) world_.step_mirror(random_);
    }

    /// Somebody on the bus; now and then once more, as a producer does that got no answer.
    void publish_some(SimRandom& chance) {
        if (!chance.chance(35)) return;
        auto& requests = world_.model.requests;
        for (std::uint64_t count = 1 + chance.below(3); count > 0; --count) {
            const std::uint64_t old = requests.empty() ? 0 : chance.below(requests.size());
            if (chance.chance(10) && old < requests.size() && requests[old].by_bus) {
                world_.bus->publish(requests[old]);
                continue;
            }
            requests.push_back(
                clients_.some_request(chance, "bus-" + std::to_string(requests.size())));
            requests.back().principal = "nats";
            requests.back().by_bus = true;
            world_.history.invoke(requests.back());
            world_.bus->publish(requests.back());
        }
    }

    void submit_some() {
        for (std::uint64_t count = 1 + random_.below(random_.chance(20) ? 12 : 3); count > 0;
             --count) {
            auto& requests = world_.model.requests;
            std::string id = "id-" + std::to_string(requests.size());
            // Somebody takes an id that has been used, or is about to be.
            if (!requests.empty() && random_.chance(4))
                id = requests[random_.below(requests.size())].id;
            requests.push_back(clients_.some_request(random_, std::move(id)));
            world_.submit(requests.back().number);
        }
    }

    /// The same proposal again, whatever became of it.
    void submit_again() {
        const auto& requests = world_.model.requests;
        if (requests.empty()) return;
        const std::uint64_t newest = requests.size() - 1;
        const std::uint64_t back = random_.below(
            random_.chance(70) ? std::min<std::uint64_t>(12, newest + 1) : newest + 1);
        if (!requests[newest - back].by_bus) world_.submit(newest - back);
    }

    // --- The end

    std::uint64_t answered() const {
        return static_cast<std::uint64_t>(std::ranges::count_if(
            world_.model.requests,
            [](const Request& request) { return request.final.has_value(); }));
    }

    std::string waits_for() const {
        for (const Request& request : world_.model.requests) {
            if (!request.final) return request.reason() + " has no answer";
        }
        return world_.engine != nullptr && !world_.engine->idle() ? "the engine is not idle"
                                                                  : "a rebuild";
    }

    /// Not only answers: what rules derived from the last of them has its records, which are synced, and
    /// the watermark reaches the last.
    void project_all() {
        for (Patience patience;; ++report_.step) {
            const Seq watermark = world_.engine->projection().watermark().seq;
            if (world_.engine->idle() && watermark >= world_.engine->journal().last()) return;
            must(patience.left(watermark.value), "liveness", "LMDB does not reach the head");
            world_.clock.advance(10ms);
            go_on();
            world_.check();
        }
    }

    /// An engine rests with its opening notes not in, when there is no segment for them yet; who has documents in
    /// Firestore waits for them, since they say whose the documents are.
    void tell_of_the_run() {
        for (Patience patience; world_.model.epoch_of(world_.model.last()) != world_.engine->journal().epoch();
             ++report_.step) {
            must(patience.left(world_.model.last().value), "liveness", "the run's first notes do not get in");
            world_.clock.advance(10ms);
            go_on();
            world_.check();
        }
    }

    void close_cleanly() {
        const Hash state = world_.state_root();
        for (int time = 0; time < 2; ++time) {
            const Status closed = world_.engine->close();
            must(static_cast<bool>(closed), "liveness",
                 [&] { return "a clean close: " + closed.error().text; });
            world_.check();
            world_.leave();
            const auto verified =
                verify(world_.disk, StorePaths{world_.settings.data}, {.threads = 1});
            must(static_cast<bool>(verified), "J1",
                 [&] { return "verify: " + verified.error().text; });
            must(verified->faults.empty(), "J4",
                 [&] { return "verify: " + to_text(verified->faults[0]); });
            must(verified->last == world_.model.last_kept(), "J2",
                 [&] { return "verify sees up to " + std::to_string(verified->last.value); });
            if (!world_.model.lost_any()) {
                must(verified->root == world_.model.root(), "J7", "the tree has another root");
            }
            // What a clean close leaves needs no mending, whatever becomes of the power.
            if (random_.chance(50)) world_.power_cut();
            if (time == 1) world_.delete_cache();
            must(world_.open(std::nullopt), "liveness",
                 "a store that was closed cleanly does not open");
            const OpenReport& opened = world_.engine->journal().report();
            must(opened.cut_bytes == 0, "J4", "a cut after a clean close");
            must(world_.state_root() == state, "E1", "the state grown anew is another");
        }
        must(static_cast<bool>(world_.engine->close()), "liveness", "the last close");
        must(world_.model.nothing_due(), "E4.derived", "what a rule derived never came");
    }

    static constexpr std::uint64_t kCapacity = 1ull << 40;

    const std::uint64_t seed_;
    const RunOptions& options_;
    SimRandom random_;
    const Mix mix_;
    World world_;
    Clients clients_;
    RunReport& report_;
    bool disk_full_ = false, cache_broken_ = false, closed_ = false;
};

}  // namespace

RunReport run(std::uint64_t seed, const RunOptions& options, FileSystem& real,
              const std::string& cache_directory) {
    RunReport report;
    Life life(seed, options, real, cache_directory, report);
    try {
        life.live(options.steps);
        life.come_to_rest();
    } catch (const Excused& excused) {
        report.excused = excused.by;
        ++tally().excuses[excused.by];
    } catch (const Broken& broken) {
        report.broken = broken;
        if (!options.keep.empty()) life.keep(real, options.keep);
    }
    life.tell();
    return report;
}

}  // namespace se::sim
