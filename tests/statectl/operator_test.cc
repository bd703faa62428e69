// What an operator does with the real program: policies, rebuilds, looking after a store.

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "journal/base/hash.h"
#include "journal/base/json.h"
#include "journal/index_file.h"
#include "tests/json_of.h"
#include "tests/statectl/worlds.h"

namespace {

using namespace se;
using se::test::json_of;

TEST_CASE("what an operator does stands in the journal, with name and reason") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        spill(world.config(), "allowedKeys: [\"a.*\", \"c\"]\n");
        const Words file = world.daemon ? Words{} : Words{"--config", world.config()};
        const auto with = [](Words words, const Words& more) {
            words.insert(words.end(), more.begin(), more.end());
            return words;
        };
        const std::string preview = statectl.must(with(file, {"reload", "--dry-run", "-o", "json"}));
        CHECK(member(preview, "changes") ==
              R"([{"from":["a.*","b.*","n.*"],"name":"allowedKeys","to":["a.*","c"]}])");
        CHECK(statectl({"set", "c", "1"}).exit == 3);
        statectl.must(with(file, {"reload", "--id", "reload-1", "--reason", "c is wanted"}));
        CHECK(statectl({"set", "c", "1"}).exit == 0);
        CHECK(member(statectl.must(with(file, {"reload", "--dry-run", "-o", "json"})), "changes") == "[]");

        statectl.must({"rebuild", "--dry-run"});
        statectl.must({"rebuild", "--id", "rebuild-1", "--reason", "to be sure"});
        spill(world.folder.path() + "/in", "{\"op\":\"set\",\"key\":\"c\",\"value\":2,\"reason\":\"r\"}\n");
        statectl.must({"import", world.folder.path() + "/in", "--id", "import-1", "--reason", "all of it"});

        const auto one = [&](const char* kind, const char* id) {
            const auto found = lines_of(statectl.must({"journal", "grep", "--kind", kind, "--id", id}));
            REQUIRE(found.size() == 1);
            CHECK(member(found[0], "actor").starts_with("\"local:"));
            const Json record = json_of(found[0]);
            const Json* const reason = record.find("body")->find("reason");
            return reason == nullptr ? "none" : reason->string();
        };
        CHECK(one("config", "reload-1") == "c is wanted");
        CHECK(one("rebuilt", "rebuild-1") == "to be sure");
        CHECK(one("imported", "import-1") == "all of it");
        CHECK(statectl({"journal", "grep", "--kind", "rebuilt"}).exit == 0);
        CHECK(lines_of(statectl.must({"journal", "grep", "--kind", "rebuilt"})).size() == 1);
    });
}

TEST_CASE("a dry rebuild without a daemon finds what differs, and a rebuild mends it") {
    World world(false);
    const Tool& statectl = world.statectl;
    for (const char* number : {"1", "2", "3"})
        statectl.must({"set", "a.x" + std::string(number), "\"good" + std::string(number) + "\""});
    const auto dry = [&] { return statectl({"rebuild", "--dry-run", "-o", "json"}); };
    CHECK(member(dry().out, "equal") == "true");
    CHECK(member(dry().out, "keys") == "3");

    // One byte of one value in LMDB, which has no checksums, on each page that still has it.
    int changed = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(statectl.data + "/projection")) {
        if (entry.path().filename() != "data.mdb") continue;
        const std::string bytes = slurp(entry.path());
        std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
        for (std::size_t at = 0; (at = bytes.find("good2", at)) != bytes.npos; ++at) {
            file.seekp(static_cast<std::streamoff>(at));
            file << 'f';
            ++changed;
        }
        REQUIRE(file.good());
    }
    REQUIRE(changed > 0);
    const Ran differs = dry();
    CHECK(differs.exit == 4);
    CHECK(member(differs.out, "equal") == "false");
    CHECK(member(differs.out, "differentKeys") == R"(["a.x2"])");
    CHECK(member(differs.out, "rootLive") != member(differs.out, "rootRebuilt"));
    CHECK(statectl({"rebuild"}).exit == 4);  // says that they differed
    CHECK(member(dry().out, "equal") == "true");
    CHECK(count_lines(statectl.must({"list"}), "good") == 3);

    std::filesystem::remove_all(statectl.data + "/projection");
    const Ran nothing = dry();
    CHECK(nothing.exit == 0);
    CHECK(member(nothing.out, "equal") == "null");
    CHECK(member(nothing.out, "projection") == "\"there is none yet\"");
}

