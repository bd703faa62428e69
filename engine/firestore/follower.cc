#include "engine/firestore/follower.h"

#include <algorithm>

#include "journal/base/json.h"
#include "journal/gaps.h"
#include "journal/search.h"

namespace se::firestore {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kIdle =
    250ms;  // with fsync never nobody calls when more is durable
constexpr std::chrono::nanoseconds kStopped = 10s;
constexpr std::size_t kRecordsAStep = 2'000;

std::string text_in(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_string() ? member->string() : "";
}

std::string writer_of(const RecordView& record) {
    if (record.kind != Kind::note || record.note != "opened" || record.body.empty()) return "";
    const auto body = parse_json(record.body);
    return body ? text_in(*body, "writer") : "";
}

}  // namespace

Follower::Follower(Doors doors, StorePaths paths, FollowerOptions options)
    : doors_(std::move(doors)),
      paths_(std::move(paths)),
      options_(std::move(options)),
      bootstrap_(options_.bootstrap),
      log_jobs_(doors_.log_lanes.size()),
      documents_max_(options_.state.documents),
      backoff_(options_.backoff, doors_.random),
      disk_backoff_(options_.backoff, doors_.random),
      breaker_(options_.breaker) {}

void Follower::restart() {
    ++generation_;
    us_.reset();
    reader_.reset();
    letters_.reset();  // somebody may have dropped some meanwhile
    empty_window();
    probe_.reset();
    begin_again_ = read_again_ = {};
    using enum FollowerState::Phase;
    if (told_.phase != stopped) told_.phase = looking;
}

Status Follower::resume(bool bootstrap) {
    if (told_.phase != FollowerState::Phase::stopped)
        return Error{Errc::malformed, "it has not stopped: it is " +
                                          std::string(to_text(told_.phase)) +
                                          ", and there is nothing to resume"};
    bootstrap_ = bootstrap;
    followed_ = false;
    mark_ = {};
    mark_time_.reset();
    page_ = {};
    fetched_.reset();
    pages_from_.reset();
    anew_from_ = {};
    ahead_.clear();
    ahead_until_ = {};
    heal_.clear();
    healing_ = 0;
    heal_one_by_one_ = false;
    told_.healing = 0;
    told_.phase = FollowerState::Phase::looking;
    told_.why.clear();
    restart();
    return Ok{};
}

void Follower::empty_window() {
    window_.clear();
    window_bytes_ = 0;
    log_next_ = 0;
    log_again_.clear();
    log_names_.clear();
    for (const auto& job : log_jobs_) {
        // What is still under way must arrive before one of its name goes again.
        if (job == nullptr) continue;
        for (const Write& write : job->batch.writes) log_names_.insert(write.path);
    }
    if (state_job_ != nullptr && state_job_->kind == StateJob::Kind::letter)
        log_names_.insert(state_job_->writes.front().path);
}

std::chrono::nanoseconds Follower::step() {
    take_log_outcomes();
    take_state_outcome();
    told_.breaker = breaker_.state();
    if (told_.phase == FollowerState::Phase::stopped) {
        look_how_far();
        return kStopped;
    }
    if (now() < begin_again_) return begin_again_ - now();
    if (const Status begun = begin(); !begun) {
        trouble("journal", begun.error().text);
        begin_again_ = now() + disk_backoff_.next();
        return begin_again_ - now();
    }
    if (!us_) return 20ms;
    if (told_.phase == FollowerState::Phase::following) {
        read_more();
        send_logs();
    }
    look_how_far();
    send_state();

    std::chrono::nanoseconds wait = kIdle;
    const auto no_later = [&](std::chrono::nanoseconds then) {
        if (then > now()) wait = std::min(wait, then - now());
    };
    no_later(state_not_before_);
    no_later(log_not_before_);
    if (now() >= read_again_ && window_.size() < options_.window_records && reader_ &&
        reader_->expected() <= durable_ && window_bytes_ < options_.window_bytes &&
        told_.phase == FollowerState::Phase::following)
        wait = 0ns;
    return wait;
}

