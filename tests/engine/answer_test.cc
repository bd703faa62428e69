#include "engine/answer.h"

#include <doctest/doctest.h>

#include <set>

#include "journal/base/json.h"

using namespace se;

namespace {

Answer rejected(Code code, std::string reason = "") {
    Answer answer;
    answer.code = code;
    answer.reason = std::move(reason);
    return answer;
}

std::string text_of(const Answer& answer) {
    std::string out;
    append_answer_json(out, answer);
    return out;
}

struct Row {
    Code code;
    const char* text;
    int http;
    int exit;
};

// INTERFACES: "Answer", "HTTP" and the exit codes of statectl.
const Row kRows[] = {
    {Code::malformed, "malformed", 400, 1},
    {Code::too_large, "too_large", 413, 1},
    {Code::key_not_allowed, "key_not_allowed", 403, 3},
    {Code::actor_not_permitted, "actor_not_permitted", 403, 3},
    {Code::rate_limited, "rate_limited", 429, 7},
    {Code::op_mismatch, "op_mismatch", 422, 1},
    {Code::absent, "absent", 422, 5},
    {Code::value_invalid, "value_invalid", 422, 1},
    {Code::version_conflict, "version_conflict", 409, 2},
    {Code::basis_conflict, "basis_conflict", 409, 2},
    {Code::id_reused, "id_reused", 409, 2},
    {Code::depth_limit, "depth_limit", 422, 1},
    {Code::approval_required, "approval_required", 403, 3},
    {Code::not_approver, "not_approver", 403, 3},
    {Code::lapsed, "lapsed", 409, 2},
    {Code::unauthenticated, "unauthenticated", 401, 3},
    {Code::not_found, "not_found", 404, 5},
    {Code::unavailable, "unavailable", 503, 7},
    {Code::outcome_unknown, "outcome_unknown", 503, 7},
};

}  // namespace

TEST_CASE("every code has its text, its http status and its exit code") {
    std::set<Code> seen;
    for (const Row& row : kRows) {
        CAPTURE(row.text);
        CHECK(to_text(row.code) == row.text);
        CHECK(code_from_text(row.text) == row.code);
        CHECK(http_status(rejected(row.code)) == row.http);
        CHECK(exit_code(rejected(row.code)) == row.exit);
        seen.insert(row.code);
    }
    CHECK(seen.size() == static_cast<std::size_t>(Code::outcome_unknown));
    CHECK(!code_from_text("no_such_code"));
}

TEST_CASE("accepted is 200 and 0, pending is 202 and 6") {
    Answer answer;
    answer.status = Answer::Status::accepted;
    CHECK(http_status(answer) == 200);
    CHECK(exit_code(answer) == 0);
    answer.status = Answer::Status::pending;
    CHECK(http_status(answer) == 202);
    CHECK(exit_code(answer) == 6);
}

TEST_CASE("unavailable means retry, but for damage: that is 4") {
    CHECK(exit_code(rejected(Code::unavailable, "draining")) == 7);
    CHECK(exit_code(rejected(Code::unavailable, "disk_full")) == 7);
    CHECK(exit_code(rejected(Code::unavailable, "overloaded")) == 7);
    CHECK(exit_code(rejected(Code::unavailable, "damaged")) == 4);
}

TEST_CASE("an answer is the same JSON everywhere") {
    Answer answer;
    answer.id = "m\"1";
    answer.status = Answer::Status::accepted;
    answer.seq = Seq{7};
    answer.epoch = Epoch{3};
    answer.changes = {{"a.b", Version{2}, false}};
    CHECK(text_of(answer) ==
          R"({"id":"m\"1","status":"accepted","duplicate":false,"seq":7,"epoch":3,)"
          R"("changes":[{"key":"a.b","version":2}],"key":"a.b","version":2})");

    answer.duplicate = true;
    answer.changes.push_back({"c", Version{9}, true});
    CHECK(text_of(answer) ==
          R"({"id":"m\"1","status":"accepted","duplicate":true,"seq":7,"epoch":3,"changes":)"
          R"([{"key":"a.b","version":2},{"key":"c","version":9,"deleted":true}]})");

    Answer conflict = rejected(Code::version_conflict);
    conflict.id = "x";
    conflict.seq = Seq{8};
    conflict.epoch = Epoch{3};
    conflict.message = "Version mismatch: expected 5, found 0";
    conflict.current = "null";
    conflict.tombstone = R"({"version":4,"seq":6})";
    CHECK(text_of(conflict) ==
          R"({"id":"x","status":"rejected","duplicate":false,"seq":8,"epoch":3,"changes":[],)"
          R"("code":"version_conflict","message":"Version mismatch: expected 5, found 0",)"
          R"("current":null,"tombstone":{"version":4,"seq":6}})");

    Answer limited = rejected(Code::unavailable, "overloaded");
    limited.retry_after_ms = 250;
    limited.in_doubt = true;
    limited.dry_run = true;
    limited.pointer = "/a";
    limited.entries = {"null", R"({"key":"k"})"};
    CHECK(text_of(limited) ==
          R"({"id":"","status":"rejected","duplicate":false,"dryRun":true,"seq":0,"epoch":0,)"
          R"("changes":[],"code":"unavailable","reason":"overloaded","pointer":"/a",)"
          R"("entries":[null,{"key":"k"}],"retryAfterMs":250,"inDoubt":true})");
    for (const Answer& any : {answer, conflict, limited}) CHECK(parse_json(text_of(any)));
}
