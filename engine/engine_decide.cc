#include <algorithm>
#include <utility>

#include "engine/engine_state.h"
#include "engine/intake/utf8.h"
#include "journal/base/canary.h"
#include "journal/base/json_depth.h"
#include "journal/base/time_text.h"
#include "journal/body.h"
#include "journal/index_file.h"

namespace se {
namespace {


/// At most `bytes_max` bytes of it, without cutting a character in two.
std::string cut_to(std::string text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return text;
    std::size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;
    text.resize(end);
    return text;
}

RecordDraft draft_by(const Caller& caller, Kind kind, const std::string& decided, Time now) {
    RecordDraft draft;
    draft.ts = now;
    draft.kind = kind;
    draft.actor = caller.actor;
    draft.principal = caller.principal;
    draft.door = caller.door;
    draft.roles = caller.roles;
    draft.trace = caller.trace;
    draft.decided = decided;
    return draft;
}

/// The whole of an expiry is told by its key, version and deadline: the same one is the same proposal,
/// however often it is made.
Proposal expiry_of(const Snapshot::Due& due) {
    Op op;
    op.kind = OpKind::remove;
    op.key = due.key;
    op.expected_version = due.version.value;
    Proposal proposal;
    proposal.id = "ttl:" + due.key + ":" + std::to_string(due.version.value);
    proposal.ops.push_back(std::move(op));
    proposal.reason = "expired";
    JsonObject canonical(proposal.canonical);
    canonical.integer("expectedVersion", due.version.value).text("key", due.key);
    canonical.text("op", "delete").text("reason", proposal.reason);
    canonical.close();
    return proposal;
}

Caller expiry_caller(const Snapshot::Due& due) {
    Caller caller;
    caller.principal = kExpiryActor;
    caller.actor = kExpiryActor;
    caller.door = kExpiryDoor;
    caller.exempt = true;
    JsonObject cause(caller.cause);
    cause.text("type", "expiry").text("deadline", to_text(due.deadline));
    cause.close();
    return caller;
}

/// A claim, and beside it what was sent; unless its door has put that there itself: a message of the bus may be more
/// than the one proposal that was read from it.
std::string with_original(const std::string& claim, const std::string& original) {
    if (original.empty()) return claim;
    auto told = parse_json(claim.empty() ? "{}" : claim, kJsonDepthTrusted);
    if (!told || !told->is_object() || told->find("original") != nullptr) return claim;
    told->set("original", original);
    return to_text(*told);
}

/// What is imported came by the bus long ago.
bool stands_in_line(const Caller& caller) { return caller.door == kBusDoor && !caller.imported; }

}  // namespace

/// Decides what is due and what is queued, in order, as far as this group has room.
void Engine::State::decide_waiting() {
    if (!writable()) return;
    // Time may stand still or go back; a record's never does.
    const Time now = std::max(doors.clock.wall(), journal->last_ts());
    bool expired = false;
    const auto expire_once = [&] {
        // A close waits for what was asked, and nobody asks for an expiry.
        if (expired || opening_left != 0 || draining || !derived.empty()) return;
        expired = true;
        expire(now);
    };
    expire_once();
    while ((derives_next() || !queue.empty()) && has_room()) {
        if (derives_next()) {
            if (doors.clock.monotonic() < derive_again) return;
            const Taken taken = take_derived(now);
            if (taken == Taken::no_room) return;
            if (taken == Taken::disk_full) {
                return refuse_queue("disk_full", "the disk is full; reads go on, try again later");
            }
            wanted_bytes = 0;
            expire_once();  // where each proposal has something follow, this is the one place for it
            continue;
        }
        const Taken taken = take(queue.front(), now);
        if (taken == Taken::no_room) return;
        if (taken == Taken::disk_full) {
            return refuse_queue("disk_full", "the disk is full; reads go on, try again later");
        }
        wanted_bytes = 0;
        queued_bytes -= queue.front().bytes;
        queue.pop_front();
        if (opening_left > 0) --opening_left;
    }
}

/// False: what is first in the queue cannot get in now, whatever it turns out to be.
bool Engine::State::has_room() {
    if (building.items.size() >= settings.engine.group_records) return false;
    // Answers that are large, however small what was asked: these first.
    if (building.says_bytes > kSaidPerStep || said_bytes > kSaidPerStep) return false;
    if (unprojected_bytes > settings.engine.overlay_bytes) {
        // LMDB is behind. Slow, it catches up; failing, we have taken all that the overlay may hold.
        if (project_backoff.count() != 0) {
            refuse_queue("overloaded", "the state database fails, and memory holds no more");
        }
        return false;
    }
    return wanted_bytes == 0 || journal->room(wanted_bytes) != Journal::Room::filling;
}

Engine::State::Taken Engine::State::take(Waiting& waiting, Time now) {
    if (held_up(waiting)) {
        answer_now(waiting, unavailable(waiting.id(), "overloaded", std::string(kHeldUp)));
        return Taken::yes;
    }
    if (std::holds_alternative<Proposal>(waiting.what)) return take_proposal(waiting, now);
    if (std::holds_alternative<Refusal>(waiting.what)) return take_refusal(waiting, now);
    if (std::holds_alternative<Policy>(waiting.what)) return take_policy(waiting, now);
    return take_note(waiting, now);
}

// --- proposals

Engine::State::Taken Engine::State::take_proposal(Waiting& waiting, Time now) {
    auto& proposal = std::get<Proposal>(waiting.what);
    const Caller& caller = waiting.caller;
    Identity identity = identity_for(proposal, caller);
    if (waiting.named_by_client) {
        auto known = look_up(identity);
        if (known && *known == Known::other_content &&
            (caller.door == kBusDoor || caller.imported)) {
            // Producers there reuse ids: other content is another proposal, known by both together. In
            // the log of another engine the later one has taken the place of the first.
            identity.key = reused_identity(identity);
            known = look_up(identity);
        }
        if (!known) {
            answer_now(waiting, unavailable(proposal.id, "damaged", known.error().text));
            return Taken::yes;
        }
        if (*known == Known::other_content) return refuse(waiting, id_reused(proposal), now);
        if (*known != Known::no) return take_again(waiting, identity, *known);
    }

    if (caller.imported && caller.imported->what == Imported::What::mutation)
        return take_past(waiting, identity, now);
    const auto shown = snapshot();
    if (!shown) {
        answer_now(waiting, unavailable(proposal.id, "damaged", shown.error().text));
        return Taken::yes;
    }
    OverlaidView view(overlay, **shown);  // all that was decided before, durable or not (E4)
    auto decision = decide(proposal, caller, view, policy, now);
    if (!decision) {
        answer_now(waiting, unavailable(proposal.id, "damaged", decision.error().text));
        return Taken::yes;
    }

    if (caller.imported && !decision->accepted) return leave_out(waiting, *decision);
    if (outgrows_record(*decision)) return refuse_too_large(waiting, now);
    Item item;
    const RecordPlace place = next_place();
    item.draft = to_draft(proposal, caller, *decision, to_hex(identity.content), decided, now, place);
    if (decision->accepted || binds_identity(decision->code)) item.identity = identity;
    if (decision->code == Code::version_conflict || decision->code == Code::basis_conflict) {
        Answer answer;
        add_current(answer, caller, decision->key, Seq{UINT64_MAX});
        item.current = std::move(answer.current);
        item.tombstone = std::move(answer.tombstone);
    }
    item.bytes = waiting.bytes;
    const std::size_t says = item.current ? item.current->size() : 0;
    const Taken taken = append(item, std::move(decision->changes));
    if (taken == Taken::too_large) return refuse_too_large(waiting, now);
    if (taken != Taken::yes) return taken;
    building.says_bytes += says;
    building.items.back().done = std::move(waiting.done);
    if (!decision->fired.empty()) {
        tell_warnings(decision->fired, place.seq, caller.trace);
        derived.begin(decision->fired, place, caller.trace);
    }
    return taken;
}

Engine::State::Taken Engine::State::refuse_too_large(Waiting& waiting, Time now) {
    return refuse(waiting, too_large(std::get<Proposal>(waiting.what)), now);
}

Identity Engine::State::identity_for(const Proposal& proposal, const Caller& caller) const {
    return Identity{identity_hash(scope_of(caller.door, caller.principal), proposal.id),
                    content_of(hold.info.secret, proposal)};
}

/// Whether this very proposal was decided before (E2).
Result<Engine::State::Known> Engine::State::look_up(const Identity& identity) {
    const auto first = identities.find(identity.key);
    if (first != identities.end()) {
        if (first->second.content != identity.content) return Known::other_content;
        return first->second.seq > visible.seq ? Known::in_flight : Known::answered;
    }
    SE_TRY(shown, snapshot());
    SE_TRY(bound, shown->find_identity(identity.key));
    if (!bound) return Known::no;
    return bound->content == identity.content ? Known::answered : Known::other_content;
}

/// Gets the first one's answer, or waits for it.
Engine::State::Taken Engine::State::take_again(Waiting& waiting, const Identity& identity,
                                               Known known) {
    if (known == Known::in_flight) {
        unanswered_bytes += waiting.bytes;
        identities.at(identity.key).waiters.push_back({std::move(waiting.done), waiting.bytes});
        return Taken::yes;
    }
    auto answer = first_outcome(identity.key, waiting.caller);
    if (!answer) {
        // It was decided: what comes behind it passes nothing.
        meters.refused(Code::unavailable);
        outbox.emplace_back(std::move(waiting.done),
                            unavailable(waiting.id(), "damaged",
                                        "the first answer cannot be read: " + answer.error().text));
        return Taken::yes;
    }
    meters.duplicate();
    said_bytes += answer->current ? answer->current->size() : 0;
    outbox.emplace_back(std::move(waiting.done), *std::move(answer));
    return Taken::yes;
}

/// For a dry run: the answer that a proposal has already, if it has one.
std::optional<Answer> Engine::State::known_answer(const Proposal& proposal, const Caller& caller) {
    const Identity identity = identity_for(proposal, caller);
    const auto under_way = identities.find(identity.key);
    if (under_way != identities.end() && under_way->second.seq > visible.seq) return std::nullopt;
    const auto known = look_up(identity);
    if (!known) return unavailable(proposal.id, "damaged", known.error().text);
    if (*known == Known::other_content) {
        return answer_of(id_reused(proposal));
    }
    if (*known != Known::answered) return std::nullopt;
    auto answer = first_outcome(identity.key, caller);
    if (!answer) return unavailable(proposal.id, "damaged", answer.error().text);
    return *std::move(answer);
}

/// What was answered first, with `current` as of now. Needs an identity that was answered.
Result<Answer> Engine::State::first_outcome(const Hash16& identity, const Caller& caller) {
    const RecordView* record = nullptr;
    const auto in_flight = identities.find(identity);
    if (in_flight != identities.end()) {
        const Item* item = groups.find(in_flight->second.seq);
        SE_ASSERT(item != nullptr);
        SE_TRY_OK(item->view(journal->epoch(), &view_));
        record = &view_;
    } else {
        SE_TRY(shown, snapshot());
        SE_TRY(bound, shown->find_identity(identity));
        SE_ASSERT(bound);
        SE_TRY(readable, journal_reader());
        SE_TRY(found, readable->at(bound->seq));
        record = found;
    }
    Answer answer = outcome_of(*record);
    answer.duplicate = true;
    if (const auto key = conflict_key(*record)) add_current(answer, caller, *key, visible.seq);
    return answer;
}

// --- what is no proposal

Engine::State::Taken Engine::State::take_refusal(Waiting& waiting, Time now) {
    return refuse(waiting, Refusal(std::get<Refusal>(waiting.what)), now);
}

/// The record of a refusal that binds no id. What took shape is kept whole, as of every rejection; of what did not, or
/// is longer than a record can be, as much as was sent of it up to kOriginalBytes.
RecordDraft Engine::State::refused(const Waiting& waiting, const Refusal& refusal, Time now) const {
    const Caller& caller = waiting.caller;
    const auto* const proposal = std::get_if<Proposal>(&waiting.what);
    if (proposal != nullptr && refusal.code != Code::too_large) {
        Decision no;
        no.code = refusal.code;
        no.message = refusal.message;
        RecordDraft whole = to_draft(*proposal, caller, no, "", decided, now);
        if (Journal::bytes_of(whole) <= kRecordBytesMax) return whole;
    }
    RecordDraft draft = draft_by(caller, Kind::rejected, decided, now);
    draft.code = to_text(refusal.code);
    draft.id = cut_to(refusal.id, policy.limits.id_bytes);
    draft.cause = caller.cause;
    if (!refusal.key.empty())
        draft.changes.push_back({cut_to(refusal.key, policy.limits.key_bytes), "", Version{}});
    Body body;
    body.claim = with_original(caller.claim, proposal == nullptr
                                                 ? refusal.original
                                                 : readable(proposal->canonical, kOriginalBytes));
    body.message = cut_to(refusal.message, policy.limits.reason_bytes);
    draft.body.clear();
    encode_body(draft.body, body);
    return draft;
}

/// Says no without binding an id: journaled while the caller's budget lasts, then only counted.
Engine::State::Taken Engine::State::refuse(Waiting& waiting, Refusal&& refusal, Time now) {
    if (waiting.caller.imported) {
        answer_behind(waiting, answer_of(std::move(refusal)));
        return Taken::yes;
    }
    // Of a message nobody waits for the answer: without a record it would vanish.
    if (waiting.caller.door == kBusDoor || may_journal_refusal(waiting.caller.principal, now)) {
        Item item;
        item.draft = refused(waiting, refusal, now);
        item.pointer = refusal.pointer;
        item.bytes = waiting.bytes;
        const std::uint64_t item_bytes = Journal::bytes_of(item.draft);
        const Taken taken = append(item, {});
        if (taken == Taken::no_room) return taken;
        if (taken == Taken::yes) {
            refusals_this_minute[waiting.caller.principal] += 1 + item_bytes / kRefusalBytes;
            building.items.back().done = std::move(waiting.done);
            return taken;
        }
    }
    answer_behind(waiting, answer_of(std::move(refusal)));
    return Taken::yes;
}

bool Engine::State::may_journal_refusal(const std::string& principal, Time now) {
    const auto minute = std::chrono::floor<std::chrono::minutes>(now.time_since_epoch());
    if (minute != refusals_minute) {
        refusals_minute = minute;
        refusals_this_minute.clear();
    }
    const auto found = refusals_this_minute.find(principal);
    if (found == refusals_this_minute.end()) {
        return refusals_this_minute.size() < kRefusingPrincipalsMax &&
               policy.limits.refusals_journaled_per_minute > 0;
    }
    return found->second < policy.limits.refusals_journaled_per_minute;
}

Engine::State::Taken Engine::State::take_note(Waiting& waiting, Time now) {
    Item item;
    item.draft = std::get<RecordDraft>(waiting.what);
    item.draft.ts = now;
    // Now, and not when it was queued: an open's own `config` may have waited before it.
    if (item.draft.note == kClosedNote) item.draft.body = closed_body(config_seq, settings.journal);
    const Taken taken = append(item, {});
    if (taken == Taken::yes) building.items.back().told = std::move(waiting.told);
    if (taken != Taken::too_large) return taken;
    if (waiting.told) {
        told_outbox.emplace_back(std::move(waiting.told),
                                 Result<Seq>(Error{Errc::too_large, "the note is too long"}));
    }
    return Taken::yes;
}

/// All that comes behind it in the queue is decided under the new policy.
Engine::State::Taken Engine::State::take_policy(Waiting& waiting, Time now) {
    auto& next = std::get<Policy>(waiting.what);
    if (next == policy && config_seq != Seq{} && config_seq <= visible.seq) {
        if (waiting.told) told_outbox.emplace_back(std::move(waiting.told), Result<Seq>(config_seq));
        return Taken::yes;
    }
    const std::string digest = next.digest();
    Item item;
    item.draft = draft_by(waiting.caller, Kind::config, digest, now);
    Json body = next.to_json();
    if (!waiting.why.reason.empty()) body.set("reason", waiting.why.reason);
    item.draft.body = to_text(body);
    item.draft.id = waiting.why.id;
    const Taken taken = append(item, {});
    if (taken == Taken::yes) {
        config_seq = building.items.back().seq;
        outgoing.emplace_back(config_seq, std::exchange(policy, std::move(next)));
        decided = digest;
        building.items.back().told = std::move(waiting.told);
    }
    if (taken != Taken::too_large) return taken;
    if (waiting.told) {
        told_outbox.emplace_back(std::move(waiting.told),
                                 Result<Seq>(Error{Errc::too_large, "the policy is too long"}));
    }
    return Taken::yes;
}

// --- expiry

/// It is due and cannot be done: there is no room, or no reading. That is no work to wake up for at once.
void Engine::State::expire_later() {
    constexpr std::chrono::nanoseconds kExpireAgain = std::chrono::milliseconds(100);
    expire_again = doors.clock.monotonic() + kExpireAgain;
}

void Engine::State::expire(Time now) {
    if (!policy.limits.ttl_enforce) return;
    if (!next_deadline) {
        const auto shown = snapshot();
        const auto deadline = shown ? (*shown)->next_deadline()
                                    : Result<std::optional<Time>>(shown.error());
        if (!deadline) return;  // reads fail: who asks for one is told
        next_deadline = *deadline;
    }
    if (!*next_deadline || **next_deadline > now) return;
    const auto shown = snapshot();
    if (!shown) return expire_later();
    auto due = (*shown)->due(now, policy.limits.expiries_per_step);
    if (!due) return expire_later();
    OverlaidView view(overlay, **shown);
    for (Snapshot::Due& one : *due) {
        if (building.items.size() >= settings.engine.group_records) return;
        const auto standing = view.view(one.key);
        if (!standing) return expire_later();
        if (canary(Canary::refreshed_key_expires) && *standing) one.version = (*standing)->version;
        if (!*standing || (*standing)->deleted || (*standing)->version != one.version) continue;
        const Proposal proposal = expiry_of(one);
        const Caller caller = expiry_caller(one);
        auto decision = decide(proposal, caller, view, policy, now);
        if (!decision) return expire_later();
        SE_ASSERT(decision->accepted);
        const Identity identity = identity_for(proposal, caller);
        Item item;
        const RecordPlace place = next_place();
        item.draft = to_draft(proposal, caller, *decision, to_hex(identity.content), decided, now, place);
        item.identity = identity;
        if (append(item, std::move(decision->changes)) != Taken::yes) return expire_later();
        if (decision->fired.empty()) continue;
        tell_warnings(decision->fired, place.seq, caller.trace);
        derived.begin(decision->fired, place, caller.trace);
        if (!derived.empty()) return;  // these come first
    }
}

// --- into the journal

/// Makes it the next record. Afterwards the item is building.items.back(), and every decision sees it.
Engine::State::Taken Engine::State::append(Item& item, std::vector<Decision::Change>&& changes) {
    const std::uint64_t bytes = Journal::bytes_of(item.draft);
    switch (journal->room(bytes)) {
        case Journal::Room::ready: break;
        case Journal::Room::filling: wanted_bytes = bytes; return Taken::no_room;
        case Journal::Room::disk_full: wanted_bytes = bytes; return Taken::disk_full;
    }
    const auto seq = journal->append(item.draft);
    if (!seq) {
        SE_ASSERT(seq.error().code == Errc::too_large);
        return Taken::too_large;
    }
    item.seq = *seq;
    item.entries.reserve(changes.size());
    for (Decision::Change& change : changes) {
        change.entry.seq = *seq;
        item.entries.push_back(std::make_shared<const Entry>(std::move(change.entry)));
        overlay.put(change.key, item.entries.back());
    }
    if (item.identity) {
        const bool fresh =
            identities.emplace(item.identity->key, InFlight{item.identity->content, *seq, {}}).second;
        SE_ASSERT(fresh);  // E2
    }
    unanswered_bytes += item.bytes;
    building.bytes += bytes;
    unprojected_bytes += bytes;
    building.items.push_back(std::move(item));
    return Taken::yes;
}

// --- answers that need no record

bool outgrows_record(const Decision& decision) {
    std::size_t bytes = 0;
    for (const Decision::Change& change : decision.changes) bytes += change.entry.value.size();
    return bytes > kRecordBytesMax;
}

Refusal too_large(const Proposal& proposal) {
    return {.code = Code::too_large,
            .message = "its record would be longer than " + std::to_string(kRecordBytesMax) + " bytes",
            .pointer = "",
            .id = proposal.id,
            .key = proposal.ops[0].key};
}

Refusal id_reused(const Proposal& proposal) {
    return {.code = Code::id_reused,
            .message = std::string(kIdReused),
            .pointer = "/id",
            .id = proposal.id,
            .key = proposal.ops[0].key};
}

Answer answer_of(Refusal&& refusal) {
    Answer answer;
    answer.id = std::move(refusal.id);
    answer.code = refusal.code;
    answer.message = std::move(refusal.message);
    answer.pointer = std::move(refusal.pointer);
    return answer;
}

void Engine::State::answer_now(Waiting& waiting, Answer&& answer) {
    if (!waiting.done) return;
    meters.refused(answer.code);
    outbox.emplace_back(done_of(waiting, answer), std::move(answer));
}

/// Messages of the bus are decided in its order: behind one that was not decided none is until whoever handed
/// it over has been told, and can hand over again what waits behind it.
bool Engine::State::held_up(const Waiting& waiting) const {
    return untold_in_line > 0 && stands_in_line(waiting.caller);
}

Engine::Done Engine::State::done_of(Waiting& waiting, const Answer& answer) {
    if (!stands_in_line(waiting.caller) || answer.seq != Seq{}) return std::move(waiting.done);
    ++untold_in_line;
    return [this, done = std::move(waiting.done)](Answer&& told) {
        --untold_in_line;
        done(std::move(told));
    };
}

/// Says what rests on all that was decided before, when that is durable (J3).
void Engine::State::answer_behind(Waiting& waiting, Answer&& answer) {
    Group* before = nullptr;
    if (groups.answered < groups.waiting.size()) before = &groups.waiting.back();
    if (!building.items.empty()) before = &building;
    if (before == nullptr) return answer_now(waiting, std::move(answer));
    if (!waiting.done) return;
    unanswered_bytes += waiting.bytes;
    Done done = done_of(waiting, answer);
    before->unrecorded.push_back({std::move(done), std::move(answer), waiting.bytes});
}

/// Empties the queue, all but what an open has to journal first.
void Engine::State::refuse_queue(std::string_view reason, const std::string& message) {
    while (queue.size() > opening_left) {
        Waiting waiting = std::move(queue[opening_left]);
        queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(opening_left));
        queued_bytes -= waiting.bytes;
        if (waiting.told) {
            told_outbox.emplace_back(std::move(waiting.told),
                                     Result<Seq>(Error{Errc::unavailable, message}));
            continue;
        }
        if (auto* refusal = std::get_if<Refusal>(&waiting.what)) {
            answer_now(waiting, answer_of(std::move(*refusal)));
        } else {
            answer_now(waiting, unavailable(waiting.id(), reason, message));
        }
    }
    if (queue.empty() && derived.empty()) wanted_bytes = 0;
}

}  // namespace se
