// Records and entries as the documents that BitBrat's code reads.

#include "projection/firestore/documents.h"

#include <doctest/doctest.h>

#include "journal/base/hash.h"
#include "journal/base/time_text.h"
#include "journal/body.h"

namespace se::firestore {
namespace {

Json json_from(std::string_view text) {
    const auto json = parse_json(text);
    REQUIRE_MESSAGE(json, json.error().text);
    return *json;
}

std::string shown(const Fields& fields) {
    const auto json = json_of(Value{fields});
    REQUIRE(json);
    return to_text(*json);
}

struct Written {
    std::string line;
    RecordView view;
};

/// A record as the journal has it.
std::unique_ptr<Written> record(RecordDraft draft, const Body& body) {
    auto written = std::make_unique<Written>();
    draft.ts = *time_from_text("2026-11-21T02:00:00.000Z");
    draft.body.clear();
    encode_body(draft.body, body);
    encode_record(written->line, draft, Seq{7}, Epoch{3}, Seq{6}, std::string(kSaltHexDigits, 'a'));
    REQUIRE(parse_record(written->line, &written->view));
    return written;
}

std::string log_of(const RecordDraft& draft, const Body& body) {
    const auto written = record(draft, body);
    const auto fields = log_fields(written->view);
    REQUIRE_MESSAGE(fields, fields.error().text);
    return shown(*fields);
}

void check(const std::string& shown, std::string_view expected) {
    CHECK(shown == to_text(json_from(expected)));
}

TEST_CASE("an entry is a StateSnapshot, with a deadline also as a timestamp") {
    Entry entry;
    entry.version = Version{3};
    entry.seq = Seq{9};
    entry.updated_at = *time_from_text("2026-11-21T02:00:00.000Z");
    entry.value = R"({"a":[1]})";
    entry.updated_by = "llm-bot";
    entry.reason = "why";
    auto fields = state_fields(entry);
    REQUIRE(fields);
    check(shown(*fields),
          R"({"value":{"a":[1]},"updatedAt":"2026-11-21T02:00:00.000Z","updatedBy":"llm-bot",
        "version":3,"ttl":null,"metadata":{"source":"why"},"seq":9})");

    entry.ttl = 60;
    entry.expires_at = *time_from_text("2026-11-21T02:01:00.500Z");
    entry.metadata = R"({"source":"mine","x":1})";
    fields = state_fields(entry);
    REQUIRE(fields);
    check(shown(*fields),
          R"({"value":{"a":[1]},"updatedAt":"2026-11-21T02:00:00.000Z","updatedBy":"llm-bot",
        "version":3,"ttl":60,"metadata":{"source":"mine","x":1},"seq":9,"expiresAt":"2026-11-21T02:01:00.500Z"})");
    CHECK(*find(*fields, "expiresAt")->as<Timestamp>() == Timestamp{1'795'226'460, 500'000'000});
}

TEST_CASE("an accepted and a rejected proposal are MutationLogEntries") {
    const RecordDraft set{.kind = Kind::accepted,
                          .id = "m-1",
                          .content = std::string(32, '0'),
                          .actor = "twitch",
                          .changes = {{"stream.state", "set", Version{1}}}};
    check(
        log_of(set, {.reason = "went live",
                     .metadata = R"({"a":1})",
                     .values = {"\"on\""},
                     .ttl = 60,
                     .expected_version = 0,
                     .ts = "2026-11-21T01:59:59Z"}),
        R"({"id":"m-1","op":"set","key":"stream.state","value":"on","actor":"twitch","reason":"went live",
              "expectedVersion":0,"ts":"2026-11-21T01:59:59Z","ttl":60,"metadata":{"a":1},
              "committedAt":"2026-11-21T02:00:00.000Z","status":"accepted","resultingVersion":1,"seq":7,"epoch":3})");

    // What an increment added is its value, not what came of it.
    RecordDraft increment = set;
    increment.changes = {{"n", "increment", Version{5}}};
    check(log_of(increment, {.reason = "r", .values = {"12"}, .args = {"2"}}),
          R"({"id":"m-1","op":"increment","key":"n","value":2,"actor":"twitch","reason":"r",
              "ts":"2026-11-21T02:00:00.000Z","committedAt":"2026-11-21T02:00:00.000Z","status":"accepted",
              "resultingVersion":5,"seq":7,"epoch":3})");

