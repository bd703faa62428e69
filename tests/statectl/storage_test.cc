// Several writers, a held store, damage and its repair, genesis: what happens to the store on disk.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <thread>

#include "engine/adapters/posix_filesystem.h"
#include "journal/base/json.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/journal/erased_line.h"
#include "tests/statectl/programs.h"

namespace {

using namespace se;

void four_by_twenty(const Tool& statectl) {
    constexpr int kProcesses = 4, kEach = 20;
    std::vector<std::unique_ptr<Running>> writers;
    for (int i = 0; i < kProcesses; ++i) {
        std::string script;
        for (const std::string& word : statectl.command({"set"})) script += "'" + word + "' ";
        writers.push_back(std::make_unique<Running>(
            Words{"bash", "-c", "for n in $(seq " + std::to_string(kEach) + "); do " + script +
                                    "user.fact.w" + std::to_string(i) + " $n || exit 1; done"}));
    }
    for (const auto& writer : writers) CHECK(writer->wait() == 0);
    const std::string cat = statectl.must({"journal", "cat"});
    CHECK(count_lines(cat, "\"kind\":\"accepted\"") == kProcesses * kEach);
    for (int i = 0; i < kProcesses; ++i)
        CHECK(member(statectl.must({"get", "user.fact.w" + std::to_string(i)}), "version") ==
              std::to_string(kEach));
    CHECK(member(statectl.must({"journal", "verify", "-o", "json"}), "faults") == "[]");
}

TEST_CASE("four processes with twenty sets each leave exactly eighty accepted records") {
    TemporaryDirectory folder;
    // Sanitizer builds are slow, and whoever waits must not give up.
    const Tool statectl{folder.path() + "/data", {"--wait", "120s"}};
    SUBCASE("on a store that nobody made before") { four_by_twenty(statectl); }
    SUBCASE("through a daemon") {
        Daemon daemon(statectl.data);
        four_by_twenty(statectl);
        daemon.stop();
    }
}

TEST_CASE("a held store is waited for, then its holder is named") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    statectl.must({"set", "user.fact.a", "1"});
    PosixFileSystem files;
    auto lock = files.lock(statectl.data + "/store.json");
    REQUIRE(lock);

    const Ran ran = statectl({"--wait", "50ms", "set", "user.fact.a", "2"});
    CHECK(ran.exit == 7);
    CHECK(ran.out.empty());
    for (const char* said : {"pid ", "host ", "statectl", "--wait"}) CHECK(ran.err.find(said) != ran.err.npos);
    // Reading needs no lock.
    CHECK(member(statectl.must({"get", "user.fact.a"}), "value") == "1");

    Running waiting(statectl.command({"--wait", "120s", "set", "user.fact.a", "3"}));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    lock->reset();
    CHECK(waiting.wait() == 0);
    CHECK(member(statectl.must({"get", "user.fact.a"}), "value") == "3");
}

TEST_CASE("an import that begins anew waits for a held store, as every writer does") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    statectl.must({"set", "user.fact.a", "1"});
    std::filesystem::create_directory(folder.path() + "/entities");
    spill(folder.path() + "/entities/user.fact.b.json", "2");
    PosixFileSystem files;
    auto lock = files.lock(statectl.data + "/store.json");
    REQUIRE(lock);
    Running waiting(statectl.command(
        {"--wait", "120s", "import", "--genesis", folder.path() + "/entities", "--force", "--yes"}));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    lock->reset();
    CHECK(waiting.wait() == 0);
    CHECK(member(statectl.must({"get", "user.fact.b"}), "value") == "2");
}

TEST_CASE("a killed daemon leaves a store that statectl reads and writes at once") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    Daemon daemon(statectl.data);
    statectl.must({"set", "user.fact.a", "1"});
    daemon.kill();
    CHECK(std::filesystem::exists(statectl.data + "/engine.sock"));  // stale: nobody took it away
    CHECK(member(statectl.must({"get", "user.fact.a"}), "value") == "1");
    CHECK(member(statectl.must({"set", "user.fact.a", "2"}), "version") == "2");
}

