// status, reload, rebuild.

#include <fmt/format.h>

#include "engine/policy/config.h"
#include "engine/rebuilt.h"
#include "journal/base/time_text.h"
#include "projection/state_reader.h"
#include "tools/statectl/commands.h"
#include "tools/statectl/door.h"
#include "tools/statectl/embedded.h"
#include "tools/statectl/journal_search.h"
#include "tools/statectl/no_options.h"
#include "tools/statectl/rebuild_preview.h"
#include "tools/statectl/store_facts.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

void warn_of_fsync(std::string_view mode) {
    if (mode != "never") return;
    complain("journal.fsync is `never`: ANSWERS DO NOT WAIT FOR THE DISK; a power cut loses what was "
             "acknowledged in the last second");
}

// --- status

/// What a reader of the files meets, as far as it would go.
struct Met {
    std::string damage;                    ///< empty: nothing is damaged there
    std::optional<std::string> why_stale;  ///< without damage, which says enough
    Seq as_of;
};

std::string status_of_files(const StoreFacts& facts, const std::string& data, const Met& met) {
    std::string text;
    JsonObject json(text);
    json.text("state", facts.locked ? "held by a writer without a door" : "no daemon runs")
        .text("data", data)
        .text("store", facts.store);
    if (facts.head) {
        json.integer("epoch", facts.head->epoch.value)
            .integer("last", facts.head->durable.value)
            .integer("durable", facts.head->durable.value);
    }
    if (facts.watermark) {
        json.integer("applied", facts.watermark->seq.value).integer("liveKeys", facts.live_keys);
    } else {
        json.null("applied").text("projection", facts.why_not_trusted);
    }
    if (facts.policy) json.text("policy", facts.policy->digest());
    if (facts.opener) {
        json.text("fsync", facts.opener->fsync)
            .integer("pid", facts.opener->pid)
            .text("host", facts.opener->host)
            .text("program", facts.opener->program)
            .text("since", to_text(facts.opener->since));
    }
    json.integer("journalBytes", facts.journal_bytes);
    if (facts.free_bytes) json.integer("diskFreeBytes", *facts.free_bytes);
    json.integer("quarantined", facts.quarantine.size());
    if (!met.damage.empty()) {
        std::string fault;
        JsonObject(fault).text("fault", met.damage).close();
        json.raw("damage", fault);
    }
    add_stale(json, met.why_stale);
    json.close();
    return text;
}

Outcome<Met> met_in_files(Context& context) {
    auto reader = StateReader::open({.files = context.files,
                                     .paths = context.paths(),
                                     .cache_files = context.files,
                                     .cache_directory = context.paths().projection()},
                                    {});
    auto as_of = reader ? reader->refresh() : Result<StateReader::AsOf>(reader.error());
    if (!as_of && as_of.error().code == Errc::corruption)
        return Met{.damage = as_of.error().text, .why_stale = {}, .as_of = {}};
    if (!as_of) return as_of.error();
    Met met{.damage = "", .why_stale = {}, .as_of = as_of->seq};
    if (as_of->damage) met.damage = se::to_text(*as_of->damage);
    else if (as_of->stale) met.why_stale = as_of->why_stale;
    return met;
}

/// Of what stops no write; `places` as the daemon tells it, or absent.
void complain_of_damage_below(const std::string& places) {
    if (places.empty() || places == "0") return;
    complain(fmt::format("damaged places among the old records: {}. Writes go on; see `statectl journal verify`",
                         places));
}

int complain_of_damage() {
    complain("acknowledged history is damaged: writes are refused. See `statectl journal verify`");
    return kDamage;
}

/// Over TCP the operator's routes are closed: what everybody may know.
Outcome<int> status_over_url(Context& context, Door& door) {
    SE_TRY(reply, door.get("/readyz"));
    const auto json = parse_json(reply.body);
    if (!json || !json->is_object() || json->find("status") == nullptr) {
        if (of_a_proxy(reply)) return failure_of(reply);
        return Failure(kError, fmt::format("{} answered {}, and not as a state-engine does", door.name(),
                                           reply.status));
    }
    while (reply.body.ends_with('\n')) reply.body.pop_back();
    show_object(context.form(), reply.body);
    if (json->find("damagedPlaces") != nullptr) complain_of_damage_below(cell(*json, "damagedPlaces"));
    if (cell(*json, "status") == "damaged") return complain_of_damage();
    return reply.status == 200 ? kOk : kUnavailable;
}

Outcome<int> status(Context& context, const NoOptions&) {
    SE_TRY(door, find_daemon(context));
    if (door && !door->local()) return status_over_url(context, *door);
    if (!door) {
        SE_TRY(facts, store_facts(context));
        SE_TRY(met, met_in_files(context));
        show_object(context.form(), status_of_files(facts, context.data, met));
        if (met.why_stale) say_stale(met.as_of, *met.why_stale);
        if (facts.opener) warn_of_fsync(facts.opener->fsync);
        return met.damage.empty() ? kOk : complain_of_damage();
    }
    SE_TRY(body, body_of(door->get("/v1/operator/status")));
    show_object(context.form(), body);
    const auto json = parse_json(body, 1000);
    if (!json) return Failure(kError, "the daemon's status is no JSON");
    warn_of_fsync(cell(*json, "fsync"));
    if (const Json* const scrub = json->find("scrub"); scrub != nullptr && scrub->is_object())
        complain_of_damage_below(cell(*scrub, "damagedPlaces"));
    if (json->find("damage") != nullptr) return complain_of_damage();
    const std::string state = cell(*json, "state");
    if (state == "ready") return kOk;
    complain(fmt::format("the daemon is {}: {}", state, cell(*json, "message")));
    return kUnavailable;
}

