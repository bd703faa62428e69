// The rules of a policy: three dialects, one form; what they look at, what they do, what is refused
// at load.

#include "engine/rules/rule_set.h"

#include <doctest/doctest.h>

#include <map>
#include <tuple>

#include "engine/intake/utf8.h"
#include "engine/policy/config.h"
#include "engine/rules/firing.h"
#include "tests/json_of.h"

using namespace se;
using se::test::json_of;

namespace {

RuleSetPtr compiled(std::string_view list) {
    auto rules = RuleSet::compile(json_of(list));
    REQUIRE_MESSAGE(rules, rules.error().text);
    return *rules;
}

Error refused(std::string_view list) {
    const auto rules = RuleSet::compile(json_of(list));
    REQUIRE_FALSE(rules);
    return rules.error();
}

class MapState final : public StateAsOf {
public:
    std::map<std::string, std::string> values;
    int reads = 0;

    Result<std::optional<std::string>> value_of(std::string_view key) override {
        ++reads;
        const auto found = values.find(std::string(key));
        return found == values.end() ? std::nullopt : std::optional(found->second);
    }
};

struct Scene {
    MapState state;
    ChangeSeen change{.key = "obs.scene",
                      .op = "set",
                      .value = R"({"name":"Live","n":2})",
                      .old = "7",
                      .version = 3,
                      .old_version = 2,
                      .actor = "alice",
                      .reason = "because",
                      .metadata = R"({"m":1})",
                      .ts = Time{}};

    FiringFor firing{.id = "p1", .trace = ""};

