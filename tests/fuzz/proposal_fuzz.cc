// A proposal, the batch form too, as any door takes it.

#include "engine/intake/proposal.h"

#include "engine/intake/utf8.h"
#include "tests/fuzz/fuzzing.h"

namespace se::fuzz {
namespace {

/// Small, so that short inputs meet them.
Limits small_limits() {
    Limits limits;
    limits.key_bytes = 12;
    limits.id_bytes = 10;
    limits.actor_bytes = 8;
    limits.reason_bytes = 16;
    limits.metadata_bytes = 24;
    limits.value_bytes = 32;
    limits.ops = 3;
    limits.json_depth = 5;
    limits.basis = 2;
    limits.ttl_seconds = 1000;
    return limits;
}

void check_within(const Proposal& proposal, const Limits& limits) {
    SE_ASSERT(proposal.id.size() <= limits.id_bytes);
    SE_ASSERT(!proposal.ops.empty() && proposal.ops.size() <= limits.ops);
    SE_ASSERT(!proposal.single || proposal.ops.size() == 1);
    SE_ASSERT(!proposal.reason.empty() && proposal.reason.size() <= limits.reason_bytes);
    SE_ASSERT(proposal.actor.size() <= limits.actor_bytes);
    SE_ASSERT(proposal.metadata.size() <= limits.metadata_bytes);
    SE_ASSERT(proposal.basis.size() <= limits.basis);
    for (const Op& op : proposal.ops) {
        SE_ASSERT(key_problem(op.key, limits).empty());
        SE_ASSERT(op.value.has_value() == (op.kind != OpKind::remove));
        SE_ASSERT(op.value_text == (op.value ? to_text(*op.value) : ""));
        SE_ASSERT(op.value_text.size() <= limits.value_bytes);
        SE_ASSERT(op.ttl.value_or(0) <= limits.ttl_seconds);
        SE_ASSERT(op_from_text(to_text(op.kind)) == op.kind);
    }
}

/// The canonical text is what an identity hashes: it must say the same proposal again, and be its
/// own canonical text.
void check_canonical(const Proposal& proposal, const Json& sent, const Limits& limits) {
    auto tree = parse_json(proposal.canonical, 1000);
    SE_ASSERT(tree);
    SE_ASSERT(to_text(*tree) == proposal.canonical);
    if (const Json* id = sent.find("id")) tree->set("id", *id);
    const auto again = parse_proposal(to_text(*tree), limits);
    SE_ASSERT(again.proposal);
    const Proposal& other = *again.proposal;
    SE_ASSERT(other.canonical == proposal.canonical && other.id == proposal.id);
    SE_ASSERT(other.reason == proposal.reason && other.actor == proposal.actor);
    SE_ASSERT(other.metadata == proposal.metadata && other.basis == proposal.basis);
    SE_ASSERT(other.ts == proposal.ts && other.single == proposal.single);
    SE_ASSERT(other.ops_text == proposal.ops_text && other.ops.size() == proposal.ops.size());
    for (std::size_t i = 0; i < other.ops.size(); ++i) {
        const Op &a = other.ops[i], &b = proposal.ops[i];
        SE_ASSERT(a.kind == b.kind && a.key == b.key && a.value_text == b.value_text);
        SE_ASSERT(a.ttl == b.ttl && a.metadata == b.metadata);
        SE_ASSERT(a.expected_version == b.expected_version);
    }
}

void check(std::string_view text, const Limits& limits) {
    const auto sent = parse_json(text, 1000);
    const ParsedProposal parsed = parse_proposal(text, limits);
    if (!parsed.proposal) {
        const Refusal& refusal = parsed.refusal;
        SE_ASSERT(refusal.code == Code::malformed || refusal.code == Code::too_large);
        SE_ASSERT(!refusal.message.empty());
        SE_ASSERT(refusal.pointer.empty() || refusal.pointer.front() == '/');
        SE_ASSERT(refusal.id.size() <= limits.id_bytes && refusal.key.size() <= limits.key_bytes);
        SE_ASSERT(is_utf8(refusal.original) && refusal.original.size() <= kOriginalBytes);
        return;
    }
    SE_ASSERT(sent);
    SE_ASSERT(*parse_json(to_text(*sent), 1000) == *sent);
    check_within(*parsed.proposal, limits);
    check_canonical(*parsed.proposal, *sent, limits);
}

}  // namespace
}  // namespace se::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const se::Limits kDefault, kSmall = se::fuzz::small_limits();
    se::fuzz::check(se::fuzz::text_of(data, size), kDefault);
    se::fuzz::check(se::fuzz::text_of(data, size), kSmall);
    return 0;
}
