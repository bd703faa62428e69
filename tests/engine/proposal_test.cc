#include "engine/intake/proposal.h"

#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "engine/intake/utf8.h"

using namespace se;

namespace {

Proposal accepted(std::string_view json, const Limits& limits = {}) {
    ParsedProposal parsed = parse_proposal(json, limits);
    CAPTURE(json.substr(0, 200));
    CAPTURE(parsed.refusal.message);
    REQUIRE(parsed.proposal);
    return std::move(*parsed.proposal);
}

Refusal refused(std::string_view json, const Limits& limits = {}) {
    ParsedProposal parsed = parse_proposal(json, limits);
    CAPTURE(json.substr(0, 200));
    REQUIRE(!parsed.proposal);
    return std::move(parsed.refusal);
}

/// A good proposal with one member put in, replaced, or (with an empty text) taken out.
std::string with(
    std::string_view name, std::string_view value,
    std::string_view base = R"({"id":"i","op":"set","key":"k","value":1,"reason":"r"})") {
    Json json = *parse_json(base);
    if (value.empty())
        json.erase(name);
    else
        json.set(std::string(name), *parse_json(value, 1000));
    return to_text(json);
}

std::string quoted(const std::string& text) {
    return to_text(Json(text));
}

}  // namespace

TEST_CASE("a proposal is read with all it says") {
    const Proposal proposal =
        accepted(R"({"ts":"2026-02-18T13:02:00.000Z", "metadata":{"b":1,"a":[ ]},
        "ttl":60, "id":"m-1", "op":"set", "key":"stream.state", "value":{"z":1.0,"a":"\u00e4"},
        "actor":"a:b", "reason":"because", "expectedVersion":3, "basis":[{"key":"x","seq":9,"note":1}],
        "future":true})");
    CHECK(proposal.id == "m-1");
    CHECK(proposal.single);
    REQUIRE(proposal.ops.size() == 1);
    const Op& op = proposal.ops[0];
    CHECK(op.kind == OpKind::set);
    CHECK(op.key == "stream.state");
    CHECK(op.value_text == R"({"a":"ä","z":1})");
    CHECK(*op.value == *parse_json(op.value_text));
    CHECK(op.ttl == 60u);
    CHECK(op.metadata.empty());
    CHECK(op.expected_version == 3u);
    CHECK(proposal.reason == "because");
    CHECK(proposal.actor == "a:b");
    CHECK(proposal.metadata == R"({"a":[],"b":1})");
    CHECK(proposal.basis == std::vector<Body::Basis>{{"x", Seq{9}}});
    CHECK(proposal.ts == "2026-02-18T13:02:00.000Z");
    CHECK(proposal.ops_text.empty());
    CHECK(
        proposal.canonical ==
        R"({"actor":"a:b","basis":[{"key":"x","note":1,"seq":9}],"expectedVersion":3,"future":true,)"
        R"("key":"stream.state","metadata":{"a":[],"b":1},"op":"set","reason":"because",)"
        R"("ts":"2026-02-18T13:02:00.000Z","ttl":60,"value":{"a":"ä","z":1}})");
}

TEST_CASE("every op takes the value it needs") {
    struct Row {
        const char* op;
        const char* value;
        bool fine;
    };
    const Row rows[] = {
        {"set", "null", true},
        {"set", "0", true},
        {"set", "[]", true},
        {"set", "", false},
        {"push", "null", true},
        {"push", "{}", true},
        {"push", "", false},
        {"increment", "1", true},
        {"increment", "-2.5", true},
        {"increment", "0", true},
        {"increment", "", false},
        {"increment", "null", false},
        {"increment", "\"1\"", false},
        {"increment", "[1]", false},
        {"increment", "true", false},
        {"merge", "{}", true},
        {"merge", R"({"a":null})", true},
        {"merge", "", false},
        {"merge", "null", false},
        {"merge", "[]", false},
        {"merge", "1", false},
        {"delete", "", true},
        {"delete", "1", true},
        {"delete", "null", true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.op);
        CAPTURE(row.value);
        const std::string json = with("value", row.value, with("op", quoted(row.op)));
        if (!row.fine) {
            CHECK(refused(json).pointer == "/value");
            CHECK(refused(json).code == Code::malformed);
            continue;
        }
        const Proposal proposal = accepted(json);
        CHECK(to_text(proposal.ops[0].kind) == row.op);
        const bool passed_over = std::string_view(row.op) == "delete";
        CHECK(proposal.ops[0].value.has_value() == !passed_over);
        CHECK(proposal.ops[0].value_text == (passed_over ? "" : row.value));
    }
}

