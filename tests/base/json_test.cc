#include "journal/base/json.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/sim/sim_random.h"

using namespace se;

namespace {

std::string canonical(std::string_view text) {
    const auto json = parse_json(text);
    REQUIRE_MESSAGE(json, "refused: ", text);
    return to_text(*json);
}

/// A JSON text with all sorts of things in it, written in a way that is not canonical.
std::string random_text(SimRandom& random, int depth) {
    const auto blank = [&] { return std::string(random.below(3), random.chance(50) ? ' ' : '\n'); };
    static const std::vector<std::string> kScalars = {"null",
                                                      "true",
                                                      "false",
                                                      "0",
                                                      "-0",
                                                      "-0.0",
                                                      "1.50",
                                                      "1E2",
                                                      "1e20",
                                                      "1e-7",
                                                      "2.5e-300",
                                                      "9223372036854775807",
                                                      "1e400x",
                                                      "\"\"",
                                                      "\"a\\/b\"",
                                                      "\"\\u00e9\"",
                                                      "\"\\u0000\"",
                                                      "\"\\ud83d\\ude00\"",
                                                      "\"\xC3\xA9\"",
                                                      "\"\\\"\\\\\"",
                                                      "\"\\t\\u001f\"",
                                                      "-9223372036854775808",
                                                      "1e18",
                                                      "4e18"};
    const std::uint64_t kind = depth == 0 ? 0 : random.below(3);
    if (kind == 0) {
        const std::string& scalar = kScalars[random.below(kScalars.size())];
        return scalar == "1e400x" ? std::to_string(static_cast<std::int64_t>(random.next()))
                                  : scalar;
    }
    std::string text(kind == 1 ? "[" : "{");
    const std::uint64_t count = random.below(5);
    for (std::uint64_t i = 0; i < count; ++i) {
        if (i > 0) text += blank() + ",";
        // Names are unique by their number, and in no order.
        if (kind == 2)
            text += blank() + "\"" + std::to_string(random.below(100)) + "." + std::to_string(i) +
                    "\"" + blank() + ":";
        text += blank() + random_text(random, depth - 1);
    }
    return text + blank() + (kind == 1 ? "]" : "}");
}

TEST_CASE("the bound of a string's bytes is exact without escapes and never too low") {
    for (const std::string& text : {std::string(), std::string("plain"), std::string(100, 'x'),
                                    std::string("a\"b"), std::string(9, '\x01'),
                                    std::string("\t\\ and more of it behind")}) {
        std::string out;
        append_json_string(out, text);
        if (out.size() == text.size() + 2) {
            CHECK(json_string_bytes_max(text) == out.size());
        } else {
            CHECK(json_string_bytes_max(text) >= out.size());
        }
    }
}

}  // namespace

TEST_CASE("the canonical text has one form for each value") {
    struct Row {
        std::string_view text;
        std::string_view canonical;
    };
    const Row rows[] = {
        {" null ", "null"},
        {"[ true , false ]", "[true,false]"},
        {"{}", "{}"},
        {"[]", "[]"},
        {R"({"b":1,"a":{"d":[],"c":{}}})", R"({"a":{"c":{},"d":[]},"b":1})"},
        {R"({"B":1,"a":2,"":3,"aa":4,"é":5})", R"({"":3,"B":1,"a":2,"aa":4,"é":5})"},
        // By bytes of UTF-8, not by UTF-16 units: U+FF5E comes before U+1F600.
        {R"({"😀":1,"～":2})", R"({"～":2,"😀":1})"},
        {R"("\u0041\u00e9\u20ac\ud83d\ude00")", R"("Aé€😀")"},
        {R"("\/\"\\\b\f\n\r\t")", R"("/\"\\\b\f\n\r\t")"},
        {R"("\u0000\u0001\u000b\u001f\u007f")", "\"\\u0000\\u0001\\u000b\\u001f\x7f\""},
        {"\t[1,\r\n2]", "[1,2]"},
    };
    for (const Row& row : rows) {
        CHECK(canonical(row.text) == row.canonical);
        CHECK(canonical(row.canonical) == row.canonical);
    }
}

