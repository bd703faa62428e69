// A line of an import: what another engine had.

#include "engine/intake/imported.h"
#include "journal/body.h"
#include "tests/fuzz/fuzzing.h"

namespace se::fuzz {
namespace {

/// What becomes of a mutation of the past can be read from its record.
void check_record(const ParsedImport& parsed, const Proposal& proposal) {
    RecordDraft draft = draft_of_past(proposal, parsed.imported);
    draft.content = std::string(32, '0');
    draft.actor = proposal.actor.empty() ? "importer" : proposal.actor;
    draft.principal = parsed.principal;
    draft.door = parsed.door;
    draft.cause = parsed.cause;
    std::string line;
    encode_record(line, draft, Seq{7}, Epoch{1}, Seq{6}, std::string(32, '0'));
    RecordView record;
    SE_ASSERT(parse_record(line, &record));
    SE_ASSERT(parse_body(record.body));
    SE_ASSERT(record.id == proposal.id && record.changes.size() == parsed.imported.changes.size());
    const auto past = past_of(record);
    SE_ASSERT(past && past->what == Imported::What::mutation);
    SE_ASSERT(past->accepted == parsed.imported.accepted && past->code == parsed.imported.code);
    SE_ASSERT(past->message == parsed.imported.message && past->version == parsed.imported.version);
}

void check(std::string_view text, const Limits& limits) {
    const ParsedImport parsed = parse_import(text, limits);
    if (!parsed.proposal) {
        SE_ASSERT(parsed.refusal.code == Code::malformed || parsed.refusal.code == Code::too_large);
        SE_ASSERT(!parsed.refusal.message.empty());
        return;
    }
    const Proposal& proposal = *parsed.proposal;
    SE_ASSERT(!proposal.id.empty() && !parsed.door.empty());
    SE_ASSERT(parsed.principal.size() <= limits.actor_bytes);
    for (const Op& op : proposal.ops) SE_ASSERT(key_problem(op.key, limits).empty());
    const auto again = parse_import(text, limits);
    SE_ASSERT(again.proposal && again.proposal->id == proposal.id);
    SE_ASSERT(again.proposal->canonical == proposal.canonical && again.cause == parsed.cause);
    if (parsed.imported.what == Imported::What::mutation) return check_record(parsed, proposal);
    const auto entry = entry_of_cause(parsed.door, parsed.cause);
    SE_ASSERT(entry && entry->version == parsed.imported.version && entry->version != Version{});
    SE_ASSERT(proposal.single && proposal.ops[0].kind == OpKind::set);
}

}  // namespace
}  // namespace se::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const se::Limits kDefault;
    se::fuzz::check(se::fuzz::text_of(data, size), kDefault);
    return 0;
}
