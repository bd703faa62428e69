// The record of a decision says all that was decided, and gives the proposal back.

#include <doctest/doctest.h>

#include <random>

#include "engine/decide.h"
#include "journal/base/time_text.h"
#include "projection/fold.h"
#include "tests/engine/decide_world.h"

using namespace se;
using namespace se::test;

namespace {

const std::string kContent(32, 'c');
const std::string kDecided(16, 'd');

/// State as the fold of the journal has it: what a decision's record did not say is not there.
class FoldView final : public View {
public:
    Result<std::optional<Entry>> get(std::string_view key) override {
        const Entry* entry = state.find(key);
        return entry ? std::optional<Entry>(*entry) : std::nullopt;
    }
    MemoryState state;
};

struct Written {
    std::string line;
    RecordView record;
    Body body;
};

std::unique_ptr<Written> write(const RecordDraft& draft, Seq seq) {
    auto written = std::make_unique<Written>();
    encode_record(written->line, draft, seq, Epoch{1}, Seq{0}, std::string(32, '0'));
    REQUIRE(parse_record(written->line, &written->record));
    auto body = parse_body(written->record.body);
    REQUIRE(body);
    written->body = std::move(*body);
    return written;
}

/// What journal/body.h promises: the proposal, from its record alone.
Proposal proposal_of(const Written& written) {
    const RecordView& record = written.record;
    const Body& body = written.body;
    Json json{Json::Object{}};
    const auto set_text = [&](const char* name, std::string_view text) {
        if (!text.empty()) json.set(name, text);
    };
    const auto set_json = [&](const char* name, std::string_view text) {
        if (!text.empty()) json.set(name, *parse_json(text));
    };
    const auto set_number = [&](const char* name, const std::optional<std::uint64_t>& number) {
        if (number) json.set(name, static_cast<std::int64_t>(*number));
    };
    set_text("id", record.id);
    set_text("reason", body.reason);
    set_json("metadata", body.metadata);
    set_text("ts", body.ts);
    if (!body.basis.empty()) {
        Json::Array basis;
        for (const Body::Basis& fact : body.basis)
            basis.push_back(Json(Json::Object{{"key", fact.key},
                                              {"seq", static_cast<std::int64_t>(fact.seq.value)}}));
        json.set("basis", std::move(basis));
    }
    if (body.ops.empty()) {
        REQUIRE(record.changes.size() == 1);
        set_text("op", record.changes[0].op);
        set_text("key", record.changes[0].key);
        set_number("ttl", body.ttl);
        set_number("expectedVersion", body.expected_version);
        if (!body.args.empty())
            set_json("value", body.args[0]);
        else if (!body.values.empty() && record.changes[0].op != "delete")
            set_json("value", body.values[0]);
    } else {
        Json list = *parse_json(body.ops);
        for (Json& op : list.array()) {
            if (op.find("value") || op.find("op")->string() == "delete") continue;
            for (std::size_t i = 0; i < record.changes.size(); ++i)
                if (record.changes[i].key == op.find("key")->string())
                    op.set("value", *parse_json(body.values.at(i)));
        }
        json.set("ops", std::move(list));
    }
    ParsedProposal parsed = proposal_of_json(json, Limits{});
    REQUIRE_MESSAGE(parsed.proposal, parsed.refusal.message << to_text(json));
    return std::move(*parsed.proposal);
}

void check_same(const Proposal& a, const Proposal& b) {
    CHECK(a.id == b.id);
    CHECK(a.single == b.single);
    CHECK(a.reason == b.reason);
    CHECK(a.metadata == b.metadata);
    CHECK(a.basis == b.basis);
    CHECK(a.ts == b.ts);
    REQUIRE(a.ops.size() == b.ops.size());
    for (std::size_t i = 0; i < a.ops.size(); ++i) {
        CHECK(a.ops[i].kind == b.ops[i].kind);
        CHECK(a.ops[i].key == b.ops[i].key);
        CHECK(a.ops[i].value_text == b.ops[i].value_text);
        CHECK(a.ops[i].ttl == b.ops[i].ttl);
        CHECK(a.ops[i].metadata == b.ops[i].metadata);
        CHECK(a.ops[i].expected_version == b.ops[i].expected_version);
    }
}

Policy policy() {
    Policy policy;
    policy.allowed_keys = {"k*"};
    policy.limits.value_bytes = 14;  // little enough for lists to grow over it
    return policy;
}

/// Proposals of few words over few keys, so that they meet each other.
class Proposer {
public:
    explicit Proposer(std::uint64_t seed) : random_(seed) {}

    Proposal next() {
        Json json{Json::Object{{"id", "i" + std::to_string(++count_)}, {"reason", "r"}}};
        if (one_in(3)) {
            Json::Array list;
            for (std::uint64_t n = 1 + pick(4); n > 0; --n) list.push_back(op());
            json.set("ops", std::move(list));
        } else {
            const Json single = op();
            for (const auto& [name, value] : single.object()) json.set(name, value);
        }
        if (one_in(4)) json.set("metadata", one_in(4) ? Json(Json::Object{}) : metadata());
        if (one_in(8)) json.set("ts", "yesterday");
        if (one_in(8)) {
            json.set("basis", Json::Array{Json(Json::Object{
                                  {"key", key()}, {"seq", static_cast<int>(pick(2 * count_))}})});
        }
        ParsedProposal parsed = proposal_of_json(json, Limits{});
        REQUIRE_MESSAGE(parsed.proposal, parsed.refusal.message << to_text(json));
        return std::move(*parsed.proposal);
    }

