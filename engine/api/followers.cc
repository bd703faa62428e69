// Outbound followers and their dead letters, for operators.

#include <algorithm>
#include <iterator>

#include "engine/api/core.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"

namespace se {
namespace {

/// In one order; of `all` the rest is left for the next one, which `more` says.
constexpr std::size_t kLettersInOrder = 1'000;

void append_letter(JsonObject& json, const DeadLetter& letter) {
    json.text("id", letter.id)
        .text("at", to_text(letter.at))
        .text("ts", to_text(letter.ts))
        .integer("attempts", letter.attempts)
        .text("reason", letter.reason);
    if (letter.retry) json.boolean("retry", true);
}

Result<const DeadLetters*> letters_of(const Follower& follower) {
    if (follower.dead_letters() == nullptr)
        return Error{Errc::unavailable, follower.options().name + " has not begun yet"};
    return follower.dead_letters();
}

Problem problem_of(const Error& error) {
    if (error.code == Errc::not_found)
        return {.status = 404, .code = Code::not_found, .message = error.text};
    return error.code == Errc::malformed ? malformed(error) : unavailable(error);
}

/// Runs `job` on the follower that the query names.
void ask(ApiCore& core, Exchange&& exchange, FollowersDoor::Job job,
         std::function<void(const Api::Reply&, std::string&&)> answer) {
    const auto named = exchange.query.find("follower");
    if (!named || named->empty())
        return reply_problem(exchange.reply,
                             malformed("follower must name one of /v1/operator/followers"));
    if (core.host.followers == nullptr)
        return reply_problem(exchange.reply, {.status = 404,
                                              .code = Code::not_found,
                                              .message = "no outbound follower is switched on"});
    core.host.followers->ask(
        std::string(*named), std::move(job),
        [reply = std::move(exchange.reply), answer = std::move(answer)](Result<std::string> body) {
            if (!body) return reply_problem(reply, problem_of(body.error()));
            answer(reply, std::move(*body));
        });
}

void answer_as_it_is(const Api::Reply& reply, std::string&& body) {
    reply_json(reply, 200, std::move(body));
}

struct Order {
    bool retry = false;
    std::vector<std::string> ids;  ///< empty: all
};

/// Those of the order that there are: {"letters":[…],"more":…}. Errc::not_found names one that is
/// not.
Result<std::string> choose(const Follower& follower, const Order& order) {
    SE_TRY(letters, letters_of(follower));
    std::vector<std::string> chosen = order.ids;
    if (chosen.empty()) {
        for (const DeadLetter* letter : letters->all()) {
            if (!order.retry || !letter->retry) chosen.push_back(letter->id);
        }
    }
    for (const std::string& id : chosen) {
        if (letters->find(id) == nullptr)
            return Error{Errc::not_found, "no dead letter has the id " + id};
    }
    std::string body = R"({"letters":[)";
    for (std::size_t i = 0; i < std::min(chosen.size(), kLettersInOrder); ++i) {
        if (i != 0) body += ',';
        append_json_string(body, chosen[i]);
    }
    return body + (chosen.size() > kLettersInOrder ? R"(],"more":true})" : R"(],"more":false})");
}

Result<std::string> carry_out(Follower& follower, bool retry, const Json& letters) {
    for (const Json& id : letters.array()) {
        const Status done = retry ? follower.retry(id.string()) : follower.drop(id.string());
        // Delivered or dropped by another since it was chosen: what was wanted is so.
        if (!done && done.error().code != Errc::not_found) return done.error();
    }
    return std::string();
}

/// The record first, then the deed: nobody drops a letter without a trace.
void order_letters(ApiCore& core, Exchange&& exchange, bool retry) {
    SE_OR_REPLY(dry_run, exchange, exchange.query.boolean("dryRun", false));
    Why why;
    if (const auto problem = read_why(core, exchange.request.body, &why))
        return reply_problem(exchange.reply, *problem);
    Order order{.retry = retry};
    const auto body = parse_json(exchange.request.body.empty() ? "{}" : exchange.request.body);
    if (const Json* letters = body ? body->find("letters") : nullptr) {
        const bool texts = letters->is_array() && !letters->array().empty() &&
                           letters->array().size() <= kLettersInOrder &&
                           std::ranges::all_of(letters->array(), &Json::is_string);
        if (!texts)
            return reply_problem(exchange.reply, malformed("letters must be a list of 1 to " +
                                                               std::to_string(kLettersInOrder) +
                                                               " ids; without it all are meant",
                                                           "/letters"));
        for (const Json& id : letters->array()) order.ids.push_back(id.string());
    }
    const std::string follower(exchange.query.find("follower").value_or(""));
    Caller caller = exchange.caller;
    ask(
        core, std::move(exchange),
        [order = std::move(order)](Follower& asked) { return choose(asked, order); },
        [&core, dry_run, retry, follower, why = std::move(why), caller = std::move(caller)](
            const Api::Reply& reply, std::string&& chosen) {
            const auto parsed = parse_json(chosen);
            SE_ASSERT(parsed);
            Json told = *parsed;
            told.set("follower", follower);
            const Json letters = *told.find("letters");
            if (dry_run || letters.array().empty()) {
                told.set("status", "accepted");
                if (dry_run) told.set("dryRun", true);
                return reply_json(reply, 200, to_text(told));
            }
            if (core.engine == nullptr) return reply_problem(reply, unavailable(core));
            Json noted(Json::Object{{"follower", follower}, {"letters", letters}});
            if (!why.reason.empty()) noted.set("reason", why.reason);
            core.engine->note(
                retry ? "dead_letters_retried" : "dead_letters_dropped", to_text(noted), caller,
                [&core, retry, follower, letters, told, reply](Result<Seq> seq) {
                    if (!seq) return reply_problem(reply, unavailable(seq.error()));
                    core.host.followers->ask(
                        follower,
                        [retry, letters](Follower& asked) {
                            return carry_out(asked, retry, letters);
                        },
                        [told, seq = *seq, reply](Result<std::string> done) mutable {
                            if (!done) return reply_problem(reply, problem_of(done.error()));
                            told.set("status", "accepted");
                            told.set("seq", static_cast<std::int64_t>(seq.value));
                            reply_json(reply, 200, to_text(told));
                        });
                },
                why);
        });
}

}  // namespace

void append_followers(std::string& out, const FollowersDoor& followers) {
    out += '[';
    for (const FollowerStatus& status : followers.statuses()) {
        if (out.back() != '[') out += ',';
        append_json(out, status);
    }
    out += ']';
}

void get_followers(ApiCore& core, Exchange&& exchange) {
    std::string body = R"({"followers":)";
    if (core.host.followers != nullptr) {
        append_followers(body, *core.host.followers);
    } else {
        body += "[]";
    }
    reply_json(exchange.reply, 200, body + "}");
}

void get_dead_letters(ApiCore& core, Exchange&& exchange) {
    ask(
        core, std::move(exchange),
        [](Follower& follower) -> Result<std::string> {
            SE_TRY(letters, letters_of(follower));
            std::string body = R"({"deadLetters":[)";
            for (const DeadLetter* letter : letters->all()) {
                if (body.back() != '[') body += ',';
                JsonObject json(body);
                json.text("follower", follower.options().name);
                append_letter(json, *letter);
                json.close();
            }
            body += "],\"damaged\":";
            append_integer(body, letters->damaged());
            return body + "}";
        },
        answer_as_it_is);
}

void get_dead_letter(ApiCore& core, Exchange&& exchange) {
    // It shows what a rule copied from any key.
    if (!exchange.caller.reads_everything())
        return reply_problem(exchange.reply,
                             {.status = 403,
                              .code = Code::actor_not_permitted,
                              .message = "what a message says is shown to who may read every key"});
    ask(
        core, std::move(exchange),
        [id = exchange.argument](Follower& follower) -> Result<std::string> {
            SE_TRY(letters, letters_of(follower));
            const DeadLetter* const letter = letters->find(id);
            if (letter == nullptr) return Error{Errc::not_found, "no dead letter has the id " + id};
            std::string body;
            JsonObject json(body);
            json.text("follower", follower.options().name);
            append_letter(json, *letter);
            const auto message = follower.message_of(*letter);
            if (!message) {
                json.text("why", message.error().text).close();
                return body;
            }
            if (!message->topic.empty()) json.text("topic", message->topic);
            json.text("type", message->type);
            if (!message->trace.empty()) json.text("trace", message->trace);
            json.text("message", message->body).close();
            return body;
        },
        answer_as_it_is);
}

void post_retry(ApiCore& core, Exchange&& exchange) {
    order_letters(core, std::move(exchange), true);
}
void post_drop(ApiCore& core, Exchange&& exchange) {
    order_letters(core, std::move(exchange), false);
}

}  // namespace se
