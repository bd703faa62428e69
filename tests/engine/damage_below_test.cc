// J8: damage to old records alarms, by whoever meets it first, and stops neither writes nor the ready state.

#include <map>

#include "tests/engine/api_world.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

namespace {

/// Keeps the seqs of the places it was told of.
struct ToldLog final : Log {
    void write(const LogEvent& event) override {
        if (event.name != "state-engine.journal.damaged_below") return;
        CHECK(event.severity == Severity::error);
        for (const auto& [name, value] : event.context)
            if (name == "seq") seqs.push_back(value);
    }
    std::vector<std::string> seqs;
};

const std::string kId = "id-old";
const std::string kSeq = "3";  // opened, config, then this
const std::string kOld = R"(,"id":")" + kId + "\"";

/// A store whose first mutation rots while LMDB vouches for it, and is opened again.
struct DamagedWorld {
    ToldLog told;
    ApiWorld w;
    std::uint64_t bit = 0;

    void open(std::uint64_t scrub_bytes_per_second) {
        w.set("a", "1", kOld);
        w.set("a", "2");
        w.set("b", "2");
        REQUIRE(w.world.engine->close());
        w.api.attach(nullptr);
        w.world.leave();
        bit = 8 * w.world.disk.content(segment())->find(kId);
        flip();
        w.world.heard = &told;
        w.world.settings.journal.scrub_bytes_per_second = scrub_bytes_per_second;
        w.world.settings.journal.scrub_every = 100ms;
        w.world.open();
        w.attach();
        REQUIRE(w.world.engine->state() == EngineState::ready);
        REQUIRE(told.seqs.empty());
    }
    ~DamagedWorld() {
        w.api.attach(nullptr, "the test is over");
        w.world.leave();
    }

    static std::string segment() { return StorePaths{"/data"}.segment(Seq{1}); }
    void flip() { w.world.disk.flip_bit(segment(), bit); }

    /// Long enough for several passes.
    void wait() {
        for (int i = 0; i < 20; ++i) {
            w.world.clock.advance(60ms);
            w.world.settle();
        }
    }

    Json status() {
        const Peer before = std::exchange(w.peer, ApiWorld::operator_peer());
        const Response response = w.get("/v1/operator/status");
        w.peer = before;
        REQUIRE(response.status == 200);
        return json_of(response);
    }
    bool metrics_say(const std::string& line) {
        return ("\n" + w.get("/metrics").body).find("\n" + line + "\n") != std::string::npos;
    }

    void check_known() {
        CHECK(told.seqs == std::vector<std::string>{kSeq});
        CHECK(metrics_say("state_engine_journal_damaged_places 1"));
        const Json now = status();
        CHECK(at(now, {"state"}) == Json("ready"));
        CHECK(at(now, {"damage"}) == Json(nullptr));
        CHECK(at(now, {"scrub", "damagedPlaces"}) == Json(std::int64_t{1}));
        const Json places = at(now, {"damagedBelow"});
        REQUIRE(places.is_array());
        REQUIRE(places.array().size() == 1);
        CHECK(to_text(at(places.array()[0], {"seq"})) == kSeq);
        CHECK(at(places.array()[0], {"segment"}) == Json("seg-0000000000000001.jsonl"));
        const Response ready = w.get("/readyz");
        CHECK(ready.status == 200);
        CHECK(at(json_of(ready), {"ready"}) == Json(true));
        CHECK(at(json_of(ready), {"damagedPlaces"}) == Json(std::int64_t{1}));
        CHECK(w.set("c", "3").status == 200);
    }
    void check_none_known() {
        CHECK(metrics_say("state_engine_journal_damaged_places 0"));
        const Json now = status();
        CHECK(at(now, {"scrub", "damagedPlaces"}) == Json(std::int64_t{0}));
        CHECK(now.find("damagedBelow") == nullptr);
        CHECK(json_of(w.get("/readyz")).find("damagedPlaces") == nullptr);
    }
};

}  // namespace

TEST_CASE("the scrub finds an old record that rots: told once, shown, and writes go on") {
    DamagedWorld damaged;
    damaged.open(1u << 20);
    damaged.wait();
    damaged.check_known();
    damaged.wait();
    damaged.check_known();
    CHECK(at(damaged.status(), {"scrub", "lastPass"}).is_string());
    const std::string metrics = damaged.w.get("/metrics").body;
    CHECK(metrics.find("\nstate_engine_journal_scrub_timestamp_seconds 1") != std::string::npos);
    CHECK_FALSE(damaged.metrics_say("state_engine_journal_scrubbed_bytes_total 0"));

    damaged.flip();
    damaged.wait();
    damaged.check_none_known();
    CHECK(damaged.told.seqs.size() == 1);
}

TEST_CASE("a retry that meets an old record that rots tells of it once") {
    DamagedWorld damaged;
    damaged.open(0);
    damaged.check_none_known();
    for (int i = 0; i < 3; ++i) {
        const Response again = damaged.w.set("a", "1", kOld);
        CHECK(again.status == 503);
        CHECK(again.body.find("damaged") != std::string::npos);
    }
    damaged.check_known();
}

TEST_CASE("so does a read of history or of records, and all of them are one place") {
    for (const char* target : {"/v1/history/a", "/v1/records?from=3"}) {
        CAPTURE(target);
        DamagedWorld damaged;
        damaged.open(0);
        CHECK(damaged.w.get(target).status == 503);
        damaged.w.api.tick();
        damaged.check_known();
        CHECK(damaged.w.get(target).status == 503);
        CHECK(damaged.w.get("/v1/history/a").status == 503);
        CHECK(damaged.w.set("a", "1", kOld).status == 503);
        damaged.w.api.tick();
        damaged.check_known();
    }
}
