// Repairs above, below and within what was given up before; and losses that others than the journal
// prove.

#include <doctest/doctest.h>

#include "tests/journal/repair_world.h"

using namespace se;
using namespace se::test;

TEST_CASE("a header repaired above an earlier loss does not put later segments in doubt") {
    World first;
    const Image image = closed_journal(first);
    World world;
    put(world, image);
    world.options = first.options;
    REQUIRE(world.open());
    const Position lost = world.positions[2];
    world.leave();
    world.disk.flip_bit(world.paths.segment(lost.segment), (lost.end - 40) * 8);
    REQUIRE(repair(world, Seq{3}, Seq{3}));
    REQUIRE(world.open());
    REQUIRE_FALSE(world.journal->read_only());
    world.appended = first.appended;
    REQUIRE(world.tell());
    // Segments that begin behind the note: their roots rest on what the headers below still know.
    const Seq before = world.segments().back();
    for (int i = 0; i < 24; ++i) REQUIRE(world.write());
    REQUIRE(world.segments().back() > before);
    const Hash root = world.journal->position().frontier.root();
    auto appended = world.appended;
    REQUIRE(world.journal->close());
    world.leave();

    // All that still know: every header between the loss and those.
    const auto segments = world.segments();
    std::size_t repaired = 0;
    for (const Seq segment : segments) {
        if (segment <= Seq{3} || segment > before) continue;
        world.disk.flip_bit(world.paths.segment(segment), 20 * 8);
        const auto plan = plan_repair(world.disk, world.paths, segment, segment);
        REQUIRE_MESSAGE(plan, plan.error().text);
        CHECK(plan->headers == std::vector<Seq>{segment});
        CHECK(plan->pieces.empty());
        REQUIRE(repair(world, segment, segment));
        CHECK(faults(world) == std::vector<std::string>{});
        ++repaired;
    }
    REQUIRE(repaired >= 2);
    check_lives_on(world, appended, Seq{3}, Seq{3});
    // What lies behind goes on with the tree as it was, not with one that has a hole.
    World again;
    put(again, world.all_files());
    REQUIRE(again.open());
    REQUIRE_FALSE(again.journal->read_only());
    Frontier tree;
    bool seen = false;
    for (const Seq segment : again.segments()) {
        const std::string content = again.content(segment);
        const auto header =
            parse_segment_header(std::string_view(content).substr(0, content.find('\n')));
        REQUIRE(header);
        if (header->before.size() == appended.back().seq.value)
            seen = header->before.root() == root;
    }
    CHECK((seen || again.positions[appended.size() - 2].frontier.root() == root));
}

TEST_CASE("a rewritten header excuses no root while nothing below it was given up") {
    World first;
    const Image image = closed_journal(first, 30);
    const auto segments = first.segments();
    REQUIRE(segments.size() >= 4);
    World world;
    put(world, image);
    world.options = first.options;
    world.disk.flip_bit(world.paths.segment(segments[1]), 20 * 8);
    REQUIRE(repair(world, segments[1], segments[1]));
    // A later segment with another root, and a crc that holds.
    std::string content = world.content(segments[2]);
    const std::size_t end = content.find('\n');
    SegmentHeader header = *parse_segment_header(std::string_view(content).substr(0, end));
    Frontier other;
    for (std::uint64_t i = 1; i < segments[2].value; ++i) other.append(Hash{});
    header.before = other;
    content.replace(0, end, encode_segment_header(header));
    world.disk.put(world.paths.segment(segments[2]), content);
    REQUIRE(world.open());
    REQUIRE(world.journal->read_only());
    CHECK(world.journal->report().damage->fault.kind == FaultKind::bad_root);
    CHECK(faults(world).size() >= 1);
}

