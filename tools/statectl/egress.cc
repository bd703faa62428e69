// egress status, egress deadletters ls|show|retry|drop: what goes out, and what no peer would take.
// With a daemon its followers are asked, without one the files.

#include <fmt/format.h>

#include <algorithm>

#include "engine/api/target.h"
#include "engine/egress/dead_letters.h"
#include "engine/egress/fired_messages.h"
#include "journal/base/time_text.h"
#include "journal/follower_mark.h"
#include "tools/statectl/door.h"
#include "tools/statectl/egress_commands.h"
#include "tools/statectl/embedded.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

constexpr std::uint64_t kMarkBytes = 64u << 10;
/// They send what rules fire; each other follower has messages of its own making.
constexpr std::string_view kOfFired[] = {"egress-file", "egress-webhook"};

struct EgressOptions {
    std::string follower;  ///< empty: all of them
};

struct LettersChosen {
    std::string follower;
    std::vector<std::string> letters;
    bool all = false;
    WhyFlags why;
    bool dry_run = false;
    bool yes = false;
};

// --- status

Items status_items(Form form) {
    return Items(
        form,
        {"FOLLOWER", "WATERMARK", "LAG", "DELIVERED", "RETRIED", "DEAD", "BREAKER", "TROUBLE"},
        [](const Json& one) -> Cells {
            std::string trouble = cell(one, "trouble");
            if (one.find("atHead")) trouble = "at head: " + cell(one, "atHead");
            return {cell(one, "name"),    cell(one, "watermark"),
                    cell(one, "lag"),     cell(one, "delivered"),
                    cell(one, "retried"), cell(one, "deadLetters"),
                    cell(one, "breaker"), trouble};
        });
}

/// What the files say: who ever followed, how far, and how many letters there are.
Outcome<std::vector<std::string>> statuses_of_follower_files(Context& context) {
    std::vector<std::string> names;
    if (auto listed = context.files.list(context.paths().followers())) names = *std::move(listed);
    std::erase_if(names, [](const std::string& name) { return name.ends_with(".new"); });
    SE_TRY(dead, DeadLetters::names(context.files, context.paths()));
    names.insert(names.end(), dead.begin(), dead.end());
    std::ranges::sort(names);
    names.erase(std::ranges::unique(names).begin(), names.end());
    const auto head = read_head(context.files, context.paths().head());
    std::vector<std::string> follower_statuses;
    for (const std::string& name : names) {
        std::string text;
        JsonObject json(text);
        json.text("name", name);
        const auto file =
            read_file(context.files, context.paths().followers() + "/" + name, kMarkBytes);
        const auto mark = file ? parse_follower_mark(*file) : std::nullopt;
        if (mark) {
            json.text("watermark", to_text(Cursor{mark->epoch, mark->seq}));
            if (head && *head)
                json.integer("lag", std::max((*head)->durable, mark->seq).value - mark->seq.value);
        } else {
            json.null("watermark")
                .text("trouble", "its watermark is missing or bad: it will begin at the head");
        }
        SE_TRY(told, DeadLetters::read(context.files, context.paths(), name));
        json.integer("deadLetters", told.letters.size());
        if (!told.damaged.empty()) json.integer("damagedLetters", told.damaged.size());
        json.close();
        follower_statuses.push_back(std::move(text));
    }
    return follower_statuses;
}

Outcome<std::vector<std::string>> follower_statuses(Context& context, std::optional<Door>& door) {
    if (!door) {
        SE_TRY_OK(context.need_store());
        return statuses_of_follower_files(context);
    }
    SE_TRY(body, body_of(door->get("/v1/operator/followers")));
    const auto json = parse_json(body, 1000);
    const Json* const all = json ? json->find("followers") : nullptr;
    if (all == nullptr || !all->is_array())
        return Failure(kError, "the daemon's answer is not understood");
    std::vector<std::string> texts;
    for (const Json& one : all->array()) texts.push_back(to_text(one));
    return texts;
}

