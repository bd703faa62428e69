// What the routes say when there is nothing else to say.

#include "engine/api/changes.h"
#include "engine/api/core.h"
#include "engine/intake/proposal.h"
#include "journal/base/json.h"

namespace se {

Response to_response(const Problem& problem) {
    Response response{.status = problem.status};
    JsonObject json(response.body);
    json.text("code", to_text(problem.code)).text("message", problem.message);
    if (!problem.reason.empty()) json.text("reason", problem.reason);
    if (!problem.pointer.empty()) json.text("pointer", problem.pointer);
    if (problem.retry_after_ms) {
        json.integer("retryAfterMs", *problem.retry_after_ms);
        const std::uint64_t seconds = (*problem.retry_after_ms + 999) / 1000;
        response.headers.emplace_back("Retry-After", std::to_string(seconds));
    }
    json.close();
    response.body += '\n';
    if (problem.status == 401)
        response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"state-engine\"");
    return response;
}

Problem malformed(std::string message, std::string pointer) {
    return {.status = 400,
            .code = Code::malformed,
            .message = std::move(message),
            .pointer = std::move(pointer)};
}

Problem malformed(const Error& error) { return malformed(error.text, error.pointer); }

Problem unavailable(const ApiCore& core) {
    return {.status = 503,
            .code = Code::unavailable,
            .message = core.why_detached,
            .reason = "draining",
            .retry_after_ms = 1000};
}

Problem unavailable(const Error& error) {
    Problem problem{.status = 503,
                    .code = Code::unavailable,
                    .message = error.text,
                    .reason = std::string(reason_of(error.code))};
    if (error.code != Errc::corruption) problem.retry_after_ms = 1000;
    return problem;
}

std::optional<Problem> check_key(const Engine& engine, std::string_view key) {
    const Limits& limits = engine.policy().limits;
    const std::string wrong = key_problem(key, limits);
    if (wrong.empty()) return std::nullopt;
    Problem problem = malformed("key: " + wrong, "key");
    if (key.size() > limits.key_bytes) {
        problem.status = 413;
        problem.code = Code::too_large;
    }
    return problem;
}

void reply_json(const Api::Reply& reply, int status, std::string body) {
    body += '\n';
    reply(Response{.status = status, .body = std::move(body)});
}

void reply_problem(const Api::Reply& reply, const Problem& problem) { reply(to_response(problem)); }

void append_as_of(std::string& out, const Engine& engine) {
    const Engine::AsOf as_of = engine.applied();
    out += "\"asOf\":";
    JsonObject json(out);
    json.integer("epoch", engine.shown().epoch.value).integer("seq", as_of.seq.value);
    if (as_of.journal_ahead) json.boolean("journalAhead", true);
    json.close();
    const EngineState state = engine.state();
    if (state == EngineState::damaged || state == EngineState::failed) out += ",\"stale\":true";
}

}  // namespace se
