#include "tests/sim/sim_world.h"

#include <algorithm>

#include "tests/sim/sim_places.h"

namespace se::sim {
namespace {

Settings small_settings(const Mix& mix, SimRandom& random) {
    Settings settings;
    settings.data = kPaths.root;
    settings.journal.first_segment_bytes = 3'000 + random.below(6'000);
    settings.journal.segment_bytes = settings.journal.first_segment_bytes + random.below(12'000);
    settings.journal.fill_chunk_bytes = 512u << random.below(5);
    settings.journal.group_bytes_max = 2'000 + random.below(6'000);
    settings.journal.disk_reserve_bytes = random.chance(50) ? 0 : 4'096;
    settings.journal.align_bytes = random.chance(80) ? 0 : 512;
    settings.engine.group_records = 1 + random.below(8);
    settings.projection.map_bytes_first = 128u << 10;
    settings.projection.map_step_bytes = 256u << 10;
    settings.projection.map_bytes_max =
        mix.small_cache ? (160u + 8 * random.below(16)) << 10 : 1u << 30;
    settings.journal.scrub_bytes_per_second = mix.scrubs ? 1u << 20 : 0;
    settings.journal.scrub_every = std::chrono::milliseconds{50};
    if (mix.fsync_never) settings.journal.fsync = FsyncMode::never;
    if (mix.small_queues) {
        settings.engine.queue = 3 + random.below(6);
        settings.engine.in_flight_bytes = 6'000 + random.below(8'000);
        settings.engine.overlay_bytes = 2'000 + random.below(8'000);
    }
    return settings;
}

}  // namespace

Result<FileIdentity> CacheFiles::identity(const std::string& path) {
    if (broken) return Error{Errc::no_space, path + ": simulated failure"};
    SE_TRY(real, real_.identity(path));
    const std::uint64_t inode = inodes_.try_emplace(real.inode, inodes_.size() + 1).first->second;
    return FileIdentity{.boot = "sim-boot-" + std::to_string(boot),
                        .mount = "sim-mount",
                        .device = 1,
                        .inode = inode};
}

World::World(std::uint64_t seed, const Mix& mix, FileSystem& real, std::string cache_directory)
    : random(seed),
      disk(random.next()),
      settings(small_settings(mix, random)),
      follower(disk, kPaths),
      real_(real),
      cache_(real),
      cache_directory_(std::move(cache_directory)),
      looks_(random.fork()),
      repairs_die_(mix.repairs_die),
      cuts_(seed ^ 0x726570) {
    if (mix.mirror) mirror = std::make_unique<Mirror>(disk, kPaths, seed);
    if (mix.agents) agents = std::make_unique<Agents>(clock, seed);
    if (mix.bus) bus = std::make_unique<BusWorld>(disk, kPaths, seed);
    delete_cache();
}

World::~World() {
    disk.on_call({});
    leave();
}

void World::delete_cache() {
    static_cast<void>(real_.remove_tree(cache_directory_));
    SE_ASSERT(real_.make_directory(cache_directory_));
}

// --- Faults

void World::fail_in(std::uint64_t calls, DiskFault fault, Errc code, bool reads) {
    fails_in_ = calls;
    fault_ = fault;
    fault_code_ = code;
    fault_in_reads_ = reads;
}

void World::die_in(std::uint64_t calls, Death how) {
    dies_in_ = calls;
    death_ = how;
}

void World::heal() {
    fails_in_.reset();
    death_ = Death::no;
    dies_after_roll_.reset();
    cache_.broken = misdirecting_ = false;
    disk.set_capacity(1ull << 40);
}

bool World::act(const std::function<void()>& action) {
    const std::uint64_t before = disk.calls();
    if (fails_in_) disk.fail_after(*fails_in_, fault_, fault_code_);
    disk.count_reads(fails_in_ && fault_in_reads_);
    disk.on_call([&](const SimFileSystem::Call& call) {
        if (dead_) return;
        note_call(call);
        if (death_ != Death::no && dies_in_-- == 0) {
            trace(death_ == Death::crash ? "dies" : "dies with the machine");
            // What it still does is done by a ghost: no call of it reaches the disk.
            death_ == Death::crash ? disk.crash() : disk.power_cut();
            dead_ = true;
            disk.count_reads(true);
            disk.fail_after(0, DiskFault::lasting);
        } else if (looks_.chance(4)) {
            look_on();
        }
    });
    action();
    disk.on_call({});
    disk.count_reads(false);
    const bool failed = disk.failed();
    disk.mend();
    if (broken_) throw *broken_;
    if (dead_) {
        if (death_ == Death::power_cut) {
            power_cut();
        } else {
            crash();
        }
        return false;
    }
    if (fails_in_) {
        if (failed && fault_ == DiskFault::hiccup) {
            trace("the disk failed once");
            fails_in_.reset();
        } else {
            const std::uint64_t used = disk.calls() - before;
            *fails_in_ -= std::min(*fails_in_, used);
        }
    }
    return true;
}