Outcome<int> egress_status(Context& context, const EgressOptions& options) {
    SE_TRY(door, find_daemon(context));
    SE_TRY(all, follower_statuses(context, door));
    Items items = status_items(context.form());
    for (const std::string& one : all) {
        const auto json = parse_json(one);
        if (options.follower.empty() || (json && cell(*json, "name") == options.follower))
            items.add(one);
    }
    items.finish();
    if (items.count() != 0) return kOk;
    if (!options.follower.empty())
        return Failure(kNotFound, fmt::format("no follower is called {}", options.follower));
    remark(door ? "nothing goes out: egress.file and egress.webhook_url name no place"
                : "nothing has gone out of this store");
    return kOk;
}

// --- deadletters ls, show

Items letter_items(Form form) {
    return Items(form, {"FOLLOWER", "ID", "TIME", "ATTEMPTS", "RETRY", "REASON"},
                 [](const Json& one) -> Cells {
                     return {cell(one, "follower"), cell(one, "id"),    cell(one, "ts"),
                             cell(one, "attempts"), cell(one, "retry"), cell(one, "reason")};
                 });
}

void append_dead_letter(JsonObject& json, const std::string& follower, const DeadLetter& letter) {
    json.text("follower", follower)
        .text("id", letter.id)
        .text("at", to_text(letter.at))
        .text("ts", to_text(letter.ts))
        .integer("attempts", letter.attempts)
        .text("reason", letter.reason);
    if (letter.retry) json.boolean("retry", true);
}

/// The one that is named, or all that have letters or may have some. Whether there is one of that
/// name a daemon says itself.
Outcome<std::vector<std::string>> chosen_followers(Context& context, std::optional<Door>& door,
                                                   const std::string& named) {
    if (door && !named.empty()) return std::vector{named};
    std::vector<std::string> names;
    SE_TRY(all, follower_statuses(context, door));
    for (const std::string& one : all) {
        if (const auto json = parse_json(one)) names.push_back(cell(*json, "name"));
    }
    if (named.empty()) return names;
    if (std::ranges::find(names, named) == names.end())
        return Failure(kNotFound, fmt::format("no follower is called {}", named));
    return std::vector{named};
}

std::string query_of(const std::string& follower) {
    return "?follower=" + percent_encode(follower);
}

Outcome<int> list_dead_letters(Context& context, const EgressOptions& options) {
    SE_TRY(door, find_daemon(context));
    SE_TRY(followers, chosen_followers(context, door, options.follower));
    Items items = letter_items(context.form());
    for (const std::string& follower : followers) {
        std::uint64_t damaged = 0;
        if (door) {
            SE_TRY(body, body_of(door->get("/v1/operator/deadletters" + query_of(follower))));
            const auto json = parse_json(body, 1000);
            const Json* const letters = json ? json->find("deadLetters") : nullptr;
            if (letters == nullptr) return Failure(kError, "the daemon's answer is not understood");
            for (const Json& letter : letters->array()) items.add(to_text(letter));
            if (const Json* count = json->find("damaged"))
                damaged = static_cast<std::uint64_t>(count->integer());
        } else {
            SE_TRY(told, DeadLetters::read(context.files, context.paths(), follower));
            damaged = told.damaged.size();
            for (const auto& [id, letter] : told.letters) {
                std::string text;
                JsonObject json(text);
                append_dead_letter(json, follower, letter);
                json.close();
                items.add(text);
            }
        }
        if (damaged != 0)
            complain(
                fmt::format("{} lines of {}'s dead letters are damaged; they are kept as they are",
                            damaged, follower));
    }
    items.finish();
    return kOk;
}

