#include "tools/statectl/rebuild_preview.h"

#include "journal/erasures.h"
#include "projection/bulk.h"
#include "projection/comparison.h"
#include "projection/generation.h"
#include "projection/lmdb.h"
#include "tools/statectl/faults.h"
#include "tools/statectl/journal_search.h"
#include "tools/statectl/store_facts.h"

namespace se::statectl {
namespace {

/// The journal's fold up to `last`; damage below it is a Failure, and so is an erasure that nothing names.
Outcome<BulkFold> fold_up_to(Context& context, Seq last, std::uint64_t* records) {
    BulkFold fold;
    Status folded = Ok{};
    std::optional<Fault> damage;
    Erasures erasures;
    const auto unnamed = [&] {
        const auto fault = erasures.unnamed();
        return fault && fault->seq <= last;
    };
    SE_TRY_OK(for_each_record(
        context, Seq{1},
        [&](const RecordView& record) {
            if (damage) return false;
            erasures.add(record);
            if (record.seq > last) return unnamed();  // its note may lie further on
            folded = fold.add(record);
            ++*records;
            return static_cast<bool>(folded);
        },
        [&](const Fault& fault) { damage = fault; }));
    if (!folded) return folded.error();
    if (damage && damage->seq <= last) return Failure(kDamage, "damage: " + to_text(*damage));
    if (unnamed()) return Failure(kDamage, unnamed_erasure_text(*erasures.unnamed()));
    return fold;
}

}  // namespace

Outcome<std::variant<Rebuild::Report, std::string>> preview_rebuild(Context& context) {
    using Preview = std::variant<Rebuild::Report, std::string>;
    SE_TRY(facts, store_facts(context));
    if (!facts.watermark) {
        // A rebuild would still have to get through all of the journal.
        std::uint64_t records = 0;
        SE_TRY(fold, fold_up_to(context, Seq{UINT64_MAX}, &records));
        static_cast<void>(fold);
        return Preview(facts.why_not_trusted);
    }
    SE_TRY(env, lmdb::Env::open_reader(
                    generation_directory(context.paths().projection(), facts.generation),
                    ProjectionOptions{}.map_bytes_max));
    SE_TRY(snapshot, Snapshot::of(*env));
    std::uint64_t records = 0;
    SE_TRY(fold, fold_up_to(context, snapshot.seq(), &records));
    Comparison comparison;
    SE_TRY_OK(comparison.all(snapshot, fold));
    Rebuild::Report report = comparison.report();
    report.records = records;
    return Preview(std::move(report));
}

}  // namespace se::statectl
