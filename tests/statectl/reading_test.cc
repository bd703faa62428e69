// The past by the real program: history, the journal's records, what changes.

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "engine/adapters/posix_filesystem.h"
#include "journal/head.h"
#include "journal/paths.h"
#include "projection/stamp.h"
#include "tests/json_of.h"
#include "tests/statectl/worlds.h"

namespace {

using namespace se;
using se::test::json_of;

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

TEST_CASE("watch from now on shows nothing old when a run has begun and has no record yet") {
    World world(false);
    const Tool& statectl = world.statectl;
    statectl.must({"set", "a.x", "1"});
    PosixFileSystem files;
    const StorePaths paths{statectl.data};
    auto head_file = HeadFile::open(files, paths.root, paths.head());
    REQUIRE(head_file);
    REQUIRE(head_file->current());
    Head head = *head_file->current();
    ++head.epoch.value;  // as an open leaves it before it journals
    REQUIRE(head_file->write(head));
    const std::string output = world.folder.path() + "/watched";
    Running watcher(statectl.command({"watch", "-n", "1", "-o", "jsonl"}), output);
    for (int i = 0; slurp(output).empty(); ++i) {
        statectl.must({"set", "a.later", std::to_string(i)});
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    CHECK(watcher.wait() == 0);
    CHECK(member(lines_of(slurp(output)).front(), "key") == "\"a.later\"");
}

TEST_CASE("after a power cut whatever reads the files says that they may lack something, until a writer opens") {
    World world(true);
    const Tool& statectl = world.statectl;
    const StorePaths paths{statectl.data};
    PosixFileSystem files;
    statectl.must({"set", "a.x", "1"});
    const std::string early = slurp(paths.head());
    statectl.must({"set", "a.x", "2"});
    statectl.must({"set", "a.x", "3"});
    world.daemon->kill();
    spill(paths.head(), early);  // of the last record nothing tells now
    auto stamp = decode_stamp(slurp(stamp_path(paths)));
    REQUIRE(stamp);
    stamp->identity.boot = "another boot";
    REQUIRE(write_stamp(files, paths, *stamp));

    const auto check = [&](bool stale) {
        CAPTURE(stale);
        for (const Words& words : std::vector<Words>{{"get", "a.x"},
                                                     {"list"},
                                                     {"history", "a.x"},
                                                     {"status"},
                                                     {"watch", "--since", "0.0", "-n", "1"},
                                                     {"tail"},
                                                     {"journal", "tail", "-n", "1"},
                                                     {"journal", "cat"},
                                                     {"journal", "grep", "a.x"},
                                                     {"journal", "stats"},
                                                     {"journal", "replay"},
                                                     {"journal", "replay", "--verify"}}) {
            Words as_json = words;
            as_json.insert(as_json.end(), {"-o", "json"});
            const Ran ran = statectl(as_json);
            INFO(words.front(), " ", words.back(), ": ", ran.out, ran.err);
            CHECK(ran.exit == 0);
            CHECK(count_lines(ran.err, "stale: as of seq ") == (stale ? 1u : 0u));
            if (words.front() != "status" && words.back() != "stats" && words.back() != "--verify")
                continue;
            CHECK(member(ran.out, "stale") == (stale ? "true" : "absent"));
            CHECK((member(ran.out, "whyStale") != "absent") == stale);
        }
    };
    check(true);
    CHECK(member(statectl.must({"get", "a.x", "-o", "json"}), "value") == "2");
    CHECK(statectl({"journal", "cat", "--to", "2"}).err.empty());
    CHECK(statectl({"journal", "replay", "--to-seq", "2"}).err.empty());
    {
        // Somebody holds the store, and has not opened it yet.
        const auto lock = files.lock(paths.store_file());
        REQUIRE(lock);
        check(true);
    }
    statectl.must({"set", "b.x", "1"});
    check(false);
    CHECK(member(statectl.must({"get", "a.x", "-o", "json"}), "value") == "3");
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

}  // namespace
