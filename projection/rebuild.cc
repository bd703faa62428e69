#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "journal/erasures.h"
#include "journal/journal_reader.h"
#include "projection/comparison.h"
#include "projection/projection_state.h"

namespace se {
namespace {

constexpr std::size_t kGroupRecordsMax = 256;  // one transaction when catching up
constexpr std::size_t kGroupBytesMax = 4u << 20;

/// Records kept beyond the reader's next step, to be applied together.
class Group {
public:
    Status add(std::string_view line) {
        lines_.emplace_back(line);
        bytes_ += line.size();
        return parse_record(lines_.back(), &records_.emplace_back());
    }
    bool full() const { return records_.size() >= kGroupRecordsMax || bytes_ >= kGroupBytesMax; }
    bool empty() const { return records_.empty(); }
    Status apply(Generation& generation, const Position& behind) {
        std::vector<const RecordView*> views;
        for (const RecordView& record : records_) views.push_back(&record);
        SE_TRY_OK(generation.apply(views, behind));
        *this = Group();
        return Ok{};
    }

private:
    std::deque<std::string> lines_;  // the views point into them
    std::deque<RecordView> records_;
    std::size_t bytes_ = 0;
};

}  // namespace

struct Rebuild::State {
    Projection& live;
    JournalReader reader;
    std::uint64_t number = 0;
    BulkFold bulk{};                              // until it has first caught up
    std::shared_ptr<Generation> generation = {};  // from then on
    Position reached{};
    Erasures erasures{};
    bool own_frontier = true;  // false behind a repaired gap, whose leaves nobody has any more
    Comparison comparison{};
    std::optional<std::pair<Snapshot, Snapshot>> held = {};  // live and rebuilt, while needed
    std::optional<Report> compared = {};
    std::uint64_t records = 0;
    bool swapped = false;

    Projection::State& projection() { return *live.state_; }
    Result<bool> catch_up(std::uint64_t* budget);
    Status load();
    Result<bool> compare(std::uint64_t* budget);
};

Result<std::unique_ptr<Rebuild>> Rebuild::begin(Projection& live, FileSystem& files,
                                                const StorePaths& paths) {
    SE_ASSERT(live.trusted());
    SE_TRY(reader, JournalReader::open(files, paths));
    SE_TRY(number, live.state_->next_number());
    std::unique_ptr<State> state(
        new State{.live = live, .reader = std::move(reader), .number = number});
    return std::unique_ptr<Rebuild>(new Rebuild(std::move(state)));
}

Rebuild::Rebuild(std::unique_ptr<State> state) : state_(std::move(state)) {}

Rebuild::~Rebuild() {
    if (!state_->generation || state_->swapped) return;
    // Nobody will ever name it.
    const std::uint64_t number = state_->generation->number();
    state_->held.reset();
    state_->generation.reset();
    Projection::State& projection = state_->projection();
    if (const Status removed =
            projection.place.cache_files.remove_tree(projection.directory_of(number));
        !removed)
        projection.log.write({Severity::warning,
                              "state-engine.projection.old_generation_kept",
                              {{"why", removed.error().text}}});
}

Seq Rebuild::reached() const {
    return state_->reached.seq;
}

Result<std::optional<Rebuild::Report>> Rebuild::step(std::uint64_t records_max, bool swap) {
    State& s = *state_;
    SE_ASSERT(!s.swapped);
    std::uint64_t budget = records_max;
    const auto not_yet = std::optional<Report>{};
    for (;;) {
        SE_TRY(caught_up, s.catch_up(&budget));
        if (!caught_up) return not_yet;
        if (!s.generation) SE_TRY_OK(s.load());
        if (s.compared) break;
        SE_TRY(done, s.compare(&budget));
        if (!done) return not_yet;
    }
    if (swap) {
        SE_TRY_OK(s.projection().adopt(s.generation));
        s.swapped = true;
    }
    Report report = *s.compared;
    report.records = s.records;
    report.swapped = s.swapped;
    return std::optional(std::move(report));
}

/// Folds on up to the live watermark: true when there.
Result<bool> Rebuild::State::catch_up(std::uint64_t* budget) {
    const Position& target = live.watermark();
    Group group;
    Position behind = reached;
    const auto apply_group = [&]() -> Status {
        if (!group.empty()) {
            SE_TRY_OK(group.apply(*generation, behind));
        }
        reached = behind;
        return Ok{};
    };
    while (behind.seq<target.seq&& * budget> 0) {
        SE_TRY(record, reader.next());
        if (record == nullptr) break;  // not shown yet
        SE_TRY(leaf, leaf_hash(record->line));
        SE_TRY_OK(generation ? group.add(record->line) : bulk.add(*record));
        erasures.add(*record, reader.segment(), reader.offset());
        own_frontier = own_frontier && record->seq == behind.seq.next();
        behind.seq = record->seq;
        behind.epoch = record->epoch;
        behind.ts = record->ts;
        behind.segment = reader.segment();
        behind.end = reader.end();
        if (own_frontier)
            behind.frontier.append(leaf);
        else if (behind.seq == target.seq)
            behind.frontier = target.frontier;
        ++records;
        --*budget;
        if (group.full()) {
            SE_TRY_OK(apply_group());
        }
    }
    SE_TRY_OK(apply_group());
    if (reached.seq != target.seq) return false;
    // J7. A tombstone that nothing explains must not take the place of what the live one still has.
    if (const auto fault = erasures.unnamed()) return Error{Errc::corruption, to_text(*fault)};
    return true;
}

Status Rebuild::State::load() {
    Projection::State& p = projection();
    SE_TRY(loaded, Generation::load(p.place.cache_files, p.place.cache_directory, number, p.store,
                                    p.options, bulk, reached));
    generation = std::move(loaded);
    bulk = BulkFold();
    return Ok{};
}

/// Needs both at one seq.
Result<bool> Rebuild::State::compare(std::uint64_t* budget) {
    *budget = std::max<std::uint64_t>(*budget, 1);
    for (bool done = false; !done;) {
        if (*budget == 0) return false;
        if (!held) {
            SE_TRY(of_live, live.snapshot());
            SE_TRY(of_rebuilt, generation->snapshot());
            held.emplace(std::move(of_live), std::move(of_rebuilt));
        }
        SE_TRY(all_seen, comparison.step(held->first, held->second, budget));
        done = all_seen;
        // No read transaction outlives a slice but for the roots, which are of one seq.
        if (comparison.state_seen()) held.reset();
    }
    *budget = 0;
    compared = comparison.report();
    return true;
}

}  // namespace se
