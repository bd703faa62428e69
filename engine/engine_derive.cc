// What rules do to the state: mutations derived from records, decided before the next proposal.

#include <algorithm>
#include <utility>

#include "engine/engine_state.h"
#include "journal/base/canary.h"

namespace se {
namespace {

constexpr std::size_t kKeyShownMax = 256;

std::string key_of(const Json& proposal) {
    const Json* const key = proposal.find("key");
    if (key == nullptr || !key->is_string()) return {};
    std::size_t end = std::min(key->string().size(), kKeyShownMax);
    while (end < key->string().size() && end > 0 &&
           (static_cast<unsigned char>(key->string()[end]) & 0xC0u) == 0x80u)
        --end;
    return key->string().substr(0, end);
}

}  // namespace

RecordPlace Engine::State::next_place() const {
    return {hold.info.store, journal->epoch(), journal->last().next()};
}

/// The notes of an open come first: who reads the journal knows by them whose record this is. Its
/// `config` does not: a derived mutation is decided under the policy of what fired it.
bool Engine::State::derives_next() const {
    const bool note_first =
        opening_left > 0 && std::holds_alternative<RecordDraft>(queue.front().what);
    if (canary(Canary::derived_on_newer_state) && !queue.empty()) return false;
    return !derived.empty() && !note_first;
}

void Engine::State::tell_warnings(const std::vector<Fired>& fired, Seq seq,
                                  const std::string& trace) {
    for (const Fired& one : fired) {
        if (one.warning.empty()) continue;
        doors.log.write({Severity::warning,
                         "state-engine.rule.eval_error",
                         {{"rule", one.rule},
                          {"error", one.warning},
                          {"at", one.pointer},
                          {"seq", std::to_string(seq.value)}},
                         trace});
    }
}

Engine::State::Taken Engine::State::take_derived(Time now) {
    const Derived& next = derived.next();
    const auto later = [this, &next](const Error& why) {
        doors.log.write({Severity::error,
                         "state-engine.rule.derive_failed",
                         {{"rule", next.rule}, {"id", next.id}, {"error", why.text}},
                         next.trace});
        derive_again = doors.clock.monotonic() + kDeriveRetry;
        return Taken::no_room;
    };
    if (auto over = derived.over_limit(policy.limits); !over.message.empty())
        return refuse_derived(next, Code::depth_limit, std::move(over.message), over.end, now);
    ParsedProposal parsed = next.parsed(policy.limits);
    if (!parsed.proposal)
        return refuse_derived(next, parsed.refusal.code, std::move(parsed.refusal.message), false,
                              now);
    const Proposal& proposal = *parsed.proposal;
    const Caller caller = next.caller();
    const Identity identity = identity_for(proposal, caller);
    const auto known = look_up(identity);
    if (!known) return later(known.error());
    if (*known != Known::no && !canary(Canary::derived_twice))
        return refuse_derived(next, Code::id_reused, std::string(kIdReused), false, now);  // E2
    const auto shown = snapshot();
    if (!shown) return later(shown.error());
    OverlaidView view(overlay, **shown);
    auto decision = decide(proposal, caller, view, policy, now);
    if (!decision) return later(decision.error());

    Item item;
    const RecordPlace place = next_place();
    item.draft =
        to_draft(proposal, caller, *decision, to_hex(identity.content), decided, now, place);
    if (decision->accepted || binds_identity(decision->code)) item.identity = identity;
    const Taken taken = append(item, std::move(decision->changes));
    if (taken == Taken::too_large) {
        return refuse_derived(
            next, Code::too_large,
            "its record would be longer than " + std::to_string(kRecordBytesMax) + " bytes", false,
            now);
    }
    if (taken != Taken::yes) return taken;
    tell_warnings(decision->fired, place.seq, caller.trace);
    derived.advance(decision->fired, place);
    return taken;
}

/// No is a record, too: only so does a recovery know that it was not forgotten.
Engine::State::Taken Engine::State::refuse_derived(const Derived& next, Code code,
                                                   std::string message, bool end, Time now) {
    Item item;
    const Caller caller = next.caller();
    item.draft.ts = now;
    item.draft.kind = Kind::rejected;
    item.draft.code = to_text(code);
    item.draft.id = next.id;
    item.draft.actor = caller.actor;
    item.draft.principal = caller.principal;
    item.draft.door = caller.door;
    item.draft.trace = caller.trace;
    item.draft.cause = next.cause(end);
    item.draft.decided = decided;
    if (std::string key = key_of(next.proposal); !key.empty())
        item.draft.changes.push_back({std::move(key), "", Version{}});
    Body body;
    body.message = std::move(message);
    item.draft.body.clear();
    encode_body(item.draft.body, body);
    const Taken taken = append(item, {});
    if (taken != Taken::yes) return taken;
    doors.log.write({Severity::warning,
                     "state-engine.rule.derived_refused",
                     {{"rule", next.rule},
                      {"id", next.id},
                      {"code", std::string(to_text(code))},
                      {"error", body.message}},
                     next.trace});
    const RecordPlace place{.epoch = journal->epoch(), .seq = journal->last()};
    derived.advance({}, place);
    if (end) derived.clear();
    return taken;
}

/// Finds what waited when the last writer went: back to the last record that no rule derived, and
/// on from there. A disk that does not read now keeps the store from being opened: what waits must
/// not be forgotten for that. What nobody can read any more (erased, taken by a repair) is done
/// without.
Status Engine::State::recover_derived() {
    if (canary(Canary::derived_lost)) return Ok{};
    const auto go_without = [this](const Error& why) -> Status {
        if (why.code == Errc::io) return why;
        derived.clear();
        doors.log.write(
            {Severity::error, "state-engine.rule.recovery_failed", {{"error", why.text}}});
        return Ok{};
    };
    // One of its own: the notes of this open, that explain gaps, are not written yet, and a reader
    // that began before them would go on without.
    auto opened = JournalReader::open(doors.files, paths);
    if (!opened) return go_without(opened.error());
    JournalReader& records = *opened;
    const Seq last = journal->last();
    Seq root = last;
    for (; root != Seq{}; --root.value) {
        const auto record = records.at(root);
        if (!record) return go_without(record.error());
        // A clean close waits for all of them; and behind a gap that a repair left nobody knows
        // what waited.
        if ((*record)->note == kClosedNote || (*record)->seq != root) return Ok{};
        if (is_root(**record)) break;
    }
    for (Seq seq = root; seq != Seq{} && seq <= last; seq = seq.next()) {
        const auto record = records.at(seq);
        const Status followed = record ? derived.follow(**record) : Status(record.error());
        if (!followed) return go_without(followed.error());
        if (canary(Canary::derived_twice)) break;
    }
    if (derived.empty()) return Ok{};
    doors.log.write(
        {Severity::info,
         "state-engine.rule.recovered",
         {{"pending", std::to_string(derived.size())}, {"root", std::to_string(root.value)}}});
    return Ok{};
}

}  // namespace se