Status Follower::begin() {
    if (!letters_) {
        SE_TRY(letters,
               DeadLetters::open(doors_.files, paths_, "firestore", options_.dead_letters));
        letters_.emplace(std::move(letters));
        told_.dead_letters = letters_->size();
    }
    if (!reader_) {
        SE_TRY(opened, JournalReader::open(doors_.files, paths_));
        reader_.emplace(std::move(opened));
    }
    if (!us_) SE_TRY_OK(find_run());
    return Ok{};
}

/// Ours is the run that HEAD speaks of, once its `opened` note is durable.
Status Follower::find_run() {
    SE_TRY(head, reader_->head());
    SE_TRY(opened, find_newest(doors_.files, paths_, [](const RecordView& record) {
               return !writer_of(record).empty();
           }));
    if (!head || !opened || opened->view.epoch != head->epoch) return Ok{};
    us_ = Us{reader_->store(), head->epoch, writer_of(opened->view)};
    return Ok{};
}

Result<std::string> Follower::why_not_ours(const Mark& mark) {
    SE_TRY(reader, JournalReader::open(doors_.files, paths_));
    SE_TRY(durable, reader.durable());
    if (mark.seq > durable) {
        return "another history: the documents are as of seq " + std::to_string(mark.seq.value) +
               ", our journal ends at " + std::to_string(durable.value);
    }
    if (mark.seq != Seq{}) {
        const auto record = reader.at(mark.seq);
        if (!record && record.error().code != Errc::not_found) return record.error();
        bool known = record && (*record)->epoch <= mark.epoch;
        if (!record) {
            // What a repair gave up was ours, too: the documents are made anew when its note is passed.
            SE_TRY(gave_up, reader.gave_up(mark.seq));
            known = gave_up;
        }
        if (!known) {
            return "another history: what our journal has at seq " +
                   std::to_string(mark.seq.value) + " is not what the documents were made of";
        }
    }
    SE_TRY(opened, find_newest(doors_.files, paths_, [&](const RecordView& record) {
               return record.epoch == mark.epoch && writer_of(record) == mark.run;
           }));
    if (opened) return std::string();
    return "another history: our journal knows no run " + mark.run + " of epoch " +
           std::to_string(mark.epoch.value);
}

void Follower::read_more() {
    if (now() < read_again_) return;
    for (std::size_t count = 0; count < kRecordsAStep; ++count) {
        if (window_.size() >= options_.window_records || window_bytes_ >= options_.window_bytes)
            return;
        const auto next = reader_->next();
        if (!next) {
            trouble("journal", next.error().text);
            read_again_ = now() + disk_backoff_.next();
            return;
        }
        if (*next == nullptr) return;
        const RecordView& record = **next;
        if (us_ && record.epoch > us_->epoch) {
            // Of a later run, while ours is not open: the documents are to say whose they are. restart() comes.
            read_again_ = now() + disk_backoff_.next();
            return;
        }
        window_.push_back({.seq = record.seq,
                           .epoch = record.epoch,
                           .ts = record.ts,
                           .line = std::string(record.line),
                           .gave_up = gap_noted_by(record).has_value()});
        window_bytes_ += record.line.size();
    }
}

void Follower::look_how_far() {
    if (now() < look_again_) return;
    look_again_ = now() + 10ms;
    if (!reader_) {
        if (auto opened = JournalReader::open(doors_.files, paths_))
            reader_.emplace(*std::move(opened));
    }
    if (reader_) {
        if (const auto durable = reader_->durable()) durable_ = *durable;
    }
    told_.watermark = mark_.seq;
    told_.lag = durable_.value - std::min(durable_.value, mark_.seq.value);
    told_.lag_seconds = told_.lag == 0 ? 0 : age_of_first_behind();
}

/// Also while nothing is read ahead: a follower that has stopped, or that nobody lets in, must not
/// look as if it were in time.
double Follower::age_of_first_behind() {
    const Seq first = mark_.seq.next();
    const Slot* const slot = slot_of(first);
    if (slot == nullptr && first_behind_ != first) {
        // By a reader of its own: ours must not be moved.
        auto reader = JournalReader::open(doors_.files, paths_);
        const auto record = reader ? reader->at(first) : Result<const RecordView*>(reader.error());
        if (!record) return 0;
        first_behind_ = first;
        first_behind_ts_ = (*record)->ts;
    }
    const Time since = slot != nullptr ? slot->ts : first_behind_ts_;
    return std::max(0.0, std::chrono::duration<double>(doors_.clock.wall() - since).count());
}

