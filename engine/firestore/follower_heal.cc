// Documents that somebody else has changed are written once more, by the follower itself: between
// two of its commits the state at the watermark is what the documents must be, and nobody else's
// commit can come in between.

#include <algorithm>
#include <iterator>

#include "engine/firestore/follower.h"
#include "projection/firestore/documents.h"

namespace se::firestore {
namespace {

constexpr std::size_t kHealKeysMax = 100'000;
constexpr std::size_t kHealDocuments = 100;  // of one commit

}  // namespace

Status Follower::heal(std::vector<std::string> keys) {
    if (told_.phase != FollowerState::Phase::following)
        return Error{Errc::unavailable, "the documents do not follow the journal now (" +
                                            std::string(to_text(told_.phase)) +
                                            (told_.why.empty() ? "" : ": " + told_.why) + ")"};
    if (heal_.size() + keys.size() > kHealKeysMax)
        return Error{Errc::unavailable,
                     std::to_string(heal_.size()) + " documents wait to be healed already, and " +
                         std::to_string(kHealKeysMax) + " is the limit: ask again later"};
    heal_.insert(heal_.end(), std::make_move_iterator(keys.begin()),
                 std::make_move_iterator(keys.end()));
    told_.healing = heal_.size();
    return Ok{};
}

Cursor Follower::cursor_of(Seq seq) {
    // By a reader of its own: ours must not be moved.
    auto reader = JournalReader::open(doors_.files, paths_);
    const auto record = reader ? reader->at(seq) : Result<const RecordView*>(reader.error());
    return {record ? (*record)->epoch : us_->epoch, seq};
}

bool Follower::send_heal() {
    const Entry gone{.deleted = true};
    while (!heal_.empty()) {
        const std::size_t count = std::min(heal_.size(), heal_one_by_one_ ? 1 : kHealDocuments);
        const std::vector<std::string> keys(heal_.begin(),
                                            heal_.begin() + static_cast<std::ptrdiff_t>(count));
        const auto entries = doors_.entries(keys);
        if (!entries) {
            trouble("state", entries.error().text);
            state_not_before_ = now() + disk_backoff_.next();
            return true;
        }
        StateJob job{.kind = StateJob::Kind::heal, .mark = mark_};
        std::uint64_t bytes = 0;
        healing_ = 0;
        for (; healing_ < count; ++healing_) {
            const auto& entry = (*entries)[healing_];
            // What the watermark has not passed is written by the next commits anyway.
            if (entry && entry->seq > mark_.seq) continue;
            std::string why_not;
            auto write = write_of(keys[healing_], entry ? *entry : gone, &why_not);
            if (!write) why_not = write.error().text;
            const Cursor at = entry ? cursor_of(entry->seq) : Cursor{us_->epoch, mark_.seq};
            if (!why_not.empty()) {
                bury(state_path(keys[healing_]), at, why_not);
                if (told_.phase == FollowerState::Phase::stopped) return true;
                continue;
            }
            bytes += entry ? entry->value.size() : 0;
            if (!job.writes.empty() && bytes > options_.state.bytes) break;
            job.writes.push_back(*std::move(*write));
            job.records.push_back(at);
        }
        if (job.writes.empty()) {
            end_heal();
            continue;
        }
        job.writes.push_back(mark_write(mark_));
        start(std::move(job));
        return true;
    }
    return false;
}

void Follower::take_heal(StateJob& job) {
    if (!job.committed) {
        const Trouble& met = job.committed.error();
        if (failed(job, met, "heal")) return;
        breaker_.succeeded();
        // One of them is the bad one.
        if (job.writes.size() > 2) {
            heal_one_by_one_ = true;
            return;
        }
        bury(job.writes.front().path, job.records.front(), met.text);
        return end_heal();
    }
    meet_success();
    mark_time_ = job.committed->back();
    told_.healed += job.writes.size() - 1;
    job.writes.pop_back();
    for (const Write& write : job.writes) written(write.path);
    end_heal();
}

void Follower::end_heal() {
    heal_.erase(heal_.begin(), heal_.begin() + static_cast<std::ptrdiff_t>(healing_));
    healing_ = 0;
    told_.healing = heal_.size();
    if (heal_.empty()) heal_one_by_one_ = false;
}

}  // namespace se::firestore
