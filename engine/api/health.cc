// Is it alive, is it ready, what is it set to.

#include "engine/api/core.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "journal/scrub.h"

namespace se {
namespace {

std::string_view phase(const ApiCore& core) {
    if (core.draining) return "draining";
    if (core.engine == nullptr) return "starting";
    switch (core.engine->state()) {
        case EngineState::ready: return "ok";
        case EngineState::draining: return "draining";
        case EngineState::damaged: return "damaged";
        case EngineState::failed: break;
    }
    return "failed";
}

void append_common(JsonObject& json, const ApiCore& core, std::string_view status) {
    json.text("status", status)
        .text("service", core.settings().service_name)
        .text("timestamp", to_text(core.host.clock.wall()))
        .integer("uptimeSec", static_cast<std::uint64_t>(core.uptime_seconds()));
}

}  // namespace

void get_alive(ApiCore& core, Exchange&& exchange) {
    std::string body;
    JsonObject json(body);
    append_common(json, core, "ok");
    json.close();
    reply_json(exchange.reply, 200, std::move(body));
}

void get_ready(ApiCore& core, Exchange&& exchange) {
    const std::string_view status = phase(core);
    const bool ready = status == "ok";
    std::string body;
    JsonObject json(body);
    append_common(json, core, status);
    json.boolean("ready", ready);
    // J8: it stops no write, so we are as ready as ever.
    const std::size_t damaged = core.engine == nullptr ? 0 : core.engine->journal().scrub().places_known();
    if (damaged != 0) json.integer("damagedPlaces", damaged);
    if (!ready) {
        const std::string& why =
            core.engine == nullptr ? core.why_detached : core.engine->why_not_ready();
        if (!why.empty()) json.text("message", why);
    }
    json.close();
    reply_json(exchange.reply, ready ? 200 : 503, std::move(body));
}

void get_health(ApiCore& core, Exchange&& exchange) {
    std::string body;
    JsonObject json(body);
    json.text("status", "ok").text("service", core.settings().service_name).close();
    reply_json(exchange.reply, 200, std::move(body));
}

void get_debug_config(ApiCore& core, Exchange&& exchange) {
    Config now = core.host.config;
    if (core.engine != nullptr) now.policy = core.engine->policy();  // as it was last reloaded
    std::string body;
    append_json(body, redacted(now));
    reply_json(exchange.reply, 200, std::move(body));
}

}  // namespace se