TEST_CASE("without --config a store is written as its daemon wrote it: padded, and with its reserve") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    const auto space = [&] {
        const std::string doctor = statectl.must({"doctor", "-o", "json"});
        const std::size_t check = doctor.find(R"("check":"space")");
        REQUIRE(check != doctor.npos);
        return doctor.substr(check, doctor.find('}', check) - check);
    };
    {
        Daemon daemon(statectl.data,
                      {"--set", "journal.align=4096", "--set", "journal.disk_reserve_bytes=5MiB"});
        statectl.must({"set", "user.fact.a", "\"padded\""});
        CHECK_MESSAGE(space().find("5.0 MiB are kept in reserve") != std::string::npos, space());
        daemon.stop();
    }
    CHECK_MESSAGE(space().find("5.0 MiB are kept in reserve") != std::string::npos, space());
    statectl.must({"set", "user.fact.a", "\"beside it\""});
    statectl.must({"set", "user.fact.a", "\"and on\""});  // what the one before has told, too
    const auto place_of = [&](const char* value) {
        const std::string bytes = slurp(statectl.data + "/journal/seg-0000000000000001.jsonl");
        const std::size_t at = bytes.find(value);
        REQUIRE(at != bytes.npos);
        return bytes.rfind('\n', at);  // a group begins with one
    };
    for (const char* value : {R"("padded")", R"("beside it")", R"("and on")"}) {
        CAPTURE(value);
        CHECK(place_of(value) % 4096 == 0);
    }

    // A new store in its place lies on the same disk.
    std::filesystem::create_directory(folder.path() + "/entities");
    spill(folder.path() + "/entities/user.fact.b.json", "2");
    statectl.must({"import", "--genesis", folder.path() + "/entities", "--force", "--yes"});
    CHECK_MESSAGE(space().find("5.0 MiB are kept in reserve") != std::string::npos, space());

    // A configuration counts; what it does not say is the default.
    const std::string config = folder.path() + "/policy.yaml";
    spill(config, "allowedKeys: [\"user.*\"]\n");
    statectl.must({"--config", config, "set", "user.fact.a", "\"not padded\""});
    const std::size_t place = place_of(R"("not padded")");
    // Right behind the record before: where that ends with its newline.
    CHECK(slurp(statectl.data + "/journal/seg-0000000000000001.jsonl").substr(place - 2, 2) == "}\n");
    CHECK_MESSAGE(space().find("64.0 MiB are kept in reserve") != std::string::npos, space());
}

/// A closed store with a few records, and where the line of each begins and ends in its segment.
struct SmallStore {
    TemporaryDirectory folder;
    Tool statectl{folder.path() + "/data"};
    std::string segment, bytes;
    std::vector<std::pair<std::size_t, std::size_t>> lines;

    SmallStore() {
        for (const char* value : {"1", "2", "3"})
            statectl.must({"set", "user.fact.k" + std::string(value), value});
        const std::string name = member(statectl.must({"journal", "ls", "-o", "jsonl"}), "segment");
        segment = statectl.data + "/journal/" + name.substr(1, name.size() - 2);
        bytes = slurp(segment);
        std::size_t at = bytes.find("{\"seq\":");
        while (at != bytes.npos) {
            const std::size_t end = bytes.find('\n', at);
            lines.emplace_back(at, end);
            at = bytes.find("{\"seq\":", end);
        }
    }
    /// Damages a bit in place.
    void flip(std::size_t at, int bit) const {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
        spill(segment, damaged);
    }
};