/// What a call of the writer's means to others: see sim_damage.cc and check_failed().
void World::note_call(const SimFileSystem::Call& call) {
    const bool segment = call.path.find("/seg-") != call.path.npos && call.path.ends_with(".jsonl");
    if (segment || call.path == kPaths.head()) ++journal_calls_;
    if (misdirecting_ && segment && call.operation == SimFileSystem::Operation::write &&
        call.offset > 0) {
        misdirect(call);
    }
    const bool rolls =
        call.operation == SimFileSystem::Operation::rename && call.path == kPaths.next();
    if (rolls && dies_after_roll_ && death_ == Death::no) {
        ++tally().faults["dies_after_roll"];
        die_in(*std::exchange(dies_after_roll_, {}), Death::power_cut);
    }
}

/// Another process reads while ours is in the midst of something.
void World::look_on() {
    const bool reads = fails_in_ && fault_in_reads_;
    disk.count_reads(false);
    try {
        follow();
    } catch (const Broken& broken) {
        if (!broken_) broken_ = broken;
    }
    disk.count_reads(reads);
}

void World::leave() {
    if (wound_ && engine != nullptr) {
        wound_->to = wound_->decided_on = std::max(wound_->decided_on, engine->journal().last());
    }
    misdirecting_ = false;
    dies_after_roll_.reset();
    follower.die();
    if (mirror) mirror->die();
    commits.drop();
    background.drop();
    state_reader_.reset();  // else it keeps alive what dies with the writer's process
    engine.reset();
    if (agents) agents->die();
    if (bus != nullptr) bus->die();
    rebuilding_ = reloading_ = false;
    for (Request& request : model.requests) request.under_way = 0;
}

void World::crash() {
    disk.crash();
    leave();
    follower_.reset();  // files know one process only: whoever looks on begins anew as well
    dead_ = false;
    const bool power_fails = death_ == Death::power_cut;
    death_ = Death::no;
    if (!power_fails && looks_.chance(40)) check_left_behind();
}

void World::power_cut() {
    if (!dead_) disk.power_cut();
    death_ = Death::power_cut;
    crash();
    forget_early_answers();
    excuse_wound(kExcusePowerCut);
    ++cache_.boot;
    head_may_lag_ = true;
    check_head();
    clock.set_monotonic(std::chrono::seconds{1000});
    // LMDB was not synced. Some of the time all of it got to the disk: that must not be believed.
    if (looks_.chance(70)) delete_cache();
}

void World::evict() {
    disk.evict();
    forget_early_answers();
    excuse_wound(kExcuseHeadSync);
    head_may_lag_ = evicted_ = true;  // a failed sync of HEAD shows now
}

/// Not alive: it died on the way, whatever it says.
Status World::open_engine(std::optional<Policy> policy, bool* alive) {
    SE_ASSERT(engine == nullptr);
    state_reader_.reset();  // one process cannot have LMDB open as a reader and as the writer
    std::optional<Error> why;
    *alive = act([&] {
        auto opened = Engine::open({.files = disk,
                                    .clock = clock,
                                    .random = random,
                                    .log = log_,
                                    .commits = commits,
                                    .background = background,
                                    .cache_files = cache_,
                                    .cache_directory = cache_directory_},
                                   settings, std::move(policy),
                                   {.host = "host", .pid = 42, .program = "simulator"});
        if (opened) {
            engine = *std::move(opened);
            model.store = engine->store().store;
        } else {
            why = opened.error();
            commits.drop();
            background.drop();
        }
    });
    if (why) return *std::move(why);
    return Ok{};
}