    RecordDraft gone = set;
    gone.changes = {{"n", "delete", Version{6}}};
    check(log_of(gone, {.reason = "r", .values = {"null"}}),
          R"({"id":"m-1","op":"delete","key":"n","actor":"twitch","reason":"r",
              "ts":"2026-11-21T02:00:00.000Z","committedAt":"2026-11-21T02:00:00.000Z","status":"accepted",
              "resultingVersion":6,"seq":7,"epoch":3})");

    RecordDraft refused = set;
    refused.kind = Kind::rejected;
    refused.code = "key_not_allowed";
    refused.changes = {{"forbidden.key", "set", Version{}}};
    check(log_of(refused, {.reason = "r", .args = {"1"}, .message = "Key not allowed"}),
          R"({"id":"m-1","op":"set","key":"forbidden.key","value":1,"actor":"twitch","reason":"r",
              "ts":"2026-11-21T02:00:00.000Z","committedAt":"2026-11-21T02:00:00.000Z","status":"rejected",
              "error":"Key not allowed","code":"key_not_allowed","seq":7,"epoch":3})");

    // One that binds no id is a proposal all the same; what never took shape is none, and its text is no member.
    refused.code = "id_reused";
    check(log_of(refused, {.reason = "r", .args = {"1"}, .expected_version = 3, .message = "no"}),
          R"({"id":"m-1","op":"set","key":"forbidden.key","value":1,"actor":"twitch","reason":"r","expectedVersion":3,
              "ts":"2026-11-21T02:00:00.000Z","committedAt":"2026-11-21T02:00:00.000Z","status":"rejected",
              "error":"no","code":"id_reused","seq":7,"epoch":3})");
    refused.code = "malformed";
    refused.changes = {{"k", "", Version{}}};
    check(log_of(refused, {.claim = R"({"original":"{\"op\":\"?\"}"})", .message = "no"}),
          R"({"id":"m-1","op":"","key":"k","actor":"twitch","reason":"","ts":"2026-11-21T02:00:00.000Z",
              "committedAt":"2026-11-21T02:00:00.000Z","status":"rejected","error":"no","code":"malformed",
              "seq":7,"epoch":3})");
}

TEST_CASE("several ops are one log document that names them all") {
    const RecordDraft draft{.kind = Kind::accepted,
                            .id = "m-2",
                            .content = std::string(32, '0'),
                            .actor = "a",
                            .changes = {{"x", "set", Version{1}}, {"y", "delete", Version{4}}}};
    check(log_of(draft, {.reason = "r",
                         .values = {"1", "null"},
                         // As a record keeps it: the value stands in `values`.
                         .ops = R"([{"key":"x","op":"set"},{"key":"y","op":"delete"}])"}),
          R"({"id":"m-2","actor":"a","reason":"r","ts":"2026-11-21T02:00:00.000Z",
              "committedAt":"2026-11-21T02:00:00.000Z","status":"accepted","seq":7,"epoch":3,
              "ops":[{"key":"x","op":"set","value":1},{"key":"y","op":"delete"}],
              "changes":[{"key":"x","op":"set","version":1},{"key":"y","op":"delete","version":4}]})");
}

TEST_CASE("a log document is named by its id where that can be, else by its hash") {
    const auto id_of = [](std::string id) {
        return log_id(record({.kind = Kind::accepted,
                              .id = std::move(id),
                              .content = std::string(32, '0'),
                              .actor = "a"},
                             {})
                          ->view);
    };
    CHECK(id_of("550e8400-e29b-41d4-a716-446655440000:disposition") ==
          "550e8400-e29b-41d4-a716-446655440000:disposition");
    for (const char* id : {".", "..", "__x__", "a/b", "~a", "~"}) {
        CAPTURE(id);
        CHECK(id_of(id) == "~" + to_hex(sha256(id)));
    }
    CHECK(id_of(std::string(1'501, 'x')) == "~" + to_hex(sha256(std::string(1'501, 'x'))));
    CHECK(id_of("") == "~" + to_hex(sha256("3.7")));
    CHECK(is_legal_id("__"));
    CHECK(is_legal_id(std::string(1'500, 'x')));
}

TEST_CASE("what is no decision has no log document") {
    CHECK_FALSE(log_path(record({.kind = Kind::note, .note = "opened", .actor = "a"}, {})->view));
    CHECK(log_path(record({.kind = Kind::rejected, .code = "absent", .id = "i", .actor = "a"}, {})
                       ->view) == "mutation_log/i");
}

TEST_CASE("a document that Firestore would not take is known before it is sent") {
    Fields fields;
    set(fields, "v", Value{std::string(kDocumentBytesMax - 200, 'x')});
    CHECK(why_not_storable("state/a", fields).empty());
    set(fields, "v", Value{std::string(kDocumentBytesMax, 'x')});
    CHECK(why_not_storable("state/a", fields).find("1048576") != std::string::npos);
    CHECK_FALSE(why_not_storable("state/__a__", {}).empty());
}

TEST_CASE("a watermark reads back as what was written, and what is none is none") {
    Mark mark{.store = "s", .epoch = Epoch{5}, .run = "r", .seq = Seq{9}, .bootstrap = {}};
    CHECK(mark_of(mark_fields(mark)) == mark);
    mark.bootstrap = Seq{7};
    mark.until = Seq{8};
    CHECK(mark_of(mark_fields(mark)) == mark);
    Fields fields = mark_fields(mark);
    set(fields, "seq", Value{std::string("9")});
    CHECK_FALSE(mark_of(fields));
    set(fields, "seq", Value{std::int64_t{-1}});
    CHECK_FALSE(mark_of(fields));
}

}  // namespace
}  // namespace se::firestore
