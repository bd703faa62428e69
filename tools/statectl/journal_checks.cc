// journal verify, replay, repair: does history hold, what was the state then, and what to do about
// damage.

#include <fmt/format.h>

#include <charconv>

#include "journal/base/time_text.h"
#include "journal/erasures.h"
#include "journal/repair.h"
#include "journal/verify.h"
#include "projection/fold.h"
#include "tools/statectl/commands.h"
#include "tools/statectl/door.h"
#include "tools/statectl/embedded.h"
#include "tools/statectl/faults.h"
#include "tools/statectl/journal_search.h"
#include "tools/statectl/replay_check.h"
#include "tools/statectl/store_facts.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

// --- verify

struct VerifyFlags {
    bool no_hashes = false;
};

Outcome<int> verify_journal(Context& context, const VerifyFlags& flags) {
    SE_TRY_OK(context.need_files("journal verify"));
    SE_TRY_OK(context.need_store());
    Progress progress("verify", 1000);
    SE_TRY(facts, store_facts(context));
    SE_TRY(report, verify(context.files, context.paths(),
                          {.hashes = !flags.no_hashes,
                           .evidence = projection_evidence(facts),
                           .progress = [&](std::uint64_t done, std::uint64_t all) {
                               progress.at(all == 0 ? 1000 : done * 1000 / all, bytes_text(done));
                           }}));
    progress.clear();
    if (context.form() == Form::table) {
        print_facts({{"records", fmt::format("{} (seq {} to {})", report.records, report.first.value,
                                             report.last.value)},
                     {"segments", std::to_string(report.segments)},
                     {"bytes", bytes_text(report.bytes)},
                     {"durable", std::to_string(report.durable.value)},
                     {"given up", fmt::format("{} seqs, by `repaired` notes", report.repaired)},
                     {"torn", fmt::format("{} bytes, not known to be acknowledged", report.torn_bytes)},
                     {"root", flags.no_hashes ? "not asked for" : to_hex(report.root)},
                     {"faults", std::to_string(report.faults.size())}});
        print_faults(report.faults);
    } else {
        std::string text;
        JsonObject json(text);
        json.raw("faults", faults_json(report.faults))
            .integer("records", report.records)
            .integer("segments", report.segments)
            .integer("bytes", report.bytes)
            .integer("first", report.first.value)
            .integer("last", report.last.value)
            .integer("durable", report.durable.value)
            .integer("tornBytes", report.torn_bytes)
            .integer("repaired", report.repaired);
        if (!report.store_file.empty()) json.text("storeFile", report.store_file);
        if (!flags.no_hashes) json.text("root", to_hex(report.root));
        json.close();
        print(text + "\n");
    }
    if (!report.store_file.empty()) {
        complain("damage: " + report.store_file +
                 ". Bring it back from a backup: nothing opens the store without it");
    }
    if (report.faults.empty()) return report.store_file.empty() ? kOk : kDamage;
    complain(fmt::format("{} in acknowledged history. First try to bring back the segments from "
                         "a backup; what is truly lost is given up with `statectl journal repair "
                         "--accept-loss {}`",
                         count_of(report.faults), range_of(report.faults.front())));
    return kDamage;
}

// --- replay

struct ReplayOptions {
    std::string prefix;
    std::optional<std::uint64_t> to_seq;
    std::string to_time;
    bool verify = false;
    std::string policy;
};

