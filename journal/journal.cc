#include "journal/journal.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "journal/base/assert.h"
#include "journal/base/json.h"
#include "journal/journal_state.h"
#include "journal/recovery.h"

namespace se {
namespace {

using std::chrono::nanoseconds;

std::uint64_t align_up(std::uint64_t offset, std::uint64_t align) {
    return align == 0 ? offset : (offset + align - 1) / align * align;
}

}  // namespace

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}

Journal::~Journal() {
    // A job may use what dies here.
    state_->doors.commits.wait();
    static_cast<void>(state_->doors.commits.poll());
    state_->doors.background.wait();
    static_cast<void>(state_->doors.background.poll());
}

const OpenReport& Journal::report() const { return state_->report; }
std::vector<RecordDraft> Journal::notes() const { return state_->notes; }
Epoch Journal::epoch() const { return state_->epoch; }
Seq Journal::last() const { return state_->position.seq; }
Seq Journal::written() const { return state_->written; }
Seq Journal::durable() const { return state_->durable; }
Time Journal::last_ts() const { return state_->position.ts; }
bool Journal::read_only() const { return state_->report.damage.has_value(); }
bool Journal::failed() const { return !state_->failure.empty(); }
const std::string& Journal::failure() const { return state_->failure; }
const Position& Journal::position() const { return state_->position; }
bool Journal::group_open() const { return !state_->building->bytes.empty(); }
bool Journal::group_running() const { return state_->commits_job != CommitsJob::none; }
std::uint64_t Journal::active_bytes_used() const { return state_->used; }
std::uint64_t Journal::journal_bytes() const { return state_->upkeep.segment_bytes(); }
std::optional<std::uint64_t> Journal::disk_free_bytes() const { return state_->upkeep.disk_free(); }
const Scrub& Journal::scrub() const { return state_->upkeep.scrub(); }
void Journal::note_damage_below(const Fault& fault) { state_->upkeep.note_damage_below(fault); }

// --- Append

std::uint64_t Journal::bytes_of(const RecordDraft& draft) {
    constexpr std::uint64_t kMemberNamesAndNumbers = 512;
    constexpr std::uint64_t kChangeNamesAndNumbers = 64;
    std::uint64_t bytes = kMemberNamesAndNumbers + draft.body.size() + draft.cause.size();
    for (const std::string* text : {&draft.note, &draft.code, &draft.id, &draft.content,
                                    &draft.actor, &draft.principal, &draft.door, &draft.trace,
                                    &draft.decided}) {
        bytes += json_string_bytes_max(*text);
    }
    for (const std::string& role : draft.roles) bytes += json_string_bytes_max(role) + 1;
    for (const HeadChange& change : draft.changes) {
        bytes += json_string_bytes_max(change.key) + json_string_bytes_max(change.op) +
                 kChangeNamesAndNumbers;
    }
    return bytes;
}

/// Where the group that is being built begins, or would.
std::uint64_t Journal::State::group_offset() const {
    return building->bytes.empty() ? align_up(used, options.align_bytes) : building->offset;
}

/// In the middle of building, a group goes on where it began: none straddles two segments.
bool Journal::State::fits(std::uint64_t bytes) const {
    return group_offset() + align_up(building->bytes.size() + bytes, options.align_bytes) <=
           capacity;
}

/// Of a header written now.
std::uint64_t Journal::State::header_bytes_max() const {
    constexpr std::uint64_t kMembersRootAndNumbers = 256;
    const auto subtrees = static_cast<std::uint64_t>(std::popcount(position.frontier.size()));
    return kMembersRootAndNumbers + store.size() + 2 * (8 + sizeof(Hash) * subtrees);
}

/// With a group whose first record has `bytes`.
std::uint64_t Journal::State::bytes_in_new_segment(std::uint64_t bytes) const {
    return align_up(header_bytes_max(), options.align_bytes) + align_up(bytes, options.align_bytes);
}

