#include "engine/decide.h"

#include <doctest/doctest.h>

#include <map>

#include "journal/base/time_text.h"
#include "tests/engine/decide_world.h"

using namespace se;
using namespace se::test;

namespace {

class MapView final : public View {
public:
    Result<std::optional<Entry>> get(std::string_view key) override {
        if (key == failing) return Error{Errc::io, "the disk said no"};
        const auto at = entries.find(key);
        if (at == entries.end()) return std::optional<Entry>();
        return std::optional<Entry>(at->second);
    }
    std::map<std::string, Entry, std::less<>> entries;
    std::string failing = "-";
};

Entry live(std::string value, std::uint64_t version, std::uint64_t seq = 1) {
    Entry entry;
    entry.value = std::move(value);
    entry.version = Version{version};
    entry.seq = Seq{seq};
    entry.updated_by = "before";
    entry.reason = "old";
    entry.id = "old-id";
    return entry;
}

Entry tombstone(std::uint64_t version, std::uint64_t seq = 1) {
    Entry entry;
    entry.deleted = true;
    entry.version = Version{version};
    entry.seq = Seq{seq};
    return entry;
}

Policy all_allowed() {
    Policy policy;
    policy.allowed_keys = {"*"};
    return policy;
}

Proposal parse(std::string_view json) {
    ParsedProposal parsed = parse_proposal(json, Limits{});
    REQUIRE_MESSAGE(parsed.proposal, parsed.refusal.message);
    return std::move(*parsed.proposal);
}

Decision decide(MapView& view, std::string_view json, const Policy& policy = all_allowed()) {
    auto decision = se::decide(parse(json), caller(), view, policy, kNow);
    REQUIRE(decision);
    return std::move(*decision);
}

/// The ops as JSON, and the rest.
std::string ops(std::string_view list, std::string_view more = "") {
    return R"({"id":"i","reason":"r","ops":[)" + std::string(list) + "]" + std::string(more) + "}";
}

}  // namespace

TEST_CASE("the cases of CONTRACTS 1.9") {
    const Policy bitbrat;
    MapView view;
    const Decision on =
        decide(view, R"({"op":"set","key":"stream.state","value":"on","reason":"r"})", bitbrat);
    REQUIRE(on.accepted);
    CHECK(on.changes[0].entry.version == Version{1});

    const Decision forbidden =
        decide(view, R"({"op":"set","key":"forbidden.key","value":1,"reason":"r"})", bitbrat);
    CHECK(!forbidden.accepted);
    CHECK(forbidden.code == Code::key_not_allowed);
    CHECK(forbidden.message == "Key not allowed");
    CHECK(forbidden.key == "forbidden.key");
    CHECK(forbidden.changes.empty());
    CHECK(!forbidden.op_index);

    view.entries["stream.state"] = live("\"on\"", 10);
    const auto set = [&](const char* expected) {
        return decide(view,
                      R"({"op":"set","key":"stream.state","value":1,"reason":"r",)"
                      R"("expectedVersion":)" +
                          std::string(expected) + "}",
                      bitbrat);
    };
    const Decision conflict = set("5");
    CHECK(conflict.code == Code::version_conflict);
    CHECK(conflict.message == "Version mismatch: expected 5, found 10");
    CHECK(conflict.found == 10u);
    CHECK(set("10").accepted);
    CHECK(set("null").accepted);
    CHECK(set("0").message == "Version mismatch: expected 0, found 10");
}

TEST_CASE("versions go on across deletion, an absent key matches only 0") {
    struct Row {
        std::optional<Entry> stands;
        const char* expected;
        bool accepted;
        std::uint64_t found_or_version;
    };
    const Row rows[] = {
        {std::nullopt, "0", true, 1},    {std::nullopt, "null", true, 1},
        {std::nullopt, "1", false, 0},   {tombstone(7), "0", true, 8},
        {tombstone(7), "null", true, 8}, {tombstone(7), "7", false, 0},
        {tombstone(7), "8", false, 0},   {live("1", 7), "7", true, 8},
        {live("1", 7), "0", false, 7},   {live("1", 7), "8", false, 7},
    };
    for (const Row& row : rows) {
        for (const char* op : {"set", "increment"}) {
            CAPTURE(row.expected);
            MapView view;
            if (row.stands) view.entries["k"] = *row.stands;
            const Decision decision =
                decide(view, R"({"op":")" + std::string(op) +
                                 R"(","key":"k","value":1,"reason":"r","expectedVersion":)" +
                                 row.expected + "}");
            CHECK(decision.accepted == row.accepted);
            if (row.accepted) {
                CHECK(decision.changes[0].entry.version == Version{row.found_or_version});
                CHECK(!decision.found);
            } else {
                CHECK(decision.found == row.found_or_version);
                CHECK(decision.message == "Version mismatch: expected " +
                                              std::string(row.expected) + ", found " +
                                              std::to_string(row.found_or_version));
            }
        }
    }
}

