// The engine's promises about proposals: order, answers, versions, failures.

#include "engine/intake/imported.h"
#include "tests/engine/engine_world.h"

using namespace se;
using namespace se::test;
using namespace std::chrono_literals;

TEST_CASE("an open is journaled with its writer, then the policy, once") {
    EngineWorld world;
    world.open();
    CHECK(world.kinds() == std::vector<std::string>{"note/opened", "config"});
    std::string body;
    world.each_record([&](const RecordView& record) {
        if (record.note == "opened") body = record.body;
    });
    const auto opened = parse_json(body);
    REQUIRE(opened);
    CHECK(opened->find("pid")->integer() == 42);
    CHECK(opened->find("host")->string() == "host");
    CHECK(opened->find("program")->string() == "test");
    CHECK(opened->find("fsync")->string() == "group");
    CHECK(opened->find("writer")->string().size() == 36);

    world.reopen();
    CHECK(world.kinds() == std::vector<std::string>{"note/opened", "config", "note/closed",
                                                    "note/opened"});
    CHECK(world.engine->policy() == world.policy);
}

TEST_CASE("what a record met is known to whoever reads it in the journal before the engine has heard that it is durable") {
    EngineWorld world;
    world.open();
    world.set("k", "1");
    const auto second = world.submit(EngineWorld::set_text("k", "2"));
    const auto third = world.submit(EngineWorld::set_text("k", "3", R"(,"expectedVersion":9)"));
    world.engine->step();
    while (world.commits.waiting()) world.commits.run();  // synced, and the engine has not looked
    REQUIRE(second->answers.empty());
    auto reader = JournalReader::open(world.disk, StorePaths{world.settings.data});
    REQUIRE(reader);
    const Seq last = *reader->durable();
    const auto record = reader->at(last);
    REQUIRE(record);
    REQUIRE((*record)->code == "version_conflict");
    const auto met = world.engine->changed_before("k", last);
    REQUIRE(met);
    CHECK(*met == Seq{last.value - 1});
    const auto shown = world.engine->history("k", Seq{}, 1);
    REQUIRE(shown);
    CHECK(shown->front() < Seq{last.value - 1});
    world.settle();
    CHECK(world.engine->history("k", Seq{}, 1)->front() == Seq{last.value - 1});
}

TEST_CASE("an accepted proposal is durable, projected and shown when its answer comes") {
    EngineWorld world;
    world.open();
    const auto asked = world.submit(EngineWorld::set_text("a", "1"));
    world.submit(EngineWorld::set_text("b", "1"));  // not alone: the sync is a job
    world.engine->step();
    CHECK_FALSE(asked->answered());
    CHECK(world.value_of("a") == "absent");
    CHECK(world.engine->applied().journal_ahead);
    world.commits.run();
    CHECK_FALSE(asked->answered());
    world.engine->step();
    const Answer& answer = asked->answer();
    CHECK(answer.status == Answer::Status::accepted);
    CHECK_FALSE(answer.duplicate);
    CHECK(answer.seq == Seq{3});
    CHECK(answer.epoch == world.engine->journal().epoch());
    REQUIRE(answer.changes.size() == 1);
    CHECK(answer.changes[0].key == "a");
    CHECK(answer.changes[0].version == Version{1});
    CHECK(world.engine->durable() >= answer.seq);
    CHECK(world.value_of("a") == "1");
    CHECK(world.engine->projection().watermark().seq >= answer.seq);
    CHECK_FALSE(world.engine->applied().journal_ahead);
}

TEST_CASE("one proposal alone is written within its own step") {
    EngineWorld world;
    world.open();
    const auto asked = world.submit(EngineWorld::set_text("a", "1"));
    world.engine->step();
    CHECK(asked->answered());
}

TEST_CASE("what waits shares one sync, and the next group is decided meanwhile on top of it") {
    EngineWorld world;
    world.open();
    const auto before = world.engine->stats().groups;
    std::vector<std::shared_ptr<Asked>> asked;
    for (int i = 0; i < 5; ++i) {
        asked.push_back(world.submit(R"({"op":"increment","key":"n","value":1,"reason":"r"})"));
    }
    world.engine->step();  // five at the disk
    for (int i = 0; i < 5; ++i) {
        asked.push_back(world.submit(R"({"op":"increment","key":"n","value":1,"reason":"r"})"));
    }
    world.engine->step();  // five decided on what is not durable yet
    CHECK(world.engine->journal().last() == Seq{12});
    world.settle();
    CHECK(world.engine->stats().groups == before + 2);
    for (std::size_t i = 0; i < asked.size(); ++i) {
        CHECK(asked[i]->answer().seq == Seq{3 + i});
        CHECK(asked[i]->answer().changes[0].version == Version{1 + i});
    }
    CHECK(world.value_of("n") == "10");
    world.check_reads_are_the_fold();
}

