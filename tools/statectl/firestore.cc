// firestore status|diff|heal|resume|deadletters (import has a file of its own): the documents that a daemon keeps in Firestore. It has
// the connection and is the one that writes there, so it is asked for all of this.

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "tools/statectl/door.h"
#include "tools/statectl/firestore_commands.h"
#include "tools/statectl/firestore_import.h"
#include "tools/statectl/no_options.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFirestoreAnswerDepth = 512;
constexpr auto kHealLook = 50ms;
constexpr auto kHealPatience = 5min;
constexpr auto kResumePatience = 30s;

struct DriftOptions {
    std::string prefix;
    WhyFlags why;
    bool dry_run = false;
    bool yes = false;
};

struct ResumeOptions {
    WhyFlags why;
    bool bootstrap = false;
    bool dry_run = false;
    bool yes = false;
};

Outcome<Door> firestore_door(Context& context) {
    SE_TRY(door, find_daemon(context));
    if (!door)
        return Failure(kUnavailable, "no daemon runs on " + context.data +
                                         ": it is the one that reaches Firestore; start it");
    return *std::move(door);
}

Outcome<Json> firestore_answer(Outcome<Reply> reply) {
    SE_TRY(body, body_of(std::move(reply)));
    auto json = parse_json(body, kFirestoreAnswerDepth);
    if (!json || !json->is_object()) return Failure(kError, "the daemon's answer is no JSON");
    return *std::move(json);
}

std::uint64_t firestore_count(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_integer() ? static_cast<std::uint64_t>(member->integer())
                                                     : 0;
}

Outcome<int> firestore_status(Context& context, const NoOptions&) {
    SE_TRY(door, firestore_door(context));
    SE_TRY(status, firestore_answer(door.get("/v1/operator/firestore")));
    show_object(context.form(), to_text(status));
    return status.find("why") == nullptr ? kOk : kUnavailable;
}

Items drift_items(Form form) {
    return Items(form, {"KEY", "DIFFERENCE", "SEQ", "WHAT"}, [](const Json& item) {
        return Cells{cell(item, "key"), cell(item, "difference"), cell(item, "seq"),
                     cell(item, "what")};
    });
}

/// One comparison; what it found goes to `items`. How many of them are not only late.
Outcome<std::uint64_t> show_drift(Door& door, const std::string& prefix, Items& items) {
    SE_TRY(report, firestore_answer(door.post("/v1/operator/firestore/diff",
                                              to_text(Json(Json::Object{{"prefix", prefix}})))));
    const Json* const found = report.find("differences");
    if (found == nullptr || !found->is_array())
        return Failure(kError, "the daemon's answer is not understood");
    std::uint64_t drift = 0;
    for (const Json& one : found->array()) {
        items.add(to_text(one));
        if (cell(one, "difference") != "behind") ++drift;
    }
    remark(fmt::format("{} entries and {} documents as of seq {}: {} differ, {} are behind{}",
                       firestore_count(report, "entries"), firestore_count(report, "documents"),
                       firestore_count(report, "asOf"), drift, found->array().size() - drift,
                       report.find("more") != nullptr && *report.find("more") == Json(true)
                           ? "; there may be more behind the last one"
                           : ""));
    return drift;
}

Outcome<int> firestore_diff(Context& context, const DriftOptions& options) {
    SE_TRY(door, firestore_door(context));
    Items items = drift_items(context.form());
    SE_TRY(drift, show_drift(door, options.prefix, items));
    items.finish();
    return drift == 0 ? kOk : kDamage;
}

/// Until what was ordered is written, or cannot be.
Outcome<Ok> wait_until_healed(Door& door) {
    const auto until = std::chrono::steady_clock::now() + kHealPatience;
    for (;;) {
        SE_TRY(status, firestore_answer(door.get("/v1/operator/firestore")));
        if (firestore_count(status, "healing") == 0) return Ok{};
        if (cell(status, "phase") == "stopped" || std::chrono::steady_clock::now() > until)
            return Failure(kUnavailable,
                           fmt::format("{} documents wait to be written, and the follower is {}{}",
                                       firestore_count(status, "healing"), cell(status, "phase"),
                                       status.find("why") ? ": " + cell(status, "why") : ""));
        std::this_thread::sleep_for(kHealLook);
    }
}