TEST_CASE("the first no wins: key, then op, then value, then version, then basis") {
    // Each row has all the faults that come after its own as well.
    MapView view;
    view.entries["text"] = live("\"x\"", 4, 9);
    view.entries["number"] = live("9223372036854775807", 4, 9);
    struct Row {
        const char* key;
        const char* op;
        Code code;
    };
    const Row rows[] = {
        {"other", "increment", Code::key_not_allowed},
        {"text", "increment", Code::op_mismatch},
        {"gone", "delete", Code::absent},
        {"number", "increment", Code::value_invalid},
        {"number", "set", Code::version_conflict},
    };
    Policy policy;
    policy.allowed_keys = {"text", "number", "gone"};
    for (const Row& row : rows) {
        CAPTURE(row.key);
        const Decision decision = decide(
            view,
            R"({"reason":"r","value":1,"expectedVersion":3,"basis":[{"key":"text","seq":8}],"op":")" +
                std::string(row.op) + R"(","key":")" + row.key + "\"}",
            policy);
        CHECK(decision.code == row.code);
        CHECK(decision.key == row.key);
    }
    const Decision last =
        decide(view, R"({"reason":"r","value":1,"expectedVersion":4,"op":"set","key":"number",)"
                     R"("basis":[{"key":"text","seq":9},{"key":"text","seq":8}]})");
    CHECK(last.code == Code::basis_conflict);
    CHECK(last.key == "text");
    CHECK(last.found == 4u);
    CHECK(last.message == "Basis changed: text is at seq 9, the basis is seq 8");
}

TEST_CASE("a basis holds while neither entry nor tombstone is newer, and becomes the cause") {
    MapView view;
    view.entries["live"] = live("1", 3, 20);
    view.entries["gone"] = tombstone(4, 30);
    struct Row {
        const char* key;
        int seq;
        bool holds;
    };
    const Row rows[] = {{"live", 19, false}, {"live", 20, true}, {"live", 21, true},
                        {"gone", 29, false}, {"gone", 30, true}, {"never", 0, true},
                        {"never", 99, true}, {"live", 0, false}};
    for (const Row& row : rows) {
        CAPTURE(row.key);
        CAPTURE(row.seq);
        const std::string basis =
            R"([{"key":")" + std::string(row.key) + R"(","seq":)" + std::to_string(row.seq) + "}]";
        const Decision decision =
            decide(view, R"({"op":"set","key":"k","value":1,"reason":"r","basis":)" + basis + "}");
        CHECK(decision.accepted == row.holds);
        if (row.holds)
            CHECK(decision.changes[0].entry.cause == R"({"basis":)" + basis + "}");
        else
            CHECK(decision.found == (std::string_view(row.key) == "gone" ? 0u : 3u));
    }
    Caller who = caller();
    who.cause = R"({"message":"m-1"})";
    const auto decision = se::decide(
        parse(R"({"op":"set","key":"k","value":1,"reason":"r","basis":[{"key":"live","seq":20}]})"),
        who, view, all_allowed(), kNow);
    REQUIRE(decision);
    CHECK(decision->changes[0].entry.cause ==
          R"({"basis":[{"key":"live","seq":20}],"message":"m-1"})");
}

