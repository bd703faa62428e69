// E2: one identity, one effect, one answer.

#include "engine/identity.h"
#include "journal/body.h"
#include "tests/engine/engine_world.h"

using namespace se;
using namespace se::test;

namespace {

const std::string kOnce = R"({"op":"increment","key":"n","value":1,"reason":"r","id":"once"})";

std::string json_of(const Answer& answer) {
    std::string text;
    append_answer_json(text, answer);
    return text;
}

/// The same but for the mark.
void check_duplicate(const Answer& again, Answer first) {
    CHECK(again.duplicate);
    first.duplicate = true;
    CHECK(json_of(again) == json_of(first));
}

}  // namespace

TEST_CASE("a duplicate gets the first answer and journals nothing") {
    EngineWorld world;
    world.open();
    const Answer first = world.ask(kOnce);
    const auto last = world.engine->journal().last();

    SUBCASE("at once") { check_duplicate(world.ask(kOnce), first); }
    SUBCASE("with its members in another order, and numbers written otherwise") {
        check_duplicate(world.ask(R"({"id":"once","reason":"r","value":1.0,"key":"n","op":"increment"})"),
                        first);
    }
    SUBCASE("after other changes of the key") {
        world.set("n", "7");
        check_duplicate(world.ask(kOnce), first);
        CHECK(world.value_of("n") == "7");
        return;
    }
    SUBCASE("after a clean restart") {
        world.reopen();
        check_duplicate(world.ask(kOnce), first);
        return;
    }
    SUBCASE("after a crash") {
        world.crash();
        world.open();
        check_duplicate(world.ask(kOnce), first);
        return;
    }
    SUBCASE("after the projection was lost") {
        world.crash();
        world.forget_cache();
        world.open();
        check_duplicate(world.ask(kOnce), first);
        return;
    }
    CHECK(world.value_of("n") == "1");
    CHECK(world.engine->journal().last() == last);
    CHECK(world.engine->stats().duplicates == 1);
}

TEST_CASE("a duplicate of what is in flight waits for its outcome") {
    EngineWorld world;
    world.open();
    const auto first = world.submit(kOnce);
    const auto again = world.submit(kOnce);  // in the same group
    world.submit(EngineWorld::set_text("other", "1"));  // not alone: the sync is a job
    world.engine->step();
    const auto later = world.submit(kOnce);  // while that group is at the disk
    world.engine->step();
    CHECK_FALSE(first->answered());
    CHECK_FALSE(again->answered());
    CHECK_FALSE(later->answered());

    SUBCASE("and gets its answer") {
        world.settle();
        CHECK_FALSE(first->answer().duplicate);
        check_duplicate(again->answer(), first->answer());
        check_duplicate(later->answer(), first->answer());
        CHECK(world.value_of("n") == "1");
        CHECK(world.count("accepted") == 2);
    }
    SUBCASE("and shares its doubt") {
        world.disk.fail_after(0, DiskFault::hiccup);
        world.settle();
        CHECK(first->answer().code == Code::outcome_unknown);
        CHECK(again->answer().code == Code::outcome_unknown);
        CHECK(later->answer().code == Code::outcome_unknown);
        world.disk.mend();
        world.open();
        CHECK(world.ask(kOnce).status == Answer::Status::accepted);
        CHECK(world.value_of("n") == "1");
    }
    CHECK(world.engine->stats().in_flight_bytes == 0);
}

TEST_CASE("a rejection owns its id, and its duplicate shows the current entry as of now") {
    EngineWorld world;
    world.open();
    world.set("k", "1");
    const std::string text =
        EngineWorld::set_text("k", "2", R"(,"expectedVersion":5,"id":"late")");
    const Answer first = world.ask(text);
    CHECK(first.code == Code::version_conflict);
    world.set("k", "9");
    for (int restart = 0; restart < 2; ++restart) {
        Answer again = world.ask(text);
        CHECK(again.duplicate);
        CHECK(again.code == Code::version_conflict);
        CHECK(again.message == first.message);
        CHECK(again.seq == first.seq);
        CHECK(again.epoch == first.epoch);
        REQUIRE(again.current);
        CHECK(again.current->find("\"value\":9") != std::string::npos);
        world.reopen();
    }
    CHECK(world.count("rejected") == 1);
}

