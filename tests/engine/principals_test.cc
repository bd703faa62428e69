#include "engine/policy/principals.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "engine/policy/config.h"
#include "tests/engine/team_world.h"

using namespace se;
using namespace se::test;

// --- patterns

TEST_CASE("a pattern is a name, or with a star at its end a beginning") {
    const Patterns some = patterns({"stream.state", "user.*", "user.fact.*", "user.name", "a*"});
    for (const char* yes : {"stream.state", "user.", "user.x", "user.fact.y", "a", "ab"})
        CHECK_MESSAGE(some.matches(yes), yes);
    for (const char* no : {"", "stream.stat", "stream.state.x", "user", "users", "b", "A"})
        CHECK_MESSAGE(!some.matches(no), no);
    CHECK(some.texts().size() == 5);

    CHECK(!Patterns().matches(""));
    CHECK(!patterns({}).matches("a"));
    CHECK(patterns({"x", "*"}).matches_all());
    CHECK(patterns({"*"}) == Patterns::everything());
    CHECK(Patterns::everything().matches(""));
    for (const char* wrong : {"", "a*b", "*a", "**"}) CHECK_FALSE(Patterns::from({wrong}));
}

TEST_CASE("patterns match, and split the names, as going through them one by one does") {
    std::mt19937 chance(7);
    const auto word = [&](std::size_t longest) {
        std::string text;
        for (std::size_t n = chance() % (longest + 1); n > 0; --n) text += "ab."[chance() % 3];
        return text;
    };
    std::vector<std::string> names{""};
    for (std::size_t i = 0; names.size() < 364; ++i)  // all of up to five letters
        for (const char c : {'.', 'a', 'b'}) names.push_back(names[i] + c);
    std::ranges::sort(names);

    for (int round = 0; round < 400; ++round) {
        std::vector<std::string> texts;
        for (std::size_t n = chance() % 6; n > 0; --n) {
            std::string text = word(3);
            if (text.empty() || chance() % 2 == 0) text += '*';
            texts.push_back(std::move(text));
        }
        const auto slowly = [&](std::string_view name) {
            return std::ranges::any_of(texts, [&](std::string_view text) {
                if (!text.ends_with('*')) return text == name;
                return name.starts_with(text.substr(0, text.size() - 1));
            });
        };
        const Patterns quick = patterns(texts);
        const std::string prefix = word(3);
        std::vector<std::string> expected, found;
        for (const std::string& name : names) {
            REQUIRE(quick.matches(name) == slowly(name));
            if (slowly(name) && name.starts_with(prefix)) expected.push_back(name);
        }
        for (const Patterns::Range& range : quick.within(prefix))
            for (const std::string& name : names)
                if (range.alone ? name == range.text : name.starts_with(range.text))
                    found.push_back(name);
        REQUIRE(found == expected);  // in order, and none twice
    }
}

// --- settings

TEST_CASE("a principal without lists may read and write everything, and has no scope") {
    const auto read = entries("[" + entry("obs-mcp", "") + "]");
    const Principal& principal = *read.at(0).principal;
    CHECK(principal.actor == "obs-mcp");
    CHECK(principal.may_read("anything"));
    CHECK(principal.may_write("anything"));
    CHECK(!principal.has_scope("metrics"));
    CHECK(!principal.may_speak_for("anybody"));
    CHECK(read.at(0).token == sha256("pcm-sbo"));

    const auto narrowed =
        entries("[" + entry("n", R"(,"read":[],"write":["a"],"scopes":["bit:read"])") + "]");
    CHECK(!narrowed.at(0).principal->may_read("a"));
    CHECK(narrowed.at(0).principal->may_write("a"));
    CHECK(narrowed.at(0).principal->has_scope("bit:read"));
}

