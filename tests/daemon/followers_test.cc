// The followers' thread, while the store is let go of: a failed journal is being reopened or repaired, and
// for so long the store may be another's.

#include "tools/daemon_followers.h"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <future>
#include <iterator>
#include <mutex>
#include <thread>

#include "engine/adapters/posix_clock.h"
#include "engine/adapters/posix_filesystem.h"
#include "engine/adapters/posix_random.h"
#include "engine/engine.h"
#include "journal/follower_mark.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/sim/sim_runner.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;
using Ids = std::vector<std::string>;

bool comes_true(const std::function<bool()>& wanted) {
    for (int i = 0; i < 2'000; ++i) {
        if (wanted()) return true;
        std::this_thread::sleep_for(5ms);
    }
    return wanted();
}

/// What its followers tell of a store: each accepted proposal.
Status accepted_messages(const RecordView& record, const std::string& store,
                         std::vector<Message>* messages) {
    if (record.kind != Kind::accepted) return Ok{};
    Message message;
    message.id = store + ":" + std::to_string(record.epoch.value) + ":" + std::to_string(record.seq.value) +
                 ":" + std::string(record.id);
    messages->push_back(std::move(message));
    return Ok{};
}

/// Takes what it is handed, and answers as it is told to.
class PatientPeer final : public Sink {
public:
    void deliver(std::uint64_t ticket, const Message& message) override {
        std::unique_lock lock(mutex_);
        got_.push_back(message.id.substr(message.id.rfind(':') + 1));
        changed_.notify_all();
        changed_.wait(lock, [this] { return lets_go_; });
        const auto outcome =
            refuses ? Delivery::Outcome::refused : Delivery::Outcome::acknowledged;
        if (answers) outcomes_.push_back({.ticket = ticket, .outcome = outcome, .reason = "it says so"});
    }
    std::vector<Delivery> poll() override {
        const std::lock_guard lock(mutex_);
        ++polls_;
        return std::exchange(outcomes_, {});
    }

    std::atomic<bool> answers = true, refuses = false;

    /// deliver() does not return until it is let go on.
    void hold(bool yes) {
        const std::lock_guard lock(mutex_);
        lets_go_ = !yes;
        changed_.notify_all();
    }
    Ids got() {
        const std::lock_guard lock(mutex_);
        return got_;
    }
    int polls() {
        const std::lock_guard lock(mutex_);
        return polls_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool lets_go_ = true;
    Ids got_;
    int polls_ = 0;
    std::vector<Delivery> outcomes_;
};

/// A store on a real disk, its runs one after the other, and followers on their thread.
class FollowedStore {
    TemporaryDirectory directory_;

public:
    FollowedStore() {
        settings_.data = directory_.path();
        settings_.journal.first_segment_bytes = 64u << 10;
        settings_.journal.segment_bytes = 256u << 10;
        settings_.journal.fill_chunk_bytes = 16u << 10;
        settings_.journal.disk_reserve_bytes = 0;
        settings_.journal.scrub_bytes_per_second = 0;
        settings_.projection.map_bytes_first = 256u << 10;
        settings_.projection.map_step_bytes = 1u << 20;
        settings_.projection.map_bytes_max = 1u << 30;
        policy_.rules = RuleSet::none();
        policy_.allowed_keys = {"*"};
        open();
    }
    ~FollowedStore() {
        if (peer != nullptr) peer->hold(false);
        followers.reset();
        let_go();
    }

    PosixFileSystem files;
    StorePaths paths{directory_.path()};
    std::unique_ptr<DaemonFollowers> followers;
    PatientPeer* peer = nullptr;

