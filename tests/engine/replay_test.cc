// Everything decided once more comes out the same (E1); what was changed in the file is found.

#include "engine/replay.h"

#include <algorithm>

#include "engine/effects.h"
#include "engine/policy/config.h"
#include "journal/base/hash.h"
#include "tests/engine/engine_world.h"
#include "tests/engine/with_rules.h"

using namespace se;
using namespace se::test;

namespace {

const std::string kRules = R"(
  - { id: copy, when: { key: a }, then: [ { action: mutate, args: { key: b, value: "{ value }" } },
                                          { action: obs.show, args: { what: "{ old }" } } ] }
  - { id: gone, when: { key: t, op: delete }, then: [ { action: mutate, args: { key: "b/", value: 1 } } ] }
  - { id: ring, when: { key: "r.*" }, then: [ { action: mutate, args: { key: "r.{ value }", value: x } } ] }
)";

/// Two policies, every kind of proposal, expiries, derived mutations, a loop, refusals, a crash.
void live(EngineWorld& world) {
    world.settings.engine.group_records = 2;
    world.open(with_rules(kRules));
    world.set("a", "1");
    world.set("a", R"({"x":[1,2.5,null]})", R"(,"metadata":{"m":1},"ttl":1000)");
    world.ask(R"({"op":"increment","key":"n","value":2,"reason":"r","ttl":50})");
    world.ask(R"({"op":"increment","key":"n","value":3,"reason":"r"})");
    world.ask(R"({"op":"increment","key":"a","value":3,"reason":"r"})");
    world.ask(R"({"op":"push","key":"l","value":{"k":1},"reason":"r"})");
    world.ask(R"({"op":"merge","key":"a","value":{"x":null,"y":1},"reason":"r"})");
    world.ask(R"({"ops":[{"op":"set","key":"a","value":7},{"op":"push","key":"l","value":2},
        {"op":"increment","key":"n","value":1},{"op":"delete","key":"b"}],"reason":"several","metadata":{"z":0}})");
    world.ask(
        R"({"ops":[{"op":"set","key":"q","value":7},{"op":"delete","key":"none"}],"reason":"no"})");
    world.set("a", "1", R"(,"expectedVersion":99)");
    world.set("c", "1", R"(,"basis":[{"key":"a","seq":1}])");
    world.set("c", "1", R"(,"basis":[{"key":"a","seq":99999}],"id":"based")");
    world.ask(R"({"op":"set","key":"bad key","value":1,"reason":"r"})");
    world.set("t", "1", R"(,"ttl":10)");
    world.set("r.x", "\"x\"");
    world.clock.advance(std::chrono::seconds{60});
    world.settle();
    world.submit(world.set_text("a", "2"));
    world.engine->step();
    world.commits.run();
    world.crash();
    Policy narrow = with_rules("\n  - { id: other, on: \"a == 3\", do: [ { action: obs.go } ] }\n");
    narrow.allowed_keys = {"a"};
    world.open(narrow);
    world.set("a", "3");
    world.set("zz", "3");
    world.ask(R"({"op":"delete","key":"a","reason":"r"})");
}

struct Replayed {
    std::optional<Replay::Difference> first;
    std::size_t differences = 0;
    Replay::Counts counts;
};

Replayed replayed(const std::vector<std::string>& lines, const std::string& store,
                  std::optional<Policy> other = {}) {
    Replay replay(store, std::move(other));
    Replayed result;
    RecordView view;
    for (const std::string& line : lines) {
        const Status parsed = parse_record(line, &view);
        REQUIRE_MESSAGE(parsed, parsed.error().text);
        const auto next = replay.next(view);
        REQUIRE_MESSAGE(next, next.error().text);
        if (!*next) continue;
        if (!result.first) result.first = **next;
        ++result.differences;
    }
    result.counts = replay.counts();
    return result;
}

std::vector<std::string> lines_of(EngineWorld& world) {
    std::vector<std::string> lines;
    world.each_record([&](const RecordView& record) { lines.emplace_back(record.line); });
    return lines;
}

}  // namespace

TEST_CASE(
    "a store with rules, derived mutations, expiries and two policies is replayed without a "
    "difference (E1)") {
    EngineWorld world;
    live(world);
    const Replayed result = replayed(lines_of(world), world.engine->store().store);
    if (result.first)
        FAIL_CHECK(result.first->seq.value << " " << result.first->what << "\n"
                                           << result.first->recorded << "\n"
                                           << result.first->recomputed);
    CHECK(result.counts.decided > 30);
    CHECK(result.counts.derived > 12);
}