TEST_CASE("a mistake in the list of principals is named with its place and the way out") {
    const std::vector<std::pair<std::string, std::string>> rows = {
        {R"({})", "must be a list"},
        {R"(["x"])", "[0] must be a map"},
        {R"([{}])", "[0].name is missing"},
        {R"([{"name":7}])", "[0].name must be a text"},
        {R"([{"name":"local:root"}])", "'local:' and 'system:'"},
        {R"([{"name":"nats"}])", "[0].name: 'nats' owns the ids"},
        {R"([{"name":"firestore"}])", "[0].name: 'firestore' owns the ids"},
        {R"([{"name":"a","raed":[]}])", "[0].raed is not known; the nearest is read"},
        {R"([{"name":"a","token":"x"}])", "[0].token is not known"},
        {R"([{"name":"a","token_sha256":"s3cret"}])", "64 digits of lower-case hex"},
        {R"([{"name":"a","read":"x"}])", "[0].read must be a list"},
        {R"([{"name":"a","read":[1]}])", "[0].read[0] must be a text"},
        {R"([{"name":"a","write":["x*y"]}])", "[0].write: 'x*y'"},
        {R"([{"name":"a","scopes":["Bit Read"]}])", "'Bit Read' is no scope"},
        {"[" + entry("a", "") + "," + entry("a", "") + "]", "[1].name: there is a principal 'a'"},
        {"[" + entry("a", "") + R"(,{"name":"b","token_sha256":")" + hash_of("a") + "\"}]",
         "[1].token_sha256 is that of 'a' too"},
    };
    for (const auto& [list, text] : rows) {
        CAPTURE(list);
        const std::string said = error_of(list);
        CHECK_MESSAGE(said.find(text) != std::string::npos, said);
        CHECK(said.find("s3cret") == std::string::npos);  // it may be the token itself
    }
}

TEST_CASE("the file says where a principal is wrong, and shows none of the hashes") {
    const auto wrong = parse_config(
        "auth:\n  principals:\n    - name: a\n    - name: b\n      raed: []\n", "engine.yaml");
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().text ==
          "engine.yaml: line 5: auth.principals[1].raed is not known; the nearest is read");

    const auto config =
        parse_config("auth:\n  principals:\n    - name: a\n      token_sha256: " + hash_of("t") +
                         "\n      read: [\"user.*\"]\n",
                     "engine.yaml");
    REQUIRE_MESSAGE(config, config.error().text);
    const std::string shown = to_text(redacted(*config));
    CHECK(shown.find(hash_of("t")) == std::string::npos);
    CHECK(shown.find(R"("name":"a","read":["user.*"])") != std::string::npos);
    CHECK(!config->settings.auth.lets_anybody_in());
}

TEST_CASE("principals must fit each other and auth.token") {
    const auto make = [](const std::string& list, const std::string& token = "") {
        return Principals::make({.token = token,
                                 .default_actor = "local",
                                 .default_speaks_for = {},
                                 .default_scopes = {"metrics"},
                                 .entries = entries(list)});
    };
    const auto no_token = make(R"([{"name":"a"}])");
    REQUIRE_FALSE(no_token);
    CHECK(no_token.error().text.find("'a' has no token_sha256") != std::string::npos);
    CHECK_FALSE(make(R"([{"name":"llm-bot"}])"));
    CHECK_FALSE(make("[" + entry("ab", "") + "]", "ba"));  // auth.token is ab's

    const auto bus = Principals::make({.token = "",
                                       .default_actor = "nats",
                                       .default_speaks_for = {},
                                       .default_scopes = {},
                                       .entries = {}});
    REQUIRE_FALSE(bus);
    CHECK(bus.error().text.starts_with("auth.default_actor: 'nats' owns the ids"));

    // The principal behind MCP_AUTH_TOKEN may be described, and may have a second token.
    auto bot = make(R"([{"name":"llm-bot","read":["user.*"]}])", "t");
    REQUIRE(bot);
    CHECK(!bot->find("t")->may_read("stream.state"));
    bot = make("[" + entry("llm-bot", "") + "]", "t");
    REQUIRE(bot);
    CHECK(bot->find("t") == bot->find("tob-mll"));
    CHECK(bot->all().size() == 1);
    bot = make("[]", "t");
    REQUIRE(bot);
    CHECK(bot->find("t")->name == "llm-bot");
    CHECK(bot->find("t")->has_scope("metrics"));
    CHECK(bot->find("") == nullptr);
    CHECK(bot->find("T") == nullptr);
    CHECK(!bot->open());
    CHECK(make("[]")->open());
}