Outcome<int> firestore_heal(Context& context, const DriftOptions& options) {
    SE_TRY(door, firestore_door(context));
    Items items = drift_items(context.form());
    SE_TRY(drift, show_drift(door, options.prefix, items));
    items.finish();
    if (options.dry_run || drift == 0) return kOk;
    SE_TRY(sure, confirm("They are written once more, or deleted, as the journal says. Go on?",
                         options.yes));
    if (!sure) return kError;
    const Why why = why_of(options.why, "firestore heal");
    Json body(Json::Object{{"prefix", options.prefix}, {"reason", why.reason}});
    if (!why.id.empty()) body.set("id", why.id);
    // Each round heals as many as fit one record.
    for (bool more = true; more;) {
        SE_TRY(report, firestore_answer(door.post("/v1/operator/firestore/heal", to_text(body))));
        if (report.find("seq") == nullptr) break;  // nothing is left to heal
        more = report.find("more") != nullptr && *report.find("more") == Json(true);
        SE_TRY_OK(wait_until_healed(door));
        remark(fmt::format("journaled as seq {}", firestore_count(report, "seq")));
    }
    Items left = drift_items(context.form());
    SE_TRY(still, show_drift(door, options.prefix, left));
    left.finish();
    if (still != 0)
        complain(
            "these are still different: somebody else writes there, or Firestore refuses "
            "them (statectl firestore deadletters ls)");
    return still == 0 ? kOk : kDamage;
}

Outcome<int> firestore_resume(Context& context, const ResumeOptions& options) {
    SE_TRY(door, firestore_door(context));
    SE_TRY(before, firestore_answer(door.get("/v1/operator/firestore")));
    if (cell(before, "phase") != "stopped") {
        remark(fmt::format("it has not stopped: it is {}", cell(before, "phase")));
        return kOk;
    }
    remark("it stopped: " + cell(before, "why"));
    if (options.dry_run) {
        show_object(context.form(), to_text(before));
        return kOk;
    }
    if (options.bootstrap) {
        SE_TRY(sure, confirm(fmt::format("In {} all state documents become those of this store, others are "
                                         "deleted, and its log is written there. Go on?",
                                         cell(before, "where")),
                             options.yes));
        if (!sure) return kError;
    }
    const Why why = why_of(options.why, "firestore resume");
    Json body(Json::Object{{"bootstrap", options.bootstrap}, {"reason", why.reason}});
    if (!why.id.empty()) body.set("id", why.id);
    SE_TRY(resumed, firestore_answer(door.post("/v1/operator/firestore/resume", to_text(body))));
    remark(fmt::format("journaled as seq {}", firestore_count(resumed, "seq")));
    const auto until = std::chrono::steady_clock::now() + kResumePatience;
    for (;;) {
        SE_TRY(status, firestore_answer(door.get("/v1/operator/firestore")));
        const std::string phase = cell(status, "phase");
        const bool goes_on = phase == "following" || phase == "bootstrapping";
        if (goes_on || phase == "stopped" || std::chrono::steady_clock::now() > until) {
            show_object(context.form(), to_text(status));
            return goes_on ? kOk : kUnavailable;
        }
        std::this_thread::sleep_for(kHealLook);
    }
}

Outcome<int> list_firestore_letters(Context& context, const NoOptions&) {
    SE_TRY(door, firestore_door(context));
    SE_TRY(answer, firestore_answer(door.get("/v1/operator/firestore/deadletters")));
    Items items(context.form(), {"ID", "AT", "ATTEMPTS", "SINCE", "REASON"}, [](const Json& item) {
        return Cells{cell(item, "id"), cell(item, "at"), cell(item, "attempts"), cell(item, "ts"),
                     cell(item, "reason")};
    });
    const Json* const letters = answer.find("deadLetters");
    if (letters == nullptr || !letters->is_array())
        return Failure(kError, "the daemon's answer is not understood");
    for (const Json& letter : letters->array()) items.add(to_text(letter));
    items.finish();
    if (firestore_count(answer, "damaged") == 0) return kOk;
    complain(fmt::format("{} lines of the list are damaged and left as they are",
                         firestore_count(answer, "damaged")));
    return kDamage;
}

