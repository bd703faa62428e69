// The real daemon, with Google's own emulator behind it.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

#include "tests/firestore/documented.h"
#include "tests/places.h"

namespace se::test {

TEST_CASE(
    "the daemon keeps state and log as documents, and after a stop and a kill -9 goes on behind "
    "its watermark") {
    if (Emulator::skipped("the daemon keeps state and log as documents")) return;
    Documented world;
    world.start({"--firestore-bootstrap"});
    CHECK(world.propose(set_text("a.one", "1", "id-1")) == 200);
    CHECK(world.propose(set_text("a.two", R"({"deep":[[1],[2.5,null]]})", "id-2")) == 200);
    CHECK(world.propose(set_text("forbidden", "1", "id-3")) == 403);
    CHECK(world.propose(set_text("a.three", "3", "id-4")) == 200);
    CHECK(world.propose(R"({"op":"delete","key":"a.three","reason":"test","id":"id-5"})") == 200);
    world.wait_until_followed();
    world.must_be_the_state();
    world.must_be_the_log({{"id-1", "accepted"},
                           {"id-2", "accepted"},
                           {"id-3", "rejected"},
                           {"id-4", "accepted"},
                           {"id-5", "accepted"}});
    const Json shown = *world.operator_status().find("firestore");
    CHECK(text_of(shown, "where") ==
          "projects/state-engine/databases/(default) at the emulator " + world.emulator.address());
    CHECK(world.metric("following") == 1);
    CHECK(world.metric("lag_records") == 0);
    CHECK(world.metric("lag_seconds") == 0);
    CHECK(world.metric("breaker_state") == 0);
    CHECK(world.metric("dead_letters") == 0);
    CHECK(world.metric("watermark_seq") == number_of(world.operator_status(), "durable"));

    // The next runs need no bootstrap, and write only what is new.
    CHECK(world.daemon->stop() == 0);
    world.start();
    CHECK(world.propose(set_text("a.one", "2", "id-6")) == 200);
    Json now = world.wait_until_followed();
    CHECK(number_of(now, "bootstrapDocuments") == 0);
    CHECK(number_of(now, "logDocuments") == 1);
    CHECK(number_of(now, "stateDocuments") == 1);
    world.must_be_the_state();

    CHECK(world.propose(set_text("a.four", "4", "id-7")) == 200);
    world.daemon->kill_hard();
    world.start();
    CHECK(world.propose(set_text("a.five", "5", "id-8")) == 200);
    now = world.wait_until_followed();
    CHECK(number_of(now, "bootstrapDocuments") == 0);
    CHECK(number_of(now, "logDocuments") <= 2);
    world.must_be_the_state();
    CHECK(world.documents("mutation_log").size() == 8);
    CHECK(world.daemon->stop() == 0);
}

TEST_CASE(
    "commits go on while Firestore is away; after it, what is missing is written, and a project "
    "that has lost everything is filled again when that is asked for") {
    if (Emulator::skipped("commits go on while Firestore is away")) return;
    Documented world;
    world.start({"--firestore-bootstrap"});
    CHECK(world.propose(set_text("a.one", "1")) == 200);
    world.wait_until_followed();

    // It says nothing: what was under way has no outcome.
    world.emulator.pause();
    for (int i = 0; i < 50; ++i)
        CHECK(world.propose(set_text("a.k" + std::to_string(i), "1")) == 200);
    world.wait_for("trouble", [](const Json& now) { return !text_of(now, "why").empty(); });
    CHECK(world.metric("lag_records") >= 50);
    CHECK(world.metric("lag_seconds") > 0);
    HttpClient client = world.daemon->tcp();
    const auto ready = client.get("/readyz");
    REQUIRE(ready);
    CHECK(ready->status == 200);
    world.emulator.resume();
    CHECK(text_of(world.wait_until_followed(), "why").empty());
    world.must_be_the_state();
    CHECK(world.documents("mutation_log").size() == 51);

    // It is gone, and comes back with nothing.
    world.emulator.kill_hard();
    CHECK(world.propose(set_text("a.two", "2")) == 200);
    world.wait_for("trouble", [](const Json& now) { return !text_of(now, "why").empty(); });
    CHECK(world.propose(set_text("a.three", "3")) == 200);
    world.emulator.start();
    const Json stopped = world.wait_for(
        "a stop", [](const Json& now) { return text_of(now, "phase") == "stopped"; });
    const std::string why = text_of(stopped, "why");
    CHECK_MESSAGE(why.find("the project has no watermark, and was ours") != std::string::npos, why);
    CHECK_MESSAGE(why.find("--firestore-bootstrap") != std::string::npos, why);
    CHECK(world.metric("stopped") == 1);
    CHECK(world.propose(set_text("a.four", "4")) == 200);
    CHECK(world.metric("lag_records") >= 3);
    CHECK(world.documents("state").empty());

    CHECK(world.daemon->stop() == 0);
    world.start();  // not by itself, either
    world.wait_for("a stop", [](const Json& now) { return text_of(now, "phase") == "stopped"; });
    const auto resume = [&](const std::string& body) {
        HttpClient operators = world.daemon->socket();
        const auto answer = operators.post("/v1/operator/firestore/resume", body);
        REQUIRE(answer);
        return answer->status;
    };
    CHECK(resume(R"({"bootstrap":"yes"})") == 400);
    CHECK(resume("{}") == 200);
    world.wait_for("a stop", [](const Json& now) { return text_of(now, "phase") == "stopped"; });
    CHECK(world.documents("state").empty());

    const std::string statectl = bin_dir() + "/statectl --data " + world.daemon->data() + " ";
    CHECK(std::system((statectl + "firestore resume --bootstrap --yes --id resume-1 >/dev/null 2>&1").c_str()) == 0);
    const Json again = world.wait_until_followed();
    CHECK(number_of(again, "bootstrapDocuments") == 54);
    world.must_be_the_state();
    CHECK(world.documents("mutation_log").size() == 54);
    CHECK(resume("{}") == 400);  // it follows
    CHECK(std::system((statectl + "journal grep firestore_resumed | grep -q '\"bootstrap\":true'").c_str()) == 0);
    CHECK(world.daemon->stop() == 0);
}

TEST_CASE("a document that Firestore does not take is a dead letter, and its end is journaled") {
    if (Emulator::skipped("a document that Firestore does not take is a dead letter")) return;
    Documented world;
    world.start({"--firestore-bootstrap"});
    // Either value has room in a document; the log's holds both.
    const std::string value = "\"" + std::string(700'000, 'x') + "\"";
    CHECK(world.propose(R"({"id":"big","reason":"test","ops":[{"op":"set","key":"a.one","value":)" +
                        value + R"(},{"op":"set","key":"a.two","value":)" + value + "}]}") == 200);
    const Json now = world.wait_until_followed();
    CHECK(number_of(now, "deadLetters") == 1);
    CHECK(world.metric("dead_letters") == 1);
    world.must_be_the_state();
    CHECK(world.propose(set_text("a.one", "\"" + std::string(930'000, 'x') + "\"")) == 413);

    HttpClient client = world.daemon->socket();
    const auto ask = [&](const std::string& body) {
        const auto answer = client.post("/v1/operator/firestore/deadletters", body);
        REQUIRE(answer);
        return std::pair(answer->status, json_of(answer->body));
    };
    const auto listed = client.get("/v1/operator/firestore/deadletters");
    REQUIRE(listed);
    const Json letters = json_of(listed->body);
    REQUIRE(letters.find("deadLetters")->array().size() == 1);
    CHECK(text_of(letters.find("deadLetters")->array().front(), "id") == "mutation_log/big");
    CHECK(ask(R"({"action":"mend","id":"mutation_log/big"})").first == 400);
    CHECK(ask(R"({"action":"drop","id":"mutation_log/small"})").first == 404);
    const auto [code, answer] = ask(R"({"action":"drop","id":"mutation_log/big","actId":"d-1","reason":"too big"})");
    CHECK(code == 200);
    const auto records = records_of(world.daemon->data());
    const auto noted = std::ranges::find_if(records, [&](const Json& record) {
        return number_of(record, "seq") == number_of(answer, "seq");
    });
    REQUIRE(noted != records.end());
    CHECK(text_of(*noted, "note") == "dead_letters_dropped");
    CHECK(to_text(*noted->find("body")).find("mutation_log/big") != std::string::npos);
    CHECK(text_of(*noted, "id") == "d-1");
    CHECK(text_of(*noted->find("body"), "reason") == "too big");
    CHECK(number_of(world.wait_until_followed(), "deadLetters") == 0);
    CHECK(world.daemon->stop() == 0);
}

TEST_CASE("statectl finds an edited, a deleted and a foreign document, and heals them") {
    if (Emulator::skipped("statectl finds an edited, a deleted and a foreign document")) return;
    Documented world;
    world.start({"--firestore-bootstrap"});
    for (int i = 0; i < 400; ++i)  // more than a page
        CHECK(world.propose(set_text("a.k" + std::to_string(i), std::to_string(i))) == 200);
    world.wait_until_followed();
    const auto statectl = [&](const std::string& words) {
        return world.statectl("firestore " + words);
    };
    CHECK(statectl("status").first == 0);
    CHECK(statectl("diff") == std::pair(0, std::string()));

    const auto store = world.emulator.open("state-engine");
    auto edited = (*store->get({"state/a.k7"}))[0];
    firestore::set(edited->fields, "value", {std::string("by hand")});
    REQUIRE(store->commit({{"state/a.k7", edited->fields},
                           {"state/a.k99", std::nullopt},
                           {"state/other", firestore::Fields{}}}));
    const std::string seven =
        R"({"difference":"changed","key":"a.k7","seq":)" +
        std::to_string(*firestore::find(edited->fields, "seq")->as<std::int64_t>()) +
        R"(,"what":"value"})" + "\n";
    CHECK(statectl("diff a.k7") == std::pair(4, seven));
    const auto [code, found] = statectl("diff");
    CHECK(code == 4);
    CHECK(std::ranges::count(found, '\n') == 3);
    CHECK(found.find(R"({"difference":"missing","key":"a.k99")") != std::string::npos);
    CHECK(
        found.find(R"({"difference":"extra","key":"other","seq":0,"what":"the key never was"})") !=
        std::string::npos);

    CHECK(statectl("heal --dry-run").first == 0);
    CHECK(statectl("heal --yes a.k9 --id h-1").first == 0);
    CHECK(statectl("diff a.k9").first == 0);
    CHECK(statectl("heal --yes --reason mended").first == 0);
    CHECK(statectl("diff") == std::pair(0, std::string()));
    world.must_be_the_state();
    std::vector<std::string> notes;
    for (const Json& record : records_of(world.daemon->data()))
        if (text_of(record, "note") == "firestore_healed")
            notes.push_back(to_text(*record.find("body")));
    REQUIRE(notes.size() == 2);
    CHECK(notes[0].find(R"("keys":["a.k99"])") != std::string::npos);
    CHECK(notes[1].find(R"("keys":["a.k7","other"])") != std::string::npos);
    CHECK(notes[1].find("mended") != std::string::npos);
    world.wait_until_followed();
    CHECK(world.daemon->stop() == 0);
    CHECK(statectl("diff").first == 7);
}

TEST_CASE("settings of Firestore that cannot be meant keep the daemon from starting") {
    TemporaryDirectory folder;
    const auto said = [&](std::vector<std::string> arguments) {
        DaemonProcess daemon({.data = folder.path() + "/data", .arguments = std::move(arguments)});
        CHECK(daemon.run_to_end() == 1);
        return daemon.log();
    };
    CHECK(said({"--firestore-bootstrap"}).find("set firestore.project") != std::string::npos);
    CHECK(said({"--set", "firestore.projects=x"}).find("the nearest is firestore.project") !=
          std::string::npos);
    if (Emulator::skipped("settings of Firestore that cannot be meant")) return;
    CHECK(said({"--set", "firestore.project=a/b"}).find("firestore.project must be a name") !=
          std::string::npos);
}

}  // namespace se::test
