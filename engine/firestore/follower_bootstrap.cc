// A project that was empty or not ours becomes the documents of this store: first its state as of
// now, page by page, and what is there beside it goes; then the log from the first record on.
// Whoever reads meanwhile never sees an older state than before it was ours.

#include <algorithm>

#include "engine/firestore/follower.h"
#include "projection/firestore/documents.h"

namespace se::firestore {
namespace {

constexpr std::size_t kSurveyDocuments = 300;
constexpr std::uint64_t kTellEach = 10'000;
constexpr std::chrono::nanoseconds kStateBehind = std::chrono::milliseconds(20);

}  // namespace

void Follower::begin_bootstrap(const std::optional<Document>& found) {
    if (!found) mark_time_.reset();
    mark_ = Mark{
        .store = us_->store, .epoch = us_->epoch, .run = us_->run, .seq = {}, .bootstrap = Seq{}};
    told_.phase = FollowerState::Phase::claiming;
    doors_.log.write({Severity::warning,
                      "state-engine.firestore.bootstrap",
                      {{"where", doors_.documents.describe()}}});
}

/// A repair gave up records that the documents may be made of. Which ones nobody knows any more: all of the
/// state is written once more, and what is there beside it goes. The log goes on where it is, and what it
/// has of the records given up stays.
void Follower::begin_anew(Seq noted) {
    empty_window();
    mark_.bootstrap = Seq{};
    mark_.until = {};
    ahead_until_ = {};
    anew_from_ = noted;
    told_.phase = FollowerState::Phase::claiming;
    doors_.log.write({Severity::warning,
                      "state-engine.firestore.state_anew",
                      {{"why", "seq " + std::to_string(noted.value) + " notes that records were given up"},
                       {"where", doors_.documents.describe()}}});
}

void Follower::send_bootstrap() {
    if (page_.is) {
        StateJob job{.kind = StateJob::Kind::survey, .mark = mark_};
        job.query = {.collection = std::string(kStateCollection),
                     .after = page_.surveyed,
                     .limit = kSurveyDocuments};
        return start(std::move(job));
    }
    if (!fetched_) {
        auto fetched = doors_.state(page_.after, documents_max_);
        if (!fetched) {
            trouble("state", fetched.error().text);
            state_not_before_ = now() + disk_backoff_.next();
            return;
        }
        fetched_ = *std::move(fetched);
    }
    if (fetched_->as_of < anew_from_) {
        fetched_.reset();
        state_not_before_ = now() + kStateBehind;
        return;
    }
    // With fsync never the state is ahead of the disk.
    if (fetched_->as_of > durable_) return;
    std::optional<StatePage> page = std::exchange(fetched_, std::nullopt);
    const std::size_t page_size = documents_max_;
    if (!pages_from_) pages_from_ = page->as_of;
    page_.last = page->entries.size() < page_size;
    StateJob job{.kind = StateJob::Kind::page, .mark = mark_};
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < page->entries.size(); ++i) {
        const auto& [key, entry] = page->entries[i];
        bytes += entry.value.size();
        if (i > 0 && bytes > options_.state.bytes) {
            page->entries.resize(i);
            page_.last = false;
            break;
        }
        std::string why_not;
        auto write = write_of(key, entry, &why_not);
        if (!write) why_not = write.error().text;
        Cursor at{us_->epoch, entry.seq};
        if (const auto record = reader_->at(entry.seq)) at.epoch = (*record)->epoch;
        if (!why_not.empty()) {
            bury(state_path(key), at, why_not);
            if (told_.phase == FollowerState::Phase::stopped) return;
            continue;
        }
        job.writes.push_back(*std::move(*write));
        job.records.push_back(at);
    }
    page_.is = std::move(*page);
    page_.surveyed = page_.after;
    if (job.writes.empty()) return;
    job.writes.push_back(mark_write(mark_));
    start(std::move(job));
}

void Follower::take_page(StateJob& job) {
    if (!job.committed) {
        if (failed(job, job.committed.error(), "bootstrap")) return;
        breaker_.succeeded();
        if (job.writes.size() > 2) {
            documents_max_ = (job.writes.size() - 1) / 2;
            page_.is.reset();
            return;
        }
        return bury(job.writes.front().path, job.records.front(), job.committed.error().text);
    }
    meet_success();
    mark_time_ = job.committed->back();
    documents_max_ = std::min(options_.state.documents, 2 * documents_max_);
    job.writes.pop_back();
    for (const Write& write : job.writes) written(write.path);
    const std::uint64_t before = told_.bootstrap_documents;
    told_.bootstrap_documents += job.writes.size();
    if (before / kTellEach != told_.bootstrap_documents / kTellEach)
        doors_.log.write({Severity::info,
                          "state-engine.firestore.bootstrap.progress",
                          {{"documents", std::to_string(told_.bootstrap_documents)}}});
}

/// Of what lies between this page's keys, all that is not one of them goes.
void Follower::take_survey(StateJob& job) {
    if (!job.listed) {
        meet(job.listed.error(), "bootstrap");
        return;
    }
    meet_success();
    StateJob sweep{.kind = StateJob::Kind::sweep, .mark = mark_};
    const auto& entries = page_.is->entries;
    bool over = job.listed->size() < kSurveyDocuments;
    for (const Document& document : *job.listed) {
        const std::string_view id = document.id();
        if (!page_.last && id > entries.back().first) {
            over = true;
            break;
        }
        page_.surveyed = id;
        const auto at = std::ranges::lower_bound(
            entries, id, {}, [](const auto& entry) { return std::string_view(entry.first); });
        if (at != entries.end() && at->first == id) continue;
        sweep.writes.push_back(
            {document.path, std::nullopt, Precondition::updated_at(document.update_time)});
    }
    if (over) end_page();
    if (sweep.writes.empty()) return;
    sweep.writes.push_back(mark_write(mark_));
    start(std::move(sweep));
}

void Follower::end_page() {
    if (!page_.last) {
        page_ = {.after = page_.is->entries.back().first};
        return;
    }
    mark_.bootstrap = *pages_from_ == Seq{} ? std::optional<Seq>() : pages_from_;
    mark_.until = mark_.bootstrap ? page_.is->as_of : Seq{};
    told_.phase = FollowerState::Phase::claiming;
}

void Follower::take_sweep(StateJob& job) {
    if (!job.committed) {
        // Somebody writes there, or has taken the project: begin anew with what is there now.
        if (failed(job, job.committed.error(), "bootstrap")) return;
        return stop("a document cannot be deleted: " + job.committed.error().text);
    }
    meet_success();
    mark_time_ = job.committed->back();
    job.writes.pop_back();
    for (const Write& write : job.writes) written(write.path);
}

}  // namespace se::firestore