TEST_CASE("one byte of an id in LMDB: told with its reason, and the replay finds what it let through") {
    World world(false);
    const Tool& statectl = world.statectl;
    const Words pay = {"increment", "n.x", "1", "--id", "pay-1"};
    statectl.must(pay);
    const auto paid = [&] { return lines_of(statectl.must({"journal", "grep", "--id", "pay-1"})); };
    REQUIRE(paid().size() == 1);
    const std::string first = member(paid()[0], "seq");
    const std::string scope = json_of(paid()[0]).find("actor")->string();
    const Hash16 key = identity_hash(scope, "pay-1");
    const std::string bytes(reinterpret_cast<const char*>(key.data()), key.size());
    int changed = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(statectl.data + "/projection")) {
        if (entry.path().filename() != "data.mdb") continue;
        const std::string all = slurp(entry.path());
        std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
        for (std::size_t at = 0; (at = all.find(bytes, at)) != all.npos; ++at) {
            file.seekp(static_cast<std::streamoff>(at + bytes.size() - 1));
            file.put(static_cast<char>(bytes.back() ^ 1));
            ++changed;
        }
        REQUIRE(file.good());
    }
    REQUIRE(changed > 0);

    const Ran json = statectl({"rebuild", "--dry-run", "-o", "json"});
    CHECK(json.exit == 4);
    CHECK(member(json.out, "equal") == "false");
    CHECK(member(json.out, "differentKeys") == "[]");
    CHECK(member(json.out, "differences")
              .starts_with(R"([{"database":"ids","first":"an id bound at seq )" + first));
    const Ran text = statectl({"rebuild", "--dry-run"});
    CHECK(text.exit == 4);
    CHECK(text.err.find("ids: 2 rows, the first: an id bound at seq " + first) != std::string::npos);

    CHECK(statectl({"journal", "replay", "--verify"}).exit == 0);
    statectl.must(pay);
    REQUIRE(paid().size() == 2);
    const Ran replay = statectl({"journal", "replay", "--verify", "-o", "json"});
    CHECK(replay.exit == 4);
    CHECK(replay.out.find("its identity had its effect before, at seq " + first) != std::string::npos);
    CHECK(statectl({"rebuild"}).exit == 4);
    const auto noted = lines_of(statectl.must({"journal", "grep", "--kind", "rebuilt"}));
    REQUIRE(noted.size() == 1);
    CHECK(noted[0].find(R"("database":"ids")") != std::string::npos);
    CHECK(statectl({"rebuild", "--dry-run"}).exit == 0);
}

TEST_CASE("reload puts a policy in force, journals it, and a bad file changes nothing") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        CHECK(statectl({"set", "c.x", "1"}).exit == 3);
        spill(world.config(), "allowedKeys: [\"c.*\"]\n");
        const Words reload = world.daemon ? Words{"reload"} : Words{"--config", world.config(), "reload"};
        statectl.must(reload);
        statectl.must({"set", "c.x", "1"});
        CHECK(statectl({"set", "a.x", "1"}).exit == 3);
        const std::size_t configs = lines_of(statectl.must({"journal", "grep", "--kind", "config"})).size();
        CHECK(configs >= 2);

        spill(world.config(), "allowedKeys:\n  - ok\nallowedKey: [x]\n");
        const Ran bad = statectl(reload);
        INFO(bad.err);
        CHECK(bad.exit == 1);
        CHECK(bad.err.find("3") != std::string::npos);             // the line
        CHECK(bad.err.find("allowedKeys") != std::string::npos);  // and what was meant
        CHECK(lines_of(statectl.must({"journal", "grep", "--kind", "config"})).size() == configs);
        statectl.must({"set", "c.x", "2"});
    });
}