    std::uint64_t pick(std::uint64_t below) { return random_() % below; }

private:
    bool one_in(std::uint64_t n) { return pick(n) == 0; }
    std::string key() { return one_in(30) ? "other" : "k" + std::to_string(pick(3)); }
    Json metadata() { return Json(Json::Object{{"m", static_cast<int>(pick(5))}}); }

    Json op() {
        static const char* const kinds[] = {"set", "set", "delete", "increment", "push", "merge"};
        const std::string kind = kinds[pick(6)];
        Json json{Json::Object{{"op", kind}, {"key", key()}}};
        if (kind == "merge")
            json.set("value", Json(Json::Object{{"a", one_in(3) ? Json() : metadata()}}));
        else if (kind == "increment")
            json.set("value", one_in(3) ? Json(0.5) : Json(static_cast<int>(pick(9))));
        else if (kind != "delete" || one_in(9))
            json.set("value", *parse_json(std::vector<const char*>{"1", "null", "[]", "{}", "\"t\"",
                                                                   "2.5", "[1]"}[pick(7)]));
        if (one_in(4)) json.set("ttl", static_cast<int>(pick(3)));
        if (one_in(4)) json.set("expectedVersion", static_cast<int>(pick(12)));
        return json;
    }

    std::mt19937_64 random_;
    std::uint64_t count_ = 0;
};

}  // namespace

TEST_CASE("records of random decisions fold to what was decided and give the proposal back") {
    std::map<Code, int> seen;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        Proposer proposer(seed);
        FoldView view;
        std::map<std::string, std::uint64_t> versions;  // E3, counted apart
        for (std::uint64_t n = 1; n <= 250; ++n) {
            const Seq seq{n};
            const Time now = kNow + std::chrono::milliseconds(n * 7);
            Proposal proposal = proposer.next();
            const auto decision = decide(proposal, caller(), view, policy(), now);
            REQUIRE(decision);
            const auto written =
                write(to_draft(proposal, caller(), *decision, kContent, kDecided, now), seq);
            check_same(proposal_of(*written), proposal);
            REQUIRE(view.state.fold(written->record));
            ++seen[decision->code];

            CHECK(written->record.code == to_text(decision->code));
            CHECK(written->body.message == decision->message);
            CHECK(written->body.found == decision->found);
            if (!decision->accepted) {
                CHECK(written->record.kind == Kind::rejected);
                CHECK(decision->changes.empty());
                for (const auto& change : written->record.changes)
                    CHECK(change.version == Version{});
                continue;
            }
            CHECK(written->record.kind == Kind::accepted);
            REQUIRE(written->record.changes.size() == decision->changes.size());
            for (const Decision::Change& change : decision->changes) {
                Entry expected = change.entry;
                expected.seq = seq;
                const Entry* folded = view.state.find(change.key);
                REQUIRE(folded);
                CHECK(*folded == expected);
                CHECK(folded->version.value == ++versions[change.key]);
            }
        }
    }
    for (const Code code : {Code::none, Code::key_not_allowed, Code::op_mismatch, Code::absent,
                            Code::value_invalid, Code::version_conflict, Code::basis_conflict})
        CHECK(seen[code] > 0);
}

TEST_CASE("the same decision makes the same bytes") {
    std::string all[2];
    for (std::string& text : all) {
        Proposer proposer(7);
        FoldView view;
        for (std::uint64_t n = 1; n <= 100; ++n) {
            const Proposal proposal = proposer.next();
            const auto decision = decide(proposal, caller(), view, policy(), kNow);
            REQUIRE(decision);
            const auto written =
                write(to_draft(proposal, caller(), *decision, kContent, kDecided, kNow), Seq{n});
            REQUIRE(view.state.fold(written->record));
            text += written->line + "\n";
        }
    }
    CHECK(all[0] == all[1]);
}