    std::vector<Fired> fire(const RuleSet& rules, std::uint64_t record_steps = 1'000'000) {
        auto fired = se::fire(rules, std::span(&change, 1), state, firing,
                              {.steps = 10'000, .record_steps = record_steps, .bytes = 128u << 10});
        REQUIRE(fired);
        return std::move(*fired);
    }
    /// What a template makes of this moment.
    std::string resolve(std::string_view json) {
        StateValues values(state);
        const Moment moment(change, values);
        JsRoom room(10'000);
        const auto made = Template::compile(json_of(json));
        REQUIRE(made);
        const auto resolved = made->resolve(moment, room);
        REQUIRE_MESSAGE(resolved, resolved.error().text);
        return to_text(*resolved);
    }
    bool holds(std::string_view on) {
        const auto expression = parse_expression(on);
        REQUIRE_MESSAGE(expression, expression.error().text);
        StateValues values(state);
        return expression->holds(Moment(change, values));
    }
};

std::string obs_rule(const std::string& members) {
    return R"([{"id":"r",)" + members + R"(,"then":[{"action":"obs.go"}]}])";
}

}  // namespace

TEST_CASE(
    "a condition sees key, value, op, old, versions, actor, reason, ts, metadata and the state") {
    Scene scene;
    scene.state.values = {
        {"stream.state", "\"on\""}, {"a", R"({"b":{"c":1}})"}, {"a.b", R"({"c":2})"}};
    const std::pair<const char*, const char*> rows[] = {
        {R"("{ key }")", R"("obs.scene")"},
        {R"("{ value.name } as {op}")", R"("Live as set")"},
        {R"("{ value }")", R"({"n":2,"name":"Live"})"},
        {R"("{ old }")", "7"},
        {R"(["{ version }","{ oldVersion }"])", "[3,2]"},
        {R"("{ actor }: { reason }")", R"("alice: because")"},
        {R"("{ ts }")", R"("1970-01-01T00:00:00.000Z")"},
        {R"("{ metadata.m }")", "1"},
        {R"("{ state.stream.state }")", R"("on")"},
        {R"("{ state.a.b.c }")", "2"},  // the longest key that there is
        {R"("{ state.a }")", R"({"b":{"c":1}})"},
        {R"("{ state.nothing }")", "null"},
        {R"("<{ state.nothing }>")", R"("<>")"},
        {R"("{ hello } {value} {")", R"("{ hello } {\"n\":2,\"name\":\"Live\"} {")"},
        {R"({"var":"state.stream.state"})", R"("on")"},
        {R"({"cat":["it is ",{"var":"value.name"}]})", R"("it is Live")"},
        {R"({"$literal":{"var":"key"}})", R"({"var":"key"})"},
        {R"({"$literal":"{ key }"})", R"("{ key }")"},
        {R"({"/":[1,0]})", "null"},
        {R"({"substr":["\ud83d\ude00",0,1]})", "\"\xEF\xBF\xBD\""},
        {R"({"x":[1,"{ key }"],"y":true})", R"({"x":[1,"obs.scene"],"y":true})"},
    };
    for (const auto& [json, wanted] : rows) {
        INFO(json);
        CHECK(scene.resolve(json) == wanted);
    }
}

TEST_CASE("a warning that quotes a value is cut between its characters") {
    Scene scene;
    const auto rules = compiled(
        R"([{"id":"r","when":{},"then":[{"action":"mutate","args":{"key":"{ value }","value":1}}]}])");
    for (int i = 0; i < 4; ++i) {
        std::string value = "[\"" + std::string(static_cast<std::size_t>(i), 'a');
        for (int j = 0; j < 60; ++j) value += "\xC3\xA9";
        value += "\"]";
        scene.change.value = value;
        const auto fired = scene.fire(*rules);
        REQUIRE(fired.size() == 1);
        REQUIRE(!fired[0].warning.empty());
        CHECK(is_utf8(fired[0].warning));
    }
}

TEST_CASE("a template costs what it makes, and a rule that makes too much fails") {
    Scene scene;
    scene.state.values = {{"big", "\"" + std::string(1u << 20, 'x') + "\""}};
    std::string args = R"({"a0":"{ state.big }")";
    for (int i = 1; i < 30; ++i) args += ",\"a" + std::to_string(i) + R"(":"{ state.big }")";
    const auto rules =
        compiled(R"([{"id":"r","when":{},"then":[{"action":"obs.go","args":)" + args + "}}]}]");
    const auto fired = scene.fire(*rules);
    REQUIRE(fired.size() == 1);
    CHECK(fired[0].warning == "the rule needs more than 10000 steps");
    CHECK(scene.state.reads == 1);  // once for all
}

TEST_CASE("all rules of one record have steps together, and those over them say so") {
    Scene scene;
    scene.state.values = {{"obs.scene", R"({"n":2})"}};
    // Each asks 40 rounds of a loop; the last, of the second dialect, has no loop and asks once.
    std::string list = "1";
    for (int i = 1; i < 40; ++i) list += ",1";
    std::string text = "[";
    for (const char* id : {"a", "b", "c"})
        text += R"({"id":")" + std::string(id) + R"(","when":{"key":"obs.scene"},"if":{"none":[[)" +
                list + R"(],{"==":[{"var":""},2]}]},"then":[{"action":"obs.go"}]},)";
    text += R"({"id":"d","on":"obs.scene != 1","do":[{"action":"obs.go"}]}])";
    const auto rules = compiled(text);

    const auto all = scene.fire(*rules);
    REQUIRE(all.size() == 4);
    for (const Fired& fired : all) CHECK(fired.warning == "");

    // Whatever is left when a rule begins, it is done, or it is the one that says why not; behind
    // that one there is one warning more at most, and what fired before it stays.
    std::size_t done_before = 0;
    for (std::uint64_t steps = 1; steps <= 1'000; ++steps) {
        const auto fired = scene.fire(*rules, steps);
        std::size_t done = 0;
        while (done < fired.size() && fired[done].warning.empty()) ++done;
        CHECK(done >= done_before);
        CHECK(fired.size() <= done + 2);
        for (std::size_t i = done; i < fired.size(); ++i) {
            CHECK(fired[i].rule == all[i].rule);
            CHECK(fired[i].actions.empty());
            CHECK(fired[i].warning ==
                  std::string(i + 1 == fired.size() && fired[i].warning.starts_with("not")
                                  ? "not evaluated, nor any rule behind it: one record takes"
                                  : "the rules of one record take") +
                      " no more than " + std::to_string(steps) +
                      " steps (engine.record_rule_steps)");
        }
        done_before = done;
    }
    CHECK(done_before == 4);
    CHECK(scene.fire(*rules, 1).size() == 2);
}

TEST_CASE("dialect 1 matches by JavaScript's truthiness: empty lists and plain data match") {
    Scene scene;
    const std::pair<const char*, bool> rows[] = {
        {"[]", true},
        {"{}", true},
        {R"({"a":1,"b":2})", true},
        {"0", false},
        {R"("")", false},
        {"null", false},
        {R"({"and":[[],{"==":[{"var":"key"},"other"]}]})", true},
        {R"({"var":"value.n"})", true},
        {R"({"var":"value.missing"})", false}};
    for (const auto& [when, matches] : rows) {
        INFO(when);
        const auto rules = compiled(R"([{"id":"r","when":)" + std::string(when) +
                                    R"(,"actions":[{"type":"obs.go"}]}])");
        CHECK(scene.fire(*rules).size() == (matches ? 1 : 0));
    }
}

TEST_CASE("dialect 2 compares strictly, and what is absent is equal to nothing") {
    Scene scene;
    scene.state.values = {
        {"s", "\"on\""}, {"n", "5"}, {"t", "true"}, {"z", "null"}, {"big", "9007199254740993"}};
    const std::pair<const char*, bool> rows[] = {
        {"s == 'on'", true},
        {"s == \"on\"", true},
        {"s != 'on'", false},
        {"n == '5'", false},
        {"n == 5", true},
        {"n == 5.0", true},
        {"n < 6 && n >= 5", true},
        {"n > 5", false},
        {"n < '6'", false},
        {"s < 'oo'", true},
        {"t == true", true},
        {"t == 1", false},
        {"z == null", true},
        {"gone == null", false},
        {"gone != null", true},
        {"gone < 1", false},
        {"gone >= 1", false},
        {"big == 9007199254740993", true},
        {"big > 9007199254740992", true},
        {"s == 'off' || n == 5 && t == true", true},
        {"(s == 'off' || n == 5) && t == false", false},
        {"s=='on'&&(n==5)", true},
    };
    for (const auto& [on, wanted] : rows) {
        INFO(on);
        CHECK(scene.holds(on) == wanted);
    }
    const std::pair<const char*, const char*> wrong[] = {
        {"", "at character 1 there must be a key"},
        {"s = 'on'", "at character 3 there must be == != < <= > or >="},
        {"s == on", "a text stands in quotes: 'on'"},
        {"s == 'on", "there must be the closing quote of this text"},
        {"s == 'on' n == 5", "there must be &&, || or the end"},
        {"(s == 'on'", "there must be a closing parenthesis"},
        {"s ==", "at character 5 there must be a literal"},
    };
    for (const auto& [on, text] : wrong) {
        INFO(on);
        const auto expression = parse_expression(on);
        REQUIRE_FALSE(expression);
        CHECK(expression.error().text.find(text) != std::string::npos);
    }
    CHECK_FALSE(parse_expression(std::string(100, '(') + "a == 1" + std::string(100, ')')));
}

TEST_CASE("dialect 3 takes keys and ops, compares deeply, and absent is not null") {
    Scene scene;
    scene.state.values = {{"obs.connected", "true"}, {"o", R"({"b":1,"a":[1,{}]})"}, {"z", "null"}};
    const std::pair<const char*, bool> rows[] = {
        {R"("when":{"key":"obs.scene"})", true},
        {R"("when":{"key":"obs.*","op":"set"})", true},
        {R"("when":{"key":["x","obs.scene"],"op":["delete","set"]})", true},
        {R"("when":{"key":"obs.scene","op":"delete"})", false},
        {R"("when":{"key":"obs"})", false},
        {R"("when":{},"if":{"state":{"obs.connected":true}})", true},
        {R"("when":{},"if":{"state":{"obs.connected":"true"}})", false},
        {R"("when":{},"if":{"state":{"o":{"a":[1,{}],"b":1}},"value.n":2,"actor":"alice"})", true},
        {R"("when":{},"if":{"state":{"o.a":[1,{}]}})", true},
        {R"("when":{},"if":{"state":{"z":null}})", true},
        {R"("when":{},"if":{"state":{"gone":null}})", false},
        {R"("when":{},"if":{">":[{"var":"version"},{"var":"oldVersion"}]})", true},
    };
    for (const auto& [members, matches] : rows) {
        INFO(members);
        CHECK(scene.fire(*compiled(obs_rule(members))).size() == (matches ? 1 : 0));
    }
}

TEST_CASE("a connector action is a full InternalEventV2, and so is a payload that asks for it") {
    Scene scene;
    scene.state.values = {{"scene.name", "\"BRB\""}};
    const auto rules = compiled(R"([{"id":"r","when":{"key":"obs.scene"},"then":[
        {"action":"obs.setScene","args":{"name":"{ state.scene.name }"}},
        {"action":"publishEgress","args":{"payload":{"type":"t.v1","x":"{ key }"},"envelope":true,
            "templates":true,"connector":"discord","destination":"general"}},
        {"action":"publishEgress","args":{"payload":{"x":"{ key }"}}}]}])");
    const auto fired = scene.fire(*rules);
    REQUIRE(fired.size() == 1);
    REQUIRE(fired[0].actions.size() == 3);
    CHECK(fired[0].actions[0] ==
          json_of(R"({"type":"obs.setScene","header":"obs.setScene","payload":{
        "v":"2","type":"obs.setScene","correlationId":"p1",
        "ingress":{"ingressAt":"1970-01-01T00:00:00.000Z","source":"state-engine","connector":"system"},
        "identity":{"external":{"id":"alice","platform":"state-engine"}},
        "egress":{"destination":"obs","connector":"obs"},
        "payload":{"action":"setScene","args":{"name":"BRB"}},
        "routing":{"stage":"egress","slip":[],"history":[]}}})"));
    const Json& event = *fired[0].actions[1].find("payload");
    CHECK(*fired[0].actions[1].find("header") == Json("t.v1"));
    CHECK(*event.find("egress") == json_of(R"({"destination":"general","connector":"discord"})"));
    CHECK(*event.find("payload") == json_of(R"({"type":"t.v1","x":"obs.scene"})"));
    CHECK(
        fired[0].actions[2] ==
        json_of(
            R"({"type":"publishEgress","header":"state-engine.rule","payload":{"x":"{ key }"}})"));
}

