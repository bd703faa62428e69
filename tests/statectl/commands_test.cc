// Every command against the real program: with a daemon and without one, the same words give the same
// answer.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

#include "journal/base/hash.h"
#include "journal/base/json.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/receiver.h"
#include "tests/json_of.h"
#include "tests/statectl/programs.h"

namespace {

using namespace se;
using se::test::json_of;

/// A store, and who answers for it.
struct World {
    TemporaryDirectory folder;
    Tool statectl{folder.path() + "/data"};
    std::optional<Daemon> daemon;

    explicit World(bool with_daemon) {
        spill(config(), "allowedKeys: [\"a.*\", \"b.*\", \"n.*\"]\n");
        statectl.must({"--config", config(), "reload"});
        if (with_daemon) daemon.emplace(statectl.data, Words{"--config", config()});
    }
    std::string config() const { return folder.path() + "/policy.yaml"; }
};

void in_both_worlds(const std::function<void(World&)>& test) {
    for (const bool with_daemon : {false, true}) {
        CAPTURE(with_daemon);
        World world(with_daemon);
        test(world);
    }
}

/// Name and content of every file below a folder.
std::string tree_of(const std::string& folder) {
    std::string tree;
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) paths.push_back(entry.path());
    std::ranges::sort(paths);
    for (const auto& path : paths) {
        // LMDB's reader table: a reader's own slot is the one thing that reading writes.
        if (path.filename() == "lock.mdb") continue;
        tree += path.string() + "\n" + slurp(path.string()) + "\n";
    }
    return tree;
}

TEST_CASE("set get delete tell the same with a daemon and without one") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        CHECK(statectl.must({"list"}).empty());
        CHECK(statectl.must({"list", "-o", "json"}) == "[]\n");

        const std::string first = statectl.must({"set", "a.x", "on", "--id", "i1", "--reason", "why"});
        CHECK(member(first, "status") == "\"accepted\"");
        CHECK(member(first, "version") == "1");
        CHECK(member(first, "duplicate") == "false");
        CHECK(member(statectl.must({"set", "a.x", "on", "--id", "i1", "--reason", "why"}), "duplicate") ==
              "true");

        CHECK(member(statectl.must({"get", "a.x", "-o", "json"}), "value") == "\"on\"");
        CHECK(statectl.must({"get", "a.x", "-o", "jsonl"}) == statectl.must({"list", "-o", "jsonl"}));
        CHECK(member(statectl.must({"get", "a.x"}), "metadata") == "{\"source\":\"why\"}");

        // VALUE is JSON if it parses as such, else a text; --string makes it one.
        statectl.must({"set", "a.x", "{\"b\":[1,2.50]}"});
        CHECK(member(statectl.must({"get", "a.x"}), "value") == "{\"b\":[1,2.5]}");
        statectl.must({"set", "a.x", "42", "--string"});
        CHECK(member(statectl.must({"get", "a.x"}), "value") == "\"42\"");
        statectl.must({"set", "a.x", ""});
        CHECK(member(statectl.must({"get", "a.x"}), "value") == "\"\"");
        statectl.must({"set", "a.x", "--from", "-"}, "[1,\n2]\n");
        CHECK(member(statectl.must({"get", "a.x"}), "value") == "[1,2]");

        const Ran several = statectl({"get", "a.y", "a.x", "-o", "jsonl"});
        CHECK(several.exit == 0);
        REQUIRE(lines_of(several.out).size() == 2);
        CHECK(lines_of(several.out)[0] ==
              "{\"key\":\"a.y\",\"value\":null,\"version\":0,\"code\":\"not_found\"}");
        CHECK(statectl({"get", "a.y", "a.z"}).exit == 5);

        statectl.must({"delete", "a.x"});
        const Ran gone = statectl({"get", "a.x"});
        CHECK(gone.exit == 5);
        CHECK(member(gone.out, "version") == "6");  // it lives on, and the next set continues from it
        CHECK(member(statectl.must({"set", "a.x", "1"}), "version") == "7");
    });
}

