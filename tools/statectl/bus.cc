// bus status, shadow diff: the message bus of a daemon, and how a shadow compares with what it
// shadows.

#include "tools/statectl/bus_commands.h"

#include <fmt/format.h>

#include <map>

#include "engine/api/target.h"
#include "engine/egress/dead_letters.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "tools/statectl/commands.h"
#include "tools/statectl/door.h"
#include "tools/statectl/firestore_source.h"
#include "tools/statectl/line_source.h"
#include "tools/statectl/no_options.h"
#include "tools/statectl/reads.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

constexpr std::size_t kDocumentDepth = 512;
constexpr std::size_t kKeysHeldMax = 5'000'000;  // of an export; more: usage

Outcome<int> bus_status(Context& context, const NoOptions&) {
    SE_TRY(door, find_daemon(context));
    if (!door)
        return Failure(kUnavailable,
                       "no daemon runs on " + context.data + ": nobody is on the bus");
    if (!door->local())
        return Failure(kUsage,
                       "the bus is the operator's: ask by --data, through the daemon's socket");
    SE_TRY(body, body_of(door->get("/v1/operator/bus")));
    const auto bus = parse_json(body, kDocumentDepth);
    if (!bus || !bus->is_object()) return Failure(kError, "the daemon's answer is no JSON");
    if (context.form() == Form::table) {
        std::vector<std::pair<std::string, std::string>> facts;
        for (const auto& [name, value] : bus->object()) facts.emplace_back(name, cell(*bus, name));
        print_facts(facts);
    } else {
        print(to_text(*bus) + "\n");
    }
    const Json* const trouble = bus->find("trouble");
    return trouble == nullptr ? kOk : kUnavailable;
}

// --- dead letters: what the server refused for good

Outcome<int> list_letters(Context& context, const NoOptions&) {
    SE_TRY_OK(context.need_files("bus deadletters ls"));
    SE_TRY_OK(context.need_store());
    SE_TRY(told, DeadLetters::read(context.files, context.paths(), "nats"));
    Items items(context.form(), {"ID", "ATTEMPTS", "SINCE", "REASON"}, [](const Json& item) {
        return Cells{cell(item, "id"), cell(item, "attempts"), cell(item, "ts"),
                     cell(item, "reason")};
    });
    for (const auto& [id, letter] : told.letters) {
        std::string text;
        JsonObject(text)
            .text("id", id)
            .integer("epoch", letter.at.epoch.value)
            .integer("seq", letter.at.seq.value)
            .integer("attempts", letter.attempts)
            .text("ts", se::to_text(letter.ts))
            .text("reason", letter.reason)
            .boolean("retry", letter.retry)
            .close();
        items.add(text);
    }
    items.finish();
    if (told.damaged.empty()) return kOk;
    complain(
        fmt::format("{} lines of the list are damaged and left as they are", told.damaged.size()));
    return kDamage;
}

Outcome<int> ask_letter(Context& context, std::string_view command, bool drops,
                        const LetterOrder& order) {
    SE_TRY(door, find_daemon(context));
    if (!door)
        return Failure(kUnavailable,
                       "no daemon runs on " + context.data + ": it publishes, and so it retries");
    if (door->local()) {
        SE_TRY(told, DeadLetters::read(context.files, context.paths(), "nats"));
        if (!told.letters.contains(order.id))
            return Failure(kNotFound, "no dead letter of the bus has the id " + order.id);
    } else {
        SE_TRY_OK(body_of(door->get("/v1/operator/deadletters/" + percent_encode(order.id) +
                                    "?follower=nats")));
    }
    return order_letter(context, *door, "/v1/operator/bus/deadletters", command, drops, order);
}

Outcome<int> retry_letter(Context& context, const LetterOrder& order) {
    return ask_letter(context, "bus deadletters retry", false, order);
}
Outcome<int> drop_letter(Context& context, const LetterOrder& order) {
    return ask_letter(context, "bus deadletters drop", true, order);
}

struct DiffOptions {
    std::string file;
    bool values_only = false;
    bool firestore = false;
    FirestorePlace place;
};

using Documents = std::map<std::string, Json, std::less<>>;

/// What the original keeps of a key, and we must have alike. Times are of whoever wrote; they
/// differ.
constexpr std::string_view kCompared[] = {"value", "version", "ttl", "updatedBy", "metadata"};

/// A document of an export: {"key" or "id": …, then the snapshot, or a member "data" that holds
/// it}.
Outcome<std::pair<std::string, Json>> document_of(const LineSource::Line& line) {
    const auto wrong = [&](const std::string& why) {
        return Failure(kUsage, fmt::format("line {}: {}", line.number, why));
    };
    if (line.too_long) return wrong("it is too long");
    auto json = parse_json(line.text, kDocumentDepth);
    if (!json) return wrong(json.error().text);
    const Json* key = json->find("key");
    if (key == nullptr) key = json->find("id");
    if (key == nullptr || !key->is_string())
        return wrong(
            "a document is {\"key\": …, \"value\": …, \"version\": …, …}, and this one names no "
            "key");
    std::string name = key->string();
    if (const Json* const data = json->find("data"); data != nullptr && data->is_object())
        return std::pair(std::move(name), Json(*data));
    return std::pair(std::move(name), *std::move(json));
}

/// "version 3, not 4; …": what is otherwise here than there; empty: nothing.
std::string difference(const Json& ours, const Json& theirs, bool values_only) {
    std::string text;
    for (const std::string_view name : kCompared) {
        if (values_only && name != "value") continue;
        const Json* const here = ours.find(name);
        const Json* const there = theirs.find(name);
        const Json none;
        if ((here == nullptr ? none : *here) == (there == nullptr ? none : *there)) continue;
        text += fmt::format("{}{} {}, not {}", text.empty() ? "" : "; ", name,
                            here == nullptr ? "absent" : to_text(*here),
                            there == nullptr ? "absent" : to_text(*there));
    }
    return text;
}

