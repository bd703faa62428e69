// Rules at the command line: eval, test, graph, and what dry runs tell of them.

#include <doctest/doctest.h>

#include "journal/base/json.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/json_of.h"
#include "tests/places.h"
#include "tests/statectl/programs.h"

namespace {

using namespace se;
using se::test::json_of;

constexpr const char* kPolicy = R"(allowedKeys: ["*"]
rules:
  - id: go_live
    on: "stream.state == 'on'"
    do:
      - { action: obs.setScene, args: { name: Live } }
      - { action: mutate, args: { key: scene.last, value: "{ state.obs.scene }" } }
  - id: onward
    when: { key: scene.last }
    then: [ { action: mutate, args: { key: "seen.{ value }", op: increment, value: 1 } } ]
)";

}  // namespace

TEST_CASE("rules eval shows results, errors and what JSON lacks; a batch answers line by line") {
    const std::string statectl = program("statectl");
    const auto eval = [&](const Words& words, const std::string& input = {}) {
        Words all = {statectl, "rules", "eval"};
        all.insert(all.end(), words.begin(), words.end());
        return run(all, input);
    };
    CHECK(eval({R"({"==":[{"var":"key"},"a"]})", R"({"key":"a"})"}).out == "{\"result\":true}\n");
    CHECK(eval({R"({"and":[]})"}).out == "{\"result\":{\"$js\":\"undefined\"}}\n");
    CHECK(eval({R"({"/":[-1,0]})", "{}"}).out == "{\"result\":{\"$js\":\"-Infinity\"}}\n");
    const Ran failed = eval({R"({"and":[true,{"not":[1]}]})", "{}"});
    CHECK(failed.exit == 1);
    CHECK(failed.out == "{\"error\":\"Unrecognized operation not\"}\n");
    CHECK(failed.err.find("the rule failed at /and/1") != std::string::npos);
    const Ran batch =
        eval({"--batch"},
             "{\"rule\":{\"+\":[1,\"2\"]}}\n{\"rule\":{\"var\":\"a\"},\"data\":{\"a\":[]}}\n"
             "nonsense\n{\"rule\":{\"nope\":1},\"data\":null}\n");
    CHECK(batch.exit == 0);
    const auto lines = lines_of(batch.out);
    REQUIRE(lines.size() == 4);
    CHECK(lines[0] == R"({"result":3})");
    CHECK(lines[1] == R"({"result":[]})");
    CHECK(lines[2].starts_with(R"({"error":)"));
    CHECK(lines[3] == R"({"error":"Unrecognized operation nope"})");
    CHECK(eval({"{", "{}"}).exit == 64);
    CHECK(eval({}).exit == 64);
}

TEST_CASE("rules test runs cases, and says of a failed one what followed and what must") {
    const TemporaryDirectory folder;
    spill(folder.path() + "/policy.yaml", kPolicy);
    spill(folder.path() + "/cases.yaml", R"(policy: policy.yaml
cases:
  - name: going live
    given: { obs.scene: BRB }
    when: { key: stream.state, value: on }
    then:
      fired: [go_live, onward]
      egress: [ { type: obs.setScene, payload: { payload: { args: { name: Live } }, egress: { connector: obs } } } ]
      derived:
        - { key: scene.last, value: BRB, status: accepted }
        - { key: seen.BRB, depth: 2 }
  - { name: off does nothing, when: { key: stream.state, value: off } }
  - { name: no such op, when: { op: put, key: a, value: 1 }, then: { rejection: malformed } }
  - { name: on the wrong version, when: { key: a, value: 1, expectedVersion: 3 }, then: { rejection: version_conflict } }
)");
    const std::string statectl = program("statectl");
    const Ran good = run({statectl, "rules", "test", folder.path() + "/cases.yaml", "-o", "jsonl"});
    CHECK_MESSAGE(good.exit == 0, good.out << good.err);
    CHECK(count_lines(good.out, R"("ok":true)") == 4);

    spill(folder.path() + "/bad.yaml", R"(cases:
  - { name: expects silence, when: { key: stream.state, value: on } }
  - { name: expects a no, when: { key: x, value: 1 }, then: { rejection: key_not_allowed } }
)");
    const Ran bad = run({statectl, "rules", "test", folder.path() + "/bad.yaml", "--policy",
                         folder.path() + "/policy.yaml", "-o", "jsonl"});
    CHECK(bad.exit == 4);
    CHECK(count_lines(bad.out, R"("ok":false)") == 2);
    CHECK(bad.out.find("and must be rejected: key_not_allowed") != std::string::npos);
    CHECK(bad.err.find("2 of 2 cases failed") != std::string::npos);

    spill(folder.path() + "/wrong.yaml", "cases:\n  - { wen: 1 }\n");
    const Ran wrong = run({statectl, "rules", "test", folder.path() + "/wrong.yaml", "--policy",
                           folder.path() + "/policy.yaml"});
    CHECK(wrong.exit == 1);
    CHECK(wrong.err.find("line 2: wen is no member of a case") != std::string::npos);
}

TEST_CASE("rules: the policy and the cases of the manual hold, and so do those of the help") {
    const std::string manual = slurp(test::source_dir() + "/docs/rules.md");
    std::vector<std::string> blocks;
    for (std::size_t at = 0; (at = manual.find("```yaml\n", at)) != manual.npos;) {
        at += 8;
        blocks.push_back(manual.substr(at, manual.find("```", at) - at));
    }
    REQUIRE(blocks.size() == 2);
    const TemporaryDirectory folder;
    const std::string cases = folder.path() + "/cases.yaml";
    spill(folder.path() + "/policy.yaml", blocks[0]);
    spill(cases, blocks[1]);
    const std::string statectl = program("statectl");
    const Ran documented = run({statectl, "rules", "test", cases});
    CHECK_MESSAGE(documented.exit == 0, documented.out << documented.err);

    const std::string help = run({statectl, "rules", "test", "--help"}).out;
    const std::size_t begin = help.find("The file:\n") + 10, end = help.find("Of what is named");
    REQUIRE(end != help.npos);
    std::string shown;
    for (const std::string& line : lines_of(help.substr(begin, end - begin))) shown += line.substr(2) + "\n";
    spill(cases, shown);
    const Ran helped = run({statectl, "rules", "test", cases});
    CHECK_MESSAGE(helped.exit == 0, helped.out << helped.err);
}

