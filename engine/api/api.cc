#include "engine/api/api.h"

#include <algorithm>
#include <array>

#include "engine/api/changes.h"
#include "engine/api/core.h"

namespace se {
namespace {

enum class Access : std::uint8_t {
    open,       ///< anybody
    principal,  ///< who is authenticated, or anybody on an open loopback
};

struct Route {
    std::string_view method;
    std::string_view path;  ///< ends in `/` and a name in braces where the rest is one argument
    Access access;
    Handler handler;
    std::string_view scope = {};  ///< that the principal needs besides; the operator at the socket has all
};

constexpr auto kRoutes = std::to_array<Route>({
    {"POST", "/v1/mutations", Access::principal, post_mutations},
    {"GET", "/v1/state", Access::principal, get_entries},
    {"GET", "/v1/state/{key}", Access::principal, get_entry},
    {"GET", "/v1/changes", Access::principal, get_changes},
    {"GET", "/v1/history/{key}", Access::principal, get_history},
    {"GET", "/v1/records", Access::principal, get_records},
    {"GET", "/healthz", Access::open, get_alive},
    {"GET", "/livez", Access::open, get_alive},
    {"GET", "/readyz", Access::open, get_ready},
    {"GET", "/health", Access::open, get_health},
    {"GET", "/metrics", Access::principal, get_metrics, kScopeMetrics},
    {"GET", "/_debug/config", Access::principal, get_debug_config, kScopeDebug},
    {"GET", "/v1/operator/status", Access::principal, get_operator_status, kScopeOperate},
    {"POST", "/v1/operator/reload", Access::principal, post_operator_reload, kScopeOperate},
    {"POST", "/v1/operator/rebuild", Access::principal, post_operator_rebuild, kScopeOperate},
    {"POST", "/v1/operator/repair", Access::principal, post_operator_repair, kScopeOperate},
    {"POST", "/v1/operator/note", Access::principal, post_operator_note, kScopeOperate},
    {"POST", "/v1/operator/import", Access::principal, post_operator_import, kScopeOperate},
    {"GET", "/v1/operator/followers", Access::principal, get_followers, kScopeOperate},
    {"GET", "/v1/operator/deadletters", Access::principal, get_dead_letters, kScopeOperate},
    {"GET", "/v1/operator/deadletters/{key}", Access::principal, get_dead_letter, kScopeOperate},
    {"POST", "/v1/operator/deadletters/retry", Access::principal, post_retry, kScopeOperate},
    {"POST", "/v1/operator/deadletters/drop", Access::principal, post_drop, kScopeOperate},
});

/// Whether `path` is of this route; `argument` is the rest, still encoded.
bool fits(const Route& route, std::string_view path, std::string_view* argument) {
    const std::size_t brace = route.path.find('{');
    if (brace == route.path.npos) return path == route.path;
    if (!path.starts_with(route.path.substr(0, brace))) return false;
    *argument = path.substr(brace);
    return !argument->empty() && argument->find('/') == argument->npos;
}

Response no_such_route(std::string_view path) {
    std::vector<std::string_view> paths;
    for (const Route& route : kRoutes) paths.push_back(route.path);
    std::string text = "no route " + std::string(path.substr(0, 256));
    if (const std::string_view near = nearest(path, paths); !near.empty())
        text += "; did you mean " + std::string(near) + "?";
    return to_response({.status = 404, .code = Code::not_found, .message = std::move(text)});
}

Response wrong_method(std::string_view method, std::string_view path, const std::string& allowed) {
    Response response = to_response({.status = 405,
                                     .code = Code::malformed,
                                     .message = std::string(path) + " takes " + allowed + ", not " +
                                                std::string(method.substr(0, 32))});
    response.headers.emplace_back("Allow", allowed);
    return response;
}

}  // namespace

std::string_view Request::header(std::string_view lower_name) const {
    for (const auto& [name, value] : headers) {
        if (name == lower_name) return value;
    }
    return {};
}

bool Request::has_type(std::string_view lower_type) const {
    std::string_view type = header("content-type");
    type = type.substr(0, type.find(';'));
    while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
    return std::ranges::equal(type, lower_type, {}, [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
}

struct Api::State : ApiCore {
    using ApiCore::ApiCore;
};

Api::Api(Host host) : state_(std::make_unique<State>(std::move(host))) {}
Api::~Api() = default;

std::vector<std::pair<std::string_view, std::string_view>> Api::routes() {
    std::vector<std::pair<std::string_view, std::string_view>> all;
    for (const Route& route : kRoutes) all.emplace_back(route.method, route.path);
    return all;
}

std::string_view Api::route_of(std::string_view target) {
    const std::string_view path = path_of(target);
    std::string_view argument;
    const auto found = std::ranges::find_if(
        kRoutes, [&](const Route& route) { return fits(route, path, &argument); });
    return found == kRoutes.end() ? std::string_view() : found->path;
}

void Api::attach(Engine* engine, std::string why) {
    state_->engine = engine;
    state_->why_detached = std::move(why);
    state_->journal.reset();
    state_->check_waiters();
    if (engine != nullptr) return;
    for (const auto& weak : state_->feeds) {
        if (const auto feed = weak.lock()) feed->end();
    }
}

std::optional<Problem> Api::admit(const Request& request, Caller* caller) const {
    if (auto problem = state_->gate.check_origin(request)) return problem;
    const auto query = Query::parse(query_of(request.target));
    if (!query) return malformed(query.error());
    if (auto problem = state_->gate.identify(request, query->find("token").value_or(""), caller))
        return problem;
    IdentityClaim claim;
    const Limits limits = state_->engine == nullptr ? Limits{} : state_->engine->policy().limits;
    if (auto problem = read_claim(request, limits, &claim)) return problem;
    attribute(claim, caller);
    return std::nullopt;
}

void Api::reload(Caller caller, std::function<void(Result<Seq>)> done) {
    se::reload(*state_, std::move(caller), {}, std::move(done));
}

void Api::let_in(Principals principals) { state_->let_in(std::move(principals)); }
std::uint64_t Api::generation() const { return state_->gate.generation(); }

void Api::handle(Request&& request, Reply reply) {
    ApiCore& core = *state_;
    const std::string_view path = path_of(request.target);

    const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
    const Route* found = nullptr;
    std::string_view encoded;
    std::string allowed;
    for (const Route& route : kRoutes) {
        std::string_view argument;
        if (!fits(route, path, &argument)) continue;
        if (route.method == method) {
            found = &route;
            encoded = argument;
            break;
        }
        allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
        if (route.method == "GET") allowed += ", HEAD";
    }
    if (const auto problem = core.gate.check_origin(request)) return reply(to_response(*problem));
    if (found == nullptr) {
        reply(allowed.empty() ? no_such_route(path) : wrong_method(request.method, path, allowed));
        return;
    }

    Exchange exchange{.reply = std::move(reply)};
    auto query = Query::parse(query_of(request.target));
    if (!query) return reply_problem(exchange.reply, malformed(query.error()));
    exchange.query = std::move(*query);
    if (!encoded.empty()) {
        auto argument = percent_decode(encoded);
        if (!argument) return reply_problem(exchange.reply, malformed(argument.error()));
        exchange.argument = std::move(*argument);
    }
    if (found->access != Access::open) {
        const std::string_view token = exchange.query.find("token").value_or("");
        if (const auto problem = core.gate.identify(request, token, &exchange.caller))
            return reply_problem(exchange.reply, *problem);
        if (!found->scope.empty() && !exchange.caller.has_scope(found->scope))
            return reply_problem(exchange.reply, *check_scope(exchange.caller, found->scope));
    }
    exchange.request = std::move(request);
    // A proposal that is too large is a decision like any other; of all else it is only said.
    if (!exchange.request.too_large.empty() && found->handler != post_mutations) {
        return reply_problem(exchange.reply, {.status = 413,
                                              .code = Code::too_large,
                                              .message = std::move(exchange.request.too_large)});
    }
    found->handler(core, std::move(exchange));
}

void Api::changes_applied() {
    state_->check_waiters();
    for (const auto& weak : state_->feeds) {
        if (const auto feed = weak.lock()) feed->changes_applied();
    }
}

std::chrono::nanoseconds Api::tick() {
    using namespace std::chrono_literals;
    ApiCore& core = *state_;
    core.check_waiters();
    std::chrono::nanoseconds wait = 1s;
    const auto now = core.host.clock.monotonic();
    if (core.count_feeds() != 0) {
        for (const auto& weak : core.feeds) {
            if (const auto feed = weak.lock()) wait = std::min(wait, feed->tick(now));
        }
    }
    for (const auto& waiter : core.waiters) wait = std::min(wait, waiter.deadline - now);
    if (core.engine != nullptr) core.disk.sample(now, core.engine->journal().disk_free_bytes());
    if (core.engine != nullptr && core.journal) core.engine->note_damage_below(*core.journal);
    return std::max<std::chrono::nanoseconds>(wait, 1ms);
}

void Api::drain() {
    state_->draining = true;
    state_->check_waiters();
    for (const auto& weak : state_->feeds) {
        if (const auto feed = weak.lock()) feed->end();
    }
}

void ApiCore::let_in(Principals principals) {
    if (principals == gate.principals()) return;
    gate.replace(std::move(principals));
    // They come back at once, and are asked for their token. The operator's rights do not change.
    for (const auto& weak : feeds) {
        if (const auto feed = weak.lock(); feed && !feed->is_operators()) feed->end();
    }
}

std::optional<Problem> ApiCore::why_over(const Caller& caller, std::uint64_t generation) const {
    if (gate.generation() == generation || caller.door == "socket") return std::nullopt;
    return Problem{.status = 401,
                   .code = Code::unauthenticated,
                   .message = "the principals have changed since this was let in: send it again"};
}

std::size_t ApiCore::count_feeds() {
    std::erase_if(feeds, [](const auto& feed) { return feed.expired(); });
    return feeds.size();
}

void ApiCore::wait_for(Seq seq, std::chrono::milliseconds wait, std::function<void(bool)> go_on) {
    if (engine != nullptr && engine->applied().seq >= seq) return go_on(true);
    if (wait.count() == 0 || engine == nullptr || waiters.size() >= kWaitersMax) return go_on(false);
    waiters.push_back({seq, host.clock.monotonic() + wait, std::move(go_on)});
    if (host.tick_within) host.tick_within(wait);
}

void ApiCore::check_waiters() {
    if (waiters.empty()) return;
    const auto now = host.clock.monotonic();
    const bool hopeless = engine == nullptr || draining;
    const Seq reached = engine == nullptr ? Seq{} : engine->applied().seq;
    std::vector<std::pair<std::function<void(bool)>, bool>> due;
    std::erase_if(waiters, [&](Waiter& waiter) {
        const bool there = engine != nullptr && waiter.seq <= reached;
        if (!there && !hopeless && waiter.deadline > now) return false;
        due.emplace_back(std::move(waiter.go_on), there);
        return true;
    });
    for (auto& [go_on, there] : due) go_on(there);
}

Result<JournalReader*> ApiCore::reader() {
    if (!journal) {
        auto opened = JournalReader::open(engine->files(), engine->paths());
        if (!opened) return std::move(opened).error();
        journal.emplace(std::move(*opened));
    }
    engine->note_damage_below(*journal);  // that the route before met
    return &*journal;
}

}  // namespace se
