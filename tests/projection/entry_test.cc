// Entries as bytes, and as people see them.

#include "projection/entry.h"

#include <doctest/doctest.h>

#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_random.h"

namespace se {
namespace {

std::string random_text(SimRandom& random) {
    std::string text(random.chance(30) ? random.below(400) : random.below(20), '\0');
    for (char& byte : text) byte = static_cast<char>(random.below(256));
    return text;
}

Entry random_entry(SimRandom& random) {
    Entry entry;
    const auto number = [&] { return random.next() >> random.below(64); };
    const auto time = [&] {
        return Time(std::chrono::milliseconds(static_cast<std::int64_t>(number()) *
                                              (random.chance(50) ? 1 : -1)));
    };
    entry.version = Version{number()};
    entry.seq = Seq{number()};
    entry.deleted = random.chance(20);
    if (entry.deleted) return entry;
    entry.updated_at = time();
    entry.value = random_text(random);
    entry.updated_by = random_text(random);
    entry.id = random_text(random);
    entry.reason = random_text(random);
    entry.metadata = random_text(random);
    entry.cause = random_text(random);
    entry.ttl = random.chance(50) ? number() : 0;
    if (random.chance(50)) entry.expires_at = time();
    return entry;
}

std::string encoded(const Entry& entry) {
    std::string bytes;
    encode_entry(bytes, entry);
    return bytes;
}

}  // namespace

TEST_CASE("an entry comes back from its bytes, and only from those") {
    SimRandom random(1);
    for (int i = 0; i < 5000; ++i) {
        const Entry entry = random_entry(random);
        const std::string bytes = encoded(entry);
        const auto decoded = decode_entry(bytes);
        REQUIRE(decoded);
        REQUIRE(decoded->to_entry() == entry);
        REQUIRE(encoded(decoded->to_entry()) == bytes);
    }
}

TEST_CASE("damaged entries are told, or are another entry, but never read outside their bytes") {
    SimRandom random(2);
    for (int i = 0; i < 50; ++i) {
        const std::string bytes = encoded(random_entry(random));
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const std::string prefix = bytes.substr(0, size);  // its own memory, for the sanitizer
            const auto decoded = decode_entry(prefix);
            if (decoded) CHECK(decoded->to_entry() != decode_entry(bytes)->to_entry());
        }
        for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
            std::string flipped = bytes;
            flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
            const auto decoded = decode_entry(flipped);
            if (decoded) CHECK(decoded->to_entry() != decode_entry(bytes)->to_entry());
        }
    }
    CHECK_FALSE(decode_entry(""));
}

TEST_CASE("an entry is shown with all that INTERFACES names, metadata with its source") {
    Entry entry;
    entry.version = Version{3};
    entry.seq = Seq{9};
    entry.updated_at = SimClock::kStart;
    entry.value = R"({"a":1})";
    entry.updated_by = "me";
    entry.reason = "why \"not\"";
    std::string out;
    append_entry_json(out, "k", entry);
    CHECK(out == R"({"key":"k","value":{"a":1},"version":3,"seq":9,)"
                 R"("updatedAt":"2026-01-01T00:00:00.000Z","updatedBy":"me","ttl":null,)"
                 R"("metadata":{"source":"why \"not\""}})");
    entry.ttl = 5;
    entry.expires_at = SimClock::kStart + std::chrono::seconds(5);
    entry.metadata = R"({"a":1,"z":2})";
    out.clear();
    append_entry_json(out, "k", entry);
    CHECK(out == R"({"key":"k","value":{"a":1},"version":3,"seq":9,)"
                 R"("updatedAt":"2026-01-01T00:00:00.000Z","updatedBy":"me","ttl":5,)"
                 R"("expiresAt":"2026-01-01T00:00:05.000Z",)"
                 R"("metadata":{"a":1,"source":"why \"not\"","z":2}})");
    std::string without_key = "[";
    append_entry_json(without_key, entry);
    CHECK(without_key == "[{" + out.substr(std::string_view(R"({"key":"k",)").size()));
    CHECK(shown_metadata("r", R"({"source":"own"})") == R"({"source":"own"})");
}

}  // namespace se