TEST_CASE("versions go on across a delete") {
    EngineWorld world;
    world.open();
    CHECK(world.set("k", "1").changes[0].version == Version{1});
    CHECK(world.set("k", "2").changes[0].version == Version{2});
    const Answer gone = world.ask(R"({"op":"delete","key":"k","reason":"r"})");
    CHECK(gone.changes[0].version == Version{3});
    CHECK(gone.changes[0].deleted);
    CHECK(world.value_of("k") == "absent");
    const Answer absent = world.ask(R"({"op":"delete","key":"k","reason":"r"})");
    CHECK(absent.code == Code::absent);
    world.reopen();
    CHECK(world.set("k", "3").changes[0].version == Version{4});
    world.check_reads_are_the_fold();
}

TEST_CASE("a conflict carries the current entry, or the tombstone in its place") {
    EngineWorld world;
    world.open();
    world.set("k", "1");
    const Answer conflict = world.set("k", "2", R"(,"expectedVersion":7)");
    CHECK(conflict.status == Answer::Status::rejected);
    CHECK(conflict.code == Code::version_conflict);
    CHECK(conflict.message == "Version mismatch: expected 7, found 1");
    std::string entry;
    REQUIRE(world.engine->append_entry(entry, "k"));
    CHECK(conflict.current == entry);
    CHECK_FALSE(conflict.tombstone);

    world.ask(R"({"op":"delete","key":"k","reason":"r"})");
    const Answer deleted = world.set("k", "2", R"(,"expectedVersion":1)");
    CHECK(deleted.message == "Version mismatch: expected 1, found 0");
    CHECK(deleted.current == "null");
    CHECK(deleted.tombstone == R"({"version":2,"seq":5})");

    const Answer never = world.set("other", "2", R"(,"expectedVersion":1)");
    CHECK(never.current == "null");
    CHECK_FALSE(never.tombstone);

    const Answer basis = world.set("x", "1", R"(,"basis":[{"key":"k","seq":1}])");
    CHECK(basis.code == Code::basis_conflict);
    CHECK(basis.current == "null");
    CHECK(basis.tombstone == R"({"version":2,"seq":5})");
    CHECK(world.count("rejected") == 4);
}

TEST_CASE("a rejection is a record and changes nothing") {
    EngineWorld world;
    world.policy.allowed_keys = {"ok.*"};
    world.open();
    const Answer answer = world.set("forbidden.key", "1");
    CHECK(answer.code == Code::key_not_allowed);
    CHECK(answer.message == "Key not allowed");
    CHECK(answer.seq == Seq{3});
    CHECK(world.kinds().back() == "rejected/key_not_allowed");
    CHECK(world.all().empty());
    CHECK(world.engine->stats().rejected == 1);
}

