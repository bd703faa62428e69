#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "journal/base/log.h"
#include "journal/journal.h"
#include "journal/repair.h"
#include "tests/sim/sim_filesystem.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_runner.h"

namespace se::test {

/// What the tests know of a record.
struct Known {
    Seq seq;
    Epoch epoch;
    std::string id;

    bool operator==(const Known&) const = default;
};

/// A store on a simulated disk, its writers one after the other, and what they promised. Segments are
/// small, so that a few dozen records roll.
class World {
public:
    explicit World(std::uint64_t seed = 1) : disk(seed), random(seed) {
        options.first_segment_bytes = 4096;
        options.segment_bytes = 16384;
        options.fill_chunk_bytes = 2048;
        options.disk_reserve_bytes = 0;
        options.scrub_bytes_per_second = 0;
    }
    ~World() { leave(); }

    SimFileSystem disk;
    SimRandom random;
    SimClock clock;
    NoLog log;
    Log* heard = nullptr;  ///< in its place
    SimRunner commits, background;
    StorePaths paths{"/data"};
    JournalOptions options;

    std::optional<StoreHold> hold;
    std::unique_ptr<Journal> journal;
    std::vector<Known> shown;            ///< by the last open
    std::vector<Position> positions;     ///< and where they lie
    std::vector<Known> appended;         ///< by all writers, as far as they may still come back
    Seq acknowledged;                    ///< of `appended`: up to here

    /// The writer goes without a word. What it had handed to a runner never happens.
    void leave() {
        commits.drop();
        background.drop();
        journal.reset();
        hold.reset();
    }
    void crash() {
        disk.crash();
        leave();
    }
    void power_cut() {
        disk.power_cut();
        leave();
    }

    Status open(const Position& from = {}, std::vector<Evidence> evidence = {}) {
        leave();
        shown.clear();
        positions.clear();
        SE_TRY(held, hold_store(disk, random, paths));
        hold = std::move(held);
        SE_TRY(opened,
               Journal::open({.files = disk,
                              .clock = clock,
                              .random = random,
                              .log = heard != nullptr ? *heard : static_cast<Log&>(log),
                              .commits = commits,
                              .background = background},
                             paths, *hold, options, from, std::move(evidence),
                             [&](const RecordView& record, const Position& behind) -> Status {
                                 shown.push_back({record.seq, record.epoch, std::string(record.id)});
                                 positions.push_back(behind);
                                 return Ok{};
                             }));
        journal = std::move(opened);
        return Ok{};
    }

    /// As a caller does: notes first, as one group.
    void open_and_tell(const Position& from = {}) {
        const Status opened = open(from);
        REQUIRE_MESSAGE(opened, opened.error().text);
        REQUIRE_FALSE(journal->read_only());
        if (from.seq == Seq{}) check_shown();
        REQUIRE(tell());
    }
    bool tell() {
        for (const RecordDraft& note : journal->notes()) {
            if (!append(note)) return false;
        }
        return commit();
    }

    RecordDraft draft(std::size_t bytes = 40) {
        return {.ts = std::max(clock.wall(), journal->last_ts()),
                .kind = Kind::event,
                .id = "id-" + std::to_string(++ids_),
                .actor = "tester",
                .body = "{\"reason\":\"" + std::string(bytes, 'r') + "\"}"};
    }

    /// Finds room (waiting for fills) and appends. False: no room, or the journal failed.
    bool append(RecordDraft record) {
        if (!make_room(Journal::bytes_of(record))) return false;
        record.ts = std::max(record.ts, journal->last_ts());
        const auto seq = journal->append(record);
        REQUIRE(seq);
        // A seq that comes again comes in a later epoch, and what had it before is gone.
        while (!appended.empty() && appended.back().seq >= *seq) appended.pop_back();
        appended.push_back({*seq, journal->epoch(), record.id});
        return true;
    }
    bool append(std::size_t bytes = 40) { return append(draft(bytes)); }

    /// Submits what is open, and waits for all that runs. False: the journal failed.
    bool commit(bool alone = false) {
        if (!wait()) return false;
        if (journal->group_open()) journal->submit(alone);
        return wait();
    }
    bool wait() {
        commits.run();
        poll();
        return !journal->failed();
    }
    void poll() {
        journal->poll();
        acknowledged = std::max(acknowledged, journal->durable());
    }
    /// A moment passes, and what is due is done.
    bool upkeep() {
        journal->tick();
        commits.run();
        background.run();
        poll();
        clock.advance(std::chrono::milliseconds{5});
        return !journal->failed();
    }

    bool make_room(std::uint64_t bytes) {
        for (int i = 0; i < 3000; ++i) {
            if (journal->failed()) return false;
            const Journal::Room room = journal->room(bytes);
            if (room == Journal::Room::ready) return true;
            if (room == Journal::Room::disk_full) return false;
            if (journal->group_open() && !commit()) return false;
            if (!upkeep()) return false;
        }
        return false;
    }
    /// One record, one group.
    bool write(std::size_t bytes = 40) { return append(bytes) && commit(); }

    /// J2: what was acknowledged is shown, and nothing else than what was appended.
    void check_shown() {
        REQUIRE(shown.size() >= acknowledged.value);
        REQUIRE(shown.size() <= appended.size());
        for (std::size_t i = 0; i < shown.size(); ++i) {
            REQUIRE(shown[i].seq.value == i + 1);
            REQUIRE(shown[i] == appended[i]);
        }
        appended.resize(shown.size());
        acknowledged = std::max(acknowledged, Seq{shown.size()});  // shown is shown
    }

    /// (epoch, seq) is never of two records.
    void check_never_reused(const std::vector<Known>& records) {
        for (const Known& known : records) {
            const auto [at, is_new] = ever_.try_emplace({known.epoch, known.seq}, known.id);
            REQUIRE(at->second == known.id);
        }
    }

    std::map<std::string, std::string> all_files() {
        std::map<std::string, std::string> all;
        for (const std::string& folder : {paths.root, paths.journal(), paths.quarantine()}) {
            const auto names = disk.list(folder);
            if (!names) continue;
            for (const std::string& name : *names) {
                const std::string path = folder + "/" + name;
                if (auto content = disk.content(path)) all[path] = *content;
            }
        }
        return all;
    }
    std::vector<Seq> segments() { return *list_segments(disk, paths); }
    std::string content(Seq segment) { return *disk.content(paths.segment(segment)); }

private:
    std::uint64_t ids_ = 0;
    std::map<std::pair<Epoch, Seq>, std::string> ever_;
};

}  // namespace se::test