TEST_CASE("a duplicate of a rejection in flight waits for it too") {
    EngineWorld world;
    world.open();
    const std::string text = R"({"op":"delete","key":"k","reason":"r","id":"gone"})";
    const auto first = world.submit(text);
    const auto again = world.submit(text);
    world.settle();
    CHECK(first->answer().code == Code::absent);
    check_duplicate(again->answer(), first->answer());
    CHECK(world.count("rejected") == 1);
}

TEST_CASE("what is refused for its id alone is whole in the record of that") {
    EngineWorld world;
    world.open();
    world.ask(kOnce);
    struct Kept {
        std::string changes, content;
        Body body;
    };
    const auto refused = [&](const std::string& text) {
        const Answer answer = world.ask(text);
        CHECK(answer.code == Code::id_reused);
        CHECK(answer.pointer == "/id");
        Kept kept;
        world.each_record([&](const RecordView& record) {
            if (record.seq != answer.seq) return;
            for (const auto& change : record.changes)
                kept.changes += std::string(change.key) + " " + std::string(change.op) + ";";
            kept.content = record.content;
            const auto body = parse_body(record.body);
            REQUIRE(body);
            kept.body = *body;
        });
        return kept;
    };
    const Kept one = refused(
        R"({"op":"set","key":"k","value":{"b":1,"a":[2.0]},"reason":"because","ttl":60,"expectedVersion":3,)"
        R"("metadata":{"m":1},"basis":[{"key":"n","seq":1}],"ts":"then","actor":"bob","id":"once"})");
    CHECK(one.changes == "k set;");
    CHECK(one.content == "");  // it binds nothing
    CHECK(one.body == Body{.reason = "because",
                           .metadata = R"({"m":1})",
                           .args = {R"({"a":[2],"b":1})"},
                           .ttl = 60,
                           .expected_version = 3,
                           .basis = {{"n", Seq{1}}},
                           .ts = "then",
                           .message = "this id belongs to another proposal"});
    const Kept several = refused(
        R"({"ops":[{"op":"push","key":"l","value":1},{"op":"delete","key":"n"}],"reason":"r","id":"once"})");
    CHECK(several.changes == "l push;n delete;");
    CHECK(several.body.ops == R"([{"key":"l","op":"push","value":1},{"key":"n","op":"delete"}])");

    // Of more than a record can be its beginning.
    std::string list = R"({"id":"once","reason":"r","ops":[)";
    for (const char* key : {"a", "b", "c"})
        list += std::string(key[0] == 'a' ? "" : ",") + R"({"op":"set","key":")" + key + R"(","value":")" +
                std::string(900u << 10, 'x') + "\"}";
    const Kept cut = refused(list + "]}");
    CHECK(cut.changes == "a ;");
    CHECK(cut.body.ops.empty());
    CHECK(cut.body.message == "this id belongs to another proposal");
    CHECK(cut.body.claim.starts_with(R"({"original":"{\"ops\":[)"));
    CHECK(cut.body.claim.size() < 70'000);
}

TEST_CASE("an id with other content is id_reused, and the first content keeps owning it") {
    EngineWorld world;
    world.open();
    const Answer first = world.ask(kOnce);
    const std::string other = R"({"op":"increment","key":"n","value":2,"reason":"r","id":"once"})";
    const Answer reused = world.ask(other);
    CHECK(reused.code == Code::id_reused);
    CHECK(world.kinds().back() == "rejected/id_reused");
    CHECK(world.value_of("n") == "1");
    check_duplicate(world.ask(kOnce), first);
    world.reopen();
    CHECK(world.ask(other).code == Code::id_reused);
    check_duplicate(world.ask(kOnce), first);

    // Also while the first is on its way.
    const auto flying = world.submit(R"({"op":"set","key":"x","value":1,"reason":"r","id":"fly"})");
    const auto clash = world.submit(R"({"op":"set","key":"x","value":2,"reason":"r","id":"fly"})");
    world.settle();
    CHECK(flying->answer().status == Answer::Status::accepted);
    CHECK(clash->answer().code == Code::id_reused);
}

TEST_CASE("an id belongs to its principal") {
    EngineWorld world;
    world.open();
    world.ask(kOnce);
    Caller bob = EngineWorld::alice();
    bob.principal = "bob";  // acting for alice makes no difference
    const Answer answer = world.ask(kOnce, bob);
    CHECK(answer.status == Answer::Status::accepted);
    CHECK_FALSE(answer.duplicate);
    CHECK(world.value_of("n") == "2");
}

TEST_CASE("refusals that pass bind no id: the same proposal is decided when it comes again") {
    EngineWorld world;
    world.settings.engine.queue = 1;
    world.open();
    world.submit(EngineWorld::set_text("x", "1"));
    CHECK(world.submit(kOnce)->answer().reason == "overloaded");
    world.settle();
    const Answer answer = world.ask(kOnce);
    CHECK(answer.status == Answer::Status::accepted);
    CHECK_FALSE(answer.duplicate);
}

TEST_CASE("without an id the engine makes one, and returns it") {
    EngineWorld world;
    world.open();
    const std::string text = R"({"op":"increment","key":"n","value":1,"reason":"r"})";
    const Answer one = world.ask(text);
    const Answer two = world.ask(text);
    CHECK(one.id.size() == 36);
    CHECK(one.id != two.id);
    CHECK(world.value_of("n") == "2");
    // Whoever learnt it can ask again with it.
    const Answer again = world.ask(
        R"({"op":"increment","key":"n","value":1,"reason":"r","id":")" + two.id + "\"}");
    check_duplicate(again, two);
}

