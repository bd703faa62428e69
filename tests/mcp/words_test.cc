// How tools show what they have to say.

#include "mcp/tools/words.h"

#include <doctest/doctest.h>

#include "tests/firestore/random_json.h"

namespace se::mcp {

TEST_CASE("a text is laid out as for people, and its block is that text in a string") {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        CAPTURE(seed);
        SimRandom random(seed);
        const Json json = random_json(random, 6);
        const std::string compact = se::to_text(json);
        CAPTURE(compact);
        REQUIRE(indented(compact) == to_pretty_text(json));
        REQUIRE(indented_block(compact) == text_block(indented(compact)));
    }
}

TEST_CASE("strings with all that needs an escape are the same after both of them") {
    for (const std::string_view text : {R"("")", R"("\"")", R"("\\")", R"("a\\\"b\u0001\n{[,:]}")",
                                        R"({"\"{,":"}\\","[]":["{}",",",":"]})", R"([[],{},[{}],"\/\u00e9"])"}) {
        CAPTURE(text);
        CHECK(indented_block(text) == text_block(indented(text)));
    }
}

TEST_CASE("a damaged text is laid out somehow: what LMDB holds has no checksum") {
    CHECK(indented("]}") == "\n]\n}");
    CHECK(indented("{") == "{\n  ");
    CHECK(indented(R"(["a\)") == "[\n  \"a\\");
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        CAPTURE(seed);
        SimRandom random(seed);
        std::string damaged = se::to_text(random_json(random, 6));
        if (random.chance(50)) damaged.resize(random.below(damaged.size()));
        constexpr std::string_view kBytes = "{}[]\",:\\ \n\xFF";
        if (!damaged.empty()) damaged[random.below(damaged.size())] = kBytes[random.below(kBytes.size())];
        CAPTURE(damaged);
        CHECK_NOTHROW(static_cast<void>(indented(damaged)));
        CHECK_NOTHROW(static_cast<void>(indented_block(damaged)));
    }
}

TEST_CASE("what is told as an object is told as text, too") {
    const ToolOutcome outcome = object_outcome(ToolOutcome::Kind::refused, R"({"a":["x"]})");
    CHECK(outcome.kind == ToolOutcome::Kind::refused);
    REQUIRE(outcome.content_json.size() == 1);
    CHECK(outcome.content_json.front() == R"({"type":"text","text":"{\n  \"a\": [\n    \"x\"\n  ]\n}"})");
    CHECK(outcome.structured_json == R"({"a":["x"]})");
}

}  // namespace se::mcp