TEST_CASE("a flipped bit in any record is named by verify, with exit code 4 and nothing cut") {
    const SmallStore store;
    REQUIRE(store.lines.size() >= 9);
    // The library's own test flips every bit; here the way through the program is what counts.
    for (std::size_t i = 0; i < store.lines.size(); ++i) {
        const auto [begin, end] = store.lines[i];
        for (std::size_t at = begin + i; at < end; at += 97) {
            const int bit = static_cast<int>(at % 8);
            CAPTURE(at);
            store.flip(at, bit);
            const std::string damaged = slurp(store.segment);
            const Ran ran = store.statectl({"journal", "verify", "-o", "json"});
            CHECK(ran.exit == 4);
            const auto report = parse_json(ran.out);
            REQUIRE(report);
            const auto& faults = report->find("faults")->array();
            REQUIRE(faults.size() >= 1);
            CHECK(faults[0].find("seq")->integer() == static_cast<std::int64_t>(i + 1));
            CHECK(faults[0].find("segment")->string() == std::filesystem::path(store.segment).filename().string());
            for (const char* name : {"offset", "kind", "detail"}) CHECK(faults[0].find(name) != nullptr);
            CHECK(slurp(store.segment) == damaged);
        }
    }
    spill(store.segment, store.bytes);
    CHECK(store.statectl({"journal", "verify"}).exit == 0);
}

TEST_CASE("damage refuses writes, shows the fold before it, and repair brings the store back") {
    const SmallStore store;
    const Tool& statectl = store.statectl;
    // The second accepted record.
    std::size_t seen = 0, hit = 0;
    for (std::size_t i = 0; i < store.lines.size(); ++i) {
        const auto [begin, end] = store.lines[i];
        if (store.bytes.substr(begin, end - begin).find("\"kind\":\"accepted\"") == std::string::npos)
            continue;
        if (++seen == 2) hit = i;
    }
    const std::string seq = std::to_string(hit + 1);
    store.flip(store.lines[hit].first + 40, 3);
    std::filesystem::remove_all(statectl.data + "/projection");

    const Ran refused = statectl({"set", "user.fact.new", "1"});
    INFO(refused.out, refused.err);
    CHECK(refused.exit == 4);
    CHECK(refused.out.find("\"reason\":\"damaged\"") != std::string::npos);
    const Ran listed = statectl({"list", "-o", "jsonl"});
    CHECK(lines_of(listed.out).size() == 1);
    CHECK(listed.err.find("damage") != std::string::npos);
    CHECK(statectl({"doctor", "-o", "json"}).exit == 4);
    CHECK(statectl({"journal", "replay"}).exit == 4);
    CHECK(statectl({"journal", "replay", "--to-seq", std::to_string(hit + 2)}).out.empty());
    // What stands behind the damage can still be looked at.
    const Ran cat = statectl({"journal", "cat"});
    CHECK(cat.exit == 4);
    CHECK(lines_of(cat.out).size() == store.lines.size() - 1);

    const std::string damaged = slurp(store.segment);
    const Words repair{"journal", "repair", "--accept-loss", seq + "-" + seq};
    CHECK(statectl(repair).exit == 64);  // nobody to ask
    CHECK(statectl({"journal", "repair", "--accept-loss", "1-1", "--yes"}).exit == 1);  // not damaged
    CHECK(statectl({"journal", "repair", "--accept-loss", "x", "--yes"}).exit == 64);
    Words dry = repair;
    dry.push_back("--dry-run");
    CHECK(member(statectl.must(dry), "done") == "false");
    CHECK(slurp(store.segment) == damaged);
    dry.insert(dry.end(), {"-o", "table"});
    CHECK(statectl.must(dry).find("losesRecords") != std::string::npos);

    Words yes = repair;
    yes.insert(yes.end(), {"--yes", "--id", "repair-1", "--reason", "an old disk"});
    const std::string done = statectl.must(yes);
    CHECK(member(done, "done") == "true");
    const std::string notes = statectl.must({"journal", "grep", "--kind", "repaired"});
    CHECK(lines_of(notes).size() == 1);
    CHECK(notes.find("\"from\":" + seq) != std::string::npos);
    for (const char* said : {"\"id\":\"repair-1\"", "\"actor\":\"local:", "\"reason\":\"an old disk\""})
        CHECK_MESSAGE(notes.find(said) != std::string::npos, notes);
    const std::string verified = statectl.must({"journal", "verify", "-o", "json"});
    CHECK(member(verified, "faults") == "[]");
    CHECK(member(verified, "repaired") == "1");
    CHECK(lines_of(statectl.must({"list"})).size() == 2);
    CHECK(member(statectl.must({"set", "user.fact.new", "1"}), "version") == "1");
    CHECK(statectl.must({"journal", "replay"}) == statectl.must({"list"}));
    CHECK(statectl.must({"doctor"}).find(seq + "-" + seq) != std::string::npos);
}

