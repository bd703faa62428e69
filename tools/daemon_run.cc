#include "tools/daemon_run.h"

#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <iostream>
#include <thread>

#include "journal/base/json.h"
#include "journal/repair.h"
#include "journal/search.h"
#include "tools/daemon_egress.h"
#include "tools/daemon_surroundings.h"
#include "tools/daemon_tls.h"

namespace se {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kReopenFirst = 1s;  // doubled up to…
constexpr std::chrono::nanoseconds kReopenMax = 30s;   // an engine that lived so long starts over
constexpr std::chrono::nanoseconds kDrainLook = 20ms;

constexpr int kError = 1;
constexpr int kHeld = 7;

/// Every connection and every reader takes a descriptor.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

JsonLogOptions log_options(const Settings& settings) {
    return {.service = settings.service_name,
            .severity_min = severity_from_text(settings.log_level).value_or(Severity::info),
            .secrets = {settings.auth.token, settings.egress.webhook_token}};
}

std::unique_ptr<OtlpExporter> make_tracer(const Settings& settings, Log& log) {
    if (settings.otlp.endpoint.empty()) return nullptr;
    return std::make_unique<OtlpExporter>(OtlpExporter::Options{.endpoint = settings.otlp.endpoint,
                                                                .service = settings.service_name,
                                                                .version = SE_VERSION,
                                                                .queue = settings.otlp.queue,
                                                                .tls = collector_tls(settings)},
                                          log);
}

}  // namespace

Daemon::Daemon(DaemonOptions options, Config config)
    : options_(std::move(options)),
      config_(std::move(config)),
      paths_{config_.settings.data},
      log_(clock_, log_options(config_.settings)),
      tracer_(make_tracer(config_.settings, log_)),
      commits_([this] { loop_.post([this] { step(); }); }),
      background_([this] { loop_.post([this] { step(); }); }),
      followers_({.files = files_,
                  .clock = clock_,
                  .random = random_,
                  .log = log_,
                  .home = loop_,
                  .note =
                      [this](const std::string& follower, std::string name, std::string body,
                             std::function<void(Status)> told) {
                          note({follower, std::move(name), std::move(body), std::move(told)});
                      }},
                 paths_),
      api_({.config = config_,
            .clock = clock_,
            .log = log_,
            .version = SE_VERSION,
            .pid = static_cast<std::uint64_t>(::getpid()),
            .load_config = [this](bool dry_run) { return load_config(dry_run); },
            .extra_metrics =
                [this] {
                    return server_.metrics() + mcp_door_.metrics() + metrics_of(outbound()) +
                           (tracer_ != nullptr ? tracer_->metrics() : "") +
                           (bus_ != nullptr ? bus_->metrics() : "") +
                           (firestore_ != nullptr
                                ? firestore_->metrics(engine_ ? engine_->durable() : Seq{})
                                : "");
                },
            .tick_within = [this](std::chrono::nanoseconds wait) { loop_.set_alarm(wait); },
            .repair =
                [this](Api::RepairRange range, std::function<void(Result<std::string>)> done) {
                    if (range.dry_run) {
                        auto plan = plan_repair(files_, paths_, range.from, range.to,
                                                projection_evidence());
                        if (!plan) return done(std::move(plan).error());
                        return done(to_json(*plan, false));
                    }
                    if (repair_ || engine_ == nullptr)
                        return done(Error{Errc::unavailable, "the store is being opened"});
                    repair_ = Repair{range, std::move(done)};
                    end(Ended::repair);
                },
            .followers = &followers_,
            .firestore_status = [this] { return firestore_status(); }}),
      server_(
          loop_, HttpServer::from(config_.settings.http),
          [this](Request&& request, Api::Reply reply) {
              if (tracer_ != nullptr) reply = traced(request, std::move(reply));
              const std::string_view path = path_of(request.target);
              if (path == DaemonBus::kStatusRoute || path == DaemonBus::kLettersRoute) {
                  bus_request(request, reply);
              } else if (path.starts_with(DaemonFirestore::kStatusRoute)) {
                  firestore_request(request, reply);
              } else if (mcp::HttpDoor::serves(request.target)) {
                  mcp_door_.handle(std::move(request), std::move(reply));
              } else {
                  api_.handle(std::move(request), std::move(reply));
              }
              if (engine_ != nullptr && engine_->work_waits()) schedule_step();
          },
          log_),
      offers_(state_, {.version = SE_VERSION,
                       .profile = config_.settings.mcp.full ? mcp::Profile::full : mcp::Profile::state,
                       .platform = platform()}),
      mcp_(offers_.registry(), clock_, random_),
      mcp_door_({.server = mcp_,
                 .clock = clock_,
                 .random = random_,
                 .admit = [this](const Request& request,
                                 Caller* caller) { return api_.admit(request, caller); },
                 .tick_within = [this](std::chrono::nanoseconds wait) { loop_.set_alarm(wait); },
                 .streams = config_.settings.http.streams}),
      bus_(make_bus()),
      firestore_(make_firestore()),
      work_([this] {
          if (bus_ != nullptr) bus_->turn();
          engine_->step();
          if (bus_ != nullptr) bus_wait_ = bus_->settle();
          const Seq applied = engine_->applied().seq, durable = engine_->durable();
          if (std::exchange(durable_, durable) != durable) followers_.wake();
          if (std::exchange(changes_, false) || std::exchange(applied_, applied) != applied)
              changes_applied();
      }) {
    add_egress(followers_, config_.settings, files_, clock_);
    state_.on_policy = [this] { offers_.policy_changed(); };
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is a failed write, not the end
    raise_descriptor_limit();
    loop_.on_signals({SIGTERM, SIGINT, SIGHUP}, [this](int signal) { on_signal(signal); });
    loop_.on_alarm([this] {
        if (serving_) {
            loop_.set_alarm(std::min(api_.tick(), mcp_door_.tick()));
            return step();
        }
        const auto left = wait_until_ - clock_.monotonic();
        if (waiting_ && left.count() <= 0) return end(Ended::waited);
        if (waiting_) loop_.set_alarm(left);
    });
}