TEST_CASE("the header type is payload.type as the original writes it, else state-engine.rule") {
    const std::tuple<const char*, const char*, const char*> rows[] = {
        // payload.type, now, and as decider 2 had it
        {R"("t.v1")", "t.v1", "t.v1"},
        {R"("")", "state-engine.rule", ""},
        {"7", "7", "state-engine.rule"},
        {"1.5", "1.5", "state-engine.rule"},
        {"true", "true", "state-engine.rule"},
        {"0", "state-engine.rule", "state-engine.rule"},
        {"false", "state-engine.rule", "state-engine.rule"},
        {"null", "state-engine.rule", "state-engine.rule"},
        {"[]", "state-engine.rule", "state-engine.rule"},
    };
    for (const auto& [type, now, before] : rows) {
        CAPTURE(type);
        for (const bool envelope : {false, true}) {
            CAPTURE(envelope);
            const std::string payload = R"({"type":)" + std::string(type) + R"(,"x":1})";
            const auto rules = compiled(R"([{"id":"r","when":true,"actions":[{"type":"publishEgress","payload":)" +
                                        payload + R"(,"envelope":)" + (envelope ? "true" : "false") + "}]}]");
            for (const bool old : {false, true}) {
                Scene scene;
                scene.firing.as_decider_2 = old;
                const Json action = scene.fire(*rules)[0].actions[0];
                CHECK(*action.find("header") == Json(old ? before : now));
                const Json& message = *action.find("payload");
                if (envelope) CHECK(*message.find("type") == Json(old ? before : now));
                // What is published is what was written.
                CHECK(*(envelope ? message.find("payload") : &message) == json_of(payload));
            }
        }
    }
    const auto rules = compiled(
        R"([{"id":"r","when":{},"then":[{"action":"publishEgress","args":{"payload":{"type":"{ key }"},
        "templates":true,"envelope":true}}]}])");
    Scene scene;
    CHECK(*scene.fire(*rules)[0].actions[0].find("header") == Json("obs.scene"));
    scene.firing.as_decider_2 = true;
    CHECK(*scene.fire(*rules)[0].actions[0].find("header") == Json("{ key }"));
}

