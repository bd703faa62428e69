// The daemon's side of Firestore: what its follower is handed, and what operators ask of it.

#include <utility>

#include "engine/policy/firestore_settings.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "tools/daemon_run.h"

namespace se {
namespace {

constexpr std::size_t kFoundMax = 1'000;  // differences in one answer, and in one record
constexpr std::size_t kTextMax = 4'096;   // of a prefix, id or reason

Result<const DeadLetters*> letters_of(const firestore::Follower& follower) {
    if (follower.dead_letters() == nullptr)
        return Error{Errc::unavailable, "firestore has not begun yet"};
    return follower.dead_letters();
}

Result<std::string> list_letters(firestore::Follower& follower) {
    SE_TRY(letters, letters_of(follower));
    std::string body = R"({"deadLetters":[)";
    for (const DeadLetter* letter : letters->all()) {
        if (body.back() != '[') body += ',';
        JsonObject json(body);
        json.text("id", letter->id)
            .text("at", to_text(letter->at))
            .text("ts", to_text(letter->ts))
            .integer("attempts", letter->attempts)
            .text("reason", letter->reason);
        if (letter->retry) json.boolean("retry", true);
        json.close();
    }
    body += "],\"damaged\":";
    append_integer(body, letters->damaged());
    return body + "}";
}

/// What a comparison is asked for.
struct Asked {
    std::string prefix;
    std::uint64_t limit = kFoundMax;
    firestore::DriftPart part;  // diff only
    Why why;
};

Result<Asked> read_asked(const Request& request, bool heals) {
    const Error wrong{Errc::malformed,
                      std::string(heals ? R"(POST {"prefix"?,"limit"?,"id"?,"reason"?})"
                                        : R"(POST {"prefix"?,"limit"?,"after"?,"keys"?})") +
                          ", the limit from 1 to " + std::to_string(kFoundMax)};
    if (request.method != "POST") return wrong;
    const auto json = parse_json(request.body.empty() ? "{}" : request.body);
    if (!json || !json->is_object()) return wrong;
    Asked asked;
    for (const auto& [name, value] : json->object()) {
        if (name == "limit" && value.is_integer() && value.integer() >= 1 &&
            value.integer() <= static_cast<std::int64_t>(kFoundMax)) {
            asked.limit = static_cast<std::uint64_t>(value.integer());
            continue;
        }
        if (name == "keys" && !heals && value.is_integer() && value.integer() >= 1) {
            asked.part.keys_max = static_cast<std::uint64_t>(value.integer());
            continue;
        }
        const bool known = name == "prefix" || name == "id" || name == "reason" ||
                           (name == "after" && !heals);
        if (!known || !value.is_string() || value.string().size() > kTextMax) return wrong;
        (name == "prefix"  ? asked.prefix
         : name == "id"    ? asked.why.id
         : name == "after" ? asked.part.after
                           : asked.why.reason) = value.string();
    }
    return asked;
}

struct Resumption {
    bool bootstrap = false;
    Why why;
};

Result<Resumption> read_resumption(const Request& request) {
    const Error wrong{Errc::malformed, R"(POST {"bootstrap"?,"id"?,"reason"?})"};
    if (request.method != "POST") return wrong;
    const auto json = parse_json(request.body.empty() ? "{}" : request.body);
    if (!json || !json->is_object()) return wrong;
    Resumption asked;
    for (const auto& [name, value] : json->object()) {
        if (name == "bootstrap" && value.is_bool()) {
            asked.bootstrap = value.boolean();
            continue;
        }
        if ((name != "id" && name != "reason") || !value.is_string() ||
            value.string().size() > kTextMax)
            return wrong;
        (name == "id" ? asked.why.id : asked.why.reason) = value.string();
    }
    return asked;
}

}  // namespace

/// Firestore's follower is for as long as the daemon is; what it asks for comes from the engine
/// that there is.
std::unique_ptr<DaemonFirestore> Daemon::make_firestore() {
    const auto settings = load_firestore_settings(options_);
    if (!settings) {
        log_.write({Severity::error,
                    "state-engine.firestore.settings",
                    {{"error", settings.error().text}}});
        return nullptr;
    }
    return DaemonFirestore::make(
        *settings,
        {.files = files_,
         .clock = clock_,
         .random = random_,
         .log = log_,
         .paths = paths_,
         .post = [this](std::function<void()> job) { loop_.post(std::move(job)); },
         .state = [this](const std::string& prefix, const std::string& after,
                         std::size_t limit) { return state_page(prefix, after, limit); },
         .entries = [this](const std::vector<std::string>& keys) { return entries_of(keys); }});
}

/// What it shows need not be durable yet: a bootstrap waits for that.
Result<firestore::Follower::StatePage> Daemon::state_page(const std::string& prefix,
                                                          const std::string& after,
                                                          std::size_t limit) {
    if (!serving_) return Error{Errc::unavailable, "the engine is being opened"};
    SE_TRY(entries, engine_->list(prefix, after, limit));
    return firestore::Follower::StatePage{.as_of = engine_->applied().seq,
                                          .entries = std::move(entries)};
}

Result<std::vector<std::optional<Entry>>> Daemon::entries_of(const std::vector<std::string>& keys) {
    if (!serving_) return Error{Errc::unavailable, "the engine is being opened"};
    std::vector<std::optional<Entry>> found;
    for (const std::string& key : keys) {
        SE_TRY(entry, engine_->get(key));
        found.push_back(std::move(entry));
    }
    return found;
}

std::string Daemon::firestore_status() const {
    return firestore_ == nullptr ? "" : firestore_->status(engine_ ? engine_->durable() : Seq{});
}

void Daemon::firestore_request(const Request& request, const Api::Reply& reply) {
    Caller caller;
    if (const auto problem = admit_operator(request, &caller)) return reply(to_response(*problem));
    const std::string_view path = path_of(request.target);
    const bool compares = path == DaemonFirestore::kDiffRoute || path == DaemonFirestore::kHealRoute;
    if (compares && !caller.reads_everything())
        return reply(to_response(Problem{
            .status = 403,
            .code = Code::actor_not_permitted,
            .message = "which documents differ is told to who may read every key"}));
    if (firestore_ == nullptr)
        return reply(to_response(Problem{
            .status = 404,
            .code = Code::not_found,
            .message = "nothing follows in Firestore: neither firestore.project "
                       "(GOOGLE_CLOUD_PROJECT) nor firestore.emulator (FIRESTORE_EMULATOR_HOST) "
                       "is set"}));
    if (path == DaemonFirestore::kStatusRoute) return reply({.body = firestore_status()});
    if (compares)
        return firestore_compare(request, reply, caller);
    if (path == DaemonFirestore::kResumeRoute)
        return firestore_resume(request, reply, caller);
    if (path != DaemonFirestore::kLettersRoute)
        return reply(to_response(Problem{
            .status = 404, .code = Code::not_found, .message = std::string(path) + " is no route"}));
    const auto refuse = [reply](const Error& error) { reply(to_response(problem_of(error))); };
    if (request.method == "GET")
        return firestore_->ask(list_letters, [reply, refuse](Result<std::string> listed) {
            listed ? reply({.body = *listed}) : refuse(listed.error());
        });
    const auto order = letter_order(request);
    if (!order) return reply(to_response(Problem{.message = order.error().text}));
    // The record first, then the deed: nobody drops a letter without a trace.
    firestore_->ask(
        [id = order->id](firestore::Follower& follower) -> Result<std::string> {
            SE_TRY(letters, letters_of(follower));
            if (letters->find(id) != nullptr) return std::string();
            return Error{Errc::not_found, "no dead letter of firestore has the id " + id};
        },
        [this, reply, refuse, caller, order = *order](Result<std::string> found) {
            if (!found) return refuse(found.error());
            if (!serving_) return refuse({Errc::unavailable, "the engine is being opened"});
            engine_->note(order.retry ? "dead_letters_retried" : "dead_letters_dropped",
                          order.note("firestore"), caller, [this, reply, refuse, order](Result<Seq> seq) {
                              if (!seq) return refuse(seq.error());
                              carry_out_order(order, *seq, reply, refuse);
                          },
                          order.why);
            schedule_step();
        });
}

void Daemon::carry_out_order(const LetterOrder& order, Seq seq, const Api::Reply& reply,
                             const std::function<void(const Error&)>& refuse) {
    firestore_->ask(
        [order](firestore::Follower& follower) -> Result<std::string> {
            const Status done = order.retry ? follower.retry(order.id) : follower.drop(order.id);
            // Written or dropped since it was looked at: what was wanted is so.
            if (!done && done.error().code != Errc::not_found) return done.error();
            return std::string();
        },
        [reply, refuse, seq](Result<std::string> done) {
            if (!done) return refuse(done.error());
            reply({.body = R"({"status":"accepted","seq":)" + std::to_string(seq.value) + "}"});
        });
}

/// The record first, then the deed, as with dead letters.
void Daemon::firestore_resume(const Request& request, const Api::Reply& reply,
                              const Caller& caller) {
    const auto refuse = [reply](const Error& error) { reply(to_response(problem_of(error))); };
    const auto asked = read_resumption(request);
    if (!asked) return reply(to_response(Problem{.message = asked.error().text}));
    if (!serving_) return refuse({Errc::unavailable, "the engine is being opened"});
    if (!firestore_->stopped())
        return reply(to_response(Problem{
            .message = "the documents' follower has not stopped: there is nothing to resume"}));
    Json noted(Json::Object{{"bootstrap", asked->bootstrap}});
    if (!asked->why.reason.empty()) noted.set("reason", asked->why.reason);
    engine_->note(
        "firestore_resumed", to_text(noted), caller,
        [this, reply, refuse, bootstrap = asked->bootstrap](Result<Seq> seq) {
            if (!seq) return refuse(seq.error());
            firestore_->resume(bootstrap, [reply, refuse, seq = *seq](Result<std::string> done) {
                if (!done) return refuse(done.error());
                reply({.body = R"({"status":"accepted","seq":)" + std::to_string(seq.value) + "}"});
            });
        },
        asked->why);
    schedule_step();
}

/// The record first, then the deed, as with dead letters.
void Daemon::firestore_compare(const Request& request, const Api::Reply& reply,
                               const Caller& caller) {
    const bool heals = path_of(request.target) == DaemonFirestore::kHealRoute;
    const auto asked = read_asked(request, heals);
    if (!asked) return reply(to_response(Problem{.message = asked.error().text}));
    firestore_->compare(
        asked->prefix, asked->limit, asked->part,
        [this, reply, caller, heals, asked = *asked](Result<firestore::DriftReport> report) {
            if (!report) return reply(to_response(problem_of(report.error())));
            std::vector<std::string> keys;
            for (const firestore::Drift& drift : report->found)
                if (drift.kind != firestore::Drift::Kind::behind) keys.push_back(drift.key);
            if (!heals || keys.empty()) return reply({.body = firestore::to_json(*report)});
            if (!serving_)
                return reply(
                    to_response(problem_of({Errc::unavailable, "the engine is being opened"})));
            if (!firestore_->follows())
                return reply(to_response(
                    problem_of({Errc::unavailable,
                                "the documents do not follow the journal now: see status"})));
            Json noted(Json::Object{{"keys", Json::Array(keys.begin(), keys.end())}});
            if (!asked.why.reason.empty()) noted.set("reason", asked.why.reason);
            engine_->note(
                "firestore_healed", to_text(noted), caller,
                [this, reply, keys, shown = firestore::to_json(*report)](Result<Seq> seq) {
                    if (!seq) return reply(to_response(problem_of(seq.error())));
                    firestore_->ask(
                        [keys](firestore::Follower& follower) -> Result<std::string> {
                            SE_TRY_OK(follower.heal(keys));
                            return std::string();
                        },
                        [reply, seq = *seq, shown](Result<std::string> done) {
                            if (!done) return reply(to_response(problem_of(done.error())));
                            auto told = parse_json(shown);
                            told->set("seq", static_cast<std::int64_t>(seq.value));
                            reply({.body = to_text(*told)});
                        });
                },
                asked.why);
            schedule_step();
        });
}

}  // namespace se
