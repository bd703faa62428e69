// GET /v1/changes.

#include <doctest/doctest.h>

#include "journal/repair.h"
#include "tests/engine/api_world.h"

namespace se::test {
namespace {

struct Event {
    std::string id, name;
    Json data;
};

std::vector<Event> events_of(std::string_view text) {
    std::vector<Event> events;
    while (!text.empty()) {
        const std::size_t end = text.find("\n\n");
        REQUIRE(end != text.npos);
        std::string_view block = text.substr(0, end + 1);
        text.remove_prefix(end + 2);
        Event event;
        while (!block.empty()) {
            const std::string_view line = block.substr(0, block.find('\n'));
            block.remove_prefix(line.size() + 1);
            if (line.starts_with("id: ")) event.id = line.substr(4);
            if (line.starts_with("event: ")) event.name = line.substr(7);
            if (line.starts_with("data: ")) event.data = json_of(line.substr(6));
        }
        events.push_back(std::move(event));
    }
    return events;
}

std::vector<std::string> names_and_keys(const std::vector<Event>& events) {
    std::vector<std::string> out;
    for (const Event& event : events) {
        const Json key = at(event.data, {"key"});
        out.push_back(event.name + (key.is_string() ? " " + key.string() : ""));
    }
    return out;
}

using Texts = std::vector<std::string>;

TEST_CASE("a follower hears of each change from where it begins, and of its prefix only") {
    ApiWorld w;
    w.set("a.1", "1");
    Response now = w.get("/v1/changes");
    CHECK(now.content_type == "text/event-stream");
    Response past = w.get("/v1/changes?since=0.0");
    Response some = w.get("/v1/changes?since=0.0&prefix=b.");
    CHECK(names_and_keys(events_of(pull(now))) == Texts{"bookmark"});
    CHECK(names_and_keys(events_of(pull(past))) == Texts{"change a.1", "bookmark"});
    CHECK(names_and_keys(events_of(pull(some))) == Texts{"bookmark"});

    int woken = 0;
    now.stream->wake = [&woken] { ++woken; };
    w.set("b.1", "true");
    CHECK(woken > 0);
    w.post(R"({"op":"delete","key":"a.1","reason":"r"})");
    const std::vector<Event> events = events_of(pull(now));
    CHECK(names_and_keys(events) == Texts{"change b.1", "change a.1"});
    CHECK(at(events[0].data, {"entry", "value"}) == Json(true));
    CHECK(at(events[0].data, {"previousVersion"}) == Json(0));
    CHECK(events[1].data.find("entry")->is_null());
    CHECK(at(events[1].data, {"previousVersion"}) == Json(1));
    CHECK(names_and_keys(events_of(pull(some))) == Texts{"change b.1"});
}

TEST_CASE("going on from any id that was seen misses nothing, also within a record") {
    ApiWorld w;
    for (int i = 0; i < 6; ++i) {
        w.post(R"({"ops":[{"op":"set","key":"x","value":1},{"op":"set","key":"y","value":2},)"
               R"({"op":"set","key":"z","value":3}],"reason":"r"})");
        w.set("single", std::to_string(i));
    }
    const std::vector<Event> all = events_of(pull(w.get("/v1/changes?since=0.0")));
    REQUIRE(all.size() == 6 * 4 + 1);
    std::string last_id;
    for (std::size_t cut = 0; cut < all.size(); ++cut) {
        CAPTURE(cut);
        // The client was cut off behind event `cut`; a browser keeps the last id it saw.
        if (!all[cut].id.empty()) last_id = all[cut].id;
        if (last_id.empty()) continue;
        const std::vector<Event> rest = events_of(
            pull(w.get("/v1/changes?since=0.0", {{"last-event-id", last_id}})));
        std::size_t changes_left = 0;
        for (std::size_t i = cut + 1; i < all.size(); ++i) changes_left += all[i].name == "change";
        std::size_t changes = 0;
        for (const Event& event : rest) changes += event.name == "change";
        CHECK(changes >= changes_left);
        CHECK(changes <= changes_left + 2);
    }
}

TEST_CASE("a follower goes on over a restart") {
    ApiWorld w;
    w.set("a", "1");
    const std::vector<Event> before = events_of(pull(w.get("/v1/changes?since=0.0")));
    const std::string id = before.back().id;
    w.set("a", "2");
    w.api.attach(nullptr, "reopening");
    w.world.reopen();
    w.attach();
    w.set("a", "3");
    const std::vector<Event> after = events_of(pull(w.get("/v1/changes?since=" + id)));
    CHECK(names_and_keys(after) == Texts{"change a", "change a", "bookmark"});
    CHECK(at(after[0].data, {"entry", "value"}) == Json(2));
}

TEST_CASE("a bookmark comes every five seconds") {
    ApiWorld w;
    Response feed = w.get("/v1/changes");
    pull(feed);
    w.world.clock.advance(std::chrono::milliseconds{4999});
    w.api.tick();
    CHECK(pull(feed).empty());
    w.world.clock.advance(std::chrono::milliseconds{1});
    w.api.tick();
    const std::vector<Event> events = events_of(pull(feed));
    REQUIRE(names_and_keys(events) == Texts{"bookmark"});
    CHECK(events[0].id == std::to_string(w.world.engine->applied().epoch.value) + "." +
                              std::to_string(w.world.engine->applied().seq.value));
}

TEST_CASE("a cursor that this history never gave out is told to read again") {
    ApiWorld w;
    w.set("a", "1");
    const Engine::AsOf now = w.world.engine->applied();
    for (const std::string& since :
         {std::to_string(now.epoch.value) + "." + std::to_string(now.seq.value + 1),
          std::to_string(now.epoch.value + 1) + ".1"}) {
        CAPTURE(since);
        Response feed = w.get("/v1/changes?since=" + since);
        const std::vector<Event> events = events_of(pull(feed));
        REQUIRE(names_and_keys(events) == Texts{"resync"});
        CHECK(feed.stream->finished());
        // Going on from the id of the resync works.
        CHECK(names_and_keys(events_of(pull(w.get("/v1/changes", {{"last-event-id", events[0].id}})))) ==
              Texts{"bookmark"});
    }
}

TEST_CASE("whoever had heard of what a repair gave up is told to read again, and nobody else") {
    ApiWorld w;
    w.set("a", "1");
    w.set("b", "1");
    const std::string before = events_of(pull(w.get("/v1/changes?since=0.0"))).back().id;
    const Response lost = w.set("a", "2", R"(,"id":"the-lost-one")");
    const std::string at_lost = events_of(pull(w.get("/v1/changes?since=0.0"))).back().id;
    w.set("c", "1");
    const std::string behind = events_of(pull(w.get("/v1/changes?since=0.0"))).back().id;
    const Json seq_lost = at(json_of(lost), {"seq"});
    REQUIRE(seq_lost.is_integer());
    const Seq seq{static_cast<std::uint64_t>(seq_lost.integer())};

    Response open = w.get("/v1/changes");
    pull(open);
    w.api.attach(nullptr, "reopening after a repair");
    CHECK(names_and_keys(events_of(pull(open))) == Texts{"bookmark"});
    EngineWorld& world = w.world;
    REQUIRE(world.engine->close());
    world.leave();
    world.give_up("the-lost-one", seq);
    world.open();
    w.attach();
    REQUIRE(world.value_of("a") == "1");
    REQUIRE(world.count("note/repaired") == 1);

    for (const std::string& since : {at_lost, behind}) {
        CAPTURE(since);
        Response feed = w.get("/v1/changes?since=" + since);
        const std::vector<Event> events = events_of(pull(feed));
        REQUIRE(names_and_keys(events) == Texts{"resync"});
        CHECK(feed.stream->finished());
        CHECK(names_and_keys(events_of(pull(w.get("/v1/changes", {{"last-event-id", events[0].id}})))) ==
              Texts{"bookmark"});
    }
    // Who had not come so far never heard of it, and goes on; so does who begins anew.
    CHECK(names_and_keys(events_of(pull(w.get("/v1/changes?since=" + before)))) ==
          Texts{"change c", "bookmark"});
    CHECK(names_and_keys(events_of(pull(w.get("/v1/changes?since=0.0")))) ==
          Texts{"change a", "change b", "change c", "bookmark"});
    // Nor is anybody told once more who was told.
    w.set("a", "3");
    const std::string now = events_of(pull(w.get("/v1/changes?since=" + before))).back().id;
    w.api.attach(nullptr, "reopening");
    world.reopen();
    w.attach();
    CHECK(names_and_keys(events_of(pull(w.get("/v1/changes?since=" + now)))) == Texts{"bookmark"});
}

TEST_CASE("behind a repair, a store that can journal nothing tells whoever comes to read again once") {
    ApiWorld w;
    w.set("a", "1", R"(,"id":"the-lost-one")");
    w.set("b", "1");
    w.set("c", "1", R"(,"id":"the-next-one")");
    w.set("d", "1");
    const std::string behind = events_of(pull(w.get("/v1/changes?since=0.0"))).back().id;
    w.api.attach(nullptr, "reopening after a repair");
    EngineWorld& world = w.world;
    const auto places = [&](std::string_view id) {
        Seq seq;
        world.each_record([&](const RecordView& record) {
            if (record.id == id) seq = record.seq;
        });
        return seq;
    };
    const Seq seq = places("the-lost-one");
    REQUIRE(seq != Seq{});
    const Epoch before = world.engine->applied().epoch;
    REQUIRE(world.engine->close());
    world.leave();
    world.give_up("the-lost-one", seq);
    SUBCASE("a full disk") {
        world.settings.journal.disk_reserve_bytes = 1u << 20;
        world.disk.set_capacity(1u << 20);
    }
    SUBCASE("more damage") { world.spoil("the-next-one"); }
    world.open();
    w.attach();
    REQUIRE(world.value_of("b") == "1");
    REQUIRE(world.engine->applied().epoch == before);

    // Who comes from before the repair has heard of what was given up, also where nothing came behind that.
    const Engine::AsOf now = world.engine->applied();
    std::vector<std::string> good;
    for (const std::string& since : {to_text(Cursor{now.epoch, now.seq}), behind}) {
        CAPTURE(since);
        const std::vector<Event> events = events_of(pull(w.get("/v1/changes?since=" + since)));
        REQUIRE(names_and_keys(events) == Texts{"resync"});
        good.push_back(events[0].id);
    }
    // Who reads what is shown, or begins with it, has not.
    const std::vector<Event> begun = events_of(pull(w.get("/v1/changes")));
    REQUIRE(names_and_keys(begun) == Texts{"bookmark"});
    good.push_back(begun[0].id);
    const Json as_of = at(json_of(w.get("/v1/state/b")), {"asOf"});
    good.push_back(std::to_string(at(as_of, {"epoch"}).integer()) + "." + std::to_string(at(as_of, {"seq"}).integer()));
    for (const std::string& since : good) {
        CAPTURE(since);
        CHECK(names_and_keys(events_of(pull(w.get("/v1/changes", {{"last-event-id", since}})))) ==
              Texts{"bookmark"});
    }
}

TEST_CASE("streams have a limit, and end with a bookmark when the engine drains") {
    ApiWorld w;
    w.config.settings.http.streams = 4;
    Response one = w.get("/v1/changes");
    Response two = w.get("/v1/changes");
    const Response three = w.get("/v1/changes");
    CHECK(three.status == 503);
    CHECK(at(json_of(three), {"reason"}) == Json("overloaded"));
    CHECK(at(json_of(three), {"message"}).string().find("half of http.streams") != std::string::npos);
    two.stream.reset();
    two = w.get("/v1/changes");
    CHECK(two.status == 200);

    pull(one);
    w.api.drain();
    CHECK(names_and_keys(events_of(pull(one))) == Texts{"bookmark"});
    CHECK(one.stream->finished());
    CHECK(w.get("/v1/changes").status == 503);
}

TEST_CASE("a follower far behind gets everything through the journal, in order") {
    ApiWorld w;
    constexpr int kChanges = 6000;  // more than the feed keeps in memory
    for (int i = 0; i < kChanges; i += 200) {
        for (int j = 0; j < 200; ++j) w.world.submit(EngineWorld::set_text("n", std::to_string(i + j)));
        w.world.settle();
    }
    Response feed = w.get("/v1/changes?since=0.0");
    std::string text;
    bool woken = true;
    feed.stream->wake = [&woken] { woken = true; };
    while (std::exchange(woken, false)) text += pull(feed);
    const std::vector<Event> events = events_of(text);
    REQUIRE(events.size() == kChanges + 1);
    for (int i = 0; i < kChanges; ++i) REQUIRE(at(events[i].data, {"entry", "version"}) == Json(i + 1));
}

}  // namespace
}  // namespace se::test
