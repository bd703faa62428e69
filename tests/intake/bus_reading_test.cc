// What a message on the mutation subject is: told from its bytes, its headers and its place alone.

#include <doctest/doctest.h>

#include "engine/intake/bus_reading.h"
#include "journal/base/json.h"

using namespace se;

namespace {

const BusStream kStream{
    .name = "BITBRAT", .subjects = {"local.>"}, .created = "2026-11-21T00:02:43.1Z"};
const BusSubjects kSubjects("local.");

BusReading read(std::string payload, BusHeaders headers = {}) {
    return read_bus_message({.subject = kSubjects.intake(),
                             .headers = std::move(headers),
                             .payload = std::move(payload),
                             .stream = "BITBRAT",
                             .sequence = 7},
                            kStream, kSubjects, Limits{});
}

const Proposal& one(const BusReading& reading) {
    REQUIRE(reading.proposals.size() == 1);
    REQUIRE_MESSAGE(reading.proposals[0].proposal, reading.proposals[0].refusal.message);
    return *reading.proposals[0].proposal;
}

const Refusal& refusal(const BusReading& reading) {
    REQUIRE(reading.proposals.size() == 1);
    REQUIRE(!reading.proposals[0].proposal);
    return reading.proposals[0].refusal;
}

std::string event(const std::string& slip, const std::string& egress) {
    return R"({"v":"2","correlationId":"c","type":"chat.message.v1","egress":)" + egress +
           R"(,"routing":{"stage":"x","slip":)" + slip + R"(,"history":[]}})";
}

}  // namespace