TEST_CASE("what is no JSON, or not ours to keep, is malformed and says where it can") {
    struct Row {
        std::string_view text;
        std::string_view pointer;
    };
    using namespace std::string_view_literals;
    const Row rows[] = {
        {"", ""},
        {" ", ""},
        {"nul", ""},
        {"truex", ""},
        {"[1,]", ""},
        {"[1 2]", ""},
        {R"({"a":1,})", ""},
        {R"({"a"})", ""},
        {R"({a:1})", ""},
        {"{'a':1}", ""},
        {"[1", ""},
        {"1]", ""},
        {"1 2", ""},
        {"{} x", ""},
        {"{}\0"sv, ""},
        {"// no\n1", ""},
        {"\xEF\xBB\xBF{}", ""},  // a byte order mark
        {"NaN", ""},
        {"-Infinity", ""},
        // Numbers
        {"01", ""},
        {"+1", ""},
        {".5", ""},
        {"1.", ""},
        {"1e", ""},
        {"0x10", ""},
        {"1e400", ""},
        {"-1e400", ""},
        {"9223372036854775808", ""},
        {R"({"a":[0,9223372036854775808]})", "/a/1"},
        {R"({"a/b":{"c~d":[[18446744073709551615]]}})", "/a~1b/c~0d/0/0"},
        {"18446744073709551616", ""},
        {"-9223372036854775809", ""},
        // Strings
        {"\"a", ""},
        {"\"\t\"", ""},
        {"\"\0\"", ""},
        {R"("\x")", ""},
        {R"("\u12")", ""},
        {R"("\ud800")", ""},
        {R"("\ud800x")", ""},
        {R"("\ud800\u0041")", ""},
        {R"("\ud800\ue000")", ""},
        {R"("\ud800\ud800")", ""},
        {R"("\udc00")", ""},
        {"\"\xFF\"", ""},
        {"\"\xC0\xAF\"", ""},          // overlong
        {"\"\xED\xA0\x80\"", ""},      // a surrogate
        {"\"\xF4\x90\x80\x80\"", ""},  // beyond U+10FFFF
        {"\"\xE2\x82\"", ""},          // cut short
        // Members
        {R"({"a":1,"a":1})", "/a"},
        {R"({"b":{"a":1,"c":2,"a":3}})", "/b/a"},
        {R"([0,{"a":1,"\u0061":2}])", "/1/a"},
        {R"({"x":[{"":1,"":2}]})", "/x/0/"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto json = parse_json(row.text);
        REQUIRE(!json);
        CHECK(json.error().code == Errc::malformed);
        CHECK(json.error().pointer == row.pointer);
    }
}

TEST_CASE("depth has a limit") {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    CHECK(parse_json(nested(kJsonDepthMax)));
    const auto too_deep = parse_json(nested(kJsonDepthMax + 1));
    REQUIRE(!too_deep);
    CHECK(too_deep.error().code == Errc::malformed);

    CHECK(parse_json("7", 0));
    CHECK(!parse_json("[]", 0));
    CHECK(parse_json(R"({"a":[1]})", 2));
    const auto inner = parse_json(R"({"a":[{}]})", 2);
    REQUIRE(!inner);
    CHECK(inner.error().pointer == "/a/0");
    CHECK(parse_json(nested(1000), 5000));
    CHECK(!parse_json(nested(1001), 5000));
    CHECK(!parse_json(nested(1'000'000), 5'000'000));  // and the stack holds
}

TEST_CASE("a canonical text reads back as the same value") {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        CAPTURE(seed);
        SimRandom random(seed);
        const std::string text = random_text(random, 5);
        const auto json = parse_json(text);
        REQUIRE_MESSAGE(json, text);
        const std::string once = to_text(*json);
        const auto again = parse_json(once);
        REQUIRE_MESSAGE(again, once);
        REQUIRE(to_text(*again) == once);
        REQUIRE(*again == *json);
        REQUIRE(*parse_json(to_pretty_text(*json)) == *json);
    }
}

TEST_CASE("every changed byte of a text is malformed, or a value like any other") {
    const std::string good = R"({"a":[1,-2.5e3,"x\u00e9\n"],"b":{"c":null,"d":true}})";
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (int byte = 0; byte < 256; ++byte) {
            std::string text = good;
            text[at] = static_cast<char>(byte);
            const auto json = parse_json(text);
            if (!json) continue;
            const std::string once = to_text(*json);
            const auto again = parse_json(once);
            REQUIRE_MESSAGE(again, once);
            REQUIRE(*again == *json);
        }
        REQUIRE(!parse_json(good.substr(0, at)));
    }
}

TEST_CASE("values are equal exactly when their canonical texts are") {
    const std::string_view texts[] = {"0",
                                      "-0.0",
                                      "false",
                                      "null",
                                      "\"0\"",
                                      "[0]",
                                      "[]",
                                      "{}",
                                      "1",
                                      "1.0",
                                      "10e-1",
                                      "1.5",
                                      "1e20",
                                      "1e21",
                                      "\"\"",
                                      "1e18",
                                      "1000000000000000000"};
    for (const std::string_view a : texts) {
        for (const std::string_view b : texts) {
            CAPTURE(a);
            CAPTURE(b);
            CHECK((*parse_json(a) == *parse_json(b)) == (canonical(a) == canonical(b)));
        }
    }
}

