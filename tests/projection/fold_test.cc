// What one record does to the state.

#include "projection/fold.h"

#include <doctest/doctest.h>

#include "journal/index_file.h"
#include "tests/projection/history.h"

namespace se {
namespace {

RecordDraft draft_of(Kind kind) {
    RecordDraft draft;
    draft.kind = kind;
    draft.ts = SimClock::kStart;
    draft.id = "i";
    draft.content = std::string(32, 'c');
    draft.actor = "a";
    return draft;
}

RecordDraft setting(std::string key, std::uint64_t version, std::string value) {
    RecordDraft draft = draft_of(Kind::accepted);
    draft.changes.push_back({std::move(key), "set", Version{version}});
    Body body;
    body.reason = "r";
    body.values.push_back(std::move(value));
    draft.body.clear();
    encode_body(draft.body, body);
    return draft;
}

}  // namespace

TEST_CASE("only accepted records change the state") {
    History history(1, 0);
    for (const Kind kind : {Kind::rejected, Kind::held, Kind::vote, Kind::config, Kind::checkpoint,
                            Kind::note, Kind::event}) {
        RecordDraft draft = setting("k", 1, "1");
        draft.kind = kind;
        if (kind == Kind::rejected) draft.code = "absent";
        if (kind == Kind::note) draft.note = "imported";
        history.add(draft);
    }
    CHECK(model_of(history, history.size()).state.entries().empty());
    history.add(setting("k", 1, "1"));
    CHECK(model_of(history, history.size()).state.entries().size() == 1);
}

TEST_CASE("a delete leaves a tombstone with its version, and nothing else") {
    History history(1, 0);
    history.add(setting("k", 1, "1"));
    RecordDraft gone = draft_of(Kind::accepted);
    gone.changes.push_back({"k", "delete", Version{2}});
    gone.body = R"({"reason":"r","values":[null]})";
    history.add(gone);
    const MemoryState state = model_of(history, history.size()).state;
    Entry tombstone;
    tombstone.deleted = true;
    tombstone.version = Version{2};
    tombstone.seq = Seq{2};
    REQUIRE(state.find("k") != nullptr);
    CHECK(*state.find("k") == tombstone);
}

TEST_CASE("folding a record twice is folding it once") {
    const History history(3, 500);
    MemoryState once, twice;
    for (std::size_t i = 0; i < history.size(); ++i) {
        REQUIRE(once.fold(history.record(i)));
        REQUIRE(twice.fold(history.record(i)));
        REQUIRE(twice.fold(history.record(i / 2)));
        REQUIRE(twice.fold(history.record(i)));
    }
    CHECK(once.entries() == twice.entries());
    CHECK(once.seq() == Seq{500});
}

TEST_CASE("an erased change keeps its version and shows nothing") {
    History history(1, 0);
    history.add(setting("k", 7, "\"secret\""));
    RecordView erased = {};
    REQUIRE(parse_record(history.record(0).line, &erased));
    const std::string digest(64, 'e');
    erased.body = erased.salt = {};
    erased.erased = digest;
    MemoryState state;
    REQUIRE(state.fold(erased));
    REQUIRE(state.find("k") != nullptr);
    CHECK(state.find("k")->deleted);
    CHECK(state.find("k")->version == Version{7});
}

TEST_CASE("an id is bound by what was decided, not by a refusal that passes") {
    const auto bound = [](const RecordDraft& draft) {
        History history(1, 0);
        history.add(draft);
        return identity_of(history.record(0));
    };
    RecordDraft refused = draft_of(Kind::rejected);
    for (const char* code :
         {"malformed", "too_large", "rate_limited", "unavailable", "id_reused"}) {
        refused.code = code;
        CHECK_FALSE(bound(refused));
    }
    for (const char* code : {"absent", "version_conflict", "key_not_allowed", "value_invalid"}) {
        refused.code = code;
        CHECK(bound(refused));
    }
    CHECK(bound(setting("k", 1, "1")));
    RecordDraft anonymous = setting("k", 1, "1");
    anonymous.id.clear();
    CHECK_FALSE(bound(anonymous));
    RecordDraft without_content = setting("k", 1, "1");
    without_content.content.clear();
    CHECK_FALSE(bound(without_content));

    RecordDraft by_principal = setting("k", 1, "1");
    by_principal.principal = "p";
    CHECK(bound(by_principal)->key == identity_hash("p", "i"));
    CHECK(bound(setting("k", 1, "1"))->key == identity_hash("a", "i"));
    by_principal.door = "nats";
    CHECK(bound(by_principal)->key == identity_hash("nats", "i"));
}

}  // namespace se