// --- reload

struct ReloadOptions {
    WhyFlags why;
    bool dry_run = false;
};

/// As a table what would change, else the whole answer.
void show_preview(Context& context, const std::string& json) {
    const auto parsed = parse_json(json, 1000);
    const Json* const changes = parsed ? parsed->find("changes") : nullptr;
    if (context.form() != Form::table || changes == nullptr || !changes->is_array())
        return show_object(context.form(), json);
    std::vector<Cells> rows;
    for (const Json& change : changes->array())
        rows.push_back({cell(change, "name"), json_cell(change, "from"), json_cell(change, "to")});
    if (rows.empty()) return remark("dry run: nothing would change");
    print_table({"SETTING", "NOW", "THEN"}, rows, true);
}

/// What --config would change in a store without a daemon; reads files only.
Outcome<int> preview_here(Context& context, const Policy& next) {
    SE_TRY_OK(context.need_store());
    SE_TRY(in_force, policy_in_force(context));
    Config now, then;
    now.policy = in_force.value_or(Policy{});
    then.policy = next;
    show_preview(context, reload_preview(now, then));
    return kOk;
}

Outcome<int> reload(Context& context, const ReloadOptions& options) {
    SE_TRY(door, find_daemon(context));
    const Why why = why_of(options.why, "reload");
    if (door) {
        const std::string query = options.dry_run ? "?dryRun=true" : "";
        SE_TRY(body, body_of(door->post("/v1/operator/reload" + query, body_of(why))));
        options.dry_run ? show_preview(context, body) : show_object(context.form(), body);
        return kOk;
    }
    if (context.config.empty()) {
        return Failure(kUsage, fmt::format("no daemon runs on {}: name the policy to put in force with "
                                           "--config FILE",
                                           context.data));
    }
    SE_TRY(policy, policy_of_config(context));
    if (options.dry_run) return preview_here(context, *policy);
    SE_TRY(engine, open_waiting(context, std::nullopt, Pace::single, [] { return false; }));
    const std::string digest = policy->digest();
    std::optional<Result<Seq>> seq;
    engine->engine().reload(std::move(*policy), engine->caller(""),
                            [&](Result<Seq> told) { seq = std::move(told); }, why);
    engine->run_until([&] { return seq.has_value(); });
    SE_TRY_OK(engine->close());
    if (!*seq) return seq->error();
    std::string text;
    JsonObject(text)
        .text("status", "accepted")
        .integer("seq", (**seq).value)
        .integer("epoch", engine->engine().journal().epoch().value)
        .text("policy", digest)
        .close();
    show_object(context.form(), text);
    return kOk;
}

// --- rebuild

struct RebuildOptions {
    WhyFlags why;
    bool dry_run = false;
};

/// Who has the files may read all keys.
std::string to_json(const Rebuild::Report& report) {
    return rebuilt_json(report, [](std::string_view) { return true; });
}

/// What differs, for people: "ids: 2 rows, the first: an id bound at seq 7 is missing; …".
std::string differences_text(const Json& report) {
    const Json* const differences = report.find("differences");
    std::string told;
    if (differences == nullptr || !differences->is_array()) return told;  // of an older daemon
    for (const Json& one : differences->array()) {
        const std::string key = one.find("key") == nullptr ? "" : fmt::format(" ({})", json_cell(one, "key"));
        const std::string rows = cell(one, "rows");
        told += fmt::format("{}{}: {} {}, the first: {}{}", told.empty() ? "" : "; ", cell(one, "database"),
                            rows, rows == "1" ? "row" : "rows", cell(one, "first"), key);
    }
    return told;
}

