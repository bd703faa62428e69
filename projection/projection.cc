#include "projection/projection.h"

#include <algorithm>
#include <utility>

#include "projection/projection_state.h"

namespace se {
namespace {

/// Whether an Error says "not to be used", as opposed to "not now".
bool is_verdict(Errc code) {
    return code == Errc::corruption || code == Errc::not_found || code == Errc::unsupported;
}

Result<std::optional<Stamp>> read_stamp(const ProjectionPlace& place, std::string* why) {
    const Result<std::string> text = read_file(place.files, stamp_path(place.paths));
    if (!text && text.error().code != Errc::not_found) return text.error();
    if (!text) {
        *why = "no STAMP";
        return std::optional<Stamp>{};
    }
    Result<Stamp> stamp = decode_stamp(*text);
    if (!stamp) {
        *why = stamp.error().text;
        return std::optional<Stamp>{};
    }
    return std::optional(*std::move(stamp));
}

}  // namespace

// --- opening and trust -------------------------------------------------------------------------

Result<std::unique_ptr<Projection>> Projection::open(ProjectionPlace place, const StoreInfo& store,
                                                     ProjectionOptions options, Log& log) {
    std::unique_ptr<State> state(
        new State{.place = std::move(place), .store = store, .options = options, .log = log});
    std::unique_ptr<Projection> projection(new Projection(std::move(state)));
    State& s = *projection->state_;
    SE_TRY(stamp, read_stamp(s.place, &s.why_not_trusted));
    s.stamp = stamp;
    if (!stamp) return projection;

    const std::string directory = s.directory_of(stamp->generation);
    const auto identity = s.place.cache_files.identity(directory + "/data.mdb");
    if (!identity && !is_verdict(identity.error().code)) return identity.error();
    if (!identity) {
        s.why_not_trusted = "generation " + std::to_string(stamp->generation) + " is gone";
        return projection;
    }
    // We hold the lock, so no living writer speaks for a foreign mount.
    if (const auto why = se::why_not_trusted(*stamp, *identity, std::nullopt)) {
        s.why_not_trusted = *why;
        return projection;
    }
    auto generation = Generation::open(directory, stamp->generation, s.store, s.options);
    if (!generation && !is_verdict(generation.error().code)) return generation.error();
    if (generation)
        s.current = *std::move(generation);
    else
        s.why_not_trusted = generation.error().text;
    return projection;
}

Projection::Projection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Projection::~Projection() = default;

bool Projection::trusted() const {
    return state_->current != nullptr;
}
const std::string& Projection::why_not_trusted() const {
    return state_->why_not_trusted;
}

const Position& Projection::watermark() const {
    return state_->current ? state_->current->watermark() : state_->start;
}

void Projection::distrust(std::string why) {
    state_->why_not_trusted = std::move(why);
    state_->set_current(nullptr);
}

// --- growing anew ------------------------------------------------------------------------------

Status Projection::regrow() {
    State& s = *state_;
    s.log.write({Severity::info, "state-engine.projection.regrow", {{"why", s.why_not_trusted}}});
    s.set_current(nullptr);
    s.writing = false;
    if (s.stamp) {
        const std::string path = stamp_path(s.place.paths);
        const Status removed = s.place.files.remove(path);
        if (!removed && removed.error().code != Errc::not_found) return removed;
        SE_TRY_OK(s.place.files.sync_directory(s.place.paths.projection()));
    }
    s.bulk.emplace();
    return Ok{};
}

bool Projection::in_bulk() const {
    return state_->bulk.has_value();
}

Status Projection::add_bulk(const RecordView& record) {
    SE_ASSERT(state_->bulk);
    return state_->bulk->add(record);
}

Status Projection::end_bulk(const Position& behind) {
    State& s = *state_;
    SE_ASSERT(s.bulk);
    SE_TRY(number, s.next_number());
    SE_TRY(generation, Generation::load(s.place.cache_files, s.place.cache_directory, number,
                                        s.store, s.options, *s.bulk, behind));
    SE_TRY_OK(s.adopt(std::move(generation)));
    s.bulk.reset();
    s.why_not_trusted.clear();
    return Ok{};
}

// --- a run -------------------------------------------------------------------------------------

Status Projection::begin_run(Epoch epoch) {
    State& s = *state_;
    s.run = epoch;
    s.writing = false;
    if (!s.current) return Ok{};  // end_bulk() will say it
    SE_TRY_OK(s.write_stamp(*s.current, false));
    s.remove_others();  // what an earlier run, killed between two steps, left behind
    return Ok{};
}

Status Projection::apply(std::span<const RecordView* const> records, const Position& behind) {
    State& s = *state_;
    SE_ASSERT(s.current);
    if (!s.writing) SE_TRY_OK(s.write_stamp(*s.current, false));
    return s.current->apply(records, behind);
}

Status Projection::close() {
    State& s = *state_;
    if (!s.current) return Ok{};
    if (!s.writing && s.stamp && s.stamp->clean) return Ok{};
    SE_TRY_OK(s.current->env().sync());
    return s.write_stamp(*s.current, true);
}

Result<Snapshot> Projection::snapshot() const {
    std::shared_ptr<Generation> current;
    {
        const std::lock_guard lock(state_->mutex);
        current = state_->current;
    }
    if (!current) return Error{Errc::unavailable, "the projection is growing anew"};
    return current->snapshot();
}

Result<std::uint64_t> Projection::check_readers() {
    if (!state_->current) return std::uint64_t{0};
    return state_->current->env().check_readers();
}
std::uint64_t Projection::map_bytes() const {
    return state_->current ? state_->current->env().map_bytes() : 0;
}
std::uint64_t Projection::used_bytes() const {
    return state_->current ? state_->current->env().used_bytes() : 0;
}
std::uint64_t Projection::generation() const {
    return state_->current ? state_->current->number() : 0;
}

// --- generations -------------------------------------------------------------------------------

std::string Projection::State::directory_of(std::uint64_t number) const {
    return generation_directory(place.cache_directory, number);
}

Result<std::uint64_t> Projection::State::next_number() const {
    SE_TRY(numbers, list_generations(place.cache_files, place.cache_directory));
    std::uint64_t highest = stamp ? stamp->generation : 0;
    for (const std::uint64_t number : numbers) highest = std::max(highest, number);
    return highest + 1;
}

Status Projection::State::write_stamp(const Generation& generation, bool clean) {
    SE_TRY(identity, place.cache_files.identity(generation.data_file()));
    const Stamp next{.generation = generation.number(),
                     .epoch = run.value_or(generation.watermark().epoch),
                     .identity = identity,
                     .clean = clean};
    writing = false;  // until the disk has it
    SE_TRY_OK(se::write_stamp(place.files, place.paths, next));
    stamp = next;
    writing = !clean;
    return Ok{};
}

Status Projection::State::adopt(std::shared_ptr<Generation> generation) {
    SE_TRY_OK(write_stamp(*generation, false));
    set_current(std::move(generation));
    remove_others();
    return Ok{};
}

void Projection::State::set_current(std::shared_ptr<Generation> generation) {
    const std::lock_guard lock(mutex);
    current.swap(generation);
}

void Projection::State::remove_others() {
    const auto numbers = list_generations(place.cache_files, place.cache_directory);
    if (!numbers) return;
    for (const std::uint64_t number : *numbers) {
        if (current && number == current->number()) continue;
        // Readers that still have it open keep what they see. A failure costs only room, until the
        // next time.
        if (const Status removed = place.cache_files.remove_tree(directory_of(number)); !removed)
            log.write({Severity::warning,
                       "state-engine.projection.old_generation_kept",
                       {{"generation", std::to_string(number)}, {"why", removed.error().text}}});
    }
}

}  // namespace se