TEST_CASE("increment push merge with their flags") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        statectl.must({"increment", "n.a"});
        statectl.must({"increment", "n.a", "-5"});
        statectl.must({"increment", "n.a", "0.5"});
        CHECK(member(statectl.must({"get", "n.a"}), "value") == "-3.5");
        statectl.must({"push", "b.l", "one"});
        statectl.must({"push", "b.l", "2"});
        CHECK(member(statectl.must({"get", "b.l"}), "value") == "[\"one\",2]");
        statectl.must({"merge", "b.o", "{\"x\":1,\"y\":2}"});
        statectl.must({"merge", "b.o", "{\"x\":null,\"z\":{}}"});
        CHECK(member(statectl.must({"get", "b.o"}), "value") == "{\"y\":2,\"z\":{}}");

        statectl.must({"set", "b.t", "1", "--ttl", "2h", "--metadata", "{\"m\":1}", "--actor", "ann"});
        const std::string entry = statectl.must({"get", "b.t"});
        CHECK(member(entry, "ttl") == "7200");
        CHECK(member(entry, "updatedBy") == "\"ann\"");
        CHECK(member(entry, "metadata") == "{\"m\":1,\"source\":\"statectl set\"}");
        CHECK(member(entry, "expiresAt") != "absent");
    });
}

TEST_CASE("exit codes say what a script can do") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        statectl.must({"set", "a.x", "1"});
        struct Row {
            Words words;
            int exit;
            const char* says;
        };
        const std::vector<Row> rows = {
            {{"set", "a.x", "2", "--expected-version", "7"}, 2, "expected 7, found 1"},
            {{"set", "a.x", "2", "--expected-version", "0"}, 2, "current:"},
            {{"set", "forbidden.key", "2"}, 3, "Key not allowed"},
            {{"delete", "a.nothing"}, 5, "absent"},
            {{"push", "a.x", "2"}, 1, "op_mismatch"},
            {{"merge", "a.x", "[]"}, 64, "object"},
            {{"merge", "a.x", "nonsense"}, 64, "object"},
            {{"increment", "a.x", "much"}, 64, "no number"},
            {{"set", "a.x"}, 64, "VALUE is missing"},
            {{"set", "a.x", "1", "--ttl", "soon"}, 64, "no duration"},
            {{"set", "a.x", "1", "--metadata", "7"}, 64, "JSON object"},
            {{"get", "a/x"}, 64, "a/x"},
            {{"get"}, 64, "KEY"},
            {{"lisst"}, 64, "did you mean 'list'"},
            {{"journal", "vrify"}, 64, "did you mean 'verify'"},
            {{"list", "-o", "yaml"}, 64, "yaml"},
            {{"delete", "a.x", "b.y"}, 64, "--yes"},
            {{"journal", "replay", "--to-seq", "99999"}, 5, "not there yet"},
            {{"journal", "grep", "no such text anywhere"}, 5, ""},
            {{"history", "a.unknown"}, 5, ""},
            {{"watch", "--since", "yesterday"}, 64, "EPOCH.SEQ"},
            {{"watch", "-n", "0"}, 64, "at least 1"},
            {{"journal", "cat", "--from", "5000"}, 5, "not there yet"},
            {{"journal", "cat", "--from=-3"}, 64, "negative"},
            {{"set", "a.x", "1", "--expected-version=-1"}, 64, "negative"},
            {{"set", "a.x", "1", "--id", ""}, 64, "--id"},
            {{"list", "\xff"}, 64, "UTF-8"},
            {{"rules", "graph", "/nope"}, 1, "/nope"},
            {{"import", world.folder.path() + "/none.jsonl"}, 1, "none.jsonl"},
        };
        for (const Row& row : rows) {
            const Ran ran = statectl(row.words);
            INFO(row.words.front(), " ", row.words.back(), ": ", ran.out, ran.err);
            CHECK(ran.exit == row.exit);
            CHECK((ran.err + ran.out).find(row.says) != std::string::npos);
        }
    });
}

