// `repair --accept-loss`: what an operator gives up is kept in quarantine, named in the log, and believed.

#include <doctest/doctest.h>

#include "journal/index_file.h"
#include "journal/store.h"
#include "tests/journal/repair_world.h"
#include "tests/release_share.h"

using namespace se;
using namespace se::test;

TEST_CASE("a damaged byte anywhere is repaired by giving up what the open names") {
    World first;
    const Image image = closed_journal(first);
    const auto segments = first.segments();
    REQUIRE(segments.size() >= 3);
    int headers = 0, lost = 0;
    for (const Seq segment : segments) {
        const std::string good = image.at(first.paths.segment(segment));
        for (std::uint64_t at = 0; at < good.size(); at += 7 * kStep) {
            if (good[at] == '\n') continue;
            CAPTURE(segment.value);
            CAPTURE(at);
            World world(at);
            put(world, image);
            world.options = first.options;
            world.disk.flip_bit(world.paths.segment(segment), at * 8 + 1);
            REQUIRE(world.open());
            REQUIRE(world.journal->read_only());
            const Damage damage = *world.journal->report().damage;
            world.leave();
            CHECK(faults(world).size() == 1);
            const auto plan = plan_repair(world.disk, world.paths, damage.from, damage.to);
            REQUIRE_MESSAGE(plan, plan.error().text);
            const bool header = plan->pieces.empty();
            CHECK(plan->headers.size() == (header ? 1u : 0u));
            CHECK(plan->good_lost.empty());
            ++(header ? headers : lost);
            REQUIRE(repair(world, damage.from, damage.to));
            check_lives_on(world, first.appended, header ? Seq{999} : damage.from,
                           header ? Seq{} : damage.to);
        }
    }
    CHECK(headers > 0);
    CHECK(lost > 0);
}

TEST_CASE("the end of history is given up as far as the evidence reaches, and no seq comes again") {
    World first;
    const Image image = closed_journal(first);
    const Seq last = first.acknowledged;
    for (const std::size_t keep : {0u, 1u, 2u}) {  // of three segments
        World world;
        put(world, image);
        world.options = first.options;
        const auto segments = world.segments();
        REQUIRE(segments.size() > keep);
        for (std::size_t i = keep; i < segments.size(); ++i) {
            REQUIRE(world.disk.remove(world.paths.segment(segments[i])));
        }
        const Seq from = segments[keep];
        CAPTURE(from.value);
        CHECK_FALSE(repair(world, from, Seq{last.value - 1}));
        CHECK_FALSE(repair(world, from.next(), last));
        CHECK_FALSE(repair(world, from, Seq{last.value + 2'000'000}));
        REQUIRE(repair(world, from, last));
        const auto kept = std::vector<Known>(first.appended.begin(),
                                             first.appended.begin() +
                                                 static_cast<std::ptrdiff_t>(from.value - 1));
        if (kept.empty()) {
            REQUIRE(world.open());
            REQUIRE_FALSE(world.journal->read_only());
            CHECK(world.journal->last() == last);
            world.appended.clear();
            REQUIRE(world.tell());
            CHECK(world.appended.front().seq == last.next());
            for (int i = 0; i < 20; ++i) REQUIRE(world.write());
            const auto all = world.appended;
            REQUIRE(world.open());
            REQUIRE_FALSE(world.journal->read_only());
            REQUIRE(world.shown == all);
            CHECK(faults(world) == std::vector<std::string>{});
        } else {
            check_lives_on(world, kept, from, last);
        }
    }
}

TEST_CASE("a loss over several segments takes what is good in it too, and says so") {
    World first;
    const Image image = closed_journal(first, 30);
    const auto segments = first.segments();
    REQUIRE(segments.size() >= 4);
    World world;
    put(world, image);
    world.options = first.options;
    const Seq from{segments[1].value - 1}, to{segments[3].value};
    world.disk.flip_bit(world.paths.segment(segments[2]), 1200 * 8);
    const auto plan = plan_repair(world.disk, world.paths, from, to);
    REQUIRE_MESSAGE(plan, plan.error().text);
    CHECK(plan->pieces.size() == 4);
    CHECK(plan->good_lost.size() == to.value - from.value);
    REQUIRE(repair(world, from, to));
    for (const RepairPiece& piece : plan->pieces) {
        const auto kept = world.disk.durable_content(world.paths.quarantine() + "/" +
                                                     piece.quarantined);
        REQUIRE(kept);
        CHECK(to_hex(sha256(*kept)) == piece.sha256);
        CHECK(*kept == (piece.segment == segments[2]
                            ? *kept
                            : image.at(world.paths.segment(piece.segment))
                                  .substr(piece.offset, piece.bytes)));
    }
    check_lives_on(world, first.appended, from, to);
}