Outcome<int> order_firestore_letter(Context& context, std::string_view command, bool drops,
                                    const LetterOrder& order) {
    SE_TRY(door, firestore_door(context));
    SE_TRY(answer, firestore_answer(door.get("/v1/operator/firestore/deadletters")));
    const Json* const letters = answer.find("deadLetters");
    if (letters == nullptr || !letters->is_array())
        return Failure(kError, "the daemon's answer is not understood");
    if (std::ranges::none_of(letters->array(), [&](const Json& one) { return cell(one, "id") == order.id; }))
        return Failure(kNotFound, "no dead letter of firestore has the id " + order.id);
    return order_letter(context, door, "/v1/operator/firestore/deadletters", command, drops, order);
}
Outcome<int> retry_firestore_letter(Context& context, const LetterOrder& order) {
    return order_firestore_letter(context, "firestore deadletters retry", false, order);
}
Outcome<int> drop_firestore_letter(Context& context, const LetterOrder& order) {
    return order_firestore_letter(context, "firestore deadletters drop", true, order);
}

}  // namespace

void add_firestore(CommandLine& line) {
    CLI::App* firestore =
        line.add(&line.app, "firestore", "The documents that a daemon keeps in Firestore",
                 "  statectl firestore status -o table\n"
                 "  statectl firestore diff user.");
    firestore->require_subcommand(1);
    line.on(line.add(firestore, "status", "How far the documents are, and what troubles them",
                     "  statectl firestore status -o json\n"
                     "The exit code is 7 while there is trouble with them."),
            std::make_shared<NoOptions>(), firestore_status);

    add_firestore_import(line, firestore);

    auto looked = std::make_shared<DriftOptions>();
    CLI::App* diff = line.add(
        firestore, "diff", "Compare the state documents with the state",
        "  statectl firestore diff\n"
        "  statectl firestore diff user. -o table\n"
        "missing, extra and changed are somebody else's doing; behind is only late. The exit code "
        "is 4 when there is any of the former. At most 1,000 are shown.");
    diff->add_option("PREFIX", looked->prefix, "Of keys that begin so only");
    line.on(diff, looked, firestore_diff);

    auto healed = std::make_shared<DriftOptions>();
    CLI::App* heal = line.add(firestore, "heal",
                              "Write what differs once more, as the journal says; it is journaled",
                              "  statectl firestore heal --dry-run\n"
                              "  statectl firestore heal user. --yes --reason \"edited by hand\"");
    heal->add_option("PREFIX", healed->prefix, "Of keys that begin so only");
    heal->add_flag("--dry-run", healed->dry_run, "Say which they are; change nothing");
    heal->add_flag("--yes", healed->yes, "Do not ask");
    add_why_flags(heal, healed->why);
    line.on(heal, healed, firestore_heal);

    auto resumed = std::make_shared<ResumeOptions>();
    CLI::App* resume = line.add(
        firestore, "resume", "Have the follower look again, when it has stopped; it is journaled",
        "  statectl firestore resume\n"
        "  statectl firestore resume --bootstrap --reason \"the emulator was started anew\"\n"
        "It prints the status then. The exit code is 7 if it stops again, or does not come to Firestore\n"
        "within 30 seconds.");
    resume->add_flag("--bootstrap", resumed->bootstrap,
                     "Take over a project that is empty, or of another store or history, as "
                     "state-engine --firestore-bootstrap does");
    resume->add_flag("--dry-run", resumed->dry_run, "Say why it stopped; change nothing");
    resume->add_flag("--yes", resumed->yes, "Do not ask before a bootstrap");
    add_why_flags(resume, resumed->why);
    line.on(resume, resumed, firestore_resume);

    CLI::App* letters = line.add(firestore, "deadletters", "Documents that Firestore does not take",
                                 "  statectl firestore deadletters ls");
    letters->require_subcommand(1);
    line.on(line.add(letters, "ls", "List them", "  statectl firestore deadletters ls -o table"),
            std::make_shared<NoOptions>(), list_firestore_letters);
    const auto one = [&](const std::string& name, const char* help,
                         Outcome<int> (*work)(Context&, const LetterOrder&)) {
        auto named = std::make_shared<LetterOrder>();
        CLI::App* command = line.add(letters, name, help,
                                     fmt::format("  statectl firestore deadletters {} ID", name));
        add_letter_flags(command, *named, name == "drop");
        line.on(command, named, work);
    };
    one("retry", "Write it once more, from its record; it is journaled", retry_firestore_letter);
    one("drop", "Give it up; it is journaled", drop_firestore_letter);
}

}  // namespace se::statectl