/// Whose letter that is, when nobody said.
Outcome<std::string> follower_of(Context& context, std::optional<Door>& door,
                                 const std::string& named, const std::string& id) {
    SE_TRY(followers, chosen_followers(context, door, named));
    if (!named.empty()) return named;
    std::vector<std::string> found;
    for (const std::string& follower : followers) {
        bool there = false;
        if (door) {
            SE_TRY(reply, door->get("/v1/operator/deadletters/" + percent_encode(id) +
                                    query_of(follower)));
            there = reply.status == 200;
        } else {
            SE_TRY(told, DeadLetters::read(context.files, context.paths(), follower));
            there = told.letters.contains(id);
        }
        if (there) found.push_back(follower);
    }
    if (found.size() == 1) return found.front();
    if (found.empty()) return Failure(kNotFound, fmt::format("no dead letter has the id {}", id));
    return Failure(kUsage, fmt::format("several followers have it: say --follower {}",
                                       fmt::join(found, " or --follower ")));
}

/// Made again from its record, as the follower would.
std::string message_in_files(Context& context, const std::string& follower,
                             const DeadLetter& letter) {
    std::string text;
    JsonObject json(text);
    append_dead_letter(json, follower, letter);
    const auto say = [&](const std::string& why) {
        json.text("why", why).close();
        return text;
    };
    if (std::ranges::find(kOfFired, follower) == std::end(kOfFired))
        return say(
            fmt::format("its message is made by {} alone; its record is shown by `statectl "
                        "journal cat --from {} --to {}`",
                        follower, letter.at.seq.value, letter.at.seq.value));
    auto reader = JournalReader::open(context.files, context.paths());
    if (!reader) return say(reader.error().text);
    const auto record = reader->at(letter.at.seq);
    if (!record) return say(record.error().text);
    std::vector<Message> messages;
    const Status made = fired_messages(**record, reader->store(), &messages);
    if (!made) return say(made.error().text);
    const auto found = std::ranges::find(messages, letter.id, &Message::id);
    if ((*record)->epoch != letter.at.epoch || found == messages.end())
        return say("its record does not hold it any more");
    json.text("type", found->type);
    if (!found->trace.empty()) json.text("trace", found->trace);
    json.text("message", found->body).close();
    return text;
}

Outcome<int> show_dead_letter(Context& context, const LettersChosen& options) {
    const std::string& id = options.letters.front();
    SE_TRY(door, find_daemon(context));
    if (!door) SE_TRY_OK(context.need_store());
    SE_TRY(follower, follower_of(context, door, options.follower, id));
    std::string shown;
    if (door) {
        SE_TRY(body, body_of(door->get("/v1/operator/deadletters/" + percent_encode(id) +
                                       query_of(follower))));
        shown = std::move(body);
    } else {
        SE_TRY(told, DeadLetters::read(context.files, context.paths(), follower));
        const auto found = told.letters.find(id);
        if (found == told.letters.end())
            return Failure(kNotFound, fmt::format("no dead letter has the id {}", id));
        shown = message_in_files(context, follower, found->second);
    }
    show_object(context.form(), shown);
    return kOk;
}

// --- deadletters retry, drop

std::string order_body(const LettersChosen& options, const Why& why) {
    Json body(Json::Object{{"reason", why.reason}});
    if (!why.id.empty()) body.set("id", why.id);
    if (!options.all) {
        Json::Array letters(options.letters.begin(), options.letters.end());
        body.set("letters", std::move(letters));
    }
    return to_text(body);
}

/// {"status":"accepted","follower":…,"letters":[…],"seq"?,"dryRun"?}
Json order_told(const std::string& follower, const std::vector<std::string>& letters,
                bool dry_run) {
    Json told(Json::Object{{"status", "accepted"}, {"follower", follower}});
    told.set("letters", Json::Array(letters.begin(), letters.end()));
    if (dry_run) told.set("dryRun", true);
    return told;
}

