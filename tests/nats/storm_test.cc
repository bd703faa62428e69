// A real server, a real daemon, and both killed again and again: each mutation applied exactly
// once, in the order of the stream. SE_BUS_MUTATIONS says how many; 100,000 in the long campaign.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <set>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/nats/bus_client.h"
#include "tests/nats/nats_server.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr int kPublishers = 8;
constexpr std::size_t kWindow = 64;  // of each publisher, not acknowledged
constexpr const char* kSubject = "local.internal.state.mutation.v1";

int mutations() {
    const char* text = std::getenv("SE_BUS_MUTATIONS");
    return text == nullptr ? 3000 : std::atoi(text);
}

/// Publishes its share, each until the server says that it has it: some of them twice.
struct Publisher {
    int number = 0, total = 0;
    std::unique_ptr<BusClient> client;
    std::deque<int> again;
    int next = 0;
    std::size_t under_way = 0;
    int stored = 0;

    bool done() const { return stored == total; }
    void turn() {
        client->poll();
        while (client->bus().connected() && under_way < kWindow &&
               (!again.empty() || next < total)) {
            const int which = again.empty() ? next++ : again.front();
            if (!again.empty()) again.pop_front();
            ++under_way;
            const std::string id = "p" + std::to_string(number) + "-" + std::to_string(which);
            client->bus().publish({.subject = kSubject,
                                   .payload = R"({"id":")" + id + R"(","op":"increment","key":"p)" +
                                              std::to_string(number) +
                                              R"(","value":1,"actor":"storm","reason":"r"})"},
                                  [this, which](Result<BusReceived> received) {
                                      --under_way;
                                      received ? static_cast<void>(++stored)
                                               : again.push_back(which);
                                  });
        }
    }
};

std::string text_of(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_string() ? member->string() : "";
}

}  // namespace

TEST_CASE(
    "daemon and server killed again and again: each mutation is applied once, in stream order") {
    NatsServer server;
    server.start();
    TemporaryDirectory folder;
    DaemonProcess daemon(
        {.data = folder.path() + "/data",
         .arguments = {"--set", "nats.prefix=local.", "--set", "nats.url=" + server.url(), "--set",
                       "journal.segment_bytes=4MiB"},
         .policy = "allowedKeys: [\"*\"]\nrules: []\n"});
    daemon.start();
    std::vector<Publisher> publishers(kPublishers);
    const int total = mutations() / kPublishers * kPublishers;
    for (int i = 0; i < kPublishers; ++i) {
        publishers[static_cast<std::size_t>(i)].number = i;
        publishers[static_cast<std::size_t>(i)].total = total / kPublishers;
        publishers[static_cast<std::size_t>(i)].client = std::make_unique<BusClient>(server.url());
    }
    int kills = 0, restarts = 0;
    const auto stored = [&] {
        int sum = 0;
        for (const Publisher& one : publishers) sum += one.stored;
        return sum;
    };
    const auto begin = std::chrono::steady_clock::now();
    auto killed = begin;
    // The server five times, spread over what is published; the daemon twice as often, and when
    // that takes long each second.
    while (stored() < total || kills < 11 || restarts < 5) {
        for (Publisher& one : publishers) one.turn();
        if ((stored() > total * (kills + 1) / 12 && kills < 11) ||
            std::chrono::steady_clock::now() > killed + 1s) {
            ++kills;
            daemon.kill_hard();
            daemon.start();
            killed = std::chrono::steady_clock::now();
        }
        if (stored() > total * (2 * restarts + 1) / 11 && restarts < 5) {
            ++restarts;
            server.stop();
            for (int i = 0; i < 20; ++i) {
                for (Publisher& one : publishers) one.turn();
                std::this_thread::sleep_for(2ms);
            }
            server.start();
        }
        std::this_thread::sleep_for(1ms);
    }

    // Until all are applied: the sums say so.
    const auto until = std::chrono::steady_clock::now() + 120s +
                       std::chrono::seconds(total / 200);  // for a hung program
    for (int i = 0; i < kPublishers;) {
        HttpClient client = daemon.tcp();
        const auto answer = client.get("/v1/state/p" + std::to_string(i));
        REQUIRE(answer);
        const Json entry = json_of(answer->body);
        const Json* const value = entry.find("value");
        if (value != nullptr && value->is_integer() && value->integer() >= total / kPublishers) {
            ++i;
            continue;
        }
        REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until, daemon.log());
        std::this_thread::sleep_for(20ms);
    }
    // And until all are told.
    for (;;) {
        const auto answer = daemon.socket().get("/v1/operator/bus");
        REQUIRE(answer);
        const Json status = json_of(answer->body);
        const Json* const publishing = status.find("publishing");
        REQUIRE(publishing != nullptr);
        if (publishing->find("lag")->integer() == 0 && publishing->find("following")->boolean())
            break;
        REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until, answer->body);
        std::this_thread::sleep_for(20ms);
    }
    CHECK(daemon.stop() == 0);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;

    std::vector<std::string> wanted;
    std::set<std::string> ids;
    std::int64_t sequence = 0;
    for (const Json& record : records_of(daemon.data())) {
        if (text_of(record, "door") != "nats") continue;
        REQUIRE(text_of(record, "kind") == "accepted");
        CHECK(ids.insert(text_of(record, "id")).second);
        const std::int64_t next = record.find("cause")->find("sequence")->integer();
        CHECK(next > sequence);
        sequence = next;
        wanted.push_back(":" + std::to_string(record.find("epoch")->integer()) + ":" +
                         std::to_string(record.find("seq")->integer()) + ":result");
    }
    CHECK(ids.size() == static_cast<std::size_t>(total));

    // One result each, at least once under one id, the first ones in order of seq (X1, X2).
    BusClient looks(server.url());
    std::vector<std::string> told;
    std::set<std::string> seen;
    std::size_t results = 0;
    for (const BusMessage& message : looks.all("BITBRAT", "local.internal.state.result.v1")) {
        ++results;
        const std::string id(bus_header(message.headers, "nats-msg-id"));
        if (seen.insert(id).second) told.push_back(id.substr(id.find(':')));
    }
    std::cout << "nats storm: " << total << " mutations by " << kPublishers << " publishers, "
              << kills << " kills of the daemon, " << restarts << " restarts of the server, "
              << ids.size() << " applied, " << results << " results of " << seen.size()
              << " decisions in the stream, " << took.count() << " s\n";
    const auto missing = [](const std::vector<std::string>& all,
                            const std::vector<std::string>& of) {
        const std::set<std::string> there(of.begin(), of.end());
        std::string found;
        for (const std::string& one : all)
            if (!there.contains(one)) found += one + ' ';
        return found;
    };
    CHECK(missing(wanted, told) == "");
    CHECK(missing(told, wanted) == "");
    const auto [first, expected] = std::ranges::mismatch(told, wanted);
    if (first != told.end() && expected != wanted.end())
        FAIL_CHECK("told " << *first << " where " << *expected << " was to come, at "
                           << first - told.begin());
}

}  // namespace se::test