TEST_CASE("an erasure that nothing names is told by every check, grows into nothing, and is given up") {
    const SmallStore store;
    const Tool& statectl = store.statectl;
    statectl.must({"set", "user.fact.gone", "\"" + std::string(60, 'v') + "\""});
    const std::string sound = slurp(store.segment);
    std::string bytes = sound, seq;
    for (std::uint64_t i = 1; seq.empty() && i < 100; ++i) {
        const std::size_t line = bytes.find("\n{\"seq\":" + std::to_string(i) + ",");
        REQUIRE(line != std::string::npos);
        const std::size_t key = bytes.find("{\"key\":\"user.fact.gone\"", line);
        if (key > bytes.find('\n', line + 1)) continue;
        REQUIRE(test::erase_in(bytes, Seq{i}));
        seq = std::to_string(i);
    }
    REQUIRE_FALSE(seq.empty());
    spill(store.segment, bytes);

    const Ran verified = statectl({"journal", "verify", "-o", "json"});
    CHECK(verified.exit == 4);
    const auto report = parse_json(verified.out);
    REQUIRE(report);
    const auto& faults = report->find("faults")->array();
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].find("kind")->string() == "unnamed_erasure");
    CHECK(std::to_string(faults[0].find("seq")->integer()) == seq);
    CHECK(verified.err.find("--accept-loss " + seq + "-" + seq) != std::string::npos);
    for (const Words& words : {Words{"journal", "verify", "--no-hashes"}, Words{"doctor"}, Words{"journal", "replay"},
                               Words{"journal", "replay", "--to-seq", seq}, Words{"journal", "replay", "--verify"},
                               Words{"rebuild", "--dry-run"}, Words{"rebuild"}}) {
        const Ran ran = statectl(words);
        CAPTURE(words.back());
        CHECK(ran.exit == 4);
        CHECK((ran.out + ran.err).find("erased") != std::string::npos);
    }
    const std::uint64_t before = std::stoull(seq) - 1;
    CHECK(statectl({"journal", "replay", "--to-seq", std::to_string(before)}).exit == 0);
    // What was folded before still knows it; what grows now shows nothing from there on.
    CHECK(statectl({"get", "user.fact.gone"}).exit == 0);
    std::filesystem::remove_all(statectl.data + "/projection");
    CHECK(statectl({"set", "user.fact.new", "1"}).exit == 4);
    CHECK(statectl({"get", "user.fact.gone"}).err.find("damage") != std::string::npos);

    statectl.must({"journal", "repair", "--accept-loss", seq + "-" + seq, "--yes"});
    CHECK(member(statectl.must({"journal", "verify", "-o", "json"}), "faults") == "[]");
    CHECK(member(statectl.must({"set", "user.fact.new", "1"}), "version") == "1");
}

