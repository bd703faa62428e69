// What an operator does with dead letters while the follower runs.

#include "engine/egress/fired_messages.h"
#include "engine/rules/firing.h"
#include "tests/egress/egress_world.h"

namespace se::test {
namespace {

struct Dead : EgressWorld {
    bool refuses = true;
    std::string id;

    Dead() {
        sink.fate = [this](const Message& message) {
            return refuses && message.at.seq == Seq{3} ? Fate::refused : Fate::acknowledged;
        };
        start();
        write(3);
        run();
        REQUIRE(follower->dead_letters()->size() == 1);
        id = follower->dead_letters()->all()[0]->id;
    }
};

TEST_CASE("a letter that is tried again is made from its record, under its old id") {
    Dead world;
    const std::string body = world.sink.received[0].body;
    world.refuses = false;
    REQUIRE(world.follower->retry(world.id));
    world.run();
    CHECK(world.received_seqs() == std::vector<std::uint64_t>{2, 4, 3});
    CHECK(world.sink.received.back().id == world.id);
    CHECK(world.sink.received.back().body == body);
    CHECK(world.follower->dead_letters()->size() == 0);
    CHECK(world.kept()->seq == Seq{4});
}

TEST_CASE("one that is refused again stays, and says how often") {
    Dead world;
    REQUIRE(world.follower->retry(world.id));
    world.run();
    REQUIRE(world.follower->dead_letters()->size() == 1);
    const DeadLetter& letter = *world.follower->dead_letters()->all()[0];
    CHECK(letter.attempts == 2);
    CHECK_FALSE(letter.retry);
}

TEST_CASE("one that was asked for before a death is tried after it") {
    Dead world;
    REQUIRE(world.follower->retry(world.id));
    world.die();
    world.refuses = false;
    world.start();
    world.run();
    CHECK(world.sink.received.back().id == world.id);
    CHECK(world.follower->dead_letters()->size() == 0);
}

TEST_CASE("while the peer is away it waits, and nothing else is lost") {
    Dead world;
    bool away = true;
    world.sink.fate = [&](const Message&) { return away ? Fate::lost : Fate::acknowledged; };
    REQUIRE(world.follower->retry(world.id));
    world.write(2);
    world.run(10);
    CHECK(world.follower->dead_letters()->size() == 1);
    away = false;
    world.run(600);
    CHECK(world.follower->dead_letters()->size() == 0);
    CHECK(world.kept()->seq == Seq{6});
}

TEST_CASE("one that is dropped is gone, and comes not back") {
    Dead world;
    REQUIRE(world.follower->drop(world.id));
    CHECK(world.follower->drop(world.id).error().code == Errc::not_found);
    CHECK(world.follower->retry(world.id).error().code == Errc::not_found);
    world.die();
    world.start();
    world.run();
    CHECK(world.follower->dead_letters()->size() == 0);
    CHECK(world.received_seqs() == std::vector<std::uint64_t>{2, 4});
}

TEST_CASE("one whose record was given up cannot be made again, and says so") {
    Dead world;
    world.die();
    {
        auto letters = DeadLetters::open(world.store.disk, world.store.paths, "peer");
        REQUIRE(letters);
        REQUIRE(letters->add({.id = "gone", .at = {Epoch{7}, Seq{3}}}));
        REQUIRE(letters->ask_retry("gone"));
    }
    world.start();
    world.run();
    CHECK(world.follower->dead_letters()->find("gone")->reason ==
          "its record was given up: another one has its seq now");
}

TEST_CASE(
    "what a rule fired is published verbatim, under the action's id; a derived mutation is not") {
    const auto payload = parse_json(R"({"type":"system.stream.online","deep":{"a":[1,2.5,null]}})");
    REQUIRE(payload);
    Fired fired{.rule = "on_start"};
    fired.actions.push_back(Json::Object{
        {"type", "publishEgress"}, {"header", "system.stream.online"}, {"payload", *payload}});
    fired.actions.push_back(Json::Object{{"type", "mutate"}, {"proposal", Json::Object{}}});
    fired.actions.push_back(Json::Object{{"type", "obs.setScene"},
                                         {"header", "obs.setScene"},
                                         {"payload", Json::Object{{"v", "2"}}}});
    const Fired warning{.rule = "broken", .warning = "no"};
    RecordDraft draft{.kind = Kind::accepted, .trace = "00-ab-cd-01"};
    draft.changes = {{"stream.state", "set", Version{1}}};
    const RecordPlace place{"store", Epoch{7}, Seq{9}};
    draft.body = R"({"reason":"r","values":["on"],"fired":)" +
                 fired_text(std::vector{fired, warning}, place) + "}";
    std::string line;
    encode_record(line, draft, Seq{9}, Epoch{7}, Seq{8}, std::string(kSaltHexDigits, 'a'));
    RecordView record;
    REQUIRE(parse_record(line, &record));
    std::vector<Message> messages;
    REQUIRE(fired_messages(record, "store", &messages));
    REQUIRE(messages.size() == 2);
    CHECK(messages[0].id == "store:7:9:on_start:0");
    CHECK(messages[0].type == "system.stream.online");
    CHECK(messages[0].body == to_text(*payload));
    CHECK(messages[0].trace == "00-ab-cd-01");
    CHECK(messages[1].id == "store:7:9:on_start:2");
    record.body = {};
    messages.clear();
    REQUIRE(fired_messages(record, "store", &messages));
    CHECK(messages.empty());
}

}  // namespace
}  // namespace se::test
