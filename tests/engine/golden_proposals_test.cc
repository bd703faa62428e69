// What BitBrat's producers really put on the wire (tests/golden/bitbrat_mutations.json).

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "engine/intake/proposal.h"
#include "engine/policy/policy.h"
#include "tests/places.h"

using namespace se;

namespace {

Json golden() {
    std::ifstream file(test::source_dir() + "/tests/golden/bitbrat_mutations.json");
    std::stringstream text;
    text << file.rdbuf();
    auto json = parse_json(text.str());
    REQUIRE(json);
    return std::move(*json);
}

Proposal read(const Json& message) {
    ParsedProposal parsed = proposal_of_json(message, Limits{});
    REQUIRE_MESSAGE(parsed.proposal, parsed.refusal.message);
    return std::move(*parsed.proposal);
}

}  // namespace

TEST_CASE("every real producer's proposal parses as it was meant") {
    struct Row {
        const char* name;
        const char* id;
        const char* key;
        std::optional<std::uint64_t> ttl;
        const char* actor;
        const char* value_starts;
        bool metadata;
    };
    const Row rows[] = {
        {"twitch_stream_online_hardcoded", "3f0c6a2e-2f2b-4a37-9d6b-0d7a3a1b7c11", "stream.state",
         21600, "ingress-egress:twitch", "\"on\"", true},
        {"twitch_stream_offline_hardcoded", "b1a4c0d5-7d53-4f6a-8a55-0b8de2a9d4aa", "stream.state",
         21600, "ingress-egress:twitch", "\"off\"", true},
        {"twitch_yaml_subscription_manager", "0a6f6f0e-52f6-4d25-8d2e-6a0f4f5c2b10", "stream.state",
         21600, "ingress-egress:twitch", "\"on\"", true},
        {"disposition_service", "evt_abc123:disposition", "user.disposition.twitch:123", 1200,
         "disposition-service", R"({"asOf":"2026-04-03T02:51:00.000Z","band":)", true},
        {"mcp_propose_mutation", "7a6b0c3f-6d11-4f22-a5b4-2a7a5f5a0a01",
         "user.fact.user-123.favorite_band", std::nullopt, "llm-bot", "\"Yes\"", false},
    };
    const Json messages = golden();
    std::size_t proposals = 0;
    for (const auto& [name, message] : messages.object()) proposals += message.find("op") ? 1 : 0;
    CHECK(proposals == std::size(rows));
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const Proposal proposal = read(*messages.find(row.name));
        CHECK(proposal.id == row.id);
        CHECK(proposal.single);
        CHECK(proposal.ops[0].kind == OpKind::set);
        CHECK(proposal.ops[0].key == row.key);
        CHECK(proposal.ops[0].ttl == row.ttl);
        CHECK(proposal.ops[0].value_text.starts_with(row.value_starts));
        CHECK(!proposal.ops[0].expected_version);
        CHECK(proposal.actor == row.actor);
        CHECK(!proposal.reason.empty());
        CHECK(!proposal.ts.empty());
        CHECK(proposal.metadata.empty() == !row.metadata);
        CHECK(Policy{}.allows(row.key));
    }
}

TEST_CASE("the documented batch parses, a message that is no proposal does not") {
    const Json messages = golden();
    std::size_t batches = 0;
    for (const auto& [name, message] : messages.object()) {
        if (!message.find("mutations")) continue;
        ++batches;
        const Proposal proposal = read(message);
        CHECK(proposal.id == "evt_abc123");
        CHECK(proposal.actor == "disposition-service");
        REQUIRE(proposal.ops.size() == 2);
        CHECK(proposal.ops[0].kind == OpKind::set);
        CHECK(proposal.ops[0].value_text == "\"2026-08-11T10:30:00Z\"");
        CHECK(proposal.ops[1].kind == OpKind::increment);
        CHECK(proposal.ops[1].value_text == "1");
    }
    CHECK(batches == 1);
    const Json* headers = messages.find("disposition_service_nats_headers");
    REQUIRE(headers);
    CHECK(proposal_of_json(*headers, Limits{}).refusal.code == Code::malformed);
}