TEST_CASE("damage is told alike by every command, from the files, at the socket and over TCP") {
    const SmallStore store;
    const Tool& statectl = store.statectl;
    store.flip(store.lines[store.lines.size() - 3].first + 40, 3);
    std::filesystem::remove_all(statectl.data + "/projection");
    const std::string policy = store.folder.path() + "/policy.yaml", line = store.folder.path() + "/line";
    spill(policy, "allowedKeys: [other]\n");
    spill(line, "{\"op\":\"set\",\"key\":\"user.fact.new\",\"value\":1,\"reason\":\"r\"}\n");
    const auto check = [&](const Tool& tool, const std::vector<Words>& writes) {
        for (const Words& words : writes) {
            const Ran ran = tool(words);
            INFO(words.front(), " ", words.back(), ": ", ran.out, ran.err);
            CHECK(ran.exit == 4);
            CHECK((ran.err + ran.out).find("damage") != std::string::npos);
        }
        for (const Words& words : {Words{"list"}, Words{"get", "user.fact.k1"}, Words{"history", "user.fact.k1"}}) {
            const Ran ran = tool(words);
            INFO(words.front(), ": ", ran.out, ran.err);
            CHECK(ran.exit == 0);
            CHECK(ran.err.find("damage") != std::string::npos);
        }
    };
    const std::vector<Words> writes{{"set", "user.fact.new", "1"},
                                    {"set", "user.fact.new", "1", "--dry-run"},
                                    {"import", line},
                                    {"import", line, "--dry-run"},
                                    {"rebuild", "--dry-run"},
                                    {"status"}};
    std::vector<Words> here = writes;
    here.push_back({"--config", policy, "reload"});
    check(statectl, here);
    Daemon daemon(statectl.data, {}, 503);
    std::vector<Words> there = writes;
    there.insert(there.end(), {{"reload"}, {"rebuild"}});
    check(statectl, there);
    check({statectl.data, {"--url", daemon.url()}},
          {{"set", "user.fact.new", "1"}, {"set", "user.fact.new", "1", "--dry-run"}, {"status"}});
    const std::string pid = std::to_string(daemon.pid());
    CHECK(statectl({"doctor"}).out.find("pid " + pid) != std::string::npos);
    CHECK(slurp(store.segment) != store.bytes);
}

TEST_CASE("a rebuild says that it could not get past damage, and so does its dry run") {
    const SmallStore store;
    const Tool& statectl = store.statectl;
    store.flip(store.lines[store.lines.size() - 3].first + 40, 3);
    const Ran dry = statectl({"rebuild", "--dry-run"});
    CHECK(dry.exit == 4);
    CHECK(dry.err.find("damage") != std::string::npos);
    const std::string damaged = slurp(store.segment);
    std::filesystem::remove_all(statectl.data + "/projection");
    CHECK(statectl({"rebuild", "--dry-run"}).exit == 4);
    CHECK(statectl({"rebuild"}).exit == 4);
    CHECK(slurp(store.segment) == damaged);
    // A history that damage may have cut short is not "not found".
    CHECK(statectl({"history", "user.fact.nowhere"}).exit == 4);
    CHECK(statectl({"history", "user.fact.k1"}).exit == 0);
    spill(store.segment, store.bytes);
    CHECK(statectl({"history", "user.fact.nowhere"}).exit == 5);
    CHECK(statectl({"rebuild"}).exit == 0);
}

TEST_CASE("with a store.json that cannot be read the records can still be looked at") {
    const SmallStore store;
    const Tool& statectl = store.statectl;
    spill(statectl.data + "/store.json", "{");
    const Ran verified = statectl({"journal", "verify", "-o", "json"});
    CHECK(verified.exit == 4);
    CHECK(member(verified.out, "faults") == "[]");
    CHECK(member(verified.out, "records") == std::to_string(store.lines.size()));
    CHECK(member(verified.out, "storeFile").find("store.json") != std::string::npos);
    const Ran cat = statectl({"journal", "cat"});
    CHECK(cat.exit == 4);
    CHECK(lines_of(cat.out).size() == store.lines.size());
    const Ran doctor = statectl({"doctor", "-o", "json"});
    CHECK(doctor.exit == 4);
    CHECK(doctor.out.find("bring it back from a backup") != std::string::npos);
    CHECK(statectl({"set", "user.fact.new", "1"}).exit != 0);
    CHECK(slurp(store.segment) == store.bytes);
}

