// What the log tells of a mutation (CONTRACTS 1.7), and what that may cost: nothing, where nobody reads it.

#include <map>

#include "tests/engine/engine_world.h"
#include "tests/engine/with_rules.h"

using namespace se;
using namespace se::test;

namespace {

const std::string kTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Keeps all that it is told, and says that it takes no less than `least`.
struct KeptLog final : Log {
    struct Event {
        Severity severity;
        std::string name;
        std::map<std::string, std::string> context;
        std::string trace;
    };
    void write(const LogEvent& event) override {
        Event kept{event.severity, std::string(event.name), {}, std::string(event.trace)};
        for (const auto& [name, value] : event.context) kept.context.emplace(name, value);
        events.push_back(std::move(kept));
    }
    bool takes(Severity severity) const override { return severity >= least; }

    std::vector<Event> of(std::string_view name) const {
        std::vector<Event> found;
        for (const Event& event : events)
            if (event.name == name) found.push_back(event);
        return found;
    }

    Severity least = Severity::debug;
    std::vector<Event> events;
};

struct LoggedWorld : EngineWorld {
    KeptLog kept;
    LoggedWorld() { heard = &kept; }
    ~LoggedWorld() { leave(); }

    static Caller traced() {
        Caller caller = alice();
        caller.trace = kTrace;
        return caller;
    }
};

using Context = std::map<std::string, std::string>;

}  // namespace

TEST_CASE("a mutation is told when it comes, and once its sync is back, with its trace") {
    LoggedWorld world;
    world.open();
    const auto asked = world.submit(
        R"({"id":"m1","ops":[{"op":"set","key":"a","value":"hush"},{"op":"push","key":"b","value":2}],"reason":"r"})",
        LoggedWorld::traced());
    const auto received = world.kept.of("state-engine.mutation.received");
    REQUIRE(received.size() == 1);
    CHECK(received[0].severity == Severity::debug);
    CHECK(received[0].context ==
          Context{{"id", "m1"}, {"key", "a b"}, {"op", "set push"}, {"actor", "alice"}});
    CHECK(received[0].trace == kTrace);
    CHECK(world.kept.of("state-engine.mutation.committed").empty());

    // Of two the sync runs on its own: decided and handed over is not yet committed.
    world.submit(EngineWorld::set_text("z", "1"));
    world.engine->step();
    CHECK(world.kept.of("state-engine.mutation.committed").empty());
    world.commits.run();
    world.engine->step();
    const auto committed = world.kept.of("state-engine.mutation.committed");
    REQUIRE(committed.size() == 2);
    CHECK(committed[1].trace.empty());
    CHECK(committed[0].severity == Severity::debug);
    CHECK(committed[0].context == Context{{"id", "m1"},
                                          {"key", "a b"},
                                          {"seq", std::to_string(asked->answer().seq.value)},
                                          {"actor", "alice"}});
    CHECK(committed[0].trace == kTrace);
    // Never what was written.
    for (const auto& event : world.kept.events)
        for (const auto& [name, value] : event.context) CHECK(value.find("hush") == value.npos);

    // A no is an answer and commits nothing.
    world.set("a", "1", R"(,"expectedVersion":7)");
    CHECK(world.kept.of("state-engine.mutation.received").size() == 3);
    CHECK(world.kept.of("state-engine.mutation.committed").size() == 2);
}

TEST_CASE("what the log does not take is not put together") {
    LoggedWorld world;
    world.kept.least = Severity::info;
    world.open();
    world.set("a", "1");
    CHECK(world.kept.of("state-engine.mutation.received").empty());
    CHECK(world.kept.of("state-engine.mutation.committed").empty());
    world.kept.least = Severity::debug;
    world.set("a", "2");
    CHECK(world.kept.of("state-engine.mutation.committed").size() == 1);
}

TEST_CASE("what a failed journal leaves unknown is told as no commit") {
    LoggedWorld world;
    world.open();
    const auto asked = world.submit(EngineWorld::set_text("a", "1"));
    world.submit(EngineWorld::set_text("b", "1"));
    world.engine->step();
    world.disk.fail_after(0, DiskFault::hiccup);
    world.commits.run();
    world.engine->step();
    CHECK(asked->answer().code == Code::outcome_unknown);
    CHECK(world.kept.of("state-engine.mutation.committed").empty());
    CHECK(world.kept.of("state-engine.mutation.commit_failed").size() == 1);
}

TEST_CASE("a rule that fails is told with the trace of the mutation, a derived one with that of its root") {
    LoggedWorld world;
    world.open(with_rules(R"(
  - { id: onward, when: { key: a }, then: [ { action: mutate, args: { key: b, value: 1 } } ] }
  - id: broken
    when: { and: [ { "==": [ { var: key }, b ] }, { nope: [] } ] }
    actions: [ { type: publishEgress, payload: { type: x } } ]
)"));
    world.ask(EngineWorld::set_text("a", "1"), LoggedWorld::traced());
    const auto errors = world.kept.of("state-engine.rule.eval_error");
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].context.at("rule") == "broken");
    CHECK(errors[0].trace == kTrace);
    const auto committed = world.kept.of("state-engine.mutation.committed");
    REQUIRE(committed.size() == 2);
    CHECK(committed[1].context.at("key") == "b");
    CHECK(committed[1].context.at("actor") == "rule:onward");
    CHECK(committed[1].trace == kTrace);
}