/// The daemon takes as many as fit one record at a time.
Outcome<Json> order_at_daemon(Door& door, const std::string& follower, bool retry,
                              const LettersChosen& options, bool dry_run, const Why& why) {
    Json::Array letters;
    for (;;) {
        const std::string target =
            fmt::format("/v1/operator/deadletters/{}{}&dryRun={}", retry ? "retry" : "drop",
                        query_of(follower), dry_run);
        SE_TRY(body, body_of(door.post(target, order_body(options, why))));
        const auto json = parse_json(body);
        const Json* const some = json ? json->find("letters") : nullptr;
        if (some == nullptr || !some->is_array())
            return Failure(kError, "the daemon's answer is not understood");
        letters.insert(letters.end(), some->array().begin(), some->array().end());
        const Json* const more = json->find("more");
        const bool is_more = more != nullptr && more->is_bool() && more->boolean();
        if (is_more && !dry_run) continue;
        Json told = *json;
        if (!is_more) told.erase("more");
        told.set("letters", std::move(letters));
        return told;
    }
}

Outcome<std::vector<std::string>> letters_here(Context& context, const std::string& follower,
                                               bool retry, const LettersChosen& options) {
    SE_TRY(told, DeadLetters::read(context.files, context.paths(), follower));
    std::vector<std::string> chosen = options.letters;
    if (options.all) {
        for (const auto& [id, letter] : told.letters) {
            if (!retry || !letter.retry) chosen.push_back(id);
        }
    }
    for (const std::string& id : chosen) {
        if (!told.letters.contains(id))
            return Failure(kNotFound,
                           fmt::format("no dead letter of {} has the id {}", follower, id));
    }
    return chosen;
}

/// The record first, then the deed, as the daemon does it.
Outcome<Json> order_here(Context& context, const std::string& follower, bool retry,
                         const std::vector<std::string>& letters, const Why& why) {
    constexpr std::size_t kLettersInNote = 1'000;
    SE_TRY(engine, open_waiting(context, std::nullopt, Pace::single, [] { return false; }));
    SE_TRY(file, DeadLetters::open(context.files, context.paths(), follower));
    Json told = order_told(follower, letters, false);
    for (std::size_t begin = 0; begin < letters.size(); begin += kLettersInNote) {
        const std::size_t end = std::min(letters.size(), begin + kLettersInNote);
        Json::Array some;
        for (std::size_t i = begin; i < end; ++i) some.emplace_back(letters[i]);
        Json noted(Json::Object{{"follower", follower}, {"reason", why.reason}});
        noted.set("letters", std::move(some));
        std::optional<Result<Seq>> seq;
        engine->engine().note(
            retry ? "dead_letters_retried" : "dead_letters_dropped", to_text(noted),
            engine->caller(""), [&](Result<Seq> done) { seq = std::move(done); }, why);
        engine->run_until([&] { return seq.has_value(); });
        if (!*seq) return seq->error();
        told.set("seq", static_cast<std::int64_t>((**seq).value));
        for (std::size_t i = begin; i < end; ++i) {
            SE_TRY_OK(retry ? file.ask_retry(letters[i]) : file.remove(letters[i]));
        }
    }
    SE_TRY_OK(engine->close());
    return told;
}

Outcome<int> order_letters(Context& context, const LettersChosen& given, bool retry) {
    LettersChosen options = given;
    std::ranges::sort(options.letters);  // one that is named twice is one
    options.letters.erase(std::ranges::unique(options.letters).begin(), options.letters.end());
    if (options.all == !options.letters.empty())
        return Failure(kUsage, "name the ids of the letters, or say --all");
    if (options.all && options.follower.empty())
        return Failure(kUsage, "--all is for one follower: say --follower NAME");
    const Why why =
        why_of(options.why, retry ? "egress deadletters retry" : "egress deadletters drop");
    SE_TRY(door, find_daemon(context));
    if (!door) SE_TRY_OK(context.need_store());
    SE_TRY(follower, follower_of(context, door, options.follower,
                                 options.all ? std::string() : options.letters.front()));
    Json plan;
    if (door) {
        SE_TRY(planned, order_at_daemon(*door, follower, retry, options, true, why));
        plan = planned;
    } else {
        SE_TRY(letters, letters_here(context, follower, retry, options));
        plan = order_told(follower, letters, true);
    }
    const Json::Array& letters = plan.find("letters")->array();
    if (!options.dry_run && !letters.empty()) {
        if (!retry) {
            for (const Json& id : letters) remark("  " + id.string());
            SE_TRY(sure,
                   confirm(fmt::format(
                               "{}{} dead letters of {} will be dropped and never be delivered. "
                               "Go on?",
                               plan.find("more") ? "more than " : "", letters.size(), follower),
                           options.yes));
            if (!sure) return kError;
        }
        if (door) {
            SE_TRY(done, order_at_daemon(*door, follower, retry, options, false, why));
            plan = done;
        } else {
            std::vector<std::string> ids;
            for (const Json& id : letters) ids.push_back(id.string());
            SE_TRY(done, order_here(context, follower, retry, ids, why));
            plan = done;
            if (retry) remark("they are handed over once more when the daemon runs");
        }
    }
    if (!options.dry_run) plan.erase("dryRun");
    show_object(context.form(), to_text(plan));
    return kOk;
}