TEST_CASE("annotations and candidates of an enveloped payload stand beside it") {
    const auto rules = compiled(R"([{"id":"r","when":true,"actions":[
        {"type":"publishEgress","envelope":true,"payload":{"type":"t","message":"m",
            "annotations":[{"id":"a"}],"candidates":[]}},
        {"type":"publishEgress","envelope":true,"payload":{"annotations":"none","x":1}},
        {"type":"publishEgress","payload":{"annotations":[1]}}]}])");
    Scene scene;
    const auto actions = scene.fire(*rules)[0].actions;
    const Json& event = *actions[0].find("payload");
    REQUIRE(event.find("annotations") != nullptr);
    CHECK(*event.find("annotations") == json_of(R"([{"id":"a"}])"));
    REQUIRE(event.find("candidates") != nullptr);
    CHECK(*event.find("candidates") == json_of("[]"));
    CHECK(*event.find("payload") == json_of(R"({"type":"t","message":"m"})"));
    // What is no list is none of the envelope's, and what has no envelope goes out as it stands.
    CHECK(*actions[1].find("payload")->find("payload") == json_of(R"({"annotations":"none","x":1})"));
    CHECK(actions[1].find("payload")->find("annotations") == nullptr);
    CHECK(*actions[2].find("payload") == json_of(R"({"annotations":[1]})"));

    scene.firing.as_decider_2 = true;
    const Json before = *scene.fire(*rules)[0].actions[0].find("payload");
    CHECK(before.find("annotations") == nullptr);
    CHECK(*before.find("payload")->find("annotations") == json_of(R"([{"id":"a"}])"));
}

