// A byte changed in LMDB where no value is: a rebuild says what differs, and the replay of the
// journal finds what it led to.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/replay.h"
#include "journal/index_file.h"
#include "projection/layout.h"
#include "tests/engine/team_world.h"

namespace se::test {
namespace {

struct HurtWorld : TeamWorld {
    HurtWorld() {
        config.settings.auth.principals =
            entries("[" + entry("admin", R"(,"scopes":["operate"])") + "," +
                    entry("keeper", R"(,"read":["user.*"],"scopes":["operate"])") + "]");
        authorize();
    }

    /// The engine is closed, one bit of LMDB's file turned wherever these bytes stand, and opened.
    void hurt(std::string from, std::size_t at) {
        api.attach(nullptr, "reopening");
        REQUIRE(world.engine->close());
        world.leave();
        int hurts = 0;
        for (const auto& item : std::filesystem::recursive_directory_iterator(world.cache.path())) {
            if (item.path().filename() != "data.mdb") continue;
            std::fstream file(item.path(), std::ios::in | std::ios::out | std::ios::binary);
            const std::string bytes(std::istreambuf_iterator<char>(file), {});
            for (std::size_t found = 0; (found = bytes.find(from, found)) != bytes.npos; ++found) {
                file.seekp(static_cast<std::streamoff>(found + at));
                file.put(static_cast<char>(from[at] ^ 1));
                ++hurts;
            }
            REQUIRE(file.good());
        }
        REQUIRE(hurts > 0);
        world.open();
        attach();
    }
    Json rebuilt(const char* who, const char* query = "") {
        const Response response =
            ask("POST", std::string("/v1/operator/rebuild") + query, "", as(who));
        REQUIRE(response.status == 200);
        return json_of(response);
    }
    std::string differences(const char* who) { return to_text(at(rebuilt(who), {"differences"})); }
    Response pay() {
        return post(R"({"op":"increment","key":"n","value":1,"reason":"r","id":"pay-1"})",
                    as("admin"));
    }
    /// The seqs of all that changed `n`.
    std::vector<Seq> paid() {
        std::vector<Seq> seqs;
        world.each_record([&](const RecordView& record) {
            if (record.id == "pay-1" && record.kind == Kind::accepted) seqs.push_back(record.seq);
        });
        return seqs;
    }
    std::vector<Replay::Difference> replayed() {
        Replay replay(world.engine->store().store);
        std::vector<Replay::Difference> found;
        world.each_record([&](const RecordView& record) {
            auto next = replay.next(record);
            REQUIRE_MESSAGE(next, next.error().text);
            if (*next) found.push_back(**std::move(next));
        });
        return found;
    }
};

TEST_CASE(
    "one byte of an id in LMDB: told as the reason, noted, healed; and what it let through is "
    "found") {
    HurtWorld w;
    REQUIRE(w.pay().status == 200);
    REQUIRE(w.put("admin", "user.a", "1").status == 200);
    REQUIRE(w.paid().size() == 1);
    const std::string first = std::to_string(w.paid()[0].value);
    CHECK(w.differences("admin") == "[]");
    CHECK(w.replayed().empty());

    w.hurt(std::string(layout::bytes_of(identity_hash("admin", "pay-1"))), 15);
    const Json told = w.rebuilt("admin");
    CHECK(at(told, {"equal"}) == Json(false));
    CHECK(at(told, {"differentKeys"}) == Json(Json::Array{}));
    CHECK(at(told, {"rootLive"}) == at(told, {"rootRebuilt"}));
    const Json::Array& all = told.find("differences")->array();
    REQUIRE(all.size() == 1);
    CHECK(at(all[0], {"database"}) == Json("ids"));
    CHECK(at(all[0], {"rows"}) == Json(2));
    CHECK(at(all[0], {"first"}).string().starts_with("an id bound at seq " + first + " is "));
    CHECK(all[0].find("key") == nullptr);

    // The retry is not known again: applied a second time, decided as it would be, and found (E2).
    CHECK(w.pay().status == 200);
    CHECK(w.world.value_of("n") == "2");
    REQUIRE(w.paid().size() == 2);
    const auto found = w.replayed();
    REQUIRE(found.size() == 1);
    CHECK(found[0].seq == w.paid()[1]);
    CHECK(found[0].what == "its identity had its effect before, at seq " + first);
    CHECK(found[0].recomputed == R"({"duplicate":true,"seq":)" + first + "}");

    CHECK(at(w.rebuilt("admin", "?swap=true"), {"equal"}) == Json(false));
    std::string body;
    w.world.each_record([&](const RecordView& record) {
        if (record.note == "rebuilt") body = record.body;
    });
    CHECK(body.find(R"("differences":[{"database":"ids","rows":2,"first":"an id bound at seq )") !=
          body.npos);
    CHECK(at(w.rebuilt("admin"), {"equal"}) == Json(true));
    CHECK(w.pay().status == 200);
    CHECK(w.paid().size() == 2);
}

TEST_CASE(
    "a deadline that differs is told to all who operate, whose it is to whom may read the key") {
    HurtWorld w;
    REQUIRE(w.put("admin", "secret.a", R"("quiet")", R"(,"ttl":1000)").status == 200);
    const auto entry = w.world.get("secret.a");
    REQUIRE(entry);
    w.hurt(layout::ttl_key(*entry->expires_at, "secret.a"), 6);
    const std::string admin = w.differences("admin"), keeper = w.differences("keeper");
    CHECK(admin.find(R"("key":"secret.a")") != admin.npos);
    CHECK(admin.find(R"("database":"ttl")") != admin.npos);
    CHECK(keeper.find(R"("database":"ttl")") != keeper.npos);
    CHECK(keeper.find("secret") == keeper.npos);

    // Others than who asked may read the note.
    CHECK(at(w.rebuilt("admin", "?swap=true"), {"equal"}) == Json(false));
    std::string body;
    w.world.each_record([&](const RecordView& record) {
        if (record.note == "rebuilt") body = record.body;
    });
    CHECK(body.find(R"("database":"ttl")") != body.npos);
    CHECK(body.find("secret") == body.npos);
}

}  // namespace
}  // namespace se::test