TEST_CASE(
    "a good record that landed on a segment header goes to quarantine, and no other is lost") {
    World first;
    const Image image = closed_journal(first, 30);
    const auto segments = first.segments();
    REQUIRE(segments.size() >= 3);
    int headers = 0;
    for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
        const std::string path = first.paths.segment(segments[i]);
        const std::string good = image.at(path);
        const std::size_t header_end = good.find('\n');
        std::vector<std::pair<std::size_t, std::size_t>> lines;  // begin, end
        for (std::size_t at = header_end; at < good.size();) {
            const std::size_t begin = good.find_first_not_of('\n', at);
            if (begin == std::string::npos) break;
            at = std::min(good.find('\n', begin), good.size());
            lines.emplace_back(begin, at);
        }
        for (const auto& [begin, end] : lines) {
            for (const std::size_t to : {std::size_t{0}, header_end / 4, header_end / 2}) {
                CAPTURE(segments[i].value);
                CAPTURE(begin);
                CAPTURE(to);
                // As a group is written: newline, line, newline.
                std::string bytes = good;
                const std::string line = good.substr(begin - 1, end - begin + 2);
                bytes.replace(to, line.size(), line);
                World world;
                put(world, image);
                world.options = first.options;
                world.disk.put(path, bytes);
                REQUIRE(world.open());
                REQUIRE(world.journal->read_only());
                const Damage damage = *world.journal->report().damage;
                world.leave();
                const auto found = verify(world.disk, world.paths, {.threads = 1});
                REQUIRE(found);
                REQUIRE(!found->faults.empty());
                CHECK(found->faults[0].seq == damage.from);
                // No more than what the bytes fell upon.
                std::uint64_t hit = 0, lost = 0;
                for (const auto& [b, e] : lines) hit += b <= to + line.size() ? 1 : 0;
                Seq from{999}, last{};
                for (const Fault& fault : found->faults) {
                    const Seq up_to = std::max(fault.seq, fault.last);
                    const auto plan = plan_repair(world.disk, world.paths, fault.seq, up_to);
                    REQUIRE_MESSAGE(plan, plan.error().text);
                    CHECK(plan->good_lost.empty());
                    if (&fault == &found->faults[0]) {
                        CHECK(plan->headers == std::vector<Seq>{segments[i]});
                    }
                    REQUIRE(repair(world, fault.seq, up_to));
                    if (plan->pieces.empty()) continue;
                    from = std::min(from, fault.seq);
                    last = std::max(last, up_to);
                    lost += up_to.value - fault.seq.value + 1;
                }
                CHECK(lost <= hit);
                headers += lost == 0 ? 1 : 0;
                check_lives_on(world, first.appended, from, last);
            }
        }
    }
    CHECK(headers > 0);
}

TEST_CASE("a loss that only a follower has seen is given up as one that HEAD has") {
    World world;
    closed_journal(world);
    const Seq last = world.acknowledged;
    const Seq lost{last.value + 2};
    const auto follower = [&](const std::string& store, Epoch epoch) {
        world.disk.put(world.paths.followers() + "/changes",
                       R"({"store":")" + store + R"(","epoch":)" + std::to_string(epoch.value) +
                           R"(,"seq":)" + std::to_string(lost.value) + "}");
    };
    const auto store = read_store(world.disk, world.paths);
    REQUIRE(store);
    const Epoch epoch = world.appended.back().epoch;
    CHECK_FALSE(plan_repair(world.disk, world.paths, last.next(), lost));
    follower("another", epoch);
    CHECK_FALSE(plan_repair(world.disk, world.paths, last.next(), lost));
    follower(store->store, epoch);
    CHECK_FALSE(plan_repair(world.disk, world.paths, last.next(), last.next()));
    CHECK(faults(world).size() == 1);
    REQUIRE(repair(world, last.next(), lost));
    CHECK(faults(world) == std::vector<std::string>{});
    const auto evidence = read_follower_watermarks(world.disk, world.paths, store->store);
    REQUIRE(evidence);
    REQUIRE(evidence->size() == 1);
    REQUIRE(world.open({}, *evidence));
    REQUIRE_FALSE(world.journal->read_only());
    CHECK(world.journal->last() == lost);
    CHECK(world.journal->notes().size() == 2);
}

