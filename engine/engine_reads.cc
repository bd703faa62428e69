#include <algorithm>
#include <utility>

#include "engine/engine_state.h"

namespace se {

/// The same one until the next step(): nothing writes to LMDB between two steps.
Result<const Snapshot*> Engine::State::snapshot() {
    if (!snapshot_) {
        SE_TRY(taken, projection->snapshot());
        snapshot_.emplace(std::move(taken));
    }
    return static_cast<const Snapshot*>(&*snapshot_);
}

Result<JournalReader*> Engine::State::journal_reader() {
    if (reader == nullptr) {
        SE_TRY(opened, JournalReader::open(doors.files, paths));
        reader = std::make_unique<JournalReader>(std::move(opened));
    }
    note_damage_below(*reader);  // of the time before, which whoever reads now forgets
    return reader.get();
}

void Engine::State::note_damage_below(JournalReader& met_by) {
    // Of a journal that is read-only for its damage all is told already.
    if (!met_by.fault() || journal->read_only()) return;
    journal->note_damage_below(*met_by.fault());
    // Else it would be told once more after the place was found good again.
    static_cast<void>(met_by.seek(Seq{1}));
}

void Engine::note_damage_below(JournalReader& reader) { state_->note_damage_below(reader); }

/// A cursor of this run was given out behind all that was given up.
bool Engine::State::has_passed_lost(Cursor cursor) const {
    if (cursor.epoch == journal->epoch()) return false;
    const auto passed = passed_lost(doors.files, paths, cursor);
    return !passed || *passed;  // without an answer nobody knows
}

/// What a conflict about `key` shows: the entry, or null with the tombstone that stands in its place;
/// nothing to whom may not read it.
void Engine::State::add_current(Answer& answer, const Caller& caller, const std::string& key,
                                Seq through) {
    if (!caller.may_read(key)) return;
    const auto shown = snapshot();
    if (!shown) return;
    const auto found = OverlaidView(overlay, **shown, through).view(key);
    if (!found) return;
    answer.current = "null";
    if (!*found) return;
    const EntryView& entry = **found;
    if (!entry.deleted) {
        answer.current->clear();
        append_entry_json(*answer.current, key, entry);
        return;
    }
    JsonObject object(answer.tombstone.emplace());
    object.integer("version", entry.version.value).integer("seq", entry.seq.value);
    object.close();
}

Engine::AsOf Engine::applied() const {
    const State& s = *state_;
    return AsOf{.epoch = s.visible.epoch,
                .seq = s.visible.seq,
                .journal_ahead = s.journal->last() > s.visible.seq};
}

Seq Engine::durable() const { return state_->journal->durable(); }

Result<std::optional<Entry>> Engine::get(std::string_view key) {
    SE_TRY(found, view(key));
    return found ? std::optional(found->to_entry()) : std::nullopt;
}

Result<std::optional<EntryView>> Engine::view(std::string_view key) {
    State& s = *state_;
    SE_TRY(shown, s.snapshot());
    return OverlaidView(s.overlay, *shown, s.visible.seq).view(key);
}

Result<bool> Engine::append_entry(std::string& out, std::string_view key) {
    SE_TRY(entry, view(key));
    if (!entry || entry->deleted) return false;
    append_entry_json(out, key, *entry);
    return true;
}

Result<std::vector<std::pair<std::string, Entry>>> Engine::list(std::string_view prefix,
                                                                std::string_view after,
                                                                std::size_t limit) {
    State& s = *state_;
    SE_TRY(shown, s.snapshot());
    return OverlaidView(s.overlay, *shown, s.visible.seq).list(prefix, after, limit);
}

Result<std::vector<Seq>> Engine::State::history(std::string_view key, Seq before,
                                                std::size_t limit, Seq through) {
    std::vector<Seq> seqs;
    SE_TRY(shown, snapshot());
    const auto slot = overlay.slots().find(key);
    if (slot != overlay.slots().end()) {
        for (auto entry = slot->second.rbegin(); entry != slot->second.rend(); ++entry) {
            const Seq seq = (*entry)->seq;
            const bool wanted = before == Seq{} || seq < before;
            if (!wanted || seq > through || seq <= shown->seq()) continue;
            if (seqs.size() < limit) seqs.push_back(seq);
        }
    }
    if (seqs.size() == limit) return seqs;
    SE_TRY(older, shown->history(key, before, limit - seqs.size()));
    seqs.insert(seqs.end(), older.begin(), older.end());
    return seqs;
}

Result<std::vector<Seq>> Engine::history(std::string_view key, Seq before, std::size_t limit) {
    return state_->history(key, before, limit, state_->visible.seq);
}

Result<std::optional<Seq>> Engine::changed_before(std::string_view key, Seq record) {
    SE_TRY(seqs, state_->history(key, record, 1, record));
    return seqs.empty() ? std::nullopt : std::optional(seqs.front());
}

Cursor Engine::shown() const {
    const AsOf now = applied();
    const Cursor cursor{now.epoch, now.seq};
    return state_->has_passed_lost(cursor) ? Cursor{journal().epoch(), now.seq} : cursor;
}

bool Engine::is_void(Cursor* cursor) const {
    const bool foreign = *cursor > Cursor{journal().epoch(), applied().seq};
    if (!foreign && !state_->has_passed_lost(*cursor)) return false;
    *cursor = shown();
    return true;
}

Result<Changes> Engine::changes_since(Cursor* cursor, std::string_view prefix, std::size_t limit) {
    State& s = *state_;
    if (auto recent = s.feed.after(cursor, prefix, limit)) return *std::move(recent);
    SE_TRY(reader, s.journal_reader());
    return changes_from_journal(*reader, cursor, s.feed.end(), prefix, limit);
}

Answer Engine::dry_run(const Proposal& proposal, const Caller& caller_given) {
    State& s = *state_;
    Caller caller = caller_given;
    complete(caller);
    if (s.journal->read_only()) return s.unavailable(proposal.id, "damaged", s.why_not_ready);
    const auto shown = s.snapshot();
    if (!shown) return s.unavailable(proposal.id, "damaged", shown.error().text);
    // Only on what has been answered: what is still on its way to the disk may yet not have happened.
    OverlaidView view(s.overlay, **shown, s.visible.seq);
    const Time now = std::max(s.doors.clock.wall(), s.journal->last_ts());
    if (!proposal.id.empty()) {
        if (auto known = s.known_answer(proposal, caller)) {
            known->dry_run = true;
            return *std::move(known);
        }
    }
    auto decision = decide(proposal, caller, view, s.told_policy(), now);
    if (!decision) return s.unavailable(proposal.id, "damaged", decision.error().text);
    Answer answer;
    answer.id = proposal.id;
    answer.dry_run = true;
    if (outgrows_record(*decision)) {
        answer = answer_of(too_large(proposal));
        answer.dry_run = true;
        return answer;
    }
    if (!decision->accepted) {
        answer.code = decision->code;
        answer.message = decision->message;
        if (decision->code == Code::version_conflict || decision->code == Code::basis_conflict) {
            s.add_current(answer, caller, decision->key, s.visible.seq);
        }
        return answer;
    }
    answer.status = Answer::Status::accepted;
    for (const Decision::Change& change : decision->changes) {
        const Entry& entry = change.entry;
        answer.changes.push_back(
            {.key = change.key, .version = entry.version, .deleted = entry.deleted});
        std::string& text = answer.entries.emplace_back();
        if (entry.deleted || !caller.may_read(change.key)) {
            text = "null";
        } else {
            append_entry_json(text, change.key, entry);
        }
    }
    // What a rule resolved may hold values of any key.
    if (decision->fired.empty() || !caller.reads_everything()) return answer;
    answer.fired = fired_text(decision->fired, {});
    answer.derived = preview_derived(*decision, view, s.told_policy(), caller.trace, now).json;
    return answer;
}

}  // namespace se