Journal::Room Journal::room(std::uint64_t bytes) {
    State& state = *state_;
    if (read_only() || failed() || state.closed || state.upkeep.disk_low()) return Room::disk_full;
    // What is longer than any record goes as far as append(), which refuses it.
    bytes = std::min<std::uint64_t>(bytes, kRecordBytesMax + kFramingBytes);
    if (group_open()) {
        const bool small =
            state.building->bytes.size() + bytes <= state.options.group_bytes_max;
        return small && state.fits(bytes) ? Room::ready : Room::filling;
    }
    if (state.fits(bytes)) return Room::ready;
    if (state.segment_is_empty()) return Room::ready;  // too large for append(): see there
    Filler& filler = state.upkeep.filler();
    const std::uint64_t needed = state.bytes_in_new_segment(bytes);
    if (filler.ready() && filler.filled() >= needed) return Room::ready;
    if (!state.rolling()) filler.want(align_up(needed, state.options.align_bytes));
    return filler.starved() || state.upkeep.disk_tight() ? Room::disk_full : Room::filling;
}

Result<Seq> Journal::append(const RecordDraft& draft) {
    State& state = *state_;
    SE_ASSERT(!read_only() && !failed() && !state.closed);
    SE_ASSERT(draft.ts >= state.position.ts);
    GroupWrite& group = *state.building;
    const Seq seq = state.position.seq.next();
    const std::size_t before = group.bytes.size();
    const std::uint64_t offset = state.group_offset();
    group.bytes += '\n';
    const Hash leaf = encode_record(group.bytes, draft, seq, state.epoch, state.durable,
                                    state.salts.next());
    group.bytes += '\n';
    const std::uint64_t bytes = group.bytes.size() - before;
    if (bytes > kRecordBytesMax + kFramingBytes) {
        group.bytes.resize(before);
        return Error{Errc::too_large, "a record of " + std::to_string(bytes) + " bytes; at most " +
                                          std::to_string(kRecordBytesMax) + " are taken"};
    }
    if (offset + align_up(group.bytes.size(), state.options.align_bytes) > state.capacity) {
        SE_ASSERT(before == 0);  // else room() did not say ready
        if (state.segment_is_empty()) {
            group.bytes.clear();
            return Error{Errc::too_large, "a record of " + std::to_string(bytes) +
                                              " bytes; a whole segment holds less"};
        }
        state.begin_roll();
    } else if (before == 0) {
        group.offset = offset;
    }
    Position& position = state.position;
    position.seq = seq;
    position.epoch = state.epoch;
    position.ts = draft.ts;
    position.segment = state.segment;
    position.end = group.offset + group.bytes.size();
    position.frontier.append(leaf);
    return seq;
}

/// The group that is being built, with its first record encoded, opens a new segment.
void Journal::State::begin_roll() {
    Filler& filler = upkeep.filler();
    SE_ASSERT(filler.ready());
    const SegmentHeader header{
        .store = store, .epoch = epoch, .first = position.seq.next(), .before = position.frontier};
    GroupWrite& group = *building;
    const std::uint64_t size = filler.filled();
    group.roll = GroupWrite::Roll{.first = header.first,
                             .header = encode_segment_header(header) + '\n',
                             .next = filler.take(),
                             .old_end = used};
    SE_ASSERT(group.roll->header.size() <= header_bytes_max());
    upkeep.segment_rolled(capacity - used, size);
    rolled_from = segment;
    segment = header.first;
    capacity = size;
    group.offset = align_up(group.roll->header.size(), options.align_bytes);
    SE_ASSERT(group.offset + group.bytes.size() <= capacity);
}

// --- Commit

void Journal::submit(bool alone) {
    State& state = *state_;
    SE_ASSERT(group_open() && !group_running() && !failed());
    std::swap(state.building, state.running);
    state.building->clear();
    GroupWrite& group = *state.running;
    group.last = state.position.seq;
    group.end = group.offset + group.bytes.size();
    state.used = group.end;
    group.bytes.resize(
        static_cast<std::size_t>(align_up(group.end, state.options.align_bytes) - group.offset),
        '\n');
    const bool sync = state.options.fsync == FsyncMode::group;
    state.run(CommitsJob::group, alone,
              [writer = state.writer, running = state.running, sync] {
                  return writer->commit(*running, sync);
              });
}

