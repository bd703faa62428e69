// kill −9 under pipelined writers at both doors: nothing acknowledged is lost, nothing is there
// twice. And a daemon that is only stopped for a while.

#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>
#include <random>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/daemon/storm.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

int rounds() {
    const char* text = std::getenv("SE_KILL9_ROUNDS");
    return text == nullptr ? 6 : std::atoi(text);
}
std::uint64_t seed() {
    const char* text = std::getenv("SE_STORM_SEED");
    return text == nullptr ? 20261121 : std::strtoull(text, nullptr, 10);
}

void wait_for_answers(const Storm& storm, int enough) {
    while (storm.answers() < enough) std::this_thread::sleep_for(200us);
}

TEST_CASE("kill -9 under pipelined writers loses nothing acknowledged and doubles nothing") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data",
                          // Small, so that rolls fall into the storm.
                          .arguments = {"--set", "journal.segment_bytes=4MiB"}});
    CAPTURE(seed());
    std::mt19937_64 chance(seed());
    Storm storm(64);
    for (int round = 0; round < rounds(); ++round) {
        CAPTURE(round);
        const std::size_t acknowledged = storm.acknowledged();
        daemon.start();
        storm.begin(daemon);
        wait_for_answers(storm, 1 + static_cast<int>(chance() % 3000));
        daemon.kill_hard();
        const std::string trouble = storm.end();
        REQUIRE_MESSAGE(trouble.empty(), trouble);
        CHECK(storm.acknowledged() > acknowledged);
    }
    // Everything that is still open, once more under its id: applied exactly once.
    daemon.start();
    CHECK(storm.settle(daemon) == "");
    CHECK(Storm::check_state(daemon) == "");
    CHECK(daemon.stop() == 0);
    CHECK(storm.check(daemon.data()) == "");
}

TEST_CASE("a daemon that was stopped for a while goes on where it was") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    HttpClient patient = daemon.tcp();
    REQUIRE(patient.post("/v1/mutations",
                         R"({"op":"set","key":"brief","value":1,"ttl":1,"reason":"test"})"));
    Storm storm(16);
    storm.begin(daemon);
    for (int i = 0; i < 3; ++i) {
        const int before = storm.answers();
        wait_for_answers(storm, before + 200);
        daemon.signal(SIGSTOP);
        // Whoever waits for an answer waits; a client with less patience asks again with its id.
        HttpClient hasty = daemon.tcp();
        hasty.set_timeout(50ms);
        const std::string id = "hasty" + std::to_string(i);
        const auto none = hasty.post("/v1/mutations", set_text("h", "1", id));
        CHECK(!none);
        if (i == 0) std::this_thread::sleep_for(1200ms);  // past the deadline of `brief`
        daemon.signal(SIGCONT);
        HttpClient again = daemon.tcp();
        const auto answer = again.post("/v1/mutations", set_text("h", "1", id));
        REQUIRE(answer);
        CHECK(answer->status == 200);
        CHECK(json_of(answer->body).find("version")->integer() == i + 1);
    }
    // The alarm that was due meanwhile has rung.
    int tries = 0;
    while (patient.get("/v1/state/brief")->status != 404) {
        REQUIRE_MESSAGE(++tries < 2000, daemon.log());
        std::this_thread::sleep_for(5ms);
    }
    daemon.kill_hard();
    CHECK(storm.end() == "");
    daemon.start();
    CHECK(storm.settle(daemon) == "");
    CHECK(daemon.stop() == 0);
    std::size_t hasty = 0;
    for (const Json& record : records_of(daemon.data())) {
        const Json* id = record.find("id");
        hasty += id != nullptr && id->string().starts_with("hasty");
    }
    CHECK(hasty == 3);
    CHECK(storm.check(daemon.data()) == "");
}

}  // namespace
}  // namespace se::test
