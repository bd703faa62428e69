#include "journal/record.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "journal/base/crc32c.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "journal/salts.h"
#include "tests/sim/sim_random.h"

namespace se {
namespace {

const std::string kSalt = "00112233445566778899aabbccddeeff";

RecordDraft full_draft() {
    RecordDraft draft;
    draft.ts = *time_from_text("2026-11-21T02:00:00.123Z");
    draft.kind = Kind::accepted;
    draft.id = "id \"quoted\" \\ and \n more";
    draft.content = "0123456789abcdef0123456789abcdef";
    draft.actor = "agent:ümläut";
    draft.principal = "operator";
    draft.door = "http";
    draft.roles = {"moderator", "a\"b"};
    // A member named like one of the tail's, where a careless search would find it.
    draft.cause = R"({"basis":[1],"salt":"00112233445566778899aabbccddeeff","body":{}})";
    draft.trace = "00-abc-01";
    draft.changes = {{"user.fact.a", "set", {42}}, {"ключ", "delete", {7}}};
    draft.decided = "0123456789abcdef";
    draft.body = R"({"reason":"because","values":[{"crc":"00000000"},null]})";
    return draft;
}

std::string encode(const RecordDraft& draft) {
    std::string line;
    encode_record(line, draft, {7}, {1763690400}, {6}, kSalt);
    return line;
}

/// The line with another middle and a crc that is right again: the crc must not be what saves us.
std::string with_crc(std::string covered) {
    const std::uint32_t crc = crc32c(covered);
    covered += ",\"crc\":\"";
    append_hex32(covered, crc);
    return covered += "\"}";
}

TEST_CASE("a record reads back as it was written") {
    const RecordDraft draft = full_draft();
    const std::string line = encode(draft);
    RecordView record;
    const Status parsed = parse_record(line, &record);
    REQUIRE_MESSAGE(parsed, line);
    CHECK(record.line == line);
    CHECK(record.seq == Seq{7});
    CHECK(record.epoch == Epoch{1763690400});
    CHECK(record.durable == Seq{6});
    CHECK(record.ts == draft.ts);
    CHECK(record.kind == Kind::accepted);
    CHECK(record.id == draft.id);
    CHECK(record.content == draft.content);
    CHECK(record.actor == draft.actor);
    CHECK(record.principal == draft.principal);
    CHECK(record.principal_or_actor() == draft.principal);
    CHECK(record.door == draft.door);
    CHECK(record.roles == R"(["moderator","a\"b"])");
    CHECK(record.cause == draft.cause);
    CHECK(record.trace == draft.trace);
    CHECK(record.decided == draft.decided);
    CHECK(record.salt == kSalt);
    CHECK(record.body == draft.body);
    CHECK(record.erased.empty());
    REQUIRE(record.changes.size() == 2);
    CHECK(record.changes[0].key == "user.fact.a");
    CHECK(record.changes[0].op == "set");
    CHECK(record.changes[0].version == Version{42});
    CHECK(record.changes[1].key == "ключ");
    CHECK(record.changes[1].version == Version{7});
}

TEST_CASE("the bytes of a record are exactly these") {
    RecordDraft draft;
    draft.ts = *time_from_text("2026-11-21T02:00:00.000Z");
    draft.kind = Kind::rejected;
    draft.code = "absent";
    draft.id = "m1";
    draft.actor = draft.principal = "a";
    draft.changes = {{"k", "delete", {}}};
    const std::string line = encode(draft);
    const std::string covered =
        R"({"seq":7,"epoch":1763690400,"durable":6,"ts":"2026-11-21T02:00:00.000Z",)"
        R"("kind":"rejected","code":"absent","id":"m1","actor":"a",)"
        R"("changes":[{"key":"k","op":"delete"}],"salt":"00112233445566778899aabbccddeeff","body":{})";
    CHECK(line == with_crc(covered));
}

TEST_CASE("members equal to their default are absent and read back as it") {
    RecordDraft draft;
    const std::string line = encode(draft);
    RecordView record;
    REQUIRE(parse_record(encode(full_draft()), &record));
    REQUIRE(parse_record(line, &record));  // into used memory
    CHECK(record.kind == Kind::note);
    CHECK(record.note.empty());
    CHECK(record.id.empty());
    CHECK(record.actor.empty());
    CHECK(record.cause.empty());
    CHECK(record.roles.empty());
    CHECK(record.changes.empty());
    CHECK(record.unescaped.empty());
    CHECK(record.body == "{}");
}

TEST_CASE("every flipped bit and every prefix of a line is refused by its frame") {
    const std::string line = encode(full_draft());
    REQUIRE(read_frame(line));
    CHECK(read_frame(line)->seq == Seq{7});
    CHECK(read_frame(line)->epoch == Epoch{1763690400});
    CHECK(read_frame(line)->durable == Seq{6});
    for (std::size_t bit = 0; bit < line.size() * 8; ++bit) {
        std::string bad = line;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
        CHECK_FALSE(read_frame(bad));
    }
    for (std::size_t size = 0; size < line.size(); ++size) {
        CHECK_FALSE(read_frame(std::string_view(line).substr(0, size)));
    }
    CHECK_FALSE(read_frame(line + "\r"));
    CHECK_FALSE(read_frame(" " + line));
}

TEST_CASE("a right crc does not make a record of any text") {
    for (const char* covered :
         {R"()", R"({"seq":)", R"({"seq":1)", R"({"seq":01,"epoch":1,"durable":0,"ts":")",
          R"({"seq":-1,"epoch":1,"durable":0,"ts":")", R"({"seq":,"epoch":1,"durable":0,"ts":")",
          R"({"seq":18446744073709551616,"epoch":1,"durable":0,"ts":")",
          R"({"format":"state-engine-journal/1","store":"s")"}) {
        CAPTURE(covered);
        CHECK_FALSE(read_frame(with_crc(covered)));
    }
    CHECK(read_frame(with_crc(R"({"seq":18446744073709551615,"epoch":1,"durable":0,"ts":")")));
}

TEST_CASE("parsing is strict about form, order and escapes") {
    const std::string start = R"({"seq":7,"epoch":1,"durable":6,"ts":"2026-11-21T02:00:00.000Z",)";
    const std::string end = R"(,"salt":"00112233445566778899aabbccddeeff","body":{})";
    RecordView record;
    REQUIRE(parse_record(with_crc(start + R"("kind":"note")" + end), &record));
    for (const std::string& middle : {
             std::string(R"("kind":note)"),
             std::string(R"("id":"x","kind":"note")"),
             std::string(R"("kind":"note","actor":"a","id":"x")"),  // order
             std::string(R"("kind":"note","id":"x","id":"x")"),     // twice
             std::string(R"("kind":"note","id":"\u0041")"),         // not our escape
             std::string(R"("kind":"note","id":"\/")"),
             std::string(R"("kind":"note","id":"\ud800")"),
             std::string("\"kind\":\"note\",\"id\":\"a\tb\""),
             std::string(R"("kind":"note","roles":{})"),
             std::string(R"("kind":"note","cause":[])"),
             std::string(R"("kind":"note","cause":{"a":[1})"),
             std::string(R"("kind":"note","changes":[])"),
             std::string(R"("kind":"note","changes":[{"op":"set","key":"k"}])"),
             std::string(R"("kind":"note","changes":[{"key":"k","op":"set","version":-1}])"),
             std::string(R"("kind":"note" )"),
             std::string(R"("kind":"note","salt":{})"),
             std::string(R"("kind":"note","erased":1)"),
         }) {
        CAPTURE(middle);
        CHECK_FALSE(parse_record(with_crc(start + middle + end), &record));
    }
    for (const char* ts :
         {"2026-11-21T02:00:00Z", "2026-13-21T02:00:00.000Z", "2026-02-29T02:00:00.000Z",
          "2026-11-21T24:00:00.000Z", "2026-11-21t02:00:00.000Z", "0000-11-21T02:00:00.000Z"}) {
        const std::string line = R"({"seq":7,"epoch":1,"durable":6,"ts":")" + std::string(ts) +
                                 R"(","kind":"note")" + end;
        CHECK_FALSE(parse_record(with_crc(line), &record));
    }
    for (const char* tail :
         {R"(,"salt":"0011","body":{})", R"(,"body":{})", R"()",
          R"(,"salt":"00112233445566778899aabbccddeeff","body":[])",
          R"(,"salt":"00112233445566778899aabbccddeefg","body":{})",
          R"(,"salt":"00112233445566778899aabbccddeeff")", R"(,"erased":"0011")"}) {
        CAPTURE(tail);
        CHECK_FALSE(parse_record(with_crc(start + R"("kind":"note")" + tail), &record));
    }
}