TEST_CASE("a file of proposals is imported line by line, whatever its lines are") {
    for (const bool with_daemon : {false, true}) {
        CAPTURE(with_daemon);
        TemporaryDirectory folder;
        const Tool statectl{folder.path() + "/data"};
        statectl.must({"set", "user.fact.first", "1"});
        std::unique_ptr<Daemon> daemon;
        if (with_daemon) daemon = std::make_unique<Daemon>(statectl.data);
        const std::string lines =
            "{\"op\":\"set\",\"key\":\"user.fact.a\",\"value\":1,\"reason\":\"r\",\"actor\":\"ann\"}\n"
            "\n"
            "{\"op\":\"set\",\"key\":\"user.fact.a\",\"value\":1,\"reason\":\"r\"}\r\n"
            "{\"op\":\"set\",\"key\":\"user.fact.a\",\"value\":1,\"reason\":\"r\"}\n"
            "this is no proposal\n"
            "{\"op\":\"set\",\"key\":\"user.fact.b\"}\n"
            "{\"op\":\"delete\",\"key\":\"user.fact.none\",\"reason\":\"r\"}\n" +
            std::string(11u << 20, 'x') + "\n" +
            "{\"op\":\"increment\",\"key\":\"user.fact.c\",\"value\":1,\"reason\":\"r\"}";  // no newline
        const Ran ran = statectl({"import", "-", "-o", "json"}, lines);
        INFO(ran.out, ran.err);
        CHECK(ran.exit == 0);
        CHECK(member(ran.out, "proposals") == "8");
        CHECK(member(ran.out, "accepted") == "4");
        CHECK(member(ran.out, "rejected") == "4");
        CHECK(member(ran.out, "duplicates") == "0");
        for (const char* said : {"line 5", "line 6", "line 8"}) CHECK(ran.err.find(said) != ran.err.npos);
        CHECK(ran.err.find("line 7") == ran.err.npos);  // a proposal like any other
        // Two equal lines are two proposals; the first one's author is believed.
        CHECK(member(statectl.must({"get", "user.fact.a"}), "version") == "3");
        CHECK(count_lines(statectl.must({"history", "user.fact.a"}), "\"actor\":\"ann\"") == 1);
        CHECK(count_lines(statectl.must({"journal", "cat"}), "\"kind\":\"rejected\"") == 4);
        CHECK(count_lines(statectl.must({"journal", "cat"}), "\"note\":\"imported\"") == 1);

        // Lines without an id got one each: the same file again is known.
        const Ran again = statectl({"import", "-", "-o", "json"}, lines);
        CHECK(member(again.out, "accepted") == "0");
        CHECK(member(again.out, "duplicates") == "5");
        CHECK(member(statectl.must({"get", "user.fact.c"}), "value") == "1");
    }
}

TEST_CASE("genesis makes a first state once, from values and from entries") {
    for (const bool with_daemon : {false, true}) {
        CAPTURE(with_daemon);
        TemporaryDirectory folder;
        const Tool statectl{folder.path() + "/data"};
        const std::string entities = folder.path() + "/entities";
        std::filesystem::create_directory(entities);
        spill(entities + "/user.fact.plain.json", "{\"key\":\"looks like one\",\"value\":1}\n");
        spill(entities + "/user.fact.entry.json",
              "{\"key\":\"user.fact.entry\",\"value\":[7],\"version\":9,\"seq\":3,\"updatedAt\":"
              "\"2026-01-01T00:00:00.000Z\",\"updatedBy\":\"ann\",\"ttl\":null,\"metadata\":"
              "{\"source\":\"old\",\"m\":1}}");
        spill(entities + "/notes.txt", "no entity");
        std::unique_ptr<Daemon> daemon;
        if (with_daemon) daemon = std::make_unique<Daemon>(statectl.data);

        const Words genesis{"import", "--genesis", entities, "-o", "json"};
        const std::string first = statectl.must(genesis);
        CHECK(member(first, "imported") == "2");
        CHECK(member(first, "already_present") == "0");
        CHECK(member(statectl.must({"get", "user.fact.plain"}), "value") ==
              "{\"key\":\"looks like one\",\"value\":1}");
        const std::string entry = statectl.must({"get", "user.fact.entry"});
        CHECK(member(entry, "value") == "[7]");
        CHECK(member(entry, "updatedBy") == "\"ann\"");
        CHECK(member(entry, "metadata") == "{\"m\":1,\"source\":\"statectl import --genesis\"}");

        const std::size_t records = lines_of(statectl.must({"journal", "grep", "--kind", "accepted"})).size();
        CHECK(member(statectl.must(genesis), "already_present") == "2");
        CHECK(lines_of(statectl.must({"journal", "grep", "--kind", "accepted"})).size() == records);

        // What changed since is not taken back.
        statectl.must({"set", "user.fact.plain", "2"});
        spill(entities + "/user.fact.plain.json", "3");
        const Ran kept = statectl(genesis);
        CHECK(member(kept.out, "different") == "1");
        CHECK(kept.err.find("user.fact.plain") != kept.err.npos);
        CHECK(member(statectl.must({"get", "user.fact.plain"}), "value") == "2");

        // One bad file, and nothing is begun.
        spill(entities + "/user.fact.zzz.json", "{\"cut");
        const Ran bad = statectl(genesis);
        CHECK(bad.exit == 1);
        CHECK(bad.err.find("user.fact.zzz.json") != bad.err.npos);
    }
}

