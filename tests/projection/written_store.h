#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/base/runner.h"
#include "journal/journal.h"
#include "journal/journal_reader.h"
#include "projection/state_reader.h"
#include "tests/projection/place.h"

namespace se {

/// A store of real files with its one writer: a journal of random records and a projection that
/// follows as far as a test says. What was written is kept as a model of every seq.
class WrittenStore {
public:
    explicit WrittenStore(std::uint64_t seed, std::size_t keys = 40)
        : drafts_(seed, keys), random_(seed) {
        journal_options_.first_segment_bytes = 64u << 10;
        journal_options_.segment_bytes = 256u << 10;
        journal_options_.disk_reserve_bytes = 0;
        journal_options_.scrub_bytes_per_second = 0;
    }

    Place place;
    std::unique_ptr<Projection> projection;
    Model model;       ///< of all that is in the journal
    Seq last, folded;  ///< in the journal; by the projection
    Epoch epoch;

    /// Opens as an engine does: projection, journal from its watermark on, `opened` note.
    void open() {
        auto held = hold_store(place.files, random_, place.paths());
        REQUIRE_MESSAGE(held, held.error().text);
        hold_ = std::move(*held);
        place.store = hold_->info;
        projection = place.open();
        const bool anew = !projection->trusted();
        if (anew) REQUIRE(projection->regrow());
        const auto visit = [&](const RecordView& record, const Position& behind) -> Status {
            if (anew) return projection->add_bulk(record);
            const RecordView* const one[] = {&record};
            return projection->apply(one, behind);
        };
        auto opened = Journal::open(
            {place.files, clock_, random_, place.log, commits_, background_}, place.paths(), *hold_,
            journal_options_, projection->watermark(), {}, visit);
        REQUIRE_MESSAGE(opened, opened.error().text);
        journal_ = *std::move(opened);
        REQUIRE_FALSE(journal_->read_only());
        if (anew) REQUIRE(projection->end_bulk(journal_->position()));
        folded = projection->watermark().seq;
        epoch = journal_->epoch();
        REQUIRE(projection->begin_run(epoch));
        for (RecordDraft note : journal_->notes()) append(note);
        commit();
    }

    /// Adds `count` random records; the projection follows up to the first `follow` of them, or,
    /// for 0, stays where it is.
    void write(std::size_t count, std::size_t follow) {
        for (std::size_t i = 0; i < count; ++i) append(drafts_.next());
        commit();
        SE_ASSERT(follow <= count);
        if (follow > 0) follow_to(Seq{last.value - (count - follow)});
    }
    void write(std::size_t count) { write(count, count); }
    /// Adds this one; the projection stays where it is.
    void write_one(const RecordDraft& draft) {
        append(draft);
        commit();
    }

    void follow_to(Seq seq) {
        while (folded < seq) {
            const std::size_t from = folded.value + 1 - first_.value;  // index of the next one
            const std::size_t count =
                std::min<std::size_t>(seq.value - folded.value, 1 + random_.below(30));
            std::vector<const RecordView*> group;
            for (std::size_t i = from; i < from + count; ++i) group.push_back(&views_[i]);
            REQUIRE(projection->apply(group, behind_[from + count - 1]));
            folded = Seq{folded.value + count};
        }
    }

    void close() {
        RecordDraft closed{.kind = Kind::note, .note = "closed"};
        append(closed);
        commit();
        follow_to(last);
        REQUIRE(journal_->close());
        REQUIRE(projection->close());
        leave();
    }
    /// The writer is gone without a word; what was written stays.
    void leave() {
        journal_.reset();
        projection.reset();
        hold_.reset();
        views_.clear();
        lines_.clear();
        behind_.clear();
    }

    StateReader reader(StateReader::Options options = {}) {
        auto opened = StateReader::open(place.place(), options);
        REQUIRE_MESSAGE(opened, opened.error().text);
        return *std::move(opened);
    }

private:
    void append(RecordDraft draft) {
        draft.ts = std::max(draft.ts, journal_->last_ts());
        const std::uint64_t bytes = Journal::bytes_of(draft);
        for (int tries = 0; journal_->room(bytes) != Journal::Room::ready; ++tries) {
            REQUIRE(tries < 1000);
            if (journal_->group_open()) sync();
            journal_->poll();
            journal_->tick();
        }
        const auto seq = journal_->append(draft);
        REQUIRE_MESSAGE(seq, seq.error().text);
        last = *seq;
        if (views_.empty()) first_ = last;
        std::string& line = lines_.emplace_back();
        encode_record(line, draft, last, epoch, Seq{0}, std::string(32, 'a'));
        REQUIRE(parse_record(line, &views_.emplace_back()));
        behind_.push_back(journal_->position());
        model.fold(views_.back());
    }
    void commit() {
        if (journal_->group_open()) sync();
        REQUIRE(journal_->durable() == last);
    }
    void sync() {
        journal_->submit(true);
        journal_->poll();
        REQUIRE_MESSAGE(!journal_->failed(), journal_->failure());
    }

    RandomDrafts drafts_;
    SimRandom random_;
    SimClock clock_;
    InlineRunner commits_, background_;
    JournalOptions journal_options_;
    std::optional<StoreHold> hold_;
    std::unique_ptr<Journal> journal_;
    Seq first_;  // of `views_`
    std::deque<std::string> lines_;
    std::deque<RecordView> views_;
    std::vector<Position> behind_;
};

/// All that a reader answers must be what the model says, at the model's last seq.
inline void check_answers(const StateReader& reader, const Model& model) {
    std::vector<std::pair<std::string, Entry>> live;
    for (const auto& [key, entry] : model.state.entries()) {
        const auto found = reader.get(key);
        REQUIRE(found);
        REQUIRE(found->has_value());
        REQUIRE(**found == entry);
        if (!entry.deleted) live.emplace_back(key, entry);
    }
    CHECK_FALSE(reader.get("none")->has_value());
    CHECK(*reader.list("", "", SIZE_MAX) == live);
    for (const std::string prefix : {"key.1", "key.2", "none"}) {
        for (const std::string after : {"", "key.15", "key.3"}) {
            for (const std::size_t limit : {std::size_t{0}, std::size_t{3}, SIZE_MAX}) {
                std::vector<std::pair<std::string, Entry>> expected;
                for (const auto& item : live)
                    if (item.first.starts_with(prefix) && (after.empty() || item.first > after) &&
                        expected.size() < limit)
                        expected.push_back(item);
                REQUIRE(*reader.list(prefix, after, limit) == expected);
            }
        }
    }
    for (const auto& [key, bound] : model.ids) {
        const auto found = reader.find_identity(key);
        REQUIRE(found);
        REQUIRE(found->has_value());
        REQUIRE((*found)->content == bound.first);
        REQUIRE((*found)->seq == bound.second);
    }
    for (const auto& [key, seqs] : model.history) {
        const std::vector<Seq> newest_first(seqs.rbegin(), seqs.rend());
        REQUIRE(*reader.history(key, Seq{0}, SIZE_MAX) == newest_first);
        const Seq middle = seqs[seqs.size() / 2];
        const auto older = reader.history(key, middle, 2);
        REQUIRE(older);
        REQUIRE(older->size() == std::min<std::size_t>(2, seqs.size() / 2));
        if (!older->empty()) REQUIRE(older->front() == seqs[seqs.size() / 2 - 1]);
    }
}

}  // namespace se