    /// A later run.
    void open() {
        let_go();
        auto opened = Engine::open({.files = files,
                                    .clock = clock_,
                                    .random = random_,
                                    .log = log_,
                                    .commits = commits_,
                                    .background = background_,
                                    .cache_files = files,
                                    .cache_directory = {}},
                                   settings_, policy_, {.host = "host", .pid = 42, .program = "test"});
        REQUIRE_MESSAGE(opened, opened.error().text);
        engine_ = *std::move(opened);
        settle();
    }
    void let_go() {
        commits_.drop();
        background_.drop();
        engine_.reset();
    }
    /// A proposal, durable.
    void write(const std::string& id) {
        auto parsed = parse_proposal(
            R"({"op":"set","key":"k","value":1,"reason":"r","id":")" + id + "\"}", engine_->policy().limits);
        REQUIRE(parsed.proposal);
        Caller caller;
        caller.principal = caller.actor = "alice";
        caller.door = "http";
        bool accepted = false;
        engine_->submit(*std::move(parsed.proposal), std::move(caller), [&accepted](Answer&& answer) {
            accepted = answer.status == Answer::Status::accepted;
        });
        settle();
        REQUIRE(accepted);
    }
    Seq last() const { return engine_->durable(); }
    std::string store() const { return engine_->store().store; }

    /// The daemon's followers: one, that keeps its watermark when it begins and then not for an hour.
    void follow() {
        followers = std::make_unique<DaemonFollowers>(
            DaemonFollowers::Doors{.files = files,
                                   .clock = clock_,
                                   .random = random_,
                                   .log = log_,
                                   .home = home_,
                                   .note =
                                       [](const std::string&, std::string, std::string,
                                          std::function<void(Status)> told) { told(Ok{}); }},
            paths);
        auto sink = std::make_unique<PatientPeer>();
        peer = sink.get();
        FollowerOptions options;
        options.name = "peer";
        options.save_interval = 1h;
        followers->add(std::move(options), accepted_messages, std::move(sink));
        followers->begin();
    }
    FollowerStatus status() const {
        const auto all = followers->statuses();
        REQUIRE(all.size() == 1);
        return all[0];
    }
    bool comes(const Ids& ids) {
        followers->wake();
        return comes_true([&] { return peer->got() == ids; });
    }
    /// All that is durable is delivered and settled.
    bool passes() {
        followers->wake();
        return comes_true([&] { return status().watermark.seq == last(); });
    }
    std::optional<FollowerMark> kept() const {
        std::ifstream in(paths.followers() + "/peer", std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        return parse_follower_mark(text);
    }
    /// As an operator's request does; the outcome on the daemon's thread.
    Result<std::string> ask(FollowersDoor::Job job) {
        std::optional<Result<std::string>> answer;
        followers->ask("peer", std::move(job), [&](Result<std::string> told) {
            answer = std::move(told);
            home_.stop();
        });
        home_.run();
        REQUIRE(answer);
        return *answer;
    }

private:
    void settle() {
        for (int i = 0; i < 1000; ++i) {
            engine_->step();
            const bool ran = commits_.waiting() || background_.waiting();
            commits_.run();
            background_.run();
            if (!ran && !engine_->work_waits() && engine_->idle()) return;
        }
        FAIL("it does not come to rest");
    }

    PosixClock clock_;
    PosixRandom random_;
    NoLog log_;
    SimRunner commits_, background_;
    Settings settings_;
    Policy policy_;
    std::unique_ptr<Engine> engine_;
    HttpLoop home_;
};

Result<std::string> count_letters(Follower& follower) {
    if (follower.dead_letters() == nullptr) return Error{Errc::unavailable, "not read yet"};
    return std::to_string(follower.dead_letters()->size());
}

}  // namespace

TEST_CASE("while the store is let go of followers tell nothing, and then all that was written meanwhile") {
    FollowedStore world;
    world.follow();
    world.write("a");
    world.write("b");
    REQUIRE(world.comes({"a", "b"}));
    REQUIRE(world.passes());
    world.followers->pause();
    const auto kept = world.kept();
    const int polls = world.peer->polls();
    // Another run has the store, as after a failure or in another process.
    world.open();
    world.write("c");
    world.write("d");
    for (int i = 0; i < 10; ++i) {
        world.followers->wake();
        std::this_thread::sleep_for(130ms);  // longer than it rests for at most
    }
    CHECK(world.peer->got() == Ids{"a", "b"});
    CHECK(world.peer->polls() == polls);
    CHECK(world.kept() == kept);
    world.followers->begin();
    CHECK(world.comes({"a", "b", "c", "d"}));
    CHECK(world.passes());
    CHECK(world.status().trouble.empty());
}

