#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/firestore/follower.h"
#include "journal/base/json.h"
#include "journal/body.h"
#include "journal/gaps.h"
#include "projection/firestore/documents.h"
#include "projection/fold.h"
#include "tests/journal/repair_world.h"
#include "tests/sim/sim_documents.h"

namespace se::firestore {

/// A store with a writer, its follower, and the documents they share with others.
class FollowerWorld {
public:
    explicit FollowerWorld(SimDocuments& the_documents, std::uint64_t seed = 1)
        : documents(the_documents), store(seed), chance(seed + 1) {
        folds.emplace_back();
        options.bootstrap = true;
    }

    SimDocuments& documents;
    DocumentStore* real =
        nullptr;  ///< what it follows into instead, if anything; check() is not for that
    test::World store;
    SimRandom chance;
    SimRunner state_lane, log_lanes[3];
    FollowerOptions options;
    std::unique_ptr<Follower> follower;
    std::vector<std::map<std::string, Entry>> folds;  ///< by seq: the live ones
    std::map<std::string, std::vector<Seq>> logs;     ///< by path of the log document: whose it is
    std::uint64_t keys = 6;

    void open() {
        const Status opened = store.open();
        REQUIRE_MESSAGE(opened, opened.error().text);
        REQUIRE_FALSE(store.journal->read_only());
        bool first = true;
        for (RecordDraft note : store.journal->notes()) {
            if (std::exchange(first, false))
                note.body = "{\"writer\":\"" + make_uuid(chance) + "\"}";
            REQUIRE(store.append(note));
        }
        commit();
    }
    void start() {
        std::vector<Runner*> lanes;
        for (SimRunner& lane : log_lanes) lanes.push_back(&lane);
        follower = std::make_unique<Follower>(
            Follower::Doors{.files = store.disk,
                            .clock = store.clock,
                            .random = chance,
                            .log = store.log,
                            .documents = real != nullptr ? *real : documents,
                            .state_lane = state_lane,
                            .log_lanes = lanes,
                            .state = [this](const std::string& after,
                                            std::size_t limit) { return page(after, limit); },
                            .entries = [this](const auto& asked) { return entries(asked); }},
            store.paths, options);
    }
    /// The process goes; of what was under way some had left already.
    void die() {
        const auto go = [&](SimRunner& lane) {
            if (chance.chance(50)) lane.run();
            lane.drop();
        };
        go(state_lane);
        for (SimRunner& lane : log_lanes) go(lane);
        follower.reset();
        store.crash();
    }