Daemon::~Daemon() = default;

/// Tells of a request from its arrival to its answer; of a stream, until it begins.
Api::Reply Daemon::traced(const Request& request, Api::Reply reply) {
    std::string route(Api::route_of(request.target));
    if (route.empty() && mcp::HttpDoor::serves(request.target))
        route = path_of(request.target);
    auto open = OpenSpan::begin(tracer_.get(), clock_, random_, request.header("traceparent"),
                                request.method + (route.empty() ? "" : " " + route), Span::Kind::server);
    if (!open) return reply;
    auto& attributes = open->span().attributes;
    attributes.emplace_back("http.request.method", request.method);
    if (!route.empty()) attributes.emplace_back("http.route", std::move(route));
    return [open = std::move(*open), reply = std::move(reply)](Response&& response) mutable {
        open.span().attributes.emplace_back("http.response.status_code",
                                            std::int64_t{response.status});
        open.span().failed = response.status >= 500;
        std::move(open).end();
        reply(std::move(response));
    };
}

std::string Daemon::holder() {
    const auto opener = last_opener(files_, paths_);
    return describe(opener ? *opener : std::nullopt);
}

int Daemon::complain(int code, const std::string& text) {
    log_.write({Severity::error, "state-engine.start_failed", {{"error", text}}});
    std::cerr << "state-engine: " << text << '\n';
    return code;
}

int Daemon::run() {
    for (const std::string& variable : config_.passed_over) {
        log_.write({Severity::warning,
                    "state-engine.settings.passed_over",
                    {{"variable", variable}, {"meaning", "its value is not known; the default counts"}}});
    }
    if (passes_over_collector_tls(config_.settings)) {
        log_.write({Severity::warning,
                    "state-engine.settings.passed_over",
                    {{"setting", "otlp.tls_ca"}, {"meaning", "otlp.endpoint does not begin with https://"}}});
    }
    if (const auto code = take_port()) return *code;
    server_.serve();
    std::chrono::nanoseconds backoff = kReopenFirst;
    for (bool first = true;; first = false) {
        auto opened = open_engine();
        if (!opened) {
            const std::string why = opened.error().text;
            if (first && opened.error().code == Errc::busy)
                return complain(kHeld, paths_.root + " is held by " + holder());
            if (first) return complain(kError, why);
            log_.write({Severity::error, "state-engine.reopen_failed", {{"error", why}}});
            if (repair_) std::exchange(repair_, {})->done(opened.error());
            api_.attach(nullptr, "reopening: " + why);
            state_.attach(nullptr, why);
        } else {
            engine_ = std::move(*opened);
            repaired_.reset();
            if (first) {
                if (const auto code = begin_serving()) return *code;
            }
            const auto since = clock_.monotonic();
            const Ended why = serve();
            if (why == Ended::stop) return finish();
            if (why == Ended::repair) {
                const std::vector<Evidence> evidence = projection_evidence();
                let_go_of_engine("reopening after a repair");
                repaired_ = repair_->range;  // the next open notes it
                const auto repaired = carry_out_repair(repair_->range, evidence);
                if (!repaired) repaired_.reset();
                const auto done = std::exchange(repair_, {})->done;
                server_.batch([&] { done(repaired); });
                continue;
            }
            const std::string failure = engine_->why_not_ready();
            log_.write({Severity::error, "state-engine.failed", {{"error", failure}}});
            let_go_of_engine("reopening after a failure: " + failure);
            if (clock_.monotonic() - since > kReopenMax) backoff = kReopenFirst;
        }
        if (stopping_ || wait(backoff) == Ended::stop) return finish();
        backoff = std::min(2 * backoff, kReopenMax);
    }
}

