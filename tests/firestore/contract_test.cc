// One contract for the simulated documents and for Google's own emulator.

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "projection/firestore/documents.h"
#include "tests/firestore/emulator.h"
#include "tests/firestore/random_json.h"
#include "tests/sim/sim_documents.h"

namespace se::firestore {
namespace {

Fields fields_of(std::string_view json) {
    const auto parsed = parse_json(json, 100);
    REQUIRE(parsed);
    return *value_of(*parsed).as<Value::Map>();
}

Trouble::Kind kind_of(const auto& outcome) {
    REQUIRE_FALSE(outcome.has_value());
    return outcome.error().kind;
}

std::optional<Document> get(DocumentStore& store, const std::string& path) {
    const auto found = store.get({path});
    REQUIRE_MESSAGE(found.has_value(), found.error().text);
    REQUIRE(found->size() == 1);
    return found->front();
}

Timestamp put(DocumentStore& store, const std::string& path, std::string_view json,
              Precondition when = {}) {
    const auto times = store.commit({{path, fields_of(json), when}});
    REQUIRE_MESSAGE(times.has_value(), times.error().text);
    return times->front();
}

void what_is_written_is_read(DocumentStore& store) {
    const Timestamp time =
        put(store, "state/a", R"({"v":[1,-2.5,"x",null,true,{"m":{}}],"n":9007199254740993})");
    const auto found = get(store, "state/a");
    REQUIRE(found);
    CHECK(found->fields ==
          fields_of(R"({"v":[1,-2.5,"x",null,true,{"m":{}}],"n":9007199254740993})"));
    CHECK(found->update_time == time);
    CHECK_FALSE(get(store, "state/absent"));
    const auto both = store.get({"state/absent", "state/a"});
    REQUIRE(both);
    CHECK_FALSE(both->at(0));
    CHECK(both->at(1));

    Fields fields;
    set(fields, "t", Value{Timestamp{1'700'000'000, 123'000'000}});
    set(fields, "b", Value{Bytes{std::string("\0\xff", 2)}});
    set(fields, "g", Value{GeoPoint{1.5, -2.5}});
    set(fields, "z", Value{-0.0});
    set(fields, "i", Value{3.0});
    REQUIRE(store.commit({{"state/others", fields}}));
    CHECK(get(store, "state/others")->fields == fields);

    REQUIRE(store.commit({{"state/a", std::nullopt}}));
    CHECK_FALSE(get(store, "state/a"));
    CHECK(store.commit({{"state/a", std::nullopt}}).has_value());
}

void preconditions_hold(DocumentStore& store) {
    const Timestamp first = put(store, "c/mark", R"({"n":1})", Precondition::absent());
    CHECK(kind_of(store.commit({{"c/mark", fields_of("{}"), Precondition::absent()}})) ==
          Trouble::Kind::precondition);
    const Timestamp second = put(store, "c/mark", R"({"n":2})", Precondition::updated_at(first));
    CHECK(second > first);

    // All or nothing: what stands beside a stale precondition is not written.
    const auto stale =
        store.commit({{"c/beside", fields_of(R"({"n":1})")},
                      {"c/mark", fields_of(R"({"n":3})"), Precondition::updated_at(first)}});
    CHECK(kind_of(stale) == Trouble::Kind::precondition);
    CHECK_FALSE(get(store, "c/beside"));
    CHECK(get(store, "c/mark")->fields == fields_of(R"({"n":2})"));

    CHECK(kind_of(store.commit({{"c/gone", fields_of("{}"), Precondition::updated_at(first)}})) ==
          Trouble::Kind::precondition);
}

void lists_come_in_order_and_in_pages(DocumentStore& store) {
    for (const char* id : {"user.b", "user.a", "user", "userx", "use", "user.\xC3\xA9", "z"})
        put(store, std::string("list/") + id, "{}");
    put(store, "other/user.c", "{}");
    const auto ids = [&](const Query& query) {
        const auto found = store.list(query);
        REQUIRE_MESSAGE(found.has_value(), found.error().text);
        std::vector<std::string> names;
        for (const Document& document : *found) names.emplace_back(document.id());
        return names;
    };
    using Names = std::vector<std::string>;
    CHECK(ids({.collection = "list"}) ==
          Names{"use", "user", "user.a", "user.b", "user.\xC3\xA9", "userx", "z"});
    CHECK(ids({.collection = "list", .prefix = "user."}) ==
          Names{"user.a", "user.b", "user.\xC3\xA9"});
    CHECK(ids({.collection = "list", .prefix = "user.", .after = "user.a", .limit = 1}) ==
          Names{"user.b"});
    CHECK(ids({.collection = "list", .after = "user.b", .limit = 2}) ==
          Names{"user.\xC3\xA9", "userx"});
    CHECK(ids({.collection = "empty"}).empty());
}

void what_cannot_be_is_refused(DocumentStore& store) {
    const auto refused = [&](const Fields& fields) {
        return kind_of(store.commit({{"bad/x", fields}})) == Trouble::Kind::refused;
    };
    const Value inner{Value::Array{Value{std::int64_t{1}}}};
    CHECK(refused({{"a", Value{Value::Array{inner}}}}));
    CHECK(refused({{"__a__", Value{true}}}));
    CHECK(refused({{"a", Value{Fields{{"", Value{true}}}}}}));
    CHECK(refused({{"a", Value{Fields{{std::string(1'499, 'n'), Value{true}}}}}}));
    Value deep{true};
    for (std::size_t level = 0; level <= kLevelsMax; ++level) deep = Value{Fields{{"a", deep}}};
    CHECK(refused({{"a", deep}}));
    CHECK(refused({{"a", Value{std::string(kDocumentBytesMax, 'x')}}}));
    CHECK_FALSE(get(store, "bad/x"));
}

/// What the mapping makes of any JSON is taken, and comes back bit for bit.
void any_json_survives(DocumentStore& store, int cases) {
    SimRandom random(20'261'128);
    for (int i = 0; i < cases; ++i) {
        const Json json = random_json(random, 24);
        Fields fields;
        set(fields, "value", value_of(json));
        const auto outcome = store.commit({{"any/x", fields}});
        REQUIRE_MESSAGE(outcome.has_value(), outcome.error().text << ": " << to_text(json));
        const auto found = get(store, "any/x");
        REQUIRE(found);
        const auto back = json_of(*find(found->fields, "value"));
        REQUIRE(back);
        REQUIRE(to_text(*back) == to_text(json));
    }
}

void all_of_it(DocumentStore& store, int cases) {
    what_is_written_is_read(store);
    preconditions_hold(store);
    lists_come_in_order_and_in_pages(store);
    what_cannot_be_is_refused(store);
    any_json_survives(store, cases);
}

TEST_CASE("the simulated documents keep the contract") {
    SimDocuments documents(1);
    all_of_it(documents, 2'000);
}

TEST_CASE("Google's emulator keeps the contract") {
    if (test::Emulator::skipped("Google's emulator keeps the contract")) return;
    const test::Emulator emulator;
    const auto store = emulator.open("contract");
    all_of_it(*store, 300);
}

TEST_CASE("nobody there is away, and nothing else") {
    if (test::Emulator::skipped("nobody there is away")) return;
    test::Emulator emulator;
    const auto store = emulator.open("away");
    put(*store, "state/a", "{}");
    emulator.kill_hard();
    CHECK(kind_of(store->get({"state/a"})) == Trouble::Kind::away);
    CHECK(kind_of(store->commit({{"state/a", Fields{}}})) == Trouble::Kind::away);
    emulator.start();
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (!store->get({"state/a"}) && std::chrono::steady_clock::now() < patience)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    // It is there again, and, as it keeps nothing over a restart, without what was in it.
    CHECK_FALSE(get(*store, "state/a"));
}

}  // namespace
}  // namespace se::firestore