    void commit() {
        REQUIRE(store.commit());
        auto reader = JournalReader::open(store.disk, store.paths);
        REQUIRE(reader);
        REQUIRE(reader->seek(Seq{folds.size()}));
        for (;;) {
            const auto record = reader->next();
            REQUIRE(record);
            if (*record == nullptr) break;
            if (given_up_) {
                while (folds.size() < (*record)->seq.value) folds.push_back(folds.back());
            }
            REQUIRE((*record)->seq == Seq{folds.size()});
            if (gap_noted_by(**record)) good_from_ = (*record)->seq;
            auto fold = folds.back();
            REQUIRE(
                folder_.fold(**record, [&](std::string_view key, const EntryView& entry) -> Status {
                    versions_[std::string(key)] = entry.version.value;
                    deleted_.erase(std::string(key));
                    if (entry.deleted) deleted_[std::string(key)] = entry.to_entry();
                    if (entry.deleted)
                        fold.erase(std::string(key));
                    else
                        fold[std::string(key)] = entry.to_entry();
                    return Ok{};
                }));
            folds.push_back(std::move(fold));
            if (const auto path = log_path(**record)) logs[*path].push_back((*record)->seq);
        }
    }
    /// Needs that no writer runs. The records from..to rot, and an operator gives them up.
    void give_up(Seq from, Seq to) {
        for (Seq seq = from; seq <= to; seq = seq.next()) {
            const std::string line = "\n{\"seq\":" + std::to_string(seq.value) + ",";
            for (const Seq first : *list_segments(store.disk, store.paths)) {
                const std::string path = store.paths.segment(first);
                const std::size_t at = store.disk.content(path)->find(line);
                if (at != std::string::npos) store.disk.flip_bit(path, 8 * (at + line.size()));
            }
        }
        REQUIRE(test::repair(store, from, to));
        given_up_ = true;
        good_from_ = Seq{UINT64_MAX};
        folds.assign(1, {});
        logs.clear();
        deleted_.clear();
    }
    /// Not committed yet.
    void append(RecordDraft draft) {
        draft.ts = store.clock.wall();
        REQUIRE(store.append(std::move(draft)));
    }
    RecordDraft set(const std::string& key, const std::string& value, std::string id = "") {
        if (id.empty()) id = "id-" + std::to_string(++ids_);
        RecordDraft draft{.kind = Kind::accepted,
                          .id = std::move(id),
                          .content = std::string(32, '0'),
                          .actor = "a",
                          .changes = {{key, "set", Version{++pending_[key]}}}};
        draft.body.clear();
        encode_body(draft.body, {.reason = "r", .values = {value}});
        return draft;
    }
    RecordDraft random_draft() {
        if (chance.chance(15)) return {.kind = Kind::note, .note = "test", .actor = "a"};
        const std::string key = "k" + std::to_string(chance.below(keys));
        // Ids are used again, as real producers do.
        const std::string id = chance.chance(10) ? "again-" + std::to_string(chance.below(3)) : "";
        RecordDraft draft = set(key, std::to_string(chance.below(1'000)), id);
        if (chance.chance(20)) {
            draft.changes[0].op = "delete";
            draft.body = R"({"reason":"r","values":[null]})";
        } else if (chance.chance(20)) {
            --pending_[key];
            draft.kind = Kind::rejected;
            draft.code = "absent";
            draft.changes[0].version = {};
            draft.body = R"({"reason":"r","message":"no"})";
        } else if (chance.chance(20)) {
            const std::string other = "other." + key;
            draft.changes.push_back({other, "set", Version{++pending_[other]}});
            draft.body.clear();
            encode_body(draft.body, {.reason = "r", .values = {"1", "2"}, .ops = "[]"});
        }
        return draft;
    }
    void write(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) append(random_draft());
        commit();
    }

    void run_lanes(std::uint64_t percent = 100) {
        if (chance.chance(percent)) state_lane.run();
        for (SimRunner& lane : log_lanes)
            if (chance.chance(percent)) lane.run();
    }
    void step() {
        follower->step();
        check();
    }
    /// Until it is there, all being well.
    void converge() {
        for (int round = 0; round < 3'000; ++round) {
            step();
            run_lanes();
            step();
            store.clock.advance(std::chrono::milliseconds{100});
            const FollowerState state = follower->state();
            if (state.phase == FollowerState::Phase::following && state.lag == 0 &&
                follower->quiet() && mark() && mark()->seq.value + 1 == folds.size())
                return;
        }
        FAIL("it does not converge: " << to_json(follower->state(), ""));
    }
    std::optional<Mark> mark() const {
        const auto at = documents.documents().find(std::string(kWatermarkPath));
        return at == documents.documents().end() ? std::nullopt : mark_of(at->second.fields);
    }

    /// P6: the state documents are exactly the fold up to the watermark, whose log documents are
    /// all there; and it never goes back. Of what was given up only once its note is passed.
    void check() {
        const auto mark = this->mark();
        if (!mark || mark->store != store.hold->info.store || mark->bootstrap) return;
        REQUIRE(mark->seq >= seen_);
        seen_ = mark->seq;
        REQUIRE(mark->seq.value < folds.size());
        if (mark->seq < good_from_) return;
        std::size_t live = 0;
        for (const auto& [key, entry] : folds[mark->seq.value]) {
            const std::string path = state_path(key);
            if (documents.poisoned.contains(path)) continue;
            const auto at = documents.documents().find(path);
            CAPTURE(path);
            REQUIRE(at != documents.documents().end());
            REQUIRE(at->second.fields == *state_fields(entry));
            ++live;
        }
        std::size_t there = 0;
        for (const auto& [path, held] : documents.documents())
            if (path.starts_with("state/") && !documents.poisoned.contains(path)) ++there;
        REQUIRE(there == live);
        for (const auto& [path, seqs] : logs) {
            if (seqs.front() > mark->seq || documents.poisoned.contains(path)) continue;
            const auto at = documents.documents().find(path);
            CAPTURE(path);
            REQUIRE(at != documents.documents().end());
        }
    }
    /// At the end also that of several with one name the last one stayed.
    void check_logs() {
        for (const auto& [path, seqs] : logs) {
            if (documents.poisoned.contains(path)) continue;
            const Value* const seq = find(documents.documents().at(path).fields, "seq");
            CAPTURE(path);
            REQUIRE(*seq->as<std::int64_t>() == static_cast<std::int64_t>(seqs.back().value));
        }
    }
    /// A store is copied while nobody writes.
    void copy_to(FollowerWorld& other) {
        for (const std::string folder : {"/data", "/data/journal"}) {
            const auto names = store.disk.list(folder);
            REQUIRE(names);
            for (const std::string& name : *names)
                if (const auto content = store.disk.content(folder + "/" + name))
                    other.store.disk.put(folder + "/" + name, *content);
        }
        other.folds = folds;
        other.logs = logs;
        other.deleted_ = deleted_;
        other.pending_ = pending_;
        other.ids_ = 1'000'000;
        other.store.appended = store.appended;
        other.store.acknowledged = store.acknowledged;
    }

    Result<Follower::StatePage> page(const std::string& after, std::size_t limit,
                                     const std::string& prefix = "") {
        Follower::StatePage page{.as_of = Seq{folds.size() - 1}};
        const auto& fold = folds.back();
        auto at = after < prefix ? fold.lower_bound(prefix) : fold.upper_bound(after);
        for (; at != fold.end() && at->first.starts_with(prefix); ++at) {
            if (page.entries.size() == limit) break;
            page.entries.emplace_back(at->first, at->second);
        }
        return page;
    }
    Result<std::vector<std::optional<Entry>>> entries(const std::vector<std::string>& keys_asked) {
        std::vector<std::optional<Entry>> found;
        for (const std::string& key : keys_asked) {
            const auto at = folds.back().find(key);
            const auto gone = deleted_.find(key);
            if (at != folds.back().end())
                found.emplace_back(at->second);
            else
                found.push_back(gone == deleted_.end() ? std::optional<Entry>() : gone->second);
        }
        return found;
    }

private:
    Folder folder_;
    std::map<std::string, Entry> deleted_;
    std::map<std::string, std::uint64_t> versions_, pending_;
    std::uint64_t ids_ = 0;
    Seq seen_;
    bool given_up_ = false;
    Seq good_from_;  ///< the last note of what was given up
};

}  // namespace se::firestore