TEST_CASE("several deletes are one proposal: all or none") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        statectl.must({"set", "a.x", "1"});
        statectl.must({"set", "a.y", "1"});
        CHECK(statectl({"delete", "a.x", "a.none", "--yes"}).exit == 5);
        CHECK(lines_of(statectl.must({"list"})).size() == 2);
        statectl.must({"delete", "a.x", "a.y", "--yes"});
        CHECK(statectl.must({"list"}).empty());
    });
}

TEST_CASE("a dry run answers and leaves every byte as it was") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    const std::string config = folder.path() + "/policy.yaml";
    spill(config, "allowedKeys: [\"*\"]\n");
    statectl.must({"--config", config, "set", "a.x", "1", "--id", "i1", "--reason", "r"});
    statectl.must({"set", "a.y", "{}"});
    spill(folder.path() + "/in.jsonl",
          "{\"op\":\"set\",\"key\":\"c\",\"value\":1,\"reason\":\"r\"}\n"
          "{\"op\":\"delete\",\"key\":\"c\",\"reason\":\"r\"}\n"
          "{\"op\":\"delete\",\"key\":\"c\",\"reason\":\"r\"}\n");
    std::filesystem::create_directory(folder.path() + "/entities");
    spill(folder.path() + "/entities/a.x.json", "1");
    spill(folder.path() + "/entities/new.json", "1");

    const std::string before = tree_of(statectl.data);
    const auto dry = [&](Words words) {
        words.push_back("--dry-run");
        const Ran ran = statectl(words);
        INFO(words.front(), ": ", ran.out, ran.err);
        CHECK(tree_of(statectl.data) == before);
        return ran;
    };
    CHECK(member(dry({"set", "a.x", "2"}).out, "version") == "2");
    CHECK(dry({"set", "a.x", "2", "--expected-version", "9"}).exit == 2);
    const Ran again = dry({"set", "a.x", "1", "--id", "i1", "--reason", "r"});
    CHECK(member(again.out, "duplicate") == "true");
    CHECK(dry({"set", "a.x", "2", "--id", "i1", "--reason", "r"}).exit == 2);
    CHECK(dry({"delete", "a.x", "a.y"}).exit == 0);
    CHECK(dry({"increment", "n", "4"}).out.find("\"value\":4") != std::string::npos);
    CHECK(dry({"push", "a.x", "1"}).exit == 1);
    CHECK(dry({"merge", "a.y", "{\"k\":1}"}).out.find("\"k\":1") != std::string::npos);
    // Each line builds on those before it, as in a real import.
    const Ran import = dry({"import", folder.path() + "/in.jsonl"});
    CHECK(member(import.out, "accepted") == "2");
    CHECK(member(import.out, "rejected") == "1");
    const Ran genesis = dry({"import", "--genesis", folder.path() + "/entities"});
    CHECK(member(genesis.out, "imported") == "1");
    CHECK(member(genesis.out, "already_present") == "1");
    CHECK(dry({"import", "--genesis", folder.path() + "/entities", "--force"}).exit == 0);

    CHECK(member(dry({"rebuild", "-o", "json"}).out, "equal") == "true");
    spill(config, "allowedKeys: [\"a.*\"]\nengine: { ops: 7 }\n");
    const Ran reload = dry({"--config", config, "reload", "-o", "json"});
    CHECK(member(reload.out, "changes") == R"([{"from":["*"],"name":"allowedKeys","to":["a.*"]},)"
                                           R"({"from":256,"name":"engine.ops","to":7}])");

    // Reading commands leave no trace either.
    for (const Words& words :
         {Words{"list"}, Words{"get", "a.x"}, Words{"history", "a.x"}, Words{"status"},
          Words{"journal", "ls"}, Words{"journal", "cat"}, Words{"journal", "tail"},
          Words{"journal", "stats"}, Words{"journal", "verify"}, Words{"journal", "replay"},
          Words{"doctor"}}) {
        statectl.must(words);
        INFO(words.back());
        CHECK(tree_of(statectl.data) == before);
    }
}

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