TEST_CASE("with a daemon --config is refused and the refusal names reload") {
    World world(true);
    const std::string file = world.folder.path() + "/in.jsonl", entities = world.folder.path() + "/entities";
    spill(file, "{\"op\":\"set\",\"key\":\"a.x\",\"value\":1,\"reason\":\"r\"}\n");
    std::filesystem::create_directory(entities);
    spill(entities + "/a.x.json", "1");
    for (const Words& words :
         {Words{"set", "a.x", "1"}, Words{"reload"}, Words{"set", "a.x", "1", "--dry-run"}, Words{"list"},
          Words{"get", "a.x"}, Words{"watch"}, Words{"status"}, Words{"import", file, "--dry-run"},
          Words{"import", "--genesis", entities, "--dry-run"}}) {
        Words all{"--config", world.config()};
        all.insert(all.end(), words.begin(), words.end());
        const Ran ran = world.statectl(all);
        CHECK(ran.exit == 64);
        CHECK(ran.err.find("statectl reload") != std::string::npos);
    }
}

TEST_CASE("a --config that follows in Firestore has the limits that its daemon has") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    const std::string config = folder.path() + "/policy.yaml", value = folder.path() + "/value.json";
    spill(config, "allowedKeys: [\"*\"]\nfirestore: { project: p }\n");
    spill(value, "\"" + std::string(950u << 10, 'x') + "\"");
    const Ran large = statectl({"--config", config, "set", "a", "--from", value});
    CHECK(large.exit == 1);
    CHECK(member(large.out, "code") == "\"too_large\"");
    spill(config, "allowedKeys: [\"*\"]\n");
    statectl.must({"--config", config, "set", "a", "--from", value});
}

TEST_CASE("a --config that is not there is a mistake for every command") {
    World world(false);
    world.statectl.must({"--config", world.config(), "list"});
    for (const Words& words : {Words{"list"}, Words{"set", "a.x", "1"}, Words{"journal", "cat"}}) {
        Words all{"--config", "/nope"};
        all.insert(all.end(), words.begin(), words.end());
        const Ran ran = world.statectl(all);
        CHECK(ran.exit == 64);
        CHECK(ran.err.find("/nope") != std::string::npos);
    }
}

TEST_CASE("status and doctor tell of a store, whoever runs") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        statectl.must({"set", "a.x", "1"});
        const std::string status = statectl.must({"status", "-o", "json"});
        for (const char* name : {"store", "epoch", "durable", "policy", "fsync", "applied", "liveKeys"}) {
            INFO(name, " in ", status);
            CHECK(member(status, name) != "absent");
        }
        CHECK(member(status, "liveKeys") == "1");

        const std::string doctor = statectl.must({"doctor", "-o", "json"});
        for (const char* check : {"sync cost", "file system", "clock", "space", "writer", "projection",
                                  "quarantine", "damage"})
            CHECK(doctor.find("\"check\":\"" + std::string(check) + "\"") != std::string::npos);
        // Only a daemon reads old records once more.
        CHECK((doctor.find("\"check\":\"scrub\"") != std::string::npos) == world.daemon.has_value());
        CHECK((member(status, "scrub") != "absent") == world.daemon.has_value());
    });
}

TEST_CASE("status and doctor of a daemon tell of an old record that rots, and it goes on") {
    World world(false);
    const Tool& statectl = world.statectl;
    statectl.must({"set", "a.x", "1"});
    statectl.must({"set", "a.x", "2"});
    const std::string segment = statectl.data + "/journal/seg-0000000000000001.jsonl";
    std::string bytes = slurp(segment);
    const std::size_t key = bytes.find("\"key\":\"a.x\"");
    REQUIRE(key != std::string::npos);
    bytes[key + 1] = 'X';
    spill(segment, bytes);

    world.daemon.emplace(statectl.data, Words{"--config", world.config(), "--set", "journal.scrub_every=50ms"});
    Ran status = statectl({"status", "-o", "json"});
    for (int i = 0; i < 200 && status.err.find("damaged places") == std::string::npos; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
        status = statectl({"status", "-o", "json"});
    }
    CHECK(status.err.find("damaged places among the old records: 1") != std::string::npos);
    CHECK(status.exit == 0);
    CHECK(member(status.out, "state") == "\"ready\"");
    CHECK(member(status.out, "damagedBelow") != "absent");
    const Ran doctor = statectl({"doctor", "-o", "json"});
    CHECK(doctor.exit == 4);
    CHECK(doctor.out.find("damaged places: 1") != std::string::npos);
    CHECK(statectl({"set", "a.x", "3"}).exit == 0);
}

}  // namespace