TEST_CASE("expectedVersion null and ttl null are absent, ttl 0 is none") {
    const Proposal nulls = accepted(with("ttl", "null", with("expectedVersion", "null")));
    CHECK(!nulls.ops[0].expected_version);
    CHECK(!nulls.ops[0].ttl);
    const Proposal zeros = accepted(with("ttl", "0", with("expectedVersion", "0")));
    CHECK(zeros.ops[0].expected_version == 0u);
    CHECK(zeros.ops[0].ttl == 0u);
}

TEST_CASE("a list of ops is one proposal") {
    const Proposal proposal = accepted(
        R"({"ops":[{"value":1,"op":"set","key":"a","ttl":5,"metadata":{}},)"
        R"({"op":"delete","key":"b","expectedVersion":2},{"op":"push","key":"a","value":[1.50],"x":0}],)"
        R"("reason":"r","metadata":{"m":1}})");
    CHECK(!proposal.single);
    CHECK(proposal.id.empty());
    REQUIRE(proposal.ops.size() == 3);
    CHECK(proposal.ops[0].ttl == 5u);
    CHECK(proposal.ops[0].metadata == "{}");
    CHECK(proposal.ops[1].kind == OpKind::remove);
    CHECK(proposal.ops[1].expected_version == 2u);
    CHECK(proposal.ops[1].metadata.empty());
    CHECK(proposal.ops[2].value_text == "[1.5]");
    CHECK(*proposal.ops[2].value == *parse_json("[1.5]"));
    CHECK(proposal.metadata == R"({"m":1})");
    CHECK(
        proposal.ops_text ==
        R"([{"key":"a","metadata":{},"op":"set","ttl":5,"value":1},)"
        R"({"expectedVersion":2,"key":"b","op":"delete"},{"key":"a","op":"push","value":[1.5],"x":0}])");
    CHECK(proposal.canonical ==
          R"({"metadata":{"m":1},"ops":)" + proposal.ops_text + R"(,"reason":"r"})");
}