/// Finds out what would keep us from serving before the store is touched.
std::optional<int> Daemon::take_port() {
    const Settings::Http& http = config_.settings.http;
    if (const std::string why = refusal_to_listen(config_.settings); !why.empty())
        return complain(kError, why);
    if (!HttpServer::is_loopback(http.host) && config_.settings.auth.lets_anybody_in()) {
        log_.write({Severity::warning,
                    "state-engine.http.open",
                    {{"meaning", "anybody who reaches " + http.host + " may change the state"}}});
    }
    if (const auto held = files_.is_locked(paths_.store_file()); held && *held)
        return complain(kHeld, paths_.root + " is held by " + holder());
    if (const auto bound = server_.bind(http.host, http.port); !bound)
        return complain(kError, bound.error().text);
    return std::nullopt;
}

/// The doors are served on another thread meanwhile, and say that the engine is not there yet.
Result<std::unique_ptr<Engine>> Daemon::open_engine() {
    std::thread doors([this] { loop_.run(); });
    const Engine::Doors world{.files = files_,
                              .clock = clock_,
                              .random = random_,
                              .log = log_,
                              .commits = commits_,
                              .background = background_,
                              .cache_files = files_,
                              .cache_directory = {},
                              .tracer = tracer_.get()};
    auto opened = Engine::open(world, config_.settings, config_.policy,
                               {.host = host_name(),
                                .pid = static_cast<std::uint64_t>(::getpid()),
                                .program = std::string("state-engine ") + SE_VERSION,
                                .repaired_by = repaired_ ? std::optional(repaired_->caller) : std::nullopt,
                                .repaired_why = repaired_ ? repaired_->why : Why{}});
    loop_.stop();
    doors.join();
    return opened;
}

std::optional<int> Daemon::begin_serving() {
    // Only now: with the store's lock held, a socket found in its folder is a dead one's.
    if (const auto bound = server_.bind_socket(paths_.root, "engine.sock"); !bound) {
        const Status closed = engine_->close();
        return complain(kError, bound.error().text + (closed ? "" : "; " + closed.error().text));
    }
    server_.serve();
    if (bus_ != nullptr) bus_->listens_on(server_.port(), [this] { return config_.settings.auth.token; });
    log_.write({Severity::info,
                "state-engine.listening",
                {{"host", config_.settings.http.host},
                 {"port", std::to_string(server_.port())},
                 {"socket", paths_.socket()},
                 {"data", paths_.root},
                 {"version", SE_VERSION},
                 {"epoch", std::to_string(engine_->journal().epoch().value)},
                 {"seq", std::to_string(engine_->applied().seq.value)}}});
    return std::nullopt;
}

Daemon::Ended Daemon::serve() {
    engine_->on_changes([this] { changes_ = true; });
    applied_ = engine_->applied().seq;
    followers_.begin();
    for (Note& one : std::exchange(notes_, {})) note(std::move(one));
    api_.attach(engine_.get());
    state_.attach(engine_.get());
    if (bus_ != nullptr) bus_->attach(engine_.get());
    if (stopping_) return Ended::stop;
    serving_ = true;
    if (firestore_ != nullptr) firestore_->engine_opened();
    loop_.set_alarm(api_.tick());
    schedule_step();
    if (std::exchange(reload_wanted_, false)) reload();
    loop_.run();
    serving_ = false;
    return ended_;
}

Daemon::Ended Daemon::wait(std::chrono::nanoseconds time) {
    wait_until_ = clock_.monotonic() + time;
    waiting_ = true;
    loop_.set_alarm(time);
    loop_.run();
    waiting_ = false;
    return ended_;
}

/// Whoever waits for an answer gets one: what nobody can know is `outcome_unknown`.
void Daemon::let_go_of_engine(const std::string& why) {
    followers_.pause();
    server_.batch([&] {
        if (const Status closed = engine_->close(); !closed) {
            log_.write({Severity::error, "state-engine.close_failed", {{"error", closed.error().text}}});
        }
        api_.attach(nullptr, why);
        state_.attach(nullptr, why);
        if (bus_ != nullptr) {
            bus_->settle();
            bus_->attach(nullptr);
        }
        engine_.reset();
    });
}

