// journal ls, cat, tail, grep, stats: the records as they stand. All of it reads files, beside a daemon
// or without one.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>

#include "journal/base/time_text.h"
#include "tools/statectl/commands.h"
#include "tools/statectl/journal_search.h"
#include "tools/statectl/no_options.h"
#include "tools/statectl/record_rows.h"
#include "tools/statectl/segments.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

constexpr std::chrono::milliseconds kTailPoll{100};
constexpr std::size_t kTopActors = 10;

/// Shows records, passes damage by, and knows the exit code for it.
class Shower {
public:
    explicit Shower(Context& context) : items_(record_items(context.form())) {}

    void show(const RecordView& record) { items_.add(record.line); }
    void note(const Fault& fault) {
        damaged_ = true;
        complain("damage, going on behind it: " + to_text(fault));
    }
    void note_store_file(const std::string& why) {
        damaged_ = true;
        complain("damage: " + why);
    }
    std::uint64_t count() const { return items_.count(); }
    /// So far: what is there is to be seen now.
    Outcome<Ok> flush() {
        items_.flush();
        return flush_output();
    }
    int finish(int exit = kOk) {
        items_.finish();
        return damaged_ ? kDamage : exit;
    }

private:
    Items items_;
    bool damaged_ = false;
};

// --- ls

Outcome<int> ls(Context& context, const NoOptions&) {
    SE_TRY_OK(context.need_files("journal ls"));
    SE_TRY(segments, segment_facts(context));
    Items items(context.form(), {"SEGMENT", "FIRST", "LAST", "EPOCHS", "USED", "ON DISK", "STATE"},
                [](const Json& segment) {
                    const auto bytes = [&](std::string_view name) {
                        return bytes_text(static_cast<std::uint64_t>(segment.find(name)->integer()));
                    };
                    std::string epochs = cell(segment, "epochFirst");
                    if (cell(segment, "epochLast") != epochs) epochs += " to " + cell(segment, "epochLast");
                    const bool active = segment.find("active")->boolean();
                    const bool indexed = segment.find("indexed")->boolean();
                    return Cells{cell(segment, "segment"), cell(segment, "first"),
                                 cell(segment, "last"),    epochs,
                                 bytes("bytes"),           bytes("size"),
                                 active ? "active" : indexed ? "indexed" : "not indexed yet"};
                });
    for (const SegmentFacts& segment : segments) {
        std::string text;
        JsonObject json(text);
        json.text("segment", StorePaths::segment_name(segment.first))
            .integer("first", segment.first.value);
        if (segment.last == Seq{}) json.null("last");
        else json.integer("last", segment.last.value);
        json.integer("epochFirst", segment.epoch_first.value)
            .integer("epochLast", segment.epoch_last.value)
            .integer("bytes", segment.bytes_used)
            .integer("size", segment.bytes_on_disk)
            .boolean("indexed", segment.indexed)
            .boolean("active", segment.active)
            .close();
        items.add(text);
    }
    items.finish();
    return kOk;
}

// --- cat

struct CatOptions {
    std::uint64_t from = 1;
    std::uint64_t to = UINT64_MAX;
};

Outcome<int> cat(Context& context, const CatOptions& options) {
    SE_TRY_OK(context.need_files("journal cat"));
    say_if_stale(context, Seq{options.to});
    Shower shower(context);
    SE_TRY_OK(for_each_record(
        context, Seq{options.from},
        [&](const RecordView& record) {
            if (record.seq.value > options.to) return false;
            shower.show(record);
            return record.seq.value < options.to;
        },
        [&](const Fault& fault) { shower.note(fault); },
        [&](const std::string& why) { shower.note_store_file(why); }));
    if (shower.count() != 0 || options.from == 1) return shower.finish();
    complain(fmt::format("seq {} is not there yet", options.from));
    return shower.finish(kNotFound);
}

// --- tail

struct TailOptions {
    std::uint64_t count = 10;
    bool follow = false;
};

Outcome<int> tail(Context& context, const TailOptions& options) {
    SE_TRY_OK(context.need_files("journal tail"));
    SE_TRY_OK(context.need_store());
    say_if_stale(context);
    Shower shower(context);
    SE_TRY(reader, JournalReader::open(context.files, context.paths()));
    SE_TRY(durable, reader.durable());
    const std::uint64_t from = durable.value > options.count ? durable.value - options.count + 1 : 1;
    if (durable != Seq{}) SE_TRY_OK(reader.seek(Seq{from}));
    if (options.follow) catch_interrupts();
    const std::uint64_t to = options.count == 0 ? 0 : UINT64_MAX;
    if (to == 0 && durable != Seq{}) {
        // From here on, nothing of the past: pass the last one by.
        SE_TRY_OK(reader.seek(durable));
        SE_TRY_OK(reader.next());
    }
    while (!interrupted()) {
        auto record = reader.next();
        if (!record) {
            if (record.error().code != Errc::corruption || !reader.fault()) return record.error();
            shower.note(*reader.fault());
            SE_TRY_OK(reader.skip_fault());
            continue;
        }
        if (*record != nullptr) {
            shower.show(**record);
            continue;
        }
        if (!options.follow) break;
        SE_TRY_OK(shower.flush());
        std::this_thread::sleep_for(kTailPoll);
    }
    return shower.finish();
}

