#include "tests/sim/sim_world.h"

#include <algorithm>

namespace se::sim {
namespace {

const StorePaths kPaths{"/data"};

std::string text(Seq seq) {
    return std::to_string(seq.value);
}

Settings small_settings(SimRandom& random) {
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
    settings.projection.map_bytes_max = 1u << 30;
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

World::World(std::uint64_t seed, FileSystem& real, std::string cache_directory)
    : random(seed),
      disk(random.next()),
      settings(small_settings(random)),
      real_(real),
      cache_(real),
      cache_directory_(std::move(cache_directory)),
      looks_(random.fork()) {
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
    cache_.broken = false;
    disk.set_capacity(1ull << 40);
}

bool World::act(const std::function<void()>& action) {
    const std::uint64_t before = disk.calls();
    if (fails_in_) disk.fail_after(*fails_in_, fault_, fault_code_);
    disk.count_reads(fails_in_ && fault_in_reads_);
    disk.on_call([&](const SimFileSystem::Call&) {
        if (dead_) return;
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
    commits.drop();
    background.drop();
    state_reader_.reset();  // else it keeps alive what dies with the writer's process
    engine.reset();
    rebuilding_ = reloading_ = false;
    for (Request& request : model.requests) request.under_way = 0;
}

void World::crash() {
    disk.crash();
    leave();
    follower_.reset();  // files know one process only: whoever looks on begins anew as well
    dead_ = false;
    death_ = Death::no;
}

void World::power_cut() {
    if (!dead_) disk.power_cut();
    crash();
    ++cache_.boot;
    head_may_lag_ = true;
    clock.set_monotonic(std::chrono::seconds{1000});
    // LMDB was not synced. Some of the time all of it got to the disk: that must not be believed.
    if (looks_.chance(70)) delete_cache();
}

void World::evict() {
    disk.evict();
    head_may_lag_ = evicted_ = true;  // a failed sync of HEAD shows now
}

bool World::open(std::optional<Policy> policy) {
    SE_ASSERT(engine == nullptr);
    state_reader_.reset();  // one process cannot have LMDB open as a reader and as the writer
    std::optional<Error> why;
    const bool alive = act([&] {
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
        } else {
            why = opened.error();
            commits.drop();
            background.drop();
        }
    });
    if (!alive) return false;
    if (why) {
        trace("does not open: " + why->text);
        must(why->code != Errc::corruption, "J4", "open says " + why->text);
        return false;
    }
    const OpenReport& report = engine->journal().report();
    trace("opened: epoch " + std::to_string(engine->journal().epoch().value) + ", last " +
          text(engine->journal().last()) + ", rewritten " + std::to_string(report.rewritten_bytes) +
          ", cut " + std::to_string(report.cut_bytes));
    head_may_lag_ = evicted_ = false;
    must(!report.damage, "J4", "damage where there is none: " + engine->why_not_ready());
    must(engine->journal().epoch() > epoch_, "J1", "an epoch comes again");
    epoch_ = engine->journal().epoch();
    check_history();
    check();
    check_state_reader();
    return true;
}

// --- What clients do

void World::submit(std::uint64_t number) {
    Request& request = model.requests.at(number);
    auto parsed = parse_proposal(request.text(), engine->policy().limits);
    SE_ASSERT(parsed.proposal);
    ++request.under_way;
    Caller caller;
    caller.principal = caller.actor = request.principal;
    caller.door = "http";
    engine->submit(*std::move(parsed.proposal), std::move(caller), [this, number](Answer&& answer) {
        if (dead_) return;  // it never reached anybody
        --model.requests.at(number).under_way;
        answers_.emplace_back(number, std::move(answer));
    });
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
        if (seq) acknowledged_ = std::max(acknowledged_, *seq);
    });
}

void World::rebuild(bool swap) {
    rebuilding_ = true;
    engine->rebuild(swap, [this](const Result<Rebuild::Report>& report) {
        rebuilding_ = false;
        if (!report || dead_) return;
        if (!report->equal && !broken_)
            broken_ = Broken{"P2", "a rebuild differs from what is live"};
    });
}

// --- Checks

void World::follow() {
    if (head_may_lag_) return check_history();
    if (!follower_) {
        auto opened = JournalReader::open(disk, kPaths);
        if (!opened) return;  // no store yet
        follower_.emplace(*std::move(opened));
        if (model.last() != Seq{}) {
            const auto rewound =
                follower_->resume(Cursor{model.epoch_of(model.last()), model.last()});
            must(static_cast<bool>(rewound), "J6", "a follower cannot go on");
            must(!*rewound, "J6", "a follower is rewound although nothing was ever lost");
        }
    }
    for (;;) {
        const auto record = follower_->next();
        must(static_cast<bool>(record), "J6",
             "a follower meets " + (record ? "" : record.error().text));
        if (*record == nullptr) return;
        model.take(**record);
    }
}

void World::check_history() {
    auto reader = JournalReader::open(disk, kPaths);
    if (!reader && model.last() == Seq{}) return;  // no store yet
    must(static_cast<bool>(reader), "J2", "the journal cannot be read");
    Seq seen;
    for (;;) {
        const auto record = reader->next();
        must(static_cast<bool>(record), "J6",
             "a reader meets " + (record ? "" : record.error().text));
        if (*record == nullptr) break;
        seen = (*record)->seq;
        if (seen <= model.last()) {
            model.recognize(**record);
        } else {
            model.take(**record);
            follower_.reset();  // it would show this once more
        }
    }
    // After such a loss HEAD may be older than the lines: some are hidden until a writer has
    // opened.
    must(seen == model.last() || head_may_lag_, "J2",
         "shown up to " + text(seen) + ", before up to " + text(model.last()));
}

void World::check_answers() {
    for (auto& [number, answer] : std::exchange(answers_, {})) {
        Request& request = model.requests.at(number);
        if (answer.code == Code::unavailable || answer.code == Code::outcome_unknown) continue;
        must(answer.code != Code::malformed && answer.code != Code::too_large, "E4",
             request.text() + " is refused: " + answer.message);
        if (answer.seq != Seq{})
            model.check_answer(request, answer);  // 0: beyond a budget of refusals
        must(!request.final || answer.duplicate || answer.code == Code::id_reused, "E2",
             request.reason() + " is decided twice");
        acknowledged_ = std::max(acknowledged_, answer.seq);
        if (!request.final) request.final = answer;
    }
}

void World::check_feed() {
    if (!feed_cursor_) feed_cursor_ = Cursor{};
    const auto told = engine->changes_since(&*feed_cursor_, "", 1 + looks_.below(8));
    must(static_cast<bool>(told), "X1", "the feed fails: " + (told ? "" : told.error().text));
    must(!told->resync, "X2", "the feed is rewound although nothing was ever lost");
    for (const auto& event : told->events) {
        must(feed_told_ < model.changes().size(), "X2", "the feed tells more than there is");
        const auto& [seq, key] = model.changes()[feed_told_++];
        must(event->seq == seq && event->key == key && event->epoch == model.epoch_of(seq), "X2",
             "the feed tells of " + event->key + " at " + text(event->seq) + ", next is " + key +
                 " at " + text(seq));
    }
    const auto& changes = model.changes();
    const bool gap = feed_told_ < changes.size() && changes[feed_told_].first <= feed_cursor_->seq;
    must(!gap, "X2", "the feed's cursor passes a change that was not told");
    must(feed_told_ == 0 || changes[feed_told_ - 1].first <= feed_cursor_->seq, "X2",
         "the feed's cursor lags behind what was told");
}

void World::check() {
    follow();
    if (engine == nullptr) return;
    check_answers();
    must(engine->state() != EngineState::damaged, "J4", "damaged: " + engine->why_not_ready());
    const Seq durable = engine->durable();
    must(durable <= model.last(), "J3",
         "durable " + text(durable) + ", a follower is shown " + text(model.last()));
    must(acknowledged_ <= durable, "J3",
         "acknowledged " + text(acknowledged_) + ", durable " + text(durable));

    const Seq watermark = engine->projection().watermark().seq;
    must(watermark <= durable, "J3", "projected " + text(watermark) + ", durable " + text(durable));
    if (const auto snapshot = engine->projection().snapshot()) {
        must(snapshot->seq() == watermark, "P1", "LMDB is at " + text(snapshot->seq()));
        std::map<std::string, Entry> found;
        must(static_cast<bool>(snapshot->scan("", "",
                                              [&](std::string_view key, const EntryView& entry) {
                                                  found.emplace(key, entry.to_entry());
                                                  return true;
                                              })),
             "P2", "LMDB cannot be read");
        must(found == model.state_at(watermark), "P2",
             "LMDB is not the fold up to " + text(watermark));
    }

    const auto applied = engine->applied();
    must(applied.seq <= durable, "J3",
         "reads show " + text(applied.seq) + ", durable " + text(durable));
    must(acknowledged_ <= applied.seq, "P4",
         "reads show " + text(applied.seq) + ", acknowledged " + text(acknowledged_));
    std::vector<std::pair<std::string, Entry>> live;
    for (const auto& [key, entry] : model.state_at(applied.seq)) {
        const auto read = engine->get(key);
        must(read && *read && **read == entry, "P4",
             "a read of " + key + " as of " + text(applied.seq));
        if (!entry.deleted) live.emplace_back(key, entry);
    }
    const auto listed = engine->list("", "", 1000);
    must(listed && *listed == live, "P4", "a list as of " + text(applied.seq));
    if (looks_.chance(30)) check_feed();
    if (looks_.chance(8) && !rebuilding_) check_state_reader();
}

void World::check_state_reader() {
    const ProjectionPlace place{disk, kPaths, cache_, cache_directory_};
    if (cache_.broken) return;
    if (!state_reader_) {
        auto opened =
            StateReader::open(place, {.map_bytes_max = settings.projection.map_bytes_max});
        if (!opened) return;  // no store yet
        state_reader_.emplace(*std::move(opened));
    }
    const auto as_of = state_reader_->refresh();
    must(static_cast<bool>(as_of), "J6",
         "a reader of the state: " + (as_of ? "" : as_of.error().text));
    must(!as_of->damage, "J6",
         "a reader of the state sees damage: " + (as_of->damage ? to_text(*as_of->damage) : ""));
    follow();
    must(as_of->seq <= model.last(), "J6", "a reader shows " + text(as_of->seq) + ", not durable");
    must(as_of->stale || evicted_ || as_of->seq >= std::max(state_seen_, acknowledged_), "J6",
         "a reader shows " + text(as_of->seq) + ", acknowledged " + text(acknowledged_) +
             ", shown before " + text(state_seen_));
    state_seen_ = std::max(state_seen_, as_of->seq);
    std::vector<std::pair<std::string, Entry>> live;
    for (const auto& [key, entry] : model.state_at(as_of->seq)) {
        const auto read = state_reader_->get(key);
        must(read && *read && **read == entry, "P2",
             "another process reads " + key + " as of " + text(as_of->seq));
        if (!entry.deleted) live.emplace_back(key, entry);
    }
    const auto listed = state_reader_->list("", "", 1000);
    must(listed && *listed == live, "P2", "another process lists as of " + text(as_of->seq));
    state_reader_->release();
}

}  // namespace se::sim