TEST_CASE("unknown kinds and unknown members before the salt are kept as part of the head") {
    const std::string covered =
        R"({"seq":7,"epoch":1,"durable":6,"ts":"2026-11-21T02:00:00.000Z","kind":"dream",)"
        R"("decided":"x","later":{"a":["b",{}]},"also":-1.5e3,"salt":)"
        R"("00112233445566778899aabbccddeeff","body":{"z":1})";
    const std::string line = with_crc(covered);
    RecordView record;
    REQUIRE(parse_record(line, &record));
    CHECK(record.kind == Kind::unknown);
    CHECK(record.kind_text == "dream");
    CHECK(record.decided == "x");
    CHECK(record.body == R"({"z":1})");
    CHECK(leaf_hash(record) == *leaf_hash(line));
}

TEST_CASE("times of every month and leap year agree with the general parser") {
    std::mt19937_64 random(1);
    for (int i = 0; i < 20'000; ++i) {
        RecordDraft draft;
        const auto milliseconds = static_cast<std::int64_t>(random() % 315'537'897'600'000ull);
        draft.ts = Time{std::chrono::milliseconds{milliseconds - 62'135'596'800'000}};
        RecordView record;
        const std::string line = encode(draft);
        REQUIRE(parse_record(line, &record));
        REQUIRE(record.ts == draft.ts);
    }
}

