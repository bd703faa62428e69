// What another engine had in Firestore becomes a first state: its documents as lines, lines as
// records.

#include <doctest/doctest.h>

#include <deque>

#include "engine/firestore/foreign.h"
#include "engine/firestore/reading.h"
#include "engine/intake/imported.h"
#include "engine/replay.h"
#include "journal/base/json.h"
#include "projection/firestore/documents.h"
#include "tests/engine/engine_world.h"
#include "tests/json_of.h"
#include "tests/sim/sim_documents.h"

namespace se::firestore {
namespace {

using test::EngineWorld;

constexpr int kKeys = 40;

Fields fields_of(const std::string& json) {
    const Value value = value_of(test::json_of(json));
    return *value.as<Value::Map>();
}

std::string state_json(const std::string& value, int version, const std::string& by = "ingress") {
    return R"({"metadata":{"source":"why","trace":"t"},"ttl":null,"updatedAt":"2025-12-24T18:00:00.000Z",)"
           R"("updatedBy":")" +
           by + R"(","value":)" + value + R"(,"version":)" + std::to_string(version) + "}";
}
std::string client_json(const std::string& id, const std::string& key, const std::string& value) {
    return R"({"actor":"ingress","id":")" + id + R"(","key":")" + key +
           R"(","op":"set","reason":"why","ts":"2025-12-24T17:00:00.000Z","value":)" + value + "}";
}
/// As the other engine logs it.
std::string log_json(const std::string& client, const std::string& more) {
    return client.substr(0, client.size() - 1) + R"(,"committedAt":"2025-12-24T18:00:00.000Z",)" +
           more + "}";
}

Caller bus() {
    Caller caller;
    caller.principal = "nats";
    caller.actor = "ingress";
    caller.door = "nats";
    return caller;
}

struct ImportWorld {
    SimDocuments documents{3};
    EngineWorld world{3};
    SimRandom random{4};
    std::vector<std::string> names;  ///< of all lines that were proposed
    std::vector<Answer> answers;     ///< of those that were answered
    std::vector<std::string> bad;

    void put_state(const std::string& key, const std::string& json) {
        documents.put("state/" + key, fields_of(json));
    }
    void put_log(const std::string& id, const std::string& json) {
        documents.put("mutation_log/" + id, fields_of(json));
    }
    /// Of each key a state at version 10 + i, and its last three mutations.
    void fill() {
        for (int i = 0; i < kKeys; ++i) {
            const std::string key = "k" + std::to_string(100 + i);
            for (int n = 8; n <= 10; ++n) {
                const std::string id = key + ":" + std::to_string(n);
                put_log(id, log_json(client_json(id, key, std::to_string(n)),
                                     R"("status":"accepted","resultingVersion":)" +
                                         std::to_string(n + i)));
            }
            put_state(key, state_json("10", 10 + i));
        }
    }

    /// Reads and proposes all, as statectl does; stops after `lines_max` of them.
    Status import(std::size_t lines_max = SIZE_MAX) {
        names.clear();
        answers.clear();
        bad.clear();
        bool ended = false;
        std::string from;
        const Status done =
            read_documents({.documents = documents,
                            .random = random,
                            .sleep = [](std::chrono::nanoseconds) {},
                            .tell =
                                [&](std::string_view text) {
                                    const Json line = test::json_of(std::string(text));
                                    if (line.find("where") != nullptr) return true;
                                    if (line.find("end") != nullptr) return ended = true;
                                    return take(line) && names.size() < lines_max;
                                }},
                           {.collections = {"mutation_log", "state"}, .prefix = {}, .page = 7});
        if (done && lines_max == SIZE_MAX) CHECK(ended);
        return done;
    }
    bool take(const Json& line) {
        const std::string id = line.find("id")->string();
        const bool state = *line.find("collection") == Json("state");
        const Json* const data = line.find("data");
        if (data == nullptr) return bad.push_back(id + ": no JSON"), true;
        const auto made =
            state ? import_of_state("there", id, *data) : import_of_mutation("there", id, *data);
        if (!made) return bad.push_back(id + ": " + made.error().text), true;
        ParsedImport parsed = parse_import(*made, world.engine->policy().limits);
        if (!parsed.proposal) return bad.push_back(id + ": " + parsed.refusal.message), true;
        names.push_back(id);
        Caller caller;
        caller.principal = caller.actor = "local:me";
        caller = caller_of_import(parsed, caller);
        world.engine->submit(*std::move(parsed.proposal), std::move(caller),
                             [this](Answer&& answer) { answers.push_back(std::move(answer)); });
        return true;
    }
    std::size_t count_new() const {
        std::size_t fresh = 0;
        for (const Answer& answer : answers)
            if (answer.status == Answer::Status::accepted && !answer.duplicate) ++fresh;
        return fresh;
    }
    std::uint64_t records() { return world.folded().seq().value; }