// --- grep

struct GrepOptions {
    std::string key, actor, id, kind, code, since, until, text;
};

bool matches(std::string_view pattern, std::string_view text) {
    if (pattern.ends_with('*')) return text.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == text;
}

Outcome<int> grep(Context& context, const GrepOptions& options) {
    SE_TRY_OK(context.need_files("journal grep"));
    std::optional<Time> since, until;
    if (!options.since.empty()) {
        SE_TRY(time, time_of_option(options.since, context.clock));
        since = time;
    }
    if (!options.until.empty()) {
        SE_TRY(time, time_of_option(options.until, context.clock));
        until = time;
    }
    const auto wanted = [&](const RecordView& record) {
        if (since && record.ts < *since) return false;
        if (!options.kind.empty() && record.kind_text != options.kind && record.note != options.kind)
            return false;
        if (!options.code.empty() && record.code != options.code) return false;
        if (!options.id.empty() && record.id != options.id) return false;
        if (!options.actor.empty() && !matches(options.actor, record.actor)) return false;
        if (!options.key.empty() && std::ranges::none_of(record.changes, [&](const auto& change) {
                return matches(options.key, change.key);
            }))
            return false;
        return options.text.empty() || record.line.find(options.text) != record.line.npos;
    };
    say_if_stale(context);
    Shower shower(context);
    SE_TRY_OK(for_each_record(
        context, Seq{1},
        [&](const RecordView& record) {
            if (until && record.ts > *until) return false;  // ts never decreases
            if (wanted(record)) shower.show(record);
            return true;
        },
        [&](const Fault& fault) { shower.note(fault); }));
    return shower.finish(shower.count() == 0 ? kNotFound : kOk);
}

// --- stats

struct Stats {
    std::uint64_t records = 0, bytes = 0;
    Time first, last;
    std::map<std::string, std::uint64_t> kinds, codes, actors, ops;
    std::uint64_t faults = 0;

    void add(const RecordView& record) {
        if (records++ == 0) first = record.ts;
        last = record.ts;
        bytes += record.line.size();
        ++kinds[std::string(record.kind_text)];
        if (!record.code.empty()) ++codes[std::string(record.code)];
        if (!record.actor.empty()) ++actors[std::string(record.actor)];
        if (record.kind != Kind::accepted) return;
        for (const auto& change : record.changes) ++ops[std::string(change.op)];
    }
    double seconds() const { return std::chrono::duration<double>(last - first).count(); }
};

using Ranked = std::vector<std::pair<std::string, std::uint64_t>>;

Ranked top(const std::map<std::string, std::uint64_t>& counts, std::size_t limit) {
    Ranked ranked(counts.begin(), counts.end());
    std::ranges::stable_sort(ranked, std::greater<>(), [](const auto& one) { return one.second; });
    if (ranked.size() > limit) ranked.resize(limit);
    return ranked;
}

std::string object_of(const Ranked& ranked) {
    std::string text;
    JsonObject json(text);
    for (const auto& [name, count] : ranked) json.integer(name, count);
    json.close();
    return text;
}

Outcome<int> stats(Context& context, const NoOptions&) {
    SE_TRY_OK(context.need_files("journal stats"));
    const auto why_stale = say_if_stale(context);
    Stats stats;
    SE_TRY_OK(for_each_record(
        context, Seq{1},
        [&](const RecordView& record) {
            stats.add(record);
            return true;
        },
        [&](const Fault& fault) {
            ++stats.faults;
            complain("damage, going on behind it: " + to_text(fault));
        }));
    const double per_record =
        stats.records == 0 ? 0 : static_cast<double>(stats.bytes) / static_cast<double>(stats.records);
    const double per_second =
        stats.seconds() <= 0 ? 0 : static_cast<double>(stats.records) / stats.seconds();
    const Ranked kinds = top(stats.kinds, SIZE_MAX), codes = top(stats.codes, SIZE_MAX),
                 ops = top(stats.ops, SIZE_MAX), actors = top(stats.actors, kTopActors);
    if (context.form() == Form::table) {
        std::vector<std::pair<std::string, std::string>> facts{
            {"records", std::to_string(stats.records)},
            {"bytes", fmt::format("{} ({:.0f} a record)", bytes_text(stats.bytes), per_record)}};
        if (stats.records != 0) {
            facts.emplace_back("from", to_text(stats.first));
            facts.emplace_back("to", to_text(stats.last));
            facts.emplace_back("records a second", fmt::format("{:.3g}", per_second));
        }
        for (const auto& [title, ranked] :
             {std::pair("kind", &kinds), {"code", &codes}, {"op", &ops}, {"actor", &actors}}) {
            for (const auto& [name, count] : *ranked)
                facts.emplace_back(fmt::format("{} {}", title, name), std::to_string(count));
        }
        print_facts(facts);
    } else {
        std::string text;
        JsonObject json(text);
        json.integer("records", stats.records).integer("bytes", stats.bytes);
        json.number("bytesPerRecord", per_record);
        if (stats.records != 0) json.text("from", to_text(stats.first)).text("to", to_text(stats.last));
        json.number("recordsPerSecond", per_second)
            .raw("kinds", object_of(kinds))
            .raw("codes", object_of(codes))
            .raw("ops", object_of(ops))
            .raw("actors", object_of(actors))
            .integer("faults", stats.faults);
        add_stale(json, why_stale);
        json.close();
        print(text + "\n");
    }
    return stats.faults == 0 ? kOk : kDamage;
}