TEST_CASE("the leaf is head, then the hash of salt and body, and survives erasing") {
    const RecordDraft draft = full_draft();
    std::string line;
    const Hash leaf = encode_record(line, draft, {7}, {1763690400}, {6}, kSalt);
    RecordView record;
    REQUIRE(parse_record(line, &record));
    CHECK(leaf_hash(record) == leaf);
    CHECK(*leaf_hash(line) == leaf);

    const std::string salt_member =
        ",\"salt\":\"" + kSalt + "\",\"body\":" + draft.body + ",\"crc\"";
    const std::string head = line.substr(0, line.find(salt_member));
    const Hash body = sha256(kSalt + draft.body);
    std::string leaf_bytes(1, '\0');
    leaf_bytes += head;
    leaf_bytes.append(reinterpret_cast<const char*>(body.data()), body.size());
    CHECK(sha256(leaf_bytes) == leaf);

    const std::string erased = with_crc(head + ",\"erased\":\"" + to_hex(body) + "\"");
    REQUIRE(read_frame(erased));
    CHECK(read_frame(erased)->is_erased);
    CHECK_FALSE(read_frame(line)->is_erased);
    REQUIRE(parse_record(erased, &record));
    CHECK(record.body.empty());
    CHECK(record.salt.empty());
    CHECK(record.erased == to_hex(body));
    CHECK(leaf_hash(record) == leaf);
    CHECK(*leaf_hash(erased) == leaf);
}

TEST_CASE("any bytes at all are read without harm") {
    const std::string line = encode(full_draft());
    std::mt19937_64 random(7);
    RecordView record;
    for (std::size_t size = 0; size <= line.size(); ++size) {
        // In memory of exactly that size, so that a sanitizer sees a step too far.
        const std::vector<char> exact(line.begin(),
                                      line.begin() + static_cast<std::ptrdiff_t>(size));
        const std::string_view text{exact.data(), exact.size()};
        CHECK(static_cast<bool>(parse_record(text, &record)) == (size == line.size()));
        (void)leaf_hash(text);
        (void)parse_record(with_crc(std::string(text)), &record);
    }
    for (int i = 0; i < 20'000; ++i) {
        std::string bad = line.substr(0, line.size() - kCrcTailBytes);
        for (std::size_t edits = random() % 4 + 1; edits > 0; --edits) {
            bad[random() % bad.size()] = static_cast<char>(random());
        }
        const std::string again = with_crc(bad);
        if (parse_record(again, &record)) {
            const auto leaf = leaf_hash(again);
            REQUIRE(leaf);
            REQUIRE(*leaf == leaf_hash(record));
        }
    }
    std::string deep(1u << 20, '[');
    CHECK_FALSE(parse_record(with_crc(R"({"seq":7,"epoch":1,"durable":6,"ts":")"
                                      R"(2026-11-21T02:00:00.000Z","kind":"note","roles":)" +
                                      deep),
                             &record));
}

TEST_CASE("kinds have their names") {
    for (const Kind kind : {Kind::accepted, Kind::rejected, Kind::held, Kind::vote, Kind::config,
                            Kind::checkpoint, Kind::note, Kind::event}) {
        CHECK(kind_from_text(to_text(kind)) == kind);
    }
    CHECK(kind_from_text("unknown") == Kind::unknown);
    CHECK(kind_from_text("") == Kind::unknown);
}

}  // namespace
TEST_CASE("no salt is given twice, and each is 16 random bytes in hex") {
    SimRandom random(7);
    Salts salts(random);
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        const std::string salt(salts.next());
        CHECK(salt.size() == kSaltHexDigits);
        CHECK(salt.find_first_not_of("0123456789abcdef") == std::string::npos);
        CHECK(seen.insert(salt).second);
    }
}

}  // namespace se
