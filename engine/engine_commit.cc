#include <algorithm>
#include <utility>

#include "engine/engine_state.h"
#include "journal/base/canary.h"

namespace se {

void Engine::State::hand_over() {
    if (failed || !journal->group_open() || journal->group_running()) return;
    // Nobody else waits: a hand-over to the other thread and back would only cost time.
    const bool alone = building.items.size() == 1 && queue.empty() && derived.empty();
    building.behind = journal->position();
    building.submitted = doors.clock.monotonic();
    meters.group(building.items.size());
    groups.waiting.push_back(std::exchange(building, Group{}));
    journal->submit(alone);
}

/// Takes every group as far as it can go now: into LMDB, answered, told. In this order (J3, P4).
void Engine::State::finish() {
    if (!failed) journal->poll();
    const Seq durable = journal->durable();
    project();

    const Seq reached = fsync_never && !journal->failed() ? journal->written() : durable;
    while (groups.answered < groups.waiting.size()) {
        Group& group = groups.waiting[groups.answered];
        if (group.last() > reached && !canary(Canary::answer_before_sync)) break;
        if (!fsync_never) meters.synced(doors.clock.monotonic() - group.submitted);
        ++groups.answered;
        answer(group);
    }
    const std::size_t told_before = groups.told;
    while (groups.told < groups.answered && groups.waiting[groups.told].last() <= durable) {
        tell_feed(groups.waiting[groups.told++]);
    }
    const bool told_more = groups.told != told_before;
    while (groups.projected > 0 && groups.answered > 0 && groups.told > 0) {
        forget(groups.waiting.front());
        groups.waiting.pop_front();
        --groups.projected, --groups.answered, --groups.told;
    }
    if (!failed && journal->failed()) fail(journal->failure());
    deliver();
    if (told_more) wake_followers();
}

// --- into LMDB

bool Engine::State::projection_due() const {
    return groups.projected < groups.waiting.size() &&
           groups.waiting[groups.projected].last() <= journal->durable() &&
           doors.clock.monotonic() >= project_again;
}

void Engine::State::project() {
    if (failed || !projection_due()) return;
    const Seq durable = journal->durable();
    std::size_t count = 0;
    std::size_t records = 0;
    for (std::size_t i = groups.projected; i < groups.waiting.size(); ++i) {
        const Group& group = groups.waiting[i];
        if (group.last() > durable || (count > 0 && records >= kProjectedPerStep)) break;
        records += group.items.size();
        ++count;
    }
    snapshot_.reset();
    const Status applied = apply(count);
    if (applied) {
        for (std::size_t i = 0; i < count; ++i) {
            unprojected_bytes -= groups.waiting[groups.projected + i].bytes;
        }
        groups.projected += count;
        if (project_backoff.count() != 0) {
            doors.log.write({Severity::info, "state-engine.projection.recovered"});
        }
        project_backoff = {};
        next_deadline.reset();
        return;
    }
    if (applied.error().code == Errc::corruption) {
        // It is not the fold of what came before. The next open grows it anew.
        return fail("the projection contradicts the journal: " + applied.error().text);
    }
    // What is durable is answered all the same; until LMDB has it, the overlay shows it (P4).
    if (project_backoff.count() == 0) {
        doors.log.write({Severity::error,
                         "state-engine.projection.apply_failed",
                         {{"error", applied.error().text}}});
    }
    project_backoff = std::clamp<std::chrono::nanoseconds>(project_backoff * 2, kRetryFirst, kRetryMax);
    project_again = doors.clock.monotonic() + project_backoff;
}

Status Engine::State::apply(std::size_t count) {
    if (!run_begun) {
        SE_TRY_OK(projection->begin_run(journal->epoch()));
        run_begun = true;
    }
    std::size_t records = 0;
    for (std::size_t i = 0; i < count; ++i) {
        records += groups.waiting[groups.projected + i].items.size();
    }
    if (views_.size() < records) views_.resize(records);
    view_pointers_.clear();
    for (std::size_t i = 0; i < count; ++i) {
        for (const Item& item : groups.waiting[groups.projected + i].items) {
            RecordView& view = views_[view_pointers_.size()];
            SE_TRY_OK(item.view(journal->epoch(), &view));
            view_pointers_.push_back(&view);
        }
    }
    return projection->apply(view_pointers_, groups.waiting[groups.projected + count - 1].behind);
}

// --- answers

void Engine::State::answer(Group& group) {
    visible = Cursor{journal->epoch(), group.last()};
    while (!outgoing.empty() && outgoing.front().first <= visible.seq) outgoing.pop_front();
    for (Item& item : group.items) answer_item(item);
    for (Unrecorded& one : std::exchange(group.unrecorded, {})) {
        unanswered_bytes -= one.bytes;
        meters.refused(one.answer.code);
        outbox.emplace_back(std::move(one.done), std::move(one.answer));
    }
}

void Engine::State::answer_item(Item& item) {
    unanswered_bytes -= std::exchange(item.bytes, 0);
    if (item.draft.kind == Kind::accepted) {
        item.draft.door == kExpiryDoor ? meters.expired() : meters.accepted();
        tell_committed(item);
    } else if (item.draft.kind == Kind::rejected) {
        meters.rejected(code_from_text(item.draft.code).value_or(Code::none));
    }
    if (item.told) {
        told_outbox.emplace_back(std::exchange(item.told, nullptr), Result<Seq>(item.seq));
    }

    std::vector<InFlight::Waiter> waiters;
    if (item.identity) waiters = std::move(identities.at(item.identity->key).waiters);
    if (!item.done && waiters.empty()) return;

    const Status viewed = item.view(journal->epoch(), &view_);
    SE_ASSERT(viewed);  // it is our own draft
    Answer answer = outcome_of(view_);
    answer.pointer = item.pointer;
    Answer again;
    if (!waiters.empty()) {
        again = answer;
        again.duplicate = true;
        // It is the same principal that asks again: what it was not shown, it is not shown now.
        const auto key = item.current ? conflict_key(view_) : std::nullopt;
        if (key) add_current(again, Caller{}, *key, visible.seq);
    }
    answer.current = std::move(item.current);
    answer.tombstone = std::move(item.tombstone);
    if (item.done) outbox.emplace_back(std::exchange(item.done, nullptr), std::move(answer));
    for (InFlight::Waiter& waiter : waiters) {
        unanswered_bytes -= waiter.bytes;
        meters.duplicate();
        outbox.emplace_back(std::move(waiter.done), again);
    }
}

/// As tell_received(): nothing is put together for nobody.
void Engine::State::tell_committed(const Item& item) const {
    if (!doors.log.takes(Severity::debug)) return;
    std::string keys;
    for (const HeadChange& change : item.draft.changes) append_word(keys, change.key);
    doors.log.write({Severity::debug,
                     "state-engine.mutation.committed",
                     {{"id", item.draft.id},
                      {"key", keys},
                      {"seq", std::to_string(item.seq.value)},
                      {"actor", item.draft.actor}},
                     item.draft.trace});
}

void Engine::State::tell_feed(Group& group) {
    for (const Item& item : group.items) {
        for (std::size_t i = 0; i < item.entries.size(); ++i) {
            feed.add(item.seq, item.draft.changes[i].key, item.entries[i], item.draft.cause,
                     item.draft.id);
        }
    }
    feed.close_at(group.last());
}

/// LMDB has it now.
void Engine::State::forget(const Group& group) {
    for (const Item& item : group.items) {
        if (item.identity) {
            const auto found = identities.find(item.identity->key);
            if (found != identities.end() && found->second.seq == item.seq) identities.erase(found);
        }
        for (const HeadChange& change : item.draft.changes) overlay.forget(change.key, item.seq);
    }
}

// --- J5

void Engine::State::fail(const std::string& why) {
    failed = true;
    why_not_ready = why;
    doors.log.write({Severity::error, "state-engine.mutation.commit_failed", {{"error", why}}});

    // What a sync has vouched for stays, with its answers. Of all else nobody knows: nothing is decided
    // on it any more, and no read goes above `visible`.
    const Seq durable = journal->durable();
    const auto lost = std::ranges::upper_bound(groups.waiting, durable, {}, &Group::last);
    for (auto group = lost; group != groups.waiting.end(); ++group) answer_unknown(*group);
    answer_unknown(building);
    building = Group{};
    derived.clear();  // the next open finds in the journal what follows from what is there
    groups.waiting.erase(lost, groups.waiting.end());
    groups.answered = std::min(groups.answered, groups.waiting.size());
    unprojected_bytes = 0;
    for (std::size_t i = groups.projected; i < groups.waiting.size(); ++i) {
        unprojected_bytes += groups.waiting[i].bytes;
    }
    if (visible.seq > durable) visible.seq = durable;  // FsyncMode::never: shown, and now unknown
    refuse_queue("draining", "the journal failed and has to be reopened: " + why);
}

void Engine::State::answer_unknown(Group& group) {
    for (Item& item : group.items) answer_unknown(item);
    // These have changed nothing, whatever the disk has; but what they say may not be so.
    for (Unrecorded& one : std::exchange(group.unrecorded, {})) {
        unanswered_bytes -= one.bytes;
        meters.refused(Code::unavailable);
        outbox.emplace_back(std::move(one.done),
                            unavailable(std::move(one.answer.id), "draining",
                                        "the journal failed and has to be reopened: " + why_not_ready));
    }
}

void Engine::State::answer_unknown(Item& item) {
    Answer answer;
    answer.id = item.draft.id;
    answer.code = Code::outcome_unknown;
    answer.message = "writing failed half-way: it may have happened or not; retry with the same id";
    answer.in_doubt = true;
    unanswered_bytes -= std::exchange(item.bytes, 0);
    std::vector<InFlight::Waiter> waiters;
    if (item.identity) {
        const auto found = identities.find(item.identity->key);
        if (found != identities.end() && found->second.seq == item.seq) {
            waiters = std::move(found->second.waiters);
            identities.erase(found);
        }
    }
    if (item.told) {
        told_outbox.emplace_back(std::move(item.told),
                                 Result<Seq>(Error{Errc::io, answer.message}));
    }
    if (item.done) {
        meters.unknown();
        outbox.emplace_back(std::move(item.done), answer);
    }
    for (InFlight::Waiter& waiter : waiters) {
        unanswered_bytes -= waiter.bytes;
        meters.unknown();
        outbox.emplace_back(std::move(waiter.done), answer);
    }
}

}  // namespace se
