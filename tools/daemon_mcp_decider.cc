#include "tools/daemon_mcp_decider.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "engine/api/gate.h"
#include "engine/intake/proposal.h"
#include "journal/base/json_depth.h"
#include "journal/search.h"
#include "mcp/engine_door.h"
#include "tools/daemon_surroundings.h"

namespace se {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSentMax = 64;          // over one connection at once; more wait here
constexpr auto kAnswerWait = 10s;             // of one read or write; then the connection counts as lost
constexpr auto kKeysWait = 500ms;             // for a daemon to say which keys may be written: others wait meanwhile
constexpr auto kLinger = 500ms;               // the store is kept for the next proposal so long
constexpr auto kLookAgain = 20ms;             // for whoever holds the store
constexpr auto kPolicyKept = 5s;

/// What the daemon said, as far as it is an answer to a proposal.
std::optional<mcp::Decided> decided_of(const HttpAnswer& answer, const std::string& id) {
    const auto json = parse_json(answer.body, kJsonDepthTrusted);
    if (!json) return std::nullopt;
    const auto text = [&](std::string_view name) {
        const Json* member = json->find(name);
        return member != nullptr && member->is_string() ? member->string() : std::string();
    };
    mcp::Decided decided{.id = text("id"), .json = answer.body};
    while (decided.json.ends_with('\n')) decided.json.pop_back();
    const std::string status = text("status");
    if (status.empty()) {  // refused at the door, so it was never proposed
        const auto why = code_from_text(text("code"));
        if (!why || answer.status < 400 || answer.status >= 500) return std::nullopt;
        return mcp::not_decided(id, *why, text("reason"), text("message"));
    }
    if (status == "accepted") decided.status = Answer::Status::accepted;
    if (status == "pending") decided.status = Answer::Status::pending;
    if (const std::string code = text("code"); !code.empty()) {
        const auto known = code_from_text(code);
        if (!known) return std::nullopt;
        decided.code = *known;
    }
    return decided;
}

std::string joined(const std::vector<std::string>& roles) {
    std::string out;
    for (const std::string& role : roles) out += (out.empty() ? "" : ",") + role;
    return out;
}

/// The claim that made a caller what it is, believed or not: the daemon judges it again, and comes to the same.
IdentityClaim claim_of(const Caller& caller) {
    if (caller.actor != caller.principal || !caller.roles.empty())
        return {.actor = caller.actor, .roles = caller.roles};
    IdentityClaim claim;
    const auto json = parse_json(caller.claim.empty() ? "{}" : caller.claim, kJsonDepthTrusted);
    if (!json) return claim;
    if (const Json* actor = json->find("actor"); actor != nullptr && actor->is_string())
        claim.actor = actor->string();
    if (const Json* roles = json->find("roles"); roles != nullptr && roles->is_array()) {
        for (const Json& role : roles->array())
            if (role.is_string()) claim.roles.push_back(role.string());
    }
    return claim;
}

/// The tool that a model called, as the cause names it; empty when none did.
std::string tool_of(const Caller& caller) {
    const auto cause = parse_json(caller.cause.empty() ? "{}" : caller.cause, kJsonDepthTrusted);
    const Json* tool = cause && caller.door == "mcp" ? cause->find("tool") : nullptr;
    return tool != nullptr && tool->is_string() ? tool->string() : std::string();
}

Result<std::vector<std::string>> keys_said_by(HttpClient& daemon) {
    SE_TRY(answer, daemon.get("/_debug/config"));
    SE_TRY(config, parse_json(answer.body));
    const Json* keys = config.find("allowedKeys");
    if (keys == nullptr || !keys->is_array()) return Error{Errc::malformed, "no allowedKeys"};
    std::vector<std::string> texts;
    for (const Json& key : keys->array())
        if (key.is_string()) texts.push_back(key.string());
    return texts;
}

}  // namespace

std::string local_principal() {
    std::array<char, 16384> memory{};
    passwd entry{};
    passwd* found = nullptr;
    const uid_t user = ::geteuid();
    if (::getpwuid_r(user, &entry, memory.data(), memory.size(), &found) == 0 && found != nullptr)
        return std::string("local:") + found->pw_name;
    return "local:" + std::to_string(user);
}

StoreDecider::StoreDecider(World world, Settings settings, std::chrono::milliseconds patience,
                           std::function<void()> wake)
    : world_(world), settings_(std::move(settings)), patience_(patience), wake_(std::move(wake)) {}

StoreDecider::~StoreDecider() { close(); }