TEST_CASE("an event names the correlation id of the message behind it, a mutation keeps it") {
    const auto rules = compiled(R"([{"id":"r","when":{"key":"obs.scene"},"then":[{"action":"obs.go"},
        {"action":"publishEgress","args":{"payload":{"x":1}}},
        {"action":"mutate","args":{"key":"k","value":1}}]}])");
    Scene scene;
    const auto told = [&](std::string_view cause) {
        scene.firing.cause = cause;
        const auto actions = scene.fire(*rules)[0].actions;
        const Json* const kept = actions[2].find("correlationId");
        CHECK(*actions[1].find("payload") == json_of(R"({"x":1})"));
        return actions[0].find("payload")->find("correlationId")->string() + " " +
               (kept == nullptr ? "-" : kept->string());
    };
    const char* const cause = R"({"type":"message","sequence":7,"correlationId":"c1"})";
    CHECK(told(cause) == "c1 c1");
    CHECK(told("") == "p1 -");
    CHECK(told(R"({"type":"message","sequence":7})") == "p1 -");
    CHECK(told(R"({"correlationId":7})") == "p1 -");
    scene.firing.as_decider_2 = true;
    CHECK(told(cause) == "p1 -");
}

TEST_CASE("only rules whose trigger can match are looked at") {
    const std::pair<const char*, std::vector<std::string>> rows[] = {
        {R"({"==":[{"var":"key"},"a"]})", {"a"}},
        {R"({"===":["a",{"var":["key"]}]})", {"a"}},
        {R"({"in":[{"var":"key"},["a","b"]]})", {"a", "b"}},
        {R"({"and":[{"==":[{"var":"value"},1]},{"==":[{"var":"key"},"a"]}]})", {"a"}},
        {R"({"or":[{"==":[{"var":"key"},"a"]},{"==":[{"var":"key"},"b"]}]})", {"a", "b"}},
        // An `and` may end before the key, and an empty list matches.
        {R"({"and":[{"var":"value"},{"==":[{"var":"key"},"a"]}]})", {}},
        {R"({"or":[{"==":[{"var":"key"},"a"]},{"var":"value"}]})", {}},
        {R"({"==":[{"var":"key"},1]})", {}},
        {R"({"!=":[{"var":"key"},"a"]})", {}},
        {R"({"in":["a",{"var":"key"}]})", {}},
        {"true", {}},
    };
    for (const auto& [when, keys] : rows) {
        INFO(when);
        CHECK(keys_required_by(json_of(when)) == keys);
    }
    const auto rules = compiled(R"([
        {"id":"exact","on":"a.b == 1","do":[{"action":"obs.go"}]},
        {"id":"prefix","when":{"key":"a.*"},"then":[{"action":"obs.go"}]},
        {"id":"always","when":true,"actions":[{"type":"obs.go"}]},
        {"id":"deletes","when":{"key":"a.b","op":"delete"},"then":[{"action":"obs.go"}]}])");
    const auto names = [&](std::string_view key, std::string_view op) {
        std::string found;
        for (const Rule* rule : rules->triggered_by(key, op)) found += rule->id + " ";
        return found;
    };
    CHECK(names("a.b", "set") == "exact prefix always ");
    CHECK(names("a.b", "delete") == "exact prefix always deletes ");
    CHECK(names("a.c", "set") == "prefix always ");
    CHECK(names("b", "set") == "always ");
}