TEST_CASE("a repair cut short anywhere never forgets that LMDB had seen what is lost") {
    World first;
    const Image image = closed_journal(first);
    const Seq last = first.acknowledged, lost = last.next();
    const Evidence seen{first.appended.back().epoch, lost, "projection"};
    const std::string stamp = first.paths.projection() + "/STAMP";
    bool reached_end = false;
    for (std::uint64_t calls = 0; !reached_end; ++calls) {
        REQUIRE(calls < 100);
        CAPTURE(calls);
        World world(calls);
        put(world, image);
        world.options = first.options;
        world.disk.put(stamp, "trusted");
        CHECK_FALSE(plan_repair(world.disk, world.paths, lost, lost));
        const auto plan = plan_repair(world.disk, world.paths, lost, lost, {seen});
        REQUIRE_MESSAGE(plan, plan.error().text);
        reached_end = carried_out(world, *plan, calls, [&] { world.disk.power_cut(); });
        world.power_cut();
        // Without STAMP nobody believes LMDB: what it had seen is then known otherwise.
        const bool trusted = world.disk.content(stamp).has_value();
        REQUIRE(world.open({}, trusted ? std::vector{seen} : std::vector<Evidence>{}));
        if (world.journal->read_only()) {
            REQUIRE(trusted);
            CHECK(world.journal->report().damage->from == lost);
            REQUIRE_FALSE(reached_end);
        } else {
            CHECK(world.journal->last() == lost);
            CHECK(world.journal->notes().size() == 2);
        }
    }
}

TEST_CASE(
    "what rots inside a gap is repaired at no loss, by the name that verify and open give it") {
    World world;
    closed_journal(world);
    REQUIRE(world.open());
    const auto positions = world.positions;
    const auto appended = world.appended;
    world.leave();
    const Position& lost = positions[9];
    world.disk.flip_bit(world.paths.segment(lost.segment), (lost.end - 40) * 8);
    REQUIRE(repair(world, Seq{10}, Seq{10}));
    REQUIRE(world.open());
    REQUIRE(world.tell());
    REQUIRE(world.journal->close());
    const auto all = world.appended;
    world.leave();
    world.disk.flip_bit(world.paths.segment(lost.segment), (lost.end - 40) * 8);
    REQUIRE(world.open());
    REQUIRE(world.journal->read_only());
    CHECK(world.journal->report().damage->from == Seq{10});
    CHECK(world.journal->report().damage->to == Seq{10});
    world.leave();
    const auto found = verify(world.disk, world.paths, {.threads = 1});
    REQUIRE(found);
    REQUIRE(found->faults.size() == 1);
    CHECK(found->faults[0].seq == Seq{10});
    CHECK(found->faults[0].last == Seq{10});
    const auto plan = plan_repair(world.disk, world.paths, Seq{10}, Seq{10});
    REQUIRE_MESSAGE(plan, plan.error().text);
    CHECK(plan->good_lost.empty());
    REQUIRE(repair(world, Seq{10}, Seq{10}));
    check_lives_on(world, all, Seq{10}, Seq{10});
}

TEST_CASE(
    "a header that rots where the records behind it were given up is written anew at no loss") {
    World world;
    closed_journal(world);
    const auto segments = world.segments();
    REQUIRE(segments.size() >= 3);
    for (const Seq segment : {segments[0], segments[1]}) {
        CAPTURE(segment.value);
        World hurt;
        put(hurt, world.all_files());
        hurt.options = world.options;
        REQUIRE(hurt.open());
        const Position lost = hurt.positions.at(segment.value - 1);
        REQUIRE(lost.seq == segment);
        hurt.leave();
        hurt.disk.flip_bit(hurt.paths.segment(segment), (lost.end - 40) * 8);
        REQUIRE(repair(hurt, segment, segment));
        hurt.appended = world.appended;
        REQUIRE(hurt.open());
        REQUIRE(hurt.tell());
        REQUIRE(hurt.journal->close());
        const auto all = hurt.appended;
        hurt.leave();

        hurt.disk.flip_bit(hurt.paths.segment(segment), 20 * 8);
        const auto found = verify(hurt.disk, hurt.paths, {.threads = 1});
        REQUIRE(found);
        REQUIRE(found->faults.size() == 1);
        const Fault fault = found->faults[0];
        CHECK(fault.kind == FaultKind::bad_header);
        const Seq to = std::max(fault.seq, fault.last);
        const auto plan = plan_repair(hurt.disk, hurt.paths, fault.seq, to);
        REQUIRE_MESSAGE(plan, plan.error().text);
        CHECK(plan->headers == std::vector<Seq>{segment});
        CHECK(plan->pieces.empty());
        REQUIRE(repair(hurt, fault.seq, to));
        auto reader = JournalReader::open(hurt.disk, hurt.paths);
        REQUIRE(reader);
        for (;;) {
            const auto record = reader->next();
            REQUIRE_MESSAGE(record, record.error().text);
            if (*record == nullptr) break;
            CHECK((*record)->seq != segment);
        }
        check_lives_on(hurt, all, segment, segment);
    }
}