TEST_CASE("what is malformed is refused with a pointer and a word on what is right") {
    struct Row {
        std::string json;
        const char* pointer;
        const char* says;
    };
    const std::string list = R"({"ops":[{"op":"set","key":"a","value":1}],"reason":"r"})";
    const auto in_list = [](std::string_view op) {
        return R"({"ops":[{"op":"set","key":"a","value":1},)" + std::string(op) +
               R"(],"reason":"r"})";
    };
    const Row rows[] = {
        {"", "", "JSON"},
        {"{", "", "JSON"},
        {"not json", "", "JSON"},
        {"{} {}", "", "JSON"},
        {"[]", "", "object"},
        {"null", "", "object"},
        {"\"text\"", "", "object"},
        {R"({"id":"i","id":"j"})", "/id", "twice"},
        {R"({"op":"set","key":"k","value":{"a":1,"a":1},"reason":"r"})", "/value/a", "twice"},
        {R"({"op":"set","key":"k","value":9223372036854775808,"reason":"r"})", "/value", "64 bits"},
        {R"({"op":"set","key":"k","value":"\ud800","reason":"r"})", "", "JSON"},
        {R"({"op":"set","key":"k","value":1e999,"reason":"r"})", "", "JSON"},
        {R"({"routing":{},"v":"2"})", "/op", "missing"},
        {with("id", "1"), "/id", "text"},
        {with("id", "null"), "/id", "text"},
        {with("id", R"("")"), "/id", "empty"},
        {with("id", R"("a\nb")"), "/id", "control"},
        {with("id", R"("a\u007f")"), "/id", "control"},
        {with("id", R"("a\u0080")"), "/id", "control"},
        {with("id", R"("\u0000")"), "/id", "control"},
        {with("op", ""), "/op", "set, delete, increment, push or merge"},
        {with("op", "1"), "/op", "set, delete, increment, push or merge"},
        {with("op", R"("SET")"), "/op", "set, delete, increment, push or merge"},
        {with("op", R"("append")"), "/op", "set, delete, increment, push or merge"},
        {with("op", R"("remove")"), "/op", "set, delete, increment, push or merge"},
        {with("key", ""), "/key", "missing"},
        {with("key", "1"), "/key", "text"},
        {with("key", R"("")"), "/key", "empty"},
        {with("key", R"("a b")"), "/key", "white space"},
        {with("reason", ""), "/reason", "missing"},
        {with("reason", "null"), "/reason", "text"},
        {with("reason", R"("")"), "/reason", "empty"},
        {with("actor", R"("")"), "/actor", "empty"},
        {with("actor", "null"), "/actor", "text"},
        {with("actor", R"("a\tb")"), "/actor", "control"},
        {with("metadata", "null"), "/metadata", "object"},
        {with("metadata", "[]"), "/metadata", "object"},
        {with("ttl", "-1"), "/ttl", "seconds"},
        {with("ttl", "1.5"), "/ttl", "seconds"},
        {with("ttl", R"("60")"), "/ttl", "seconds"},
        {with("expectedVersion", "-1"), "/expectedVersion", "whole number"},
        {with("expectedVersion", "0.5"), "/expectedVersion", "whole number"},
        {with("expectedVersion", R"("1")"), "/expectedVersion", "whole number"},
        {with("expectedVersion", "false"), "/expectedVersion", "whole number"},
        {with("ts", "1763690400"), "/ts", "text"},
        {with("ts", quoted(std::string(65, '1'))), "/ts", "64"},
        {with("basis", "{}"), "/basis", "list"},
        {with("basis", "null"), "/basis", "list"},
        {with("basis", "[1]"), "/basis/0", "key"},
        {with("basis", R"([{"key":"a","seq":1},{"seq":1}])"), "/basis/1/key", "missing"},
        {with("basis", R"([{"key":"a/b","seq":1}])"), "/basis/0/key", "'/'"},
        {with("basis", R"([{"key":"a"}])"), "/basis/0/seq", "whole number"},
        {with("basis", R"([{"key":"a","seq":-1}])"), "/basis/0/seq", "whole number"},
        {with("ops", "[]", list), "/ops", "empty"},
        {with("ops", "{}", list), "/ops", "list"},
        {with("ops", "null", list), "/ops", "list"},
        {with("op", R"("set")", list), "/op", "beside ops"},
        {with("key", R"("k")", list), "/key", "beside ops"},
        {with("value", "1", list), "/value", "beside ops"},
        {with("ttl", "null", list), "/ttl", "beside ops"},
        {with("expectedVersion", "1", list), "/expectedVersion", "beside ops"},
        {in_list("1"), "/ops/1", "object"},
        {in_list("{}"), "/ops/1/op", "missing"},
        {in_list(R"({"op":"set","value":1})"), "/ops/1/key", "missing"},
        {in_list(R"({"op":"set","key":"__x__","value":1})"), "/ops/1/key", "reserved"},
        {in_list(R"({"op":"set","key":"x"})"), "/ops/1/value", "missing"},
        {in_list(R"({"op":"merge","key":"x","value":[]})"), "/ops/1/value", "RFC 7396"},
        {in_list(R"({"op":"set","key":"x","value":1,"metadata":1})"), "/ops/1/metadata", "object"},
        {in_list(R"({"op":"set","key":"x","value":1,"ttl":-2})"), "/ops/1/ttl", "seconds"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.json);
        const Refusal refusal = refused(row.json);
        CAPTURE(refusal.message);
        CHECK(refusal.code == Code::malformed);
        CHECK(refusal.pointer == row.pointer);
        CHECK(refusal.message.find(row.says) != std::string::npos);
    }
}

