// How a run wrote, as far as whoever writes behind it has to write so, too.

#include <optional>
#include <string>

#include "journal/search.h"
#include "tests/engine/engine_world.h"

using namespace se;
using namespace se::test;

namespace {

constexpr RunSettings kAligned{.align_bytes = 4096, .disk_reserve_bytes = 1u << 20};

void configure(EngineWorld& world, const RunSettings& settings) {
    world.settings.journal.align_bytes = settings.align_bytes;
    world.settings.journal.disk_reserve_bytes = settings.disk_reserve_bytes;
    world.settings.as_last_run = {};
}

/// As statectl opens a store without --config.
void open_unconfigured(EngineWorld& world) {
    configure(world, {});
    world.settings.as_last_run = {.align = true, .disk_reserve = true};
    world.open(std::nullopt);
}

void close_and_leave(EngineWorld& world) {
    REQUIRE(world.engine->close());
    world.leave();
}

RunSettings in_force(const EngineWorld& world) {
    return run_settings_of(world.engine->settings().journal);
}

RunSettings told_by_last_opener(EngineWorld& world) {
    const auto opener = last_opener(world.disk, StorePaths{world.settings.data});
    REQUIRE(opener);
    REQUIRE(*opener);
    return (*opener)->settings;
}

}  // namespace

TEST_CASE("who opens a store without its configuration writes as the last run did, however that ended") {
    for (const std::string end : {"closed", "killed", "power cut", "HEAD lost"}) {
        CAPTURE(end);
        EngineWorld world;
        configure(world, kAligned);
        world.open();
        REQUIRE(world.set("a", "1").status == Answer::Status::accepted);
        if (end == "closed") {
            close_and_leave(world);
        } else if (end == "power cut") {
            world.disk.power_cut();
            world.leave();
        } else {
            world.crash();
        }
        if (end == "HEAD lost") {
            REQUIRE(world.disk.remove(StorePaths{world.settings.data}.head()));
        }

        int groups = 0, unpadded = 0;
        world.disk.on_call([&](const SimFileSystem::Call& call) {
            if (call.operation != SimFileSystem::Operation::write) return;
            if (!call.path.ends_with(".jsonl")) return;
            ++groups;
            if (call.offset % 4096 != 0 || call.size % 4096 != 0) ++unpadded;
        });
        open_unconfigured(world);
        REQUIRE(world.set("a", "2").status == Answer::Status::accepted);
        world.disk.on_call({});
        CHECK(groups >= 2);
        CHECK(unpadded == 0);
        CHECK(in_force(world) == kAligned);
        CHECK(told_by_last_opener(world) == kAligned);

        // From one to the next.
        close_and_leave(world);
        open_unconfigured(world);
        CHECK(in_force(world) == kAligned);
    }
}

TEST_CASE("what a run said of how it writes is found behind all that it has written since") {
    for (const bool indexed : {true, false}) {
        CAPTURE(indexed);
        EngineWorld world;
        configure(world, kAligned);
        world.open();
        const StorePaths paths{world.settings.data};
        for (int i = 0; i < 100; ++i) world.set("a", std::to_string(i));
        const auto segments = list_segments(world.disk, paths);
        REQUIRE(segments);
        REQUIRE(segments->size() > 2);
        world.crash();
        REQUIRE(world.disk.content(paths.index(segments->front())));
        if (!indexed) {
            REQUIRE(world.disk.remove(paths.index(segments->front())));
        }
        open_unconfigured(world);
        CHECK(in_force(world) == kAligned);
    }
}

TEST_CASE("a configuration counts, not what the last run said; and it is what the next one hears of") {
    EngineWorld world;
    configure(world, kAligned);
    world.open();
    close_and_leave(world);
    configure(world, {});
    world.open();
    CHECK(in_force(world) == RunSettings{});
    CHECK(told_by_last_opener(world) == RunSettings{});
    close_and_leave(world);
    open_unconfigured(world);
    CHECK(in_force(world) == RunSettings{});

    // Of one of them alone somebody may have said something.
    close_and_leave(world);
    configure(world, kAligned);
    world.open();
    close_and_leave(world);
    configure(world, {});
    world.settings.as_last_run = {.align = true, .disk_reserve = false};
    world.open();
    CHECK(in_force(world) == RunSettings{.align_bytes = kAligned.align_bytes});
}

TEST_CASE("a default is not said, and what could be no setting is none") {
    EngineWorld world;
    configure(world, {});
    world.open();
    REQUIRE(world.engine->close());
    world.each_record([](const RecordView& record) {
        if (record.kind != Kind::note) return;
        CHECK(record.body.find("align") == std::string_view::npos);
        CHECK(record.body.find("disk_reserve_bytes") == std::string_view::npos);
    });
    for (const char* const body : {"", "{}", R"({"align":-1,"disk_reserve_bytes":"1MiB"})",
                                   R"({"align":9223372036854775807,"disk_reserve_bytes":1e300})"}) {
        CAPTURE(body);
        CHECK(run_settings_in(body) == RunSettings{});
    }
}