TEST_CASE("genesis counts as present what has an entry, and a dry run counts as the real one") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    const std::string entities = folder.path() + "/entities";
    std::filesystem::create_directory(entities);
    spill(entities + "/user.fact.a.json", "1");
    spill(entities + "/forbidden.json", "1");
    const auto counts = [&](Words more) {
        Words words{"import", "--genesis", entities, "-o", "json"};
        words.insert(words.end(), more.begin(), more.end());
        const std::string told = statectl.must(words);
        return member(told, "imported") + " " + member(told, "already_present") + " " + member(told, "rejected");
    };
    CHECK(counts({}) == "1 0 1");
    CHECK(counts({}) == "0 1 1");
    CHECK(counts({"--force", "--dry-run"}) == "1 0 1");
    CHECK(counts({"--force", "--yes"}) == "1 0 1");
}

TEST_CASE("a forced genesis parks the old store whole and keeps its policy") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    const std::string config = folder.path() + "/policy.yaml", entities = folder.path() + "/entities";
    spill(config, "allowedKeys: [\"only.*\"]\n");
    statectl.must({"--config", config, "set", "only.old", "1"});
    std::filesystem::create_directory(entities);
    spill(entities + "/only.new.json", "1");
    const std::string old_journal = statectl.must({"journal", "cat"});
    const std::string old_list = statectl.must({"list"});

    const Words genesis{"import", "--genesis", entities, "--force", "-o", "json"};
    CHECK(statectl(genesis).exit == 64);  // nobody to ask
    CHECK(statectl.must({"list"}) == old_list);
    Words yes = genesis;
    yes.push_back("--yes");
    {
        Daemon daemon(statectl.data, {"--config", config});
        const Ran ran = statectl(yes);
        CHECK(ran.exit == 1);
        CHECK(ran.err.find("daemon") != ran.err.npos);
        daemon.stop();
    }
    const std::string journal_now = statectl.must({"journal", "cat"});
    CHECK(member(statectl.must(yes), "imported") == "1");
    CHECK(lines_of(statectl.must({"list"})).size() == 1);
    CHECK(statectl({"get", "only.old"}).exit == 5);
    CHECK(statectl({"set", "user.fact.x", "1"}).exit == 3);  // the old policy still stands

    std::string parked;
    for (const auto& entry : std::filesystem::directory_iterator(statectl.data))
        if (entry.path().filename().string().starts_with("parked-")) parked = entry.path().string();
    REQUIRE_FALSE(parked.empty());
    const Tool old{parked};
    CHECK(old.must({"journal", "cat"}) == journal_now);
    CHECK(old.must({"list"}) == old_list);
    CHECK(journal_now.starts_with(old_journal));
}

}  // namespace
