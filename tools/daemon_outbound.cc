// The daemon's side of whoever follows the journal: what they are handed, and what they are asked.

#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "tools/daemon_run.h"

namespace se {
namespace {

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

}  // namespace

std::vector<FollowerStatus> Daemon::outbound() const {
    std::vector<FollowerStatus> all = followers_.statuses();
    if (engine_ != nullptr)
        for (FollowerStatus& one : all) measure_lag(one, engine_->durable());
    if (bus_ != nullptr)
        for (FollowerStatus& one : bus_->followers()) all.push_back(std::move(one));
    return all;
}

std::unique_ptr<DaemonBus> Daemon::make_bus() {
    const auto nats = load_nats_settings(options_);
    if (!nats) {
        // It was good when the program began: somebody has changed the file since.
        log_.write({Severity::error, "state-engine.nats.settings", {{"error", nats.error().text}}});
        return nullptr;
    }
    for (const std::string& secret : nats->secrets()) log_.hide(secret);
    return DaemonBus::make(*nats, {.clock = clock_,
                                   .random = random_,
                                   .log = log_,
                                   .files = files_,
                                   .paths = paths_,
                                   .name = config_.settings.service_name,
                                   .wake = [this] { loop_.post([this] { step(); }); }});
}

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
        *settings, {.files = files_,
                    .clock = clock_,
                    .random = random_,
                    .log = log_,
                    .paths = paths_,
                    .post = [this](std::function<void()> job) { loop_.post(std::move(job)); },
                    .state = [this](const std::string& after,
                                    std::size_t limit) { return state_page(after, limit); }});
}

/// For a bootstrap, which waits until all of it is durable.
Result<firestore::Follower::StatePage> Daemon::state_page(const std::string& after,
                                                          std::size_t limit) {
    if (!serving_) return Error{Errc::unavailable, "the engine is being opened"};
    SE_TRY(entries, engine_->list("", after, limit));
    return firestore::Follower::StatePage{.as_of = engine_->applied().seq,
                                          .entries = std::move(entries)};
}

std::string Daemon::firestore_status() const {
    return firestore_ == nullptr ? "" : firestore_->status(engine_ ? engine_->durable() : Seq{});
}

/// Whoever looks after followers, as at /v1/operator/…; else why not.
std::optional<Problem> Daemon::admit_operator(const Request& request, Caller* caller) const {
    if (auto problem = api_.admit(request, caller)) return problem;
    if (caller->has_scope(kScopeOperate)) return std::nullopt;
    return Problem{.status = 403,
                   .code = Code::actor_not_permitted,
                   .message = request.target + " is for whoever has the scope operate"};
}

/// What is asked of a dead letter.
Result<Daemon::LetterOrder> Daemon::letter_order(const Request& request) {
    const auto asked = parse_json(request.body);
    const Json* const action = asked ? asked->find("action") : nullptr;
    const Json* const id = asked ? asked->find("id") : nullptr;
    const bool known = action != nullptr && action->is_string() &&
                       (action->string() == "retry" || action->string() == "drop");
    if (request.method != "POST" || !known || id == nullptr || !id->is_string())
        return Error{Errc::malformed, "POST {\"action\":\"retry|drop\",\"id\":…}"};
    return LetterOrder{.retry = action->string() == "retry", .id = id->string()};
}

void Daemon::firestore_request(const Request& request, const Api::Reply& reply) {
    Caller caller;
    if (const auto problem = admit_operator(request, &caller)) return reply(to_response(*problem));
    if (firestore_ == nullptr)
        return reply(to_response(Problem{
            .status = 404,
            .code = Code::not_found,
            .message = "nothing follows in Firestore: neither firestore.project "
                       "(GOOGLE_CLOUD_PROJECT) nor firestore.emulator (FIRESTORE_EMULATOR_HOST) "
                       "is set"}));
    if (request.target == DaemonFirestore::kStatusRoute) return reply({.body = firestore_status()});
    const auto refuse = [reply](const Error& error) {
        const bool missing = error.code == Errc::not_found;
        reply(to_response(Problem{.status = missing ? 404 : 503,
                                  .code = missing ? Code::not_found : Code::unavailable,
                                  .message = error.text}));
    };
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
            const Json noted(
                Json::Object{{"follower", "firestore"}, {"letters", Json::Array{order.id}}});
            engine_->note(order.retry ? "dead_letters_retried" : "dead_letters_dropped",
                          to_text(noted), caller, [this, reply, refuse, order](Result<Seq> seq) {
                              if (!seq) return refuse(seq.error());
                              carry_out_order(order, *seq, reply, refuse);
                          });
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

Response Daemon::bus_status(const Request& request) {
    Caller caller;
    if (const auto problem = admit_operator(request, &caller)) return to_response(*problem);
    if (bus_ == nullptr)
        return to_response(Problem{.status = 404,
                                   .code = Code::not_found,
                                   .message = "there is no bus: nats.url (NATS_URL) is not set"});
    if (request.target == DaemonBus::kStatusRoute) return {.body = bus_->status()};
    const auto order = letter_order(request);
    if (!order) return to_response(Problem{.message = order.error().text});
    if (const Status done = bus_->letter(order->retry ? "retry" : "drop", order->id); !done)
        return to_response(Problem{
            .status = done.error().code == Errc::not_found ? 404 : 400,
            .code = done.error().code == Errc::not_found ? Code::not_found : Code::malformed,
            .message = done.error().text});
    schedule_step();
    return {.body = R"({"status":"accepted"})"};
}

void Daemon::changes_applied() {
    api_.changes_applied();
    state_.changes_applied();
    if (!followers_.none()) followers_.wake();
    if (firestore_ != nullptr) firestore_->changed();
}

/// What a follower has to say of itself; it waits while the engine is opened anew.
void Daemon::note(Note note) {
    if (engine_ == nullptr) return notes_.push_back(std::move(note));
    const Caller caller{.principal = "system:egress", .door = "egress"};
    engine_->note(std::move(note.name), std::move(note.body), caller,
                  [told = std::move(note.told)](Result<Seq> seq) {
                      told(seq ? Status(Ok{}) : Status(seq.error()));
                  });
    schedule_step();
}

}  // namespace se
