#include "tests/sim/sim_run.h"

#include <cstdio>
#include <utility>

#include "journal/verify.h"
#include "tests/sim/sim_world.h"

namespace se::sim {
namespace {

using namespace std::chrono_literals;

constexpr int kRoundsToRest = 5'000;  ///< in the end, at 10 ms each

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
        : world_(seed, real, cache_directory), random_(world_.random.fork()), report_(report) {
        if (!options.trace) return;
        world_.trace = [&report](const std::string& event) {
            std::fprintf(stderr, "%6llu  %s\n", static_cast<unsigned long long>(report.step),
                         event.c_str());
        };
    }

    void live(std::uint64_t steps) {
        // How rough a life is, is a matter of seed: faults hide one another.
        fault_percent_ = random_.below(16);
        slow_disk_ = random_.chance(30);
        for (; report_.step < steps; ++report_.step) {
            if (random_.chance(fault_percent_)) misfortune();
            if (world_.engine == nullptr) {
                begin_process();
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
        world_.trace("faults stop");
        world_.heal();
        for (int round = 0;; ++round, ++report_.step) {
            must(round < kRoundsToRest, "liveness", "it does not come to rest: " + waits_for());
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
                if (request.under_way == 0) world_.submit(request.number);
            }
            go_on();
            world_.check();
            if (all && world_.engine->idle() && !world_.rebuilding()) break;
        }
        world_.clock.advance(std::chrono::hours{24 * 3});  // every ttl, and every jump of the clock
        for (int round = 0; world_.model.overdue(world_.clock.wall()); ++round, ++report_.step) {
            must(round < kRoundsToRest, "liveness", "what is due does not expire");
            world_.clock.advance(10ms);
            go_on();
            world_.check();
        }
        for (int i = 0; i < 1'000; ++i) world_.check();  // the feed gets there too
        close_cleanly();
    }

    void keep(FileSystem& real, const std::string& directory) {
        keep_tree(world_.disk, world_.settings.data, real, directory);
    }

private:
    // --- Faults

    void misfortune() {
        const auto soon = [this] { return random_.below(random_.chance(50) ? 12 : 60); };
        switch (random_.below(14)) {
            case 0:
            case 1:
            case 2:
                world_.trace("a call will fail");
                return world_.fail_in(
                    soon(), random_.chance(80) ? DiskFault::hiccup : DiskFault::lasting,
                    random_.chance(70) ? Errc::io : Errc::no_space, random_.chance(30));
            case 3:
            case 4:
            case 5:
                return world_.die_in(soon(), World::Death::crash);
            case 6:
            case 7:
            case 8:
                return world_.die_in(soon(), World::Death::power_cut);
            case 9:
                world_.trace("killed");
                ++report_.deaths;
                return world_.crash();
            case 10:
                world_.trace("power cut");
                ++report_.deaths;
                return world_.power_cut();
            case 11: {
                const auto jump =
                    std::chrono::seconds{random_.below(random_.chance(20) ? 100'000 : 100)};
                world_.trace("the clock jumps");
                return world_.clock.jump(random_.chance(50) ? jump : -jump);
            }
            case 12: {
                disk_full_ = !disk_full_;
                world_.trace(disk_full_ ? "the disk is full" : "the disk has room again");
                const std::uint64_t used = kCapacity - *world_.disk.free_space("");
                return world_.disk.set_capacity(disk_full_ ? used + random_.below(6'000)
                                                           : kCapacity);
            }
            default:
                cache_broken_ = !cache_broken_;
                world_.trace(cache_broken_ ? "LMDB fails" : "LMDB works again");
                return world_.break_cache(cache_broken_);
        }
    }

    void begin_process() {
        ++report_.opens;
        world_.clock.advance(std::chrono::milliseconds{random_.below(3'000)});
        if (random_.chance(50)) world_.mend();
        world_.check();  // readers serve what is there
        if (random_.chance(40)) world_.check_state_reader();
        if (random_.chance(10)) {
            world_.trace("somebody deletes projection/");
            world_.delete_cache();
        }
        std::optional<Policy> policy;
        if (world_.model.last() == Seq{} || random_.chance(20)) policy = some_policy();
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
            if (!world_.act([this] {
                    submit_some();
                    world_.engine->step();
                }))
                return;
            world_.check();
        }
        if (random_.chance(50)) {
            if (!world_.act([this] { static_cast<void>(world_.engine->close()); })) return;
            world_.check();
        }
        world_.leave();
        // Some of what could be read a moment ago never got to the disk.
        if (random_.chance(50)) world_.evict();
    }

    // --- What happens

    void something() {
        const std::uint64_t dice = random_.below(100);
        if (dice < 45) {
            submit_some();
        } else if (dice < 57) {
            submit_again();
        } else if (dice < 60) {
            Policy policy = some_policy();
            world_.trace("reload");
            world_.reload(std::move(policy));
        } else if (dice < 62) {
            if (!world_.rebuilding() && world_.engine->state() == EngineState::ready) {
                world_.trace("rebuild");
                world_.rebuild(random_.chance(50));
            }
        } else if (dice < 63) {
            world_.trace("close");
            const Status closed = world_.engine->close();
            world_.trace(closed ? "closed" : "does not close: " + closed.error().text);
            closed_ = true;
        } else if (dice < 68) {
            world_.dry_run(some_request(""));
        } else if (dice < 72) {
            world_.clock.advance(std::chrono::milliseconds{random_.below(4'000)});
        }
        if (!closed_) go_on();
    }

    /// One turn of the writer's loop: jobs end in any order, at any time.
    void go_on() {
        world_.clock.advance(std::chrono::microseconds{random_.below(20'000)});
        if (random_.chance(slow_disk_ ? 30 : 75)) world_.commits.run();
        if (random_.chance(slow_disk_ ? 30 : 75)) world_.background.run();
        world_.engine->step();
        if (random_.chance(30)) world_.engine->step();
    }

    void submit_some() {
        for (std::uint64_t count = 1 + random_.below(random_.chance(20) ? 12 : 3); count > 0;
             --count) {
            auto& requests = world_.model.requests;
            std::string id = "id-" + std::to_string(requests.size());
            // Somebody takes an id that has been used, or is about to be.
            if (!requests.empty() && random_.chance(4))
                id = requests[random_.below(requests.size())].id;
            requests.push_back(some_request(std::move(id)));
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
        world_.submit(newest - back);
    }

    Policy some_policy() {
        Policy policy;
        policy.allowed_keys = {"a*", "b*", "c*", "d*"};
        if (random_.chance(50)) policy.allowed_keys.push_back("e*");
        policy.limits.expiries_per_step = 1 + random_.below(3);
        return policy;
    }

    Value some_value(Value::Kind kind, bool patch) {
        Value value;
        value.kind = kind;
        const auto number = [this] { return static_cast<std::int64_t>(random_.below(200)) - 100; };
        value.number = kind == Value::Kind::number ? number() : 0;
        for (std::uint64_t i = random_.below(4); i > 0 && kind != Value::Kind::number; --i) {
            if (kind == Value::Kind::list) {
                value.list.push_back(number());
            } else {
                const std::string name(1, static_cast<char>('a' + random_.below(5)));
                value.object[name] =
                    patch && random_.chance(30) ? std::nullopt : std::optional(number());
            }
        }
        return value;
    }

    RequestOp some_op() {
        using enum Value::Kind;
        static const std::string kKeys[] = {"a", "b", "b.1", "b.2", "c", "d", "e"};
        RequestOp op;
        op.key = kKeys[random_.below(std::size(kKeys))];
        switch (random_.below(7)) {
            case 0:
            case 1:
                op.op = "set";
                op.value = some_value(static_cast<Value::Kind>(random_.below(3)), false);
                break;
            case 2:
                op.op = "delete";
                break;
            case 3:
            case 4:
                op.op = "increment";
                op.value = some_value(number, false);
                break;
            case 5:
                op.op = "push";
                op.value = some_value(number, false);
                break;
            default:
                op.op = "merge";
                op.value = some_value(object, true);
        }
        if (op.op != "delete" && random_.chance(15)) op.ttl = 1 + random_.below(20);
        if (random_.chance(25)) op.expected_version = version_of(op.key);
        return op;
    }

    /// Right, or wrong by a little, or out of date by the time it is decided.
    std::uint64_t version_of(const std::string& key) {
        const Entry* entry = world_.model.as_of(key, world_.model.last());
        const std::uint64_t version = entry == nullptr || entry->deleted ? 0 : entry->version.value;
        return random_.chance(75) ? version : version + random_.below(2);
    }

    Request some_request(std::string id) {
        Request request;
        request.number = world_.model.requests.size();
        request.principal = random_.chance(50) ? "alice" : "bob";
        request.id = std::move(id);
        for (std::uint64_t i = random_.chance(25) ? 1 + random_.below(4) : 1; i > 0; --i) {
            request.ops.push_back(some_op());
        }
        if (random_.chance(15)) {
            const RequestOp about = some_op();
            const Entry* entry = world_.model.as_of(about.key, world_.model.last());
            const Seq seq = entry == nullptr ? Seq{} : entry->seq;
            request.basis.emplace_back(about.key, random_.chance(80) ? seq : Seq{seq.value / 2});
        }
        return request;
    }

    // --- The end

    std::string waits_for() const {
        for (const Request& request : world_.model.requests) {
            if (!request.final) return request.reason() + " has no answer";
        }
        return world_.engine != nullptr && !world_.engine->idle() ? "the engine is not idle"
                                                                  : "a rebuild";
    }

    void close_cleanly() {
        for (int time = 0; time < 2; ++time) {
            const Status closed = world_.engine->close();
            must(static_cast<bool>(closed), "liveness",
                 "a clean close: " + (closed ? "" : closed.error().text));
            world_.check();
            world_.leave();
            const auto verified =
                verify(world_.disk, StorePaths{world_.settings.data}, {.threads = 1});
            must(static_cast<bool>(verified), "J1",
                 "verify: " + (verified ? "" : verified.error().text));
            must(verified->faults.empty(), "J4",
                 "verify: " + (verified->faults.empty() ? "" : to_text(verified->faults[0])));
            must(verified->last == world_.model.last(), "J2",
                 "verify sees up to " + std::to_string(verified->last.value));
            // What a clean close leaves needs no mending, whatever becomes of the power.
            if (random_.chance(50)) world_.power_cut();
            must(world_.open(std::nullopt), "liveness",
                 "a store that was closed cleanly does not open");
            const OpenReport& opened = world_.engine->journal().report();
            must(opened.cut_bytes == 0, "J4", "a cut after a clean close");
        }
        report_.records = world_.model.last().value;
        report_.digest = world_.model.digest();
        must(static_cast<bool>(world_.engine->close()), "liveness", "the last close");
    }

    static constexpr std::uint64_t kCapacity = 1ull << 40;

    World world_;
    SimRandom random_;
    RunReport& report_;
    std::uint64_t fault_percent_ = 0;
    bool slow_disk_ = false, disk_full_ = false, cache_broken_ = false, closed_ = false;
};

}  // namespace

RunReport run(std::uint64_t seed, const RunOptions& options, FileSystem& real,
              const std::string& cache_directory) {
    RunReport report;
    Life life(seed, options, real, cache_directory, report);
    try {
        life.live(options.steps);
        life.come_to_rest();
    } catch (const Broken& broken) {
        report.broken = broken;
        if (!options.keep.empty()) life.keep(real, options.keep);
    }
    return report;
}

}  // namespace se::sim
