// tests/golden/store-N: a small store as some version wrote it, closed and killed. Every later version opens it. What is
// written otherwise gets a folder of its own beside them; an old one never changes. After such a change, for the new
// folder:
//     SE_WRITE_GOLDEN=1 test_engine --test-case="the disk format is written as it was*"
// In store-1 a refusal that binds no id has only its message, and an `opened` does not say how its run writes.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "journal/index_file.h"
#include "journal/repair.h"
#include "journal/verify.h"
#include "tests/engine/engine_world.h"
#include "tests/places.h"

using namespace se;
using namespace se::test;

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const std::string kGolden = source_dir() + "/tests/golden/";
const std::vector<std::string> kStores = {"store-1", "store-2"};
const std::string kWritten = kGolden + kStores.back();  // as it is written now
const std::string kState = "list.jsonl";  // what is live in it
const std::string kFacts = "facts.json";  // what verify says of it
constexpr std::uint64_t kBytesMax = 50'000;

using Image = std::map<std::string, std::string>;

/// All files below a folder, by their paths in it.
Image read_folder(const std::string& folder) {
    Image image;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) continue;
        std::ifstream in(entry.path(), std::ios::binary);
        image[fs::relative(entry.path(), folder)] = {std::istreambuf_iterator<char>(in), {}};
    }
    return image;
}

void write_folder(const std::string& folder, const Image& image) {
    fs::remove_all(folder);
    for (const auto& [path, bytes] : image) {
        fs::create_directories(fs::path(folder + "/" + path).parent_path());
        std::ofstream(folder + "/" + path, std::ios::binary) << bytes;
    }
}

/// The store as it lies on a world's disk.
Image store_image(EngineWorld& world) {
    Image image;
    const StorePaths paths{world.settings.data};
    for (const std::string& folder : {paths.root, paths.journal(), paths.quarantine()}) {
        const auto names = world.disk.list(folder);
        REQUIRE(names);
        for (const std::string& name : *names) {
            const std::string path = folder + "/" + name;
            if (const auto bytes = world.disk.content(path))
                image[path.substr(paths.root.size() + 1)] = *bytes;
        }
    }
    return image;
}

void put(EngineWorld& world, const Image& store) {
    for (const auto& [path, bytes] : store) {
        if (path != kState && path != kFacts)
            world.disk.put(world.settings.data + "/" + path, bytes);
    }
}

std::string state_text(const std::map<std::string, Entry, std::less<>>& entries) {
    std::string text;
    for (const auto& [key, entry] : entries) {
        if (entry.deleted) continue;
        append_entry_json(text, key, entry);
        text += '\n';
    }
    return text;
}

VerifyReport verified(EngineWorld& world) {
    const auto report = verify(world.disk, StorePaths{world.settings.data}, {.threads = 1});
    REQUIRE(report);
    for (const Fault& fault : report->faults) FAIL_CHECK(to_text(fault));
    return *report;
}

std::string facts_text(const VerifyReport& report) {
    std::string text;
    JsonObject(text)
        .integer("records", report.records)
        .integer("segments", report.segments)
        .integer("last", report.last.value)
        .integer("repaired", report.repaired)
        .text("root", to_hex(report.root))
        .close();
    return text + "\n";
}

void must(const Answer& answer, Code code = Code::none) {
    CHECK_MESSAGE(answer.code == code, answer.message);
}

