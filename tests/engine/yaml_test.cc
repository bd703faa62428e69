#include "engine/policy/yaml.h"

#include <doctest/doctest.h>

using namespace se;

TEST_CASE("plain scalars have the types of the 1.2 core schema") {
    struct Row {
        const char* scalar;
        const char* json;
    };
    const Row rows[] = {
        // What YAML 1.1 would take for something else.
        {"on", R"("on")"},
        {"off", R"("off")"},
        {"yes", R"("yes")"},
        {"no", R"("no")"},
        {"On", R"("On")"},
        {"YES", R"("YES")"},
        {"y", R"("y")"},
        {"n", R"("n")"},
        {"017", "17"},
        {"0o17", "15"},
        {"0x1f", "31"},
        {"0X1F", R"("0X1F")"},
        {"1_000", R"("1_000")"},
        {"12:30", R"("12:30")"},
        {"0b11", R"("0b11")"},
        {"2026-11-21", R"("2026-11-21")"},
        {"=", R"("=")"},
        {"<<", R"("<<")"},
        // Words.
        {"true", "true"},
        {"True", "true"},
        {"TRUE", "true"},
        {"tRUE", R"("tRUE")"},
        {"false", "false"},
        {"False", "false"},
        {"FALSE", "false"},
        {"null", "null"},
        {"Null", "null"},
        {"NULL", "null"},
        {"~", "null"},
        {"", "null"},
        {"nULL", R"("nULL")"},
        {"none", R"("none")"},
        // Integers.
        {"0", "0"},
        {"-0", "0"},
        {"+0", "0"},
        {"42", "42"},
        {"-42", "-42"},
        {"+42", "42"},
        {"-007", "-7"},
        {"0o0", "0"},
        {"0o8", R"("0o8")"},
        {"0o", R"("0o")"},
        {"-0o17", R"("-0o17")"},
        {"0xg", R"("0xg")"},
        {"0x", R"("0x")"},
        {"0xAbC", "2748"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"0x7fffffffffffffff", "9223372036854775807"},
        // Other numbers.
        {"1.5", "1.5"},
        {"-1.5", "-1.5"},
        {"+1.5", "1.5"},
        {".5", "0.5"},
        {"-.5", "-0.5"},
        {"1.", "1"},
        {"1e3", "1000"},
        {"1E3", "1000"},
        {"1e+3", "1000"},
        {"1e-3", "0.001"},
        {"1.5e300", "1.5e+300"},
        {"-0.0", "0"},
        {".", R"(".")"},
        {"-", R"("-")"},
        {"+", R"("+")"},
        {"1e", R"("1e")"},
        {"1e+", R"("1e+")"},
        {"e3", R"("e3")"},
        {".e3", R"(".e3")"},
        {"1.2.3", R"("1.2.3")"},
        {"--1", R"("--1")"},
        {"1 2", R"("1 2")"},
        {"0.0.0.0", R"("0.0.0.0")"},
        {"nan", R"("nan")"},
        {"inf", R"("inf")"},
        {"infinity", R"("infinity")"},
        // Quoted and tagged ones are texts.
        {R"("5")", R"("5")"},
        {"'5'", R"("5")"},
        {"'true'", R"("true")"},
        {R"("")", R"("")"},
        {"''", R"("")"},
        {R"("null")", R"("null")"},
        {"'~'", R"("~")"},
        {"!!str 5", R"("5")"},
        {"!!str null", R"("null")"},
        {"! 5", R"("5")"},
        {R"("\u00e4\n")", "\"ä\\n\""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.scalar);
        const auto document = parse_yaml(std::string("a: ") + row.scalar + "\n");
        if (std::string_view(row.scalar) == "-") continue;  // a list begins, when it stands there
        REQUIRE_MESSAGE(document, document.error().text);
        CHECK(to_text(document->root) == std::string(R"({"a":)") + row.json + "}");
        const auto item = parse_yaml(std::string("- x\n- ") + row.scalar + "\n");
        REQUIRE(item);
        CHECK(to_text(item->root) == std::string(R"(["x",)") + row.json + "]");
    }
}

TEST_CASE("names are texts as written") {
    const auto document = parse_yaml("on: 1\n017: 2\ntrue: 3\n'null': 4\n");
    REQUIRE(document);
    CHECK(to_text(document->root) == R"({"017":2,"null":4,"on":1,"true":3})");
}

TEST_CASE("a file of nothing is null") {
    for (const char* text :
         {"", "\n\n", "# only a remark\n", "---\n", "---\n...\n", "~", "%YAML 1.2\n---\n"}) {
        CAPTURE(text);
        const auto document = parse_yaml(text);
        REQUIRE(document);
        CHECK(document->root.is_null());
    }
}

