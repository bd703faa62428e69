#include "engine/ops.h"

#include <doctest/doctest.h>

using namespace se;

namespace {

Op make_op(std::string_view kind, std::string_view value) {
    Op op;
    op.kind = *op_from_text(kind);
    op.key = "k";
    if (!value.empty()) {
        op.value = *parse_json(value);
        op.value_text = to_text(*op.value);
    }
    return op;
}

OpOutcome apply(std::string_view kind, const char* current, std::string_view value,
                const Limits& limits = {}) {
    std::optional<std::string_view> stands;
    if (current) stands = current;
    auto outcome = apply_op(make_op(kind, value), stands, limits);
    REQUIRE(outcome);
    return std::move(*outcome);
}

}  // namespace

TEST_CASE("merge follows RFC 7396, every example of its appendix and of its text") {
    struct Row {
        const char* target;
        const char* patch;
        const char* result;
    };
    const Row rows[] = {
        // Appendix A.
        {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
        {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
        {R"({"a":"b"})", R"({"a":null})", R"({})"},
        {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
        {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
        {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
        {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
        {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
        {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
        {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
        {R"({"a":"foo"})", R"(null)", R"(null)"},
        {R"({"a":"foo"})", R"("bar")", R"("bar")"},
        {R"({"e":null})", R"({"a":1})", R"({"a":1,"e":null})"},
        {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
        {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
        // Section 3.
        {R"({"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},)"
         R"("tags":["example","sample"],"content":"This will be unchanged"})",
         R"({"title":"Hello!","phoneNumber":"+01-123-456-7890","author":{"familyName":null},)"
         R"("tags":["example"]})",
         R"({"author":{"givenName":"John"},"content":"This will be unchanged",)"
         R"("phoneNumber":"+01-123-456-7890","tags":["example"],"title":"Hello!"})"},
        // Order, at both ends and in between.
        {R"({"b":1,"d":2,"f":3})", R"({"a":0,"c":0,"d":null,"e":0,"g":0})",
         R"({"a":0,"b":1,"c":0,"e":0,"f":3,"g":0})"},
        {R"({"a":1})", R"({"b":null,"c":null})", R"({"a":1})"},
        {R"({"a":{"x":1}})", R"({"a":{}})", R"({"a":{"x":1}})"},
        {R"({"a":1})", R"({"a":{"y":null}})", R"({"a":{}})"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.target);
        CAPTURE(row.patch);
        Json target = *parse_json(row.target);
        merge_patch(target, *parse_json(row.patch));
        CHECK(to_text(target) == row.result);
    }
}

TEST_CASE("every op on every kind of value does what it must or says why not") {
    struct Row {
        const char* op;
        const char* current;  // nullptr: absent
        const char* value;
        Code code;
        const char* result;
    };
    const Code fine = Code::none, mismatch = Code::op_mismatch;
    const Row rows[] = {
        {"set", nullptr, "null", fine, "null"},
        {"set", "[1]", "2", fine, "2"},
        {"delete", nullptr, "", Code::absent, ""},
        {"delete", "null", "", fine, ""},
        // Absent counts as 0, [], {}; null is there, and is none of them.
        {"increment", nullptr, "5", fine, "5"},
        {"increment", nullptr, "0.5", fine, "0.5"},
        {"increment", "2", "3", fine, "5"},
        {"increment", "2", "-3", fine, "-1"},
        {"increment", "0", "0", fine, "0"},
        {"increment", "0.1", "0.2", fine, "0.30000000000000004"},
        {"increment", "1", "0.5", fine, "1.5"},
        {"increment", "1.5", "1", fine, "2.5"},
        {"increment", "0.5", "0.5", fine, "1"},
        {"increment", "9007199254740993", "1", fine, "9007199254740994"},
        {"increment", "9223372036854775806", "1", fine, "9223372036854775807"},
        {"increment", "9223372036854775807", "1", Code::value_invalid, ""},
        {"increment", "-9223372036854775808", "-1", Code::value_invalid, ""},
        {"increment", "9223372036854775807", "-9223372036854775808", fine, "-1"},
        {"increment", "1.7e+308", "1.7e+308", Code::value_invalid, ""},
        {"increment", "-1.7e+308", "-1.7e+308", Code::value_invalid, ""},
        {"increment", "1e+300", "1", fine, "1e+300"},
        {"increment", "null", "1", mismatch, ""},
        {"increment", "\"1\"", "1", mismatch, ""},
        {"increment", "[]", "1", mismatch, ""},
        {"increment", "{}", "1", mismatch, ""},
        {"increment", "true", "1", mismatch, ""},
        {"push", nullptr, "1", fine, "[1]"},
        {"push", nullptr, "null", fine, "[null]"},
        {"push", "[]", "[]", fine, "[[]]"},
        {"push", "[1,{\"a\":2}]", "{\"b\":[]}", fine, "[1,{\"a\":2},{\"b\":[]}]"},
        {"push", "null", "1", mismatch, ""},
        {"push", "{}", "1", mismatch, ""},
        {"push", "\"[]\"", "1", mismatch, ""},
        {"push", "0", "1", mismatch, ""},
        {"merge", nullptr, "{\"a\":1,\"b\":null}", fine, "{\"a\":1}"},
        {"merge", "{\"a\":1}", "{}", fine, "{\"a\":1}"},
        {"merge", "{\"a\":1}", "{\"a\":null}", fine, "{}"},
        {"merge", "null", "{}", mismatch, ""},
        {"merge", "[]", "{}", mismatch, ""},
        {"merge", "\"x\"", "{}", mismatch, ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.op);
        CAPTURE((row.current ? row.current : "absent"));
        CAPTURE(row.value);
        const OpOutcome outcome = apply(row.op, row.current, row.value);
        CHECK(outcome.code == row.code);
        CHECK(outcome.value == row.result);
        CHECK(outcome.message.empty() == (row.code == fine));
    }
    CHECK(apply("push", "\"x\"", "1").message == "push needs a list, k holds a text");
    CHECK(apply("merge", "false", "{}").message == "merge needs an object, k holds a boolean");
    CHECK(apply("increment", "null", "1").message == "increment needs a number, k holds null");
}

TEST_CASE("what an op makes may be as large as a value and not a byte larger") {
    struct Row {
        const char* op;
        std::string current;
        const char* value;
        std::uint64_t bytes;
    };
    const Row rows[] = {
        {"set", "1", R"("12345")", 7},
        {"push", R"(["123"])", "[]", 10},
        {"merge", R"({"a":"123"})", R"({"b":1})", 17},
        {"increment", "99", "1", 3},
    };
    for (const Row& row : rows) {
        CAPTURE(row.op);
        Limits limits;
        limits.value_bytes = row.bytes;
        CHECK(apply(row.op, row.current.c_str(), row.value, limits).code == Code::none);
        --limits.value_bytes;
        const OpOutcome outcome = apply(row.op, row.current.c_str(), row.value, limits);
        CHECK(outcome.code == Code::value_invalid);
        CHECK(outcome.message == "k would be " + std::to_string(row.bytes) +
                                     " bytes; the limit engine.value_bytes is " +
                                     std::to_string(row.bytes - 1));
    }
}

TEST_CASE("a stored value that is no JSON is corruption, never a rejection") {
    for (const char* op : {"increment", "merge"}) {
        const auto outcome = apply_op(make_op(op, std::string_view(op) == "merge" ? "{}" : "1"),
                                      std::string_view("{oops"), Limits{});
        REQUIRE(!outcome);
        CHECK(outcome.error().code == Errc::corruption);
    }
}

TEST_CASE("a merge of many members is one walk") {
    // Quadratic work here would be billions of moves: this case would not end.
    Json::Object target, patch;
    for (int i = 0; i < 200'000; ++i) {
        std::string name = std::to_string(1'000'000 + i);
        (i % 2 ? target : patch).emplace_back(std::move(name), i);
    }
    Json merged{std::move(target)};
    merge_patch(merged, Json(std::move(patch)));
    CHECK(merged.object().size() == 200'000);
}