TEST_CASE(
    "rules graph draws keys, rules and actions, and names the ways round that data could make") {
    const TemporaryDirectory folder;
    spill(folder.path() + "/policy.yaml", kPolicy);
    const std::string statectl = program("statectl");
    const Ran mermaid = run({statectl, "rules", "graph", folder.path() + "/policy.yaml"});
    CHECK(mermaid.exit == 0);
    CHECK(mermaid.out == R"(flowchart LR
    k0["stream.state"]
    k1["scene.last"]
    k2["seen.*"]
    r0(["go_live"])
    r1(["onward"])
    o0[/"obs.setScene"/]
    k0 --> r0
    r0 --> o0
    r0 --> k1
    k1 --> r1
    r1 -.-> k2
)");
    CHECK(mermaid.err.empty());
    const Ran dot =
        run({statectl, "rules", "graph", folder.path() + "/policy.yaml", "--format", "dot"});
    CHECK(dot.out.starts_with("digraph rules {"));
    CHECK(dot.out.find("r1 -> k2 [style=dashed];") != std::string::npos);

    spill(folder.path() + "/ring.yaml", R"(rules:
  - { id: a, when: { key: "x.*" }, then: [ { action: mutate, args: { key: "y.{ value }", value: 1 } } ] }
  - { id: b, when: { key: "y.*" }, then: [ { action: mutate, args: { key: "x.{ value }", value: 1 } } ] }
)");
    const Ran ring = run({statectl, "rules", "graph", folder.path() + "/ring.yaml"});
    CHECK(ring.exit == 0);
    CHECK(ring.err.find("if data leads them: a -> b -> a") != std::string::npos);

    spill(folder.path() + "/loop.yaml",
          "rules:\n  - { id: a, on: \"x != 0\", do: [ { action: mutate, args: { key: x, value: 1 } "
          "} ] }\n");
    const Ran loop = run({statectl, "rules", "graph", folder.path() + "/loop.yaml"});
    CHECK(loop.exit == 1);
    CHECK(loop.err.find("without end: a writes x -> a") != std::string::npos);
}

TEST_CASE("a dry run tells what would fire and follow, alike from the files and from a daemon") {
    const TemporaryDirectory folder;
    spill(folder.path() + "/policy.yaml", kPolicy);
    const Tool statectl{folder.path() + "/store", {"--config", folder.path() + "/policy.yaml"}};
    statectl.must({"set", "obs.scene", "\"BRB\""});
    const Words would = {"set", "stream.state", "\"on\"", "--dry-run", "-o", "json"};
    const Json embedded = json_of(statectl.must(would));
    CHECK(embedded.find("fired")->array().size() == 1);
    const Json& derived = *embedded.find("derived");
    REQUIRE(derived.array().size() == 2);
    CHECK(*derived.array()[0].find("proposal")->find("value") == Json("BRB"));

    const Tool plain{folder.path() + "/store"};
    Daemon daemon(folder.path() + "/store", {"--config", folder.path() + "/policy.yaml"});
    const Json told = json_of(plain.must(would));
    CHECK(*told.find("derived") == derived);
    plain.must({"set", "stream.state", "\"on\""});
    CHECK(plain.must({"get", "scene.last", "-o", "jsonl"}).find(R"("value":"BRB")") !=
          std::string::npos);
    CHECK(plain.must({"get", "seen.BRB", "-o", "jsonl"}).find(R"("updatedBy":"rule:onward")") !=
          std::string::npos);
    daemon.stop();
}

TEST_CASE("a replay decides everything again, and tells what another policy would have done") {
    const TemporaryDirectory folder;
    spill(folder.path() + "/policy.yaml", kPolicy);
    const Tool statectl{folder.path() + "/store", {"--config", folder.path() + "/policy.yaml"}};
    statectl.must({"set", "obs.scene", "\"BRB\""});
    statectl.must({"set", "stream.state", "\"on\""});
    statectl({"set", "stream.state", "\"off\"", "--expected-version", "9"});
    const Tool plain{folder.path() + "/store"};
    const Json clean = json_of(plain.must({"journal", "replay", "--verify", "-o", "jsonl"}));
    CHECK(clean.find("derived")->integer() == 2);
    CHECK(clean.find("pending")->integer() == 0);
    CHECK(clean.find("differences")->array().empty());

    spill(folder.path() + "/other.yaml", "allowedKeys: [stream.state]\nrules: []\n");
    const Ran other = plain({"journal", "replay", "--verify", "--policy",
                             folder.path() + "/other.yaml", "-o", "jsonl"});
    CHECK(other.exit == 4);
    const Json told = json_of(other.out);
    const Json::Array& differences = told.find("differences")->array();
    REQUIRE(differences.size() == 2);
    CHECK(*differences[0].find("recomputed") ==
          json_of(R"({"decision":"rejected","code":"key_not_allowed"})"));
    CHECK(*differences[1].find("recomputed") == json_of(R"({"decision":"accepted"})"));
    CHECK(plain({"journal", "replay", "--policy", "x"}).exit == 64);
    CHECK(plain({"journal", "replay", "--verify", "--to-seq", "3"}).exit == 64);
}