TEST_CASE("at each limit a proposal passes, one above it is refused by name and value") {
    const auto text_of = [](std::uint64_t size) { return quoted(std::string(size, 'x')); };
    const auto list_of = [](std::uint64_t size, std::string_view item) {
        std::string list = "[";
        for (std::uint64_t i = 0; i < size; ++i) list += (i ? "," : "") + std::string(item);
        return list + "]";
    };
    struct Row {
        const char* limit;
        std::uint64_t Limits::*member;
        Code code;
        const char* pointer;
        std::function<std::string(std::uint64_t size)> make;
    };
    const Row rows[] = {
        {"key_bytes", &Limits::key_bytes, Code::too_large, "/key",
         [&](auto n) { return with("key", text_of(n)); }},
        {"key_bytes", &Limits::key_bytes, Code::too_large, "/basis/0/key",
         [&](auto n) { return with("basis", R"([{"seq":1,"key":)" + text_of(n) + "}]"); }},
        {"id_bytes", &Limits::id_bytes, Code::too_large, "/id",
         [&](auto n) { return with("id", text_of(n)); }},
        {"actor_bytes", &Limits::actor_bytes, Code::too_large, "/actor",
         [&](auto n) { return with("actor", text_of(n)); }},
        {"reason_bytes", &Limits::reason_bytes, Code::too_large, "/reason",
         [&](auto n) { return with("reason", text_of(n)); }},
        {"metadata_bytes", &Limits::metadata_bytes, Code::too_large, "/metadata",
         [&](auto n) { return with("metadata", R"({"a":)" + text_of(n - 8) + "}"); }},
        {"value_bytes", &Limits::value_bytes, Code::too_large, "/value",
         [&](auto n) { return with("value", text_of(n - 2)); }},
        // Canonical bytes count, not those that were sent.
        {"value_bytes", &Limits::value_bytes, Code::too_large, "/value",
         [&](auto n) {
             return R"({"reason":"r","op":"set","key":"k","value":["\u0041",     1.50, )" +
                    text_of(n - 12) + "]}";
         }},
        {"ops", &Limits::ops, Code::too_large, "/ops",
         [&](auto n) {
             return R"({"reason":"r","ops":)" + list_of(n, R"({"op":"delete","key":"k"})") + "}";
         }},
        {"basis", &Limits::basis, Code::too_large, "/basis",
         [&](auto n) { return with("basis", list_of(n, R"({"key":"k","seq":1})")); }},
        {"ttl_seconds", &Limits::ttl_seconds, Code::malformed, "/ttl",
         [&](auto n) { return with("ttl", std::to_string(n)); }},
        {"json_depth", &Limits::json_depth, Code::malformed, "",
         [&](auto n) { return with("value", std::string(n - 1, '[') + std::string(n - 1, ']')); }},
    };
    for (const Row& row : rows) {
        Limits small;
        small.*row.member = 40;
        for (const Limits& limits : {Limits{}, small}) {
            const std::uint64_t limit = limits.*row.member;
            CAPTURE(row.limit);
            CAPTURE(row.pointer);
            CAPTURE(limit);
            accepted(row.make(limit), limits);
            const Refusal refusal = refused(row.make(limit + 1), limits);
            CAPTURE(refusal.message);
            CHECK(refusal.code == row.code);
            CHECK(refusal.pointer == row.pointer);
            CHECK(refusal.message.ends_with("the limit engine." + std::string(row.limit) + " is " +
                                            std::to_string(limit)));
            CHECK(refusal.message.find(std::to_string(limit + 1)) != std::string::npos);
        }
    }
    const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
    CHECK(refused(R"({"op":"set","key":"k","reason":"r","value":)" + deep + "}").code ==
          Code::malformed);
}

TEST_CASE("a refusal carries what could be read, cut to its limit") {
    const Refusal refusal = refused(R"({"id":"i","key":"a b","op":"set"})");
    CHECK(refusal.id == "i");
    CHECK(refusal.key == "a b");
    const Refusal longer = refused(with("key", quoted(std::string(255, 'x') + "ä")));
    CHECK(longer.key == std::string(255, 'x'));
    CHECK(refused(with("id", quoted(std::string(600, 'x')))).id.size() == 512);
    CHECK(refused(R"({"id":1,"key":2})").id.empty());
}

