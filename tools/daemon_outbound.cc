// The daemon's side of whoever follows the journal: what they are handed, and what they are asked.

#include "journal/base/json.h"
#include "tools/daemon_egress.h"
#include "tools/daemon_run.h"

namespace se {
namespace {

constexpr std::size_t kWhyMax = 4'096;  // of an order's name and reason, in bytes each

/// An optional text; false if it is something else, or too long.
bool take_text(const Json* member, std::string* into) {
    if (member == nullptr) return true;
    if (!member->is_string() || member->string().size() > kWhyMax) return false;
    *into = member->string();
    return true;
}

}  // namespace

std::vector<FollowerStatus> Daemon::outbound() const {
    std::vector<FollowerStatus> all = followers_.statuses();
    if (engine_ != nullptr)
        for (FollowerStatus& one : all) measure_lag(one, engine_->durable());
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
                                   .followers = followers_,
                                   .publishing = follower_options(config_.settings, std::string(DaemonBus::kFollower)),
                                   .name = config_.settings.service_name,
                                   .wake = [this] { loop_.post([this] { step(); }); }});
}

/// Whoever looks after followers, as at /v1/operator/…; else why not.
std::optional<Problem> Daemon::admit_operator(const Request& request, Caller* caller) const {
    if (auto problem = api_.admit(request, caller)) return problem;
    if (!caller->has_scope(kScopeOperate))
        return Problem{.status = 403,
                       .code = Code::actor_not_permitted,
                       .message = std::string(path_of(request.target)) + " is for whoever has the scope operate"};
    // Its body is not here: what it asks for is not known.
    if (!request.too_large.empty())
        return Problem{.status = 413, .code = Code::too_large, .message = request.too_large};
    return std::nullopt;
}

Problem Daemon::problem_of(const Error& error) {
    const bool missing = error.code == Errc::not_found;
    return Problem{.status = missing ? 404 : 503,
                   .code = missing ? Code::not_found : Code::unavailable,
                   .message = error.text,
                   .reason = missing ? std::string() : std::string(reason_of(error.code))};
}

/// What is asked of a dead letter.
Result<Daemon::LetterOrder> Daemon::letter_order(const Request& request) {
    const auto asked = parse_json(request.body);
    const Json* const action = asked ? asked->find("action") : nullptr;
    const Json* const id = asked ? asked->find("id") : nullptr;
    const bool known = action != nullptr && action->is_string() &&
                       (action->string() == "retry" || action->string() == "drop");
    Why why;
    const bool explained = asked && take_text(asked->find("actId"), &why.id) &&
                           take_text(asked->find("reason"), &why.reason);
    if (request.method != "POST" || !known || id == nullptr || !id->is_string() || !explained)
        return Error{Errc::malformed, R"(POST {"action":"retry|drop","id":…,"actId"?,"reason"?})"};
    return LetterOrder{.retry = action->string() == "retry", .id = id->string(), .why = std::move(why)};
}

std::string Daemon::LetterOrder::note(const std::string& follower) const {
    return to_text(Json::Object{{"follower", follower}, {"letters", Json::Array{id}}});
}

void Daemon::bus_request(const Request& request, const Api::Reply& reply) {
    const auto refuse = [reply](const Error& error) { reply(to_response(problem_of(error))); };
    Caller caller;
    if (const auto problem = admit_operator(request, &caller)) return reply(to_response(*problem));
    if (bus_ == nullptr)
        return refuse({Errc::not_found, "there is no bus: nats.url (NATS_URL) is not set"});
    if (path_of(request.target) == DaemonBus::kStatusRoute) return reply({.body = bus_->status()});
    const auto order = letter_order(request);
    if (!order) return reply(to_response(Problem{.message = order.error().text}));
    if (!bus_->publishes()) return refuse({Errc::not_found, "a shadow publishes nothing"});
    const std::string follower(DaemonBus::kFollower);
    const auto is_there = [id = order->id](Follower& asked) -> Result<std::string> {
        if (asked.dead_letters() == nullptr)
            return Error{Errc::unavailable, "the bus is not followed yet"};
        if (asked.dead_letters()->find(id) == nullptr)
            return Error{Errc::not_found, "no dead letter of the bus has the id " + id};
        return std::string();
    };
    const auto deed = [order = *order](Follower& asked) -> Result<std::string> {
        const Status done = order.retry ? asked.retry(order.id) : asked.drop(order.id);
        // Gone since it was looked at: what was wanted is so.
        if (!done && done.error().code != Errc::not_found) return done.error();
        return std::string();
    };
    followers_.ask(follower, is_there, [=, this, order = *order](Result<std::string> found) {
        if (!found) return refuse(found.error());
        if (engine_ == nullptr) return refuse({Errc::unavailable, "the engine is being opened"});
        // The record first, then the deed: nobody drops a letter without a trace.
        engine_->note(order.retry ? "dead_letters_retried" : "dead_letters_dropped",
                      order.note(follower), caller, [=, this](Result<Seq> seq) {
                          if (!seq) return refuse(seq.error());
                          followers_.ask(follower, deed, [=](Result<std::string> done) {
                              if (!done) return refuse(done.error());
                              reply({.body = R"({"status":"accepted","seq":)" +
                                             std::to_string(seq->value) + "}"});
                          });
                      },
                      order.why);
        schedule_step();
    });
}

void Daemon::changes_applied() {
    api_.changes_applied();
    state_.changes_applied();
    followers_.wake();
    if (firestore_ != nullptr) firestore_->changed();
}

/// What a follower has to say of itself; it waits while the engine is opened anew.
void Daemon::note(Note note) {
    if (engine_ == nullptr) return notes_.push_back(std::move(note));
    const Caller caller = note.follower == DaemonBus::kFollower
                              ? Caller{.principal = "system:nats", .door = "engine"}
                              : Caller{.principal = "system:egress", .door = "egress"};
    engine_->note(std::move(note.name), std::move(note.body), caller,
                  [told = std::move(note.told)](Result<Seq> seq) {
                      told(seq ? Status(Ok{}) : Status(seq.error()));
                  });
    schedule_step();
}

}  // namespace se