TEST_CASE("a proposal is read as it is, its headers in any case") {
    const BusReading reading =
        read(R"({"id":"m1","op":"set","key":"a","value":1,"actor":"x","reason":"r"})",
             {{"CorrelationID", "c9"},
              {"TraceParent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
    CHECK(one(reading).id == "m1");
    CHECK(one(reading).actor == "x");
    CHECK(reading.trace == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    CHECK(reading.correlation_id == "c9");
    CHECK(
        reading.causes[0] ==
        R"({"type":"message","stream":"BITBRAT","created":"2026-11-21T00:02:43.1Z","sequence":7,"correlationId":"c9"})");
}

TEST_CASE("a trace that is none is left out, and a correlation id is found in the metadata") {
    const BusReading reading =
        read(R"({"op":"set","key":"a","value":1,"reason":"r","metadata":{"correlationId":"evt"}})",
             {{"traceparent", "nonsense"}});
    CHECK(reading.trace.empty());
    CHECK(reading.correlation_id == "evt");
}

TEST_CASE("a message without an id gets one that its place alone makes") {
    const std::string text = R"({"op":"increment","key":"a","value":1,"reason":"r"})";
    const std::string id = one(read(text)).id;
    CHECK(id == "BITBRAT@2026-11-21T00:02:43.1Z/7");
    CHECK(one(read(text)).id == id);
    BusStream again = kStream;
    again.created = "later";
    const auto other =
        read_bus_message({.payload = text, .sequence = 7}, again, kSubjects, Limits{});
    CHECK(one(other).id != id);  // another stream, though its name is the same
}

TEST_CASE("a message that has its sequence anew says in the id that it is made when it was stored") {
    const auto id_of = [](const std::string& text, std::uint64_t time) {
        const auto reading = read_bus_message({.payload = text, .sequence = 7, .time = time, .anew = true},
                                              kStream, kSubjects, Limits{});
        REQUIRE(!reading.proposals.empty());
        REQUIRE(reading.proposals.back().proposal);
        return reading.proposals.back().proposal->id;
    };
    const std::string text = R"({"op":"increment","key":"a","value":1,"reason":"r"})";
    CHECK(id_of(text, 17) == "BITBRAT@2026-11-21T00:02:43.1Z/7~17");
    CHECK(id_of(R"({"v":"1","source":"s","mutations":[{"type":"increment","key":"a","amount":1},)"
                R"({"type":"increment","key":"b","amount":1}]})",
                17) == "BITBRAT@2026-11-21T00:02:43.1Z/7~17/1");
    CHECK(id_of(R"({"id":"m","op":"increment","key":"a","value":1,"reason":"r"})", 17) == "m");
}

TEST_CASE("where a message has no id, the header idempotencykey is one, if it can be") {
    const std::string text = R"({"op":"increment","key":"a","value":1,"reason":"r"})";
    const std::string place = "BITBRAT@2026-11-21T00:02:43.1Z/7";
    const std::string longest(512, 'k');
    const std::pair<std::string, std::string> rows[] = {
        {"k1", "k1"},       {longest, longest},       {longest + "k", place},
        {"", place},        {"k\x01", place},         {"k\xff", place}};
    for (const auto& [key, id] : rows) {
        CAPTURE(key);
        CHECK(one(read(text, {{"idempotencyKey", key}})).id == id);
    }
    CHECK(one(read(text, {{"IDEMPOTENCYKEY", "k1"}})).id == "k1");
    // What it has itself is stronger, and says the same wherever it lies.
    CHECK(one(read(R"({"id":"m1","op":"delete","key":"a","reason":"r"})", {{"idempotencykey", "k1"}}))
              .id == "m1");
    CHECK(refusal(read("no json", {{"idempotencykey", "k1"}})).id == "k1");

    const std::string list = R"("mutations":[{"type":"delete","key":"a"},5],"source":"s"})";
    const BusReading batch = read("{" + list, {{"idempotencykey", "k1"}});
    CHECK(batch.proposals[0].proposal->id == "k1:0");
    CHECK(batch.proposals[1].refusal.id == "k1:1");
    CHECK(read(R"({"id":"b",)" + list, {{"idempotencykey", "k1"}}).proposals[0].proposal->id == "b:0");
    const BusReading cut = read("{" + list, {{"idempotencykey", longest}});
    CHECK(cut.proposals[0].proposal->id == std::string(500, 'k') + ":0");
}

TEST_CASE("the batch form is independent proposals: one that is wrong costs no other") {
    const BusReading reading = read(
        R"({"v":"1","source":"svc","correlationId":"c1","mutations":[
            {"type":"set","key":"a","value":1},
            {"type":"increment","key":"b","amount":2},
            {"type":"append","key":"c","value":3},
            {"type":"set","key":"d e","value":4},
            {"type":"increment","key":"f","amount":2,"value":3},
            5,
            {"type":"delete","key":"g"}]})");
    REQUIRE(reading.proposals.size() == 7);
    const auto proposal = [&](std::size_t i) -> const Proposal& {
        REQUIRE_MESSAGE(reading.proposals[i].proposal, reading.proposals[i].refusal.message);
        return *reading.proposals[i].proposal;
    };
    CHECK(proposal(0).single);
    CHECK(proposal(0).actor == "svc");
    CHECK(proposal(0).reason == "mutations from svc");
    CHECK(proposal(1).ops[0].kind == OpKind::increment);
    CHECK(proposal(2).ops[0].kind == OpKind::push);
    CHECK(proposal(6).ops[0].kind == OpKind::remove);
    CHECK(reading.proposals[3].refusal.pointer == "/mutations/3/key");
    CHECK(reading.proposals[4].refusal.pointer == "/mutations/4/amount");
    CHECK(reading.proposals[5].refusal.pointer == "/mutations/5");
    CHECK(proposal(0).id == "BITBRAT@2026-11-21T00:02:43.1Z/7/0");
    CHECK(reading.proposals[3].refusal.id == "BITBRAT@2026-11-21T00:02:43.1Z/7/3");
    CHECK(proposal(6).id == "BITBRAT@2026-11-21T00:02:43.1Z/7/6");
    CHECK(reading.causes[2].find(R"("index":2,"of":7)") != std::string::npos);

    const BusReading named = read(
        R"({"id":"b","mutations":[{"type":"set","key":"a","value":1,"reason":"own"},{"type":"delete","key":"b"}],"reason":"r"})");
    REQUIRE(named.proposals[0].proposal);
    CHECK(named.proposals[0].proposal->id == "b:0");
    CHECK(named.proposals[0].proposal->reason == "own");
    CHECK(named.proposals[1].proposal->id == "b:1");
    CHECK(refusal(read(R"({"mutations":[]})")).pointer == "/mutations");
    CHECK(refusal(read(R"({"mutations":{}})")).pointer == "/mutations");
}

TEST_CASE("what can never be a proposal is refused with all that can be said of it") {
    const Refusal broken = refusal(read("not json \xff\xfe", {{"type", "t1"}}));
    CHECK(broken.code == Code::malformed);
    CHECK(broken.id == "BITBRAT@2026-11-21T00:02:43.1Z/7");
    CHECK(read("not json \xff\xfe").claim ==
          "{\"original\":\"not json \xEF\xBF\xBD\xEF\xBF\xBD\"}");
    const BusReading reading = read("{}", {{"Type", "t1"}});
    CHECK(reading.causes[0].find(R"("topic":"internal.state.mutation.v1","messageType":"t1")") !=
          std::string::npos);
    CHECK(reading.claim == R"({"original":"{}"})");
    CHECK(refusal(read(R"({"op":"set","value":1,"reason":"r"})")).pointer == "/key");
    CHECK(read(std::string(200'000, 'x')).claim.size() < (65u << 10));
}

TEST_CASE("an event goes on by its slip, else to its destination, else nowhere") {
    const std::string here =
        R"({"id":"s","status":"PENDING","nextTopic":"internal.state.mutation.v1"})";
    const auto onward = [](const std::string& slip, const std::string& egress) {
        const BusReading reading = read(event(slip, egress));
        return reading.onward ? reading.onward->subject : "nowhere: " + refusal(reading).pointer;
    };
    const std::string bot = R"({"id":"b","status":"PENDING","nextTopic":"internal.llmbot.v1"})";
    CHECK(onward("[" + bot + "]", "{}") == "local.internal.llmbot.v1");
    CHECK(onward(R"([{"status":"OK","nextTopic":"x.y"},)" + bot + "]", "{}") ==
          "local.internal.llmbot.v1");
    CHECK(onward("[" + here + "," + bot + "]", "{}") == "local.internal.llmbot.v1");
    CHECK(onward("[]", R"({"destination":"internal.egress.v1.a"})") ==
          "local.internal.egress.v1.a");
    CHECK(onward("[" + here + "]", R"({"destination":"local.internal.egress.v1"})") ==
          "local.internal.egress.v1");  // the prefix is never doubled
    CHECK(onward("[]", "{}") == "nowhere: /routing/slip");
    CHECK(onward("[" + here + "]", "{}") == "nowhere: /routing/slip");
    CHECK(onward("[]", R"({"destination":"internal.state.mutation.v1"})") ==
          "nowhere: /routing/slip");
    CHECK(onward("[]", R"({"destination":"a.>"})") == "nowhere: /routing/slip");
    CHECK(onward("{}", R"({"destination":7})") == "nowhere: /routing/slip");
    CHECK(onward("[]", R"({"destination":")" + std::string(2000, 'a') + R"("})") == "nowhere: /routing/slip");
    // The server's own subjects would be asked with our rights.
    for (const std::string_view own : {"$JS.API.STREAM.PURGE.BITBRAT", "$SYS.REQ.SERVER.PING", "_INBOX.a"}) {
        const BusMessage message{.payload = event("[]", R"({"destination":")" + std::string(own) + R"("})")};
        CHECK_FALSE(read_bus_message(message, {}, BusSubjects(""), {}).onward);
    }

    // The step that led here is done with, so that it does not come back.
    const BusReading passed = read(event("[" + here + "," + bot + "]", "{}"));
    const auto json = parse_json(passed.onward->payload);
    REQUIRE(json);
    const Json& slip = *json->find("routing")->find("slip");
    CHECK(slip.array()[0].find("status")->string() == "SKIP");
    CHECK(slip.array()[1].find("status")->string() == "PENDING");
    CHECK(json->find("type")->string() == "chat.message.v1");
}

TEST_CASE("a prefix is put before a topic once") {
    CHECK(kSubjects.intake() == "local.internal.state.mutation.v1");
    CHECK(kSubjects.subject("local.a") == "local.a");
    CHECK(kSubjects.topic("local.a.b") == "a.b");
    CHECK(BusSubjects("").intake() == "internal.state.mutation.v1");
    CHECK(BusSubjects("").of_stream().size() == 4);
    CHECK(kSubjects.of_stream() == std::vector<std::string>{"local.>"});
    for (const char* good : {"", "local.", "a.b.", "dev.local."})
        CHECK(BusSubjects::problem(good) == "");
    for (const char* bad :
         {"local", ".", "a..b.", "a*.", ">.", "a b.", "$JS.", "local.local.", "a.b.a.b."})
        CHECK(BusSubjects::problem(bad) != "");
    CHECK(BusSubjects::problem("local.local.").find("twice") != std::string::npos);
}

TEST_CASE("every key has a subject of its own, and a legal one") {
    const std::vector<std::pair<const char*, const char*>> rows = {{"stream.state", "stream.state"},
                                                                   {".a", "%.a"},
                                                                   {"a.", "a.%"},
                                                                   {"a..b", "a.%.b"},
                                                                   {"...", "%.%.%.%"},
                                                                   {"a.*", "a.%2A"},
                                                                   {"a.>", "a.%3E"},
                                                                   {"100%", "100%25"},
                                                                   {"a.%", "a.%25"},
                                                                   {"user:1", "user:1"},
                                                                   {"\xC3\xA9", "\xC3\xA9"}};
    for (const auto& [key, subject] : rows) {
        CHECK(bus_subject_of_key(key) == subject);
        CHECK(is_bus_subject(bus_subject_of_key(key)));
    }
}
