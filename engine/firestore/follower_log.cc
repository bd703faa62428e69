// Log documents: ahead of the state, in parallel, each as often as it takes.

#include <algorithm>

#include "engine/firestore/follower.h"
#include "projection/firestore/documents.h"

namespace se::firestore {

void Follower::take_log_outcomes() {
    for (std::size_t lane = 0; lane < log_jobs_.size(); ++lane) {
        if (log_jobs_[lane] == nullptr || !doors_.log_lanes[lane]->poll()) continue;
        const std::shared_ptr<LogJob> job = std::move(log_jobs_[lane]);
        for (const Write& write : job->batch.writes) log_names_.erase(write.path);
        if (job->generation == generation_) {
            take_log_outcome(*job);
        } else if (job->outcome) {
            breaker_.succeeded();
        } else {
            breaker_.failed(now());
        }
    }
}

void Follower::take_log_outcome(LogJob& job) {
    if (job.outcome) {
        meet_success();
        ++told_.log_commits;
        told_.log_documents += job.batch.writes.size();
        for (const Write& write : job.batch.writes) written(write.path);
        return settle_logs(job.batch);
    }
    const Trouble& met = job.outcome.error();
    if (met.kind == Trouble::Kind::refused) {
        breaker_.succeeded();
        ++told_.troubles;
        LogBatch& batch = job.batch;
        if (batch.writes.size() == 1) {
            bury(batch.writes.front().path, batch.records.front(), met.text);
            return settle_logs(batch);
        }
        // One of them is the bad one: by halves it is found.
        const auto middle = static_cast<std::ptrdiff_t>(batch.writes.size() / 2);
        LogBatch rest{{batch.records.begin() + middle, batch.records.end()},
                      {batch.writes.begin() + middle, batch.writes.end()}};
        batch.records.resize(static_cast<std::size_t>(middle));
        batch.writes.resize(static_cast<std::size_t>(middle));
        for (const LogBatch* half : {&batch, &rest})
            for (const Write& write : half->writes) log_names_.insert(write.path);
        log_again_.push_back(std::move(batch));
        log_again_.push_back(std::move(rest));
        return;
    }
    meet(met, "log");
    for (const Write& write : job.batch.writes) log_names_.insert(write.path);
    log_again_.push_back(std::move(job.batch));
}

void Follower::settle_logs(const LogBatch& batch) {
    for (const Cursor& record : batch.records)
        if (Slot* const slot = slot_of(record.seq)) slot->logged = true;
}

void Follower::send_logs() {
    for (std::size_t lane = 0; lane < log_jobs_.size(); ++lane) {
        if (told_.phase != FollowerState::Phase::following) return;
        if (log_jobs_[lane] != nullptr || doors_.log_lanes[lane]->busy()) continue;
        if (now() < log_not_before_ || !may_call()) return;
        auto job = std::make_shared<LogJob>();
        if (log_again_.empty()) {
            job->batch = next_log_batch();
        } else {
            job->batch = std::move(log_again_.front());
            log_again_.pop_front();
        }
        if (job->batch.writes.empty()) return;
        for (const Write& write : job->batch.writes) log_names_.insert(write.path);
        job->generation = generation_;
        log_jobs_[lane] = job;
        breaker_.begun();
        doors_.log_lanes[lane]->start([job, &documents = doors_.documents]() -> Status {
            job->outcome = documents.commit(job->batch.writes);
            return Ok{};
        });
    }
}

/// Ends before a document whose name is under way: of two with one name the later one stays.
Follower::LogBatch Follower::next_log_batch() {
    LogBatch batch;
    std::uint64_t bytes = 0;
    std::set<std::string> names;
    RecordView record;
    for (; log_next_ < window_.size(); ++log_next_) {
        if (batch.writes.size() >= options_.log.documents) break;
        Slot& slot = window_[log_next_];
        if (const Status parsed = parse_record(slot.line, &record); !parsed) {
            stop("seq " + std::to_string(slot.seq.value) + ": " + parsed.error().text);
            return {};
        }
        const auto path = log_path(record);
        if (!path) {
            slot.logged = true;
            continue;
        }
        if (log_names_.contains(*path) || names.contains(*path)) break;
        const Cursor at{slot.epoch, slot.seq};
        auto fields = log_fields(record);
        std::string why = fields ? why_not_storable(*path, *fields) : fields.error().text;
        if (!why.empty()) {
            bury(*path, at, why);
            if (told_.phase == FollowerState::Phase::stopped) return {};
            slot.logged = true;
            continue;
        }
        const std::uint64_t weight = document_bytes(*path, *fields);
        if (!batch.writes.empty() && bytes + weight > options_.log.bytes) break;
        bytes += weight;
        batch.writes.push_back({.path = *path, .fields = std::move(*fields)});
        batch.records.push_back(at);
        names.insert(*path);
    }
    return batch;
}

}  // namespace se::firestore
