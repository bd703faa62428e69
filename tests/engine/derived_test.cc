// What rules make of accepted changes: fired actions in the record, and mutations of their own.

#include "engine/derived.h"
#include "engine/policy/config.h"
#include "journal/body.h"
#include "tests/engine/api_world.h"
#include "tests/engine/engine_world.h"
#include "tests/engine/with_rules.h"

using namespace se;
using namespace se::test;

namespace {

/// A record's own seq, actor, code, keys, values and what it fired.
struct Told {
    Seq seq;
    Epoch epoch;
    std::string kind, actor, code, id, key, cause, fired, message;
    std::vector<std::string> values;
};

std::vector<Told> told(EngineWorld& world) {
    std::vector<Told> all;
    world.each_record([&](const RecordView& record) {
        if (record.kind != Kind::accepted && record.kind != Kind::rejected) return;
        const auto body = parse_body(record.body);
        REQUIRE(body);
        all.push_back({record.seq, record.epoch, std::string(record.kind_text),
                       std::string(record.actor), std::string(record.code), std::string(record.id),
                       record.changes.empty() ? "" : std::string(record.changes[0].key),
                       std::string(record.cause), body->fired, body->message, body->values});
    });
    return all;
}

/// a → b and c; b → d: what a change of a derives, in order: b, c, d.
const std::string kTree = R"(
  - id: fork
    when: { key: a }
    then:
      - { action: mutate, args: { key: b, value: "{ value }" } }
      - { action: mutate, args: { key: c, value: { "+": [ { var: version }, 100 ] } } }
  - id: onward
    when: { key: b, op: set }
    then: [ { action: mutate, args: { key: d, value: "{ state.a } then { value }", reason: went on } } ]
)";

/// A change of ring.<x> writes ring.<its value>, which goes on for ever between two of them.
const std::string kRing = R"(
  - id: round
    when: { key: "ring.*" }
    then:
      - action: mutate
        args: { key: "ring.{ value }", value: { if: [ { "==": [ { var: value }, x ] }, y, x ] } }
)";

}  // namespace

TEST_CASE(
    "the default rule: a stream that goes on fires one egress, off fires none, on again a second "
    "one") {
    EngineWorld world;
    world.open(Policy{});
    for (const char* value : {"\"on\"", "\"off\"", "\"on\""}) world.set("stream.state", value);
    const auto records = told(world);
    REQUIRE(records.size() == 3);
    CHECK(records[1].fired.empty());
    for (const Told& one : {records[0], records[2]}) {
        const Json fired = json_of(one.fired);
        REQUIRE(fired.array().size() == 1);
        CHECK(*fired.array()[0].find("rule") == Json("on_stream_start"));
        const Json& action = fired.array()[0].find("actions")->array()[0];
        CHECK(*action.find("id") ==
              Json(world.engine->store().store + ":" + std::to_string(one.epoch.value) + ":" +
                   std::to_string(one.seq.value) + ":on_stream_start:0"));
        CHECK(*action.find("header") == Json("system.stream.online"));
        const Json& payload = *action.find("payload");
        CHECK(*payload.find("message") == Json("Stream detected online"));
        CHECK(payload.find("annotations")->array()[0].find("createdAt")->string().size() == 24);
    }
}

