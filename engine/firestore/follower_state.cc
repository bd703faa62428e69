// State documents and watermark: one atomic commit at a time.

#include <algorithm>

#include "engine/firestore/follower.h"
#include "journal/base/canary.h"
#include "projection/firestore/documents.h"

namespace se::firestore {
namespace {

using namespace std::chrono_literals;
using enum FollowerState::Phase;

constexpr const char* kRemedy =
    "; `statectl firestore resume --bootstrap`, or a start with --firestore-bootstrap, makes the "
    "project's state and mutation_log those of this store";

}  // namespace

void Follower::start(StateJob&& what) {
    what.generation = generation_;
    state_job_ = std::make_shared<StateJob>(std::move(what));
    breaker_.begun();
    doors_.state_lane.start([job = state_job_, &documents = doors_.documents]() -> Status {
        using Kind = StateJob::Kind;
        if (job->kind == Kind::look) {
            job->got = documents.get({std::string(kWatermarkPath)});
        } else if (job->kind == Kind::survey) {
            job->listed = documents.list(job->query);
        } else if (canary(Canary::documents_apart) && job->writes.size() > 1) {
            job->committed = documents.commit({job->writes.back()});
            auto rest = job->writes;
            rest.pop_back();
            if (job->committed)
                if (auto more = documents.commit(rest); !more) job->committed = std::move(more);
        } else {
            job->committed = documents.commit(job->writes);
        }
        return Ok{};
    });
}

void Follower::send_state() {
    if (told_.phase == stopped || state_job_ != nullptr || doors_.state_lane.busy()) return;
    if (now() < state_not_before_ || !may_call()) return;
    switch (told_.phase) {
        case looking:
            return start({.kind = StateJob::Kind::look});
        case claiming:
            return start(
                {.kind = StateJob::Kind::claim, .writes = {mark_write(mark_)}, .mark = mark_});
        case bootstrapping:
            return send_bootstrap();
        case following:
            if (probe_) {
                send_probe();
            } else if (!send_letter() && !send_heal()) {
                send_commit();
            }
            return;
        case stopped:
            return;
    }
}

/// No two are alike: a write that changes nothing would leave the update time, and with it let through what
/// was sent before and given up.
Write Follower::mark_write(const Mark& mark) {
    Write write{.path = std::string(kWatermarkPath), .fields = mark_fields(mark, ++commits_)};
    write.when = mark_time_ ? Precondition::updated_at(*mark_time_) : Precondition::absent();
    if (canary(Canary::no_precondition)) write.when = {};
    return write;
}

void Follower::take_state_outcome() {
    if (state_job_ == nullptr || !doors_.state_lane.poll()) return;
    const std::shared_ptr<StateJob> job = std::move(state_job_);
    if (job->kind == StateJob::Kind::letter) log_names_.erase(job->writes.front().path);
    if (job->generation != generation_ || told_.phase == stopped) {
        breaker_.succeeded();
        return;
    }
    using Kind = StateJob::Kind;
    switch (job->kind) {
        case Kind::look:
            return take_look(*job);
        case Kind::survey:
            return take_survey(*job);
        case Kind::page:
            return take_page(*job);
        case Kind::sweep:
            return take_sweep(*job);
        case Kind::probe:
            return take_probe(*job);
        case Kind::letter:
            return take_letter(*job);
        case Kind::heal:
            return take_heal(*job);
        case Kind::claim:
        case Kind::commit:
            return take_commit(*job);
    }
}

/// What nobody knows the outcome of, and what somebody else may have changed, is looked at again.
bool Follower::failed(const StateJob& job, const Trouble& met, std::string_view where) {
    if (met.kind == Trouble::Kind::refused && job.writes.size() > 1) return false;
    if (met.kind == Trouble::Kind::refused) {
        breaker_.succeeded();
        stop("the watermark is refused: " + met.text);
        return true;
    }
    // Its own precondition: somebody else has written. Where nothing was asked for by one it is the
    // database itself that is not there, or of another mode.
    if (met.kind == Trouble::Kind::precondition) {
        breaker_.succeeded();
        ++told_.troubles;
    } else {
        meet(met, where);
    }
    probe_.reset();
    told_.phase = looking;
    return true;
}

void Follower::take_look(StateJob& job) {
    if (!job.got) return meet(job.got.error(), "watermark");
    breaker_.succeeded();
    backoff_.reset();
    const std::optional<Document>& found = job.got->front();
    const auto verdict =
        judge(found, *us_, [this](const Mark& mark) { return why_not_ours(mark); });
    if (!verdict) {
        trouble("journal", verdict.error().text);
        state_not_before_ = now() + disk_backoff_.next();
        return;
    }
    if (found) mark_time_ = found->update_time;
    switch (verdict->standing) {
        case Standing::ours:
            if (mark_.run == us_->run && verdict->mark->seq < mark_.seq)
                return stop("the watermark went back, from seq " + std::to_string(mark_.seq.value) +
                            " to " + std::to_string(verdict->mark->seq.value));
            mark_ = *verdict->mark;
            return begin_following();
        case Standing::takeover:
            mark_ = *verdict->mark;
            mark_.epoch = us_->epoch;
            mark_.run = us_->run;
            told_.phase = claiming;
            return;
        case Standing::vacant:
        case Standing::foreign:
        case Standing::other_history:
            if (bootstrap_ && !followed_) return begin_bootstrap(found);
            return stop(verdict->why +
                        (followed_ ? ", and was ours up to seq " + std::to_string(mark_.seq.value)
                                   : std::string()) +
                        kRemedy);
        case Standing::fenced:
            return stop(verdict->why);
    }
}

void Follower::begin_following() {
    if (mark_.bootstrap == Seq{}) {
        page_ = {};
        fetched_.reset();
        pages_from_.reset();
        told_.phase = bootstrapping;
        return;
    }
    if (const Status known = look_ahead(); !known) {
        trouble("journal", known.error().text);
        state_not_before_ = now() + disk_backoff_.next();
        told_.phase = looking;
        return;
    }
    followed_ = true;
    told_.phase = following;
    const Seq next = mark_.seq.next();
    if (!window_.empty() && window_.front().seq <= next && next <= window_.back().seq.next())
        return pass(mark_.seq);
    if (window_.empty() && reader_->expected() == next) return;
    empty_window();
    if (const Status sought = reader_->seek(next); !sought) {
        trouble("journal", sought.error().text);
        reader_.reset();
        told_.phase = looking;
    }
}

/// A bootstrap's pages are as of different seqs up to `until`, and what was deleted meanwhile is in none of
/// them. So until the watermark is there, of each key only what it has there is written.
Status Follower::look_ahead() {
    if (ahead_until_ == mark_.until) return Ok{};
    ahead_until_ = {};
    ahead_.clear();
    if (mark_.until > Seq{}) {
        SE_TRY(reader, JournalReader::open(doors_.files, paths_));
        SE_TRY_OK(reader.seek(std::max(mark_.seq, mark_.bootstrap.value_or(Seq{})).next()));
        Folder folder;
        for (;;) {
            SE_TRY(record, reader.next());
            if (record == nullptr || record->seq > mark_.until) break;
            SE_TRY_OK(folder.fold(*record, [&](std::string_view key, const EntryView&) -> Status {
                ahead_[std::string(key)] = record->seq;
                return Ok{};
            }));
        }
    }
    ahead_until_ = mark_.until;
    return Ok{};
}

/// Those up to `through` are done with.
void Follower::pass(Seq through) {
    while (!window_.empty() && window_.front().seq <= through) {
        window_bytes_ -= window_.front().line.size();
        window_.pop_front();
        if (log_next_ > 0) --log_next_;
    }
}

void Follower::send_commit() {
    StateJob job{.kind = StateJob::Kind::commit, .mark = mark_};
    StateBatch batch({documents_max_, options_.state.bytes});
    RecordView record;
    std::uint64_t changes = 0;
    for (const Slot& slot : window_) {
        if (!slot.logged) break;
        if (!mark_.bootstrap || slot.seq > *mark_.bootstrap) {
            if (slot.gave_up && slot.seq == window_.front().seq) return begin_anew(slot.seq);
            if (slot.gave_up) break;
            const Status parsed = parse_record(slot.line, &record);
            const auto added = parsed ? batch.add(record) : Result<bool>(parsed.error());
            if (!added)
                return stop("seq " + std::to_string(slot.seq.value) + ": " + added.error().text);
            if (!*added) break;
            if (record.kind == Kind::accepted) changes += record.changes.size();
        }
        job.mark.seq = slot.seq;
    }
    if (job.mark.seq == mark_.seq) return;
    if (job.mark.bootstrap && job.mark.seq >= job.mark.until) {
        job.mark.bootstrap.reset();
        job.mark.until = {};
    }
    for (const auto& [key, entry] : batch.entries()) {
        if (const auto ahead = ahead_.find(key); ahead != ahead_.end() && entry.seq < ahead->second) continue;
        const Cursor at{slot_of(entry.seq)->epoch, entry.seq};
        std::string why_not;
        auto write = write_of(key, entry, &why_not);
        if (!write) why_not = write.error().text;
        if (!why_not.empty()) {
            bury(state_path(key), at, why_not);
            if (told_.phase == stopped) return;
            continue;
        }
        job.writes.push_back(*std::move(*write));
        job.records.push_back(at);
    }
    job.single = batch.records() == 1;
    told_.coalesced += changes - batch.entries().size();
    job.writes.push_back(mark_write(job.mark));
    start(std::move(job));
}

void Follower::take_commit(StateJob& job) {
    if (!job.committed) {
        const Trouble& met = job.committed.error();
        if (failed(job, met, "state")) return;
        breaker_.succeeded();
        ++told_.troubles;
        const std::uint64_t documents = job.writes.size() - 1;
        if (documents > 1 && !job.single) {
            documents_max_ = documents / 2;  // one of them is the bad one: by halves it is found
            return;
        }
        job.writes.pop_back();
        probe_ = Probe{job.mark, std::move(job.writes), std::move(job.records)};
        return;
    }
    meet_success();
    mark_ = job.mark;
    mark_time_ = job.committed->back();
    if (mark_.until == Seq{}) ahead_.clear();
    if (job.kind == StateJob::Kind::claim || told_.phase != following) return begin_following();
    ++told_.state_commits;
    told_.state_documents += job.writes.size() - 1;
    job.writes.pop_back();
    for (const Write& write : job.writes) written(write.path);
    pass(mark_.seq);
    documents_max_ = std::min(options_.state.documents, 2 * documents_max_);
    told_.interval = told_.interval * 9 / 10;
    if (told_.interval < options_.interval_first / 4) told_.interval = 0ns;
    state_not_before_ = now() + told_.interval;
}

void Follower::send_probe() {
    if (probe_->next < probe_->writes.size()) {
        StateJob job{.kind = StateJob::Kind::probe, .mark = mark_};
        job.writes = {probe_->writes[probe_->next], mark_write(mark_)};
        job.records = {probe_->records[probe_->next]};
        return start(std::move(job));
    }
    StateJob job{.kind = StateJob::Kind::commit, .mark = probe_->mark};
    probe_.reset();
    job.writes = {mark_write(job.mark)};
    start(std::move(job));
}

void Follower::take_probe(StateJob& job) {
    if (!job.committed) {
        const Trouble& met = job.committed.error();
        if (failed(job, met, "state")) return;
        breaker_.succeeded();
        bury(job.writes.front().path, job.records.front(), met.text);
    } else {
        meet_success();
        mark_time_ = job.committed->back();
        ++told_.state_documents;
        written(job.writes.front().path);
    }
    if (probe_) ++probe_->next;
}

/// What a bootstrap wrote, or left out, was never a commit that would have told the letter so.
Result<bool> Follower::has_newer(const std::string& key, Seq seq) {
    if (key.empty() || !doors_.entries) return false;
    SE_TRY(entries, doors_.entries({key}));
    const std::optional<Entry>& now = entries.front();
    return !now || now->seq != seq;
}

/// The dead letter of which somebody asked for another attempt, made again from its record.
bool Follower::send_letter() {
    if (letters_->asked() == 0) return false;
    for (const DeadLetter* letter : letters_->all()) {
        if (!letter->retry || letter->at.seq > mark_.seq) continue;
        if (log_names_.contains(letter->id)) continue;  // a newer one is on its way
        const DeadLetter asked = *letter;
        StateJob job{.kind = StateJob::Kind::letter, .mark = mark_, .records = {asked.at}};
        std::string why_not = "its record is not there any more";
        auto reader = JournalReader::open(doors_.files, paths_);
        if (!reader) {
            trouble("journal", reader.error().text);
            return false;
        }
        const auto record = reader->at(asked.at.seq);
        if (!record && record.error().code == Errc::io) {
            trouble("journal", record.error().text);
            return false;
        }
        if (record && (*record)->epoch == asked.at.epoch) {
            if (log_path(**record) == asked.id) {
                auto fields = log_fields(**record);
                why_not = fields ? why_not_storable(asked.id, *fields) : fields.error().text;
                if (why_not.empty()) job.writes.push_back({.path = asked.id, .fields = *fields});
                if (why_not.empty()) log_names_.insert(asked.id);
            } else {
                std::string of_key;
                const Status folded = Folder().fold(
                    **record, [&](std::string_view key, const EntryView& entry) -> Status {
                        if (state_path(key) != asked.id) return Ok{};
                        of_key = key;
                        why_not.clear();
                        SE_TRY(write, write_of(key, entry, &why_not));
                        if (write) job.writes.push_back(*std::move(write));
                        return Ok{};
                    });
                if (!folded) why_not = folded.error().text;
                if (const auto newer = has_newer(of_key, asked.at.seq); !newer) {
                    trouble("state", newer.error().text);
                    return false;
                } else if (*newer) {
                    written(asked.id);
                    continue;
                }
            }
        }
        if (job.writes.empty()) {
            bury(asked.id, asked.at, why_not);  // which answers the retry
            continue;
        }
        job.writes.push_back(mark_write(mark_));
        start(std::move(job));
        return true;
    }
    return false;
}

void Follower::take_letter(StateJob& job) {
    if (!job.committed) {
        const Trouble& met = job.committed.error();
        if (failed(job, met, "dead letter")) return;
        breaker_.succeeded();
        return bury(job.writes.front().path, job.records.front(), met.text);
    }
    meet_success();
    mark_time_ = job.committed->back();
    written(job.writes.front().path);
}

}  // namespace se::firestore
