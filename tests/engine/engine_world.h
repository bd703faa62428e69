#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/adapters/posix_filesystem.h"
#include "engine/engine.h"
#include "journal/base/log.h"
#include "journal/repair.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_filesystem.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_runner.h"

namespace se::test {

/// What follows from a change is for the tests of that.
inline Policy without_rules() {
    Policy policy;
    policy.rules = RuleSet::none();
    return policy;
}

/// What became of one proposal.
struct Asked {
    std::vector<Answer> answers;  ///< exactly one, once it is settled

    bool answered() const { return !answers.empty(); }
    const Answer& answer() const {
        REQUIRE(answers.size() == 1);
        return answers[0];
    }
};

/// A real disk for LMDB's files. On demand a generation cannot be looked at any more, and so not be
/// written to: the projection fails before its first write, as on a full disk.
class CacheFiles final : public FileSystem {
public:
    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
        return real_.open(path, mode);
    }
    Result<std::vector<std::string>> list(const std::string& directory) override {
        return real_.list(directory);
    }
    Result<bool> exists(const std::string& path) override { return real_.exists(path); }
    Status rename(const std::string& from, const std::string& to) override {
        return real_.rename(from, to);
    }
    Status remove(const std::string& path) override { return real_.remove(path); }
    Status remove_tree(const std::string& path) override { return real_.remove_tree(path); }
    Status make_directory(const std::string& path) override { return real_.make_directory(path); }
    Status sync_directory(const std::string& path) override { return real_.sync_directory(path); }
    Result<std::uint64_t> free_space(const std::string& path) override {
        return real_.free_space(path);
    }
    Result<FileIdentity> identity(const std::string& path) override {
        if (looks_left && *looks_left == 0) return Error{Errc::no_space, "the test says so"};
        if (looks_left) --*looks_left;
        return real_.identity(path);
    }
    Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
        return real_.lock(path);
    }
    Result<bool> is_locked(const std::string& path) override { return real_.is_locked(path); }

    std::optional<int> looks_left;  ///< an open takes one, the first write another

private:
    PosixFileSystem real_;
};

/// An engine on a simulated disk (LMDB on a real one), whose jobs run when the test says so.
class EngineWorld {
public:
    explicit EngineWorld(std::uint64_t seed = 1) : disk(seed), random(seed) {
        settings.data = "/data";
        settings.journal.first_segment_bytes = 64u << 10;
        settings.journal.segment_bytes = 256u << 10;
        settings.journal.fill_chunk_bytes = 16u << 10;
        settings.journal.disk_reserve_bytes = 0;
        settings.journal.scrub_bytes_per_second = 0;
        settings.projection.map_bytes_first = 256u << 10;
        settings.projection.map_step_bytes = 1u << 20;
        settings.projection.map_bytes_max = 1u << 30;
        policy.allowed_keys = {"*"};
    }
    ~EngineWorld() { leave(); }

    SimFileSystem disk;
    SimRandom random;
    SimClock clock;
    NoLog log;
    Log* heard = nullptr;  ///< in its place
    SimRunner commits, background;
    TemporaryDirectory cache;
    CacheFiles cache_files;
    Settings settings;
    Policy policy = without_rules();
    std::unique_ptr<Engine> engine;

    /// The process dies: what had not begun on the disk never happens.
    void leave() {
        commits.drop();
        background.drop();
        engine.reset();
    }
    void crash() {
        disk.crash();
        leave();
    }
    /// The record of that id in the first segment rots. Needs that no writer runs.
    void spoil(const std::string& id) {
        const std::string segment = StorePaths{settings.data}.segment(Seq{1});
        const std::size_t place = disk.content(segment)->find(id);
        REQUIRE(place != std::string::npos);
        disk.flip_bit(segment, 8 * place);
    }
    /// Likewise, and an operator gives it up.
    void give_up(const std::string& id, Seq seq) {
        spoil(id);
        const StorePaths paths{settings.data};
        const auto plan = plan_repair(disk, paths, seq, seq);
        REQUIRE_MESSAGE(plan, plan.error().text);
        CHECK(plan->loses_records);
        const auto hold = hold_store(disk, random, paths);
        REQUIRE(hold);
        REQUIRE(carry_out(disk, paths, *hold, *plan));
        forget_cache();
    }
    void forget_cache() {
        SE_ASSERT(cache_files.remove_tree(cache.path()));
        SE_ASSERT(cache_files.make_directory(cache.path()));
    }