TEST_CASE("a refusal has what was sent: a text as it came, a tree in its canonical form") {
    const std::string text = R"({ "reason":"r","op":"set","key":"a b","value":[1.0],"id":"one" })";
    CHECK(refused(text).original == text);
    CHECK(refused("\xff{").original == "\xEF\xBF\xBD{");
    const auto of_tree = [](std::string_view json) {
        ParsedProposal parsed = proposal_of_json(*parse_json(json), Limits{});
        REQUIRE(!parsed.proposal);
        return parsed.refusal.original;
    };
    // Also where its members have been looked at, and taken out, before it turned out to be none.
    CHECK(of_tree(text) == R"({"id":"one","key":"a b","op":"set","reason":"r","value":[1]})");
    CHECK(of_tree(R"({"op":"set","key":"a","value":[1],"reason":""})") ==
          R"({"key":"a","op":"set","reason":"","value":[1]})");
    CHECK(of_tree(R"({"ops":[{"op":"set","key":"a","value":1}],"id":"two"})") ==
          R"({"id":"two","ops":[{"key":"a","op":"set","value":1}]})");
    CHECK(of_tree(R"({"id":7,"key":"a"})") == R"({"id":7,"key":"a"})");
    CHECK(of_tree("[1]") == "[1]");
    CHECK(of_tree("\"" + std::string(100'000, 'x') + "\"").size() <= kOriginalBytes);
}

TEST_CASE("a key holds every code point but controls, white space and slash") {
    const std::set<char32_t> white = {0x09,   0x0a,   0x0b,   0x0c,   0x0d,   0x20,   0x85,
                                      0xa0,   0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004,
                                      0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028,
                                      0x2029, 0x202f, 0x205f, 0x3000};
    const Limits limits;
    for (char32_t c = 0; c <= 0x10ffff; ++c) {
        if (c >= 0xd800 && c <= 0xdfff) continue;
        std::string key = "k";
        const auto add = [&](char32_t bits) { key += static_cast<char>(bits); };
        if (c < 0x80) {
            add(c);
        } else if (c < 0x800) {
            add(0xc0 | c >> 6), add(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
            add(0xe0 | c >> 12), add(0x80 | (c >> 6 & 0x3f)), add(0x80 | (c & 0x3f));
        } else {
            add(0xf0 | c >> 18), add(0x80 | (c >> 12 & 0x3f)), add(0x80 | (c >> 6 & 0x3f)),
                add(0x80 | (c & 0x3f));
        }
        const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
        const bool fine = !control && !white.contains(c) && c != '/';
        if (key_problem(key, limits).empty() != fine) FAIL(c);
    }
}

TEST_CASE("some names are no keys, their neighbours are") {
    const Limits limits;
    for (const char* key :
         {"", ".", "..", "____", "__a__", "__state.x__", "\x80", "a\xc3", "a/b"}) {
        CAPTURE(key);
        CHECK(!key_problem(key, limits).empty());
    }
    for (const char* key :
         {"...", ".a", "a.", "a..b", "_", "__", "___", "__a", "a__", "__a_", "_a__",
          "user.disposition.twitch:123", "Ünï.コード", "a*", "%", "$", "\"", "~"}) {
        CAPTURE(key);
        CHECK(key_problem(key, limits).empty());
    }
    CHECK(key_problem(std::string(256, 'x'), limits).empty());
    CHECK(!key_problem(std::string(257, 'x'), limits).empty());
}

TEST_CASE("content is what was said, not how: order, blanks and escapes do not count") {
    const char* same[] = {
        R"({"id":"i","op":"set","key":"k","value":{"a":1,"b":[1,2]},"reason":"r"})",
        R"({"reason":"r","value":{"b":[1,2],"a":1},"key":"k","op":"set","id":"other"})",
        R"({"op":"set","key":"\u006b","value":{"a":1.0,"b":[1e0,2]},"reason":"\u0072"})",
        "\n{ \"op\" : \"set\" ,\t\"key\":\"k\",\"value\":{\"a\":1,\"b\":[1,2]},\"reason\":\"r\" "
        "}\n",
    };
    for (const char* json : same) CHECK(accepted(json).canonical == accepted(same[0]).canonical);

    const std::string base = with("id", "");
    std::set<std::string> different = {accepted(base).canonical};
    const std::pair<const char*, const char*> members[] = {
        {"op", R"("push")"}, {"key", R"("l")"},
        {"value", "2"},      {"reason", R"("s")"},
        {"actor", R"("a")"}, {"ttl", "5"},
        {"ttl", "0"},        {"expectedVersion", "0"},
        {"metadata", "{}"},  {"metadata", R"({"a":1})"},
        {"basis", "[]"},     {"ts", R"("t")"},
        {"unknown", "null"}};
    for (const auto& [name, value] : members) {
        CAPTURE(name);
        CHECK(different.insert(accepted(with(name, value, base)).canonical).second);
    }
}

TEST_CASE("the documented batch form is a list of ops") {
    const Proposal proposal = accepted(
        R"({"v":"1","source":"svc","correlationId":"evt_1","mutations":[)"
        R"({"type":"set","key":"a","value":"x"},{"type":"increment","key":"b","amount":2},)"
        R"({"type":"append","key":"c","value":[]},{"type":"delete","key":"d"}]})");
    CHECK(proposal.id == "evt_1");
    CHECK(proposal.actor == "svc");
    CHECK(proposal.reason == "mutations from svc");
    CHECK(!proposal.single);
    CHECK(proposal.ops_text ==
          R"([{"key":"a","op":"set","value":"x"},{"key":"b","op":"increment","value":2},)"
          R"({"key":"c","op":"push","value":[]},{"key":"d","op":"delete"}])");
    REQUIRE(proposal.ops.size() == 4);
    CHECK(proposal.ops[2].kind == OpKind::push);
    CHECK(proposal.canonical.find("\"amount\":2") != std::string::npos);
    CHECK(proposal.canonical.find("evt_1") != std::string::npos);

    const Proposal told =
        accepted(R"({"id":"i","actor":"me","reason":"why","source":"svc",)"
                 R"("correlationId":"c","mutations":[{"type":"delete","key":"d"}]})");
    CHECK(told.id == "i");
    CHECK(told.actor == "me");
    CHECK(told.reason == "why");
    const Proposal bare = accepted(R"({"mutations":[{"type":"delete","key":"d"}]})");
    CHECK(bare.id.empty());
    CHECK(bare.actor.empty());
    CHECK(bare.reason == "mutations");
}

TEST_CASE("a fault in the batch form is pointed at where the client wrote it") {
    const auto batch = [](std::string_view mutation) {
        return R"({"source":"s","mutations":[{"type":"delete","key":"d"},)" +
               std::string(mutation) + "]}";
    };
    struct Row {
        std::string json;
        const char* pointer;
    };
    const Row rows[] = {
        {batch(R"({"type":"upsert","key":"a"})"), "/mutations/1/type"},
        {batch(R"({"key":"a"})"), "/mutations/1/type"},
        {batch(R"({"type":"set","value":1})"), "/mutations/1/key"},
        {batch(R"({"type":"increment","key":"a","amount":"1"})"), "/mutations/1/amount"},
        {batch(R"({"type":"increment","key":"a","value":"1"})"), "/mutations/1/value"},
        {batch(R"({"type":"increment","key":"a","value":1,"amount":1})"), "/mutations/1/amount"},
        {batch("7"), "/mutations/1"},
        {R"({"mutations":[]})", "/mutations"},
        {R"({"mutations":{}})", "/mutations"},
        {R"({"mutations":[{"type":"delete","key":"d"}],"source":")" + std::string(300, 's') + "\"}",
         "/source"},
        {R"({"mutations":[{"type":"delete","key":"d"}],"correlationId":7})", "/correlationId"},
    };
    for (const Row& row : rows) CHECK(refused(row.json).pointer == row.pointer);
    std::string many = R"({"mutations":[{"type":"delete","key":"d"})";
    for (int i = 0; i < 256; ++i) many += R"(,{"type":"delete","key":"d"})";
    CHECK(refused(many + "]}").code == Code::too_large);
    CHECK(refused(many + "]}").pointer == "/mutations");
}

TEST_CASE("no prefix and no flipped bit of a proposal does harm") {
    const std::string json =
        R"({"id":"i","ops":[{"op":"merge","key":"k\u00e4","value":{"a":null},"ttl":5}],)"
        R"("basis":[{"key":"x","seq":1}],"reason":"r","metadata":{"m":[1.5]}})";
    accepted(json);
    for (std::size_t size = 0; size < json.size(); ++size) refused(json.substr(0, size));
    for (std::size_t bit = 0; bit < json.size() * 8; ++bit) {
        std::string flipped = json;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        const ParsedProposal parsed = parse_proposal(flipped, Limits{});
        if (!parsed.proposal) CHECK(!parsed.refusal.message.empty());
    }
}