TEST_CASE(
    "a derived mutation is a record with its cause; first in, first out, before the next "
    "proposal") {
    EngineWorld world;
    world.open(with_rules(kTree));
    const auto first = world.submit(world.set_text("a", "1"));
    const auto second = world.submit(world.set_text("z", "0"));
    world.settle();
    const auto records = told(world);
    std::vector<std::string> keys;
    for (const Told& one : records) keys.push_back(one.key);
    CHECK(keys == std::vector<std::string>{"a", "b", "c", "d", "z"});
    CHECK(world.value_of("b") == "1");
    CHECK(world.value_of("c") == "101");
    CHECK(world.value_of("d") == "\"1 then 1\"");
    CHECK(world.get("d")->reason == "went on");
    CHECK(records[3].actor == "rule:onward");
    CHECK(records[3].id == world.engine->store().store + ":" +
                               std::to_string(records[1].epoch.value) + ":" +
                               std::to_string(records[1].seq.value) + ":onward:0");
    const Json cause = json_of(records[3].cause);
    CHECK(*cause.find("type") == Json("rule"));
    CHECK(*cause.find("rule") == Json("onward"));
    CHECK(cause.find("seq")->integer() == static_cast<std::int64_t>(records[1].seq.value));
    CHECK(cause.find("depth")->integer() == 2);
    CHECK(first->answer().seq == records[0].seq);
    CHECK(second->answer().seq == records[4].seq);
    world.check_reads_are_the_fold();
}

TEST_CASE("a crash at any moment leaves every derived mutation there once, in its order (E2)") {
    int crashed_between = 0;
    for (int steps = 0; steps < 14; ++steps) {
        CAPTURE(steps);
        EngineWorld world;
        world.settings.engine.group_records = 1;  // each record has a sync of its own
        world.open(with_rules(kTree));
        world.submit(world.set_text("a", "1"));
        for (int i = 0; i < steps; ++i) {
            world.engine->step();
            if (i % 2 == 1) world.commits.run();
        }
        world.crash();
        const bool cache_lost = steps % 3 == 0;
        if (cache_lost) world.forget_cache();
        world.open(with_rules(kTree));
        auto records = told(world);
        if (records.empty()) {
            world.set("a", "1");
            records = told(world);
        } else if (records.size() == 4 && records[3].epoch != records[0].epoch) {
            ++crashed_between;
        }
        std::vector<std::string> keys;
        for (const Told& one : records) keys.push_back(one.kind + " " + one.key);
        CHECK(keys ==
              std::vector<std::string>{"accepted a", "accepted b", "accepted c", "accepted d"});
        world.check_reads_are_the_fold();
        world.reopen();
        CHECK(told(world).size() == 4);
    }
    CHECK(crashed_between >= 3);
}

TEST_CASE("the correlation id of a message goes on with all that follows from it, over a crash too") {
    const std::string rules =
        kTree + "  - { id: show, when: { key: d }, then: [ { action: obs.show } ] }\n";
    int crashed_between = 0;
    for (int steps = 0; steps < 14; ++steps) {
        CAPTURE(steps);
        EngineWorld world;
        world.settings.engine.group_records = 1;
        world.open(with_rules(rules));
        Caller caller = EngineWorld::alice();
        caller.cause = R"({"type":"message","sequence":7,"correlationId":"c1"})";
        world.submit(world.set_text("a", "1"), caller);
        for (int i = 0; i < steps; ++i) {
            world.engine->step();
            if (i % 2 == 1) world.commits.run();
        }
        world.crash();
        world.open(with_rules(rules));
        const auto records = told(world);
        if (records.empty()) continue;
        REQUIRE(records.size() == 4);
        crashed_between += records[3].epoch != records[0].epoch ? 1 : 0;
        for (const Told& one : records)
            CHECK(at(json_of(one.cause), {"correlationId"}) == Json("c1"));
        const Json fired = json_of(records[3].fired);
        const Json& event = *fired.array()[0].find("actions")->array()[0].find("payload");
        CHECK(*event.find("correlationId") == Json("c1"));
    }
    CHECK(crashed_between >= 3);
    // Where there is none, nothing is told on, and an event names what it answers.
    EngineWorld world;
    world.open(with_rules(rules));
    world.set("a", "1");
    const auto records = told(world);
    CHECK(records[3].cause.find("correlationId") == std::string::npos);
    const Json fired = json_of(records[3].fired);
    const Json& event = *fired.array()[0].find("actions")->array()[0].find("payload");
    CHECK(*event.find("correlationId") == Json(records[3].id));
}

