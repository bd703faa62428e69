// What World checks after every step: all that can be seen, against the model.

#include <algorithm>
#include <utility>

#include "journal/marks.h"
#include "journal/scrub.h"
#include "tests/sim/sim_places.h"
#include "tests/sim/sim_world.h"

namespace se::sim {

// --- Other processes follow the journal

void World::follow() {
    const std::uint64_t calls = disk.calls();
    if (wound_) {
        follow_wounded();
    } else if (head_may_lag_) {
        check_history();
    } else {
        follow_on();
    }
    must(disk.calls() == calls, "J6", "a reader changes something on the disk");
}

void World::follow_on() {
    if (!follower_) {
        auto opened = JournalReader::open(disk, kPaths);
        if (!opened) return;  // no store yet
        follower_.emplace(*std::move(opened));
        if (const Seq last = model.last_kept(); last != Seq{}) {
            const auto rewound = follower_->resume(Cursor{model.epoch_of(last), last});
            must(static_cast<bool>(rewound), "J6", "a follower cannot go on");
            must(!*rewound, "J6", "a follower is rewound although nothing was ever lost");
        }
    }
    for (;;) {
        const auto record = follower_->next();
        must(static_cast<bool>(record), "J6",
             [&] { return "a follower meets " + record.error().text; });
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
             [&] { return "a reader meets " + record.error().text; });
        if (*record == nullptr) break;
        seen = (*record)->seq;
        if (seen <= model.last()) {
            model.recognize(**record);
        } else {
            model.settle();
            model.take(**record);
            follower_.reset();  // it would show this once more
        }
    }
    model.settle();
    // After such a loss HEAD may be older than the lines: some are hidden until a writer has
    // opened.
    must(seen == model.last_kept() || head_may_lag_, "J2",
         [&] { return "shown up to " + text(seen) + ", before up to " + text(model.last_kept()); });
}

// --- Clients

/// What is lost when the power fails, or a sync, FsyncMode::never does not promise.
void World::forget_early_answers() {
    if (settings.journal.fsync != FsyncMode::never) return;
    early_.clear();
    answers_.clear();
}

void World::acknowledge(Seq seq) {
    acknowledged_ = std::max(acknowledged_, seq);
}

/// False: it tells of a record that is not shown yet, as FsyncMode::never may.
bool World::check_answer(std::uint64_t number, const Answer& answer) {
    Request& request = model.requests.at(number);
    if (answer.code == Code::unavailable || answer.code == Code::outcome_unknown) {
        must(answer.seq == Seq{}, "J5", "an answer of which nobody knows names a seq");
        return true;
    }
    const bool lax = settings.journal.fsync == FsyncMode::never;
    if (lax && answer.seq > std::min(model.last(), engine->durable())) return false;
    must(answer.code != Code::malformed && answer.code != Code::too_large, "E4",
         [&] { return request.text() + " is refused: " + answer.message; });
    if (answer.seq != Seq{}) model.check_answer(request, answer);  // 0: beyond a budget of refusals
    const bool again = answer.duplicate || answer.code == Code::id_reused;
    // By MCP the first answer may be read behind the one to a retry by another door.
    must(again || !(agents ? request.told_first : request.final.has_value()), "E2",
         [&] { return request.reason() + " is decided twice"; });
    request.told_first = request.told_first || !again;
    acknowledge(answer.seq);
    if (request.final) return true;
    history.answered(request, answer);
    request.final = answer;
    return true;
}

void World::check_answers() {
    auto told = std::exchange(early_, {});
    for (auto& one : std::exchange(answers_, {})) told.push_back(std::move(one));
    for (auto& one : told) {
        if (!check_answer(one.first, one.second)) early_.push_back(std::move(one));
    }
}