Outcome<int> rebuild(Context& context, const RebuildOptions& options) {
    SE_TRY_OK(context.need_files("rebuild"));
    SE_TRY_OK(context.need_store());
    std::string shown, damage;
    const Why why = why_of(options.why, "rebuild");
    SE_TRY(door, find_daemon(context));
    if (door) {
        SE_TRY(body, body_of(door->post(fmt::format("/v1/operator/rebuild?swap={}", !options.dry_run),
                                        body_of(why))));
        shown = body;
        SE_TRY(said, damage_at(*door));
        damage = said;
    } else if (options.dry_run) {
        SE_TRY(preview, preview_rebuild(context));
        if (const auto* const untrusted = std::get_if<std::string>(&preview)) {
            std::string nothing;
            JsonObject(nothing).null("equal").boolean("swapped", false).text("projection", *untrusted).close();
            show_object(context.form(), nothing);
            remark("the projection is not to be trusted, and the next writer grows it anew: " +
                   *untrusted);
            return kOk;
        }
        shown = to_json(std::get<Rebuild::Report>(preview));
        // Behind the projection's watermark there may be damage, too, that a rebuild would stop at.
        SE_TRY(met, met_in_files(context));
        damage = met.damage;
    } else {
        SE_TRY(engine, open_waiting(context, std::nullopt, Pace::bulk, [] { return false; }));
        if (engine->engine().damage()) damage = se::to_text(engine->engine().damage()->fault);
        std::optional<Result<Rebuild::Report>> report;
        engine->engine().rebuild(true,
                                 [&](Result<Rebuild::Report> told) { report = std::move(told); },
                                 engine->caller(""), why);
        engine->run_until([&] { return report.has_value(); });
        SE_TRY_OK(engine->close());
        if (!*report) return report->error();
        shown = to_json(**report);
    }
    show_object(context.form(), shown);
    const auto json = parse_json(shown, 1000);
    if (!damage.empty()) {
        complain(fmt::format("acknowledged history is damaged ({}): only what lies before could be folded. "
                             "See `statectl journal verify`",
                             damage));
        return kDamage;
    }
    const Json* const equal = json ? json->find("equal") : nullptr;
    if (equal != nullptr && equal->is_bool() && equal->boolean()) return kOk;
    if (const std::string told = json ? differences_text(*json) : ""; !told.empty()) remark(told);
    complain(options.dry_run
                 ? "the projection differs from the journal: `statectl rebuild` puts a fresh one in its place"
                 : "the projection differed from the journal; the fresh one is in its place now");
    return kDamage;
}

}  // namespace

void add_why_flags(CLI::App* command, WhyFlags& flags) {
    command->add_option("--reason", flags.reason, "Why, for the record")->type_name("TEXT");
    command->add_option("--id", flags.id, "A name for this act, for the record")
        ->check(not_empty)
        ->type_name("TEXT");
}

Why why_of(const WhyFlags& flags, std::string_view command) {
    return {flags.id, flags.reason.empty() ? fmt::format("statectl {}", command) : flags.reason};
}

void add_letter_flags(CLI::App* command, LetterOrder& order, bool drops) {
    command->add_option("ID", order.id, "Its id, as ls shows it")->required();
    add_why_flags(command, order.why);
    command->add_flag("--dry-run", order.dry_run, "Say what would be asked; change nothing");
    if (drops) command->add_flag("--yes", order.yes, "Do not ask");
}

Outcome<int> order_letter(Context& context, Door& door, const std::string& route, std::string_view command,
                          bool drops, const LetterOrder& order) {
    if (order.dry_run) {
        std::string text;
        JsonObject(text)
            .text("status", "accepted")
            .text("id", order.id)
            .boolean("dryRun", true)
            .close();
        show_object(context.form(), text);
        return kOk;
    }
    if (drops) {
        remark("Will give up the dead letter " + order.id);
        SE_TRY(sure, confirm("It is never delivered then. Go on?", order.yes));
        if (!sure) return kError;
    }
    const Why why = why_of(order.why, command);
    std::string body;
    JsonObject json(body);
    json.text("action", drops ? "drop" : "retry").text("id", order.id);
    if (!why.id.empty()) json.text("actId", why.id);
    json.text("reason", why.reason).close();
    SE_TRY(said, body_of(door.post(route, body)));
    show_object(context.form(), said);
    return kOk;
}

std::string body_of(const Why& why) {
    std::string text;
    JsonObject json(text);
    if (!why.id.empty()) json.text("id", why.id);
    json.text("reason", why.reason).close();
    return text;
}

void add_operating(CommandLine& line) {
    line.on(line.add(&line.app, "status", "Show how the daemon, or the store without one, is doing",
                     "  statectl status -o table\n"
                     "  statectl status --url http://127.0.0.1:3000"),
            std::make_shared<NoOptions>(), status);
    auto reload_options = std::make_shared<ReloadOptions>();
    CLI::App* reload_command =
        line.add(&line.app, "reload", "Put a changed policy in force; it is journaled",
                 "  statectl reload                         the daemon reads its file again\n"
                 "  statectl reload --dry-run               say what that would change\n"
                 "  statectl reload --config policy.yaml    a store without a daemon\n"
                 "A file with a mistake changes nothing; line and reason are said.");
    add_why_flags(reload_command, reload_options->why);
    reload_command->add_flag("--dry-run", reload_options->dry_run,
                             "Say what would change; change nothing");
    line.on(reload_command, reload_options, reload);
    auto options = std::make_shared<RebuildOptions>();
    CLI::App* command = line.add(
        &line.app, "rebuild", "Fold the journal into a fresh projection, compare, swap",
        "  statectl rebuild --dry-run     only compare; exit code 4 if they differ\n"
        "  statectl rebuild");
    add_why_flags(command, options->why);
    command->add_flag("--dry-run", options->dry_run, "Build and compare; leave the old one in place");
    line.on(command, options, rebuild);
}

}  // namespace se::statectl