void StoreDecider::propose(Json proposal, Caller caller, bool dry_run,
                           std::function<void(mcp::Decided)> done) {
    // Ours from the start: whatever breaks on the way, asking again with it is safe.
    const Json* given = proposal.find("id");
    if (given == nullptr || given->is_null()) proposal.set("id", make_uuid(world_.random));
    given = proposal.find("id");
    waiting_.push_back({.proposal = std::move(proposal),
                        .caller = std::move(caller),
                        .dry_run = dry_run,
                        .done = std::move(done),
                        .id = {},
                        .until = world_.clock.monotonic() + patience_});
    Waiting& waiting = waiting_.back();
    if (const Json* id = waiting.proposal.find("id"); id->is_string()) waiting.id = id->string();
    if (client_) send_more();
}

std::chrono::nanoseconds StoreDecider::turn() {
    const auto rest = work();
    if (std::exchange(keys_changed_, false)) on_policy();
    return rest;
}

std::chrono::nanoseconds StoreDecider::work() {
    if (client_) read_answers();
    if (!waiting_.empty() && !client_) {
        if (engine_ == nullptr && !reach_daemon()) open_store();
        if (engine_ != nullptr) hand_to_engine();
    }
    if (client_) send_more();
    give_up_on_the_late();
    if (engine_ != nullptr) {
        engine_->step();
        if (engine_->work_waits()) return 0ns;
        const auto now = world_.clock.monotonic();
        if (in_engine_ != 0) engine_used_ = now;
        const bool failed = engine_->state() == EngineState::failed;
        if (failed || now - engine_used_ >= kLinger) {
            let_go_of_store();
        } else {
            return std::min<std::chrono::nanoseconds>(engine_->idle_time(), engine_used_ + kLinger - now);
        }
    }
    if (waiting_.empty()) return 1s;
    if (!client_) return kLookAgain;
    return std::min<std::chrono::nanoseconds>(1s, waiting_.front().until - world_.clock.monotonic());
}

int StoreDecider::descriptor() const { return client_ ? client_->descriptor() : -1; }

void StoreDecider::close() {
    if (engine_ != nullptr) let_go_of_store();
    client_.reset();
    sent_ = 0;
    const auto left = std::exchange(waiting_, {});
    for (const Waiting& waiting : left) {
        const bool unknown = waiting.may_have_happened;
        waiting.done(mcp::not_decided(waiting.id, unknown ? Code::outcome_unknown : Code::unavailable,
                                      unknown ? "" : "draining", "this process is stopping"));
    }
}

// --- through the daemon

bool StoreDecider::reach_daemon() {
    const auto wait = std::clamp<std::chrono::milliseconds>(patience_, 1ms, kAnswerWait);  // 0 is for ever
    auto client = HttpClient::connect(HttpClient::address_of_socket(settings_.data), wait);
    if (!client) return false;
    client_.emplace(std::move(*client));
    sent_ = 0;
    return true;
}

void StoreDecider::send_more() {
    while (client_ && sent_ < waiting_.size() && sent_ < kSentMax) {
        Waiting& next = waiting_[sent_];
        HttpClient::Request request{.method = "POST",
                                    .target = next.dry_run ? "/v1/mutations?dryRun=true" : "/v1/mutations",
                                    .headers = {{"Content-Type", "application/json"}},
                                    .body = to_text(next.proposal)};
        // So that the record there is the one that there would be here.
        const IdentityClaim claim = claim_of(next.caller);
        if (!claim.actor.empty()) request.headers.emplace_back("x-user-id", claim.actor);
        if (!claim.roles.empty()) request.headers.emplace_back("x-roles", joined(claim.roles));
        if (const std::string tool = tool_of(next.caller); !tool.empty())
            request.headers.emplace_back("x-via-mcp", tool);
        if (!next.caller.trace.empty()) request.headers.emplace_back("traceparent", next.caller.trace);
        next.may_have_happened = next.may_have_happened || !next.dry_run;
        if (auto sent = client_->write(request); !sent) return lost_connection("the daemon is gone");
        ++sent_;
    }
}

void StoreDecider::read_answers() {
    // Only what is there: the daemon may still be waiting for its disk. An idle connection that becomes
    // readable has ended.
    while (client_ && client_->readable()) {
        auto answer = client_->read();
        if (!answer || sent_ == 0) return lost_connection("the daemon is gone");
        const bool closing = answer->header("connection") == "close";
        Waiting waiting = std::move(waiting_.front());
        waiting_.pop_front();
        --sent_;
        if (closing) lost_connection("the daemon is gone");
        auto decided = decided_of(*answer, waiting.id);
        if (!decided) {
            decided = mcp::not_decided(waiting.id, Code::outcome_unknown, "",
                                       "the daemon answered with " + std::to_string(answer->status));
        }
        if (decided->code == Code::key_not_allowed) policy_read_.reset();
        waiting.done(*std::move(decided));
    }
}

void StoreDecider::lost_connection(std::string_view why) {
    client_.reset();
    sent_ = 0;  // all of them again, with the same ids
    policy_read_.reset();
    why_not_ = why;
}