TEST_CASE("a call of the disk that fails while the store is opened forgets no derived mutation") {
    int failed_opens = 0;
    bool any_failed = true;
    for (std::uint64_t calls = 0; any_failed; ++calls) {
        CAPTURE(calls);
        EngineWorld world;
        world.settings.engine.group_records = 1;
        world.open(with_rules(kTree));
        world.submit(world.set_text("a", "1"));
        for (int i = 0; i < 4; ++i) {
            world.engine->step();
            if (i % 2 == 1) world.commits.run();
        }
        world.crash();
        world.disk.count_reads(true);
        world.disk.fail_after(calls, DiskFault::hiccup);
        const Status opened = world.try_open(with_rules(kTree));
        any_failed = world.disk.failed();
        world.disk.mend();
        world.disk.count_reads(false);
        if (!opened) {
            ++failed_opens;
            REQUIRE(world.try_open(with_rules(kTree)));
        }
        world.settle();
        if (world.engine->state() == EngineState::failed) world.open(with_rules(kTree));
        std::vector<std::string> keys;
        for (const Told& one : told(world)) keys.push_back(one.kind + " " + one.key);
        CHECK(keys ==
              std::vector<std::string>{"accepted a", "accepted b", "accepted c", "accepted d"});
        world.check_reads_are_the_fold();
    }
    CHECK(failed_opens > 10);
}

TEST_CASE(
    "what waits at a crash is decided under the policy of what fired it, then the new one is in "
    "force") {
    EngineWorld world;
    world.settings.engine.group_records = 1;
    world.open(with_rules(kTree));
    world.submit(world.set_text("a", "1"));
    world.engine->step();
    world.commits.run();
    world.engine->step();
    world.crash();
    Policy narrow = without_rules();
    narrow.allowed_keys = {"a"};
    world.open(narrow);
    std::vector<std::string> order;
    world.each_record([&](const RecordView& record) {
        if (record.epoch != world.engine->journal().epoch()) return;
        order.push_back(record.changes.empty()
                            ? std::string(record.kind_text) + std::string(record.note)
                            : std::string(record.kind_text) + " " +
                                  std::string(record.changes[0].key));
    });
    REQUIRE(order.size() == 5);
    CHECK(order[0] == "noteopened");
    CHECK(order[1] == "accepted b");
    CHECK(order[3] == "accepted d");
    CHECK(order[4] == "config");
    CHECK(world.set("b", "2").code == Code::key_not_allowed);
}

TEST_CASE("a loop made by data stops at the depth limit, with a record that says so") {
    EngineWorld world;
    world.open(with_rules(kRing));
    world.set("ring.x", "\"y\"");
    const auto records = told(world);
    REQUIRE(records.size() == 10);  // the proposal, eight derived, and the ninth that is refused
    CHECK(records[8].kind == "accepted");
    CHECK(records[9].code == "depth_limit");
    CHECK(records[9].message ==
          "more than 8 mutations derived one from the other (engine.derived_depth): the rules may "
          "be going round");
    world.reopen();
    CHECK(told(world).size() == 10);
}

TEST_CASE("at the limit of their number the rest is given up, and a recovery knows it") {
    Policy policy = with_rules(kTree);
    policy.limits.derived_count = 1;
    EngineWorld world;
    world.settings.engine.group_records = 1;
    world.open(policy);
    world.set("a", "1");
    const auto records = told(world);
    REQUIRE(records.size() == 3);
    CHECK(records[1].key == "b");
    CHECK(records[2].key == "c");
    CHECK(records[2].code == "depth_limit");
    CHECK(records[2].message.ends_with("; 1 that waited behind it are given up"));
    CHECK(*json_of(records[2].cause).find("end") == Json(true));
    world.crash();
    world.open(policy);
    CHECK(told(world).size() == 3);
}