/// What a projection that can be trusted has seen: evidence that the journal alone may lack (J4).
std::vector<Evidence> Daemon::projection_evidence() const {
    if (engine_ == nullptr || !engine_->projection().trusted()) return {};
    const Position& watermark = engine_->projection().watermark();
    return {{.epoch = watermark.epoch, .seq = watermark.seq, .source = "projection"}};
}

Result<std::string> Daemon::carry_out_repair(const Api::RepairRange& range,
                                             std::vector<Evidence> evidence) {
    SE_TRY(hold, hold_store(files_, random_, paths_));
    SE_TRY(plan, plan_repair(files_, paths_, range.from, range.to, std::move(evidence)));
    SE_TRY_OK(carry_out(files_, paths_, hold, plan));
    log_.write({Severity::warning,
                "state-engine.journal.repaired",
                {{"from", std::to_string(range.from.value)}, {"to", std::to_string(range.to.value)}}});
    return to_json(plan, true);
}

int Daemon::finish() {
    Status closed = Ok{};
    followers_.stop();
    if (firestore_ != nullptr) firestore_->stop();
    if (engine_ != nullptr) {
        server_.batch([&] {
            closed = engine_->close();
            if (bus_ != nullptr) bus_->settle();
        });
    }
    if (bus_ != nullptr) bus_->close();
    server_.stop_serving();
    api_.attach(nullptr, "stopped");
    state_.attach(nullptr, "stopped");
    engine_.reset();
    if (!closed) return complain(kError, closed.error().text);
    log_.write({Severity::info, "state-engine.stopped"});
    return 0;
}

// --- in the loop

void Daemon::end(Ended why) {
    ended_ = why;
    loop_.stop();
}

/// Sessions that other principals were let in for are over; who may still come in begins anew.
void Daemon::check_principals() {
    const std::uint64_t now = api_.generation();
    if (std::exchange(principals_seen_, now) == now) return;
    server_.batch([this] { mcp_door_.end_all(); });
}

void Daemon::schedule_step() {
    if (std::exchange(step_posted_, true)) return;
    // Behind all that is ready in this turn: many requests become one group.
    loop_.post([this] {
        step_posted_ = false;
        step();
    });
}

void Daemon::step() {
    if (!serving_) return;
    server_.batch(work_);
    check_principals();
    if (engine_->state() == EngineState::failed) return end(Ended::failed);
    if (stopping_) {
        const bool over = engine_->idle() && server_.quiet();
        if (over || clock_.monotonic() >= drain_until_) return end(Ended::stop);
        loop_.set_alarm(kDrainLook);
    }
    if (engine_->work_waits()) {
        schedule_step();
    } else {
        loop_.set_alarm(engine_->idle_time());
    }
    if (bus_ != nullptr) loop_.set_alarm(bus_wait_);
}

void Daemon::on_signal(int signal) {
    if (signal == SIGHUP) return reload();
    restarts_ = false;  // whoever ends us now does not mean another one
    stop(signal == SIGTERM ? "SIGTERM" : "SIGINT");
}

void Daemon::stop(std::string_view why) {
    if (std::exchange(stopping_, true)) return;
    log_.write({Severity::info, "state-engine.stopping", {{"signal", std::string(why)}}});
    drain_until_ = clock_.monotonic() + config_.settings.engine.drain;
    server_.stop_serving();
    server_.batch([this] {
        api_.drain();
        mcp_door_.drain();
    });
    if (!serving_) return end(Ended::stop);
    if (bus_ != nullptr) bus_->drain();
    engine_->drain();
    schedule_step();
}

void Daemon::reload() {
    if (!serving_) {
        reload_wanted_ = true;  // once the engine is open
        return;
    }
    const Caller caller{.principal = "system:signal", .actor = "system:signal", .door = "signal"};
    api_.reload(caller, [this](Result<Seq> seq) {
        if (seq) {
            log_.write({Severity::info,
                        "state-engine.policy.reloaded",
                        {{"seq", std::to_string(seq->value)}, {"policy", engine_->policy().digest()}}});
        } else if (seq.error().code != Errc::malformed) {
            log_.write({Severity::error,
                        "state-engine.policy.reload_failed",
                        {{"error", seq.error().text}}});
        }
    });
    schedule_step();
}

Result<Config> Daemon::load_config(bool dry_run) {
    SE_TRY(config, se::load_config(options_));
    Settings then = config_.settings;
    then.auth = config.settings.auth;
    if (const std::string why = refusal_to_listen(then); !why.empty())
        return Error{Errc::malformed, why};
    if (!dry_run) {
        log_.hide(config.settings.auth.token);
        const bool same_token = config_.settings.auth.token == config.settings.auth.token;
        config_.policy = config.policy;
        config_.settings.auth = config.settings.auth;
        if (bus_ != nullptr && !same_token) bus_->token_changed();
    }
    return config;
}

}  // namespace se
