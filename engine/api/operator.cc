// The operator's routes, for the peer of the unix socket (statectl).

#include <algorithm>
#include <array>

#include "engine/api/core.h"
#include "engine/intake/proposal.h"
#include "engine/rebuilt.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "journal/scrub.h"

namespace se {
namespace {

/// Notes that an operator may leave. The others prove something about the store (a `repaired` note makes readers
/// pass a gap), so only the code that did the thing writes them.
constexpr auto kNotes = std::to_array<std::string_view>({"imported"});

/// Of the damaged places among the old records; the count says of all.
constexpr std::size_t kDamagedPlacesShown = 16;

std::string_view state_text(EngineState state) {
    switch (state) {
        case EngineState::ready: return "ready";
        case EngineState::draining: return "draining";
        case EngineState::damaged: return "damaged";
        case EngineState::failed: break;
    }
    return "failed";
}

std::string_view fsync_text(FsyncMode mode) {
    return mode == FsyncMode::group ? "group" : "never";
}

void reply_seq(const Api::Reply& reply, const Engine* engine, const Result<Seq>& seq,
               std::string_view more = {}) {
    if (!seq) return reply_problem(reply, unavailable(seq.error()));
    std::string body;
    JsonObject json(body);
    json.text("status", "accepted").integer("seq", seq->value);
    if (engine != nullptr) json.integer("epoch", engine->journal().epoch().value);
    json.close();
    if (!more.empty()) body.replace(body.size() - 1, 1, "," + std::string(more) + "}");
    reply_json(reply, 200, std::move(body));
}

/// The body of the note that says who may come in from now on: names and rights, and nothing that helps to
/// find a token.
std::string principals_body(const Principals& principals, const Why& why) {
    Json::Array shown;
    for (const PrincipalPtr& principal : principals.all()) shown.push_back(to_json(*principal));
    Json body = Json(Json::Object{{"principals", std::move(shown)}});
    if (!why.reason.empty()) body.set("reason", why.reason);
    return to_text(body);
}

void append_damage(JsonObject& json, const Damage& damage) {
    std::string text;
    JsonObject(text)
        .integer("from", damage.from.value)
        .integer("to", damage.to.value)
        .text("fault", to_text(damage.fault))
        .text("evidence", damage.evidence)
        .close();
    json.raw("damage", text);
}

/// J8: what is known of the old records.
void append_scrub(JsonObject& json, const Scrub& scrub) {
    std::string text;
    JsonObject object(text);
    object.integer("bytes", scrub.bytes());
    if (const auto at = scrub.last_pass()) object.text("lastPass", to_text(*at));
    object.integer("damagedPlaces", scrub.places_known());
    object.close();
    json.raw("scrub", text);
    if (scrub.places_known() == 0) return;
    std::string& places = json.member("damagedBelow");
    places += '[';
    std::size_t shown = 0;
    for (const Fault& fault : scrub.places()) {
        if (shown++ == kDamagedPlacesShown) break;
        if (places.back() != '[') places += ',';
        JsonObject(places)
            .text("segment", StorePaths::segment_name(fault.segment))
            .integer("offset", fault.offset)
            .integer("seq", fault.seq.value)
            .integer("last", std::max(fault.seq, fault.last).value)
            .text("fault", to_text(fault))
            .close();
    }
    places += ']';
}

}  // namespace

std::optional<Problem> read_why(const ApiCore& core, std::string_view text, Why* why) {
    if (text.empty()) return std::nullopt;
    const auto json = parse_json(text);
    if (!json) return malformed(json.error());
    if (!json->is_object()) return malformed("the body must be an object with id and reason");
    const Limits limits = core.engine == nullptr ? Limits{} : core.engine->policy().limits;
    const auto take = [&](std::string_view name, std::uint64_t bytes_max,
                          std::string* out) -> std::optional<Problem> {
        const Json* const member = json->find(name);
        if (member == nullptr) return std::nullopt;
        const std::string pointer = "/" + std::string(name);
        if (!member->is_string() || member->string().empty())
            return malformed(std::string(name) + " must be a text that is not empty", pointer);
        *out = member->string();
        if (out->size() <= bytes_max) return std::nullopt;
        return Problem{.status = 413,
                       .code = Code::too_large,
                       .message = std::string(name) + " is " + std::to_string(out->size()) +
                                  " bytes; the limit is " + std::to_string(bytes_max),
                       .pointer = pointer};
    };
    if (auto problem = take("id", limits.id_bytes, &why->id)) return problem;
    return take("reason", limits.reason_bytes, &why->reason);
}

void get_operator_status(ApiCore& core, Exchange&& exchange) {
    std::string body;
    JsonObject json(body);
    json.text("version", core.host.version).integer("pid", core.host.pid);
    json.text("data", core.settings().data).text("config", core.settings().config_path);
    json.number("uptimeSec", core.uptime_seconds());
    if (core.engine == nullptr) {
        json.text("state", "starting").text("message", core.why_detached).close();
        return reply_json(exchange.reply, 200, std::move(body));
    }
    Engine& engine = *core.engine;
    const Journal& journal = engine.journal();
    const EngineStats stats = engine.stats();
    json.text("state", core.draining ? "draining" : state_text(engine.state()));
    if (!engine.why_not_ready().empty()) json.text("message", engine.why_not_ready());
    json.text("store", engine.store().store)
        .integer("epoch", journal.epoch().value)
        .integer("last", journal.last().value)
        .integer("durable", engine.durable().value)
        .integer("applied", engine.applied().seq.value)
        .text("fsync", fsync_text(core.settings().journal.fsync))
        .text("policy", engine.policy().digest())
        .integer("journalBytes", journal.journal_bytes())
        .integer("mapBytes", engine.projection().map_bytes());
    if (const auto snapshot = engine.projection().snapshot()) {
        if (const auto keys = snapshot->live_keys()) json.integer("liveKeys", *keys);
    }
    if (const auto free_bytes = journal.disk_free_bytes()) json.integer("diskFreeBytes", *free_bytes);
    json.integer("accepted", stats.accepted)
        .integer("rejected", stats.rejected)
        .integer("duplicates", stats.duplicates)
        .integer("queue", stats.queue)
        .integer("streams", core.count_feeds());
    append_scrub(json, journal.scrub());
    if (engine.damage()) append_damage(json, *engine.damage());
    if (core.host.followers != nullptr) append_followers(json.member("followers"), *core.host.followers);
    if (core.host.firestore_status) {
        if (const std::string documents = core.host.firestore_status(); !documents.empty())
            json.raw("firestore", documents);
    }
    json.close();
    reply_json(exchange.reply, 200, std::move(body));
}

void reload(ApiCore& core, Caller caller, const Why& why, std::function<void(Result<Seq>)> done) {
    if (core.engine == nullptr)
        return done(Error{Errc::unavailable, core.why_detached});
    auto config = core.host.load_config(false);
    auto principals = config ? config->settings.auth.who_may_come_in() : Result<Principals>(config.error());
    if (!principals) {
        core.host.log.write({Severity::error,
                             "state-engine.policy.reload_failed",
                             {{"error", principals.error().text}}});
        return done(Error{Errc::malformed, principals.error().text, principals.error().pointer});
    }
    // Two records at most; the later one's seq is told when both are there, or what went wrong.
    struct Told {
        std::function<void(Result<Seq>)> done;
        int awaited = 1;
        Result<Seq> worst = Seq{};
    };
    auto told = std::make_shared<Told>();
    told->done = std::move(done);
    const auto hear = [told](Result<Seq> seq) {
        if (told->worst && (!seq || *seq > *told->worst)) told->worst = std::move(seq);
        if (--told->awaited == 0) told->done(std::move(told->worst));
    };
    if (*principals != core.gate.principals()) {
        ++told->awaited;
        const std::string body = principals_body(*principals, why);
        // At once, also when the record cannot be written: a token that was taken back is to be of no use.
        core.let_in(*std::move(principals));
        core.engine->note("principals", body, caller, hear, why);
    }
    core.engine->reload(std::move(config->policy), std::move(caller), hear, why);
}

void post_operator_reload(ApiCore& core, Exchange&& exchange) {
    SE_OR_REPLY(dry_run, exchange, exchange.query.boolean("dryRun", false));
    if (core.engine == nullptr) return reply_problem(exchange.reply, unavailable(core));
    Why why;
    if (const auto problem = read_why(core, exchange.request.body, &why))
        return reply_problem(exchange.reply, *problem);
    if (dry_run) {
        Config now = core.host.config;
        now.policy = core.engine->policy();
        const auto next = core.host.load_config(true);
        if (!next) return reply_problem(exchange.reply, malformed(next.error()));
        return reply_json(exchange.reply, 200, reload_preview(now, *next));
    }
    reload(core, std::move(exchange.caller), why,
           [&core, reply = std::move(exchange.reply)](Result<Seq> seq) {
               if (!seq && seq.error().code == Errc::malformed)
                   return reply_problem(reply, malformed(seq.error()));
               const std::string digest = core.engine == nullptr ? "" : core.engine->policy().digest();
               reply_seq(reply, core.engine, seq, "\"policy\":\"" + digest + "\"");
           });
}

void post_operator_rebuild(ApiCore& core, Exchange&& exchange) {
    SE_OR_REPLY(swap, exchange, exchange.query.boolean("swap", false));
    if (core.engine == nullptr) return reply_problem(exchange.reply, unavailable(core));
    Why why;
    if (const auto problem = read_why(core, exchange.request.body, &why))
        return reply_problem(exchange.reply, *problem);
    auto told = [reply = std::move(exchange.reply),
                 caller = exchange.caller](Result<Rebuild::Report> report) {
        if (!report) return reply_problem(reply, unavailable(report.error()));
        std::string body =
            rebuilt_json(*report, [&](std::string_view key) { return caller.may_read(key); });
        reply_json(reply, 200, std::move(body));
    };
    core.engine->rebuild(swap, std::move(told), std::move(exchange.caller), std::move(why));
}

void post_operator_repair(ApiCore& core, Exchange&& exchange) {
    SE_OR_REPLY(from, exchange, exchange.query.integer("from", 0, 1, UINT64_MAX));
    SE_OR_REPLY(to, exchange, exchange.query.integer("to", 0, 1, UINT64_MAX));
    SE_OR_REPLY(dry_run, exchange, exchange.query.boolean("dryRun", true));
    if (from == 0 || to < from) {
        return reply_problem(exchange.reply,
                             malformed("repair takes from and to, the seqs that are given up"));
    }
    Why why;
    if (const auto problem = read_why(core, exchange.request.body, &why))
        return reply_problem(exchange.reply, *problem);
    core.host.repair({Seq{from}, Seq{to}, dry_run, std::move(exchange.caller), std::move(why)},
                     [reply = std::move(exchange.reply)](Result<std::string> plan) {
                         if (plan) return reply_json(reply, 200, std::move(*plan));
                         const bool wrong = plan.error().code == Errc::malformed;
                         reply_problem(reply, wrong ? malformed(plan.error())
                                                    : unavailable(plan.error()));
                     });
}

void post_operator_note(ApiCore& core, Exchange&& exchange) {
    if (core.engine == nullptr) return reply_problem(exchange.reply, unavailable(core));
    auto json = parse_json(exchange.request.body);
    if (!json) return reply_problem(exchange.reply, malformed(json.error()));
    const Json* note = json->find("note");
    const Json* body = json->find("body");
    const bool known = note != nullptr && note->is_string() &&
                       std::ranges::find(kNotes, note->string()) != kNotes.end();
    if (!known)
        return reply_problem(exchange.reply, malformed("note must be 'imported'", "/note"));
    if (body != nullptr && !body->is_object())
        return reply_problem(exchange.reply, malformed("body must be an object", "/body"));
    Why why;
    if (const auto problem = read_why(core, exchange.request.body, &why))
        return reply_problem(exchange.reply, *problem);
    core.engine->note(note->string(), body == nullptr ? "{}" : to_text(*body),
                      std::move(exchange.caller),
                      [&core, reply = std::move(exchange.reply)](Result<Seq> seq) {
                          reply_seq(reply, core.engine, seq);
                      },
                      std::move(why));
}

}  // namespace se