TEST_CASE("every value knows its line") {
    const auto document = parse_yaml(
        "# remark\n"
        "http:\n"
        "  port: 1\n"
        "\n"
        "  host:\n"
        "keys:\n"
        "  - pattern: a\n"
        "    ops: [set,\n"
        "          push]\n"
        "  -\n"
        "    x: &anchor {y: 1}\n"
        "z/~: *anchor\n");
    REQUIRE(document);
    struct Row {
        const char* pointer;
        int line;
    };
    const Row rows[] = {
        {"", 2},
        {"/http", 2},
        {"/http/port", 3},
        {"/http/host", 5},
        {"/keys", 6},
        {"/keys/0", 7},
        {"/keys/0/pattern", 7},
        {"/keys/0/ops", 8},
        {"/keys/0/ops/0", 8},
        {"/keys/0/ops/1", 9},
        {"/keys/1/x", 11},
        {"/keys/1/x/y", 11},
        {"/z~1~0", 12},
        // Not there: the nearest parent's.
        {"/http/nothing", 2},
        {"/keys/0/ops/7/deep", 8},
        {"/nowhere", 2},
    };
    for (const Row& row : rows) {
        CAPTURE(row.pointer);
        CHECK(document->line_of(row.pointer) == row.line);
    }
}

TEST_CASE("what is wrong is said with its line") {
    struct Row {
        std::string text;
        const char* line;
        const char* says;
    };
    std::string aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; ++i) {
        const std::string name = "*a" + std::to_string(i - 1);
        aliases += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + name;
        for (int j = 0; j < 9; ++j) aliases += "," + name;
        aliases += "]\n";
    }
    std::string steps;
    for (std::size_t i = 0; i < 70; ++i) steps += std::string(i, ' ') + "k:\n";
    const Row rows[] = {
        {"a: 1\nb: 2\na: 3\n", "line 3: ", "there twice, first in line 1"},
        {"a:\n  b: 1\n  b: 1\n", "line 3: ", "b is there twice, first in line 2"},
        {"a: 1\n'a': 3\n", "line 2: ", "twice"},
        {"a: 1\n---\nb: 2\n", "line 2: ", "second document"},
        {"a: 1\n...\n\nb: 2\n", "line 4: ", "second document"},
        {"a: 1\nb: *nope\n", "line 2: ", "anchor"},
        {"a: &x [*x]\n", "line 1: ", "levels deep"},
        {"a: &x {b: *x}\n", "line 1: ", "levels deep"},
        {"a: [1\n", "line ", "end of sequence"},
        {"a: 1\n b: 2\n", "line 2: ", "map"},
        {"\ta: 1\n", "line 1: ", ""},
        {"? [a]\n: b\n", "line 1: ", "name must be a text"},
        {"ok: 1\n~: x\n", "line 2: ", "name must be a text"},
        {"a: !foo b\n", "line 1: ", "tag !foo"},
        {"a: !!int 5\n", "line 1: ", "only !!str"},
        {"a: !!set {b}\n", "line 1: ", "only !!str"},
        {"a: !!binary aGk=\n", "line 1: ", "only !!str"},
        {"a: 1\nb: 9223372036854775808\n", "line 2: ", "beyond 64 bits"},
        {"a: 0xffffffffffffffff\n", "line 1: ", "beyond 64 bits"},
        {"a: 1e400\n", "line 1: ", "beyond the range"},
        {"a: .inf\n", "line 1: ", "JSON lacks"},
        {"a: -.INF\n", "line 1: ", "JSON lacks"},
        {"a: .NaN\n", "line 1: ", "JSON lacks"},
        {"a: 1\nb: \xff\n", "line 2: ", "UTF-8"},
        {std::string("a: 1\nb: \0c\n", 11), "line 2: ", "UTF-8"},
        {aliases, "line ", "aliases count where they stand"},
        {std::string(70, '[') + std::string(70, ']'), "line 1: ", "64 levels deep"},
        {std::string(100'000, '['), "line 1: ", "64 levels deep"},
        {steps, "line 66: ", "64 levels deep"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text.substr(0, 60));
        const auto document = parse_yaml(row.text);
        REQUIRE(!document);
        CHECK(document.error().code == Errc::malformed);
        CAPTURE(document.error().text);
        CHECK(document.error().text.starts_with(row.line));
        CHECK(document.error().text.find(row.says) != std::string::npos);
    }
    // The list itself is a value too.
    std::string items = "[x";
    for (int i = 2; i < 100'000; ++i) items += ",x";
    CHECK(parse_yaml(items + "]"));
    CHECK(!parse_yaml(items + ",x]"));
    CHECK(!parse_yaml("a: 1", 3));
    CHECK(parse_yaml("a: 1", 4));
}

TEST_CASE("a line that begins with a comma or a closing bracket ends the reading, not the program") {
    for (const char* text : {", a\nb: 1\n", "]\n", "}\n", "a: 1\n]\n", "a: 1\n...\n, b\n",
                             "a: [1\n]\n, b: 2\nc: 3\n"}) {
        CAPTURE(text);
        const auto document = parse_yaml(text);
        if (!document) CHECK(document.error().text.starts_with("line "));
    }
    CHECK(!parse_yaml(", a\nb: 1\n"));
}

TEST_CASE("no prefix of a file and no flipped bit of it does harm") {
    const std::string text =
        "allowedKeys: [a.*, \"b\"]\nhttp: {port: 3000}\nx: &q\n  - !!str 1\n  - 'z'\ny: *q\n"
        "z: |\n  lines\n  more\n";
    REQUIRE(parse_yaml(text));
    for (std::size_t size = 0; size < text.size(); ++size) (void)parse_yaml(text.substr(0, size));
    for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
        std::string flipped = text;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        const auto document = parse_yaml(flipped);
        if (!document) CHECK(document.error().text.starts_with("line "));
    }
}