TEST_CASE("a pause begins when the step under way is over, and what that came to is kept") {
    FollowedStore world;
    world.follow();
    world.write("a");
    REQUIRE(world.passes());
    REQUIRE(world.kept());
    CHECK(world.kept()->seq < world.last());
    world.peer->hold(true);
    world.write("b");
    REQUIRE(world.comes({"a", "b"}));  // and is being delivered
    auto paused = std::async(std::launch::async, [&] { world.followers->pause(); });
    CHECK(paused.wait_for(50ms) == std::future_status::timeout);
    world.peer->hold(false);
    paused.get();
    // Not only when the hour is over.
    const auto kept = world.kept();
    REQUIRE(kept);
    CHECK(kept->seq == world.last());
    CHECK(kept->store == world.store());
}

TEST_CASE("what was not acknowledged before a pause goes again behind it, under its id and in order") {
    FollowedStore world;
    world.follow();
    world.write("a");
    REQUIRE(world.passes());
    world.peer->answers = false;
    world.write("b");
    world.write("c");
    REQUIRE(world.comes({"a", "b", "c"}));
    world.followers->pause();
    world.peer->answers = true;
    world.write("d");
    world.followers->begin();
    CHECK(world.comes({"a", "b", "c", "b", "c", "d"}));
    CHECK(world.passes());
}

TEST_CASE("who is ended while the store is let go of leaves the watermark of whoever has it") {
    FollowedStore world;
    world.follow();
    world.write("a");
    world.write("b");
    REQUIRE(world.passes());
    world.followers->pause();
    REQUIRE(world.kept());
    CHECK(world.kept()->seq == world.last());
    SUBCASE("nobody has it: the next start goes on where the pause began") {
        world.followers->stop();
        world.open();
        world.write("c");
        world.follow();
        CHECK(world.comes({"c"}));
        CHECK(world.passes());
    }
    SUBCASE("another's followers have come further") {
        world.open();
        world.write("c");
        FollowerMark further = *world.kept();
        further.seq = world.last();
        {
            std::ofstream out(world.paths.followers() + "/peer", std::ios::binary | std::ios::trunc);
            out << encode_follower_mark(further);
        }
        world.followers->stop();
        CHECK(world.kept() == further);
    }
}

TEST_CASE("orders for a follower are refused for as long as the store is let go of") {
    FollowedStore world;
    world.follow();
    world.peer->refuses = true;
    world.write("a");
    REQUIRE(world.passes());
    const auto before = world.ask(count_letters);
    REQUIRE(before);
    CHECK(*before == "1");
    world.followers->pause();
    const auto refused = world.ask(count_letters);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::unavailable);
    // Who has the store drops it; it is not there again when the followers go on, nor in the file.
    const auto letters = DeadLetters::read(world.files, world.paths, "peer");
    REQUIRE(letters);
    REQUIRE(letters->letters.size() == 1);
    {
        auto theirs = DeadLetters::open(world.files, world.paths, "peer");
        REQUIRE(theirs);
        REQUIRE(theirs->remove(letters->letters.begin()->first));
    }
    world.peer->refuses = false;
    world.followers->begin();
    world.write("b");
    REQUIRE(world.comes({"a", "b"}));
    REQUIRE(world.passes());
    const auto after = world.ask(count_letters);
    REQUIRE(after);
    CHECK(*after == "0");
    world.peer->refuses = true;
    world.write("c");
    REQUIRE(world.passes());
    const auto told = DeadLetters::read(world.files, world.paths, "peer");
    REQUIRE(told);
    CHECK(told->letters.size() == 1);
}

}  // namespace se::test