/// Something of everything that a record can hold.
void live_a_little(EngineWorld& world) {
    const auto set = [&](const std::string& key, const std::string& value,
                         const std::string& more = "") { return world.set(key, value, more); };
    must(set("plain", "true", R"(,"id":"first")"));
    must(set("numbers", "[0,-1,9223372036854775807,0.1,1e300,1e21]"));
    must(set("text",
             R"("quote \" backslash \\ tab \t bell \u0007 umlaut \u00e4 clef \ud834\udd1e")"));
    must(set("schl\u00fcssel", R"({"b":1,"a":{"z":[],"y":{}},"crc":",\"crc\":\"00000000\"}"})"));
    must(set("soon", "1", R"(,"ttl":5)"));
    must(set("later", "1",
             R"(,"ttl":86400,"metadata":{"source":"a source of its own"},"ts":"yesterday")"));
    must(
        world.ask(R"({"op":"increment","key":"count","value":2,"reason":"r","actor":"somebody"})"));
    must(world.ask(R"({"op":"push","key":"list","value":{"n":1},"reason":"r"})"));
    must(world.ask(R"({"op":"merge","key":"numbers","value":{},"reason":"r"})"), Code::op_mismatch);
    must(world.ask(R"({"op":"merge","key":"merged","value":{"a":1,"b":null},"reason":"r"})"));
    must(world.ask(
        R"({"ops":[{"op":"set","key":"p","value":1,"ttl":99},{"op":"increment","key":"p","value":1},)"
        R"({"op":"delete","key":"plain"}],"reason":"several","metadata":{"m":1}})"));
    must(set("basis", "1", R"(,"basis":[{"key":"count","seq":100}])"));
    must(set("basis", "2", R"(,"basis":[{"key":"count","seq":1}])"), Code::basis_conflict);
    must(set("count", "1", R"(,"expectedVersion":7)"), Code::version_conflict);
    must(set("first", "1", R"(,"id":"first")"), Code::id_reused);
    must(world.ask(R"({"op":"delete","key":"nobody","reason":"r"})"), Code::absent);
    must(world.ask(R"({"op":"set","key":"a b","value":1,"reason":"r"})"), Code::malformed);
    must(set("long", "\"" + std::string(2'000, 'x') + "\""), Code::too_large);
    Caller caller = EngineWorld::alice();
    caller.claim = R"({"actor":"bob"})";
    caller.trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    caller.roles = {"moderator", "approver"};
    must(world.ask(EngineWorld::set_text("claimed", "1"), caller));
    world.clock.advance(6s);
    world.settle();  // what was to expire does
}

/// A line that was not written to its end.
void tear_tail(EngineWorld& world) {
    const StorePaths paths{world.settings.data};
    const auto segments = list_segments(world.disk, paths);
    REQUIRE(segments);
    const std::string path = paths.segment(segments->back());
    const std::string bytes = *world.disk.content(path);
    const std::size_t end = bytes.find_last_not_of('\n') + 1;
    REQUIRE(end + 100 < bytes.size());
    const auto file = world.disk.open(path, OpenMode::update);
    REQUIRE(file);
    REQUIRE((*file)->write(end + 1, "\n{\"seq\":999,\"epoch\":1,\"durable\":0,\"ts\":\"2026-"));
    REQUIRE((*file)->sync());
}

/// A byte of an acknowledged record goes bad, and what it was is given up.
void damage_and_repair(EngineWorld& world) {
    const StorePaths paths{world.settings.data};
    const std::string path = paths.segment(Seq{1});
    const std::size_t at = world.disk.content(path)->find("\"key\":\"text\"");
    REQUIRE(at != std::string::npos);
    world.disk.flip_bit(path, at * 8 + 1);
    const auto report = verify(world.disk, paths, {.threads = 1});
    REQUIRE(report);
    REQUIRE(report->faults.size() == 1);
    const Seq lost = report->faults[0].seq;
    const auto plan = plan_repair(world.disk, paths, lost, lost);
    REQUIRE_MESSAGE(plan, plan.error().text);
    const auto hold = hold_store(world.disk, world.random, paths);
    REQUIRE(hold);
    REQUIRE(carry_out(world.disk, paths, *hold, *plan));
    world.forget_cache();
}

/// The same bytes every time: nothing here is of this moment or machine.
struct Stores {
    Image closed, killed;
};
Stores make_stores() {
    EngineWorld world;
    world.settings.journal.first_segment_bytes = 4096;
    world.settings.journal.segment_bytes = 8192;
    world.settings.journal.fill_chunk_bytes = 4096;
    world.policy.limits.value_bytes = 1000;
    world.open();
    live_a_little(world);
    world.crash();
    tear_tail(world);
    world.clock.advance(1h);
    world.open();
    must(world.set("after", "\"the tail was cut\""));
    REQUIRE(world.engine->close());
    world.leave();
    damage_and_repair(world);
    world.policy.allowed_keys = {"*", "user.fact.*"};
    world.open();
    must(world.set("after", "\"a record was given up\""));
    bool noted = false;
    world.engine->note("imported", R"({"file":"golden"})", EngineWorld::alice(),
                       [&](Result<Seq> seq) { noted = static_cast<bool>(seq); });
    world.settle();
    REQUIRE(noted);
    REQUIRE(world.engine->close());

    Stores stores;
    const auto take = [&] {
        Image image = store_image(world);
        image[kState] = state_text(world.folded().entries());
        image[kFacts] = facts_text(verified(world));
        return image;
    };
    stores.closed = take();
    world.open();
    must(world.set("after", "\"nobody closed it\""));
    world.crash();
    stores.killed = take();
    return stores;
}

std::uint64_t bytes_of(const Image& image) {
    std::uint64_t bytes = 0;
    for (const auto& [path, content] : image) bytes += content.size();
    return bytes;
}

}  // namespace

TEST_CASE("the disk format is written as it was: another one needs a golden store of its own") {
    const Stores stores = make_stores();
    if (std::getenv("SE_WRITE_GOLDEN") != nullptr) {
        write_folder(kWritten + "/closed", stores.closed);
        write_folder(kWritten + "/killed", stores.killed);
    }
    for (const auto& [name, image] :
         {std::pair{"/closed", &stores.closed}, {"/killed", &stores.killed}}) {
        CAPTURE(name);
        CHECK(bytes_of(*image) < kBytesMax);
        const Image golden = read_folder(kWritten + name);
        for (const auto& [path, bytes] : *image) {
            const auto found = golden.find(path);
            REQUIRE_MESSAGE(found != golden.end(), path << " is new");
            CHECK_MESSAGE(found->second == bytes, path << " is written otherwise than it was");
        }
        for (const auto& [path, bytes] : golden)
            CHECK_MESSAGE(image->contains(path), path << " is no more");
    }
}

TEST_CASE("a golden store is verified, replayed and opened for writing") {
    std::vector<std::string> names;
    for (const std::string& store : kStores)
        for (const char* how : {"/closed", "/killed"}) names.push_back(store + how);
    for (const std::string& name : names) {
        CAPTURE(name);
        const Image golden = read_folder(kGolden + name);
        REQUIRE(golden.size() > 5);
        EngineWorld world;
        put(world, golden);
        const StorePaths paths{world.settings.data};
        CHECK(facts_text(verified(world)) == golden.at(kFacts));
        CHECK(state_text(world.folded().entries()) == golden.at(kState));
        const auto store = read_store(world.disk, paths);
        REQUIRE(store);
        int indexes = 0;
        for (const Seq first : *list_segments(world.disk, paths)) {
            if (!world.disk.content(paths.index(first))) continue;
            const auto index = read_index(world.disk, paths, first);
            REQUIRE(index);
            const auto again = build_index(world.disk, paths, first, store->store);
            REQUIRE(again);
            CHECK(encode_index(*index) == encode_index(*again));
            ++indexes;
        }
        CHECK(indexes > 0);

        // Its clock is behind what the store has seen: that must not matter.
        world.open(std::nullopt);
        REQUIRE(world.engine->state() == EngineState::ready);
        CHECK(world.engine->policy().allowed_keys == std::vector<std::string>{"*", "user.fact.*"});
        std::string live;
        for (const auto& [key, entry] : world.all()) {
            append_entry_json(live, key, entry);
            live += '\n';
        }
        CHECK(live == golden.at(kState));
        const Answer again = world.set("plain", "true", R"(,"id":"first")");
        CHECK(again.duplicate);
        CHECK(again.seq == Seq{3});  // behind opened and config
        CHECK(world.set("plain", "2").changes.at(0).version ==
              Version{3});  // on from its tombstone
        CHECK(world.set("after", "3").changes.at(0).version.value >= 3);
        world.check_reads_are_the_fold();
        REQUIRE(world.engine->close());
        CHECK(verified(world).last > Seq{30});
    }
}
