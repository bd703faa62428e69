#include "tools/statectl/rebuild_preview.h"

#include "journal/merkle.h"
#include "projection/fold.h"
#include "projection/generation.h"
#include "projection/lmdb.h"
#include "projection/snapshot.h"
#include "tools/statectl/journal_search.h"
#include "tools/statectl/store_facts.h"

namespace se::statectl {
namespace {

constexpr std::size_t kDifferentKeysMax = 20;

/// The journal's fold up to `last`; damage below it is a Failure.
Outcome<MemoryState> fold_up_to(Context& context, Seq last, std::uint64_t* records) {
    MemoryState state;
    Status folded = Ok{};
    std::optional<Fault> damage;
    SE_TRY_OK(for_each_record(
        context, Seq{1},
        [&](const RecordView& record) {
            if (damage || record.seq > last) return false;
            folded = state.fold(record);
            ++*records;
            return static_cast<bool>(folded);
        },
        [&](const Fault& fault) { damage = fault; }));
    if (!folded) return folded.error();
    if (damage && damage->seq <= last) return Failure(kDamage, "damage: " + to_text(*damage));
    return state;
}

void tell_difference(Rebuild::Report* report, std::string_view key) {
    report->equal = false;
    if (report->different_keys.size() < kDifferentKeysMax) report->different_keys.emplace_back(key);
}

/// Both sides come in key order.
Status compare(const MemoryState& state, const Snapshot& snapshot, Rebuild::Report* report) {
    Frontier live, rebuilt;
    std::string bytes, other;
    auto next = state.entries().begin();
    const auto end = state.entries().end();
    const auto take_rebuilt = [&] {
        bytes.clear();
        encode_entry(bytes, next->second);
        rebuilt.append(state_leaf(next->first, bytes));
        ++report->keys;
        ++next;
    };
    SE_TRY_OK(snapshot.scan("", "", [&](std::string_view key, const EntryView& entry) {
        for (; next != end && next->first < key;) {
            tell_difference(report, next->first);
            take_rebuilt();
        }
        other.clear();
        encode_entry(other, entry);
        live.append(state_leaf(key, other));
        const bool both = next != end && next->first == key;
        if (both) take_rebuilt();
        if (!both || bytes != other) tell_difference(report, key);
        return true;
    }));
    while (next != end) {
        tell_difference(report, next->first);
        take_rebuilt();
    }
    report->root_live = live.root();
    report->root_rebuilt = rebuilt.root();
    return Ok{};
}

}  // namespace

Outcome<std::variant<Rebuild::Report, std::string>> preview_rebuild(Context& context) {
    using Preview = std::variant<Rebuild::Report, std::string>;
    SE_TRY(facts, store_facts(context));
    if (!facts.watermark) {
        // A rebuild would still have to get through all of the journal.
        std::uint64_t records = 0;
        SE_TRY(state, fold_up_to(context, Seq{UINT64_MAX}, &records));
        static_cast<void>(state);
        return Preview(facts.why_not_trusted);
    }
    SE_TRY(env, lmdb::Env::open_reader(
                    generation_directory(context.paths().projection(), facts.generation),
                    ProjectionOptions{}.map_bytes_max));
    SE_TRY(snapshot, Snapshot::of(*env));
    Rebuild::Report report{};
    report.equal = true;
    report.seq = snapshot.seq();
    SE_TRY(state, fold_up_to(context, snapshot.seq(), &report.records));
    SE_TRY_OK(compare(state, snapshot, &report));
    return Preview(std::move(report));
}

}  // namespace se::statectl
