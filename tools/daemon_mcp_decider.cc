#include "tools/daemon_mcp_decider.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "engine/intake/proposal.h"
#include "journal/base/json_depth.h"
#include "journal/search.h"
#include "mcp/engine_door.h"
#include "tools/daemon_surroundings.h"

namespace se {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSentMax = 64;          // over one connection at once; more wait here
constexpr auto kAnswerWait = 10s;             // of one read; then the connection counts as lost
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
    if (client_) read_answers();
    if (!waiting_.empty() && !client_) {
        if (engine_ == nullptr && !reach_daemon()) open_store();
        if (engine_ != nullptr) hand_to_engine();
    }
    if (client_) send_more();
    give_up_on_the_late(why_not_);
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
    return waiting_.empty() || client_ ? std::chrono::nanoseconds(1s) : std::chrono::nanoseconds(kLookAgain);
}

int StoreDecider::descriptor() const { return client_ ? client_->descriptor() : -1; }

void StoreDecider::close() {
    if (engine_ != nullptr) let_go_of_store();
    client_.reset();
    sent_ = 0;
    const auto left = std::exchange(waiting_, {});
    for (const Waiting& waiting : left) {
        waiting.done(mcp::not_decided(waiting.id,
                                      waiting.was_sent ? Code::outcome_unknown : Code::unavailable,
                                      waiting.was_sent ? "" : "draining", "this process is stopping"));
    }
}

// --- through the daemon

bool StoreDecider::reach_daemon() {
    auto client = HttpClient::connect(HttpClient::address_of_socket(settings_.data), kAnswerWait);
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
        if (next.caller.actor != next.caller.principal) {
            request.headers.emplace_back("x-user-id", next.caller.actor);
            if (!next.caller.roles.empty()) request.headers.emplace_back("x-roles", joined(next.caller.roles));
        }
        if (!next.caller.trace.empty()) request.headers.emplace_back("traceparent", next.caller.trace);
        next.was_sent = true;
        if (auto sent = client_->write(request); !sent) return lost_connection();
        ++sent_;
    }
}

void StoreDecider::read_answers() {
    // Only what is there: the daemon may still be waiting for its disk. An idle connection that becomes
    // readable has ended.
    while (client_ && client_->readable()) {
        auto answer = client_->read();
        if (!answer || sent_ == 0) return lost_connection();
        const bool closing = answer->header("connection") == "close";
        Waiting waiting = std::move(waiting_.front());
        waiting_.pop_front();
        --sent_;
        if (closing) lost_connection();
        auto decided = decided_of(*answer, waiting.id);
        if (!decided) {
            decided = mcp::not_decided(waiting.id, Code::outcome_unknown, "",
                                       "the daemon answered with " + std::to_string(answer->status));
        }
        if (decided->code == Code::key_not_allowed) policy_read_.reset();
        waiting.done(*std::move(decided));
    }
}

void StoreDecider::lost_connection() {
    client_.reset();
    sent_ = 0;  // all of them again, with the same ids
    policy_read_.reset();
    why_not_ = "the daemon is gone";
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
    policy_ = engine_->policy();
    policy_read_ = world_.clock.monotonic();
    if (const Status closed = engine_->close(); !closed) {
        world_.log.write({Severity::error, "state-engine.close_failed", {{"error", closed.error().text}}});
    }
    engine_.reset();
}

void StoreDecider::give_up_on_the_late(std::string_view why) {
    if (sent_ != 0) return;  // those are under way; the connection has a time limit of its own
    const auto now = world_.clock.monotonic();
    while (!waiting_.empty() && waiting_.front().until <= now) {
        const Waiting waiting = std::move(waiting_.front());
        waiting_.pop_front();
        waiting.done(mcp::not_decided(waiting.id,
                                      waiting.was_sent ? Code::outcome_unknown : Code::unavailable,
                                      waiting.was_sent ? "" : "overloaded",
                                      "no writer for " + settings_.data + ": " + std::string(why)));
    }
}

// --- by what it would be decided

const Policy& StoreDecider::policy() {
    if (engine_ != nullptr) return engine_->policy();
    const auto now = world_.clock.monotonic();
    if (policy_read_ && now - *policy_read_ < kPolicyKept) return policy_;
    policy_read_ = now;
    if (auto read = read_policy()) policy_ = *std::move(read);
    return policy_;
}

Result<Policy> StoreDecider::read_policy() {
    // The daemon's, when one runs; else the one last journaled.
    if (auto client = HttpClient::connect(HttpClient::address_of_socket(settings_.data), kAnswerWait)) {
        SE_TRY(answer, client->get("/_debug/config"));
        SE_TRY(config, parse_json(answer.body));
        const Json* keys = config.find("allowedKeys");
        if (keys == nullptr || !keys->is_array()) return Error{Errc::malformed, "no allowedKeys"};
        Policy policy;
        policy.allowed_keys.clear();
        for (const Json& key : keys->array())
            if (key.is_string()) policy.allowed_keys.push_back(key.string());
        return policy;
    }
    const StorePaths paths{settings_.data};
    SE_TRY(newest, find_newest(world_.files, paths, [](const RecordView& record) {
               return record.kind == Kind::config || (record.kind == Kind::note && record.note == "closed");
           }));
    if (!newest) return Policy{};
    if (newest->view.kind == Kind::config) {
        SE_TRY(json, parse_json(newest->view.body, kJsonDepthTrusted));
        return Policy::from_json(json);
    }
    // Who closed the store said which `config` record was in force.
    SE_TRY(closed, parse_json(newest->view.body, kJsonDepthTrusted));
    const Json* seq = closed.find("config");
    if (seq == nullptr || !seq->is_integer()) return Policy{};
    SE_TRY(reader, JournalReader::open(world_.files, paths));
    SE_TRY(record, reader.at(Seq{static_cast<std::uint64_t>(seq->integer())}));
    SE_TRY(json, parse_json(record->body, kJsonDepthTrusted));
    return Policy::from_json(json);
}

}  // namespace se
