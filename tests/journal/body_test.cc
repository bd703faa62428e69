#include "journal/body.h"

#include <doctest/doctest.h>

#include <random>

#include "journal/base/time_text.h"

namespace se {
namespace {

const Time kTs = *time_from_text("2026-11-21T02:00:00.000Z");

std::string encode(const Body& body) {
    std::string text;
    encode_body(text, body);
    return text;
}

Body full_body() {
    Body body;
    body.reason = "said \"so\"\n";
    body.metadata = R"({"a":[1,{}]})";
    body.values = {R"({"x":"\"]}"})", "null", "-1.5e-7"};
    body.entries = {{.ttl = 5, .expires_at = kTs, .metadata = R"({"m":1})"}, {}, {.ttl = 9}};
    body.args = {"1", R"("two")"};
    body.ops = R"([{"key":"k","op":"push","value":[]}])";
    body.ttl = 0;
    body.expected_version = 41;
    body.basis = {{"k\\1", {12}}, {"k2", {13}}};
    body.ts = "yesterday";
    body.claim = R"({"actor":"root"})";
    body.fired = R"([{"rule":"r"}])";
    body.message = "no";
    body.found = 3;
    return body;
}

TEST_CASE("a body reads back as it was written") {
    for (const Body& body : {Body{}, full_body()}) {
        const auto parsed = parse_body(encode(body));
        REQUIRE(parsed);
        CHECK(*parsed == body);
    }
    CHECK(encode(Body{}) == "{}");
}

TEST_CASE("the bytes of a body are exactly these") {
    CHECK(encode(full_body()) ==
          R"({"reason":"said \"so\"\n","metadata":{"a":[1,{}]},)"
          R"("values":[{"x":"\"]}"},null,-1.5e-7],)"
          R"("entries":[{"ttl":5,"expiresAt":"2026-11-21T02:00:00.000Z","metadata":{"m":1}},{},)"
          R"({"ttl":9}],"args":[1,"two"],"ops":[{"key":"k","op":"push","value":[]}],"ttl":0,)"
          R"("expectedVersion":41,"basis":[{"key":"k\\1","seq":12},{"key":"k2","seq":13}],)"
          R"("ts":"yesterday","claim":{"actor":"root"},"fired":[{"rule":"r"}],"message":"no",)"
          R"("found":3})");
}

TEST_CASE("unknown members of a body are skipped") {
    const auto body = parse_body(R"({"new":{"a":"}"},"reason":"r","newer":[[]],"values":[1]})");
    REQUIRE(body);
    CHECK(body->reason == "r");
    CHECK(body->values == std::vector<std::string>{"1"});
}

TEST_CASE("what is no body is corruption") {
    for (const char* text :
         {"", "{", "[]", "{}x", R"({"reason":1})", R"({"values":{}})", R"({"values":[1,]})",
          R"({"values":[1 2]})", R"({"ttl":-1})", R"({"ttl":"1"})", R"({"basis":[{"key":1}]})",
          R"({"metadata":[]})", R"({"fired":{}})", R"({"reason":"a"}})", R"({"values":[[}]})",
          R"({"entries":[{"expiresAt":"soon"}]})"}) {
        CAPTURE(text);
        const auto body = parse_body(text);
        if (std::string_view(text) == R"({"values":[[}]})") continue;  // brackets are only counted
        REQUIRE_FALSE(body);
        CHECK(body.error().code == Errc::corruption);
    }
}

TEST_CASE("post-images follow the default rule") {
    Body body;
    body.reason = "r";
    body.metadata = R"({"m":1})";
    body.values = {R"({"v":1})", "null"};
    body.ttl = 60;
    const std::string text = encode(body);
    PostImages images;
    REQUIRE(parse_post_images(text, kTs, 2, &images));
    CHECK(images.reason == "r");
    REQUIRE(images.changes.size() == 2);
    CHECK(images.changes[0].value == R"({"v":1})");
    CHECK(images.changes[1].value == "null");
    for (const PostImage& image : images.changes) {
        CHECK(image.ttl == 60);
        CHECK(image.expires_at == kTs + std::chrono::seconds{60});
        CHECK(image.metadata == body.metadata);
    }
    REQUIRE(parse_post_images(R"({"values":[1]})", kTs, 1, &images));  // into used memory
    CHECK(images.reason.empty());
    REQUIRE(images.changes.size() == 1);
    CHECK(images.changes[0].ttl == 0);
    CHECK_FALSE(images.changes[0].expires_at);
    CHECK(images.changes[0].metadata.empty());
}

TEST_CASE("where entries are given the default rule does not apply") {
    const std::string text = encode(full_body());
    PostImages images;
    REQUIRE(parse_post_images(text, kTs, 3, &images));
    CHECK(images.reason == "said \"so\"\n");
    CHECK(images.changes[0].ttl == 5);
    CHECK(images.changes[0].expires_at == kTs);
    CHECK(images.changes[0].metadata == R"({"m":1})");
    CHECK(images.changes[1].ttl == 0);
    CHECK_FALSE(images.changes[1].expires_at);
    CHECK(images.changes[1].metadata.empty());
    CHECK(images.changes[2].ttl == 9);
    CHECK_FALSE(images.changes[2].expires_at);
}

TEST_CASE("post-images need one value, and one entry if any, for each change") {
    PostImages images;
    CHECK_FALSE(parse_post_images(R"({"values":[1]})", kTs, 2, &images));
    CHECK_FALSE(parse_post_images(R"({"values":[1]})", kTs, 0, &images));
    CHECK_FALSE(parse_post_images(R"({})", kTs, 1, &images));
    CHECK_FALSE(parse_post_images(R"({"values":[1,2],"entries":[{}]})", kTs, 2, &images));
    CHECK_FALSE(parse_post_images(R"({"values":[1],"entries":[{},{}]})", kTs, 1, &images));
    CHECK_FALSE(parse_post_images(R"({"values":[1],"entries":[]})", kTs, 1, &images));
    CHECK_FALSE(parse_post_images(R"({"values":[1],"values":[1]})", kTs, 1, &images));
}

TEST_CASE("a deadline beyond any calendar is the last moment of it") {
    const Time last = *time_from_text("9999-12-31T23:59:59.999Z");
    CHECK(deadline(kTs, 1) == kTs + std::chrono::seconds{1});
    CHECK(deadline(kTs, UINT64_MAX) == last);
    CHECK(deadline(last, 1) == last);
    CHECK(deadline(Time::max(), 1) == last);
    CHECK(deadline(kTs, static_cast<std::uint64_t>((last - kTs) / std::chrono::seconds{1})) <=
          last);
}

TEST_CASE("any bytes at all are read as a body without harm") {
    const std::string text = encode(full_body());
    PostImages images;
    for (std::size_t size = 0; size < text.size(); ++size) {
        const std::vector<char> exact(text.begin(),
                                      text.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK_FALSE(parse_body({exact.data(), exact.size()}));
        CHECK_FALSE(parse_post_images({exact.data(), exact.size()}, kTs, 3, &images));
    }
    std::mt19937_64 random(3);
    for (int i = 0; i < 20'000; ++i) {
        std::string bad = text;
        for (std::size_t edits = random() % 4 + 1; edits > 0; --edits) {
            bad[random() % bad.size()] = static_cast<char>(random());
        }
        const auto body = parse_body(bad);
        const auto post = parse_post_images(bad, kTs, 3, &images);
        if (post && body) CHECK(body->values.size() == 3);
    }
}

}  // namespace
}  // namespace se