void add_tail(CommandLine& line, CLI::App* parent, const std::string& help) {
    auto options = std::make_shared<TailOptions>();
    CLI::App* command = line.add(parent, "tail", help,
                                 "  statectl journal tail\n"
                                 "  statectl journal tail -n 0 -f | jq -c '[.seq,.kind,.changes]'");
    command->add_option("-n,--lines", options->count, "How many of the last (default 10)")
        ->check(not_negative)
        ->type_name("N");
    command->add_flag("-f,--follow", options->follow, "Go on with what comes, until Ctrl-C");
    line.on(command, options, tail);
}

}  // namespace

void add_journal_records(CommandLine& line, CLI::App* journal) {
    line.on(line.add(journal, "ls", "Show the segments", "  statectl journal ls -o table"),
            std::make_shared<NoOptions>(), ls);
    {
        auto options = std::make_shared<CatOptions>();
        CLI::App* command = line.add(journal, "cat", "Show records as they stand",
                                     "  statectl journal cat --from 100 --to 200\n"
                                     "  statectl journal cat | jq -r .kind | sort | uniq -c\n"
                                     "  statectl journal cat --from 100 -o table\n"
                                     "Damage is named, what lies behind it is shown; the exit code is "
                                     "then 4.");
        command->add_option("--from", options->from, "First seq")->check(at_least_one)->type_name("SEQ");
        command->add_option("--to", options->to, "Last seq")->check(at_least_one)->type_name("SEQ");
        line.on(command, options, cat);
    }
    add_tail(line, journal, "Show the last records, and those that come");
    {
        auto options = std::make_shared<GrepOptions>();
        CLI::App* command =
            line.add(journal, "grep", "Show the records that match; exit code 5 if none does",
                     "  statectl journal grep --key 'user.fact.*' --kind rejected\n"
                     "  statectl journal grep --actor git:a5057c85 --since 2h\n"
                     "  statectl journal grep --id quickstart-first-steps\n"
                     "  statectl journal grep 'going live'\n"
                     "All that is given must match. A * at the end of --key or --actor stands for "
                     "anything.");
        command->add_option("TEXT", options->text, "Text that occurs in the record's line");
        command->add_option("--key", options->key, "A key that it is about")->type_name("KEY");
        command->add_option("--actor", options->actor, "Who")->type_name("NAME");
        command->add_option("--id", options->id, "The proposal's id")->type_name("TEXT");
        command->add_option("--kind", options->kind,
                            "accepted, rejected, config, note, ... or the name of a note: opened")
            ->type_name("KIND");
        command->add_option("--code", options->code, "Why it was rejected")->type_name("CODE");
        command->add_option("--since", options->since, "A time, or how long ago: 2h")->type_name("TIME");
        command->add_option("--until", options->until, "A time, or how long ago")->type_name("TIME");
        line.on(command, options, grep);
    }
    line.on(line.add(journal, "stats", "Count records by kind, code, op and actor",
                     "  statectl journal stats -o table"),
            std::make_shared<NoOptions>(), stats);
}

void add_journal(CommandLine& line) {
    CLI::App* journal = line.add(&line.app, "journal", "Read, check and repair the journal",
                                 "  statectl journal tail -f\n"
                                 "  statectl journal verify\n"
                                 "  statectl journal replay --to-seq 100 user.\n"
                                 "All of these work with the daemon running, stopped or unable to start.");
    journal->require_subcommand(1);
    add_journal_records(line, journal);
    add_journal_checks(line, journal);
    add_tail(line, &line.app, "The same as `journal tail`");
}

}  // namespace se::statectl