void Journal::State::run(CommitsJob what, bool here, std::function<Status()> job) {
    SE_ASSERT(commits_job == CommitsJob::none);
    commits_job = what;
    if (here) {
        moved |= finish(job());
    } else {
        doors.commits.start(std::move(job));
    }
}

/// Takes a job of the commits runner into account; true when somebody may have waited for it.
bool Journal::State::finish(const Status& outcome) {
    const CommitsJob job = std::exchange(commits_job, CommitsJob::none);
    if (!outcome) {
        failure = outcome.error().text.empty() ? "it failed" : outcome.error().text;
        head_lock.reset();  // nobody knows what is on the disk, HEAD included
        doors.log.write({Severity::error, "state-engine.journal.failed", {{"error", failure}}});
        return true;
    }
    const bool moves = written != writer->written() || durable != writer->durable();
    written = writer->written();
    durable = writer->durable();
    const nanoseconds now = doors.clock.monotonic();
    if (job == CommitsJob::group) {
        last_commit = now;
        if (running->roll) upkeep.segment_closed(*std::exchange(rolled_from, {}), capacity);
    } else if (job == CommitsJob::sync) {
        last_sync = last_commit = now;
    }
    return moves;
}

bool Journal::poll() {
    State& state = *state_;
    if (state.commits_job != CommitsJob::none) {
        if (const auto outcome = state.doors.commits.poll()) state.moved |= state.finish(*outcome);
    }
    state.upkeep.poll();
    return std::exchange(state.moved, false);
}

// --- Upkeep

nanoseconds Journal::tick() {
    State& state = *state_;
    constexpr nanoseconds kNothingDue = std::chrono::seconds{1};
    if (read_only() || failed() || state.closed) return kNothingDue;
    const nanoseconds now = state.doors.clock.monotonic();
    const Time wall = state.doors.clock.wall();
    nanoseconds wait = std::min(kNothingDue, state.upkeep.tick(now, wall, state.used, state.capacity));
    if (group_running()) return wait;

    if (state.written > state.durable) {
        const nanoseconds due = state.last_sync + state.options.sync_interval - now;
        if (due > nanoseconds{}) return std::min(wait, due);
        state.run(CommitsJob::sync, false, [writer = state.writer] { return writer->sync(); });
    } else if (!state.writer->head_synced() && !group_open()) {
        const nanoseconds due = state.last_commit + state.options.head_sync_idle - now;
        if (due > nanoseconds{}) return std::min(wait, due);
        state.run(CommitsJob::head, false, [writer = state.writer] { return writer->sync_head(); });
    }
    return wait;
}

Status Journal::State::wait_for_commits() {
    if (commits_job != CommitsJob::none) {
        doors.commits.wait();
        const auto outcome = doors.commits.poll();
        SE_ASSERT(outcome);
        moved |= finish(*outcome);
    }
    return failure.empty() ? Status(Ok{}) : Status(Error{Errc::io, failure});
}

Status Journal::flush() {
    State& state = *state_;
    if (read_only()) return Ok{};
    SE_TRY_OK(state.wait_for_commits());
    if (group_open()) submit(true);
    if (!failed() && state.written > state.durable) {
        state.run(CommitsJob::sync, true, [writer = state.writer] { return writer->sync(); });
    }
    return state.wait_for_commits();
}

Status Journal::close() {
    State& state = *state_;
    if (read_only() || state.closed) return Ok{};
    SE_TRY_OK(flush());
    if (!state.writer->head_synced()) {
        state.run(CommitsJob::head, true, [writer = state.writer] { return writer->sync_head(); });
        SE_TRY_OK(state.wait_for_commits());
    }
    state.doors.background.wait();
    state.upkeep.poll();
    state.closed = true;
    state.head_lock.reset();
    return Ok{};
}

}  // namespace se