TEST_CASE("a new policy counts for all that comes behind it, and for nothing before") {
    EngineWorld world;
    world.open();
    Policy strict = world.policy;
    strict.allowed_keys = {"b"};
    const auto before = world.submit(EngineWorld::set_text("a", "1"));
    std::optional<Seq> config;
    world.engine->reload(strict, EngineWorld::alice(), [&](Result<Seq> seq) {
        REQUIRE(seq);
        config = *seq;
    });
    const auto behind = world.submit(EngineWorld::set_text("a", "2"));
    const auto allowed = world.submit(EngineWorld::set_text("b", "2"));
    world.settle();
    CHECK(before->answer().status == Answer::Status::accepted);
    CHECK(behind->answer().code == Code::key_not_allowed);
    CHECK(allowed->answer().status == Answer::Status::accepted);
    REQUIRE(config);
    CHECK(*config == Seq{4});

    std::map<std::uint64_t, std::string> decided;
    world.each_record([&](const RecordView& record) {
        decided[record.seq.value] = std::string(record.decided);
    });
    CHECK(decided[3] == world.policy.digest());
    CHECK(decided[5] == strict.digest());

    SUBCASE("the same again journals nothing") {
        world.engine->reload(strict, EngineWorld::alice(), [&](Result<Seq> seq) { config = *seq; });
        world.settle();
        CHECK(*config == Seq{4});
        CHECK(world.count("config") == 2);
    }
    SUBCASE("without one, the next open goes on with the last") {
        REQUIRE(world.engine->close());
        world.open(std::nullopt);
        CHECK(world.engine->policy() == strict);
        CHECK(world.count("config") == 2);
        const Seq seq = world.set("b", "3").seq;
        world.each_record([&](const RecordView& record) {
            if (record.seq == seq) CHECK(record.decided == strict.digest());
        });
    }
    SUBCASE("also after a crash, when it lies below the projection's watermark") {
        for (int i = 0; i < 20; ++i) world.set("b", std::to_string(i));
        world.crash();
        world.open(std::nullopt);
        CHECK(world.engine->policy() == strict);
    }
    SUBCASE("also when it lies in an older segment") {
        const std::string text = "\"" + std::string(6000, 'x') + "\"";
        for (int i = 0; i < 60; ++i) world.set("b", text);
        world.crash();
        REQUIRE(list_segments(world.disk, StorePaths{"/data"})->size() > 2);
        world.open(std::nullopt);
        CHECK(world.engine->policy() == strict);
    }
}

TEST_CASE("a dry run tells what would be, and journals nothing") {
    EngineWorld world;
    world.open();
    world.set("k", "1");
    const auto last = world.engine->journal().last();
    const auto parsed = parse_proposal(EngineWorld::set_text("k", "2"), {});
    const Answer answer = world.engine->dry_run(*parsed.proposal, EngineWorld::alice());
    CHECK(answer.dry_run);
    CHECK(answer.status == Answer::Status::accepted);
    CHECK(answer.changes[0].version == Version{2});
    REQUIRE(answer.entries.size() == 1);
    CHECK(answer.entries[0].find("\"value\":2") != std::string::npos);
    const auto wrong = parse_proposal(EngineWorld::set_text("k", "2", R"(,"expectedVersion":9)"), {});
    const Answer conflict = world.engine->dry_run(*wrong.proposal, EngineWorld::alice());
    CHECK(conflict.code == Code::version_conflict);
    CHECK(conflict.current);
    world.settle();
    CHECK(world.engine->journal().last() == last);
    CHECK(world.value_of("k") == "1");

    // What is on its way to the disk may not have happened: nobody is told of it.
    world.submit(EngineWorld::set_text("k", "2"));
    world.submit(EngineWorld::set_text("other", "2"));
    world.engine->step();
    CHECK(world.engine->dry_run(*parsed.proposal, EngineWorld::alice()).changes[0].version ==
          Version{2});
    world.settle();
    CHECK(world.engine->dry_run(*parsed.proposal, EngineWorld::alice()).changes[0].version ==
          Version{3});
}

TEST_CASE("refusals that bind no id are journaled within their budget a minute, then only counted") {
    EngineWorld world;
    world.policy.limits.refusals_journaled_per_minute = 3;
    world.open();
    const std::string bad = R"({"op":"set","reason":"no key"})";
    for (int i = 0; i < 5; ++i) {
        const Answer answer = world.ask(bad);
        CHECK(answer.code == Code::malformed);
        CHECK_FALSE(answer.pointer.empty());
        CHECK((answer.seq != Seq{}) == (i < 3));
    }
    CHECK(world.count("rejected/malformed") == 3);
    using Counts = std::vector<std::pair<Code, std::uint64_t>>;
    CHECK(world.engine->stats().refused == 2);
    CHECK(world.engine->stats().refused_by_code == Counts{{Code::malformed, 2}});
    CHECK(world.engine->stats().rejected_by_code == Counts{{Code::malformed, 3}});
    Caller bob = EngineWorld::alice();
    bob.principal = bob.actor = "bob";
    CHECK(world.ask(bad, bob).seq != Seq{});
    world.clock.advance(1min);
    CHECK(world.ask(bad).seq != Seq{});
    CHECK(world.count("rejected/malformed") == 5);
}