Outcome<int> retry_dead_letters(Context& context, const LettersChosen& options) {
    return order_letters(context, options, true);
}
Outcome<int> drop_dead_letters(Context& context, const LettersChosen& options) {
    return order_letters(context, options, false);
}

}  // namespace

void add_egress(CommandLine& line) {
    CLI::App* egress =
        line.add(&line.app, "egress", "What goes out: followers and their dead letters",
                 "  statectl egress status -o table\n"
                 "  statectl egress deadletters ls");
    egress->require_subcommand(1);
    const auto name_follower = [](CLI::App* command, std::string& into) {
        command->add_option("--follower", into, "Of this one only, as `egress status` names it")
            ->type_name("NAME");
    };
    auto status_options = std::make_shared<EgressOptions>();
    CLI::App* command =
        line.add(egress, "status", "Show how far each follower is, and what troubles it",
                 "  statectl egress status -o table");
    name_follower(command, status_options->follower);
    line.on(command, status_options, egress_status);

    CLI::App* letters = line.add(egress, "deadletters", "Messages that no peer would take",
                                 "  statectl egress deadletters ls");
    letters->require_subcommand(1);
    auto list_options = std::make_shared<EgressOptions>();
    command = line.add(letters, "ls", "List them", "  statectl egress deadletters ls -o table");
    name_follower(command, list_options->follower);
    line.on(command, list_options, list_dead_letters);

    auto show_options = std::make_shared<LettersChosen>();
    command = line.add(letters, "show", "Show one, and what it says, made again from its record",
                       "  statectl egress deadletters show ID");
    name_follower(command, show_options->follower);
    command->add_option("ID", show_options->letters, "Its id")->required()->expected(1);
    line.on(command, show_options, show_dead_letter);

    const auto add_order = [&](const char* name, const char* help, const char* examples,
                               Outcome<int> (*work)(Context&, const LettersChosen&)) {
        auto options = std::make_shared<LettersChosen>();
        CLI::App* ordered = line.add(letters, name, help, examples);
        name_follower(ordered, options->follower);
        ordered->add_option("ID", options->letters, "Their ids");
        ordered->add_flag("--all", options->all, "All of the follower's");
        ordered->add_flag("--dry-run", options->dry_run, "Say which they are; change nothing");
        ordered->add_flag("--yes", options->yes, "Do not ask");
        add_why_flags(ordered, options->why);
        line.on(ordered, options, work);
    };
    add_order("retry", "Hand them over once more, under their old ids; it is journaled",
              "  statectl egress deadletters retry ID --reason \"the receiver is mended\"\n"
              "  statectl egress deadletters retry --all --follower egress-webhook",
              retry_dead_letters);
    add_order("drop", "Give them up; it is journaled",
              "  statectl egress deadletters drop ID --yes\n"
              "  statectl egress deadletters drop --all --follower egress-webhook --dry-run",
              drop_dead_letters);
}

}  // namespace se::statectl