TEST_CASE("a record is as small as it can be") {
    struct Row {
        const char* proposal;
        const char* changes;
        const char* body;
    };
    // k1 is 1 with metadata and a ttl of 60 s, at version 1.
    const Row rows[] = {
        {R"({"op":"set","key":"k","value":[1],"reason":"r"})",
         R"([{"key":"k","op":"set","version":1}])", R"({"reason":"r","values":[[1]]})"},
        {R"({"op":"set","key":"k","value":1,"reason":"r","ttl":5,"metadata":{"m":1},"expectedVersion":0,"ts":"t"})",
         R"([{"key":"k","op":"set","version":1}])",
         R"({"reason":"r","metadata":{"m":1},"values":[1],"ttl":5,"expectedVersion":0,"ts":"t"})"},
        {R"({"op":"delete","key":"k1","reason":"r"})",
         R"([{"key":"k1","op":"delete","version":2}])", R"({"reason":"r","values":[null]})"},
        {R"({"op":"delete","key":"k1","reason":"r","metadata":{"m":1}})",
         R"([{"key":"k1","op":"delete","version":2}])",
         R"({"reason":"r","metadata":{"m":1},"values":[null]})"},
        {R"({"op":"increment","key":"k","value":2,"reason":"r"})",
         R"([{"key":"k","op":"increment","version":1}])", R"({"reason":"r","values":[2]})"},
        {R"({"op":"increment","key":"k1","value":2,"reason":"r"})",
         R"([{"key":"k1","op":"increment","version":2}])",
         R"({"reason":"r","values":[3],"entries":[{"ttl":60,"expiresAt":"2026-11-21T02:01:00.000Z",)"
         R"("metadata":{"m":0}}],"args":[2]})"},
        {R"({"ops":[{"op":"set","key":"k","value":1},{"op":"delete","key":"k1"},{"op":"push","key":"k2","value":1}],"reason":"r"})",
         R"([{"key":"k","op":"set","version":1},{"key":"k1","op":"delete","version":2},)"
         R"({"key":"k2","op":"push","version":1}])",
         R"({"reason":"r","values":[1,null,[1]],"ops":[{"key":"k","op":"set"},{"key":"k1","op":"delete"},)"
         R"({"key":"k2","op":"push","value":1}]})"},
        // Rejected: the whole proposal, the message, the version found.
        {R"({"op":"set","key":"k1","value":{"a":1},"reason":"r","expectedVersion":4,"ttl":9})",
         R"([{"key":"k1","op":"set"}])",
         R"({"reason":"r","args":[{"a":1}],"ttl":9,"expectedVersion":4,)"
         R"("message":"Version mismatch: expected 4, found 1","found":1})"},
        {R"({"op":"delete","key":"k","reason":"r"})", R"([{"key":"k","op":"delete"}])",
         R"({"reason":"r","message":"Nothing to delete: k is absent"})"},
        {R"({"ops":[{"op":"set","key":"k","value":1},{"op":"set","key":"x","value":2},{"op":"delete","key":"k"}],"reason":"r"})",
         R"([{"key":"k","op":"delete"},{"key":"x","op":"set"}])",
         R"({"reason":"r","ops":[{"key":"k","op":"set","value":1},{"key":"x","op":"set","value":2},)"
         R"({"key":"k","op":"delete"}],"message":"ops[1]: Key not allowed"})"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.proposal);
        FoldView view;
        const auto journal = [&](std::string_view json, Seq seq) {
            const ParsedProposal parsed = parse_proposal(json, Limits{});
            REQUIRE(parsed.proposal);
            const auto decision = decide(*parsed.proposal, caller(), view, policy(), kNow);
            REQUIRE(decision);
            auto written = write(
                to_draft(*parsed.proposal, caller(), *decision, kContent, kDecided, kNow), seq);
            REQUIRE(view.state.fold(written->record));
            return written;
        };
        journal(R"({"op":"set","key":"k1","value":1,"reason":"r","ttl":60,"metadata":{"m":0}})",
                Seq{1});
        const auto written = journal(row.proposal, Seq{2});
        CHECK(written->record.body == row.body);
        CHECK(written->line.find(",\"changes\":" + std::string(row.changes)) != std::string::npos);
    }
}

TEST_CASE("who asked, and what led to it, is in the head") {
    Caller who = caller();
    who.roles = {"moderator"};
    who.trace = "00-abc";
    who.cause = R"({"message":"m"})";
    who.claim = R"({"actor":"root"})";
    FoldView view;
    const auto record_of = [&](std::string_view json) {
        const ParsedProposal parsed = parse_proposal(json, Limits{});
        REQUIRE(parsed.proposal);
        const auto decision = decide(*parsed.proposal, who, view, policy(), kNow);
        REQUIRE(decision);
        return write(to_draft(*parsed.proposal, who, *decision, kContent, kDecided, kNow), Seq{1});
    };
    const std::string basis = R"(,"basis":[{"key":"k9","seq":3}])";
    const auto accepted =
        record_of(R"({"id":"i","op":"set","key":"k","value":1,"reason":"r")" + basis + "}");
    const RecordView& record = accepted->record;
    CHECK(record.id == "i");
    CHECK(record.content == kContent);
    CHECK(record.decided == kDecided);
    CHECK(record.actor == "a");
    CHECK(record.principal == "p");
    CHECK(record.door == "http");
    CHECK(record.roles == R"(["moderator"])");
    CHECK(record.trace == "00-abc");
    CHECK(record.ts == kNow);
    CHECK(record.cause == R"({"basis":[{"key":"k9","seq":3}],"message":"m"})");
    CHECK(accepted->body.claim == R"({"actor":"root"})");

    // A rejected basis led to nothing: it stays in the body, where the proposal is.
    const auto rejected =
        record_of(R"({"op":"set","key":"x","value":1,"reason":"r")" + basis + "}");
    CHECK(rejected->record.cause == R"({"message":"m"})");
    CHECK(rejected->body.basis == std::vector<Body::Basis>{{"k9", Seq{3}}});
}