TEST_CASE("without a store reading says where it looked, and a dry run decides on nothing") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    for (const Words& words :
         {Words{"list"}, Words{"get", "a"}, Words{"status"}, Words{"journal", "cat"}, Words{"doctor"},
          Words{"rebuild"}}) {
        const Ran ran = statectl(words);
        INFO(words.front(), ran.err);
        CHECK(ran.exit == 1);
        CHECK(ran.err.find(statectl.data) != std::string::npos);
        CHECK(ran.err.find("--data") != std::string::npos);
    }
    CHECK(statectl({"set", "stream.state", "1", "--dry-run"}).exit == 0);
    CHECK(statectl({"set", "elsewhere", "1", "--dry-run"}).exit == 3);
    CHECK_FALSE(std::filesystem::exists(statectl.data));
}

TEST_CASE("history shows the records of a key as they stand, oldest first") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        for (const char* value : {"1", "2", "3"}) statectl.must({"set", "a.x", value});
        statectl.must({"set", "a.y", "9"});
        statectl.must({"delete", "a.x"});
        const auto lines = lines_of(statectl.must({"history", "a.x", "-o", "jsonl"}));
        REQUIRE(lines.size() == 4);
        const std::string all = statectl.must({"journal", "cat"});
        for (const std::string& line : lines) CHECK(all.find(line + "\n") != std::string::npos);
        const auto newest = lines_of(statectl.must({"history", "a.x", "-n", "2", "-o", "jsonl"}));
        REQUIRE(newest.size() == 2);
        CHECK(newest[0] == lines[2]);
        CHECK(newest[1] == lines[3]);
    });
}

TEST_CASE("cat tail grep pick records, and replay goes back in time") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        statectl.must({"set", "a.x", "1", "--actor", "ann", "--id", "first"});
        statectl.must({"set", "b.x", "2", "--actor", "bob", "--reason", "needle"});
        (void)statectl({"set", "c.x", "3", "--actor", "bob"});
        const auto all = lines_of(statectl.must({"journal", "cat"}));
        for (std::size_t i = 0; i < all.size(); ++i)
            CHECK(all[i].starts_with("{\"seq\":" + std::to_string(i + 1) + ","));
        CHECK(lines_of(statectl.must({"journal", "cat", "--from", "2", "--to", "3"})) ==
              std::vector<std::string>(all.begin() + 1, all.begin() + 3));
        CHECK(lines_of(statectl.must({"journal", "tail", "-n", "2"})) ==
              std::vector<std::string>(all.end() - 2, all.end()));
        CHECK(statectl.must({"tail", "-n", "2"}) == statectl.must({"journal", "tail", "-n", "2"}));
        CHECK(statectl.must({"journal", "tail", "-n", "0"}).empty());

        const auto found = [&](const Words& words) {
            Words all_words{"journal", "grep"};
            all_words.insert(all_words.end(), words.begin(), words.end());
            return lines_of(statectl.must(all_words)).size();
        };
        CHECK(found({"--id", "first"}) == 1);
        CHECK(found({"--actor", "bob"}) == 2);
        CHECK(found({"--actor", "b*", "--kind", "rejected"}) == 1);
        CHECK(found({"--code", "key_not_allowed"}) == 1);
        CHECK(found({"--key", "b.*"}) == 1);
        CHECK(found({"needle"}) == 1);
        CHECK(found({"--kind", "opened"}) >= 1);
        CHECK(found({"--kind", "accepted", "--since", "1h"}) == 2);
        CHECK(statectl({"journal", "grep", "--until", "1h"}).exit == 5);

        const std::string head = statectl.must({"journal", "replay", "-o", "jsonl"});
        CHECK(head == statectl.must({"list", "-o", "jsonl"}));
        CHECK(statectl.must({"journal", "replay", "b."}) == statectl.must({"list", "b."}));
        const std::string first = statectl.must({"journal", "grep", "--id", "first"});
        const std::string seq = member(first, "seq");
        CHECK(lines_of(statectl.must({"journal", "replay", "--to-seq", seq})).size() == 1);
        CHECK(statectl.must({"journal", "replay", "--to-time", "1h"}).empty());

        const std::string segment = statectl.must({"journal", "ls", "-o", "jsonl"});
        CHECK(member(segment, "first") == "1");
        CHECK(member(segment, "active") == "true");
    });
}