TEST_CASE("a line of a run before that landed amid older ones hides none of what lies behind it") {
    // A run's last group lands beside its place and the run dies; a later one, which trusts LMDB, begins
    // with the same seq. What the line destroyed is lost, and nothing else.
    World first;
    first.open_and_tell();
    for (int i = 0; i < 8; ++i) REQUIRE(first.write(60));
    const Image before = first.all_files();
    const Position folded = first.journal->position();
    const auto appended_before = first.appended;
    REQUIRE(first.write(60));
    const std::uint64_t end = first.journal->position().end;
    const std::string landed = first.content(Seq{1}).substr(folded.end, end - folded.end);
    first.leave();

    World later;
    put(later, before);
    later.appended = appended_before;
    later.clock.advance(std::chrono::minutes{1});
    REQUIRE(later.open(folded));
    REQUIRE(later.tell());
    REQUIRE(later.appended.back().seq == folded.seq.next());
    for (int i = 0; i < 4; ++i) REQUIRE(later.write(60));
    REQUIRE(later.journal->close());
    const Image image = later.all_files();
    const auto appended = later.appended;
    later.leave();

    const std::string& good = image.at(first.paths.segment(Seq{1}));
    const std::uint64_t begin = good.find('\n') + 1;
    std::uint64_t rounds = 0;
    for (std::uint64_t at = begin; at + landed.size() < folded.end; at += 11, ++rounds) {
        CAPTURE(at);
        World world(at);
        put(world, image);
        std::string bytes = good;
        bytes.replace(at, landed.size(), landed);
        world.disk.put(world.paths.segment(Seq{1}), bytes);
        REQUIRE(world.open());
        REQUIRE(world.journal->read_only());
        const Damage damage = *world.journal->report().damage;
        world.leave();
        CHECK(damage.to.value - damage.from.value < 3);
        CHECK(damage.to <= folded.seq);
        for (const bool hashes : {true, false}) {
            const auto report = verify(world.disk, world.paths, {.hashes = hashes, .threads = 1});
            REQUIRE(report);
            REQUIRE(report->faults.size() == 1);
            CHECK(report->faults[0].seq == damage.from);
            CHECK(report->faults[0].last == damage.to);
            CHECK(report->last == appended.back().seq);
        }
        const auto plan = plan_repair(world.disk, world.paths, damage.from, damage.to);
        REQUIRE_MESSAGE(plan, plan.error().text);
        CHECK(plan->good_lost.empty());
        REQUIRE(repair(world, damage.from, damage.to));
        check_lives_on(world, appended, damage.from, damage.to);
    }
    CHECK(rounds > 50);
}

TEST_CASE("records that stand behind a copy of themselves are never cut as a torn tail") {
    // What a write that landed too early leaves: its lines stand twice. Power cuts have taken what HEAD said
    // since the open, so that nothing but its own line tells of the last record.
    World first;
    first.open_and_tell();
    REQUIRE(first.write(60));
    const std::string early_head = *first.disk.content(first.paths.head());
    for (int i = 0; i < 8; ++i) REQUIRE(first.write(60));
    Image image = first.all_files();
    image.at(first.paths.head()) = early_head;
    const auto appended = first.appended;
    const std::uint64_t end = first.journal->position().end;
    first.leave();
    World reference;
    put(reference, image);
    REQUIRE(reference.open());
    const auto positions = reference.positions;
    REQUIRE(positions.size() == appended.size());
    reference.leave();

    const std::string& good = image.at(first.paths.segment(Seq{1}));
    // The last two stay whole in their places: damage to what only power cuts hid may be cut.
    const std::uint64_t two_begin = positions[positions.size() - 3].end;
    std::uint64_t displaced = 0;
    for (std::uint64_t at = good.find('\n') + 1; at < two_begin; at += 41) {
        for (std::uint64_t from = at + 53; from < end; from += 67) {
            for (const std::uint64_t size : {300u, 530u, 900u}) {
                const std::string landed = good.substr(from, std::min(size, end - from));
                if (at + landed.size() >= two_begin) continue;
                CAPTURE(at);
                CAPTURE(from);
                CAPTURE(size);
                World world(at);
                put(world, image);
                world.disk.put(world.paths.segment(Seq{1}), std::string(good).replace(at, landed.size(), landed));
                // With a copy of the very last record, one seq that never was: nobody can tell.
                std::vector<bool> given_up(appended.size() + 2);
                for (int repairs = 0;; ++repairs) {
                    REQUIRE(repairs < 5);
                    REQUIRE(world.open());
                    const auto damage = world.journal->report().damage;
                    if (!damage) break;
                    displaced += damage->evidence.ends_with("behind its place") ? 1 : 0;
                    world.leave();
                    const auto report = verify(world.disk, world.paths, {.threads = 1});
                    REQUIRE(report);
                    REQUIRE(!report->faults.empty());
                    REQUIRE(report->faults[0].seq == damage->from);
                    const auto plan = plan_repair(world.disk, world.paths, damage->from, damage->to);
                    REQUIRE_MESSAGE(plan, plan.error().text);
                    REQUIRE(repair(world, damage->from, damage->to));
                    if (!plan->loses_records) continue;
                    REQUIRE(damage->to.value < given_up.size());
                    for (Seq seq = damage->from; seq <= damage->to; seq = seq.next()) given_up[seq.value] = true;
                }
                // All that was acknowledged is shown, or somebody has said yes to its loss.
                std::vector<Known> expected;
                for (const Known& known : appended) {
                    if (!given_up[known.seq.value]) expected.push_back(known);
                }
                REQUIRE(world.shown == expected);
            }
        }
    }
    CHECK(displaced > 0);
}