Outcome<Ok> hold(Documents& documents, std::string key, Json document) {
    if (documents.size() == kKeysHeldMax)
        return Failure(kUsage, fmt::format("more than {} documents", kKeysHeldMax));
    documents.insert_or_assign(std::move(key), std::move(document));
    return Ok{};
}

Outcome<Documents> documents_of_file(Context& context, const std::string& file) {
    Documents documents;
    SE_TRY(lines, LineSource::open(context, file));
    for (;;) {
        SE_TRY(line, lines->next());
        if (!line) return documents;
        SE_TRY(document, document_of(*line));
        SE_TRY_OK(hold(documents, std::move(document.first), std::move(document.second)));
    }
}

/// One that no JSON can say is an empty one: it differs in all that it should have.
Outcome<Documents> documents_of_firestore(const FirestorePlace& place) {
    Documents documents;
    SE_TRY(source, FirestoreSource::open(place, {"state"}));
    for (;;) {
        SE_TRY(item, source->next());
        if (!item) return documents;
        if (!item->data) complain(fmt::format("state/{}: {}", item->id, item->bad));
        SE_TRY_OK(hold(documents, std::move(item->id),
                       item->data ? *std::move(item->data) : Json(Json::Object{})));
    }
}

Outcome<int> shadow_diff(Context& context, const DiffOptions& options) {
    if (options.firestore == !options.file.empty())
        return Failure(kUsage, "shadow diff takes either FILE or --firestore");
    SE_TRY(theirs, options.firestore ? documents_of_firestore(options.place)
                                     : documents_of_file(context, options.file));
    Items items(context.form(), {"KEY", "DIFFERENCE", "WHAT"}, [](const Json& item) {
        return Cells{cell(item, "key"), cell(item, "difference"), cell(item, "what")};
    });
    std::uint64_t compared = 0;
    const auto tell = [&](std::string_view key, std::string_view kind, std::string_view what) {
        std::string text;
        JsonObject(text).text("key", key).text("difference", kind).text("what", what).close();
        items.add(text);
    };
    SE_TRY(reads, Reads::open(context));
    SE_TRY_OK(reads->list("", [&](std::string_view text) {
        const auto ours = parse_json(text, kDocumentDepth);
        const std::string key = ours ? cell(*ours, "key") : std::string();
        const auto found = theirs.find(key);
        if (found == theirs.end()) return tell(key, "extra", "only here");
        ++compared;
        if (const std::string what = difference(*ours, found->second, options.values_only);
            !what.empty())
            tell(key, "different", what);
        theirs.erase(found);
    }));
    for (const auto& [key, document] : theirs) tell(key, "missing", "only in the original");
    items.finish();
    remark(fmt::format("{} keys are in both, {} differ", compared, items.count()));
    return items.count() == 0 ? kOk : kDamage;
}

}  // namespace

void add_bus(CommandLine& line) {
    CLI::App* bus = line.add(&line.app, "bus", "The message bus of a daemon",
                             "  statectl bus status -o table\n"
                             "  statectl bus deadletters ls");
    bus->require_subcommand(1);
    line.on(line.add(bus, "status", "Whether it is there, what was taken from it, and what waits",
                     "  statectl bus status -o json\n"
                     "The exit code is 7 while there is trouble with it."),
            std::make_shared<NoOptions>(), bus_status);
    CLI::App* letters = line.add(bus, "deadletters", "What the server refused for good",
                                 "  statectl bus deadletters ls -o table");
    letters->require_subcommand(1);
    line.on(line.add(letters, "ls", "List them", "  statectl bus deadletters ls -o table"),
            std::make_shared<NoOptions>(), list_letters);
    const auto one = [&](const std::string& name, const char* help,
                         Outcome<int> (*work)(Context&, const LetterOrder&)) {
        auto named = std::make_shared<LetterOrder>();
        CLI::App* command =
            line.add(letters, name, help, fmt::format("  statectl bus deadletters {} ID", name));
        add_letter_flags(command, *named, name == "drop");
        line.on(command, named, work);
    };
    one("retry", "Publish it once more, out of order", retry_letter);
    one("drop", "Give it up", drop_letter);
    CLI::App* shadow = line.add(&line.app, "shadow", "A shadow of another engine",
                                "  statectl shadow diff state.jsonl");
    shadow->require_subcommand(1);
    auto options = std::make_shared<DiffOptions>();
    CLI::App* diff = line.add(shadow, "diff",
                              "Compare the state with the original's documents",
                              "  statectl shadow diff state.jsonl\n"
                              "  statectl shadow diff --values-only - <state.jsonl.gz\n"
                              "Each line of the file is a document: {\"key\": …, \"value\": …, "
                              "\"version\": …, \"ttl\": …,\n"
                              "\"updatedBy\": …, \"metadata\": …}, gzip and zstd understood. The "
                              "exit code is 4 when something differs. With --firestore they are read "
                              "from the original's project:\n"
                              "  statectl shadow diff --firestore --project my-project");
    diff->add_option("FILE", options->file, "The export, JSON Lines; - is stdin");
    diff->add_flag("--firestore", options->firestore, "Read them where the original keeps them");
    add_place_flags(diff, options->place);
    diff->add_flag("--values-only", options->values_only,
                   "Compare values only: for a shadow that began later than the original");
    line.on(diff, options, shadow_diff);
}

}  // namespace se::statectl