TEST_CASE("ttl, deadline and metadata are kept by increment, push and merge unless given") {
    const Time deadline = *time_from_text("2026-12-24T00:00:00.000Z");
    const auto seconds = [](int n) { return kNow + std::chrono::seconds(n); };
    struct Row {
        const char* op;
        const char* given;
        std::uint64_t ttl;
        std::optional<Time> expires_at;
        const char* metadata;
    };
    const Row rows[] = {
        {"increment", "", 100, deadline, R"({"m":1})"},
        {"increment", R"(,"ttl":null)", 100, deadline, R"({"m":1})"},
        {"increment", R"(,"ttl":5)", 5, seconds(5), R"({"m":1})"},
        {"increment", R"(,"ttl":0)", 0, std::nullopt, R"({"m":1})"},
        {"increment", R"(,"metadata":{"n":2})", 100, deadline, R"({"n":2})"},
        {"increment", R"(,"metadata":{})", 100, deadline, "{}"},
        {"set", "", 0, std::nullopt, ""},
        {"set", R"(,"ttl":5)", 5, seconds(5), ""},
        {"set", R"(,"metadata":{"n":2})", 0, std::nullopt, R"({"n":2})"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.op);
        CAPTURE(row.given);
        MapView view;
        Entry entry = live("1", 3);
        entry.ttl = 100;
        entry.expires_at = deadline;
        entry.metadata = R"({"m":1})";
        entry.cause = R"({"old":1})";
        view.entries["k"] = entry;
        const Decision decision =
            decide(view, R"({"id":"i","key":"k","value":1,"reason":"new","op":")" +
                             std::string(row.op) + "\"" + row.given + "}");
        REQUIRE(decision.accepted);
        const Entry& after = decision.changes[0].entry;
        CHECK(after.ttl == row.ttl);
        CHECK(after.expires_at == row.expires_at);
        CHECK(after.metadata == row.metadata);
        CHECK(after.reason == "new");
        CHECK(after.id == "i");
        CHECK(after.updated_by == "a");
        CHECK(after.updated_at == kNow);
        CHECK(after.cause.empty());
        CHECK(after.seq == Seq{});
    }
    MapView view;
    view.entries["k"] = tombstone(3);
    const Decision anew = decide(view, R"({"op":"push","key":"k","value":1,"reason":"r","ttl":9})");
    CHECK(anew.changes[0].entry.value == "[1]");
    CHECK(anew.changes[0].entry.expires_at == seconds(9));
}

TEST_CASE("several ops on one key are one change") {
    struct Row {
        const char* list;
        const char* value;  // of k; nullptr: deleted
        OpKind op;
    };
    const Row rows[] = {
        {R"({"op":"set","key":"k","value":5},{"op":"increment","key":"k","value":2})", "7",
         OpKind::increment},
        {R"({"op":"delete","key":"k"},{"op":"set","key":"k","value":1})", "1", OpKind::set},
        {R"({"op":"delete","key":"k"},{"op":"push","key":"k","value":1})", "[1]", OpKind::push},
        {R"({"op":"set","key":"k","value":1},{"op":"delete","key":"k"})", nullptr, OpKind::remove},
        {R"({"op":"increment","key":"k","value":1,"expectedVersion":7},)"
         R"({"op":"increment","key":"k","value":1,"expectedVersion":7})",
         "12", OpKind::increment},
    };
    for (const Row& row : rows) {
        CAPTURE(row.list);
        MapView view;
        view.entries["k"] = live("10", 7);
        const Decision decision =
            decide(view, ops(R"({"op":"set","key":"first","value":0},)" + std::string(row.list)));
        REQUIRE_MESSAGE(decision.accepted, decision.message);
        REQUIRE(decision.changes.size() == 2);
        CHECK(decision.changes[0].key == "first");
        const Decision::Change& change = decision.changes[1];
        CHECK(change.key == "k");
        CHECK(change.op == row.op);
        CHECK(change.entry.version == Version{8});
        CHECK(change.entry.deleted == (row.value == nullptr));
        CHECK(change.entry.value == (row.value ? row.value : ""));
        if (!row.value) CHECK(change.entry == tombstone(8, 0));
    }
}

TEST_CASE("a key that never was leaves a tombstone when set and deleted at once") {
    MapView view;
    const Decision decision =
        decide(view, ops(R"({"op":"set","key":"k","value":1},{"op":"delete","key":"k"})"));
    REQUIRE(decision.accepted);
    CHECK(decision.changes[0].entry == tombstone(1, 0));
}