TEST_CASE("content is keyed: the same proposal has another hash in another store") {
    const auto parsed = parse_proposal(kOnce, {});
    const Hash16 here = content_of(std::string(32, 'a'), *parsed.proposal);
    CHECK(here == content_of(std::string(32, 'a'), *parsed.proposal));
    CHECK(here != content_of(std::string(32, 'b'), *parsed.proposal));
}

TEST_CASE("the engine and the fold agree on which codes own an id") {
    for (int i = 0; i <= static_cast<int>(Code::outcome_unknown); ++i) {
        const auto code = static_cast<Code>(i);
        RecordDraft draft;
        draft.kind = code == Code::none ? Kind::accepted : Kind::rejected;
        draft.code = to_text(code);
        draft.id = "id";
        draft.content = std::string(32, '0');
        draft.actor = "a";
        RecordView view;
        view_of(draft, Seq{1}, Epoch{1}, &view);
        // Never journaled: nobody was identified, or nothing is known.
        if (code == Code::outcome_unknown || code == Code::unauthenticated) continue;
        CAPTURE(to_text(code));
        CHECK(binds_identity(code) == identity_of(view).has_value());
    }
}

TEST_CASE("the key of a conflict can be had back from its record, whoever said no") {
    EngineWorld world;
    world.open();
    world.set("a", "1");
    world.set("b", "1");
    for (const std::string& text : {
             std::string(R"({"id":"1","op":"set","key":"b","value":1,"reason":"r","expectedVersion":9})"),
             std::string(R"({"id":"2","ops":[{"op":"set","key":"a","value":1},)"
                         R"({"op":"set","key":"b","value":1,"expectedVersion":9}],"reason":"r"})"),
             std::string(R"({"id":"3","op":"set","key":"a","value":1,"reason":"r",)"
                         R"("basis":[{"key":"a","seq":3},{"key":"b","seq":1}]})"),
         }) {
        CAPTURE(text);
        const Answer first = world.ask(text);
        REQUIRE(first.current);
        CHECK(first.current->find("\"key\":\"b\"") != std::string::npos);
        check_duplicate(world.ask(text), first);
    }
}