TEST_CASE("a record that goes with its segment's header leaves no index that tells of it") {
    World first;
    const Image image = closed_journal(first, 30);
    const Seq segment = first.segments()[1];
    World world;
    put(world, image);
    world.options = first.options;
    const std::string& good = image.at(world.paths.segment(segment));
    world.disk.flip_bit(world.paths.segment(segment), 20 * 8);
    world.disk.flip_bit(world.paths.segment(segment), (good.find("\"seq\"") + 40) * 8);
    const auto index = build_index(first.disk, first.paths, segment, read_store(first.disk, first.paths)->store);
    REQUIRE(index);
    world.disk.put(world.paths.index(segment), encode_index(*index));
    const auto plan = plan_repair(world.disk, world.paths, segment, segment);
    REQUIRE_MESSAGE(plan, plan.error().text);
    CHECK(plan->headers == std::vector<Seq>{segment});
    REQUIRE(repair(world, segment, segment));
    CHECK_FALSE(*world.disk.exists(world.paths.index(segment)));
    check_lives_on(world, first.appended, segment, segment);
}

TEST_CASE("two losses, one after the other and side by side, are both believed") {
    World first;
    const Image image = closed_journal(first, 30);
    for (const bool touching : {true, false}) {
        World world;
        put(world, image);
        world.options = first.options;
        REQUIRE(world.open());
        const auto positions = world.positions;
        world.leave();
        const auto damage = [&](Seq seq) {
            const Position& at = positions[seq.value - 1];
            world.disk.flip_bit(world.paths.segment(at.segment), (at.end - 40) * 8);
        };
        damage(Seq{7});
        REQUIRE(repair(world, Seq{7}, Seq{7}));
        const Seq second{touching ? 8u : 15u};
        damage(second);
        REQUIRE(repair(world, second, second));
        REQUIRE(world.open());
        REQUIRE_FALSE(world.journal->read_only());
        CHECK(world.journal->notes().size() == 3);
        CHECK(world.shown.size() == first.appended.size() - 2);
        world.appended = first.appended;
        REQUIRE(world.tell());
        for (int i = 0; i < 12; ++i) REQUIRE(world.write());
        REQUIRE(world.journal->close());
        CHECK(faults(world) == std::vector<std::string>{});
        REQUIRE(world.disk.remove_tree(world.paths.quarantine()));
        REQUIRE(world.open());
        REQUIRE_FALSE(world.journal->read_only());
    }
}

TEST_CASE("a loss excuses the roots that were written before it, and no later one") {
    World first;
    const Image image = closed_journal(first);
    World world;
    put(world, image);
    world.options = first.options;
    REQUIRE(world.open());
    const Position lost = world.positions[6];
    world.leave();
    world.disk.flip_bit(world.paths.segment(lost.segment), (lost.end - 40) * 8);
    REQUIRE(repair(world, Seq{7}, Seq{7}));
    REQUIRE(world.open());
    REQUIRE_FALSE(world.journal->read_only());
    world.appended = first.appended;
    REQUIRE(world.tell());
    for (int i = 0; i < 12; ++i) REQUIRE(world.write());
    REQUIRE(world.journal->close());
    world.leave();
    // The newest segment began after the note. Another root, with a crc that holds.
    const Seq newest = world.segments().back();
    REQUIRE(newest > first.segments().back());
    std::string content = world.content(newest);
    const std::size_t end = content.find('\n');
    SegmentHeader header = *parse_segment_header(std::string_view(content).substr(0, end));
    Frontier other;
    for (std::uint64_t i = 1; i < newest.value; ++i) other.append(Hash{});
    header.before = other;
    content.replace(0, end, encode_segment_header(header));
    world.disk.put(world.paths.segment(newest), content);
    REQUIRE(world.open());
    REQUIRE(world.journal->read_only());
    CHECK(world.journal->report().damage->fault.kind == FaultKind::bad_root);
}

TEST_CASE("what is not damaged, or only a part of a damage, cannot be given up") {
    World first;
    const Image image = closed_journal(first);
    const auto refuses = [&](World& world, Seq from, Seq to) {
        const auto plan = plan_repair(world.disk, world.paths, from, to);
        REQUIRE_FALSE(plan);
        CHECK(plan.error().code == Errc::malformed);
    };
    World world;
    put(world, image);
    REQUIRE(world.open());
    const Position place = world.positions[9];
    world.leave();
    refuses(world, Seq{5}, Seq{6});
    refuses(world, Seq{}, Seq{6});
    refuses(world, Seq{6}, Seq{5});
    refuses(world, first.acknowledged.next(), Seq{first.acknowledged.value + 5});
    // A damage over 10 and 11.
    std::string content = image.at(world.paths.segment(place.segment));
    content.replace(place.end - 20, 60, std::string(60, 'x'));
    world.disk.put(world.paths.segment(place.segment), content);
    refuses(world, Seq{10}, Seq{10});
    refuses(world, Seq{11}, Seq{11});
    refuses(world, Seq{3}, Seq{5});
    CHECK(plan_repair(world.disk, world.paths, Seq{10}, Seq{11}));
    REQUIRE(repair(world, Seq{10}, Seq{11}));
    refuses(world, Seq{10}, Seq{11});
    // Nor good records, because there is a gap beside them or among them.
    refuses(world, Seq{9}, Seq{11});
    refuses(world, Seq{10}, Seq{12});
    refuses(world, Seq{3}, Seq{15});
}