TEST_CASE("the first no in a list rejects all and names its index") {
    struct Row {
        const char* list;
        std::size_t index;
        Code code;
        const char* message;
    };
    const Row rows[] = {
        {R"({"op":"set","key":"a","value":1},{"op":"delete","key":"gone"})", 1, Code::absent,
         "ops[1]: Nothing to delete: gone is absent"},
        {R"({"op":"set","key":"a","value":1,"expectedVersion":3},{"op":"delete","key":"gone"})", 0,
         Code::version_conflict, "ops[0]: Version mismatch: expected 3, found 0"},
        {R"({"op":"delete","key":"k"},{"op":"delete","key":"k"})", 1, Code::absent,
         "ops[1]: Nothing to delete: k is absent"},
        {R"({"op":"set","key":"a","value":1},{"op":"set","key":"a","value":1},)"
         R"({"op":"set","key":"x.1","value":1})",
         2, Code::key_not_allowed, "ops[2]: Key not allowed"},
        {R"({"op":"set","key":"k","value":"t"},{"op":"increment","key":"k","value":1})", 1,
         Code::op_mismatch, "ops[1]: increment needs a number, k holds a text"},
        {R"({"op":"set","key":"k","value":1},{"op":"set","key":"k","value":1,"expectedVersion":8})",
         1, Code::version_conflict, "ops[1]: Version mismatch: expected 8, found 7"},
    };
    Policy policy;
    policy.allowed_keys = {"a", "k", "gone"};
    for (const Row& row : rows) {
        CAPTURE(row.list);
        MapView view;
        view.entries["k"] = live("10", 7);
        const Decision decision = decide(view, ops(row.list), policy);
        CHECK(!decision.accepted);
        CHECK(decision.changes.empty());
        CHECK(decision.op_index == row.index);
        CHECK(decision.code == row.code);
        CHECK(decision.message == row.message);
    }
}

TEST_CASE("a list of one op still names its index") {
    MapView view;
    const Decision decision = decide(view, ops(R"({"op":"delete","key":"k"})"));
    CHECK(decision.op_index == 0u);
    CHECK(decision.message.starts_with("ops[0]: "));
}

TEST_CASE("metadata beside the list is that of each op without its own") {
    MapView view;
    const Decision decision =
        decide(view, ops(R"({"op":"set","key":"a","value":1},)"
                         R"({"op":"set","key":"b","value":1,"metadata":{"own":1}})",
                         R"(,"metadata":{"all":1})"));
    CHECK(decision.changes[0].entry.metadata == R"({"all":1})");
    CHECK(decision.changes[1].entry.metadata == R"({"own":1})");
}

TEST_CASE("expiry is exempt from policy, and from nothing else") {
    MapView view;
    view.entries["k"] = live("1", 3);
    Caller ttl = caller();
    ttl.exempt = true;
    Policy nothing;
    nothing.allowed_keys = {};
    const auto expire = [&](const char* version) {
        auto decision =
            se::decide(parse(R"({"op":"delete","key":"k","reason":"ttl","expectedVersion":)" +
                             std::string(version) + "}"),
                       ttl, view, nothing, kNow);
        REQUIRE(decision);
        return std::move(*decision);
    };
    CHECK(expire("3").accepted);
    CHECK(expire("2").code == Code::version_conflict);
    CHECK(decide(view, R"({"op":"delete","key":"k","reason":"r"})", nothing).code ==
          Code::key_not_allowed);
}

TEST_CASE("a refused read is an error, never an absent key") {
    MapView view;
    view.failing = "k";
    for (const char* json :
         {R"({"op":"set","key":"k","value":1,"reason":"r","expectedVersion":0})",
          R"({"op":"set","key":"other","value":1,"reason":"r","basis":[{"key":"k","seq":1}]})"}) {
        const auto decision = se::decide(parse(json), caller(), view, all_allowed(), kNow);
        REQUIRE(!decision);
        CHECK(decision.error().code == Errc::io);
    }
}

TEST_CASE("a deadline beyond the calendar is its last day") {
    MapView view;
    Policy policy = all_allowed();
    Proposal proposal = parse(R"({"op":"set","key":"k","value":1,"reason":"r","ttl":1})");
    proposal.ops[0].ttl = UINT64_MAX;
    const auto decision = se::decide(proposal, caller(), view, policy, kNow);
    REQUIRE(decision);
    CHECK(to_text(*decision->changes[0].entry.expires_at) == "9999-12-31T23:59:59.999Z");
}