TEST_CASE("of more principals that are refused in a minute than are kept in mind none gets a record") {
    EngineWorld world;
    world.settings.journal.first_segment_bytes = world.settings.journal.segment_bytes = 4u << 20;
    world.settings.journal.fill_chunk_bytes = 1u << 20;
    world.open();
    const auto refused = [&](int number) {
        Caller caller = EngineWorld::alice();
        caller.principal = caller.actor = "p" + std::to_string(number);
        return world.submit(R"({"op":"set","reason":"no key"})", std::move(caller));
    };
    constexpr int kKeptInMind = 10'000;
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < kKeptInMind; ++i) all.push_back(refused(i));
    world.settle();
    for (const auto& one : all) REQUIRE(one->answer().seq != Seq{});
    const auto late = refused(kKeptInMind), known = refused(0);
    world.settle();
    CHECK(late->answer().code == Code::malformed);
    CHECK(late->answer().seq == Seq{});
    CHECK(known->answer().seq != Seq{});
    world.clock.advance(1min);
    const auto later = refused(kKeptInMind);
    world.settle();
    CHECK(later->answer().seq != Seq{});
}

TEST_CASE("answers that carry a large entry are bounded in each step, of conflicts as of duplicates") {
    EngineWorld world;
    world.open();
    REQUIRE(world.set("big", "\"" + std::string(900'000, 'x') + "\"").status == Answer::Status::accepted);
    constexpr std::uint64_t kAsked = 40;
    for (const bool again : {false, true}) {
        CAPTURE(again);
        std::vector<std::shared_ptr<Asked>> all;
        for (std::uint64_t i = 0; i < kAsked; ++i) {
            all.push_back(world.submit(EngineWorld::set_text(
                "big", "1", R"(,"expectedVersion":7,"id":"c)" + std::to_string(i) + "\"")));
        }
        world.engine->step();
        // 8 MiB, and the one that goes beyond them.
        CHECK(world.engine->stats().queue >= kAsked - 10);
        CHECK(world.engine->stats().queue < kAsked);
        world.settle();
        for (const auto& one : all) {
            CHECK(one->answer().code == Code::version_conflict);
            CHECK(one->answer().duplicate == again);
            REQUIRE(one->answer().current);
            CHECK(one->answer().current->size() > 900'000);
        }
    }
}

TEST_CASE("an answer without a record waits for what it rests on, and is not given when that is lost") {
    for (const bool lost : {false, true}) {
        CAPTURE(lost);
        EngineWorld world;
        world.policy.limits.refusals_journaled_per_minute = 0;
        world.open();
        const std::string id = R"(,"id":"the-one")";
        const auto first = world.submit(EngineWorld::set_text("k", "1", id));
        const auto beside = world.submit(EngineWorld::set_text("l", "1"));  // one alone is written at once
        const auto other = world.submit(EngineWorld::set_text("k", "2", id));
        const auto bad = world.submit(R"({"op":"set","reason":"no key"})");
        world.engine->step();
        const auto later = world.submit(EngineWorld::set_text("k", "3", id));  // behind a group that was handed over
        world.engine->step();
        for (const auto& asked : {first, beside, other, bad, later}) CHECK_FALSE(asked->answered());
        Proposal dry = *parse_proposal(EngineWorld::set_text("k", "2", id), world.engine->policy().limits).proposal;
        CHECK(world.engine->dry_run(dry, EngineWorld::alice()).status == Answer::Status::accepted);
        CHECK(world.engine->stats().in_flight_bytes > 0);
        if (!lost) {
            world.settle();
            CHECK(first->answer().status == Answer::Status::accepted);
            CHECK(other->answer().code == Code::id_reused);
            CHECK(bad->answer().code == Code::malformed);
            CHECK(later->answer().code == Code::id_reused);
            CHECK(world.engine->dry_run(dry, EngineWorld::alice()).code == Code::id_reused);
        } else {
            world.disk.fail_after(0, DiskFault::hiccup);
            world.commits.run();
            world.engine->step();
            CHECK(first->answer().code == Code::outcome_unknown);
            for (const auto& asked : {other, bad, later}) {
                CHECK(asked->answer().code == Code::unavailable);
                CHECK(asked->answer().reason == "draining");
            }
        }
        CHECK(world.engine->stats().in_flight_bytes == 0);
    }
}

TEST_CASE("a dry run decides under the policy that was told, not under one that is on its way") {
    EngineWorld world;
    world.open();
    Policy strict = world.policy;
    strict.allowed_keys = {"other"};
    std::optional<Seq> told;
    world.engine->reload(strict, EngineWorld::alice(), [&](Result<Seq> seq) { told = *seq; });
    const auto beside = world.submit(EngineWorld::set_text("other", "1"));  // one alone is written at once
    world.engine->step();
    const auto dry = [&] {
        auto parsed = parse_proposal(EngineWorld::set_text("k", "1"), world.engine->policy().limits);
        return world.engine->dry_run(*parsed.proposal, EngineWorld::alice()).code;
    };
    CHECK_FALSE(told);
    CHECK(dry() == Code::none);
    world.settle();
    CHECK(told);
    CHECK(dry() == Code::key_not_allowed);
}

TEST_CASE("what an import leaves out names an entry only when that is durable") {
    for (const bool lost : {false, true}) {
        CAPTURE(lost);
        EngineWorld world;
        world.open();
        const auto set = world.submit(EngineWorld::set_text("k", R"("ours")"));
        const auto beside = world.submit(EngineWorld::set_text("l", "1"));  // one alone is written at once
        ParsedImport line = parse_import(
            R"({"from":"projects/p","document":"state/k","at":"2026-01-01T00:00:00Z","version":4,)"
            R"("proposal":{"op":"set","key":"k","value":"theirs","reason":"import"}})",
            world.engine->policy().limits);
        REQUIRE_MESSAGE(line.proposal, line.refusal.message);
        Asked left_out;
        Caller importer = caller_of_import(line, EngineWorld::alice());
        world.engine->submit(*std::move(line.proposal), std::move(importer),
                             [&](Answer&& answer) { left_out.answers.push_back(std::move(answer)); });
        world.engine->step();
        CHECK_FALSE(left_out.answered());
        if (lost) {
            world.disk.fail_after(0, DiskFault::hiccup);
            world.commits.run();
            world.engine->step();
            CHECK(left_out.answer().code == Code::unavailable);
            CHECK_FALSE(left_out.answer().current);
        } else {
            world.settle();
            CHECK(left_out.answer().code == Code::version_conflict);
            REQUIRE(left_out.answer().current);
            CHECK(left_out.answer().current->find("ours") != std::string::npos);
        }
    }
}

TEST_CASE("a failed sync leaves the outcome unknown, and a retry by id settles it exactly once") {
    // The disk fails at each of its calls in turn: before, within and after the write and its sync.
    bool happened = false, vanished = false, whole = false;
    for (std::uint64_t calls = 0; calls < 12; ++calls) {
        EngineWorld world(calls + 1);
        world.open();
        world.set("k", "0");
        const std::string text = EngineWorld::set_text("k", "1", R"(,"id":"the-one")");
        const auto asked = world.submit(text);
        const auto other = world.submit(EngineWorld::set_text("other", "1"));
        world.engine->step();
        const auto queued = world.submit(EngineWorld::set_text("k", "2"));
        world.disk.fail_after(calls, DiskFault::hiccup);
        world.commits.run();
        world.engine->step();
        if (!world.disk.failed() || asked->answer().status == Answer::Status::accepted) {
            whole = true;
            continue;
        }
        CHECK(asked->answer().code == Code::outcome_unknown);
        CHECK(other->answer().code == Code::outcome_unknown);
        CHECK((queued->answer().code == Code::unavailable ||
               queued->answer().code == Code::outcome_unknown));
        CHECK(world.engine->state() == EngineState::failed);
        CHECK(world.value_of("k") == "0");  // reads go on
        CHECK(world.submit(text)->answer().code == Code::unavailable);
        CHECK_FALSE(world.engine->close());

        world.disk.mend();
        world.open();
        const bool there = world.value_of("k") == "1";
        (there ? happened : vanished) = true;
        const Answer again = world.ask(text);
        CHECK(again.status == Answer::Status::accepted);
        CHECK(again.duplicate == there);
        CHECK(again.changes[0].version == Version{2});
        CHECK(world.value_of("k") == "1");
        world.check_reads_are_the_fold();
    }
    CHECK(whole);
    CHECK((happened || vanished));
}

TEST_CASE("draining refuses what comes, and answers what was taken") {
    EngineWorld world;
    world.open();
    const auto taken = world.submit(EngineWorld::set_text("a", "1"));
    world.engine->drain();
    CHECK(world.engine->state() == EngineState::draining);
    const auto late = world.submit(EngineWorld::set_text("a", "2"));
    CHECK(late->answer().code == Code::unavailable);
    CHECK(late->answer().reason == "draining");
    REQUIRE(world.engine->close());
    CHECK(taken->answer().status == Answer::Status::accepted);
    CHECK(world.kinds().back() == "note/closed");
    world.open();
    CHECK(world.value_of("a") == "1");
    // A clean close leaves nothing to find out: the projection is believed as it is.
    CHECK(world.engine->journal().report().records == 0);
}

TEST_CASE("queue and bytes under way have limits") {
    EngineWorld world;
    world.settings.engine.queue = 3;
    world.settings.engine.in_flight_bytes = 4096;
    world.open();
    std::vector<std::shared_ptr<Asked>> asked;
    for (int i = 0; i < 4; ++i) asked.push_back(world.submit(EngineWorld::set_text("a", "1")));
    CHECK(asked[3]->answer().reason == "overloaded");
    world.settle();
    CHECK(asked[2]->answer().status == Answer::Status::accepted);
    const std::string large = "\"" + std::string(3000, 'x') + "\"";
    CHECK(world.submit(EngineWorld::set_text("a", large))->answer().reason == "overloaded");
    CHECK(world.engine->stats().in_flight_bytes == 0);
    CHECK(world.set("a", "2").status == Answer::Status::accepted);
}

TEST_CASE("a full disk refuses writes, serves reads, and is over when it is over") {
    EngineWorld world;
    world.open();
    world.set("a", "1");
    world.settings.journal.disk_reserve_bytes = 1u << 20;
    REQUIRE(world.engine->close());
    world.disk.set_capacity(64u << 10);
    world.open();
    CHECK(world.value_of("a") == "1");
    const Answer refused = world.set("a", "2");
    CHECK(refused.code == Code::unavailable);
    CHECK(refused.reason == "disk_full");
    CHECK(world.count("note/opened") == 1);  // not even that
    CHECK(world.value_of("a") == "1");
    world.disk.set_capacity(1ull << 30);
    world.clock.advance(5s);
    world.settle();  // time passes: the journal looks at the disk again
    CHECK(world.set("a", "3").status == Answer::Status::accepted);
    const auto kinds = world.kinds();
    CHECK(kinds[kinds.size() - 2] == "note/opened");  // still before all else
    world.check_reads_are_the_fold();
}

TEST_CASE("damage refuses writes and serves the fold up to it") {
    EngineWorld world;
    world.open();
    for (int i = 0; i < 10; ++i) world.set("k" + std::to_string(i), std::to_string(i));
    REQUIRE(world.engine->close());
    world.engine.reset();
    const std::string path = StorePaths{"/data"}.segment(Seq{1});
    const std::string content = *world.disk.content(path);
    world.disk.flip_bit(path, 8 * content.find("\"k5\"") + 9);

    SUBCASE("without a projection, the damage is met") {
        world.forget_cache();
        REQUIRE(world.try_open(world.policy));
        world.engine->step();
        CHECK(world.engine->state() == EngineState::damaged);
        REQUIRE(world.engine->damage());
        CHECK(world.engine->damage()->from == Seq{8});
        CHECK_FALSE(world.engine->why_not_ready().empty());
        CHECK(world.value_of("k4") == "4");
        CHECK(world.value_of("k5") == "absent");
        CHECK(world.engine->applied().seq == Seq{7});
        const auto asked = world.submit(EngineWorld::set_text("a", "1"));
        CHECK(asked->answer().code == Code::unavailable);
        CHECK(asked->answer().reason == "damaged");
        CHECK(world.engine->policy() == world.policy);
        CHECK(world.engine->close());
        CHECK(*world.disk.content(path) != content);  // and left alone
    }
    SUBCASE("with one that is trusted, open looks behind its watermark (J8)") {
        world.open();
        CHECK(world.engine->state() == EngineState::ready);
        CHECK(world.value_of("k5") == "5");
        CHECK(world.set("a", "1").status == Answer::Status::accepted);
    }
}

TEST_CASE("an operator's note is a record") {
    EngineWorld world;
    world.open();
    std::optional<Seq> told;
    world.engine->note("inspected", R"({"by":"hand"})", EngineWorld::alice(),
                       [&](Result<Seq> seq) { told = *seq; });
    world.settle();
    REQUIRE(told);
    world.each_record([&](const RecordView& record) {
        if (record.seq != *told) return;
        CHECK(record.note == "inspected");
        CHECK(record.body == R"({"by":"hand"})");
        CHECK(record.actor == "alice");
    });
}