TEST_CASE("what an older decider journaled comes out as it was, also behind what is decided now (E1)") {
    const Policy now = with_rules(R"(
  - id: all
    when: { key: a }
    then:
      - { action: obs.go }
      - { action: publishEgress, args: { envelope: true, payload: { type: "", annotations: [ 1 ] } } }
      - { action: mutate, args: { key: b, value: 1 } }
)");
    Json journaled = now.to_json();
    journaled.set("decider", 2);
    Caller caller = EngineWorld::alice();
    caller.cause = R"({"type":"message","sequence":7,"correlationId":"c1"})";

    EngineWorld world;
    world.settings.engine.group_records = 1;
    world.open(*Policy::from_json(journaled));
    world.ask(world.set_text("a", "1", R"(,"id":"before")"), caller);
    std::size_t old_ones = 0;
    for (const std::string& line : lines_of(world)) {
        if (line.find("\"fired\"") != line.npos) {
            ++old_ones;
            CHECK(line.find(R"("correlationId":"before")") != line.npos);
            CHECK(line.find(R"("header":"")") != line.npos);
            CHECK(line.find(R"("payload":{"annotations":[1],"type":""})") != line.npos);
        }
        if (line.find("rule:all") != line.npos) CHECK(line.find("correlationId") == line.npos);
    }
    CHECK(old_ones == 1);

    // A crash with a mutation that waits: it is decided as it was meant, the new policy comes behind.
    world.submit(world.set_text("a", "2", R"(,"id":"between")"), caller);
    world.engine->step();
    world.commits.run();
    world.crash();
    world.open(now);
    world.ask(world.set_text("a", "3", R"(,"id":"after")"), caller);
    const auto lines = lines_of(world);
    const Replayed result = replayed(lines, world.engine->store().store);
    if (result.first)
        FAIL_CHECK(result.first->seq.value << " " << result.first->what << "\n"
                                           << result.first->recorded << "\n"
                                           << result.first->recomputed);
    CHECK(result.counts.derived == 3);
    const auto after = std::ranges::find_if(lines, [](const std::string& line) {
        return line.find(R"("id":"after")") != line.npos;
    });
    REQUIRE(after != lines.end());
    CHECK(after->find(R"("correlationId":"after")") == after->npos);
    CHECK(after->find(R"("header":"state-engine.rule")") != after->npos);
    CHECK(lines.back().find("rule:all") != lines.back().npos);
    CHECK(lines.back().find(R"("correlationId":"c1")") != lines.back().npos);
}

TEST_CASE(
    "one decision, one computed value or one fired action that was changed is found at its seq") {
    EngineWorld world;
    live(world);
    const std::string store = world.engine->store().store;
    const std::vector<std::string> good = lines_of(world);
    const std::tuple<const char*, const char*, const char*> changes[] = {
        {R"("key":"n","op":"increment","version":2)", R"("values":[5])", R"("values":[6])"},
        {R"("code":"absent")", R"("kind":"rejected")", R"("kind":"rejected")"},
        {R"("fired":[{"rule":"copy")", R"("type":"mutate"})", R"("type":"mutatd"})"},
        {R"("rule":"other")", R"("action":"go")", R"("action":"no")"},
        {R"("actor":"rule:copy")", R"("n":0)", R"("n":1)"},
        {R"("code":"version_conflict")", R"("found":)", R"("found":1)"},
        {R"("kind":"config")", R"("rule_steps":10000)", R"("rule_steps":10001)"},
    };
    for (const auto& [where, from, to] : changes) {
        INFO(where);
        std::vector<std::string> lines = good;
        Seq changed;
        for (std::string& line : lines) {
            if (line.find(where) == std::string::npos || line.find(from) == std::string::npos)
                continue;
            line.replace(line.find(from), std::string_view(from).size(), to);
            RecordView view;
            REQUIRE(parse_record(line, &view));
            changed = view.seq;
            break;
        }
        REQUIRE(changed != Seq{});
        const Replayed result = replayed(lines, store);
        if (std::string_view(from) == to) {
            CHECK_FALSE(result.first);
            continue;
        }
        REQUIRE(result.first);
        CHECK(result.first->seq == changed);
    }
}

TEST_CASE("a caller that was told of a key before the state was looked at is no other decision") {
    EngineWorld world;
    Policy policy = with_rules(kRules);
    policy.allowed_keys = {"a", "user.*"};
    world.open(policy);
    auto narrow = std::make_shared<Principal>();
    narrow->name = "narrow";
    narrow->write = *Patterns::from({"user.*", "forbidden"});
    Caller caller{.principal = "narrow", .actor = "narrow"};
    caller.rights = narrow;
    const Answer refused = world.ask(
        R"({"ops":[{"op":"delete","key":"user.absent"},{"op":"set","key":"forbidden","value":1}],"reason":"r"})", caller);
    REQUIRE(refused.code == Code::key_not_allowed);
    world.set("a", "1");
    const Replayed result = replayed(lines_of(world), world.engine->store().store);
    if (result.first) FAIL_CHECK(result.first->what << "\n" << result.first->recomputed);
    // But not where the key is allowed.
    std::vector<std::string> lines = lines_of(world);
    for (std::string& line : lines)
        for (auto at = line.find("forbidden"); line.find("key_not_allowed") != line.npos && at != line.npos; at = line.find("forbidden"))
            line.replace(at, 9, "user.okay");
    CHECK(replayed(lines, world.engine->store().store).first);
}

