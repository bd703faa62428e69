// statectl egress: with the daemon running, and stopped.

#include <doctest/doctest.h>

#include <thread>

#include "engine/adapters/posix_filesystem.h"
#include "engine/egress/dead_letters.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/receiver.h"
#include "tests/statectl/programs.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

/// Both letters of a store whose webhook refused them.
struct Refused {
    TemporaryDirectory folder;
    std::atomic<bool> refuses = true;
    Receiver receiver{[this](const Request&, std::size_t) {
        return Response{.status = refuses ? 422 : 200, .body = "{}"};
    }};
    std::string data = folder.path() + "/data";
    Tool statectl{data};
    std::unique_ptr<Daemon> daemon;
    std::vector<std::string> ids;

    Refused() {
        run();
        for (const char* value : {"on", "off", "on"}) statectl.must({"set", "stream.state", value});
        REQUIRE(wait_for(2));
        for (const Json& letter : lines({"egress", "deadletters", "ls"}))
            ids.push_back(letter.find("id")->string());
        REQUIRE(ids.size() == 2);
    }
    void run() {
        daemon =
            std::make_unique<Daemon>(data, Words{"--set", "egress.webhook_url=" + receiver.url(),
                                                 "--set", "egress.backoff_first=5ms"});
    }
    std::vector<Json> lines(Words words) {
        const std::string text = statectl.must(std::move(words));
        std::vector<Json> all;
        for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
            const auto json = parse_json(text.substr(at, text.find('\n', at) - at));
            REQUIRE(json);
            all.push_back(*json);
        }
        return all;
    }
    bool wait_for(std::int64_t letters) {
        for (int i = 0; i < 600; ++i) {
            const auto all = lines({"egress", "status"});
            if (all.size() == 1 && all[0].find("deadLetters")->integer() == letters) return true;
            std::this_thread::sleep_for(50ms);
        }
        return false;
    }
};

}  // namespace

TEST_CASE(
    "egress: a running daemon's dead letters are shown, tried again, dropped after a question") {
    Refused world;
    const std::string shown = world.statectl.must({"egress", "deadletters", "show", world.ids[0]});
    CHECK(shown.find("system.stream.online") != std::string::npos);
    CHECK(world.statectl({"egress", "deadletters", "show", "none"}).exit == 5);
    CHECK(world.statectl({"egress", "deadletters", "retry"}).exit == 64);
    CHECK(world.statectl({"egress", "deadletters", "retry", "--all"}).exit == 64);
    CHECK(world.statectl({"egress", "deadletters", "retry", "none"}).exit == 5);
    const Ran unasked = world.statectl({"egress", "deadletters", "drop", world.ids[0], world.ids[0]});
    CHECK(unasked.exit == 64);  // nobody to ask
    CHECK(count_lines(unasked.err, "  " + world.ids[0]) == 1);  // what would go is shown before

    const std::string planned = world.statectl.must(
        {"egress", "deadletters", "drop", "--all", "--follower", "egress-webhook", "--dry-run"});
    CHECK(planned.find(world.ids[1]) != std::string::npos);
    REQUIRE(world.wait_for(2));
    world.refuses = false;
    world.statectl.must(
        {"egress", "deadletters", "retry", world.ids[1], "--reason", "mended", "--id", "r-1"});
    REQUIRE(world.wait_for(1));
    CHECK(world.receiver.ids().back() == world.ids[1]);
    world.statectl.must({"egress", "deadletters", "drop", world.ids[0], "--yes"});
    REQUIRE(world.wait_for(0));
    const std::string notes = world.statectl.must({"journal", "grep", "dead_letters_"});
    CHECK(notes.find("\"id\":\"r-1\"") != std::string::npos);
    CHECK(notes.find("\"reason\":\"mended\"") != std::string::npos);
    CHECK(notes.find("dead_letters_dropped") != std::string::npos);
}

TEST_CASE(
    "egress: with the daemon stopped the files are asked; a retry goes out when it runs again") {
    Refused world;
    world.daemon->stop();
    const auto status = world.lines({"egress", "status"});
    REQUIRE(status.size() == 1);
    CHECK(status[0].find("name")->string() == "egress-webhook");
    CHECK(status[0].find("deadLetters")->integer() == 2);
    CHECK(world.lines({"egress", "deadletters", "ls"}).size() == 2);
    CHECK(world.statectl.must({"egress", "deadletters", "show", world.ids[0]})
              .find("system.stream.online") != std::string::npos);
    world.statectl.must(
        {"egress", "deadletters", "retry", world.ids[0], "--reason", "while it sleeps"});
    world.statectl.must({"egress", "deadletters", "drop", world.ids[1], "--yes"});
    CHECK(world.lines({"egress", "deadletters", "ls"}).size() == 1);
    const std::string notes = world.statectl.must({"journal", "grep", "dead_letters_"});
    CHECK(notes.find("while it sleeps") != std::string::npos);

    for (const char* name : {"nobody", "../followers/egress-webhook"}) {
        CHECK(world.statectl({"egress", "deadletters", "ls", "--follower", name}).exit == 5);
        CHECK(
            world.statectl({"egress", "deadletters", "drop", "--all", "--yes", "--follower", name})
                .exit == 5);
    }
    // One that the bus would have sent: only its record can be shown here.
    PosixFileSystem files;
    {
        auto bus = DeadLetters::open(files, StorePaths{world.data}, "nats");
        REQUIRE(bus);
        REQUIRE(bus->add({.id = "of-the-bus", .at = {Epoch{1}, Seq{3}}, .reason = "too long"}));
    }
    const std::string of_bus = world.statectl.must({"egress", "deadletters", "show", "of-the-bus"});
    CHECK(of_bus.find("journal cat --from 3 --to 3") != std::string::npos);
    CHECK(of_bus.find("too long") != std::string::npos);
    CHECK(world.statectl.must({"journal", "cat", "--from", "3", "--to", "3"}) != "");

    world.refuses = false;
    world.run();
    REQUIRE(world.wait_for(0));
    CHECK(world.receiver.ids().back() == world.ids[0]);

    // A drop is asked about there, too.
    const auto bus = [&](Words more) {
        Words words{"bus", "deadletters"};
        words.insert(words.end(), more.begin(), more.end());
        return world.statectl(words);
    };
    CHECK(bus({"drop", "none", "--yes"}).exit == 5);
    const Ran unasked = bus({"drop", "of-the-bus"});
    CHECK(unasked.exit == 64);
    CHECK(unasked.err.find("dead letter of-the-bus") != std::string::npos);
    const Ran planned = bus({"drop", "of-the-bus", "--dry-run"});
    CHECK(planned.exit == 0);
    CHECK(member(planned.out, "dryRun") == "true");
    const Ran no_bus = bus({"drop", "of-the-bus", "--yes", "--reason", "enough"});
    CHECK(no_bus.exit == 5);
    CHECK(no_bus.err.find("no bus") != std::string::npos);
}

}  // namespace se::test