/// Two who watch: one goes on and on, the other comes back with a cursor of long ago.
void World::check_feed() {
    if (!feed_cursor_) feed_cursor_ = Cursor{};
    const auto& changes = model.changes();
    const auto told = engine->changes_since(&*feed_cursor_, "", 1 + looks_.below(8));
    must(static_cast<bool>(told), "watch", [&] { return "the feed fails: " + told.error().text; });
    must(!told->resync || model.lost_any(), "watch",
         "the feed is rewound although nothing was ever lost");
    for (const auto& event : told->events) {
        must(feed_told_ < changes.size(), "watch", "the feed tells more than there is");
        const auto& [seq, key] = changes[feed_told_++];
        must(event->seq == seq && event->key == key && event->epoch == model.epoch_of(seq), "watch",
             [&, due = seq, of = key] {
                 return "the feed tells of " + event->key + " at " + text(event->seq) +
                        ", next is " + of + " at " + text(due);
             });
    }
    const bool gap = feed_told_ < changes.size() && changes[feed_told_].first <= feed_cursor_->seq;
    must(!gap, "watch", "the feed's cursor passes a change that was not told");
    must(feed_told_ == 0 || changes[feed_told_ - 1].first <= feed_cursor_->seq, "watch",
         "the feed's cursor lags behind what was told");

    if (feed_cursor_->seq == Seq{} || !looks_.chance(20)) return;
    const Seq from{1 + looks_.below(feed_cursor_->seq.value)};
    if (model.is_lost(from) || from > model.last()) return;
    const std::string prefix = looks_.chance(50) ? "" : "b";
    Cursor cursor{model.epoch_of(from), from};
    auto next = std::ranges::upper_bound(changes, from, {}, &std::pair<Seq, std::string>::first);
    for (int rounds = 0; rounds < 4; ++rounds) {
        const auto again = engine->changes_since(&cursor, prefix, 1 + looks_.below(20));
        must(again && (!again->resync || model.lost_any()), "watch",
             [&] { return "who comes back with cursor " + text(from) + " cannot go on"; });
        if (again->resync) return;
        for (const auto& event : again->events) {
            while (next != changes.end() && !next->second.starts_with(prefix)) ++next;
            must(next != changes.end() && next->first == event->seq && next->second == event->key,
                 "watch", [&] {
                     return "who comes back with cursor " + text(from) + " is told of " +
                            event->key + " at " + text(event->seq);
                 });
            ++next;
        }
    }
}

// --- The writer

void World::check() {
    follow();
    if (agents) agents->hear();
    if (wound_) {
        answers_.clear();  // nobody knows what they rest on
        return;
    }
    if (engine == nullptr) return;
    if (engine->state() == EngineState::failed) forget_early_answers();
    check_answers();
    must(engine->state() != EngineState::damaged, "J4", "damaged: " + engine->why_not_ready());
    const Seq durable = engine->durable();
    must(durable <= model.last(), "J3", [&] {
        return "durable " + text(durable) + ", a follower is shown " + text(model.last());
    });
    must(acknowledged_ <= durable, "J3",
         [&] { return "acknowledged " + text(acknowledged_) + ", durable " + text(durable); });
    if (bus != nullptr) bus->check(model, history);
    check_limits();
    check_scrub();

    const Seq watermark = engine->projection().watermark().seq;
    must(watermark <= durable, "J3",
         [&] { return "projected " + text(watermark) + ", durable " + text(durable); });
    if (const auto snapshot = engine->projection().snapshot()) {
        must(snapshot->seq() == watermark, "P1",
             [&] { return "LMDB is at " + text(snapshot->seq()); });
        check_lmdb(*snapshot);
    }

    const auto applied = engine->applied();
    const bool lax = settings.journal.fsync == FsyncMode::never;
    must(applied.seq <= (lax ? engine->journal().written() : durable), "J3",
         [&] { return "reads show " + text(applied.seq) + ", durable " + text(durable); });
    must(acknowledged_ <= applied.seq, "P4", [&] {
        return "reads show " + text(applied.seq) + ", acknowledged " + text(acknowledged_);
    });
    must(applied.journal_ahead == (engine->journal().last() > applied.seq), "P5",
         "a read does not say whether the journal is ahead");
    if (applied.seq <= model.last()) {
        check_reads(applied.seq);
        if (agents) agents->look(*engine, model, !model.lost_any(), lax);
    }
    if (looks_.chance(30)) check_feed();
    if (looks_.chance(8) && !rebuilding_) check_state_reader();
}