TEST_CASE("what is wrong with a rule is named, with its place and what would be right") {
    struct Row {
        const char* list;
        const char* pointer;
        const char* text;
    };
    const Row rows[] = {
        {"{}", "", "rules must be a list"},
        {"[1]", "/0", "a rule must be a map"},
        {R"([{"when":true,"actions":[{"type":"obs.go"}]}])", "/0", "needs an id"},
        {R"([{"id":"a"}])", "/0", "exactly one of `actions`"},
        {R"([{"id":"a","when":{},"actions":[],"then":[]}])", "/0", "exactly one of `actions`"},
        {R"([{"id":"a","actions":[{"type":"obs.go"}]}])", "/0", "needs `when`"},
        {R"([{"id":"a","when":1,"actions":[]}])", "/0/actions", "a list of 1 to 64 actions"},
        {R"([{"id":"a","wen":1,"actions":[]}])", "/0/wen",
         "it has id, when, actions and description"},
        {R"([{"id":"a","when":1,"actions":[{"type":"nope"}]}])", "/0/actions/0",
         "publishEgress, mutate and <connector>.<what>, with a connector of twitch"},
        {R"([{"id":"a","when":1,"actions":[{"type":"irc.say"}]}])", "/0/actions/0",
         "irc.say is no action"},
        {R"([{"id":"a","when":1,"actions":[{"type":"publishEgress"}]}])", "/0/actions/0",
         "needs a payload"},
        {R"([{"id":"a","when":1,"actions":[{"type":"publishEgress","payload":{},"connector":"obs"}]}])",
         "/0/actions/0/connector", "add envelope: true"},
        {R"([{"id":"a","when":1,"actions":[{"type":"mutate","key":"k"}]}])", "/0/actions/0",
         "needs a value"},
        {R"([{"id":"a","when":1,"actions":[{"type":"mutate","key":"k","op":"put","value":1}]}])",
         "/0/actions/0/op", "put is no op"},
        {R"([{"id":"a","on":"k = 1","do":[{"action":"obs.go"}]}])", "/0/on", "at character 3"},
        {R"([{"id":"a","on":"k == 1","do":[{"action":"mutate","args":{"key":1}}]}])",
         "/0/do/0/args/key", "mutate needs a key"},
        {R"([{"id":"a","when":{"kee":"x"},"then":[{"action":"obs.go"}]}])", "/0/when/kee",
         "no kee"},
        {R"([{"id":"a","when":{"op":"put"},"then":[{"action":"obs.go"}]}])", "/0/when/op",
         "put is no op"},
        {R"([{"id":"a","when":{},"if":{"stat":{}},"then":[{"action":"obs.go"}]}])", "/0/if/stat",
         "nothing that a rule sees"},
        {R"([{"id":"a","when":{},"then":[{"action":"obs.go"}]},{"id":"a","when":{},"then":[{"action":"obs.go"}]}])",
         "/1/id", "a is there twice, first as rules[0]"},
    };
    for (const Row& row : rows) {
        INFO(row.list);
        const Error error = refused(row.list);
        CHECK(error.pointer == row.pointer);
        CHECK(error.text.find(row.text) != std::string::npos);
    }
}