    void must_be_replayed() {
        Replay replay(world.engine->store().store);
        world.each_record([&](const RecordView& record) {
            const auto difference = replay.next(record);
            REQUIRE_MESSAGE(difference, difference.error().text);
            CHECK_MESSAGE(!*difference,
                          (*difference ? (*difference)->what + (*difference)->recomputed : ""));
        });
    }
};

}  // namespace

TEST_CASE(
    "entries go on at the versions they had, old mutations are known, and a second import journals "
    "nothing") {
    ImportWorld it;
    it.fill();
    it.put_log("no-1",
               log_json(client_json("no-1", "k100", "1"),
                        R"("status":"rejected","error":"Version mismatch: expected 5, found 10")"));
    it.put_log("no-2", log_json(client_json("no-2", "k100", "1"),
                                R"("status":"rejected","error":"14 UNAVAILABLE: no connection")"));
    it.world.open();
    REQUIRE(it.import());
    it.world.settle();
    CHECK(it.bad.empty());
    CHECK(it.answers.size() == 4 * kKeys + 2);
    for (int i = 0; i < kKeys; ++i) {
        const auto entry = it.world.get("k" + std::to_string(100 + i));
        REQUIRE(entry);
        CHECK(entry->version.value == 10u + static_cast<unsigned>(i));
        CHECK(entry->value == "10");
        CHECK(entry->updated_by == "ingress");
        CHECK(entry->reason == "why");
        CHECK(entry->metadata == R"({"trace":"t"})");
    }
    it.world.check_reads_are_the_fold();
    it.must_be_replayed();

    const std::uint64_t before = it.records();
    REQUIRE(it.import());
    it.world.settle();
    CHECK(it.answers.size() == 4 * kKeys + 2);
    for (const Answer& answer : it.answers) CHECK(answer.duplicate);
    CHECK(it.records() == before);

    // A client that sends one again is told what became of it, in each projection there is of the
    // ids.
    const auto asks_again = [&] {
        const Answer again = it.world.ask(client_json("k103:8", "k103", "8"), bus());
        CHECK(again.duplicate);
        CHECK(again.status == Answer::Status::accepted);
        REQUIRE(again.changes.size() == 1);
        CHECK(again.changes[0].version.value == 11);
        const Answer refused = it.world.ask(client_json("no-1", "k100", "1"), bus());
        CHECK(refused.duplicate);
        CHECK(refused.code == Code::version_conflict);
        CHECK(refused.message == "Version mismatch: expected 5, found 10");
        CHECK(it.world.get("k103")->version.value == 13);
    };
    asks_again();
    it.world.reopen();
    asks_again();
    it.world.leave();
    it.world.forget_cache();
    it.world.open();
    asks_again();
    // An outage there was an answer there; here it may come again.
    const Answer now = it.world.ask(client_json("no-2", "k100", "1"), bus());
    CHECK_FALSE(now.duplicate);
    CHECK(now.status == Answer::Status::accepted);
    CHECK(it.world.get("k100")->version.value == 11);
    it.must_be_replayed();
}

TEST_CASE(
    "what was written here stays, also what was deleted, and no rule fires for what is imported") {
    ImportWorld it;
    it.fill();
    it.world.policy = Policy{};  // with the rule on_stream_start
    it.world.policy.allowed_keys = {"k*", "stream.state"};
    it.put_state("stream.state", state_json("\"on\"", 4));
    it.put_state("secret", state_json("1", 4));
    it.world.open();
    REQUIRE(it.world.set("k100", "\"ours\"").status == Answer::Status::accepted);
    REQUIRE(it.world.set("k101", "1").status == Answer::Status::accepted);
    REQUIRE(it.world.ask(R"({"op":"delete","key":"k101","reason":"gone"})").status ==
            Answer::Status::accepted);
    REQUIRE(it.import());
    it.world.settle();
    CHECK(it.world.value_of("k100") == "\"ours\"");
    CHECK(it.world.value_of("k101") == "absent");
    CHECK(it.world.value_of("secret") == "absent");
    CHECK(it.world.value_of("stream.state") == "\"on\"");
    std::size_t stood = 0, not_allowed = 0;
    for (const Answer& answer : it.answers) {
        if (answer.code == Code::version_conflict) ++stood;
        if (answer.code == Code::key_not_allowed) ++not_allowed;
    }
    CHECK(stood == 2);
    CHECK(not_allowed == 1);
    CHECK(it.world.count("rejected") == 0);
    it.world.each_record([](const RecordView& record) {
        const auto body = parse_body(record.body);
        if (record.kind == Kind::accepted) CHECK(body->fired.empty());
    });
    it.must_be_replayed();
    // Counting goes on from there, rules as well.
    CHECK(it.world.set("stream.state", "\"on\"").changes[0].version.value == 5);

    // Once the key is allowed, the same import takes it.
    it.world.policy.allowed_keys.push_back("secret");
    it.world.leave();
    it.world.open();
    REQUIRE(it.import());
    it.world.settle();
    CHECK(it.count_new() == 1);
    CHECK(it.world.get("secret")->version.value == 4);
}

