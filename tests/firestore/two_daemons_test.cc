// Two daemons with copies of one store, and one project: it is one's own history throughout.

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "tests/firestore/documented.h"
#include "tests/places.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;
using firestore::Document;

constexpr int kKeys = 12;

std::string key_of(std::uint64_t number) {
    return "a.k" + std::to_string(number % kKeys);
}

/// Proposes to whichever daemon has that store, one after the other, also while none has.
class SteadyWriter {
public:
    SteadyWriter(std::string data, std::string name)
        : data_(std::move(data)), name_(std::move(name)), thread_([this] { run(); }) {}
    ~SteadyWriter() { stop(); }
    void stop() {
        stopping_ = true;
        if (thread_.joinable()) thread_.join();
    }
    std::uint64_t accepted() const { return accepted_; }
    std::string id(std::uint64_t number) const { return name_ + "-" + std::to_string(number); }
    void wait_for(std::uint64_t more) const {
        const std::uint64_t wanted = accepted_ + more;
        for (int i = 0; accepted_ < wanted; ++i) {
            REQUIRE(i < 24'000);
            std::this_thread::sleep_for(5ms);
        }
    }

private:
    void run() {
        for (std::uint64_t number = 1; !stopping_; ++number) {
            while (!stopping_ && !propose(number)) std::this_thread::sleep_for(5ms);
            std::this_thread::sleep_for(2ms);
        }
    }
    bool propose(std::uint64_t number) {
        if (!client_) {
            auto opened = HttpClient::connect(HttpClient::address_of_socket(data_), 10s);
            if (!opened) return false;
            client_.emplace(*std::move(opened));
        }
        const std::string key = key_of(number);
        const bool deletes = number % 17 == 0;
        const auto answer = client_->post(
            "/v1/mutations", deletes ? R"({"op":"delete","key":")" + key +
                                           R"(","reason":"test","id":")" + id(number) + "\"}"
                                     : set_text(key, "\"" + id(number) + "\"", id(number)));
        if (!answer || answer->status == 503) {
            client_.reset();
            return false;
        }
        if (answer->status == 200) accepted_ = number;
        return true;
    }