    Status try_open(std::optional<Policy> with) {
        leave();
        auto opened = Engine::open({.files = disk,
                                    .clock = clock,
                                    .random = random,
                                    .log = heard != nullptr ? *heard : static_cast<Log&>(log),
                                    .commits = commits,
                                    .background = background,
                                    .cache_files = cache_files,
                                    .cache_directory = cache.path()},
                                   settings, std::move(with),
                                   {.host = "host", .pid = 42, .program = "test"});
        if (!opened) return std::move(opened).error();
        engine = *std::move(opened);
        return Ok{};
    }
    void open(std::optional<Policy> with) {
        const Status opened = try_open(std::move(with));
        REQUIRE_MESSAGE(opened, opened.error().text);
        settle();
    }
    void open() { open(policy); }
    void reopen() {
        const Status closed = engine->close();
        REQUIRE_MESSAGE(closed, closed.error().text);
        open();
    }

    /// Lets everything happen that can happen now.
    void settle() {
        for (int i = 0; i < 1000; ++i) {
            engine->step();
            const bool ran = commits.waiting() || background.waiting();
            commits.run();
            background.run();
            if (!ran && !engine->work_waits() && engine->idle()) return;
            if (i > 20) clock.advance(std::chrono::milliseconds{1});
        }
        FAIL("it does not come to rest");
    }

    static Caller alice() {
        Caller caller;
        caller.principal = "alice";
        caller.actor = "alice";
        caller.door = "http";
        return caller;
    }

    std::shared_ptr<Asked> submit(std::string_view json, Caller caller = alice()) {
        auto asked = std::make_shared<Asked>();
        auto parsed = parse_proposal(json, engine->policy().limits);
        auto done = [asked](Answer&& answer) { asked->answers.push_back(std::move(answer)); };
        if (parsed.proposal) {
            engine->submit(*std::move(parsed.proposal), std::move(caller), done);
        } else {
            engine->refuse(std::move(parsed.refusal), std::move(caller), done);
        }
        return asked;
    }
    Answer ask(std::string_view json, Caller caller = alice()) {
        const auto asked = submit(json, std::move(caller));
        settle();
        return asked->answer();
    }
    Answer set(const std::string& key, const std::string& value, const std::string& more = "") {
        return ask(set_text(key, value, more));
    }
    static std::string set_text(const std::string& key, const std::string& value,
                                const std::string& more = "") {
        return R"({"op":"set","key":")" + key + R"(","value":)" + value + R"(,"reason":"test")" + more +
               "}";
    }

    std::optional<Entry> get(std::string_view key) {
        auto found = engine->get(key);
        REQUIRE(found);
        return *std::move(found);
    }
    std::string value_of(std::string_view key) {
        const auto entry = get(key);
        return entry && !entry->deleted ? entry->value : "absent";
    }
    std::map<std::string, Entry> all() {
        auto listed = engine->list("", "", 100'000);
        REQUIRE(listed);
        return {listed->begin(), listed->end()};
    }
    /// What the journal alone says, up to what is shown of it.
    MemoryState folded() {
        MemoryState state;
        each_record([&](const RecordView& record) { REQUIRE(state.fold(record)); });
        return state;
    }
    void each_record(const std::function<void(const RecordView&)>& visit) {
        auto reader = JournalReader::open(disk, StorePaths{settings.data});
        REQUIRE(reader);
        for (;;) {
            const auto record = reader->next();
            REQUIRE(record);
            if (*record == nullptr) return;
            visit(**record);
        }
    }
    /// "kind/note/code" of every record, in order.
    std::vector<std::string> kinds() {
        std::vector<std::string> found;
        each_record([&](const RecordView& record) {
            std::string text(record.kind_text);
            if (!record.note.empty()) text += "/" + std::string(record.note);
            if (!record.code.empty()) text += "/" + std::string(record.code);
            found.push_back(std::move(text));
        });
        return found;
    }
    std::size_t count(const std::string& kind) {
        std::size_t n = 0;
        for (const std::string& one : kinds()) n += one.starts_with(kind) ? 1 : 0;
        return n;
    }
    /// P2: what reads show is the fold of the journal, entry by entry.
    void check_reads_are_the_fold() {
        const MemoryState fold = folded();
        std::map<std::string, Entry> live;
        for (const auto& [key, entry] : fold.entries()) {
            if (!entry.deleted) live.emplace(key, entry);
            const auto read = get(key);
            REQUIRE(read);
            CHECK(*read == entry);
        }
        CHECK(all() == live);
        CHECK(engine->applied().seq == fold.seq());
        if (engine->projection().watermark().seq == fold.seq()) {
            CHECK(engine->stats().overlay_keys == 0);
            CHECK(engine->stats().overlay_bytes == 0);
        }
    }
};

}  // namespace se::test
