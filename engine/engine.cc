#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "engine/engine_state.h"
#include "engine/rebuilt.h"
#include "journal/run_settings.h"

namespace se {
namespace {

/// A close that gets nowhere in so many steps gives up on what is still queued.
constexpr int kFruitlessStepsMax = 1'000;

Caller engine_caller() {
    Caller caller;
    caller.principal = kEngineActor;
    caller.actor = kEngineActor;
    caller.door = kEngineDoor;
    return caller;
}

/// Whose act a note is, and why. A reason is in the body, where it can be erased.
void sign(RecordDraft* draft, const Caller& caller, const Why& why) {
    draft->actor = caller.actor;
    draft->principal = caller.principal;
    draft->door = caller.door;
    draft->roles = caller.roles;
    draft->cause = caller.cause;
    draft->trace = caller.trace;
    draft->id = why.id;
    if (why.reason.empty()) return;
    auto body = parse_json(draft->body);
    SE_ASSERT(body && body->is_object());
    body->set("reason", why.reason);
    draft->body = to_text(*body);
}

RecordDraft note_draft(std::string note, std::string body, const Caller& caller,
                       const Why& why = {}) {
    RecordDraft draft;
    draft.kind = Kind::note;
    draft.note = std::move(note);
    if (!body.empty()) draft.body = std::move(body);
    sign(&draft, caller, why);
    return draft;
}

bool tells_of_a_repair(const RecordDraft& note) {
    return note.note == "repaired" || note.note == "header_rewritten";
}

/// The journal's `opened` note, with who it is that opened.
RecordDraft opened_note(RecordDraft note, const Engine::Doors& doors, const Engine::Writer& writer,
                        const JournalOptions& options) {
    auto body = parse_json(note.body);
    SE_ASSERT(body && body->is_object());
    body->set("writer", make_uuid(doors.random));
    body->set("pid", static_cast<std::int64_t>(writer.pid));
    body->set("host", writer.host);
    body->set("program", writer.program);
    body->set("fsync", options.fsync == FsyncMode::never ? "never" : "group");
    tell_run_settings(run_settings_of(options), &*body);
    note.body = to_text(*body);
    return note;
}

/// Tells the tracer what became of a proposal, from its way in to its answer.
Engine::Done traced(const Engine::Doors& doors, const Proposal& proposal, const Caller& caller,
                    Engine::Done done) {
    auto open = OpenSpan::begin(doors.tracer, doors.clock, doors.random, caller.trace, "mutation",
                                Span::Kind::internal);
    if (!open) return done;
    auto& attributes = open->span().attributes;
    attributes.emplace_back("state.op", std::string(to_text(proposal.ops[0].kind)));
    attributes.emplace_back("state.key", proposal.ops[0].key);
    attributes.emplace_back("state.principal", caller.principal);
    attributes.emplace_back("state.door", caller.door);
    return [open = std::move(*open), done = std::move(done)](Answer&& answer) mutable {
        auto& told = open.span().attributes;
        told.emplace_back("state.id", answer.id);
        told.emplace_back("state.seq", static_cast<std::int64_t>(answer.seq.value));
        told.emplace_back("state.accepted", answer.status == Answer::Status::accepted);
        if (answer.duplicate) told.emplace_back("state.duplicate", true);
        if (answer.code != Code::none) told.emplace_back("state.code", std::string(to_text(answer.code)));
        open.span().failed = answer.code == Code::unavailable || answer.code == Code::outcome_unknown;
        std::move(open).end();
        done(std::move(answer));
    };
}

std::string damage_text(const Damage& damage) {
    return "acknowledged history is damaged: seqs " + std::to_string(damage.from.value) + " to " +
           std::to_string(damage.to.value) + " (" + to_text(damage.fault) + "; proven by " +
           damage.evidence + ")";
}

}  // namespace

void append_word(std::string& words, std::string_view word) {
    if (!words.empty()) words += ' ';
    words += word;
}

void complete(Caller& caller) {
    if (caller.actor.empty()) caller.actor = caller.principal;
    if (caller.principal.empty()) caller.principal = caller.actor;
}

Engine::State::State(Doors the_doors, const Settings& the_settings, Writer the_writer,
                     Opened&& opened)
    : doors(std::move(the_doors)),
      settings(the_settings),
      writer(std::move(the_writer)),
      paths(std::move(opened.paths)),
      hold(std::move(opened.hold)),
      projection(std::move(opened.projection)),
      journal(std::move(opened.journal)),
      fsync_never(settings.journal.fsync == FsyncMode::never),
      config_seq(opened.config_seq),
      visible{opened.behind.epoch, opened.behind.seq},
      feed(opened.behind.seq, journal->epoch()) {}

Result<std::unique_ptr<Engine>> Engine::open(Doors doors, const Settings& settings,
                                             std::optional<Policy> policy, Writer writer) {
    SE_TRY(opened, open_store(doors, settings));
    const std::optional<Policy> journaled = std::move(opened.policy);
    const std::vector<std::string> unprojected = std::move(opened.unprojected);
    const Position behind = opened.behind;
    Settings in_force = settings;
    in_force.journal = opened.journal_options;
    auto state = std::make_unique<State>(doors, in_force, std::move(writer), std::move(opened));
    State& s = *state;
    s.policy = journaled ? *journaled : Policy{};
    s.decided = s.policy.digest();
    SE_TRY_OK(s.adopt_unprojected(unprojected, behind));
    if (s.writable()) SE_TRY_OK(s.recover_derived());

    if (const auto& damage = s.journal->report().damage) {
        s.why_not_ready = damage_text(*damage);
        doors.log.write({Severity::error, "state-engine.journal.damaged", {{"damage", s.why_not_ready}}});
        if (!journaled && policy) s.policy = *policy;
    } else {
        if (s.fsync_never) {
            doors.log.write({Severity::warning,
                             "state-engine.journal.fsync_never",
                             {{"meaning", "answers do not wait for the disk; a power cut loses some"}}});
        }
        std::vector<RecordDraft> notes = s.journal->notes();
        SE_ASSERT(!notes.empty());
        notes[0] = opened_note(std::move(notes[0]), doors, s.writer, s.settings.journal);
        for (RecordDraft& note : notes) {
            if (s.writer.repaired_by && tells_of_a_repair(note))
                sign(&note, *s.writer.repaired_by, s.writer.repaired_why);
            if (note.actor.empty()) note.actor = kEngineActor;
            s.queue.push_back({.what = std::move(note), .caller = {}, .done = {}, .told = {}});
        }
        const Policy& wanted = policy ? *policy : s.policy;
        if (!journaled || wanted != *journaled) {
            s.queue.push_back(
                {.what = wanted, .caller = engine_caller(), .done = {}, .told = {}});
        }
        s.opening_left = s.queue.size();
    }
    std::unique_ptr<Engine> engine(new Engine(std::move(state)));
    engine->step();
    return engine;
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

/// Records that LMDB would not take at open: shown from the overlay until it does.
Status Engine::State::adopt_unprojected(const std::vector<std::string>& lines,
                                        const Position& behind) {
    if (lines.empty()) return Ok{};
    Folder folder;
    Group group;
    for (const std::string& line : lines) {
        Item& item = group.items.emplace_back();
        item.line = line;
        SE_TRY_OK(parse_record(item.line, &view_));
        item.seq = view_.seq;
        item.identity = identity_of(view_);
        if (item.identity) {
            const auto known = look_up(*item.identity);
            if (known && *known == Known::other_content)
                item.identity->key = reused_identity(*item.identity);
            identities.insert_or_assign(item.identity->key,
                                        InFlight{item.identity->content, item.seq, {}});
        }
        SE_TRY_OK(folder.fold(view_, [&](std::string_view key, const EntryView& entry) -> Status {
            overlay.put(key, std::make_shared<const Entry>(entry.to_entry()));
            item.draft.changes.push_back({std::string(key), "", Version{}});
            return Ok{};
        }));
        group.bytes += line.size();
    }
    group.behind = behind;
    unprojected_bytes += group.bytes;
    groups.waiting.push_back(std::move(group));
    groups.answered = groups.told = 1;
    return Ok{};
}

// --- in

void Engine::submit(Proposal&& proposal, Caller&& caller, Done done) {
    State& s = *state_;
    complete(caller);
    if (s.doors.tracer != nullptr) done = traced(s.doors, proposal, caller, std::move(done));
    Waiting waiting{.what = std::move(proposal),
                    .caller = std::move(caller),
                    .done = std::move(done),
                    .told = {}};
    auto& inside = std::get<Proposal>(waiting.what);
    if (inside.id.empty()) {
        inside.id = make_uuid(s.doors.random);
        waiting.named_by_client = false;
    }
    s.tell_received(inside, waiting.caller);
    // Once as sent, and about once more as parsed.
    waiting.bytes = 2 * inside.canonical.size() + kQueuedOverheadBytes;
    s.enqueue(std::move(waiting));
}

/// Nothing is put together for nobody: a line costs more than the mutation.
void Engine::State::tell_received(const Proposal& proposal, const Caller& caller) const {
    if (!doors.log.takes(Severity::debug)) return;
    std::string keys, ops;
    for (const Op& op : proposal.ops) {
        append_word(keys, op.key);
        append_word(ops, to_text(op.kind));
    }
    doors.log.write({Severity::debug,
                     "state-engine.mutation.received",
                     {{"id", proposal.id}, {"key", keys}, {"op", ops}, {"actor", caller.actor}},
                     caller.trace});
}

void Engine::refuse(Refusal&& refusal, Caller&& caller, Done done) {
    State& s = *state_;
    complete(caller);
    const std::uint64_t bytes =
        kQueuedOverheadBytes + caller.claim.size() + refusal.original.size();
    Waiting waiting{.what = std::move(refusal),
                    .caller = std::move(caller),
                    .done = std::move(done),
                    .told = {}};
    waiting.bytes = bytes;
    s.enqueue(std::move(waiting));
}

void Engine::reload(Policy policy, Caller caller, std::function<void(Result<Seq>)> done, Why why) {
    complete(caller);
    state_->enqueue({.what = std::move(policy),
                     .caller = std::move(caller),
                     .done = {},
                     .told = std::move(done),
                     .why = std::move(why)});
}

void Engine::note(std::string note, std::string body_json, Caller caller,
                  std::function<void(Result<Seq>)> done, Why why) {
    complete(caller);
    state_->enqueue({.what = note_draft(std::move(note), std::move(body_json), caller, why),
                     .caller = {},
                     .done = {},
                     .told = std::move(done)});
}

Answer Engine::State::unavailable(std::string id, std::string_view reason,
                                  std::string message) const {
    Answer answer;
    answer.id = std::move(id);
    answer.code = Code::unavailable;
    answer.reason = reason;
    answer.message = std::move(message);
    return answer;
}

void Engine::State::enqueue(Waiting&& waiting) {
    std::string_view reason;
    std::string message;
    if (failed || draining) {
        reason = "draining";
        message = failed ? "the journal failed and has to be reopened: " + why_not_ready
                         : "shutting down: no more proposals are taken";
    } else if (journal->read_only()) {
        reason = "damaged";
        message = why_not_ready;
    } else if (held_up(waiting)) {
        reason = "overloaded";
        message = kHeldUp;
    } else if (queue.size() >= settings.engine.queue) {
        reason = "overloaded";
        message = "engine.queue: " + std::to_string(settings.engine.queue) + " proposals wait already";
    } else if (queued_bytes + unanswered_bytes + waiting.bytes > settings.engine.in_flight_bytes) {
        reason = "overloaded";
        message = "engine.in_flight_bytes: " + std::to_string(settings.engine.in_flight_bytes) +
                  " bytes are under way already";
    } else {
        queued_bytes += waiting.bytes;
        blocked = false;
        queue.push_back(std::move(waiting));
        return;
    }
    if (waiting.told) {
        const Errc code = reason == "damaged" ? Errc::corruption : Errc::unavailable;
        return waiting.told(Error{code, message});
    }
    if (!waiting.done) return;
    Answer answer = unavailable(waiting.id(), reason, std::move(message));
    if (auto* refusal = std::get_if<Refusal>(&waiting.what)) answer = answer_of(std::move(*refusal));
    meters.refused(answer.code);
    waiting.done(std::move(answer));
}

// --- on

void Engine::step() {
    State& s = *state_;
    s.snapshot_.reset();
    s.finish();
    s.decide_waiting();
    s.hand_over();
    s.finish();  // what was written here and now, and answers that need no record
    s.step_rebuild();
    s.upkeep();
    s.blocked = (!s.queue.empty() || !s.derived.empty()) && s.writable() &&
                (!s.has_room() || s.journal->room(s.wanted_bytes) == Journal::Room::disk_full ||
                 (s.derives_next() && s.doors.clock.monotonic() < s.derive_again));
}

void Engine::State::deliver() {
    said_bytes = 0;
    // Whoever is called may submit again, and be answered at once.
    while (!outbox.empty() || !told_outbox.empty()) {
        for (auto& [told, seq] : std::exchange(told_outbox, {})) told(std::move(seq));
        for (auto& [done, answer] : std::exchange(outbox, {})) done(std::move(answer));
    }
}

void Engine::State::upkeep() {
    const auto now = doors.clock.monotonic();
    if (!failed) tick_at = now + journal->tick();
    if (reader != nullptr) note_damage_below(*reader);
    if (now - readers_checked < kIdleMax) return;
    readers_checked = now;
    if (const auto checked = projection->check_readers(); !checked) {
        doors.log.write({Severity::warning,
                         "state-engine.projection.reader_check_failed",
                         {{"error", checked.error().text}}});
    }
}

void Engine::rebuild(bool swap, std::function<void(Result<Rebuild::Report>)> done, Caller caller,
                     Why why) {
    State& s = *state_;
    if (s.rebuild != nullptr) return done(Error{Errc::busy, "a rebuild is under way"});
    auto begun = Rebuild::begin(*s.projection, s.doors.files, s.paths);
    if (!begun) return done(std::move(begun).error());
    s.rebuild = *std::move(begun);
    s.rebuild_swaps = swap;
    s.rebuild_told = std::move(done);
    s.rebuild_caller = caller.principal.empty() ? engine_caller() : std::move(caller);
    complete(s.rebuild_caller);
    s.rebuild_why = std::move(why);
}

void Engine::State::step_rebuild() {
    if (rebuild == nullptr) return;
    snapshot_.reset();
    auto report = rebuild->step(kRebuiltPerStep, rebuild_swaps);
    if (report && !*report) return;
    rebuild.reset();
    next_deadline.reset();
    const auto told = std::exchange(rebuild_told, nullptr);
    if (!report) return told(std::move(report).error());
    if (!(*report)->swapped) return told(**std::move(report));
    std::string body = rebuilt_body(**report);
    auto recorded = [told, report = **std::move(report)](Result<Seq> seq) {
        if (seq) return told(report);
        told(Error{seq.error().code,
                   "the projection is swapped; that it was has no record: " + seq.error().text});
    };
    enqueue({.what = note_draft("rebuilt", std::move(body), rebuild_caller, rebuild_why),
             .caller = {},
             .done = {},
             .told = std::move(recorded)});
}

bool Engine::work_waits() const {
    const State& s = *state_;
    if (!s.outbox.empty() || !s.told_outbox.empty() || s.rebuild != nullptr) return true;
    if (!s.failed && s.projection_due()) return true;
    if (!s.writable()) return false;
    if (s.journal->group_open() && !s.journal->group_running()) return true;
    if (!s.queue.empty() || !s.derived.empty()) {
        // Blocked: when the group at the disk is back, or by the time of the journal's next upkeep.
        return !s.blocked || (!s.journal->group_running() && s.doors.clock.monotonic() >= s.tick_at);
    }
    return s.opening_left == 0 && !s.draining && s.groups.waiting.empty() && s.building.items.empty() &&
           s.next_expiry_in() == std::chrono::nanoseconds{0};
}

std::chrono::nanoseconds Engine::idle_time() const {
    const State& s = *state_;
    if (work_waits()) return std::chrono::nanoseconds{0};
    const auto now = s.doors.clock.monotonic();
    std::chrono::nanoseconds idle = kIdleMax;
    if (!s.failed) idle = std::min(idle, s.tick_at - now);
    if (s.groups.projected < s.groups.waiting.size() && s.project_again > now) {
        idle = std::min(idle, s.project_again - now);
    }
    if (const auto expiry = s.next_expiry_in(); expiry.count() > 0) idle = std::min(idle, expiry);
    return std::max(idle, std::chrono::nanoseconds{0});
}

/// How long until something in LMDB expires; kIdleMax when nothing does, or nobody knows yet.
std::chrono::nanoseconds Engine::State::next_expiry_in() const {
    if (!policy.limits.ttl_enforce || !next_deadline || !*next_deadline) return kIdleMax;
    const Time now = std::max(doors.clock.wall(), journal->last_ts());
    return std::max<std::chrono::nanoseconds>(
        {**next_deadline - now, expire_again - doors.clock.monotonic(), std::chrono::nanoseconds{0}});
}

void Engine::on_changes(std::function<void()> wake) { state_->wake_followers = std::move(wake); }

// --- out

void Engine::drain() { state_->draining = true; }

bool Engine::idle() const {
    const State& s = *state_;
    return s.queue.size() == s.opening_left && s.derived.empty() && s.building.items.empty() && s.outbox.empty() &&
           s.told_outbox.empty() && s.groups.answered == s.groups.waiting.size();
}

Status Engine::close() {
    drain();
    State& s = *state_;
    const auto run_dry = [&] {
        for (int fruitless = 0; !idle() && !s.failed; ++fruitless) {
            const Seq before = s.journal->durable();
            step();
            s.doors.commits.wait();
            s.doors.background.wait();
            if (s.journal->durable() > before) fruitless = 0;
            if (fruitless == kFruitlessStepsMax) {
                s.refuse_queue("draining", "shutting down: there was no room to write this any more");
                s.deliver();
                return;
            }
        }
    };
    run_dry();
    if (s.writable()) {
        Waiting closed{.what = note_draft(std::string(kClosedNote), "", engine_caller()),
                       .caller = {},
                       .done = {},
                       .told = {}};
        s.queue.push_back(std::move(closed));
        run_dry();
    }
    if (s.rebuild != nullptr) {
        s.rebuild.reset();
        s.rebuild_told(Error{Errc::unavailable, "shutting down"});
    }
    s.snapshot_.reset();
    Status flushed = Ok{};
    if (s.writable()) flushed = s.journal->flush();
    do s.finish();
    while (!s.failed && s.projection_due());
    // `clean` says that LMDB has all there was. Of a journal that failed nobody can say that: what it wrote last
    // may be on the disk, and may have been shown.
    const Status projection_closed = s.failed ? Status(Ok{}) : s.projection->close();
    if (s.failed) return Error{Errc::io, s.why_not_ready};
    SE_TRY_OK(flushed);
    SE_TRY_OK(projection_closed);
    return s.journal->close();
}

// --- what it is

EngineState Engine::state() const {
    const State& s = *state_;
    if (s.failed) return EngineState::failed;
    if (s.journal->read_only()) return EngineState::damaged;
    return s.draining ? EngineState::draining : EngineState::ready;
}

const std::string& Engine::why_not_ready() const { return state_->why_not_ready; }
const std::optional<Damage>& Engine::damage() const { return state_->journal->report().damage; }
const Policy& Engine::policy() const { return state_->policy; }
const StoreInfo& Engine::store() const { return state_->hold.info; }
const Journal& Engine::journal() const { return *state_->journal; }
Projection& Engine::projection() { return *state_->projection; }
FileSystem& Engine::files() const { return state_->doors.files; }
const StorePaths& Engine::paths() const { return state_->paths; }
const Settings& Engine::settings() const { return state_->settings; }

EngineStats Engine::stats() const {
    const State& s = *state_;
    EngineStats stats = s.meters.stats();
    stats.queue = s.queue.size();
    stats.in_flight_bytes = s.queued_bytes + s.unanswered_bytes;
    stats.overlay_keys = s.overlay.slots().size();
    stats.overlay_bytes = s.unprojected_bytes;
    return stats;
}

}  // namespace se