TEST_CASE("watch shows what changes, and goes on from where it was told") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        statectl.must({"set", "a.x", "1"});
        statectl.must({"set", "b.x", "2"});
        statectl.must({"set", "a.x", "3"});
        const std::string all = statectl.must({"watch", "--since", "0.0", "-n", "3", "-o", "jsonl"});
        REQUIRE(lines_of(all).size() == 3);
        CHECK(member(lines_of(all)[2], "previousVersion") == "1");
        const Ran some = statectl({"watch", "a.", "--since", "0.0", "-n", "1", "-o", "jsonl"});
        CHECK(lines_of(some.out).size() == 1);
        const std::size_t at = some.err.find("--since ");
        REQUIRE(at != std::string::npos);
        const std::string since = lines_of(some.err.substr(at + 8)).front();
        const std::string rest =
            statectl.must({"watch", "a.", "--since", since, "-n", "1", "-o", "jsonl"});
        CHECK(rest == lines_of(all)[2] + "\n");

        // From now on: what is there already is not shown.
        const std::string output = world.folder.path() + "/watched";
        Running watcher(statectl.command({"watch", "a.", "-n", "1", "-o", "jsonl"}), output);
        for (int i = 0; slurp(output).empty(); ++i) {
            statectl.must({"set", "a.later", std::to_string(i)});
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        CHECK(watcher.wait() == 0);
        CHECK(member(lines_of(slurp(output)).front(), "key") == "\"a.later\"");
    });
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
    for (const Words& words :
         {Words{"set", "a.x", "1"}, Words{"reload"}, Words{"set", "a.x", "1", "--dry-run"}, Words{"list"},
          Words{"get", "a.x"}, Words{"watch"}, Words{"status"}}) {
        Words all{"--config", world.config()};
        all.insert(all.end(), words.begin(), words.end());
        const Ran ran = world.statectl(all);
        CHECK(ran.exit == 64);
        CHECK(ran.err.find("statectl reload") != std::string::npos);
    }
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

TEST_CASE("a read that is refused is denied, not absent") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    const std::string config = folder.path() + "/config.yaml";
    spill(config, "allowedKeys: [\"a.*\"]\nauth:\n  principals:\n    - {name: reader, read: [\"a.open\"], "
                  "token_sha256: " + to_hex(sha256("a token")) + "}\n");
    Daemon daemon(statectl.data, {"--config", config});
    statectl.must({"set", "a.open", "1"});
    statectl.must({"set", "a.shut", "2"});
    const Tool reader{statectl.data, {"--url", daemon.url(), "--token", "a token"}};
    CHECK(reader({"get", "a.open"}).exit == 0);
    CHECK(reader({"get", "a.open", "a.absent"}).exit == 3);
    const Ran refused = reader({"get", "a.shut", "-o", "table"});
    CHECK(refused.exit == 3);
    CHECK(refused.err.find("a.shut: you may not read it") != std::string::npos);
    CHECK(refused.out.find('2') == std::string::npos);
}

TEST_CASE("what is too large is answered so, also where the daemon hangs up behind the answer") {
    in_both_worlds([](World& world) {
        spill(world.folder.path() + "/big", std::string(11u << 20, 'x'));
        const Ran ran = world.statectl({"set", "a.x", "--string", "--from", world.folder.path() + "/big"});
        INFO(ran.err);
        CHECK(ran.exit == 1);
        CHECK(member(ran.out, "code") == "\"too_large\"");
    });
}