// --- in this process

void StoreDecider::open_store() {
    if (commits_ == nullptr) {
        commits_ = std::make_unique<ThreadRunner>(wake_);
        background_ = std::make_unique<ThreadRunner>(wake_);
    }
    on_store();
    auto opened = Engine::open({.files = world_.files,
                                .clock = world_.clock,
                                .random = world_.random,
                                .log = world_.log,
                                .commits = *commits_,
                                .background = *background_,
                                .cache_files = world_.files,
                                .cache_directory = {}},
                               settings_, std::nullopt,
                               {.host = host_name(),
                                .pid = static_cast<std::uint64_t>(::getpid()),
                                .program = std::string("state-engine mcp ") + SE_VERSION});
    if (!opened) {
        why_not_ = opened.error().text;
        return;
    }
    engine_ = std::move(*opened);
    engine_used_ = world_.clock.monotonic();
}

void StoreDecider::hand_to_engine() {
    // The engine's door takes shape, refusal and dry run off our hands.
    mcp::EngineDoor door;
    door.attach(engine_.get());
    while (!waiting_.empty()) {
        Waiting waiting = std::move(waiting_.front());
        waiting_.pop_front();
        ++in_engine_;
        door.propose(std::move(waiting.proposal), std::move(waiting.caller), waiting.dry_run,
                     [this, done = std::move(waiting.done)](mcp::Decided decided) {
                         --in_engine_;
                         done(std::move(decided));
                     });
    }
}

void StoreDecider::let_go_of_store() {
    on_store();
    learn(engine_->policy());
    policy_read_ = world_.clock.monotonic();
    if (const Status closed = engine_->close(); !closed) {
        world_.log.write({Severity::error, "state-engine.close_failed", {{"error", closed.error().text}}});
    }
    engine_.reset();
}

void StoreDecider::give_up_on_the_late() {
    const auto now = world_.clock.monotonic();
    if (waiting_.empty() || waiting_.front().until > now) return;
    // Answers come in order: whoever does not answer the late ones answers none behind them.
    if (sent_ != 0) lost_connection("the daemon does not answer");
    while (!waiting_.empty() && waiting_.front().until <= now) {
        const Waiting waiting = std::move(waiting_.front());
        waiting_.pop_front();
        const bool unknown = waiting.may_have_happened;
        waiting.done(mcp::not_decided(waiting.id, unknown ? Code::outcome_unknown : Code::unavailable,
                                      unknown ? "" : "overloaded",
                                      "no writer for " + settings_.data + ": " + why_not_));
    }
}

// --- by what it would be decided

std::vector<std::string> StoreDecider::allowed_keys() {
    const auto now = world_.clock.monotonic();
    if (engine_ != nullptr) {
        learn(engine_->policy());
    } else if (!policy_read_ || now - *policy_read_ >= kPolicyKept) {
        if (auto read = read_policy()) learn(*std::move(read));
        policy_read_ = world_.clock.monotonic();  // the end of the question: it may have taken its time
    }
    keys_told_ = true;
    return policy_.allowed_keys;
}

void StoreDecider::learn(Policy policy) {
    if (keys_told_ && policy.allowed_keys != policy_.allowed_keys) keys_changed_ = true;
    policy_known_ = true;
    policy_ = std::move(policy);
}

Result<Policy> StoreDecider::read_policy() {
    // The daemon's, when one runs; else the one last journaled.
    auto client = HttpClient::connect(HttpClient::address_of_socket(settings_.data), kKeysWait);
    if (!client) return journaled_policy();
    if (auto keys = keys_said_by(*client)) {
        Policy policy = policy_;
        policy.allowed_keys = *std::move(keys);
        return policy;
    }
    if (policy_known_) return policy_;
    return journaled_policy();
}

Result<Policy> StoreDecider::journaled_policy() {
    const StorePaths paths{settings_.data};
    SE_TRY(newest, find_newest(world_.files, paths, [](const RecordView& record) {
               return record.kind == Kind::config || (record.kind == Kind::note && record.note == "closed");
           }));
    if (!newest) return policy_;
    if (newest->view.kind == Kind::config) {
        SE_TRY(json, parse_json(newest->view.body, kJsonDepthTrusted));
        return Policy::from_json(json);
    }
    // Who closed the store said which `config` record was in force.
    SE_TRY(closed, parse_json(newest->view.body, kJsonDepthTrusted));
    const Json* seq = closed.find("config");
    if (seq == nullptr || !seq->is_integer()) return policy_;
    SE_TRY(reader, JournalReader::open(world_.files, paths));
    SE_TRY(record, reader.at(Seq{static_cast<std::uint64_t>(seq->integer())}));
    SE_TRY(json, parse_json(record->body, kJsonDepthTrusted));
    return Policy::from_json(json);
}

}  // namespace se
