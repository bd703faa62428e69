// kill −9 under 64 pipelined writers: nothing acknowledged is lost, nothing is there twice.

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr int kWriters = 64;
constexpr int kKeys = 37;          // fewer than writers: they meet
constexpr std::size_t kAhead = 16; // requests on their way, of each writer

int rounds() {
    const char* text = std::getenv("SE_KILL9_ROUNDS");
    return text == nullptr ? 6 : std::atoi(text);
}

struct Acknowledged {
    std::int64_t seq, epoch, version;
    std::string key;
};

/// What one client knows over all rounds.
struct Writer {
    int number = 0;
    int next = 0;                            ///< of the id that was never sent
    std::vector<std::string> unanswered;     ///< sent, and the connection broke
    std::map<std::string, Acknowledged> acknowledged;
    std::string trouble;

    std::string key_of(const std::string& id) const {
        return "k" + std::to_string(std::hash<std::string>()(id) % kKeys);
    }
    std::string body_of(const std::string& id) const { return set_text(key_of(id), "\"" + id + "\"", id); }

    /// Writes as fast as it is answered, until the daemon is gone. What an earlier daemon left open is
    /// sent again first, under the same ids.
    void write_until_it_dies(std::uint16_t port, std::atomic<int>& answers) {
        auto client = HttpClient::connect({.host = "127.0.0.1", .port = port}, 60s);
        if (!client) return;
        std::vector<std::string> to_send = std::exchange(unanswered, {});
        std::vector<std::string> in_flight;
        for (;;) {
            while (in_flight.size() < kAhead) {
                std::string id;
                if (!to_send.empty()) {
                    id = to_send.back();
                    to_send.pop_back();
                } else {
                    id = "w" + std::to_string(number) + "-" + std::to_string(next++);
                }
                in_flight.push_back(id);
                if (!client->write({.method = "POST", .target = "/v1/mutations", .body = body_of(id)})) break;
            }
            const auto answer = client->read();
            if (!answer) break;
            const auto json = parse_json(answer->body);
            if (answer->status != 200 || !json || json->find("id")->string() != in_flight.front()) {
                trouble = answer->body;
                break;
            }
            acknowledged[in_flight.front()] = {json->find("seq")->integer(), json->find("epoch")->integer(),
                                               json->find("version")->integer(),
                                               json->find("key")->string()};
            in_flight.erase(in_flight.begin());
            ++answers;
        }
        unanswered = std::move(in_flight);
        unanswered.insert(unanswered.end(), to_send.begin(), to_send.end());
    }
};

void check_history(const std::string& data, const std::vector<Writer>& writers) {
    std::map<std::string, Acknowledged> journaled;
    std::map<std::string, std::int64_t> versions;
    std::int64_t seq = 0, epoch = 0;
    for (const Json& record : records_of(data)) {
        REQUIRE(record.find("seq")->integer() == ++seq);  // J1
        REQUIRE(record.find("epoch")->integer() >= epoch);
        epoch = record.find("epoch")->integer();
        if (record.find("kind")->string() != "accepted") continue;
        const Json& change = record.find("changes")->array()[0];
        const std::string key = change.find("key")->string();
        REQUIRE(change.find("version")->integer() == ++versions[key]);  // E3
        const std::string id = record.find("id")->string();
        REQUIRE_MESSAGE(!journaled.contains(id), "twice: " << id);  // E2
        journaled[id] = {seq, epoch, versions[key], key};
    }
    for (const Writer& writer : writers) {
        for (const auto& [id, acknowledged] : writer.acknowledged) {
            const auto found = journaled.find(id);
            REQUIRE_MESSAGE(found != journaled.end(), "lost: " << id);  // J2
            REQUIRE(found->second.seq == acknowledged.seq);
            REQUIRE(found->second.epoch == acknowledged.epoch);
            REQUIRE(found->second.version == acknowledged.version);
            REQUIRE(found->second.key == acknowledged.key);
        }
    }
}

TEST_CASE("kill -9 under pipelined writers loses nothing acknowledged and doubles nothing") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data",
                          // Small, so that rolls fall into the storm.
                          .arguments = {"--set", "journal.segment_bytes=4MiB"}});
    std::mt19937 chance(20261121);
    std::vector<Writer> writers(kWriters);
    for (int i = 0; i < kWriters; ++i) writers[i].number = i;
    std::size_t acknowledged_before = 0;
    for (int round = 0; round < rounds(); ++round) {
        CAPTURE(round);
        daemon.start();
        std::atomic<int> answers = 0;
        std::vector<std::thread> threads;
        for (Writer& writer : writers)
            threads.emplace_back([&] { writer.write_until_it_dies(daemon.port(), answers); });
        const int enough = 1 + static_cast<int>(chance() % 3000);
        while (answers < enough) std::this_thread::sleep_for(200us);
        daemon.kill_hard();
        for (std::thread& thread : threads) thread.join();
        for (const Writer& writer : writers) REQUIRE_MESSAGE(writer.trouble.empty(), writer.trouble);
        std::size_t acknowledged = 0;
        for (const Writer& writer : writers) acknowledged += writer.acknowledged.size();
        CHECK(acknowledged > acknowledged_before);
        acknowledged_before = acknowledged;
    }
    // Everything that is still open, once more under its id: applied exactly once.
    daemon.start();
    for (Writer& writer : writers) {
        HttpClient client = daemon.tcp();
        for (const std::string& id : std::exchange(writer.unanswered, {})) {
            const auto answer = client.post("/v1/mutations", writer.body_of(id));
            REQUIRE(answer);
            REQUIRE_MESSAGE(answer->status == 200, answer->body);
            const Json json = json_of(answer->body);
            writer.acknowledged[id] = {json.find("seq")->integer(), json.find("epoch")->integer(),
                                       json.find("version")->integer(), json.find("key")->string()};
        }
    }
    // The state served is the last version of each key.
    HttpClient client = daemon.tcp();
    std::map<std::string, std::int64_t> newest;
    for (const Json& record : records_of(daemon.data())) {
        if (record.find("kind")->string() == "accepted")
            newest[record.find("changes")->array()[0].find("key")->string()] =
                record.find("changes")->array()[0].find("version")->integer();
    }
    for (const auto& [key, version] : newest) {
        const auto answer = client.get("/v1/state/" + key);
        REQUIRE(answer);
        CHECK(json_of(answer->body).find("version")->integer() == version);
    }
    CHECK(daemon.stop() == 0);
    check_history(daemon.data(), writers);
}

}  // namespace
}  // namespace se::test