/// J8: neither the scrub nor a reader calls damaged what nobody has harmed.
void World::check_scrub() {
    if (model.lost_any()) return;
    for (const Fault& fault : engine->journal().scrub().places()) {
        // The disk may have failed for as long as it was tried.
        const bool unread = fault.detail.starts_with("it cannot be read");
        must(unread, "J8", [&] { return "damage where there is none: " + to_text(fault); });
    }
}

void World::check_reads(Seq as_of) {
    std::vector<std::pair<std::string, Entry>> live;
    for (const auto& [key, entry] : model.state_at(as_of)) {
        const auto read = engine->get(key);
        must(read && *read && **read == entry, "P4",
             [&, name = key] { return "a read of " + name + " as of " + text(as_of); });
        // A damaged store says so, and serves what it can: an old state is no lie there.
        if (looks_.chance(10) && !wound_) history.read(key, &**read);
        if (!entry.deleted) live.emplace_back(key, entry);
    }
    const auto listed = engine->list("", "", 1000);
    must(listed && *listed == live, "P4", [&] { return "a list as of " + text(as_of); });
}

void World::check_limits() {
    const EngineStats stats = engine->stats();
    constexpr std::uint64_t kNotesOfAnOpen = 16;
    must(stats.queue <= settings.engine.queue + kNotesOfAnOpen, "E5", "the queue passes its limit");
    must(stats.in_flight_bytes <= settings.engine.in_flight_bytes, "E5",
         "what is under way passes its limit");
    must(stats.overlay_bytes <= settings.engine.overlay_bytes + settings.journal.group_bytes_max +
                                    settings.journal.segment_bytes,
         "E5", "the overlay passes its limit by more than a group");
}

void World::check_lmdb(const Snapshot& snapshot) {
    std::map<std::string, Entry> found;
    must(static_cast<bool>(snapshot.scan("", "",
                                         [&](std::string_view key, const EntryView& entry) {
                                             found.emplace(key, entry.to_entry());
                                             return true;
                                         })),
         "P2", "LMDB cannot be read");
    must(found == model.state_at(snapshot.seq()), "P2",
         [&] { return "LMDB is not the fold up to " + text(snapshot.seq()); });
    for (const auto& [key, entry] : found) {
        Seq& newest = newest_seqs_[key];
        must(entry.seq >= newest || entry.seq > snapshot.seq(), "P3",
             [&, name = key] { return name + " goes back in LMDB"; });
        newest = entry.seq;
    }
}

void World::check_cache() {
    if (wound_ || broken_ || engine == nullptr) return;
    follow();
    const auto snapshot = engine->projection().snapshot();
    if (snapshot && snapshot->seq() <= model.last()) check_lmdb(*snapshot);
}

/// As it lies there: nobody has it open.
Result<std::unique_ptr<Projection>> World::projection_left() {
    state_reader_.reset();
    SE_TRY(store, read_store(disk, kPaths));
    ProjectionOptions options = settings.projection;
    return Projection::open({disk, kPaths, cache_, cache_directory_}, store, options, log_);
}

/// P1, P2: what a dead process leaves in LMDB is one seq, whole.
void World::check_left_behind() {
    if (cache_.broken || wound_ || engine != nullptr) return;
    follow();
    const auto left = projection_left();
    if (!left || !(*left)->trusted()) return;
    const auto snapshot = (*left)->snapshot();
    if (!snapshot || snapshot->seq() > model.last()) return;
    must(snapshot->seq() == (*left)->watermark().seq, "P1", "LMDB has another watermark");
    check_lmdb(*snapshot);
}

/// J4: what was cut is gone from the segment, good lines included.
void World::check_cut() {
    const Position& position = engine->journal().position();
    const auto segments = list_segments(disk, kPaths);
    if (!segments || segments->empty()) return;
    // Before its first record nobody but the listing says which segment it goes on in.
    const bool begun = position.epoch == engine->journal().epoch();
    const auto bytes = disk.content(kPaths.segment(begun ? position.segment : segments->back()));
    const std::uint64_t used = engine->journal().active_bytes_used();
    if (!bytes || used >= bytes->size()) return;
    must(bytes->find_first_not_of('\n', used) == std::string::npos, "J4",
         "behind the end of the journal something was left");
}

