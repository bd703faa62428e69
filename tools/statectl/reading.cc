// get, list, history: what the state is and how it came to be.

#include <fmt/format.h>

#include <algorithm>

#include "engine/intake/proposal.h"
#include "engine/intake/utf8.h"
#include "tools/statectl/commands.h"
#include "tools/statectl/reads.h"
#include "tools/statectl/record_rows.h"
#include "tools/statectl/terminal.h"
#include "tools/statectl/watch.h"

namespace se::statectl {
namespace {

Outcome<Ok> check_keys(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
        const std::string problem = key_problem(key, Limits{});
        if (!problem.empty()) return Failure(kUsage, fmt::format("key '{}': {}", key, problem));
    }
    return Ok{};
}

struct GetOptions {
    std::vector<std::string> keys;
};

Outcome<int> get(Context& context, const GetOptions& options) {
    SE_TRY_OK(check_keys(options.keys));
    SE_TRY(reads, Reads::open(context));
    SE_TRY(found, reads->get(options.keys));
    const bool any = std::ranges::any_of(found, [](const auto& one) { return one.live; });
    if (context.form() == Form::json && found.size() == 1) {
        print(found.front().json + "\n");
    } else {
        Items items = entry_items(context.form());
        for (const auto& one : found) items.add(one.json);
        items.finish();
    }
    bool denied = false;
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (!found[i].denied) continue;
        denied = true;
        complain(fmt::format("{}: you may not read it", options.keys[i]));
    }
    if (denied) return kDenied;
    return any ? kOk : kNotFound;
}

struct ListOptions {
    std::string prefix;
};

Outcome<int> list(Context& context, const ListOptions& options) {
    if (!is_utf8(options.prefix)) return Failure(kUsage, "PREFIX is no UTF-8, and every key is");
    SE_TRY(reads, Reads::open(context));
    Items items = entry_items(context.form());
    SE_TRY_OK(reads->list(options.prefix, [&](std::string_view entry) { items.add(entry); }));
    items.finish();
    return kOk;
}

struct HistoryOptions {
    std::string key;
    std::size_t limit = 10'000;
};

Outcome<int> history(Context& context, const HistoryOptions& options) {
    SE_TRY_OK(check_keys({options.key}));
    SE_TRY(reads, Reads::open(context));
    SE_TRY(lines, reads->history(options.key, options.limit));
    Items items = history_items(context.form(), options.key);
    for (const std::string& line : lines) items.add(line);
    items.finish();
    SE_TRY(damaged, reads->ends_at_damage());
    if (!lines.empty()) return kOk;
    if (!damaged) return kNotFound;
    complain(fmt::format("the journal is damaged, and nothing before that changed {}: what is behind it "
                         "nobody knows. See `statectl journal verify`",
                         options.key));
    return kDamage;
}

}  // namespace

void add_reading(CommandLine& line) {
    {
        auto options = std::make_shared<GetOptions>();
        CLI::App* command = line.add(&line.app, "get", "Show the entries of some keys",
                                     "  statectl get stream.state\n"
                                     "  statectl get stream.state obs.scene -o json\n"
                                     "An absent key is shown with value null; the exit code is 5 "
                                     "only if all are absent,\nand 3 if you may not read one.");
        command->add_option("KEY", options->keys, "Keys, in the order to show them")->required();
        line.on(command, options, get);
    }
    {
        auto options = std::make_shared<ListOptions>();
        CLI::App* command = line.add(&line.app, "list", "Show all entries, ordered by key",
                                     "  statectl list\n"
                                     "  statectl list user.fact. -o jsonl | jq .value\n"
                                     "  statectl list obs. -o table");
        command->add_option("PREFIX", options->prefix, "Only keys that begin so");
        line.on(command, options, list);
    }
    {
        auto options = std::make_shared<HistoryOptions>();
        CLI::App* command = line.add(&line.app, "history",
                                     "Show the records that changed a key, oldest first",
                                     "  statectl history stream.state\n"
                                     "  statectl history stream.state --limit 5 -o json\n"
                                     "Records are shown as they stand in the journal.");
        command->add_option("KEY", options->key, "The key")->required();
        command->add_option("-n,--limit", options->limit, "At most so many, the newest")
            ->check(CLI::Range(std::size_t{1}, std::size_t{10'000'000}))
            ->type_name("N");
        line.on(command, options, history);
    }
    {
        auto options = std::make_shared<WatchOptions>();
        CLI::App* command = line.add(
            &line.app, "watch", "Show changes as they happen",
            "  statectl watch\n"
            "  statectl watch stream. -o jsonl | jq .entry.value\n"
            "  statectl watch --since 1763690400.42    from behind that record on\n"
            "  statectl watch obs.scene -n 1           wait for the next change\n"
            "Ctrl-C ends it and tells where to go on. Where the store went back to an earlier "
            "record\n(a repair, a restore), it says `resync`: what was shown behind that place is "
            "void.");
        command->add_option("PREFIX", options->prefix, "Only keys that begin so");
        command->add_option("--since", options->since, "Changes behind this place; default: from now")
            ->type_name("EPOCH.SEQ");
        command->add_option("-n,--count", options->count, "End after so many changes")
            ->check(at_least_one)
            ->type_name("N");
        line.on(command, options, watch);
    }
}

}  // namespace se::statectl