TEST_CASE("a position from before the loss and behind it is refused: what it vouches for has the lost") {
    World world;
    const Image image = closed_journal(world);
    REQUIRE(world.open());
    const auto positions = world.positions;
    world.leave();
    world.disk.flip_bit(world.paths.segment(positions[9].segment), (positions[9].end - 40) * 8);
    REQUIRE(repair(world, Seq{10}, Seq{10}));
    for (const Position& from : positions) {
        const Status opened = world.open(from);
        CAPTURE(from.seq.value);
        REQUIRE(static_cast<bool>(opened) == (from.seq < Seq{10}));
        if (!opened) CHECK(opened.error().code == Errc::malformed);
        world.leave();
    }
}

TEST_CASE("a repair that is interrupted anywhere can be done again, and loses nothing more") {
    World first;
    const Image image = closed_journal(first, 30);
    const auto segments = first.segments();
    const std::string stamp = first.paths.projection() + "/STAMP";
    for (const bool power : {false, true}) {
        bool reached_end = false;
        for (std::uint64_t calls = 0; !reached_end; ++calls) {
            REQUIRE(calls < 100);
            CAPTURE(power);
            CAPTURE(calls);
            World world(calls);
            put(world, image);
            world.options = first.options;
            const Seq from{segments[1].value - 1}, to{segments[1].value};
            world.disk.flip_bit(world.paths.segment(segments[0]),
                                (image.at(world.paths.segment(segments[0])).size() - 40) * 8);
            world.disk.flip_bit(world.paths.segment(segments[1]), 20 * 8);  // its header
            world.disk.flip_bit(world.paths.segment(segments[1]), 420 * 8);
            world.disk.put(stamp, "trusted");
            const Image before = world.all_files();
            const auto plan = plan_repair(world.disk, world.paths, from, to);
            REQUIRE_MESSAGE(plan, plan.error().text);
            reached_end = carried_out(world, *plan, calls, [&] { power ? world.disk.power_cut() : world.disk.crash(); });
            // Once carried out, it outlives a power cut as well.
            reached_end ? world.power_cut() : world.crash();
            // Where the log has changed, nobody takes LMDB for its fold any more.
            if (world.disk.content(stamp)) {
                for (const Seq segment : segments) {
                    CHECK(world.content(segment) == before.at(world.paths.segment(segment)));
                }
            }
            if (reached_end) CHECK_FALSE(world.disk.content(stamp));
            if (!reached_end) {
                const Status again = repair(world, from, to);
                if (!again) CHECK(again.error().text.find("already") != std::string::npos);
            }
            check_lives_on(world, first.appended, from, to);
        }
    }
}

TEST_CASE("a name in quarantine is read back as it was written, and nothing else is") {
    for (const Parked& parked :
         {Parked{Parked::What::torn, Seq{1}, 4096, Epoch{17}, Seq{9}, {}, {}},
          Parked{Parked::What::lost, Seq{18001}, 0, Epoch{1700000000}, Seq{20}, Seq{3}, Seq{4}},
          Parked{Parked::What::header, Seq{5}, 0, Epoch{2}, Seq{8}, {}, {}}}) {
        const std::string name = parked_name(parked);
        REQUIRE(parked_from_name(name));
        CHECK(*parked_from_name(name) == parked);
        for (std::size_t i = 0; i < name.size(); ++i) {
            std::string other = name;
            other.erase(i, 1);
            const auto read = parked_from_name(other);
            CHECK((!read || parked_name(*read) == other));
        }
        CHECK_FALSE(parked_from_name(name + ".new"));
    }
}

TEST_CASE("a plan says in one form, at every door, what would be gone") {
    const RepairPlan plan{.from = {3},
                          .to = {4},
                          .loses_records = true,
                          .pieces = {{.segment = {1},
                                      .offset = 512,
                                      .bytes = 70,
                                      .sha256 = "ab",
                                      .quarantined = "name"}},
                          .headers = {{1}, {9}},
                          .good_lost = {"order \"7\""},
                          .evidence = {}};
    CHECK(to_json(plan, true) ==
          R"({"done":true,"from":3,"to":4,"losesRecords":true,"pieces":[{"segment":1,"offset":512,"bytes":70,)"
          R"("sha256":"ab","quarantined":"name"}],"headers":[1,9],"goodLost":["order \"7\""]})");
    CHECK(to_json(RepairPlan{}, false) ==
          R"({"done":false,"from":0,"to":0,"losesRecords":false,"pieces":[],"headers":[],"goodLost":[]})");
}