TEST_CASE("of a group that HEAD forgot an open and verify say the same, wherever its bytes landed") {
    World first;
    first.open_and_tell();
    REQUIRE(first.write(60));
    const std::string early_head = *first.disk.content(first.paths.head());
    for (int i = 0; i < 8; ++i) REQUIRE(first.append(60));
    REQUIRE(first.commit());
    Image image = first.all_files();
    image.at(first.paths.head()) = early_head;
    const std::uint64_t end = first.journal->position().end;
    first.leave();
    const std::string& good = image.at(first.paths.segment(Seq{1}));
    std::uint64_t damaged = 0, torn = 0;
    for (std::uint64_t at = good.find('\n') + 1; at < end; at += 41) {
        for (std::uint64_t from = at + 53; from < end; from += 67) {
            for (const std::uint64_t size : {300u, 530u, 900u}) {
                CAPTURE(at);
                CAPTURE(from);
                CAPTURE(size);
                World world(at);
                put(world, image);
                const std::string landed = good.substr(from, std::min(size, end - from));
                world.disk.put(world.paths.segment(Seq{1}), std::string(good).replace(at, landed.size(), landed));
                const auto report = verify(world.disk, world.paths, {.threads = 1});
                REQUIRE(report);
                REQUIRE(world.open());
                const auto& damage = world.journal->report().damage;
                REQUIRE(damage.has_value() == !report->faults.empty());
                ++(damage ? damaged : torn);
                if (damage) CHECK(report->faults[0].seq == damage->from);
            }
        }
    }
    CHECK(damaged > 0);
    CHECK(torn > 0);
}

TEST_CASE("rubbish between two records costs neither") {
    World first;
    first.options.align_bytes = 512;
    const Image image = closed_journal(first, 12);
    std::uint64_t tried = 0;
    for (const Seq segment : first.segments()) {
        const std::string& good = image.at(first.paths.segment(segment));
        const std::size_t last = good.find_last_not_of('\n');
        for (std::size_t at = good.find("\n\n\n"); at < last; at = good.find("\n\n\n", good.find_first_not_of('\n', at))) {
            CAPTURE(segment.value);
            CAPTURE(at);
            World world;
            put(world, image);
            world.options = first.options;
            world.disk.flip_bit(world.paths.segment(segment), (at + 1) * 8 + 2);
            REQUIRE(world.open());
            REQUIRE(world.journal->read_only());
            const Damage damage = *world.journal->report().damage;
            world.leave();
            CHECK(faults(world).size() == 1);
            const auto plan = plan_repair(world.disk, world.paths, damage.from, damage.to);
            REQUIRE_MESSAGE(plan, plan.error().text);
            CHECK_FALSE(plan->loses_records);
            CHECK(plan->good_lost.empty());
            REQUIRE(plan->pieces.size() == 1);
            CHECK(plan->pieces[0].bytes == 1);
            REQUIRE(repair(world, damage.from, damage.to));
            CHECK(faults(world).empty());
            REQUIRE(world.open());
            REQUIRE_FALSE(world.journal->read_only());
            CHECK(world.shown == first.appended);
            REQUIRE(world.journal->notes().size() == 2);
            CHECK(world.journal->notes()[1].note == "stray_bytes_cut");
            world.appended = first.appended;
            REQUIRE(world.tell());
            REQUIRE(world.journal->close());
            REQUIRE(world.open());
            CHECK(world.journal->notes().size() == 1);
            ++tried;
        }
    }
    CHECK(tried > 5);
}

