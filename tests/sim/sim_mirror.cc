#include "tests/sim/sim_mirror.h"

#include <algorithm>
#include <utility>

#include "projection/firestore/documents.h"
#include "tests/sim/sim_places.h"

namespace se::sim {
namespace {

using namespace std::chrono_literals;
using firestore::FollowerOptions;
using firestore::FollowerState;

constexpr int kTenthsInVain = 2'000;  ///< that get no nearer; a breaker opens for 30 s, a turn is a tenth

}  // namespace

Mirror::Mirror(FileSystem& files, StorePaths paths, std::uint64_t seed)
    : files_(files), paths_(std::move(paths)), chance_(seed ^ 0x646F6373), documents_(chance_.next()) {
    const auto some = [this](std::uint64_t most) { return chance_.chance(50) ? chance_.below(most) : 0; };
    documents_.faults = {.lost_answers = some(30),
                         .late = some(20),
                         .aborts = some(20),
                         .throttles = some(20),
                         .away = some(30)};
}

void Mirror::begin(Engine& engine) {
    FollowerOptions options;
    options.bootstrap = !known_;
    options.state.documents = 1 + chance_.below(10);
    options.log.documents = 1 + chance_.below(10);
    options.window_records = 5 + chance_.below(100);
    std::vector<Runner*> lanes;
    for (SimRunner& lane : log_lanes_) lanes.push_back(&lane);
    follower_ = std::make_unique<firestore::Follower>(
        firestore::Follower::Doors{
            .files = files_,
            .clock = clock_,
            .random = chance_,
            .log = log_,
            .documents = documents_,
            .state_lane = state_lane_,
            .log_lanes = lanes,
            .state = [&engine](const std::string& after,
                               std::size_t limit) -> Result<firestore::Follower::StatePage> {
                SE_TRY(entries, engine.list("", after, limit));
                return firestore::Follower::StatePage{.as_of = engine.applied().seq,
                                                      .entries = std::move(entries)};
            }},
        paths_, options);
}

void Mirror::die() {
    if (follower_ == nullptr) return;
    const auto end = [this](SimRunner& lane) {
        if (chance_.chance(50)) lane.run();
        lane.drop();
    };
    if (state_lane_.waiting() && chance_.chance(30)) late_.push_back(state_lane_.take());
    end(state_lane_);
    for (SimRunner& lane : log_lanes_) end(lane);
    follower_.reset();
}

void Mirror::history_lost() {
    lost_ = true;
    good_from_ = Seq{UINT64_MAX};
    logs_.clear();
    learned_ = {};
}

void Mirror::mended(Seq last) {
    if (good_from_ == Seq{UINT64_MAX}) good_from_ = last;
}

bool Mirror::filled_again() {
    if (!lost_ || follower_->state().phase != FollowerState::Phase::stopped) return false;
    if (follower_->state().why.find("our journal knows no run") == std::string::npos) return false;
    seen_ = {};
    return static_cast<bool>(follower_->resume(true));
}

void Mirror::step(Engine& engine, const Model& model, SimRandom& random) {
    if (follower_ == nullptr) begin(engine);
    clock_.advance(std::chrono::milliseconds{random.below(1'000)});
    if (random.chance(3)) clock_.advance(31s);
    follower_->step();
    if (!late_.empty() && chance_.chance(10)) {
        static_cast<void>(late_.front()());
        late_.pop_front();
    }
    const std::uint64_t percent = random.below(101);
    if (chance_.chance(percent)) state_lane_.run();
    for (SimRunner& lane : log_lanes_) {
        if (chance_.chance(percent)) lane.run();
    }
    check(model);
    follower_->step();
}

std::optional<firestore::Mark> Mirror::mark() const {
    const auto at = documents_.documents().find(std::string(firestore::kWatermarkPath));
    return at == documents_.documents().end() ? std::nullopt : firestore::mark_of(at->second.fields);
}

/// Which log documents there must be.
void Mirror::learn(const Model& model) {
    auto reader = JournalReader::open(files_, paths_);
    if (!reader || !reader->seek(learned_.next())) return;
    while (learned_ < model.last()) {
        const auto record = reader->next();
        if (!record || *record == nullptr) return;
        if (const auto path = firestore::log_path(**record)) logs_.try_emplace(*path, (*record)->seq);
        learned_ = (*record)->seq;
    }
}

/// P6: the state documents are exactly the fold up to the watermark, which never goes back, and the log documents up
/// to it are there.
void Mirror::check(const Model& model) {
    if (filled_again()) return;
    must(follower_->state().phase != FollowerState::Phase::stopped, "P6",
         [&] { return "Firestore's follower stops: " + follower_->state().why; });
    if (std::exchange(calls_seen_, documents_.calls()) == documents_.calls()) return;
    const auto mark = this->mark();
    if (!mark) return;
    known_ = true;
    if (mark->bootstrap) return;
    must(mark->seq >= seen_ && mark->seq <= model.last(), "P6", [&] {
        return "Firestore's watermark is " + text(mark->seq) + ", was " + text(seen_) + ", shown is " +
               text(model.last());
    });
    seen_ = mark->seq;
    if (mark->seq < good_from_) return;
    lost_ = false;
    std::size_t live = 0;
    for (const auto& [key, entry] : model.state_at(mark->seq)) {
        if (entry.deleted) continue;
        ++live;
        const auto at = documents_.documents().find(firestore::state_path(key));
        must(at != documents_.documents().end() && at->second.fields == *firestore::state_fields(entry), "P6",
             [&, name = key] { return "the document of " + name + " is not as of " + text(mark->seq); });
    }
    const auto there = std::ranges::count_if(documents_.documents(),
                                             [](const auto& one) { return one.first.starts_with("state/"); });
    must(static_cast<std::size_t>(there) == live, "P6",
         [&] { return std::to_string(there) + " documents of " + std::to_string(live) + " keys"; });
    learn(model);
    for (const auto& [path, first] : logs_) {
        must(first > mark->seq || documents_.documents().contains(path), "P6",
             [&, name = path] { return "the watermark is " + text(mark->seq) + ", and there is no " + name; });
    }
}

bool Mirror::catch_up(Engine& engine, const Model& model) {
    documents_.faults = {};
    for (const auto& call : std::exchange(late_, {})) static_cast<void>(call());
    documents_.settle();
    if (follower_ == nullptr) begin(engine);
    Seq reached{};
    for (int in_vain = 0; in_vain < kTenthsInVain; ++in_vain) {
        clock_.advance(100ms);
        follower_->step();
        state_lane_.run();
        for (SimRunner& lane : log_lanes_) lane.run();
        check(model);
        if (seen_ > reached) in_vain = 0;
        reached = seen_;
        if (seen_ == model.last() && follower_->quiet() &&
            follower_->state().phase == FollowerState::Phase::following)
            return true;
    }
    return false;
}

}  // namespace se::sim