TEST_CASE("a derived mutation that is missing from the journal is found where it should stand") {
    EngineWorld world;
    world.open(with_rules(kRules));
    world.set("a", "1");
    world.set("z", "1");
    std::vector<std::string> lines = lines_of(world);
    const auto derived = std::ranges::find_if(
        lines, [](const std::string& line) { return line.find("rule:copy") != std::string::npos; });
    REQUIRE(derived != lines.end());
    // Another record in its place, as if it had never been.
    std::string other = lines.back();
    RecordView view;
    REQUIRE(parse_record(*derived, &view));
    const Seq seq = view.seq;
    const std::string number = std::to_string(seq.value);
    other.replace(7, other.find(',') - 7, number);
    lines.erase(derived, lines.end());
    lines.push_back(other);
    const Replayed result = replayed(lines, world.engine->store().store);
    REQUIRE(result.first);
    CHECK(result.first->seq == seq);
    CHECK(result.first->what == "before it should stand what rule copy derived");
}

TEST_CASE("a second effect of one identity is named with both seqs (E2)") {
    EngineWorld world;
    world.open();
    const auto pay = [&](const std::string& id, const std::string& amount) {
        const Answer answer = world.ask(R"({"op":"increment","key":"n","value":)" + amount +
                                        R"(,"reason":"r","id":")" + id + "\"}");
        REQUIRE(answer.status == Answer::Status::accepted);
        return answer.seq;
    };
    const Seq first = pay("pay-1", "1");
    world.set("z", "1");
    const Seq second = pay("pay-2", "2");
    world.set("z", "2");
    const std::string store = world.engine->store().store;
    std::vector<std::string> lines = lines_of(world);
    CHECK_FALSE(replayed(lines, store).first);

    // As if the second one had been the first one again, and nobody had known.
    const auto line_of = [&](Seq seq) -> std::string& { return lines.at(seq.value - 1); };
    const auto content_of_line = [&](Seq seq) {
        RecordView view;
        REQUIRE(parse_record(line_of(seq), &view));
        return std::string(view.content);
    };
    std::string& line = line_of(second);
    line.replace(line.find("pay-2"), 5, "pay-1");
    CHECK_FALSE(replayed(lines, store).first);  // the id alone with other content: another identity
    const std::string content = content_of_line(second);
    line.replace(line.find(content), content.size(), content_of_line(first));
    const Replayed result = replayed(lines, store);
    CHECK(result.differences == 1);
    REQUIRE(result.first);
    CHECK(result.first->seq == second);
    CHECK(result.first->what ==
          "its identity had its effect before, at seq " + std::to_string(first.value));
    CHECK(result.first->recomputed ==
          R"({"duplicate":true,"seq":)" + std::to_string(first.value) + "}");
    CHECK(replayed(lines, store, world.policy).differences == 0);  // no matter of policy
}

TEST_CASE("what binds no id, and what a producer of the bus says anew under one, is no second effect") {
    EngineWorld world;
    Policy policy = world.policy;
    policy.allowed_keys = {"a"};
    world.open(policy);
    Caller bus = EngineWorld::alice();
    bus.principal = bus.actor = bus.door = "nats";
    for (const char* value : {"1", "2", "3", "2", "1"})
        world.ask(world.set_text("a", value, R"(,"id":"again")"), bus);
    CHECK(world.count("accepted") == 3);
    for (int i = 0; i < 2; ++i) {
        world.ask(R"({"op":"set","key":"bad key","value":1,"reason":"r","id":"twice"})");
        world.ask(world.set_text("b", "1", R"(,"id":"no")"));
        world.ask(world.set_text("b", std::to_string(i), R"(,"id":"again")"));
    }
    CHECK(world.count("rejected") > 3);
    const Replayed result = replayed(lines_of(world), world.engine->store().store);
    if (result.first) FAIL_CHECK(result.first->what << "\n" << result.first->recorded);
}

TEST_CASE("of very many identities each is known by the seq of its effect") {
    Effects effects;
    const auto identity = [](std::uint64_t i) {
        return Identity{first_half(sha256("id " + std::to_string(i / 2))),
                        first_half(sha256("content " + std::to_string(i % 2)))};
    };
    constexpr std::uint64_t kMany = 20000;
    for (std::uint64_t i = 1; i <= kMany; ++i) REQUIRE_FALSE(effects.bind(identity(i), Seq{i}));
    for (std::uint64_t i = 1; i <= kMany; ++i)
        REQUIRE(effects.bind(identity(i), Seq{kMany + i}) == Seq{i});
}

TEST_CASE("another policy tells what it would have decided and fired") {
    EngineWorld world;
    live(world);
    Policy other =
        with_rules("\n  - { id: quiet, when: { key: never }, then: [ { action: obs.go } ] }\n");
    other.allowed_keys = {"a", "n", "b", "l", "t", "c", "q", "r.*"};
    const Replayed result = replayed(lines_of(world), world.engine->store().store, other);
    CHECK(result.differences > 5);
    CHECK(result.first->what == "the other policy decides or fires otherwise");
    CHECK(result.first->recomputed.find("fired") == std::string::npos);
}