TEST_CASE("a record that was given up and shows through again proves nothing") {
    World first;
    first.open_and_tell();
    for (int i = 0; i < 8; ++i) REQUIRE(first.write(60));
    const Image image = first.all_files();
    const Seq last = first.journal->last();
    first.leave();
    World world;
    put(world, image);
    REQUIRE(world.open());
    const auto positions = world.positions;
    world.leave();
    const std::size_t n = positions.size();
    const std::string& good = image.at(world.paths.segment(Seq{1}));
    const std::string line = good.substr(positions[n - 3].end, positions[n - 2].end - positions[n - 3].end);
    for (const std::size_t bad : {n - 3, n - 1}) world.disk.flip_bit(world.paths.segment(Seq{1}), (positions[bad].end - 40) * 8);
    REQUIRE(repair(world, positions[n - 3].seq, last));
    REQUIRE(world.open());
    REQUIRE_FALSE(world.journal->read_only());
    REQUIRE(world.tell());
    REQUIRE(world.write(60));
    const std::uint64_t end = world.journal->position().end;
    world.leave();
    // The second page of its blanks never got to the disk.
    std::string bytes = world.content(Seq{1});
    bytes.replace(end + 100, line.size(), line);
    world.disk.put(world.paths.segment(Seq{1}), bytes);
    CHECK(faults(world).empty());
    REQUIRE(world.open());
    CHECK_FALSE(world.journal->read_only());
}

TEST_CASE("a repair that was cut short with a good record in its range is finished by what the open names, or verify") {
    World first;
    first.open_and_tell();
    for (int i = 0; i < 10; ++i) REQUIRE(first.write(60));
    const Image image = first.all_files();
    World reference;
    put(reference, image);
    REQUIRE(reference.open());
    const auto positions = reference.positions;
    reference.leave();
    const Seq from = positions[5].seq, to = positions[7].seq;
    for (const bool by_verify : {false, true}) {
        bool reached_end = false;
        for (std::uint64_t calls = 0; !reached_end; ++calls) {
            REQUIRE(calls < 100);
            CAPTURE(by_verify);
            CAPTURE(calls);
            World world(calls);
            put(world, image);
            for (const std::size_t bad : {5u, 7u})
                world.disk.flip_bit(world.paths.segment(Seq{1}), (positions[bad].end - 40) * 8);
            const auto plan = plan_repair(world.disk, world.paths, from, to);
            REQUIRE_MESSAGE(plan, plan.error().text);
            reached_end = carried_out(world, *plan, calls, [&] { world.disk.crash(); });
            world.crash();
            std::vector<bool> given_up(first.appended.size() + 1);
            for (int repairs = 0;; ++repairs) {
                REQUIRE(repairs < 5);
                REQUIRE(world.open());
                const auto damage = world.journal->report().damage;
                world.leave();
                const auto report = verify(world.disk, world.paths, {.threads = 1});
                REQUIRE(report);
                REQUIRE(damage.has_value() == !report->faults.empty());
                if (!damage) break;
                const Fault& fault = report->faults[0];
                const Seq begin = by_verify ? fault.seq : damage->from;
                const Seq end = by_verify ? std::max(fault.seq, fault.last) : damage->to;
                const Status repaired = repair(world, begin, end);
                REQUIRE_MESSAGE(repaired, repaired.error().text);
                CHECK(begin >= from);
                CHECK(end <= to);
            }
            REQUIRE(world.open());
            for (const Known& known : first.appended) {
                if (known.seq >= from && known.seq <= to) continue;
                CHECK(std::ranges::find(world.shown, known) != world.shown.end());
            }
        }
    }
}