TEST_CASE(
    "an import that dies anywhere, over a Firestore with bad days, is completed by doing it "
    "again") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        ImportWorld it;
        it.fill();
        it.documents.faults = {
            .lost_answers = 5, .late = 0, .aborts = 5, .throttles = 10, .away = 5};
        it.world.open();
        SimRandom chance(seed);
        for (int life = 0; life < 6; ++life) {
            // What it read it has proposed; of that some is on the disk when it dies.
            (void)it.import(1 + chance.below(4 * kKeys));
            const std::uint64_t steps = chance.below(6);
            for (std::uint64_t i = 0; i < steps; ++i) {
                it.world.engine->step();
                if (chance.chance(50)) it.world.commits.run();
                it.world.background.run();
            }
            it.answers.clear();
            it.world.crash();
            it.world.open();
        }
        int runs = 0;
        while (!it.import()) REQUIRE(++runs < 50);
        it.world.settle();
        it.documents.faults = {};
        REQUIRE(it.import());
        it.world.settle();
        CHECK(it.count_new() == 0);
        std::map<std::string, int> events;
        std::uint64_t entries = 0;
        it.world.each_record([&](const RecordView& record) {
            if (record.kind == Kind::event) ++events[std::string(record.id)];
            if (record.kind == Kind::accepted) ++entries;
        });
        CHECK(entries == kKeys);
        CHECK(events.size() == 3 * kKeys);
        for (const auto& [id, times] : events) CHECK_MESSAGE(times == 1, id);
        it.world.check_reads_are_the_fold();
        it.must_be_replayed();
    }
}

TEST_CASE("what is no document of an engine is named with its reason") {
    ImportWorld it;
    it.put_state("a key", state_json("1", 1));
    it.put_state("a.version", R"({"value":1,"updatedAt":"t","updatedBy":"me","ttl":null})");
    it.put_state("b.ttl",
                 R"({"value":1,"updatedAt":"t","updatedBy":"me","version":1,"ttl":"soon"})");
    it.put_state("c.gone", R"({"updatedAt":"t","updatedBy":"me","version":2,"ttl":null})");
    it.documents.put("state/d.nan", {{"value", Value{std::numeric_limits<double>::quiet_NaN()}}});
    it.put_log("odd", R"({"id":"odd","key":"a","op":"set","value":1})");
    it.put_log("when", log_json(client_json("when", "a", "1"), R"("status":"maybe")"));
    it.world.open();
    REQUIRE(it.import());
    it.world.settle();
    CHECK(it.names == std::vector<std::string>{"c.gone"});
    CHECK(it.world.value_of("c.gone") == "null");
    REQUIRE(it.bad.size() == 6);
    CHECK(it.bad[0] == "odd: committedAt is no text of a time");
    CHECK(it.bad[1] == "when: status is neither accepted nor rejected");
    CHECK(it.bad[2].starts_with("a key: "));
    CHECK(it.bad[3] == "a.version: version is no whole number from 1 on");
    CHECK(it.bad[4] == "b.ttl: ttl is neither null nor a number of seconds");
    CHECK(it.bad[5] == "d.nan: no JSON");
}

TEST_CASE("of a mirror of ours the ids keep the principal they belong to") {
    ImportWorld it;
    it.put_log("m",
               R"({"id":"m","key":"a","op":"set","value":1,"reason":"r","actor":"alice","ts":"t",)"
               R"("committedAt":"t","status":"accepted","resultingVersion":3,"seq":9,"epoch":2})");
    it.world.open();
    REQUIRE(it.import());
    it.world.settle();
    const std::string sent =
        R"({"id":"m","key":"a","op":"set","value":1,"reason":"r","actor":"alice","ts":"t"})";
    const Answer again = it.world.ask(sent);
    CHECK(again.duplicate);
    CHECK(again.changes.at(0).version.value == 3);
    CHECK_FALSE(it.world.ask(sent, bus()).duplicate);
}

TEST_CASE("of a mutation of the past only its own keys count, each once, and a principal has its limit") {
    const auto line = [](const std::string& principal) {
        return R"({"document":"mutation_log/m","status":"accepted","principal":")" + principal +
               R"(","changes":[{"key":"a","op":"?","version":2},{"key":"a","op":"set","version":9},)"
               R"({"key":"/","op":"set","version":1},{"key":"b","op":"delete","version":3}],)"
               R"("proposal":{"id":"m","ops":[{"op":"set","key":"a","value":1},{"op":"delete","key":"b"}],"reason":"r"}})";
    };
    const ParsedImport parsed = parse_import(line("alice"), Limits{});
    REQUIRE(parsed.proposal);
    REQUIRE(parsed.imported.changes.size() == 2);
    CHECK(parsed.imported.changes[0].key == "a");
    CHECK(parsed.imported.changes[0].op == "set");
    CHECK(parsed.imported.changes[0].version == Version{2});
    CHECK(parsed.imported.changes[1].op == "delete");
    const ParsedImport long_one = parse_import(line(std::string(257, 'p')), Limits{});
    CHECK_FALSE(long_one.proposal);
    CHECK(long_one.refusal.pointer == "/principal");
}

}  // namespace se::firestore