TEST_CASE("rules that set each other off are refused at load, and the way round is told") {
    const auto writes = [](const char* id, const char* on, const char* key, const char* value) {
        return std::string(R"({"id":")") + id + R"(","on":")" + on +
               R"(","do":[{"action":"mutate","args":{"key":")" + key + R"(","value":)" + value +
               "}}]}";
    };
    const Error error = refused("[" + writes("first", "a == 1", "b", "\"{ value }\"") + "," +
                                writes("second", "b != 0", "c", "1") + "," +
                                writes("third", "c == 1", "a", "1") + "]");
    CHECK(error.text.starts_with(
        "these rules set each other off without end: first writes b -> second writes c -> "
        "third writes a -> first; "));
    CHECK(refused("[" + writes("self", "a != 0", "a", "1") + "]")
              .text.find("self writes a -> self") != std::string::npos);
    // What cannot match is no way round: the value that is written rules the next rule out.
    CHECK(RuleSet::compile(json_of("[" + writes("to_off", "a == 'on'", "a", "\"off\"") + "]")));
    CHECK(RuleSet::compile(json_of("[" + writes("first", "a == 1", "b", "2") + "," +
                                   writes("second", "b == 1", "a", "1") + "]")));
    // A key that data names may lead anywhere: that stops at a limit.
    CHECK(RuleSet::compile(json_of("[" + writes("data", "a == 1", "{ state.next }", "1") + "]")));
}

TEST_CASE("ten thousand rules in a row are loaded, one more is not") {
    std::string list = "[";
    for (std::size_t i = 0; i < kRulesMax; ++i)
        list += (i == 0 ? "" : ",") + std::string(R"({"id":"r)") + std::to_string(i) +
                R"(","when":{"key":"k)" + std::to_string(i) +
                R"("},"then":[{"action":"mutate","args":{"key":"k)" + std::to_string(i + 1) +
                R"(","value":1}}]})";
    const auto rules = compiled(list + "]");
    CHECK(rules->triggered_by("k7", "set").size() == 1);
    CHECK(rules->edges().size() == kRulesMax - 1);
    CHECK(refused(list + R"(,{"id":"more","when":{},"then":[{"action":"obs.go"}]}])").text ==
          "there are 10001 rules, at most 10000 are taken");
}

TEST_CASE("rules in a policy file keep what YAML 1.2 says, and errors tell line and rule") {
    const auto config = parse_config(R"(allowedKeys: [a]
rules:
  - id: plain
    when: { and: [ { "==": [ { var: key }, a ] }, { "==": [ { var: value }, on ] } ] }
    actions: [ { type: publishEgress, payload: { is: on, seven: 017, eight: 0o10, time: 12:30, no: no, t: true } } ]
)",
                                     "p.yaml");
    REQUIRE_MESSAGE(config, config.error().text);
    Scene scene;
    scene.change.key = "a";
    scene.change.value = "\"on\"";
    const auto fired = scene.fire(*config->policy.rules);
    REQUIRE(fired.size() == 1);
    CHECK(*fired[0].actions[0].find("payload") ==
          json_of(R"({"is":"on","seven":17,"eight":8,"time":"12:30","no":"no","t":true})"));

    const auto bad = parse_config(
        "rules:\n  - id: one\n    when: true\n    actions:\n      - type: obs.go\n"
        "        argz: {}\n",
        "p.yaml");
    REQUIRE_FALSE(bad);
    CHECK(
        bad.error().text ==
        "p.yaml: line 6: rules[0] (one)/actions/0/argz: argz is no member of obs.go; it has args");
    CHECK(bad.error().pointer == "/rules/0/actions/0/argz");
    const auto none = parse_config("rules: []\n", "p.yaml");
    REQUIRE(none);
    CHECK(none->policy.rules->empty());
    CHECK(none->has_policy);
}