    const std::string data_, name_;
    std::optional<HttpClient> client_;
    std::atomic<std::uint64_t> accepted_ = 0;  ///< the last of them
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

/// Google's own client, which looks at the project again and again (watch_documents.mjs) and knows
/// nothing of either daemon.
class ProjectWatcher {
public:
    /// Says so and returns true where the client cannot be had.
    static bool skipped() {
        const int status = std::system(program("").c_str());
        REQUIRE(WIFEXITED(status));
        REQUIRE((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
        return WEXITSTATUS(status) == 77;
    }

    ProjectWatcher(const Emulator& emulator, std::string out) : out_(std::move(out)) {
        std::string command = program(emulator.address()) + " watch_documents state-engine";
        for (std::uint64_t i = 0; i < kKeys; ++i) command += " " + key_of(i);
        pipe_ = ::popen((command + " >" + out_).c_str(), "we");
        REQUIRE(pipe_ != nullptr);
    }
    ProjectWatcher(const ProjectWatcher&) = delete;
    ProjectWatcher& operator=(const ProjectWatcher&) = delete;
    ~ProjectWatcher() { stop(); }
    /// Ends it. Its exit code, the first time.
    int stop() {
        if (pipe_ == nullptr) return 0;
        const int status = ::pclose(std::exchange(pipe_, nullptr));
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    /// A line a look: {"run","seq","documents":{key:{"value","version","seq"}}}
    std::vector<Json> looks() const {
        std::ifstream in(out_);
        std::vector<Json> looks;
        for (std::string line; std::getline(in, line);) looks.push_back(json_of(line));
        return looks;
    }
    bool has_begun() const { return std::ifstream(out_).peek() == '{'; }

private:
    static std::string program(const std::string& emulator) {
        return source_dir() + "/tests/firestore/client.sh " + bin_dir() + "/../firestore-client " +
               emulator;
    }

    const std::string out_;
    FILE* pipe_ = nullptr;
};

/// A journal as who has only its lines would fold it: the state behind each record.
struct FoldedHistory {
    std::vector<std::string> states = {"{}"};  ///< by seq, as a look has the documents
    std::set<std::string> runs;

    explicit FoldedHistory(const std::string& data) {
        Json state(Json::Object{});
        for (const Json& record : records_of(data)) {
            const Json* const body = record.find("body");
            if (text_of(record, "note") == "opened") runs.insert(text_of(*body, "writer"));
            if (text_of(record, "kind") == "accepted") {
                const Json& change = record.find("changes")->array().front();
                const std::string key = text_of(change, "key");
                if (text_of(change, "op") == "delete")
                    state.erase(key);
                else
                    state.set(key,
                              Json(Json::Object{{"value", body->find("values")->array().front()},
                                                {"version", number_of(change, "version")},
                                                {"seq", number_of(record, "seq")}}));
            }
            REQUIRE(number_of(record, "seq") == static_cast<std::int64_t>(states.size()));
            states.push_back(to_text(state));
        }
    }
};

/// As it is on the disk at one moment, with whatever its writer has in hand: needs it stopped.
void copy_store(const std::string& from, const std::string& to) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(from)) {
        const auto target = to / std::filesystem::relative(entry.path(), from);
        if (entry.is_directory())
            std::filesystem::create_directories(target);
        else if (entry.is_regular_file())
            std::filesystem::copy_file(entry.path(), target);
    }
    std::filesystem::permissions(to, std::filesystem::perms::owner_all);
}

/// A run that begins after this has a higher epoch than the one that is under way.
void outlive_epoch(DocumentedDaemon& daemon) {
    const std::chrono::seconds epoch(number_of(daemon.operator_status(), "epoch"));
    while (std::chrono::system_clock::now().time_since_epoch() < epoch + std::chrono::seconds(1))
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

/// It is not the writer of the documents, says why at each place, and serves on.
void must_have_stopped(DocumentedDaemon& daemon, const SteadyWriter& writer,
                       const std::string& why) {
    const Json status = daemon.wait_until_stopped();
    CHECK_MESSAGE(text_of(status, "why").find(why) != std::string::npos, text_of(status, "why"));
    CHECK(daemon.metric("stopped") == 1);
    CHECK(daemon.metric("following") == 0);
    const std::string log = daemon.daemon->log();
    const std::size_t at = log.find("state-engine.firestore.stopped");
    REQUIRE(at != std::string::npos);
    CHECK_MESSAGE(log.find(why, at) != std::string::npos, log.substr(at));
    CHECK(daemon.statectl("firestore status").first == 7);
    writer.wait_for(5);
    CHECK(daemon.metric("lag_records") >= 5);
}

std::set<std::string> log_ids(firestore::DocumentStore& store) {
    std::set<std::string> ids;
    for (firestore::Query query{.collection = "mutation_log", .limit = 1000};;) {
        const auto page = store.list(query);
        REQUIRE(page);
        for (const Document& document : *page) ids.emplace(document.id());
        if (page->size() < query.limit) return ids;
        query.after = page->back().id();
    }
}

}  // namespace

TEST_CASE(
    "of two daemons with copies of one store one stops writing to the project and says why; the "
    "documents are one's own history throughout, over kill -9 of either") {
    if (Emulator::skipped("of two daemons with copies of one store one stops writing") ||
        ProjectWatcher::skipped())
        return;
    const Emulator emulator;
    const TemporaryDirectory folder;
    DocumentedDaemon first(emulator, folder.path() + "/first");
    DocumentedDaemon second(emulator, folder.path() + "/second");
    first.start({"--firestore-bootstrap"});
    SteadyWriter first_writer(first.data(), "first");
    first_writer.wait_for(100);
    first.wait_for("the start", [](const Json& now) { return number_of(now, "watermark") > 50; });
    ProjectWatcher watcher(emulator, folder.path() + "/looks");
    while (!watcher.has_begun()) first_writer.wait_for(10);
    first_writer.wait_for(100);

    // As a machine is copied that goes on: neither of them knows of the other.
    first.daemon->signal(SIGSTOP);
    copy_store(first.data(), second.data());
    second.start();
    SteadyWriter second_writer(second.data(), "second");
    second.wait_for("its turn",
                    [](const Json& now) { return text_of(now, "phase") == "following"; });
    second_writer.wait_for(50);
    first.daemon->signal(SIGCONT);
    must_have_stopped(first, first_writer, "a later run writes");
    const std::uint64_t stopped_at = first_writer.accepted();

    for (int round = 0; round < 3; ++round) {
        first.daemon->kill_hard();
        outlive_epoch(second);
        if (round == 1) second.daemon->kill_hard();  // nobody is there when the first comes back
        first.start();
        // It is the later run, and yet it knows nothing of what the documents were made of.
        must_have_stopped(first, first_writer, "another history");
        if (round != 1) second.daemon->kill_hard();
        second.start();
        second.wait_for("its turn",
                        [](const Json& now) { return text_of(now, "phase") == "following"; });
        second_writer.wait_for(50);
    }
    first_writer.stop();
    second_writer.stop();
    second.wait_until_followed();
    second.must_be_the_state();

    CHECK(watcher.stop() == 0);

    const auto store = emulator.open("state-engine");
    const std::set<std::string> logged = log_ids(*store);
    for (std::uint64_t i = 1; i <= second_writer.accepted(); ++i)
        CHECK_MESSAGE(logged.contains(second_writer.id(i)), second_writer.id(i));
    for (std::uint64_t i = stopped_at + 1; i <= first_writer.accepted(); ++i)
        CHECK_MESSAGE(!logged.contains(first_writer.id(i)), first_writer.id(i));

    CHECK(first.daemon->stop() == 0);
    CHECK(second.daemon->stop() == 0);
    const FoldedHistory first_history(first.data()), second_history(second.data());
    std::size_t of_first = 0, of_second = 0;
    std::uint64_t seq = 0;
    for (const Json& look : watcher.looks()) {
        CAPTURE(to_text(look));
        const auto at = static_cast<std::uint64_t>(number_of(look, "seq"));
        REQUIRE(at >= seq);
        seq = at;
        const std::string run = text_of(look, "run");
        const bool is_first = first_history.runs.contains(run);
        REQUIRE((is_first || second_history.runs.contains(run)));
        const auto& history = is_first ? first_history : second_history;
        REQUIRE(seq < history.states.size());
        REQUIRE(to_text(*look.find("documents")) == history.states[seq]);
        ++(is_first ? of_first : of_second);
        REQUIRE((!is_first || of_second == 0));  // it never comes back
    }
    CHECK(of_first > 1);
    CHECK(of_second > 1);
    MESSAGE("looks: ", of_first, " at the first's, ", of_second, " at the second's documents");
}

}  // namespace se::test