TEST_CASE(
    "a derived mutation that cannot be is a rejected record, and what waits behind it goes on") {
    EngineWorld world;
    Policy policy = with_rules(R"(
  - id: three
    when: { key: a }
    then:
      - { action: mutate, args: { key: "b/{ value }", value: 1 } }
      - { action: mutate, args: { key: b, value: 1, expectedVersion: 7 } }
      - { action: mutate, args: { key: c, value: 1 } }
)");
    world.open(policy);
    CHECK(world.set("a", "1").status == Answer::Status::accepted);
    const auto records = told(world);
    REQUIRE(records.size() == 4);
    CHECK(records[1].code == "malformed");
    CHECK(records[2].code == "version_conflict");
    CHECK(records[3].kind == "accepted");
    world.crash();
    world.open(policy);
    CHECK(told(world).size() == 4);
}

TEST_CASE(
    "a rule that fails is a warning in the record and blocks nothing, not even the next rule") {
    EngineWorld world;
    world.open(with_rules(R"(
  - id: broken
    when: { and: [ { "==": [ { var: key }, a ] }, { nope: [] } ] }
    actions: [ { type: publishEgress, payload: { type: x } } ]
  - id: fine
    when: { "==": [ { var: key }, a ] }
    actions: [ { type: publishEgress, payload: { type: y } } ]
)"));
    CHECK(world.set("a", "1").status == Answer::Status::accepted);
    const Json fired = json_of(told(world)[0].fired);
    REQUIRE(fired.array().size() == 2);
    CHECK(fired.array()[0] ==
          json_of(R"({"rule":"broken","warning":"Unrecognized operation nope","at":"/and/1"})"));
    CHECK(*fired.array()[1].find("rule") == Json("fine"));
}

TEST_CASE("what rules fire never makes a record too long: what does not fit is a warning") {
    Policy policy = with_rules(R"(
  - id: copies
    when: { key: a }
    then:
      - { action: obs.show, args: { one: "{ value }" } }
      - { action: obs.show, args: { one: "{ value }" } }
  - id: small
    when: { key: a }
    then: [ { action: obs.show } ]
)");
    EngineWorld world;
    world.open(policy);
    const std::string large = "\"" + std::string(100'000, 'x') + "\"";
    CHECK(world.set("a", large).status == Answer::Status::accepted);
    const Json fired = json_of(told(world)[0].fired);
    REQUIRE(fired.array().size() == 2);
    CHECK(fired.array()[0].find("warning")->string().starts_with(
        "what it does takes more than the 131072 bytes"));
    CHECK(fired.array()[1].find("actions") != nullptr);
}

TEST_CASE("an expiry fires rules as any other change does") {
    EngineWorld world;
    world.open(with_rules(R"(
  - id: gone
    when: { key: a, op: delete }
    then: [ { action: mutate, args: { key: last, value: "{ old }" } } ]
)"));
    world.set("a", "5", R"(,"ttl":10)");
    world.clock.advance(std::chrono::seconds{11});
    world.settle();
    CHECK(world.value_of("a") == "absent");
    CHECK(world.value_of("last") == "5");
}

TEST_CASE("a dry run shows what would fire and what would follow, and changes nothing") {
    EngineWorld world;
    world.open(with_rules(kTree));
    const Seq before = world.engine->journal().last();
    const auto parsed = parse_proposal(world.set_text("a", "1"), world.engine->policy().limits);
    const Answer answer = world.engine->dry_run(*parsed.proposal, world.alice());
    CHECK(answer.status == Answer::Status::accepted);
    CHECK(json_of(answer.fired).array().size() == 1);
    const Json derived = json_of(answer.derived);
    REQUIRE(derived.array().size() == 3);
    CHECK(*derived.array()[2].find("proposal")->find("key") == Json("d"));
    CHECK(*derived.array()[2].find("proposal")->find("value") == Json("1 then 1"));
    CHECK(*derived.array()[2].find("status") == Json("accepted"));
    CHECK(world.engine->journal().last() == before);
    world.settle();
    CHECK(world.value_of("b") == "absent");
}