TEST_CASE("members are found, set and erased, and stay in order") {
    Json json(Json::Object{{"b", 2}, {"a", "one"}});
    CHECK(to_text(json) == R"({"a":"one","b":2})");
    REQUIRE(json.find("b") != nullptr);
    CHECK(json.find("b")->integer() == 2);
    CHECK(json.find("c") == nullptr);
    CHECK(Json(1).find("a") == nullptr);

    json.set("ab", true);
    json.set("b", nullptr);
    CHECK(to_text(json) == R"({"a":"one","ab":true,"b":null})");
    json.erase("a");
    json.erase("absent");
    CHECK(to_text(json) == R"({"ab":true,"b":null})");
}

TEST_CASE("the pretty text is for people") {
    CHECK(to_pretty_text(*parse_json(R"({"b":[1,{"c":"x"}],"a":{},"d":[]})")) == R"({
  "a": {},
  "b": [
    1,
    {
      "c": "x"
    }
  ],
  "d": []
})");
}

TEST_CASE("a string is escaped and unescaped without loss, wherever the special byte is") {
    for (std::size_t size = 1; size < 20; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (int byte = 0; byte < 128; ++byte) {
                std::string text(size, 'x');
                text[at] = static_cast<char>(byte);
                std::string quoted;
                append_json_string(quoted, text);
                REQUIRE(unescape_json_string(quoted) == text);
                const bool special = byte < 0x20 || byte == '"' || byte == '\\';
                REQUIRE((quoted.size() > size + 2) == special);
            }
        }
    }
}

TEST_CASE("each byte has its escape, whatever stands around it") {
    // One byte after the other, as RFC 8259 and the table in the header have it.
    const auto slowly = [](std::string_view text) {
        constexpr std::string_view kHex = "0123456789abcdef";
        constexpr std::string_view kShort = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
        std::string out;
        for (const char c : text) {
            if (const std::size_t at = kShort.find(c); at != kShort.npos) {
                out += '\\';
                out += kLetters[at];
            } else if (static_cast<unsigned char>(c) < 0x20) {
                out += "\\u00";
                out += kHex[static_cast<std::size_t>(c >> 4)];
                out += kHex[static_cast<std::size_t>(c & 15)];
            } else {
                out += c;
            }
        }
        return out;
    };
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        CAPTURE(seed);
        SimRandom random(seed);
        constexpr std::string_view kOdd = "\"\\/\b\f\n\r\t\v\x01\x1f\x7f\xC3\xA9";
        const std::uint64_t odd = random.below(101);  // percent of the bytes
        std::string text;
        for (std::uint64_t size = random.below(60); text.size() < size;)
            text += random.chance(odd) ? kOdd[random.below(kOdd.size())] : 'x';
        std::string inside = "before", quoted = "before";
        append_escaped(inside, text);
        append_json_string(quoted, text);
        REQUIRE(inside == "before" + slowly(text));
        REQUIRE(quoted == "before\"" + slowly(text) + '"');
        REQUIRE(json_string_end(quoted + "\"more\"", 6) == quoted.size());
    }
}

TEST_CASE("a string without an end ends with its text, wherever that breaks off") {
    const std::string whole = R"("a\"b\\c and more than eight bytes\u0001 \n")";
    for (std::size_t size = 1; size <= whole.size(); ++size) {
        CAPTURE(size);
        REQUIRE(json_string_end(std::string_view(whole).substr(0, size), 0) == size);
    }
}

TEST_CASE("an object is written member by member, in the order called") {
    std::string out;
    JsonObject object(out);
    object.text("z", "a\"b").integer("version", 18446744073709551615u).signed_integer("s", -3);
    object.number("n", 0.5).boolean("yes", true).null("nothing").raw("raw", "[1]");
    append_json(object.member("own"), Json("x"));
    object.close();
    CHECK(out ==
          R"({"z":"a\"b","version":18446744073709551615,"s":-3,"n":0.5,"yes":true,"nothing":null,)"
          R"("raw":[1],"own":"x"})");

    std::string empty;
    JsonObject(empty).close();
    CHECK(empty == "{}");
}

TEST_CASE("a huge text is read like a small one, and small ones after it") {
    std::string text = "[";
    for (int i = 0; i < 600'000; ++i) text += "12345,";
    text.back() = ']';
    const auto json = parse_json(text);
    REQUIRE(json);
    CHECK(json->array().size() == 600'000);
    CHECK(to_text(*json) == text);
    CHECK(canonical("[1]") == "[1]");
}