TEST_CASE("behind a proxy that fails nobody knows, and the id to ask again with is named") {
    test::Receiver proxy{[](const Request&, std::size_t) {
        return Response{.status = 502, .content_type = "text/html", .body = "<html>Bad Gateway</html>"};
    }};
    const Words url{"--url", "http://127.0.0.1:" + std::to_string(proxy.port())};
    const Tool statectl{"/nonexistent", url};
    const Ran set = statectl({"set", "a.x", "1", "--id", "the-id"});
    CHECK(set.exit == 7);
    CHECK(set.err.find("--id the-id") != std::string::npos);
    CHECK(statectl({"get", "a.x"}).exit == 7);
    CHECK(statectl({"status"}).exit == 7);

    test::Receiver stranger{[](const Request&, std::size_t) {
        return Response{.content_type = "text/html", .body = "<html>It works</html>"};
    }};
    const Tool elsewhere{"/nonexistent",
                         {"--url", "http://127.0.0.1:" + std::to_string(stranger.port())}};
    const Ran status = elsewhere({"status"});
    CHECK(status.exit == 1);
    CHECK(status.out.empty());
}

TEST_CASE("watch -o json is one array, however many changes it shows") {
    in_both_worlds([](World& world) {
        const Tool& statectl = world.statectl;
        for (const char* value : {"1", "2"}) statectl.must({"set", "a.x", value});
        const auto shown = [&](const char* count) {
            return json_of(statectl.must({"watch", "--since", "0.0", "-n", count, "-o", "json"}));
        };
        CHECK(shown("1").array().size() == 1);
        CHECK(shown("2").array().size() == 2);
    });
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
    });
}

TEST_CASE("every command has help that teaches by example") {
    const Words commands[] = {{"get"}, {"list"}, {"set"}, {"delete"}, {"increment"}, {"push"}, {"merge"},
                              {"watch"}, {"history"}, {"status"}, {"reload"}, {"import"}, {"rebuild"},
                              {"doctor"}, {"completion"}, {"journal"}, {"journal", "ls"},
                              {"journal", "cat"}, {"journal", "tail"}, {"journal", "grep"},
                              {"journal", "stats"}, {"journal", "verify"}, {"journal", "replay"},
                              {"journal", "repair"}};
    const Tool statectl{"/nonexistent"};
    const std::string completion = statectl.must({"completion", "bash"});
    for (Words words : commands) {
        CHECK(completion.find("/" + words.back()) != std::string::npos);
        const std::string name = words.back();
        words.push_back("--help");
        const std::string help = statectl.must(words);
        INFO(name, ": ", help);
        CHECK(help.find("Examples:") != std::string::npos);
        CHECK(help.find("statectl ") != std::string::npos);
    }
    CHECK(statectl.must({"--help"}).find("Exit codes") != std::string::npos);
    for (const Words& words : {Words{"bus", "--help"}, Words{"shadow", "--help"},
                               Words{"bus", "deadletters", "--help"}})
        CHECK(statectl.must(words).find("statectl " + words.front()) != std::string::npos);
}

TEST_CASE("completion knows commands, flags and keys, and never runs what a key says") {
    World world(false);
    world.statectl.must({"set", "a.first", "1"});
    const std::string bait = world.folder.path() + "/bait";
    world.statectl.must({"set", "a.$(touch${IFS}bait)", "1"});
    const auto complete = [&](const std::string& words) {
        const std::string script = "cd '" + world.folder.path() + "'; source <('" + program("statectl") +
                                   "' completion bash); COMP_WORDS=('" + program("statectl") + "' " + words +
                                   "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _statectl; printf '%s\\n' "
                                   "\"${COMPREPLY[@]}\"";
        const Ran ran = run({"bash", "-c", script});
        CHECK(ran.err.empty());
        return lines_of(ran.out);
    };
    const auto has = [](const std::vector<std::string>& words, const std::string& word) {
        return std::ranges::find(words, word) != words.end();
    };
    CHECK(complete("jou") == std::vector<std::string>{"journal"});
    CHECK(has(complete("journal ''"), "verify"));
    CHECK(has(complete("journal cat --"), "--from"));
    CHECK(has(complete("set --exp"), "--expected-version"));
    CHECK(has(complete("--data '" + world.statectl.data + "' get a."), "a.first"));
    CHECK(complete("-o ''") == std::vector<std::string>{"table", "json", "jsonl"});
    CHECK_FALSE(std::filesystem::exists(bait));
}

}  // namespace
