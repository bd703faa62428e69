// Reads of entries, of histories and of records.

#include <doctest/doctest.h>

#include <algorithm>

#include "engine/api/target.h"
#include "tests/engine/api_world.h"

namespace se::test {
namespace {

TEST_CASE("an entry, a tombstone and nothing are three answers") {
    ApiWorld w;
    w.set("user.fact.größe", R"({"cm":180})");
    const Response found = w.get("/v1/state/user.fact.gr%C3%B6%C3%9Fe");
    CHECK(found.status == 200);
    CHECK(header_of(found, "ETag") == "\"1\"");
    const Json entry = json_of(found);
    CHECK(at(entry, {"key"}) == Json("user.fact.größe"));
    CHECK(at(entry, {"value", "cm"}) == Json(180));
    CHECK(at(entry, {"asOf", "seq"}) == at(entry, {"seq"}));
    CHECK(at(entry, {"stale"}).is_null());

    const Response never = w.get("/v1/state/never");
    CHECK(never.status == 404);
    CHECK(at(json_of(never), {"version"}) == Json(0));
    CHECK(json_of(never).find("value")->is_null());
    CHECK(at(json_of(never), {"deleted"}).is_null());

    w.set("gone", "1");
    w.post(R"({"op":"delete","key":"gone","reason":"r"})");
    const Response gone = w.get("/v1/state/gone");
    CHECK(gone.status == 404);
    CHECK(at(json_of(gone), {"version"}) == Json(2));
    CHECK(at(json_of(gone), {"deleted"}) == Json(true));
}

TEST_CASE("an entry that the client has is not sent again") {
    ApiWorld w;
    w.set("a", "1");
    const Response same = w.get("/v1/state/a", {{"if-none-match", "\"1\""}});
    CHECK(same.status == 304);
    CHECK(same.body.empty());
    w.set("a", "2");
    CHECK(w.get("/v1/state/a", {{"if-none-match", "\"1\""}}).status == 200);
}

TEST_CASE("several keys come in the order asked for, present or not") {
    ApiWorld w;
    w.set("b", "2");
    w.set("a", "null");
    const Json json = json_of(w.get("/v1/state?key=b&key=x&key=a&key=b"));
    const Json::Array entries = json.find("entries")->array();
    REQUIRE(entries.size() == 4);
    CHECK(at(entries[0], {"key"}) == Json("b"));
    CHECK(at(entries[1], {"code"}) == Json("not_found"));
    CHECK(at(entries[2], {"version"}) == Json(1));
    CHECK(entries[3] == entries[0]);
    CHECK(at(json, {"asOf", "seq"}).integer() == static_cast<std::int64_t>(
                                                     w.world.engine->applied().seq.value));
    std::string many = "/v1/state?key=a";
    for (int i = 0; i < 1024; ++i) many += "&key=a";
    CHECK(w.get(many).status == 400);
}

TEST_CASE("pages of any size put together are the whole, in byte order") {
    ApiWorld w;
    std::vector<std::string> keys;
    for (int i = 0; i < 40; ++i) {
        const std::string key = "p." + std::to_string(i * 7919 % 1000) + (i % 3 == 0 ? "ü+" : "");
        w.set(key, std::to_string(i));
        keys.push_back(key);
    }
    w.set("other", "1");
    w.set("p.gone", "1");
    w.post(R"({"op":"delete","key":"p.gone","reason":"r"})");
    std::ranges::sort(keys);
    for (int limit = 1; limit <= 41; ++limit) {
        CAPTURE(limit);
        std::vector<std::string> found;
        std::string after;
        for (int pages = 0; pages < 50; ++pages) {
            std::string target = "/v1/state?prefix=p.&limit=" + std::to_string(limit);
            if (!after.empty()) target += "&after=" + percent_encode(after);
            const Json page = json_of(w.get(target));
            const Json::Array& entries = page.find("entries")->array();
            CHECK(entries.size() <= static_cast<std::size_t>(limit));
            for (const Json& entry : entries) found.push_back(entry.find("key")->string());
            const Json* next = page.find("next");
            if (next == nullptr) break;
            CHECK(entries.size() == static_cast<std::size_t>(limit));  // no page ends early
            after = next->string();
        }
        REQUIRE(found == keys);
    }
    CHECK(json_of(w.get("/v1/state?prefix=none")).find("entries")->array().empty());
}

TEST_CASE("a page of large values ends early and goes on") {
    ApiWorld w;
    const std::string large = "\"" + std::string(900'000, 'x') + "\"";
    for (int i = 10; i < 30; ++i) REQUIRE(w.set("k" + std::to_string(i), large).status == 200);
    std::vector<std::string> found;
    std::string after;
    int pages = 0;
    for (; pages < 10; ++pages) {
        const Response response = w.get("/v1/state?prefix=k&after=" + after);
        CHECK(response.body.size() < 10'000'000);
        const Json page = json_of(response);
        for (const Json& entry : page.find("entries")->array())
            found.push_back(entry.find("key")->string());
        if (page.find("next") == nullptr) break;
        after = page.find("next")->string();
    }
    CHECK(pages == 1);  // two of them
    CHECK(found.size() == 20);
}

TEST_CASE("min_seq waits for a seq, or says in time that it is not there") {
    ApiWorld w;
    w.set("a", "1");
    const std::uint64_t now = w.world.engine->applied().seq.value;
    CHECK(w.get("/v1/state/a?min_seq=" + std::to_string(now)).status == 200);
    CHECK(w.get("/v1/state/a?timeout=0&min_seq=" + std::to_string(now + 1)).status == 503);

    const std::string next = std::to_string(now + 1);
    const auto entry = w.begin("GET", "/v1/state/a?min_seq=" + next);
    const auto list = w.begin("GET", "/v1/state?prefix=a&min_seq=" + next);
    CHECK(entry->empty());
    w.set("a", "2");
    w.api.changes_applied();
    REQUIRE(entry->size() == 1);
    CHECK(at(json_of(entry->front()), {"value"}) == Json(2));
    CHECK(list->size() == 1);

    const auto late = w.begin("GET", "/v1/state/a?timeout=2s&min_seq=" + std::to_string(now + 9));
    w.world.clock.advance(std::chrono::milliseconds{1999});
    CHECK(w.api.tick() <= std::chrono::milliseconds{1});
    CHECK(late->empty());
    w.world.clock.advance(std::chrono::milliseconds{1});
    w.api.tick();
    REQUIRE(late->size() == 1);
    CHECK(late->front().status == 503);
    CHECK(code_of(late->front()) == "unavailable");
    CHECK(header_of(late->front(), "Retry-After") != "");

    const auto drained = w.begin("GET", "/v1/state/a?min_seq=" + std::to_string(now + 9));
    w.api.drain();
    CHECK(drained->size() == 1);
}

TEST_CASE("so many reads wait for a seq and no more: the next one hears at once that there are too many") {
    ApiWorld w;
    w.set("a", "1");
    constexpr std::size_t kWaiting = 4096;
    const std::string target =
        "/v1/state/a?timeout=30s&min_seq=" + std::to_string(w.world.engine->applied().seq.value + 1);
    std::vector<std::shared_ptr<std::vector<Response>>> waiting;
    while (waiting.size() < kWaiting) waiting.push_back(w.begin("GET", target));
    for (const auto& one : waiting) REQUIRE(one->empty());
    const auto over = w.begin("GET", target);
    REQUIRE(over->size() == 1);
    CHECK(over->front().status == 503);
    CHECK(at(json_of(over->front()), {"reason"}) == Json("overloaded"));
    CHECK(header_of(over->front(), "Retry-After") != "");
    w.set("a", "2");
    w.api.changes_applied();
    for (const auto& one : waiting) {
        REQUIRE(one->size() == 1);
        CHECK(one->front().status == 200);
    }
}

TEST_CASE("records and histories are the lines of the journal, byte for byte") {
    ApiWorld w;
    for (int i = 0; i < 5; ++i) {
        w.set("a", std::to_string(i));
        w.set("b", std::to_string(i));
    }
    std::vector<std::string> all, of_a;
    w.world.each_record([&](const RecordView& record) {
        all.emplace_back(record.line);
        if (!record.changes.empty() && record.changes[0].key == "a") of_a.emplace_back(record.line);
    });
    const auto array = [](auto first, auto last) {
        std::string text = "[";
        for (auto line = first; line != last; ++line)
            text += (line == first ? "" : ",\n") + *line;
        return text + "]\n";
    };
    CHECK(w.get("/v1/records").body == array(all.begin(), all.end()));
    CHECK(w.get("/v1/records?from=3&limit=2").body == array(all.begin() + 2, all.begin() + 4));
    CHECK(w.get("/v1/records?from=1000").body == "[]\n");
    CHECK(w.get("/v1/history/a").body == array(of_a.begin(), of_a.end()));
    CHECK(w.get("/v1/history/a?limit=2").body == array(of_a.end() - 2, of_a.end()));
    const std::int64_t first = json_of(w.get("/v1/history/a?limit=2")).array()[0].find("seq")->integer();
    CHECK(w.get("/v1/history/a?limit=2&before=" + std::to_string(first)).body ==
          array(of_a.end() - 4, of_a.end() - 2));
    CHECK(w.get("/v1/history/none").body == "[]\n");
}

TEST_CASE("what is percent-encoded comes back, whatever it is") {
    for (int c = 1; c < 0x250; ++c) {
        std::string text = "k";
        if (c < 0x80) {
            text += static_cast<char>(c);
        } else {
            text += static_cast<char>(0xC0 | (c >> 6));
            text += static_cast<char>(0x80 | (c & 0x3F));
        }
        const auto back = percent_decode(percent_encode(text));
        REQUIRE(back);
        CHECK(*back == text);
    }
    CHECK(*percent_decode("a+b") == "a+b");
}

}  // namespace
}  // namespace se::test