Outcome<int> replay(Context& context, const ReplayOptions& options) {
    SE_TRY_OK(context.need_files("journal replay"));
    if (options.verify) {
        if (!options.prefix.empty() || options.to_seq || !options.to_time.empty())
            return Failure(kUsage, "--verify looks at the whole journal: leave PREFIX, --to-seq and --to-time out");
        return verify_replay(context, options.policy);
    }
    if (!options.policy.empty()) return Failure(kUsage, "--policy goes with --verify");
    if (options.to_seq && !options.to_time.empty())
        return Failure(kUsage, "--to-seq or --to-time, not both");
    std::optional<Time> to_time;
    if (!options.to_time.empty()) {
        SE_TRY(time, time_of_option(options.to_time, context.clock));
        to_time = time;
    }
    say_if_stale(context, Seq{options.to_seq.value_or(UINT64_MAX)});
    MemoryState state;
    std::optional<Fault> fault;
    Erasures erasures;
    Status folded = Ok{};
    Seq reached;
    const auto unnamed = [&] {
        const auto found = erasures.unnamed();
        return found && found->seq <= reached ? found : std::nullopt;
    };
    SE_TRY_OK(for_each_record(
        context, Seq{1},
        [&](const RecordView& record) {
            if (fault) return false;
            const bool behind = (options.to_seq && record.seq.value > *options.to_seq) ||
                                (to_time && record.ts > *to_time);
            // Further on only for the note that must name what was erased.
            if (behind && !unnamed()) return false;
            erasures.add(record);
            if (behind) return true;
            folded = state.fold(record);
            reached = record.seq;
            return static_cast<bool>(folded);
        },
        [&](const Fault& found) {
            if (!fault) fault = found;
        }));
    if (!folded) return folded.error();
    if (fault) {
        complain(fmt::format("damage: {}", to_text(*fault)));
        const bool before = options.to_seq && reached.value >= *options.to_seq;
        if (!before && (options.to_seq || to_time))
            return Failure(kDamage, fmt::format("the state then cannot be told: nothing is certain "
                                                "behind seq {}",
                                                reached.value));
    } else if (options.to_seq && reached.value < *options.to_seq) {
        SE_TRY(head, read_head(context.files, context.paths().head()));
        const std::uint64_t last = std::max(head ? head->durable.value : 0, reached.value);
        if (last < *options.to_seq)
            return Failure(kNotFound, fmt::format("seq {} is not there yet: the last is {}",
                                                  *options.to_seq, last));
    }
    Items items = entry_items(context.form());
    std::string json;
    for (const auto& [key, entry] : state.entries()) {
        if (entry.deleted || !key.starts_with(options.prefix)) continue;
        json.clear();
        append_entry_json(json, key, entry);
        items.add(json);
    }
    items.finish();
    if (const auto erased = unnamed()) complain(unnamed_erasure_text(*erased));
    return fault || unnamed() ? kDamage : kOk;
}

// --- repair

struct RepairOptions {
    std::string range;
    WhyFlags why;
    bool dry_run = false;
    bool yes = false;
};

Outcome<std::pair<Seq, Seq>> parse_range(std::string_view text) {
    std::uint64_t from = 0, to = 0;
    const char* const end = text.data() + text.size();
    const auto [middle, problem] = std::from_chars(text.data(), end, from);
    bool good = problem == std::errc();
    if (good && middle == end) {
        to = from;
    } else if (good) {
        const auto [rest, other] = std::from_chars(middle + 1, end, to);
        good = *middle == '-' && other == std::errc() && rest == end;
    }
    if (!good || from == 0 || to < from)
        return Failure(kUsage, fmt::format("--accept-loss {}: it takes two seqs, as in 17-20", text));
    return std::pair(Seq{from}, Seq{to});
}

void explain(const RepairPlan& plan) {
    remark(plan.loses_records
               ? fmt::format("Gives up seqs {} to {}, for ever:", plan.from.value, plan.to.value)
               : fmt::format("No record is lost; all of {} to {} are there:", plan.from.value, plan.to.value));
    for (const RepairPiece& piece : plan.pieces) {
        remark(fmt::format("  {} bytes at {}@{} go to journal/quarantine/ and are blanked in place",
                           piece.bytes, StorePaths::segment_name(piece.segment), piece.offset));
    }
    for (const Seq first : plan.headers)
        remark(fmt::format("  the header of {} is written anew", StorePaths::segment_name(first)));
    if (!plan.good_lost.empty()) {
        remark(fmt::format("  {} good records lie in that range and are given up too:",
                           plan.good_lost.size()));
        for (const std::string& id : plan.good_lost) remark("    " + id);
    }
}

/// With nobody else on the store: takes the lock, blanks, and opens once, which notes it in the journal.
Outcome<Ok> repair_here(Context& context, const RepairPlan& plan, const Why& why) {
    {
        SE_TRY(hold, wait_for_store(context, [&] { return hold_store(context.files, context.random, context.paths()); }));
        SE_TRY_OK(carry_out(context.files, context.paths(), hold, plan));
    }
    SE_TRY(engine, EmbeddedEngine::open(context, std::nullopt, Pace::single, why));
    engine->run_until([&] { return engine->engine().idle(); });
    if (engine->engine().damage())
        complain("there is more damage: " + to_text(engine->engine().damage()->fault));
    SE_TRY_OK(engine->close());
    return Ok{};
}

