// The real daemon over an old record that rots (J8): it says so by itself, and goes on.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"

using namespace se;
using namespace se::test;

TEST_CASE("the daemon finds an old record that rots, says where, and takes writes as before") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .arguments = {"--set", "journal.scrub_every=50ms"}});
    daemon.start();
    {
        HttpClient client = daemon.tcp();
        for (int i = 0; i < 20; ++i) {
            const auto told = client.post("/v1/mutations", set_text("k", std::to_string(i), "id" + std::to_string(i)));
            REQUIRE(told);
            REQUIRE(told->status == 200);
        }
    }
    CHECK(daemon.stop() == 0);
    const std::string segment = daemon.data() + "/journal/seg-0000000000000001.jsonl";
    std::string bytes;
    {
        std::ifstream in(segment, std::ios::binary);
        bytes.assign(std::istreambuf_iterator<char>(in), {});
    }
    const std::size_t at = bytes.find("\"id5\"");
    REQUIRE(at != bytes.npos);
    bytes[at + 1] = 'X';
    write_text(segment, bytes);

    daemon.start();
    REQUIRE(daemon.log_says("state-engine.journal.damaged_below"));
    HttpClient client = daemon.tcp();
    const auto ready = client.get("/readyz");
    REQUIRE(ready);
    CHECK(ready->status == 200);
    CHECK(json_of(ready->body).find("damagedPlaces")->integer() == 1);
    const auto written = client.post("/v1/mutations", set_text("k", "99", "later"));
    REQUIRE(written);
    CHECK(written->status == 200);
    const auto metrics = client.get("/metrics");
    REQUIRE(metrics);
    CHECK(metrics->body.find("\nstate_engine_journal_damaged_places 1\n") != std::string::npos);

    HttpClient socket = daemon.socket();
    const Json status = json_of(socket.get("/v1/operator/status")->body);
    CHECK(status.find("state")->string() == "ready");
    REQUIRE(status.find("damagedBelow") != nullptr);
    const auto& places = status.find("damagedBelow")->array();
    REQUIRE(places.size() == 1);
    CHECK(places[0].find("segment")->string() == "seg-0000000000000001.jsonl");
    CHECK(places[0].find("seq")->integer() == 8);  // opened, config, then id0 is 3
    CHECK(daemon.stop() == 0);
    const std::string log = daemon.log();
    const std::size_t first = log.find("state-engine.journal.damaged_below");
    CHECK(log.find("state-engine.journal.damaged_below", first + 1) == log.npos);  // once a place
}