Follower::Slot* Follower::slot_of(Seq seq) {
    const auto at = std::ranges::lower_bound(window_, seq, {}, &Slot::seq);
    return at == window_.end() || at->seq != seq ? nullptr : &*at;
}

void Follower::stop(std::string why) {
    told_.phase = FollowerState::Phase::stopped;
    told_.why = std::move(why);
    empty_window();
    doors_.log.write({Severity::error,
                      "state-engine.firestore.stopped",
                      {{"why", told_.why}, {"where", doors_.documents.describe()}}});
}

/// Said once as long as it is the same.
void Follower::trouble(std::string_view where, const std::string& why) {
    const std::string text = std::string(where) + ": " + why;
    if (std::exchange(told_.why, text) == text) return;
    doors_.log.write({Severity::warning, "state-engine.firestore.trouble", {{"why", text}}});
}

void Follower::meet(const Trouble& met, std::string_view where) {
    ++told_.troubles;
    trouble(where, std::string(to_text(met.kind)) + ": " + met.text);
    const bool slower = met.kind == Trouble::Kind::throttled || met.kind == Trouble::Kind::aborted;
    if (slower) {
        told_.interval =
            std::clamp(2 * told_.interval, options_.interval_first, options_.interval_max);
        breaker_.succeeded();  // it is there, and answers
    } else {
        breaker_.failed(now());
    }
    const auto wait = slower ? told_.interval : std::max(backoff_.next(), breaker_.wait(now()));
    state_not_before_ = std::max(state_not_before_, now() + wait);
    log_not_before_ = std::max(log_not_before_, now() + wait);
}

void Follower::meet_success() {
    breaker_.succeeded();
    backoff_.reset();
    if (told_.phase != FollowerState::Phase::stopped) told_.why.clear();
}

bool Follower::may_call() {
    return breaker_.admits(now());
}

/// Refused for good: durably a dead letter, and the rest goes on. `path` names it.
void Follower::bury(const std::string& path, Cursor at, const std::string& why) {
    if (letters_->full() && letters_->find(path) == nullptr) {
        stop("there are " + std::to_string(letters_->size()) +
             " dead letters, which is the limit: retry or drop some, then `statectl firestore resume`");
        return;
    }
    const DeadLetter* const known = letters_->find(path);
    const DeadLetter letter{.id = path,
                            .at = at,
                            .reason = why,
                            .ts = doors_.clock.wall(),
                            .attempts = known == nullptr ? 1 : known->attempts + 1};
    if (const Status added = letters_->add(letter); !added)
        return stop("a dead letter cannot be kept: " + added.error().text);
    told_.dead_letters = letters_->size();
    doors_.log.write({Severity::error,
                      "state-engine.firestore.dead_letter",
                      {{"document", path}, {"seq", std::to_string(at.seq.value)}, {"why", why}}});
}

/// A document of that name is there now, so that an older one need not be tried again.
void Follower::written(const std::string& path) {
    if (letters_->size() == 0 || letters_->find(path) == nullptr) return;
    if (const Status removed = letters_->remove(path); !removed)
        return trouble("dead letters", removed.error().text);
    told_.dead_letters = letters_->size();
}

Status Follower::retry(std::string_view id) {
    if (!letters_) return Error{Errc::unavailable, "the dead letters have not been read yet"};
    return letters_->ask_retry(id);
}

Status Follower::drop(std::string_view id) {
    if (!letters_) return Error{Errc::unavailable, "the dead letters have not been read yet"};
    SE_TRY_OK(letters_->remove(id));
    told_.dead_letters = letters_->size();
    return Ok{};
}

bool Follower::quiet() const {
    return state_job_ == nullptr &&
           std::ranges::all_of(log_jobs_, [](const auto& job) { return job == nullptr; });
}

FollowerState Follower::state() const {
    return told_;
}

}  // namespace se::firestore