Outcome<int> repair(Context& context, const RepairOptions& options) {
    SE_TRY_OK(context.need_files("journal repair"));
    SE_TRY_OK(context.need_store());
    SE_TRY(range, parse_range(options.range));
    SE_TRY(facts, store_facts(context));
    SE_TRY(plan, plan_repair(context.files, context.paths(), range.first, range.second,
                             projection_evidence(facts)));
    explain(plan);
    std::string shown = to_json(plan, false);
    if (!options.dry_run) {
        const Why why = why_of(options.why, "journal repair");
        SE_TRY(agreed, confirm(plan.loses_records ? "Give them up?" : "Do it?", options.yes));
        if (!agreed) return Failure(kError, "nothing was changed");
        SE_TRY(door, find_daemon(context));
        if (door) {
            SE_TRY(body, body_of(door->post(fmt::format("/v1/operator/repair?from={}&to={}&dryRun=false",
                                                        range.first.value, range.second.value),
                                            body_of(why))));
            shown = body;
        } else {
            SE_TRY_OK(repair_here(context, plan, why));
            shown = to_json(plan, true);
        }
        remark("Done; a `repaired` note in the journal names what is gone.");
    } else {
        complain("dry run: nothing was changed");
    }
    show_object(context.form(), shown);
    return kOk;
}

}  // namespace

void add_journal_checks(CommandLine& line, CLI::App* journal) {
    {
        auto options = std::make_shared<VerifyFlags>();
        CLI::App* command =
            line.add(journal, "verify", "Read every byte and name every fault; exit code 4 if there is one",
                     "  statectl journal verify\n"
                     "  statectl journal verify -o json | jq .faults\n"
                     "Changes nothing, and runs beside a daemon.");
        command->add_flag("--no-hashes", options->no_hashes,
                          "Checksums only, without the Merkle tree: faster");
        line.on(command, options, verify_journal);
    }
    {
        auto options = std::make_shared<ReplayOptions>();
        CLI::App* command = line.add(
            journal, "replay", "Show the state as of a record or a time, folded from the journal alone",
            "  statectl journal replay\n"
            "  statectl journal replay --to-seq 4711 user.\n"
            "  statectl journal replay --to-time 2026-11-21T02:00:00Z\n"
            "  statectl journal replay --verify\n"
            "  statectl journal replay --verify --policy next.yaml\n"
            "Entries are shown as `list` shows them. Holds all keys in memory. --verify decides every proposal\n"
            "again, under the policy, the limits and the rules of its time, and shows the first record that says\n"
            "otherwise, exit code 4; with --policy all that this file would have decided or fired otherwise.");
        command->add_option("PREFIX", options->prefix, "Only keys that begin so");
        command->add_option("--to-seq", options->to_seq, "After this record")->type_name("SEQ");
        command->add_option("--to-time", options->to_time, "After all records up to then; or how long ago")
            ->type_name("TIME");
        command->add_flag("--verify", options->verify, "Decide everything again, and compare");
        command->add_option("--policy", options->policy, "With --verify: another policy file")->type_name("FILE");
        line.on(command, options, replay);
    }
    {
        auto options = std::make_shared<RepairOptions>();
        CLI::App* command = line.add(
            journal, "repair", "Give up damaged records, so that the store can be written to again",
            "  statectl journal repair --accept-loss 17-20 --dry-run\n"
            "  statectl journal repair --accept-loss 17-20\n"
            "The range is what `journal verify` names. The bytes are kept in journal/quarantine/, and a\n"
            "note in the journal says what is gone and who said so.");
        command->add_option("--accept-loss", options->range, "The seqs to give up")
            ->required()
            ->type_name("FROM-TO");
        add_why_flags(command, options->why);
        command->add_flag("--dry-run", options->dry_run, "Say what would happen; change nothing");
        command->add_flag("--yes", options->yes, "Do not ask");
        line.on(command, options, repair);
    }
}

}  // namespace se::statectl