bool World::open(std::optional<Policy> policy) {
    std::optional<Seq> watermark;
    if (const auto left = projection_left(); left && (*left)->trusted()) {
        watermark = (*left)->watermark().seq;
    }
    bool alive = false;
    const Status opened = open_engine(std::move(policy), &alive);
    if (!alive) return false;
    if (!opened) {
        trace("does not open: " + opened.error().text);
        must(opened.error().code != Errc::corruption, "J4", "open says " + opened.error().text);
        return false;
    }
    const OpenReport& report = engine->journal().report();
    trace("opened: epoch " + std::to_string(engine->journal().epoch().value) + ", last " +
          text(engine->journal().last()) + ", rewritten " + std::to_string(report.rewritten_bytes) +
          ", cut " + std::to_string(report.cut_bytes));
    head_may_lag_ = evicted_ = head_rotted_ = false;
    must(!report.damage, "J4", "damage where there is none: " + engine->why_not_ready());
    must(engine->journal().epoch() > epoch_, "J1", "an epoch comes again");
    epoch_ = engine->journal().epoch();
    must(!watermark || model.lost_any() ||
             watermark->value + report.records <= engine->journal().last().value,
         "J8", [&] {
             return "LMDB was at " + text(*watermark) + ", and " + std::to_string(report.records) +
                    " records were read again";
         });
    check_cut();
    check_history();
    for (const auto& [number, answer] : early_) {
        must(answer.seq <= engine->durable(), "J2", [&, seq = answer.seq] {
            return "answered with seq " + text(seq) + ", which a killed process lost";
        });
    }
    check();
    check_state_reader();
    return true;
}

// --- What clients do

void World::submit(std::uint64_t number) {
    Request& request = model.requests.at(number);
    const auto told = [this, number](Answer&& answer) {
        if (dead_) return;  // it never reached anybody
        --model.requests.at(number).under_way;
        answers_.emplace_back(number, std::move(answer));
    };
    history.invoke(request);
    // Some come again by another door.
    const bool by_mcp = (number + static_cast<std::uint64_t>(request.under_way++)) % 2 == 0;
    if (agents && by_mcp) return agents->propose(*engine, request, told);
    auto parsed = parse_proposal(request.text(), engine->policy().limits);
    SE_ASSERT(parsed.proposal);
    Caller caller;
    caller.principal = caller.actor = request.principal;
    caller.door = "http";
    engine->submit(*std::move(parsed.proposal), std::move(caller), told);
}

bool World::told_early(std::uint64_t number) const {
    return std::ranges::find(early_, number, &std::pair<std::uint64_t, Answer>::first) !=
           early_.end();
}

void World::dry_run(const Request& request) {
    const auto applied = engine->applied();
    if (applied.seq != model.last() || applied.journal_ahead || reloading_) return;
    Request asked = request;
    asked.id.clear();
    auto parsed = parse_proposal(asked.text(), engine->policy().limits);
    SE_ASSERT(parsed.proposal);
    Caller caller;
    caller.principal = caller.actor = request.principal;
    caller.door = "http";
    const Answer answer = engine->dry_run(*parsed.proposal, caller);
    must(answer.code == model.decide_at(request, applied.seq), "E4",
         "dry run of " + request.text() + " says " + std::string(to_text(answer.code)));
}

void World::reload(Policy policy) {
    reloading_ = true;
    Caller caller;
    caller.principal = caller.actor = "operator";
    engine->reload(std::move(policy), caller, [this](const Result<Seq>& seq) {
        if (dead_) return;
        reloading_ = false;
        // As of other answers: once a write has landed elsewhere, nobody knows what it rests on.
        if (seq && !wound_ && settings.journal.fsync == FsyncMode::group) acknowledge(*seq);
    });
}

void World::step_follower(SimRandom& chance) {
    if (wound_ || dead_) return;
    look_on();  // the model knows all that it may be shown
    if (broken_) return;
    follower.step(model, chance);
}

void World::step_mirror(SimRandom& chance) {
    if (wound_ || dead_) return;
    look_on();
    if (!broken_) mirror->step(*engine, model, chance);
}

void World::rebuild(bool swap) {
    rebuilding_ = true;
    engine->rebuild(swap, [this](const Result<Rebuild::Report>& report) {
        rebuilding_ = false;
        if (!report || dead_) return;
        if (!report->equal && !broken_ && !wound_)
            broken_ = Broken{"P2", "a rebuild differs from what is live"};
    });
}

}  // namespace se::sim