/// J4: what HEAD says without its unsynced writes. It was synced before a new segment had its name,
/// and before a run wrote its first record.
void World::check_head() {
    if (head_rotted_ || wound_ || model.lost_any()) return;
    const auto segments = list_segments(disk, kPaths);
    if (!segments || segments->empty()) return;
    Epoch newest;
    std::uint64_t of_newest = 0, in_newest_segment = 0;
    const auto active = disk.open(kPaths.segment(segments->back()), OpenMode::read);
    must(active && each_good_line(**active, 0,
                                  [&](const Frame& frame, const Line&) {
                                      ++in_newest_segment;
                                      if (frame.epoch > newest) of_newest = 0;
                                      newest = std::max(newest, frame.epoch);
                                      ++of_newest;
                                      return true;
                                  }),
         "J4", "the highest segment cannot be read");
    const auto head = read_head(disk, kPaths.head());
    must(static_cast<bool>(head), "J4", "HEAD cannot be read");
    const Seq durable = *head ? (*head)->durable : Seq{};
    // Two groups later both slots may be torn: but then lines tell.
    must(durable.next() >= segments->back() || in_newest_segment > 0, "J4", [&] {
        return "HEAD knows of " + text(durable) + ", and the segment from " +
               text(segments->back()) + " has its name";
    });
    must(of_newest != 1 || (*head && (*head)->epoch >= newest), "J1", [&] {
        return "a record has epoch " + std::to_string(newest.value) + ", HEAD does not know it";
    });
}

void World::check_failed(const std::function<void()>& action) {
    const std::uint64_t calls = journal_calls_;
    action();
    if (agents) agents->hear();
    must(journal_calls_ == calls, "J5", "a failed journal goes on writing");
    for (const Request& request : model.requests) {
        must(request.under_way == 0, "J5",
             [&] { return request.reason() + " hears nothing of a journal that failed"; });
    }
}

Hash World::state_root() {
    const auto snapshot = engine->projection().snapshot();
    must(static_cast<bool>(snapshot), "E1", "LMDB cannot be read");
    const auto root = snapshot->state_root();
    must(static_cast<bool>(root), "E1", "LMDB has no root");
    return *root;
}

// --- Other processes read the state

void World::check_state_reader() {
    const ProjectionPlace place{disk, kPaths, cache_, cache_directory_};
    if (cache_.broken || wound_) return;
    const std::uint64_t calls = disk.calls();
    if (!state_reader_) {
        auto opened = StateReader::open(place, {.map_bytes_max = 1u << 30});
        if (!opened) return;  // no store yet
        state_reader_.emplace(*std::move(opened));
    }
    const auto as_of = state_reader_->refresh();
    must(static_cast<bool>(as_of), "J6",
         [&] { return "a reader of the state: " + as_of.error().text; });
    must(!as_of->damage, "J6",
         [&] { return "a reader of the state sees damage: " + to_text(*as_of->damage); });
    follow();
    must(as_of->seq <= model.last(), "J6",
         [&] { return "a reader shows " + text(as_of->seq) + ", not durable"; });
    must(as_of->stale || evicted_ || as_of->seq >= std::max(state_seen_, acknowledged_), "P5", [&] {
        return "a reader shows " + text(as_of->seq) + ", acknowledged " + text(acknowledged_) +
               ", shown before " + text(state_seen_);
    });
    state_seen_ = std::max(state_seen_, as_of->seq);
    std::vector<std::pair<std::string, Entry>> live;
    for (const auto& [key, entry] : model.state_at(as_of->seq)) {
        const auto read = state_reader_->get(key);
        must(read && *read && **read == entry, "P2", [&, name = key] {
            return "another process reads " + name + " as of " + text(as_of->seq);
        });
        if (!entry.deleted) live.emplace_back(key, entry);
    }
    const auto listed = state_reader_->list("", "", 1000);
    must(listed && *listed == live, "P2",
         [&] { return "another process lists as of " + text(as_of->seq); });
    state_reader_->release();
    must(disk.calls() == calls, "J6", "a reader of the state changes something on the disk");
}

}  // namespace se::sim
