// Reading and changing state by the real program: with a daemon and without one, the same words give the same
// answer.

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "journal/base/hash.h"
#include "engine/adapters/http_client.h"
#include "tests/daemon/receiver.h"
#include "tests/daemon/tls_front.h"
#include "tests/statectl/worlds.h"

namespace {

using namespace se;

/// The words of a program with `NAME=value` in its environment.
Words with_variable(const std::string& variable, const Words& words) {
    Words all{"env", variable};
    all.insert(all.end(), words.begin(), words.end());
    return all;
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

TEST_CASE("an address without a port is no address, whatever stands in its path, and shows no secret") {
    for (const char* url : {"http://127.0.0.1", "http://127.0.0.1/x:1", "http://[::1]", "http://u:hush-hush@h:1"}) {
        CAPTURE(url);
        const Ran ran = Tool{"/nope", {"--url", url}}({"list"});
        CHECK(ran.exit == 64);
        CHECK(ran.err.find("hush-hush") == ran.err.npos);
    }
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
    statectl.must({"set", "a.gone", "1"});
    statectl.must({"delete", "a.gone"});
    spill(folder.path() + "/in.jsonl",
          "{\"op\":\"set\",\"key\":\"c\",\"value\":1,\"reason\":\"r\"}\n"
          "{\"op\":\"delete\",\"key\":\"c\",\"reason\":\"r\"}\n"
          "{\"op\":\"delete\",\"key\":\"c\",\"reason\":\"r\"}\n");
    std::filesystem::create_directory(folder.path() + "/entities");
    spill(folder.path() + "/entities/a.x.json", "1");
    spill(folder.path() + "/entities/a.y.json", "7");
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
    const Ran conflict = dry({"set", "a.x", "2", "--expected-version", "9"});
    CHECK(conflict.exit == 2);
    CHECK(conflict.out.find("\"current\":{\"key\":\"a.x\",\"value\":1") != std::string::npos);
    const Ran gone = dry({"set", "a.gone", "2", "--expected-version", "9"});
    CHECK(gone.out.find("\"current\":null,\"tombstone\":{\"version\":2,") != std::string::npos);
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
    CHECK(member(genesis.out, "already_present") == "2");
    CHECK(member(genesis.out, "different") == "1");
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

TEST_CASE("over https a daemon behind a proxy is asked as any, once the proxy's certificate is trusted") {
    TemporaryDirectory folder;
    Daemon daemon(folder.path() + "/data");
    const auto address = HttpClient::address_of_url(daemon.url());
    REQUIRE(address);
    test::TlsFront front(address->port);
    const std::string ca = test::Certificates::file("ca.pem");
    const Tool statectl{"/nonexistent", {"--url", front.url(), "--tls-ca", ca}};
    statectl.must({"set", "stream.state", "on"});
    CHECK(member(statectl.must({"get", "stream.state"}), "value") == "\"on\"");
    CHECK(lines_of(statectl.must({"list"})).size() == 1);
    const Words by_variable = Tool{"/nonexistent", {"--url", front.url()}}.command({"list"});
    CHECK(run(with_variable("STATECTL_TLS_CA=" + ca, by_variable)).exit == 0);

    const Ran by_system = Tool{"/nonexistent", {"--url", front.url()}}({"list"});
    CHECK(by_system.exit == 1);
    CHECK_MESSAGE(by_system.err.find("--tls-ca can name a file") != std::string::npos, by_system.err);
    const Ran by_none = Tool{"/nonexistent", {"--url", front.url(), "--tls-ca", "/none.pem"}}({"list"});
    CHECK(by_none.exit == 64);
    CHECK_MESSAGE(by_none.err.find("--tls-ca: /none.pem") != std::string::npos, by_none.err);
    const std::string plain = "https" + daemon.url().substr(4);
    const Ran without = Tool{"/nonexistent", {"--url", plain, "--tls-ca", ca}}({"list"});
    CHECK(without.exit == 1);
    CHECK_MESSAGE(without.err.find("has no TLS at that port") != std::string::npos, without.err);
    daemon.stop();
    CHECK(Tool{"/nonexistent", {"--url", plain, "--tls-ca", ca}}({"list"}).exit == 7);
}

TEST_CASE("--tls-ca without TLS is refused, lest anybody relies on it; its variable is passed over") {
    World world(true);
    for (const Words& flags : {Words{}, Words{"--url", world.daemon->url()}}) {
        CAPTURE(flags.size());
        const Words words = Tool{world.statectl.data, flags}.command({"list"});
        CHECK(run(with_variable("STATECTL_TLS_CA=/none.pem", words)).exit == 0);
        Words by_flag = words;
        by_flag.insert(by_flag.end(), {"--tls-ca", "/none.pem"});
        const Ran ran = run(by_flag);
        CHECK(ran.exit == 64);
        CHECK_MESSAGE(ran.err.find("--url https://") != std::string::npos, ran.err);
    }
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

}  // namespace
